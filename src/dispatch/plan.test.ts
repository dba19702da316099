import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CohortFacts, ModePoint, Snapshot, WorkFacts } from '../model/index.ts';
import { createWarmStart } from './basis.ts';
import { breakEvenUsdPerMwh } from './economics.ts';
import { AT, bareHall, bareSnapshot, demoForecast, demoSnapshot, S19K, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { planByMeritOrder } from './merit-order.ts';
import { buildLp } from './lp.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

const RUN: ModePoint = { profile: 'default', powerW: 3500, hashrateThs: 200 };
/** 200 TH/s at $40/PH/day and 3.5 kW: worth $95.24 a MWh. */
const WORTH = (40 / 24_000) * 200 * (1e6 / 3500);

const miners = (change: Partial<CohortFacts> = {}): CohortFacts => {
  const machines = change.machines ?? 1000;
  const base = { id: 'a-s21', hallId: 'a', modelId: 'antminer-s21', sleepW: 0, points: [RUN], pinned: {}, held: false };
  return { ...base, now: { default: machines }, ...change, machines };
};
const gpus = (change: Partial<WorkFacts>): WorkFacts => ({
  id: 'w',
  hallId: 'a',
  className: 'preemptible',
  line: 'ai',
  gpuModel: 'x',
  runningGpus: 100,
  queuedGpus: 0,
  heldGpus: 0,
  partGpus: 100,
  committedGpus: 0,
  marginalWPerGpu: 360,
  usdPerGpuHour: 0.34,
  penaltyUsdPerGpuHour: 0,
  interruptUsdPerGpu: 0,
  ...change,
});
const site = (
  cohorts: readonly CohortFacts[],
  work: readonly WorkFacts[] = [],
  change: Partial<Snapshot> = {},
): Snapshot => bareSnapshot({ cohorts, work, ...change });
const hallOf = (change: Partial<Snapshot['halls'][number]>): Partial<Snapshot> => ({
  halls: [{ ...bareHall('a'), ...change }],
});
const asleep = (snapshot: Snapshot, prices: readonly number[]): number[] =>
  planWith(highs, snapshot, shortForecast(prices)).steps.map((step) => step.cohorts['a-s21']?.['sleep'] ?? 0);

test('with nothing coupled the optimiser is the break-even rule to the cent', () => {
  const point = fc.record({
    machines: fc.integer({ min: 1, max: 3000 }),
    joulePerTh: fc.double({ min: 11, max: 40, noNaN: true }),
  });
  const price = fc.double({ min: -50, max: 400, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(point, { minLength: 1, maxLength: 4 }),
      fc.array(price, { minLength: 1, maxLength: 12 }),
      (cohorts, prices) => {
        const snapshot = site(
          cohorts.map(({ machines, joulePerTh }, i) =>
            miners({
              id: `c${i}`,
              machines,
              points: [{ profile: 'default', powerW: joulePerTh * 120, hashrateThs: 120 }],
            }),
          ),
        );
        const plan = planWith(highs, snapshot, shortForecast(prices));
        let usd = 0;
        for (const p of prices) {
          for (const { machines, joulePerTh } of cohorts) {
            const perMachineHour = (40 / 24_000) * 120 - (p * joulePerTh * 120) / 1e6;
            if (perMachineHour > 0) usd += (machines * perMachineHour) / 4;
          }
        }
        expect(Math.abs(plan.objectiveUsd - usd)).toBeLessThan(0.005);
        expect(plan.status).toBe('optimal');
      },
    ),
    { numRuns: 40 },
  );
});

test('with cooling and losses a machine stops where its break-even price says', () => {
  const cooling = { baseW: 60_000, marginal: [{ wetBulbC: 18, marginalW: 0.08 }] };
  const snapshot = site([miners()], [], {
    ...hallOf({ cooling }),
    connection: { limitW: 1e9, usableW: 1e9, lossFraction: 0.01, importW: undefined },
    mining: { keptFraction: 0.988, wakeUsdPerMachine: 0, retuneUsdPerMachine: 0 },
  });
  const price = breakEvenUsdPerMwh(40, 0.988, 17.5, 1.08 * 1.01);
  expect(asleep(snapshot, [price - 0.001, price + 0.001])).toEqual([0, 1000]);
});

test('the block is a constant: it moves the money, never the decisions', () => {
  const prices = [20, 90, 120, 60];
  const forecast = shortForecast(prices);
  const without = planWith(highs, site([miners()]), forecast);
  const withBlock = planWith(highs, site([miners()], [], { tariff: { blockW: 2e6, blockUsdPerMwh: 38 } }), forecast);
  expect(withBlock.steps.map((s) => s.cohorts)).toEqual(without.steps.map((s) => s.cohorts));
  const settled = prices.reduce((usd, price) => usd + 0.25 * 2 * (price - 38), 0);
  expect(withBlock.objectiveUsd - without.objectiveUsd).toBeCloseTo(settled, 6);
  expect(withBlock.steps[2]!.linePowerW.grid).toBe(2e6);
});

test('a wake cost makes it hold through a short spike, and not through a long one', () => {
  const spike = [60, 110, 60, 60];
  const costing = (usd: number): Snapshot =>
    site([miners()], [], { mining: { keptFraction: 1, wakeUsdPerMachine: usd, retuneUsdPerMachine: 0 } });
  expect(asleep(costing(0), spike)).toEqual([0, 1000, 0, 0]);
  // One quarter-hour at $110 loses 0.875 kWh x ($110 - $95.24) = $0.0129 a machine.
  expect(asleep(costing(0.012), spike)).toEqual([0, 1000, 0, 0]);
  expect(asleep(costing(0.014), spike)).toEqual([0, 0, 0, 0]);
  expect(asleep(costing(0.014), [60, 110, 110, 60])).toEqual([0, 1000, 1000, 0]);
});

test('hash that a machine was seen to miss while it wakes counts as its wake costs, where that is more', () => {
  const spike = [60, 110, 60, 60];
  const missing = (wakeSeconds: number | undefined, usd: number): Snapshot =>
    site([miners({ wakeSeconds })], [], {
      mining: { keptFraction: 1, wakeUsdPerMachine: usd, retuneUsdPerMachine: 0 },
    });
  // 200 TH/s earn $0.333 an hour: the quarter-hour at $110 loses $0.0129, which is 139 s of them.
  expect(asleep(missing(undefined, 0), spike)).toEqual([0, 1000, 0, 0]);
  expect(asleep(missing(135, 0), spike)).toEqual([0, 1000, 0, 0]);
  expect(asleep(missing(145, 0), spike)).toEqual([0, 0, 0, 0]);
  expect(asleep(missing(135, 0.014), spike)).toEqual([0, 0, 0, 0]);
});

test('a retune cost keeps a profile through a small gain, and not through a large one', () => {
  // Two points worth almost the same at $40: the faster one gains $0.0125 a machine and quarter-hour.
  const points = [
    { profile: 'eco', powerW: 3000, hashrateThs: 180 },
    { profile: 'default', powerW: 3500, hashrateThs: 200 },
  ];
  const profile = (usd: number, price: number): string[] => {
    const snapshot = site([miners({ points, now: { eco: 1000 } })], [], {
      mining: { keptFraction: 1, wakeUsdPerMachine: 0, retuneUsdPerMachine: usd },
    });
    const counts = planWith(highs, snapshot, shortForecast([price])).steps[0]!.cohorts['a-s21']!;
    return Object.keys(counts).filter((key) => counts[key]! > 0);
  };
  expect(profile(0, 40)).toEqual(['default']);
  expect(profile(0.05, 40)).toEqual(['eco']);
  expect(profile(0.05, -1000)).toEqual(['default']);
});

test('a hall breaker binds: the worst machines stop and its shadow price is the margin lost', () => {
  const snapshot = site([miners()], [], hallOf({ usableW: 1.75e6 }));
  const [step] = planWith(highs, snapshot, shortForecast([40])).steps;
  expect(step!.cohorts['a-s21']).toEqual({ sleep: 500, default: 500 });
  expect(step!.shadowUsdPerMwh).toEqual({ 'hall:a': expect.closeTo(WORTH - 40, 4) });
});

test('the connection binds over halls: the better hash runs, the worse sets the shadow price', () => {
  const snapshot = site(
    [
      miners(),
      miners({
        id: 'b-s19',
        hallId: 'b',
        points: [{ profile: 'normal', powerW: 3000, hashrateThs: 100 }],
        now: { normal: 1000 },
      }),
    ],
    [],
    {
      halls: [bareHall('a'), bareHall('b')],
      connection: { limitW: 6e6, usableW: 5.05e6, lossFraction: 0.01, importW: undefined },
    },
  );
  const [step] = planWith(highs, snapshot, shortForecast([30])).steps;
  expect(step!.cohorts).toEqual({ 'a-s21': { default: 1000 }, 'b-s19': { sleep: 500, normal: 500 } });
  const worse = ((40 / 24_000) * 100 * (1e6 / 3000)) / 1.01;
  expect(step!.shadowUsdPerMwh).toEqual({ connection: expect.closeTo(worse - 30, 4) });
});

test('silent machines, fixed draw and cooling take room from a hall', () => {
  const cooling = {
    baseW: 50_000,
    marginal: [
      { wetBulbC: 10, marginalW: 0.1 },
      { wetBulbC: 26, marginalW: 0.26 },
    ],
  };
  const limits = { usableW: 1.75e6, cooling, fixedW: 100_000, silent: { machines: 40, powerW: 140_000 } };
  const [step] = planWith(highs, site([miners()], [], hallOf(limits)), shortForecast([40], 15, { wetBulbC: 18 })).steps;
  // 1.75 MW less the base, over 1.18 W a W of IT, less what is fixed and silent, in whole machines of 3.5 kW.
  expect(step!.cohorts['a-s21']!['default']).toBe(Math.floor((1.7e6 / 1.18 - 240_000) / 3500));
  expect(step!.otherW).toBeCloseTo(240_000 * 1.18 + 50_000, 3);
  expect(step!.importW).toBeCloseTo(step!.otherW + step!.linePowerW.mining, 6);
});

test('AI gives way only when its MWh is worth less than the price', () => {
  const snapshot = site(
    [],
    [gpus({ id: 'rtx4090' }), gpus({ id: 'h100', gpuModel: 'h100', marginalWPerGpu: 620, usdPerGpuHour: 1.9 })],
  );
  const work = planWith(highs, snapshot, shortForecast([900, 939, 950, 3000, 3100])).steps.map((step) => step.work);
  // $0.34 for 360 Wh is $944 a MWh; $1.90 for 620 Wh is $3,065.
  expect(work.map((w) => w['rtx4090'])).toEqual([100, 100, 0, 0, 0]);
  expect(work.map((w) => w['h100'])).toEqual([100, 100, 100, 100, 0]);
});

test('at the $939 of the week a class whose GPUs draw 368 W gives way and an H100 does not', () => {
  const snapshot = site(
    [],
    [
      gpus({ id: 'rtx4090', marginalWPerGpu: 368 }),
      gpus({ id: 'h100', gpuModel: 'h100', marginalWPerGpu: 550, usdPerGpuHour: 1.9 }),
    ],
  );
  expect(planWith(highs, snapshot, shortForecast([939])).steps[0]!.work).toEqual({ rtx4090: 0, h100: 100 });
});

test('under a shared limit miners give way to AI', () => {
  const snapshot = site([miners()], [gpus({ marginalWPerGpu: 10_000, usdPerGpuHour: 3 })], hallOf({ usableW: 1.35e6 }));
  const [step] = planWith(highs, snapshot, shortForecast([40])).steps;
  expect(step!.work['w']).toBe(100);
  expect(step!.cohorts['a-s21']).toEqual({ sleep: 900, default: 100 });
});

test('a reserved GPU runs up to price plus penalty, and only as far as the contract and the demand go', () => {
  const reserved = gpus({ className: 'reserved', committedGpus: 60, penaltyUsdPerGpuHour: 1.02 });
  const at = (price: number, work: WorkFacts): number =>
    planWith(highs, site([], [work]), shortForecast([price])).steps[0]!.work['w']!;
  expect(at(2000, gpus({}))).toBe(0);
  expect(at(2000, reserved)).toBe(60);
  // ($0.34 + $1.02) for 360 Wh is $3,778 a MWh.
  expect(at(3750, reserved)).toBe(60);
  expect(at(3800, reserved)).toBe(0);
  expect(at(2000, { ...reserved, runningGpus: 40 })).toBe(40);
});

test('interrupting costs: running work rides out a spike that queued work does not start in', () => {
  const work = (running: number): WorkFacts =>
    gpus({ runningGpus: running, queuedGpus: 100 - running, interruptUsdPerGpu: 0.5 });
  const prices = [1500, 40];
  const at = (running: number): number =>
    planWith(highs, site([], [work(running)]), shortForecast(prices)).steps[0]!.work['w']!;
  expect(at(100)).toBe(100);
  expect(at(30)).toBe(30);
});

test('classes of one part share its GPUs, the dearer first', () => {
  const snapshot = site([], [gpus({ id: 'cheap' }), gpus({ id: 'dear', usdPerGpuHour: 0.5 })]);
  expect(planWith(highs, snapshot, shortForecast([40])).steps[0]!.work).toEqual({ cheap: 0, dear: 100 });
});

test('a price below zero runs everything and invents no power', () => {
  const snapshot = demoSnapshot();
  const forecast = shortForecast([-40, -40], 5);
  const [step] = planWith(highs, snapshot, forecast).steps;
  const air = 0.05 + (0.08 - 0.05) * 0.8;
  const most = 2400 * 5676 + 2000 * 3068;
  expect(step!.cohorts['d-s21xp']!['sleep'] ?? 0).toBe(0);
  expect(step!.importW).toBeLessThanOrEqual(39.6e6);
  expect(step!.linePowerW.mining).toBeGreaterThan(most);
  const b = step!.cohorts['b-s19j']!;
  expect((b['low'] ?? 0) + (b['normal'] ?? 0)).toBe(2000);
  expect(((b['low'] ?? 0) * 2180 + (b['normal'] ?? 0) * 3068) * (1 + air) + 60_000).toBeLessThanOrEqual(7 * 0.97e6);
});

test('paid to draw power, the solver counts no more of it than the machines and their cooling draw', () => {
  const cooling = { baseW: 50_000, marginal: [{ wetBulbC: 20, marginalW: 0.1 }] };
  const snapshot = site([miners()], [gpus({})], hallOf({ cooling }));
  const forecast = shortForecast([-40, -1, -5.73]);
  const { objectiveUsd } = solve(highs, buildLp(pose(snapshot, forecast)), {});
  expect(planWith(highs, snapshot, forecast).objectiveUsd).toBeCloseTo(objectiveUsd, 4);
});

test('wakes keep to the hall rate, in whole machines in the first step', () => {
  const slow = site([miners({ now: { sleep: 1000 } })], [], hallOf({ wakesPerMinute: 0.5 }));
  expect(planWith(highs, slow, shortForecast([40], 5)).steps[0]!.cohorts['a-s21']).toEqual({ sleep: 998, default: 2 });
  const snapshot = site([miners({ now: { sleep: 1000 } })], [], hallOf({ wakesPerMinute: 20 }));
  expect(asleep(snapshot, [40, 40, 40, 40])).toEqual([700, 400, 100, 0]);
});

test('pinned machines keep their mode in the first five minutes, held cohorts for good', () => {
  const pinned = site([miners({ now: { default: 600, sleep: 400 }, pinned: { default: 50, sleep: 30 } })]);
  const steps = (snapshot: Snapshot, price: number) =>
    planWith(highs, snapshot, shortForecast([price, price, price], 5)).steps.map((step) => step.cohorts['a-s21']);
  expect(steps(pinned, 200)).toEqual([{ sleep: 950, default: 50 }, { sleep: 1000 }, { sleep: 1000 }]);
  expect(steps(pinned, 40)).toEqual([{ sleep: 30, default: 970 }, { default: 1000 }, { default: 1000 }]);
  const held = site([miners({ now: { default: 600, sleep: 400 }, held: true })]);
  const same = { sleep: 400, default: 600 };
  expect(steps(held, 200)).toEqual([same, same, same]);
});

test('limits that cannot be kept are named with the MW, and all that may stop stops', () => {
  const snapshot = site([miners()], [gpus({})], hallOf({ usableW: 1e6, fixedW: 1.25e6 }));
  for (const plan of [
    planWith(highs, snapshot, shortForecast([40])),
    planByMeritOrder(snapshot, shortForecast([40])),
  ]) {
    expect(plan.status).toBe('limits-exceeded');
    expect(plan.notes).toEqual([
      'hall a is over its limit by 0.250 MW at 2026-03-23T12:00:00Z with all that may stop stopped: 1.250 MW is fixed load of hall a',
    ]);
    expect(plan.steps[0]!.cohorts['a-s21']).toEqual({ sleep: 1000 });
    expect(plan.steps[0]!.work['w']).toBe(0);
  }
});

test('a snapshot that contradicts itself is a bug and says which', () => {
  expect(() => planWith(highs, site([miners({ now: { default: 3 } })]), shortForecast([40]))).toThrow(
    /a-s21: 3 modes for 1000/,
  );
  expect(() => planWith(highs, site([miners({ hallId: 'z' })]), shortForecast([40]))).toThrow(/no hall z/);
});

test('the demo site plans to proven optimality, better than the merit order, the same every time', () => {
  const [snapshot, forecast] = [demoSnapshot(), demoForecast()];
  const plan = planWith(highs, snapshot, forecast, { notes: ['first'] });
  expect(plan).toMatchObject({ status: 'optimal', solver: 'highs', madeAt: AT, notes: ['first'] });
  expect(plan.objectiveUsd).toBeGreaterThan(planByMeritOrder(snapshot, forecast).objectiveUsd);
  expect({ ...planWith(highs, snapshot, forecast, { notes: ['first'] }), solveMs: 0 }).toEqual({ ...plan, solveMs: 0 });
});

test('a warm start gives the same money, also when the horizon and the cohorts have moved on', () => {
  const [snapshot, forecast] = [demoSnapshot(), demoForecast()];
  const warm = createWarmStart();
  planWith(highs, snapshot, forecast, { warm });
  const later = {
    ...forecast,
    steps: forecast.steps.slice(1).map((step, i) => ({ ...step, priceUsdPerMwh: step.priceUsdPerMwh + (i % 5) })),
  };
  const cohorts = snapshot.cohorts.map((c) => (c.points === S19K ? { ...c, pinned: { default: 40 } } : c)).slice(1);
  const changed = { ...snapshot, cohorts };
  const cold = planWith(highs, changed, later);
  const program = buildLp(pose(changed, later));
  expect(solve(highs, program, { warm }).iterations).toBeLessThan(solve(highs, program, {}).iterations / 2);
  expect(planWith(highs, changed, later, { warm }).objectiveUsd).toBeCloseTo(cold.objectiveUsd, 1);
});

test('a cancelled solve gives no plan', () => {
  expect(() => planWith(highs, demoSnapshot(), demoForecast(), { cancelled: () => true })).toThrow(/interrupt/);
});

test('a solve out of time gives no plan rather than a half one called optimal', () => {
  expect(() => planWith(highs, demoSnapshot(), demoForecast(), { timeLimitMs: 1e-6 })).toThrow(/timeLimit/);
});
