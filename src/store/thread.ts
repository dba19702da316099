import { Worker } from 'node:worker_threads';
import { StoreFailure, type Op, type Outcome } from './queue.ts';
import type { StoreAsk, StoreReply } from './worker.ts';

/** The thread the database lives in; one that dies is started again at the next message. */
export interface Thread {
  /** Rejects where the thread died meanwhile. */
  send(ops: readonly Op[], kind: 'read' | 'write'): Promise<Outcome>;
  close(): Promise<void>;
  /** Ends it as a crash would: for tests. */
  kill(): Promise<void>;
}

interface Running {
  readonly worker: Worker;
  /** Rejects where the database cannot be opened. */
  readonly opened: Promise<void>;
  ask(ask: StoreAsk): Promise<Outcome>;
}

/** @throws Error where the database cannot be opened */
export async function openThread(file: string): Promise<Thread> {
  let running: Running | undefined;
  const startAgain = (): Running => {
    const one = start(file, () => {
      if (running === one) running = undefined;
    });
    return one;
  };
  running = startAgain();
  await running.opened;
  return {
    async send(ops, kind) {
      running ??= startAgain();
      const one = running;
      await one.opened;
      return one.ask({ kind, ops });
    },
    async close() {
      const last = running;
      await last?.ask({ kind: 'close', ops: [] }).catch(() => {});
      await last?.worker.terminate();
    },
    async kill() {
      await running?.worker.terminate();
    },
  };
}

/** One message at a time is under way: whoever asks waits for its answer. */
function start(file: string, onGone: () => void): Running {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: file, execArgv: [] });
  const opened = Promise.withResolvers<void>();
  let asked: PromiseWithResolvers<Outcome> | undefined;
  const gone = (error: Error): void => {
    onGone();
    opened.reject(error);
    asked?.reject(error);
  };
  worker.on('message', (reply: StoreReply) => {
    if ('opened' in reply) return opened.resolve();
    if ('closed' in reply) return gone(new StoreFailure(reply.closed));
    asked?.resolve(reply);
  });
  worker.on('error', gone);
  worker.on('exit', () => gone(new Error('the thread of the store has ended')));
  // Whoever opened it is told; nobody else need be.
  opened.promise.catch(() => {});
  return {
    worker,
    opened: opened.promise,
    ask(ask) {
      asked = Promise.withResolvers<Outcome>();
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(ask);
      return asked.promise;
    },
  };
}
