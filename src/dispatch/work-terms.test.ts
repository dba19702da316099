import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  HOUR,
  MINUTE,
  siteMs,
  type CurtailmentFacts,
  type DeadlineFacts,
  type Snapshot,
  type WorkFacts,
} from '../model/index.ts';
import { AT, bareSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

/** 100 GPUs of 1 kW each that earn $0.10 an hour: worth running below $100/MWh, and with a penalty of $1 below $1,100. */
const gpus = (change: Partial<WorkFacts> = {}): WorkFacts => ({
  id: 'w',
  hallId: 'a',
  className: 'reserved',
  line: 'ai',
  gpuModel: 'h100',
  runningGpus: 100,
  queuedGpus: 0,
  heldGpus: 0,
  partGpus: 100,
  committedGpus: 100,
  marginalWPerGpu: 1_000,
  usdPerGpuHour: 0.1,
  penaltyUsdPerGpuHour: 1,
  interruptUsdPerGpu: 0,
  ...change,
});
const site = (work: Partial<WorkFacts> = {}, change: Partial<Snapshot> = {}): Snapshot =>
  bareSnapshot({ work: [gpus(work)], ...change });
const working = (snapshot: Snapshot, prices: readonly number[], minutes = 60): number[] =>
  planWith(highs, snapshot, shortForecast(prices, minutes)).steps.map(({ work }) => Math.round(work['w']! * 1e3) / 1e3);

describe('curtailment budget', () => {
  const budget = (change: Partial<CurtailmentFacts> = {}): Partial<WorkFacts> => ({
    curtailment: { gpuHoursPerMonth: 500, leftGpuHours: 150, monthEndsAt: siteMs(AT + 240 * HOUR), ...change },
  });
  const prices = [50, 300, 500, 50, 200];

  test('what is left of it goes to the dearest hours, and no further', () => {
    expect(working(site(), prices)).toEqual([100, 100, 100, 100, 100]);
    expect(working(site(budget()), prices)).toEqual([100, 50, 0, 100, 100]);
    expect(working(site(budget({ leftGpuHours: 0 })), prices)).toEqual([100, 100, 100, 100, 100]);
  });

  test('power dearer than work and penalty together is left with or without it', () => {
    expect(working(site(budget({ leftGpuHours: 0 })), [50, 1_200])).toEqual([100, 0]);
  });

  test('a month that begins within the horizon has a budget of its own', () => {
    const ends = { leftGpuHours: 0, gpuHoursPerMonth: 100, monthEndsAt: siteMs(AT + 2 * HOUR) };
    expect(working(site(budget(ends)), prices)).toEqual([100, 100, 0, 100, 100]);
  });

  test('what is left of it has a price, which the plan tells', () => {
    const { why } = planWith(highs, site(budget()), shortForecast(prices, 60));
    // At $300/MWh an hour of a GPU costs $0.20 more than it earns.
    expect(why!.limits).toMatchObject([
      { key: 'curtailment:w', unit: 'GPU-hour', usdPerHour: expect.closeTo(0.2 / 5, 9) },
    ]);
    expect(why!.limits[0]!.sentence).toBe('1 GPU-hour more that the contract of w lets the site curtail saves $0.20');
  });

  test('the merit order does not draw on it', () => {
    const plan = planByMeritOrder(site(budget()), shortForecast(prices, 60));
    expect(plan.steps.map(({ work }) => work['w'])).toEqual([100, 100, 100, 100, 100]);
  });

  test('the money of a plan is the objective of the program, what the budget spares included', () => {
    const any = fc.record({
      prices: fc.array(fc.integer({ min: 0, max: 1_500 }), { minLength: 2, maxLength: 8 }),
      leftGpuHours: fc.integer({ min: 0, max: 400 }),
      monthEndsIn: fc.integer({ min: 1, max: 10 }),
    });
    fc.assert(
      fc.property(any, ({ prices, leftGpuHours, monthEndsIn }) => {
        const snapshot = site(budget({ leftGpuHours, monthEndsAt: siteMs(AT + monthEndsIn * HOUR) }));
        const forecast = shortForecast(prices, 60);
        const { objectiveUsd } = solve(highs, buildLp(pose(snapshot, forecast)), {});
        const told = planWith(highs, snapshot, forecast).objectiveUsd;
        // A GPU of the first step cut to a whole one.
        expect(told).toBeLessThanOrEqual(objectiveUsd + 1e-6);
        expect(told).toBeGreaterThan(objectiveUsd - 1.5);
      }),
      { numRuns: 60 },
    );
  });
});

describe('work that may not be interrupted', () => {
  const idle = { className: 'on-demand', committedGpus: 0, queuedGpus: 20, runningGpus: 60 } as const;

  test('runs on where others stop, and what waits is no part of it', () => {
    const prices = [50, 3_000];
    expect(working(site(idle), prices)).toEqual([80, 0]);
    expect(working(site({ ...idle, preemptible: false }), prices)).toEqual([80, 60]);
  });

  test('gives way to a breaker, in both planners', () => {
    const halls = bareSnapshot().halls.map((hall) => ({ ...hall, usableW: 40_000 }));
    const snapshot = site({ ...idle, preemptible: false }, { halls });
    expect(working(snapshot, [3_000])).toEqual([40]);
    const plan = planByMeritOrder(snapshot, shortForecast([3_000]));
    expect(plan.steps[0]!.work['w']).toBe(40);
  });

  test('runs on by merit order, too, before work that earns more', () => {
    const dear = gpus({ ...idle, id: 'dear', usdPerGpuHour: 5 });
    const snapshot = bareSnapshot({ work: [gpus({ ...idle, preemptible: false }), dear] });
    expect(planByMeritOrder(snapshot, shortForecast([50])).steps[0]!.work).toEqual({ w: 60, dear: 40 });
    expect(planWith(highs, snapshot, shortForecast([50])).steps[0]!.work).toEqual({ w: 60, dear: 40 });
  });

  test('has a price, which the plan tells', () => {
    const { why } = planWith(highs, site({ ...idle, preemptible: false }), shortForecast([300], 60));
    // A kilowatt at $300/MWh, less what it earns.
    expect(why!.limits).toMatchObject([{ key: 'non-preemptible:w', unit: 'GPU', usdPerHour: expect.closeTo(0.2, 9) }]);
  });
});

describe('deadline', () => {
  const batch = (change: Partial<DeadlineFacts> = {}): Partial<WorkFacts> => ({
    className: 'batch',
    line: 'hpc',
    committedGpus: 0,
    usdPerGpuHour: 0,
    deadline: { gpuHours: 150, by: siteMs(AT + 4 * HOUR), penaltyUsdPerGpuHour: 1, ...change },
  });
  const prices = [90, 40, 60, 80, 20];

  test('work waits for the cheapest hours before it, and hours after it do not count', () => {
    expect(working(site({ ...batch(), deadline: undefined }), prices)).toEqual([0, 0, 0, 0, 0]);
    expect(working(site(batch()), prices)).toEqual([0, 100, 50, 0, 0]);
    expect(working(site(batch({ gpuHours: 390 })), prices)).toEqual([90, 100, 100, 100, 0]);
  });

  test('work is late where power costs more than that', () => {
    expect(working(site(batch({ penaltyUsdPerGpuHour: 0.05 })), prices)).toEqual([0, 100, 0, 0, 0]);
  });

  test('of a deadline beyond the horizon the horizon does its part', () => {
    const far = batch({ gpuHours: 300, by: siteMs(AT + 10 * HOUR) });
    expect(working(site(far), prices)).toEqual([0, 50, 0, 0, 100]);
  });

  test('an hour less of it has a price, which the plan tells', () => {
    const { why } = planWith(highs, site(batch()), shortForecast(prices, 60));
    expect(why!.limits).toMatchObject([
      { key: 'deadline:w', unit: 'GPU-hour', usdPerHour: expect.closeTo(0.06 / 5, 9) },
    ]);
  });

  test('the merit order does not wait, and stops when it is done', () => {
    const plan = planByMeritOrder(site(batch({ gpuHours: 200 })), shortForecast(prices, 60));
    expect(plan.steps.map(({ work }) => work['w'])).toEqual([100, 100, 0, 0, 0]);
  });

  test('the money of a plan is the objective of the program, what is late included', () => {
    const any = fc.record({
      prices: fc.array(fc.integer({ min: 0, max: 1_500 }), { minLength: 2, maxLength: 8 }),
      gpuHours: fc.integer({ min: 0, max: 900 }),
      byMinutes: fc.integer({ min: 1, max: 700 }),
    });
    fc.assert(
      fc.property(any, ({ prices, gpuHours, byMinutes }) => {
        const snapshot = site(batch({ gpuHours, by: siteMs(AT + byMinutes * MINUTE) }));
        const forecast = shortForecast(prices, 60);
        const { objectiveUsd } = solve(highs, buildLp(pose(snapshot, forecast)), {});
        const told = planWith(highs, snapshot, forecast).objectiveUsd;
        expect(told).toBeLessThanOrEqual(objectiveUsd + 1e-6);
        expect(told).toBeGreaterThan(objectiveUsd - 1.5);
      }),
      { numRuns: 60 },
    );
  });
});
