import { afterEach, expect, test } from 'vitest';
import { wallMs } from '../model/index.ts';
import { demoForecast, demoSnapshot } from './fixture.ts';
import { planByMeritOrder } from './merit-order.ts';
import { createPlanner, type Planner, type PlannerOptions } from './planner.ts';

const open: Planner[] = [];
const planner = (options: Partial<PlannerOptions> = {}): Planner => {
  const made = createPlanner({ timeoutMs: 15_000, wallNow: () => wallMs(performance.now()), ...options });
  open.push(made);
  return made;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((p) => p.close()));
});

const [snapshot, forecast] = [demoSnapshot(), demoForecast()];
const script = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

test('plans in its worker, again and again', async () => {
  const own = planner();
  const first = await own.plan(snapshot, forecast, ['assumed']);
  expect(first).toMatchObject({ solver: 'highs', status: 'optimal', notes: ['assumed'] });
  const again = await own.plan(snapshot, forecast);
  expect(again.objectiveUsd).toBeCloseTo(first.objectiveUsd, 1);
});

test('a late solver is replaced by the merit order, with a note', async () => {
  const late = await planner({ timeoutMs: 0 }).plan(snapshot, forecast, ['assumed']);
  expect(late).toMatchObject({ solver: 'merit-order', status: 'merit-order' });
  expect(late.notes).toEqual(['assumed', 'merit order in place of the optimiser: no answer within 0 ms']);
  expect(late.steps).toEqual(planByMeritOrder(snapshot, forecast).steps);
});

test.each([
  [
    'crashes',
    `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { throw new Error('boom') })`,
    'the solver crashed: boom',
  ],
  [
    'ends',
    `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(3))`,
    'thread ended with code 3',
  ],
  [
    'fails',
    `import { parentPort } from 'node:worker_threads'; parentPort.on('message', ({ number }) => parentPort.postMessage({ number, failure: 'Aborted()' }))`,
    'Aborted()',
  ],
])('a worker that %s gives the merit order, and the next request gets a fresh worker', async (_, code, why) => {
  const own = planner({ worker: script(code) });
  for (const attempt of [1, 2]) {
    const fallback = await own.plan(snapshot, forecast);
    expect(fallback.solver, `attempt ${attempt}`).toBe('merit-order');
    expect(fallback.notes.at(-1)).toContain(why);
  }
});

test('a newer request supersedes the one in progress, whose caller gets the newer plan', async () => {
  const own = planner();
  const dearer = { ...forecast, steps: forecast.steps.map((step) => ({ ...step, priceUsdPerMwh: 500 })) };
  const [older, newer] = await Promise.all([own.plan(snapshot, forecast), own.plan(snapshot, dearer)]);
  expect(newer).toMatchObject({ solver: 'highs', status: 'optimal' });
  expect(newer.steps[0]!.priceUsdPerMwh).toBe(500);
  expect(older).toBe(newer);
});

test('a snapshot that contradicts itself rejects', async () => {
  const own = planner();
  await expect(own.plan({ ...snapshot, halls: [] }, forecast)).rejects.toThrow(/no hall/);
});

test('a closed planner rejects what waits and what comes', async () => {
  const closing = planner();
  const waiting = closing.plan(snapshot, forecast);
  const settled = Promise.allSettled([waiting]);
  await closing.close();
  expect((await settled)[0]).toMatchObject({ status: 'rejected', reason: new Error('the planner is closed') });
  await expect(closing.plan(snapshot, forecast)).rejects.toThrow(/closed/);
});
