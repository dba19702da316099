import { Worker } from 'node:worker_threads';
import type { Forecast, Plan, Snapshot, WallMs } from '../model/index.ts';
import { planByMeritOrder } from './merit-order.ts';
import type { Scenario } from './plan.ts';
import type { PlanReply, PlanRequest, WorkerSetting } from './worker.ts';

export interface PlannerOptions {
  /** Wall time from request to plan after which the merit-order plan is given instead. */
  readonly timeoutMs: number;
  readonly wallNow: () => WallMs;
  /** The worker's module; another one only in tests. */
  readonly worker?: URL;
}

export interface Planner {
  /**
   * The best plan there is within the timeout: the solver's, or the merit order's with a note saying why.
   * A newer request supersedes one in progress: the older one resolves to the newer one's plan, within its time.
   * @param notes carried into the plan: what the forecast had to assume.
   * @param scenarios other ways things may go.
   * @throws Error where the snapshot contradicts itself, or after `close`.
   */
  plan(
    snapshot: Snapshot,
    forecast: Forecast,
    notes?: readonly string[],
    scenarios?: readonly Scenario[],
  ): Promise<Plan>;
  close(): Promise<void>;
}

interface Job {
  readonly request: PlanRequest;
  readonly startedAt: WallMs;
  readonly promise: PromiseWithResolvers<Plan>;
  readonly timer: NodeJS.Timeout;
}

/** Solves in a worker thread, so that the loops of the server run on, and replaces a worker that is late or broken. */
export function createPlanner({ timeoutMs, wallNow, worker: module }: PlannerOptions): Planner {
  const newest = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  // The solver gives up a little before the planner does, so that a solution it has still counts.
  const setting: WorkerSetting = { newest, timeLimitMs: timeoutMs * 0.9 };
  let worker: Worker | undefined;
  let job: Job | undefined;
  let closed = false;

  function start(): Worker {
    const started = new Worker(module ?? new URL('./worker.ts', import.meta.url), { workerData: setting });
    started.unref();
    started.on('message', (reply: PlanReply) => receive(reply));
    started.on('error', (error) => lost(started, `the solver crashed: ${error.message}`));
    started.on('exit', (code) => lost(started, `the solver's thread ended with code ${code}`));
    return started;
  }

  function lost(which: Worker, why: string): void {
    if (which !== worker) return;
    worker = undefined;
    fallBack(why);
  }

  function receive(reply: PlanReply): void {
    if (job === undefined || reply.number !== job.request.number) return;
    if ('plan' in reply) return finish(reply.plan);
    replaceWorker();
    fallBack(reply.failure);
  }

  /** A worker that failed once, or is stuck in a solve, is not trusted with the next one. */
  function replaceWorker(): void {
    const old = worker;
    worker = undefined;
    void old?.terminate();
  }

  function fallBack(why: string): void {
    if (job === undefined) return;
    const { request, startedAt, promise } = job;
    try {
      const notes = [...request.notes, `merit order in place of the optimiser: ${why}`];
      const plan = planByMeritOrder(request.snapshot, request.forecast, notes);
      finish({ ...plan, solveMs: wallNow() - startedAt });
    } catch (error) {
      clearTimeout(job.timer);
      job = undefined;
      promise.reject(error);
    }
  }

  function finish(plan: Plan): void {
    if (job === undefined) return;
    clearTimeout(job.timer);
    const { promise } = job;
    job = undefined;
    promise.resolve(plan);
  }

  function late(): void {
    replaceWorker();
    fallBack(`no answer within ${timeoutMs} ms`);
  }

  worker = start();
  return {
    plan(snapshot, forecast, notes = [], scenarios = []) {
      if (closed) return Promise.reject(new Error('the planner is closed'));
      const number = Atomics.add(newest, 0, 1) + 1;
      clearTimeout(job?.timer);
      const promise = job?.promise ?? Promise.withResolvers<Plan>();
      const request: PlanRequest = { number, snapshot, forecast, notes, scenarios };
      job = { request, startedAt: wallNow(), promise, timer: setTimeout(late, timeoutMs) };
      worker ??= start();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(request);
      return promise.promise;
    },
    async close() {
      closed = true;
      job?.promise.reject(new Error('the planner is closed'));
      clearTimeout(job?.timer);
      job = undefined;
      const old = worker;
      worker = undefined;
      await old?.terminate();
    },
  };
}
