import { afterEach, expect, test, vi } from 'vitest';
import type * as PlannerModule from '../../src/dispatch/planner.ts';
import { startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** The solver's thread dies or hangs: the site goes on by merit order, says so, and takes the solver back. */

const broken = vi.hoisted(() => ({ how: undefined as 'dies' | 'hangs' | undefined }));
const WORKERS = {
  dies: new URL(
    "data:text/javascript,import{parentPort}from'node:worker_threads';parentPort.on('message',()=>process.exit(7))",
  ),
  hangs: new URL("data:text/javascript,import{parentPort}from'node:worker_threads';parentPort.on('message',()=>{})"),
};

vi.mock('../../src/dispatch/planner.ts', async (importOriginal) => {
  const real = await importOriginal<typeof PlannerModule>();
  return {
    ...real,
    createPlanner(options: PlannerModule.PlannerOptions): PlannerModule.Planner {
      const planners = {
        sound: real.createPlanner(options),
        dies: real.createPlanner({ ...options, worker: WORKERS.dies }),
        hangs: real.createPlanner({ ...options, worker: WORKERS.hangs, timeoutMs: 500 }),
      };
      return {
        plan: (...asked) => planners[broken.how ?? 'sound'].plan(...asked),
        close: async () => void (await Promise.all(Object.values(planners).map((planner) => planner.close()))),
      };
    },
  };
});

let site: Small | undefined;
afterEach(async () => {
  broken.how = undefined;
  await site?.close();
});

test(
  'a solver that dies or hangs gives a merit-order plan and an alarm, and is tried again',
  { timeout: 240_000 },
  async () => {
    site = await startSmall({ offset: 11_220, from: '2026-03-24T00:40:00Z', speed: 60 });
    const { runtime, sim } = site;
    const solverAlarm = () => runtime.alarms().find(({ code }) => code === 'solver-failed');
    broken.how = 'dies';
    const plan = await until('a plan', () => runtime.plan());
    expect(plan).toMatchObject({ solver: 'merit-order', status: 'merit-order' });
    expect(plan.notes.join()).toContain('ended with code 7');
    await until('the alarm', solverAlarm);
    // At $200/MWh the merit order too puts every miner to sleep, and the machines obey it.
    await until('miners asleep', () => sim.truth().machines.sleeping === 60);

    broken.how = 'hangs';
    runtime.people.levels.set('auto', 'test', 'plan again');
    await until('a plan in place of a late one', () => runtime.plan()!.notes.join().includes('no answer within'));
    expect(runtime.plan()).toMatchObject({ solver: 'merit-order' });
    expect(solverAlarm()).toBeDefined();

    broken.how = undefined;
    runtime.people.levels.set('auto', 'test', 'plan again');
    await until('the optimiser back', () => runtime.plan()!.solver === 'highs');
    await until('no alarm', () => solverAlarm() === undefined);
  },
);
