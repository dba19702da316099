import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOUR, siteMs, type Snapshot, type WorkFacts, type WorkPoint } from '../model/index.ts';
import { AT, bareHall, bareSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';
import { roundFirst } from './round.ts';

const highs = await loadHighs();

/** 300 W do 60 %, 500 W 85 %, 1 kW all of it; paid by what is done. */
const CURVE: readonly WorkPoint[] = [
  [200, 300, 0.6],
  [400, 500, 0.85],
  [700, 1_000, 1],
].map(([powerLimitW, marginalW, throughput]) => ({
  powerLimitW: powerLimitW!,
  marginalW: marginalW!,
  throughput: throughput!,
  paid: throughput!,
  serves: throughput === 1,
}));
/** 100 GPUs that earn $0.10 an hour at full power. */
const gpus = (change: Partial<WorkFacts> = {}): WorkFacts => ({
  id: 'w',
  hallId: 'a',
  className: 'batch',
  line: 'hpc',
  gpuModel: 'h100',
  runningGpus: 100,
  queuedGpus: 0,
  heldGpus: 0,
  partGpus: 100,
  committedGpus: 0,
  marginalWPerGpu: 1_000,
  points: CURVE,
  usdPerGpuHour: 0.1,
  penaltyUsdPerGpuHour: 0,
  interruptUsdPerGpu: 0,
  ...change,
});
const site = (work: Partial<WorkFacts> = {}, change: Partial<Snapshot> = {}): Snapshot =>
  bareSnapshot({ work: [gpus(work)], ...change });
const atLimits = (snapshot: Snapshot, prices: readonly number[], minutes = 60) =>
  planWith(highs, snapshot, shortForecast(prices, minutes)).steps.map(({ gpusAtLimitW }) => gpusAtLimitW!['w']);

describe('the price decides', () => {
  test('at which limit GPUs work, where they are paid by what they do', () => {
    // The last 500 W earn $0.015, $30/MWh; the 200 W before $0.025, $125/MWh; the first 300 W $0.06, $200/MWh.
    expect(atLimits(site(), [25, 35, 120, 130, 195, 205])).toEqual([
      { '700': 100 },
      { '400': 100 },
      { '400': 100 },
      { '200': 100 },
      { '200': 100 },
      {},
    ]);
  });

  test('nothing of it where they are paid by the hour: slow ones earn the same, as far as the contract lets them', () => {
    const byTheHour = CURVE.slice(1).map((point) => ({ ...point, paid: 1, serves: true }));
    expect(atLimits(site({ points: byTheHour }), [5, 195, 205])).toEqual([{ '400': 100 }, { '400': 100 }, {}]);
  });

  test('one limit is no choice, and work nobody measured has none', () => {
    for (const points of [undefined, CURVE.slice(2)]) {
      const { model } = buildLp(pose(site({ points }), shortForecast([50])));
      const plain = buildLp(pose(site({ points: undefined }), shortForecast([50]))).model;
      expect(model.columns()).toEqual(plain.columns());
      expect(model.rows()).toEqual(plain.rows());
      expect(planWith(highs, site({ points }), shortForecast([50])).steps[0]!.gpusAtLimitW).toBeUndefined();
    }
  });
});

describe('a breaker that binds', () => {
  const halls = [{ ...bareHall('a'), usableW: 60_000 }];

  test('makes slower GPUs earn more than fewer of them', () => {
    const snapshot = site({}, { halls });
    const slowed = planWith(highs, snapshot, shortForecast([10], 60));
    // 60 kW: 80 at 500 W and 20 at 1 kW draw 60 kW and do the work of 88; 60 at 1 kW do that of 60.
    expect(slowed.steps[0]!.gpusAtLimitW!['w']).toEqual({ '400': 80, '700': 20 });
    expect(slowed.objectiveUsd).toBeCloseTo(88 * 0.1 - 0.06 * 10, 6);
    const stopped = planWith(highs, site({ points: undefined }, { halls }), shortForecast([10], 60));
    expect(stopped.objectiveUsd).toBeCloseTo(60 * 0.1 - 0.06 * 10, 6);
  });

  test('keeps work running that may not be interrupted', () => {
    const kept = site({ preemptible: false }, { halls });
    expect(atLimits(kept, [900])).toEqual([{ '200': 100 }]);
    expect(
      planWith(highs, { ...kept, work: [gpus({ points: undefined, preemptible: false })] }, shortForecast([900]))
        .steps[0]!.work,
    ).toEqual({ w: 60 });
  });

  test('is kept by whole GPUs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 110_000 }), fc.integer({ min: 0, max: 200 }), (usableW, price) => {
        const snapshot = site({}, { halls: [{ ...bareHall('a'), usableW }] });
        const problem = pose(snapshot, shortForecast([price], 60));
        const [step] = planWith(highs, snapshot, shortForecast([price], 60)).steps;
        const at = step!.gpusAtLimitW!['w']!;
        const watts = Object.entries(at).map(
          ([limit, n]) => n * CURVE.find((p) => String(p.powerLimitW) === limit)!.marginalW,
        );
        expect(watts.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(usableW + 1e-3);
        expect(Object.values(at).every(Number.isInteger)).toBe(true);
        expect(step!.importW).toBeCloseTo(
          watts.reduce((sum, one) => sum + one, 0),
          3,
        );
        // No more than a GPU and its fraction at another limit are lost.
        const { objectiveUsd } = solve(highs, buildLp(problem), {});
        const told = planWith(highs, snapshot, shortForecast([price], 60)).objectiveUsd;
        expect(told).toBeLessThanOrEqual(objectiveUsd + 1e-6);
        expect(told).toBeGreaterThan(objectiveUsd - 0.2);
      }),
      { numRuns: 60 },
    );
  });
});

test('fractions at two limits that are one GPU stay one GPU', () => {
  const problem = pose(site(), shortForecast([50]));
  const rounded = roundFirst(problem, { machines: [], generationW: [], gpus: [60], gpusAt: [[0, 30.5, 29.5]] });
  expect(rounded.gpus).toEqual([60]);
  expect(rounded.gpusAt).toEqual([[0, 31, 29]]);
  // A decision that says nothing of limits has all of them at full power.
  const full = roundFirst(problem, { machines: [], generationW: [], gpus: [60.5] });
  expect(full.gpusAt).toEqual([[0, 0, 61]]);
});

test('slower GPUs swing less: nothing has to be kept ready against what they do not draw', () => {
  const ballast = { bandW: 50_000, swingFraction: 1, cohorts: [] };
  expect(atLimits(site(), [10])).toEqual([{ '700': 100 }]);
  expect(atLimits(site({}, { ballast }), [10])).toEqual([{ '400': 100 }]);
  expect(atLimits(site({}, { ballast: { ...ballast, swingFraction: 0.5 } }), [10])).toEqual([{ '700': 100 }]);
});

describe('a contract', () => {
  test('is not served by GPUs slower than it allows', () => {
    const signed = { committedGpus: 40, penaltyUsdPerGpuHour: 0.5 };
    // Above $30/MWh slower GPUs earn more; those reserved would owe more than that.
    expect(atLimits(site(signed), [100])).toEqual([{ '400': 60, '700': 40 }]);
    const allowing = CURVE.map((point) => ({ ...point, serves: point.throughput > 0.8 }));
    expect(atLimits(site({ ...signed, points: allowing }), [100])).toEqual([{ '400': 100 }]);
  });
});

describe('a deadline', () => {
  const deadline = { gpuHours: 240, by: siteMs(AT + 4 * HOUR), penaltyUsdPerGpuHour: 5 };
  const prices = [40, 42, 44, 46];

  test('is met cheaper by slow GPUs at all hours than by fast ones at the cheap ones', () => {
    const work = { deadline, usdPerGpuHour: 0 };
    const snapshot = site(work);
    const slow = planWith(highs, snapshot, shortForecast(prices, 60));
    expect(slow.steps.map(({ work: { w } }) => w)).toEqual([100, 100, 100, 100]);
    // 60 % at 300 W in every hour are 240 GPU-hours: 30 kW for four hours at $43/MWh in the mean.
    expect(slow.steps.map(({ gpusAtLimitW }) => gpusAtLimitW!['w'])).toEqual(prices.map(() => ({ '200': 100 })));
    expect(slow.objectiveUsd).toBeCloseTo(-0.03 * (40 + 42 + 44 + 46), 6);
    const fast = planWith(highs, site({ ...work, points: undefined }), shortForecast(prices, 60));
    expect(fast.steps.map(({ work: { w } }) => w)).toEqual([100, 100, 40, 0]);
    expect(fast.objectiveUsd).toBeCloseTo(-0.1 * (40 + 42 + 0.4 * 44), 6);
  });

  test('counts what slow GPUs do, not their hours', () => {
    const hard = site({ deadline: { ...deadline, gpuHours: 380 }, usdPerGpuHour: 0 });
    const done = atLimits(hard, prices)
      .map((at) =>
        Object.entries(at!).reduce(
          (sum, [limit, n]) => sum + n * CURVE.find((p) => String(p.powerLimitW) === limit)!.throughput,
          0,
        ),
      )
      .reduce((sum, one) => sum + one, 0);
    expect(done).toBeCloseTo(380, 3);
  });
});

describe('a plan tells why', () => {
  // Hosts, which draw whatever the GPUs do.
  const hall = { ...bareHall('a'), fixedW: 5_000 };
  const plain = site({}, { halls: [hall] });
  const at = (price: number, snapshot = plain) => planWith(highs, snapshot, shortForecast([price], 60));
  const limitW = (price: number, snapshot = plain): number | undefined => {
    const [most] = Object.entries(at(price, snapshot).steps[0]!.gpusAtLimitW!['w']!).sort(([, a], [, b]) => b - a);
    return most === undefined ? undefined : Number(most[0]);
  };

  test('just past the price at which a class changes its limit it does, and just before it, it does not', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 5, max: 250, noNaN: true }),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        fc.double({ min: 0, max: 0.05, noNaN: true }),
        fc.constantFrom(0, 30, 100),
        fc.boolean(),
        (price, marginalW, lossFraction, committedGpus, isBent) => {
          const halls = [{ ...hall, cooling: { baseW: 5e4, marginal: [{ wetBulbC: 0, marginalW }] } }];
          const connection = { ...bareSnapshot().connection, lossFraction };
          // Between the first and the last a limit that no price asks for.
          const bent = [CURVE[0]!, { ...CURVE[1]!, throughput: 0.65, paid: 0.65 }, CURVE[2]!];
          const points = isBent ? bent : CURVE;
          const snapshot = site({ committedGpus, penaltyUsdPerGpuHour: 0.002, points }, { halls, connection });
          const [why] = at(price, snapshot).why!.work!;
          expect(why!.limitW).toBe(limitW(price, snapshot));
          // Where a contract reserves some of them, the others change before these do.
          if (committedGpus === 30) return;
          if (why!.leavesAboveUsdPerMwh !== undefined) {
            expect(limitW(why!.leavesAboveUsdPerMwh + 0.01, snapshot)).toBe(why!.belowW);
            expect(limitW(why!.leavesAboveUsdPerMwh - 0.01, snapshot)).toBe(why!.limitW);
          }
          if (why!.leavesBelowUsdPerMwh !== undefined) {
            expect(limitW(why!.leavesBelowUsdPerMwh - 0.01, snapshot)).toBe(why!.aboveW);
            expect(limitW(why!.leavesBelowUsdPerMwh + 0.01, snapshot)).toBe(why!.limitW);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('in a sentence: the price, or the breaker', () => {
    expect(at(100).why!.changes).toEqual([
      '100 GPUs of w work at 400 W, 85 % of their speed: the watts up to 700 W would earn $30.00/MWh, power costs $100.00',
    ]);
    const breaker = site({}, { halls: [{ ...hall, usableW: 65_000 }] });
    expect(at(10, breaker).why!.changes).toEqual([
      '80 GPUs of w work at 400 W, 85 % of their speed: the watts up to 700 W would earn $30.00/MWh, and none are left for them (1 MW more at hall a is worth $20.00 an hour now)',
    ]);
    expect(at(10).why!.changes).toEqual([]);
  });

  test('stopped GPUs say when they would work, and work nobody measured says nothing', () => {
    expect(at(300).why!.work).toEqual([
      {
        work: 'w',
        limitW: undefined,
        leavesAboveUsdPerMwh: undefined,
        belowW: undefined,
        leavesBelowUsdPerMwh: expect.closeTo(200, 9),
        aboveW: 200,
      },
    ]);
    expect(at(50, site({ points: undefined }, { halls: [hall] })).why!.work).toBeUndefined();
  });
});

test('the best mix of limits is what trying all of them finds', () => {
  const any = fc.record({
    usableW: fc.integer({ min: 0, max: 6_000 }),
    price: fc.integer({ min: 0, max: 300 }),
    count: fc.integer({ min: 1, max: 6 }),
  });
  fc.assert(
    fc.property(any, ({ usableW, price, count }) => {
      // Tenths of a GPU, so that the program, which knows parts, and the trials come to the same within a tenth.
      const tenths = count * 10;
      let best = 0;
      for (let a = 0; a <= tenths; a += 1)
        for (let b = 0; a + b <= tenths; b += 1)
          for (let c = 0; a + b + c <= tenths; c += 1) {
            const watts = (a * 300 + b * 500 + c * 1_000) / 10;
            if (watts > usableW) break;
            best = Math.max(best, (0.1 * (a * 0.6 + b * 0.85 + c)) / 10 - (watts / 1e6) * price);
          }
      const snapshot = site({ runningGpus: count }, { halls: [{ ...bareHall('a'), usableW }] });
      const { objectiveUsd } = solve(highs, buildLp(pose(snapshot, shortForecast([price], 60))), {});
      expect(objectiveUsd).toBeGreaterThanOrEqual(best - 1e-9);
      expect(objectiveUsd).toBeLessThanOrEqual(best + 0.02);
    }),
    { numRuns: 60 },
  );
});

test('the money of a plan is the objective of the program', () => {
  const any = fc.record({
    prices: fc.array(fc.integer({ min: -20, max: 400 }), { minLength: 1, maxLength: 6 }),
    usableW: fc.integer({ min: 20_000, max: 120_000 }),
    committedGpus: fc.constantFrom(0, 40, 100),
    gpuHours: fc.integer({ min: 0, max: 400 }),
    curtailable: fc.constantFrom(0, 60),
  });
  fc.assert(
    fc.property(any, ({ prices, usableW, committedGpus, gpuHours, curtailable }) => {
      const by = siteMs(AT + 150 * 60_000);
      const snapshot = site(
        {
          committedGpus,
          penaltyUsdPerGpuHour: 0.3,
          interruptUsdPerGpu: 0.02,
          deadline: { gpuHours, by, penaltyUsdPerGpuHour: 0.2 },
          curtailment: { gpuHoursPerMonth: 90, leftGpuHours: curtailable, monthEndsAt: siteMs(AT + 3 * HOUR) },
        },
        { halls: [{ ...bareHall('a'), usableW }] },
      );
      const forecast = shortForecast(prices, 60);
      const { objectiveUsd } = solve(highs, buildLp(pose(snapshot, forecast)), {});
      const parts = planWith(highs, snapshot, forecast, { whole: false }).objectiveUsd;
      expect(Math.abs(parts - objectiveUsd)).toBeLessThan(1e-4);
    }),
    { numRuns: 80 },
  );
});

test('in every scenario the first step has the same GPUs at the same limits', () => {
  const way = (price: number) => ({ probability: 0.3, forecast: shortForecast([price, 60], 60) });
  // Alone, $20 means full power and $150 the lowest limit; on the mean of them and $60 the middle one is best.
  const scenarios = [way(20), way(150)];
  const { model, columns, others } = buildLp(
    pose(site(), shortForecast([60, 60], 60)),
    undefined,
    scenarios.map(({ probability, forecast }) => ({ probability, problem: pose(site(), forecast) })),
  );
  const { solution, objectiveUsd } = solve(highs, { model, offsetUsd: 0 }, {});
  for (const one of [columns, ...others])
    expect(one.gpusAt[0]![0]!.map((column) => Math.abs(solution.colValue[column]!))).toEqual([0, 100, 0]);
  const mean = 0.4 * 60 + 0.3 * (20 + 150);
  expect(objectiveUsd).toBeCloseTo(0.1 * 85 - 0.05 * mean + 0.1 * 85 - 0.05 * 60, 6);
});

test('the merit order has GPUs at full power or stops them', () => {
  const plan = planByMeritOrder(site({}, { halls: [{ ...bareHall('a'), usableW: 60_000 }] }), shortForecast([40, 110]));
  expect(plan.steps.map(({ gpusAtLimitW }) => gpusAtLimitW!['w'])).toEqual([{ '700': 60 }, {}]);
});

test.each([
  ['draw that does not rise', [CURVE[1]!, CURVE[0]!], /w: power points that do not rise/],
  ['a last point that is not full power', CURVE.slice(0, 2), /w: the last point is not full power/],
])('a snapshot with %s is a bug', (_, points, message) =>
  expect(() => pose(site({ points }), shortForecast([50]))).toThrow(message),
);
