import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, QUARTER, siteMs, type Forecast, type Snapshot } from '../model/index.ts';
import { demandOf, demandUsd } from './demand.ts';
import { AT, bareSnapshot, cohort, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

/** 1,000 machines of 3 kW: 3 MW that earn $50/MWh at a hashprice of 40. */
const POINTS = [{ profile: 'default', powerW: 3_000, hashrateThs: 90 }];
const miners = (asleep = 0) => ({
  ...cohort('a-x', 'x', 1_000, POINTS),
  sleepW: 0,
  now: { default: 1_000 - asleep, sleep: asleep },
});
const site = (change: Partial<Snapshot> = {}): Snapshot => bareSnapshot({ cohorts: [miners()], ...change });
const BARE = bareSnapshot();
const importsMw = (snapshot: Snapshot, forecast: Forecast): number[] =>
  planWith(highs, snapshot, forecast).steps.map(({ importW }) => Math.round(importW / 1e3) / 1e3);

const demandCharge = (change: object = {}) => ({
  ...BARE.tariff,
  demand: {
    usdPerMw: 9_000,
    intervalMs: QUARTER,
    billedW: 1e6,
    monthEndsAt: siteMs(AT + HOUR),
    runningWh: 0,
    ...change,
  },
});

describe('demand charge', () => {
  const hour = shortForecast([20, 20, 20, 20]);

  test('on the last hour of the month a MW above the billed peak has to earn the whole charge', () => {
    // Whole machines, and none beyond the peak for the sake of a whole one.
    expect(importsMw(site({ tariff: demandCharge() }), hour)).toEqual([0.999, 1, 1, 1]);
    // An hour earns some $40 a MW.
    expect(importsMw(site({ tariff: demandCharge({ usdPerMw: 20 }) }), hour)).toEqual([3, 3, 3, 3]);
  });

  test('at the start of the month it has to earn an hour of it', () => {
    const monthEndsAt = siteMs(AT + 30 * DAY);
    expect(importsMw(site({ tariff: demandCharge({ monthEndsAt }) }), hour)).toEqual([3, 3, 3, 3]);
  });

  test('what is metered of the running interval counts, and unknown it counts as what is billed', () => {
    const late = shortForecast([20, 20], 5);
    const forecast = { ...late, steps: late.steps.map((s) => ({ ...s, start: siteMs(s.start + 5 * MINUTE) })) };
    // A third of the interval is over: without import, the rest may run at 1.5 MW; at 3 MW, nothing may.
    const both = (runningWh: number | undefined): number => {
      const [first = 0, second = 0] = importsMw(site({ tariff: demandCharge({ runningWh }) }), forecast);
      return Math.round(10 * (first + second)) / 10;
    };
    expect(both(0)).toBe(3);
    expect(both(250_000)).toBe(0);
    expect(both(undefined)).toBe(2);
  });

  test('a new month begins without a peak', () => {
    const tariff = demandCharge({ monthEndsAt: siteMs(AT + 2 * QUARTER), billedW: 3e6 });
    const { months, intervals } = demandOf(pose(site({ tariff }), hour))!;
    expect(months.map(({ billedW }) => billedW)).toEqual([3e6, 0]);
    expect(intervals.map(({ month }) => month)).toEqual([0, 0, 1, 1]);
    expect(months[1]!.usdPerMw).toBeCloseTo((9_000 * 0.5) / (30 * 24), 6);
  });

  test('the charge is that of the highest average, above what is billed', () => {
    const demand = demandOf(pose(site({ tariff: demandCharge({ billedW: 2e6 }) }), hour))!;
    const usd = (mw: readonly number[]) =>
      demandUsd(
        demand,
        [0.25, 0.25, 0.25, 0.25],
        mw.map((one) => one * 1e6),
      );
    expect(usd([1, 2.5, 2, 0])).toBeCloseTo(4_500, 6);
    expect(usd([2, 2, 2, 2])).toBe(0);
  });
});

describe('coincident peak', () => {
  const likely = (probability: number): Forecast => {
    const plain = shortForecast([20, 20, 20, 20]);
    const steps = plain.steps.map((step, t) => ({ ...step, coincidentProbability: t === 2 ? probability : 0 }));
    return { ...plain, steps };
  };
  const tariff = { ...BARE.tariff, coincidentUsdPerMw: 16_000 };

  test('the quarter-hour is left when its expected charge is more than it earns', () => {
    // A quarter-hour earns some $8 a MW: worth a chance of one in two thousand.
    expect(importsMw(site({ tariff }), likely(0.01))).toEqual([3, 3, 0, 3]);
    expect(importsMw(site({ tariff }), likely(0.0001))).toEqual([3, 3, 3, 3]);
    expect(importsMw(site(), likely(1))).toEqual([3, 3, 3, 3]);
  });

  test('the merit order leaves it, too', () => {
    const plan = planByMeritOrder(site({ tariff }), likely(0.01));
    expect(plan.steps.map(({ importW }) => importW)).toEqual([3e6, 3e6, 0, 3e6]);
  });
});

describe('ramp', () => {
  const connection = (importW: number | undefined) => ({ ...BARE.connection, importW, rampWPerMinute: 0.1e6 });

  test('import rises and falls no faster than the contract lets it', () => {
    const forecast = shortForecast([20, 500, 500, 20], 10);
    const sleepers = site({ cohorts: [miners(1_000)], connection: connection(0) });
    const plan = importsMw(sleepers, forecast);
    const steps = [0, ...plan].slice(0, -1).map((before, t) => Math.round(1e3 * Math.abs(plan[t]! - before)) / 1e3);
    expect(Math.max(...steps)).toBeLessThanOrEqual(1);
    expect(plan.at(-1)).toBe(1);
  });

  test('the merit order keeps to it, up and down', () => {
    const forecast = shortForecast([500, 500, 20, 500], 10);
    const plan = planByMeritOrder(site({ connection: connection(3e6) }), forecast);
    expect(plan.steps.map(({ importW }) => importW / 1e6)).toEqual([2.001, 1.002, 2.001, 1.002]);
  });

  test('a breaker goes before the contract', () => {
    const halls = BARE.halls.map((hall) => ({ ...hall, usableW: 0.5e6 }));
    expect(importsMw(site({ halls, connection: connection(3e6) }), shortForecast([20, 20], 10))).toEqual([0.498, 0.5]);
  });

  test('the contract goes before the charge of a coincident peak that begins at once', () => {
    const forecast = shortForecast([20, 20, 20], 5);
    const steps = forecast.steps.map((step) => ({ ...step, coincidentProbability: 1 }));
    const snapshot = site({ connection: connection(3e6), tariff: { ...BARE.tariff, coincidentUsdPerMw: 16_000 } });
    expect(importsMw(snapshot, { ...forecast, steps })).toEqual([2.499, 2, 1.5]);
  });

  test('without a meter the first step is free, and the others are not', () => {
    const plan = importsMw(site({ connection: connection(undefined) }), shortForecast([500, 20, 20], 10));
    expect(plan).toEqual([0, 1, 2]);
  });
});

describe('minimum times', () => {
  const times = (minimumOnMs: number, minimumOffMs: number) => ({ ...BARE.mining, minimumOnMs, minimumOffMs });

  test('a miner that would be woken for five dear minutes later is not woken', () => {
    const prices = [100, 20, 200, 100];
    const asleep = [miners(1_000)];
    expect(importsMw(site({ cohorts: asleep }), shortForecast(prices, 5))).toEqual([0, 3, 0, 0]);
    const held = site({ cohorts: asleep, mining: times(10 * MINUTE, 0) });
    expect(importsMw(held, shortForecast(prices, 5))).toEqual([0, 0, 0, 0]);
  });

  test('the merit order does not look ahead, and lets run on whom it woke and sleep on whom it put to sleep', () => {
    const imports = (snapshot: Snapshot, prices: readonly number[]) =>
      planByMeritOrder(snapshot, shortForecast(prices, 5)).steps.map(({ importW }) => importW / 1e6);
    const woken = site({ cohorts: [miners(1_000)], mining: times(10 * MINUTE, 0) });
    expect(imports(woken, [100, 20, 200, 100])).toEqual([0, 3, 3, 0]);
    expect(imports(site({ mining: times(0, 10 * MINUTE) }), [20, 60, -100, -100])).toEqual([3, 0, 0, 3]);
  });

  test('a miner is not put to sleep for five minutes where it has to sleep for ten', () => {
    const prices = [20, 60, -100, -100];
    expect(importsMw(site(), shortForecast(prices, 5))).toEqual([3, 0, 3, 3]);
    expect(importsMw(site({ mining: times(0, 10 * MINUTE) }), shortForecast(prices, 5))).toEqual([3, 3, 3, 3]);
  });

  test('on any prices: whoever was woken runs, and whoever was put to sleep sleeps, for as long as it says', () => {
    const any = fc.record({
      asleep: fc.integer({ min: 0, max: 1_000 }),
      on: fc.integer({ min: 0, max: 30 }),
      off: fc.integer({ min: 0, max: 30 }),
      prices: fc.array(fc.integer({ min: -50, max: 150 }), { minLength: 2, maxLength: 12 }),
    });
    fc.assert(
      fc.property(any, ({ asleep, on, off, prices }) => {
        const snapshot = site({ cohorts: [miners(asleep)], mining: times(on * MINUTE, off * MINUTE) });
        const problem = pose(snapshot, shortForecast(prices, 5));
        const program = buildLp(problem);
        const { colValue } = solve(highs, program, {}).solution;
        const sleepers = problem.steps.map((_, t) => colValue[program.columns.machines[t]![0]![0]!]!);
        const changed = sleepers.map((now, t) => (sleepers[t - 1] ?? asleep) - now);
        const lately = (t: number, minutes: number, sign: number) =>
          changed.reduce((sum, by, s) => sum + (s <= t && s > t - minutes / 5 ? Math.max(0, sign * by) : 0), 0);
        for (const t of sleepers.keys()) {
          expect(lately(t, on, 1)).toBeLessThanOrEqual(1_000 - sleepers[t]! + 1e-3);
          expect(lately(t, off, -1)).toBeLessThanOrEqual(sleepers[t]! + 1e-3);
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('the money of a plan is the objective of the program, charges included', () => {
  const any = fc.record({
    prices: fc.array(fc.integer({ min: -20, max: 120 }), { minLength: 4, maxLength: 12 }),
    billedMw: fc.constantFrom(0, 1, 2.5),
    probability: fc.constantFrom(0, 0.0005, 0.3),
  });
  fc.assert(
    fc.property(any, ({ prices, billedMw, probability }) => {
      const monthEndsAt = siteMs(AT + 9 * DAY);
      const tariff = { ...demandCharge({ billedW: billedMw * 1e6, monthEndsAt }), coincidentUsdPerMw: 16_000 };
      const plain = shortForecast(prices);
      const steps = plain.steps.map((step) => ({ ...step, coincidentProbability: probability }));
      const problem = pose(site({ tariff }), { ...plain, steps });
      const { objectiveUsd } = solve(highs, buildLp(problem), {});
      // Whole machines earn a little less than fractions do.
      const told = planWith(highs, site({ tariff }), { ...plain, steps }).objectiveUsd;
      expect(told).toBeLessThanOrEqual(objectiveUsd + 1e-6);
      expect(told).toBeGreaterThan(objectiveUsd - 20);
    }),
    { numRuns: 40 },
  );
});
