import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anySite, forecastOfSite, snapshotOf } from '../../test/support/random-site.ts';
import { HOUR, siteMs, type AvailabilityFacts, type Snapshot, type WorkFacts } from '../model/index.ts';
import { AT, bareSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

type Credit = AvailabilityFacts['credits'][number];
const credit = (usd: number, leftGpuHours: number | undefined, nextGpuHours: number | undefined = 1e6): Credit => ({
  usd,
  leftGpuHours,
  nextGpuHours,
});
/** 100 GPUs of 1 kW each that earn $0.10 an hour and owe $1 for each they miss: worth stopping above $1,100/MWh. */
const site = (credits: readonly Credit[] = [], monthEndsInHours = 240, change: Partial<WorkFacts> = {}): Snapshot =>
  bareSnapshot({
    work: [
      {
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
        availability: { monthEndsAt: siteMs(AT + monthEndsInHours * HOUR), credits },
        ...change,
      },
    ],
  });
const prices = [50, 1_500, 3_000, 50];
const planned = (snapshot: Snapshot, of = prices) => planWith(highs, snapshot, shortForecast(of, 60));
const working = (snapshot: Snapshot, of = prices): number[] =>
  planned(snapshot, of).steps.map(({ work }) => Math.round(work['w']! * 1e3) / 1e3);

describe('minimum availability', () => {
  test('what may be missed goes to the dearest hours, and not a GPU-hour further while the credit is dearer', () => {
    expect(working(site())).toEqual([100, 0, 0, 100]);
    expect(working(site([credit(500, 150)]))).toEqual([100, 50, 0, 100]);
    expect(working(site([credit(500, 200)]))).toEqual([100, 0, 0, 100]);
  });

  test('a credit cheaper than the power is taken whole, and the plan says so', () => {
    // The 50 GPU-hours beyond are worth $0.40 each.
    expect(working(site([credit(19, 150)]))).toEqual([100, 0, 0, 100]);
    expect(working(site([credit(21, 150)]))).toEqual([100, 50, 0, 100]);
    const { notes, objectiveUsd, status } = planned(site([credit(19, 150)]));
    expect(notes).toEqual(['the availability promised for w is not kept: credits of $19.00 fall due']);
    expect(objectiveUsd).toBeCloseTo(planned(site()).objectiveUsd - 19, 6);
    expect(status).toBe('optimal');
    expect(planned(site([credit(21, 150)])).notes).toEqual([]);
  });

  test('no credit buys a watt beyond the ramp that the grid allows', () => {
    // 30 kW more in each hour: 120 GPU-hours are missed on the way up, whatever they cost.
    const ramped = (credits: readonly Credit[]): Snapshot => {
      const snapshot = site(credits);
      return { ...snapshot, connection: { ...snapshot.connection, importW: 0, rampWPerMinute: 500 } };
    };
    const importKw = (credits: readonly Credit[]) =>
      planned(ramped(credits), [50, 50, 50, 50]).steps.map(({ importW }) => Math.round(importW / 1e3));
    for (const usd of [1, 20_000, 5e6]) {
      expect(importKw([credit(usd, 50)])).toEqual(importKw([]));
      expect(importKw([credit(usd, 119.9)])).toEqual(importKw([]));
    }
    for (const [i, kw] of importKw([credit(5e6, 50)]).entries()) expect(kw).toBeLessThanOrEqual(30 * (i + 1));
  });

  test('a credit that is due already costs nothing more', () => {
    expect(working(site([credit(500, undefined)]))).toEqual([100, 0, 0, 100]);
  });

  test('each step of several is a credit of its own', () => {
    const steps = (second: number) => site([credit(5, 50), credit(second, 120)]);
    // Beyond 50 GPU-hours the first falls due, which 50 at $1.90 and 20 more at $0.40 pay for; the second is dearer than the last 80.
    expect(working(steps(33))).toEqual([100, 80, 0, 100]);
    expect(working(steps(31))).toEqual([100, 0, 0, 100]);
  });

  test('the month after begins anew', () => {
    expect(working(site([credit(500, undefined, 30)], 2))).toEqual([100, 0, 70, 100]);
    expect(working(site([credit(500, 30, undefined)], 2))).toEqual([100, 70, 0, 100]);
  });

  test('GPUs that are not there are missed whatever is decided', () => {
    const { steps, notes } = planned(site([credit(500, 50)], 240, { partGpus: 60 }));
    expect(steps.map(({ work }) => Math.round(work['w']!))).toEqual([60, 0, 0, 60]);
    expect(notes).toHaveLength(1);
    // A tenth of a GPU-hour beyond is beyond, too: only what is cut to whole GPUs is forgiven.
    const calm = [50, 50, 50, 50];
    const missing = (left: number) => planned(site([credit(500, left)], 240, { partGpus: 60 }), calm).objectiveUsd;
    expect(missing(160) - missing(159.9)).toBeCloseTo(500, 6);
  });

  test('what is left of it has a price, which the plan tells', () => {
    const { why } = planned(site([credit(500, 150)]));
    expect(why!.limits).toMatchObject([
      { key: 'availability:w', unit: 'GPU-hour', usdPerHour: expect.closeTo(0.4 / 4, 9) },
    ]);
    expect(why!.limits[0]!.sentence).toBe('1 GPU-hour more that the availability promised for w leaves is worth $0.40');
  });

  test('the merit order, which does not look ahead, keeps it as long as a step is worth less than the credit', () => {
    const worked = (usd: number): number[] =>
      planByMeritOrder(site([credit(usd, 150)]), shortForecast(prices, 60)).steps.map(({ work }) => work['w']!);
    expect(worked(500)).toEqual([100, 0, 100, 100]);
    expect(worked(100)).toEqual([100, 0, 0, 100]);
    expect(planByMeritOrder(site([credit(100, 150)]), shortForecast(prices, 60)).notes).toHaveLength(1);
  });
});

describe('for random prices and terms', () => {
  const any = fc.record({
    prices: fc.array(fc.integer({ min: 0, max: 2_500 }), { minLength: 2, maxLength: 8 }),
    credits: fc.array(
      fc.record({
        usd: fc.integer({ min: 1, max: 400 }),
        leftGpuHours: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined, freq: 6 }),
        nextGpuHours: fc.option(fc.integer({ min: 0, max: 400 }), { nil: undefined, freq: 6 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    monthEndsInHours: fc.integer({ min: 1, max: 10 }),
  });

  /** What the credits of a month cost with so many GPUs missed in each hour, counted by hand. */
  const owedUsd = (credits: readonly Credit[], monthEndsInHours: number, missed: readonly number[]): number => {
    const sum = (from: number, to: number) => missed.slice(from, to).reduce((all, gpus) => all + gpus, 0);
    return credits.reduce(
      (usd, one) =>
        usd +
        (sum(0, monthEndsInHours) > (one.leftGpuHours ?? Infinity) + 1e-3 ? one.usd : 0) +
        (sum(monthEndsInHours, 99) > (one.nextGpuHours ?? Infinity) + 1e-3 ? one.usd : 0),
      0,
    );
  };

  test('a plan earns no less than the one that ignores the credits and owes them', () => {
    let better = 0;
    fc.assert(
      fc.property(any, ({ prices, credits, monthEndsInHours }) => {
        const forecast = shortForecast(prices, 60);
        const earned = (known: readonly Credit[]): number => {
          const plan = planWith(highs, site(known, monthEndsInHours), forecast, { whole: false });
          const usd = plan.steps.reduce((sum, { work, priceUsdPerMwh }) => {
            const gpus = work['w']!;
            return sum + gpus * (0.1 - priceUsdPerMwh / 1e3) - (100 - gpus);
          }, 0);
          const missed = plan.steps.map(({ work }) => 100 - work['w']!);
          return usd - owedUsd(credits, monthEndsInHours, missed);
        };
        const [knowing, ignoring] = [earned(credits), earned([])];
        expect(knowing).toBeGreaterThanOrEqual(ignoring - 1e-3);
        if (knowing > ignoring + 0.01) better += 1;
      }),
      { numRuns: 100 },
    );
    expect(better).toBeGreaterThan(10);
  });

  test('the money of a plan is the objective of the program, but for one GPU of the first step cut to a whole one', () => {
    fc.assert(
      fc.property(any, ({ prices, credits, monthEndsInHours }) => {
        const snapshot = (more: number) =>
          site(
            credits.map((one) => ({
              usd: one.usd,
              leftGpuHours: one.leftGpuHours === undefined ? undefined : one.leftGpuHours + more,
              nextGpuHours: one.nextGpuHours === undefined ? undefined : one.nextGpuHours + more,
            })),
            monthEndsInHours,
          );
        const forecast = shortForecast(prices, 60);
        const objective = (more: number): number =>
          solve(highs, buildLp(pose(snapshot(more), forecast)), {}).objectiveUsd;
        const told = planWith(highs, snapshot(0), forecast).objectiveUsd;
        expect(told).toBeLessThanOrEqual(objective(1) + 1e-6);
        expect(told).toBeGreaterThan(objective(0) - 2.5);
      }),
      { numRuns: 60 },
    );
  });

  test('at a site with everything a plan is coupled by it costs no more than the credits, and never earns', () => {
    const terms = fc.record({ leftGpuHours: fc.integer({ min: 0, max: 200 }), usd: fc.integer({ min: 1, max: 500 }) });
    fc.assert(
      fc.property(anySite, terms, (any, { leftGpuHours, usd }) => {
        const snapshot = snapshotOf(any);
        const best = (availability: AvailabilityFacts | undefined): number => {
          const work = snapshot.work.map((one) => ({ ...one, availability }));
          return solve(highs, buildLp(pose({ ...snapshot, work }, forecastOfSite(any))), {}).objectiveUsd;
        };
        const without = best(undefined);
        const within = best({ monthEndsAt: siteMs(AT + 100 * HOUR), credits: [credit(usd, leftGpuHours)] });
        const blurUsd = 1e-6 * (10 + Math.abs(without));
        expect(within).toBeLessThanOrEqual(without + blurUsd);
        expect(within).toBeGreaterThanOrEqual(without - usd * snapshot.work.length - blurUsd);
      }),
      { numRuns: 60 },
    );
  });
});
