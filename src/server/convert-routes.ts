import { Worker } from 'node:worker_threads';
import { convertResult, type ConvertResult } from '../model/convert-api.ts';
import type { StudyRequest } from '../strategy/run.ts';
import { studySchema } from '../strategy/study.ts';
import type { StudyReply } from '../strategy/worker.ts';
import { ApiProblem } from './problems.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

/** Quarter-hours of the books that are looked at: 31 days. */
const MOST_INTERVALS = 31 * 96;
const TIMEOUT_MS = 60_000;
/** Studies that may wait for the one that runs. */
const MOST_WAITING = 4;

/** The conversion study of the running site: its own prices as replay, its own books beside the model. */
export function convertRoutes(app: App, runtime: Runtime): void {
  const studies = createStudies();
  app.addHook('onClose', () => studies.close());
  app.post(
    '/api/v1/convert',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['strategy'],
        summary: 'Which hall goes from mining to AI first, and what that earns',
        description:
          'Replays the prices the site has seen. The body says what to assume in place of the defaults; {} assumes them all. Changes nothing.',
        body: studySchema,
        response: { 200: convertResult },
      },
    },
    async ({ body }) => {
      const { site, fleet, markets, store } = runtime;
      const reply = await studies.run({
        site,
        machines: fleet.machines.map(({ machine }) => machine),
        series: [...markets.series.values()],
        study: body,
        intervals: await store.intervals(MOST_INTERVALS),
      });
      if ('failure' in reply) throw new ApiProblem(422, 'No study can be made', reply.failure);
      return reply.result satisfies ConvertResult;
    },
  );
}

interface Studies {
  run(request: StudyRequest): Promise<StudyReply>;
  close(): Promise<void>;
}

/** One study at a time, each in a thread of its own that ends with it. */
function createStudies(): Studies {
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let running: Worker | undefined;
  let closed = false;

  function start(request: StudyRequest): Promise<StudyReply> {
    if (closed) throw new ApiProblem(503, 'Busy', 'the server is going down');
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('../strategy/worker.ts', import.meta.url), { workerData: request });
      running = worker;
      const timer = setTimeout(() => {
        reject(new ApiProblem(503, 'Busy', `the study was not done within ${TIMEOUT_MS / 1000} s`));
        void worker.terminate();
      }, TIMEOUT_MS);
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', (code) => {
        clearTimeout(timer);
        if (running === worker) running = undefined;
        reject(new Error(`the thread of the study ended with code ${code}`));
      });
    });
  }

  return {
    async run(request) {
      if (waiting >= MOST_WAITING)
        throw new ApiProblem(503, 'Busy', 'other studies are waiting: try again in a few seconds');
      waiting += 1;
      const mine = tail.then(() => start(request));
      tail = mine.catch(() => undefined);
      try {
        return await mine;
      } finally {
        waiting -= 1;
      }
    },
    async close() {
      closed = true;
      await running?.terminate();
    },
  };
}
