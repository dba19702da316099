import type { Highs } from 'highs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anySite, forecastOfSite, snapshotOf } from '../../test/support/random-site.ts';
import { type CoolingStage, coolingCurve, type HallFacts, type Plan, type Snapshot } from '../model/index.ts';
import { createWarmStart } from './basis.ts';
import { bareHall, bareSnapshot, cohort, demoForecast, demoSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { nameTexts } from './model-builder.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';
import { roomBeside, roundFirst } from './round.ts';
import { moneyOf } from './shape.ts';

const highs = await loadHighs();

/** Dry coolers carry 700 machines of 3 kW for a twentieth of their power, chillers 600 for a quarter of it. */
const STAGES: readonly CoolingStage[] = [
  { id: 'chillers', heatW: 1.8e6, marginal: [{ wetBulbC: 18, marginalW: 0.25 }] },
  { id: 'dry', heatW: 2.1e6, marginal: [{ wetBulbC: 18, marginalW: 0.05 }] },
];
const hallOf = (stages = STAGES, change: Partial<HallFacts> = {}): HallFacts => ({
  ...bareHall('a'),
  cooling: { baseW: 0, stages },
  ...change,
});
/** 1,000 machines of 3 kW that earn $50/MWh of IT: $47.62 at the meter on dry coolers and $40 on chillers. */
const POINTS = [{ profile: 'default', powerW: 3_000, hashrateThs: 90 }];
const miners = (running = 1_000) => ({
  ...cohort('a-x', 'x', 1_000, POINTS),
  sleepW: 0,
  now: { default: running, sleep: 1_000 - running },
});
const site = (change: Partial<Snapshot> = {}): Snapshot =>
  bareSnapshot({ halls: [hallOf()], cohorts: [miners()], ...change });
const running = (plan: Plan): number[] => plan.steps.map((step) => Math.round(step.cohorts['a-x']!['default'] ?? 0));
const bothWays = (snapshot: Snapshot, prices: readonly number[]): number[][] => [
  running(planWith(highs, snapshot, shortForecast(prices))),
  running(planByMeritOrder(snapshot, shortForecast(prices))),
];
/** The program as it is without binaries. */
const looseUsd = (snapshot: Snapshot, prices: readonly number[]): number => {
  const { model, offsetUsd } = buildLp(pose(snapshot, shortForecast(prices)));
  return solve(highs, { model, offsetUsd }, {}).objectiveUsd;
};

/** The solver, ending in an error in each run with whole numbers in it that `fails` names by its presolve. */
function failing(fails: readonly string[]): { readonly highs: Highs; readonly failed: string[] } {
  const failed: string[] = [];
  const withModel = (data: never, use: never) =>
    highs.withModel(data, (solver) => {
      const run = solver.run.bind(solver);
      const set = solver.options.set.bind(solver.options);
      let presolve: string | undefined;
      solver.options.set = (options: never) => {
        ({ presolve } = options);
        return set(options);
      };
      solver.run = (...given) => {
        if (presolve === undefined || !fails.includes(presolve)) return run(...given);
        failed.push(presolve);
        throw new highs.errors.HighsError('run failed with HiGHS status -1', 'run');
      };
      return (use as (one: typeof solver) => never)(solver);
    });
  return { highs: Object.assign(Object.create(highs) as Highs, { withModel }), failed };
}

describe('a solver that ends in an error of its own', () => {
  const prices = [-60, -40, 20, 45];
  test('is asked again without presolve, and finds the same plan', () => {
    const good = planWith(highs, site(), shortForecast(prices));
    const { highs: bad, failed } = failing(['choose']);
    const plan = planWith(bad, site(), shortForecast(prices));
    expect(failed.length).toBeGreaterThan(0);
    expect(plan.status).toBe('optimal');
    expect(plan.objectiveUsd).toBeCloseTo(good.objectiveUsd, 6);
  });

  test('twice leaves a plan that is whole, and not called optimal', () => {
    const { highs: bad, failed } = failing(['choose', 'off']);
    const plan = planWith(bad, site(), shortForecast(prices));
    expect(failed).toEqual(expect.arrayContaining(['choose', 'off']));
    expect(plan.status).not.toBe('optimal');
    expect(plan.steps).toHaveLength(prices.length);
  });
});

describe('a plant in stages', () => {
  test('each stage runs while the hash on it is worth its watts, by either planner', () => {
    expect(bothWays(site(), [30, 44, 48])).toEqual([
      [1_000, 700, 0],
      [1_000, 700, 0],
    ]);
  });

  test('the plan is the best of all there are, counted one by one', () => {
    const cases: number[][] = [
      [30, 44, 48],
      [-20, 39.9, 47.7],
      [0, 40.1, 47.5],
      [44, -1, 44],
    ];
    for (const prices of cases) {
      // What each quarter-hour earns at best, by hand: nothing couples them.
      const best = prices.map((price) =>
        Math.max(
          ...Array.from({ length: 1_001 }, (_, machines) => {
            const itMw = machines * 0.003;
            const coolingMw = 0.05 * Math.min(2.1, itMw) + 0.25 * Math.max(0, itMw - 2.1);
            return 0.25 * (50 * itMw - price * (itMw + coolingMw));
          }),
        ),
      );
      const plan = planWith(highs, site(), shortForecast(prices));
      expect(plan.status).toBe('optimal');
      expect(plan.objectiveUsd).toBeCloseTo(
        best.reduce((sum, usd) => sum + usd, 0),
        6,
      );
      expect(solve(highs, buildLp(pose(site(), shortForecast(prices))), {}).objectiveUsd).toBeCloseTo(
        plan.objectiveUsd,
        6,
      );
    }
  });

  test('IT heat stays within all stages, the fixed load with it, and what cannot be kept is said', () => {
    const halls = [hallOf(STAGES, { fixedW: 1.5e6 })];
    const most = (3.9e6 - 1.5e6) / 3_000;
    expect(bothWays(site({ halls }), [0])).toEqual([[most], [most]]);
    const over = site({ halls: [hallOf(STAGES, { fixedW: 4e6 })] });
    for (const plan of [planWith(highs, over, shortForecast([0])), planByMeritOrder(over, shortForecast([0]))]) {
      expect(plan.status).toBe('limits-exceeded');
      expect(plan.notes[0]).toBe(
        'the cooling of hall a is over its limit by 0.100 MW at 2026-03-23T12:00:00Z with all that may stop stopped: 4.000 MW is fixed load of hall a',
      );
      expect(running(plan)).toEqual([0]);
    }
  });

  test('the ambient derate moves the limit from step to step', () => {
    const stages = [
      {
        id: 'dry',
        heatW: 3e6,
        marginal: [
          { wetBulbC: 10, marginalW: 0.05 },
          { wetBulbC: 20, marginalW: 0.05, heatPct: 50 },
        ],
      },
    ];
    const forecast = shortForecast([10, 10, 10]);
    const steps = forecast.steps.map((step, t) => ({ ...step, wetBulbC: [10, 15, 25][t]! }));
    const snapshot = site({ halls: [hallOf(stages)] });
    for (const plan of [
      planWith(highs, snapshot, { ...forecast, steps }),
      planByMeritOrder(snapshot, { ...forecast, steps }),
    ])
      expect(running(plan)).toEqual([1_000, 750, 500]);
  });

  test('why names what the plant could carry more, and the price at which the stage in use stops paying', () => {
    const limited = planWith(highs, site({ halls: [hallOf([STAGES[1]!])] }), shortForecast([20], 60));
    // A MW of IT earns $50 and costs 1.05 MWh at $20.
    expect(limited.why!.limits[0]).toMatchObject({
      key: 'cooling:a',
      sentence: '1 MW more of heat that the cooling of hall a carries is worth $29.00 an hour now',
    });
    const free = planWith(highs, site(), shortForecast([20], 60));
    expect(free.why!.limits).toEqual([]);
    expect(free.why!.cohorts[0]!.leavesAboveUsdPerMwh).toBeCloseTo(40, 6);
  });

  test('lines carry the cooling of their hall alike, and sum with the rest to the load', () => {
    const halls = [hallOf(STAGES, { fixedW: 0.3e6 })];
    const [step] = planWith(highs, site({ halls }), shortForecast([10])).steps;
    const coolingW = 0.05 * 2.1e6 + 0.25 * 1.2e6;
    expect(step!.linePowerW.mining).toBeCloseTo(3e6 * (1 + coolingW / 3.3e6), 3);
    expect(step!.linePowerW.mining + step!.otherW).toBeCloseTo(3.3e6 + coolingW, 3);
  });

  test('room beside a decision bends where the next stage begins, and ends with the heat', () => {
    const narrow = site({ halls: [hallOf(STAGES, { usableW: 2.1e6 * 1.05 + 300_000 * 1.25 })] });
    const problem = pose(narrow, shortForecast([0]));
    const at = (machines: number) =>
      roomBeside(problem, 0, { machines: [[1_000 - machines, machines]], gpus: [], generationW: [] });
    expect(at(600).most(0, 3_000)).toBeCloseTo(200, 6);
    expect(at(600).alike(0, 3_000)).toBe(100);
    const room = at(600);
    room.take(0, 150 * 3_000);
    expect(room.most(0, 3_000)).toBeCloseTo(50, 6);
    // Whole machines: the one that would not fit sleeps.
    expect(roundFirst(problem, { machines: [[199.6, 800.4]], gpus: [], generationW: [] }).machines[0]).toEqual([
      200, 800,
    ]);
    const hot = pose(site({ halls: [hallOf([STAGES[1]!])] }), shortForecast([0]));
    expect(roomBeside(hot, 0, { machines: [[400, 600]], gpus: [], generationW: [] }).most(0, 3_000)).toBeCloseTo(
      100,
      6,
    );
  });

  test('a site without stages has not a column or row more', () => {
    const { model, staged } = buildLp(pose(demoSnapshot(), demoForecast()));
    expect(staged).toEqual([]);
    expect(
      [...nameTexts(model.columns()), ...nameTexts(model.rows())].filter((name) => /^heat|^cooling:heat/.test(name)),
    ).toEqual([]);
  });

  test('one stage with heat to spare is the same as its slope alone', () => {
    const point = [{ wetBulbC: 18, marginalW: 0.05 }];
    const one = planWith(
      highs,
      site({ halls: [hallOf([{ id: 'dry', heatW: 9e6, marginal: point }])] }),
      shortForecast([44, 48]),
    );
    const plain = planWith(
      highs,
      site({ halls: [hallOf(undefined, { cooling: { baseW: 0, marginal: point } })] }),
      shortForecast([44, 48]),
    );
    expect({ ...one, solveMs: 0, id: '' }).toEqual({ ...plain, solveMs: 0, id: '' });
  });
});

describe('no cooling is bought that nobody runs', () => {
  /** As in Houston on 29 March 2026, when power was cheaper than nothing around noon. */
  const NOON = [4, -6, -22, -31, -18, 2];

  test('paid to draw power, the dry coolers still run before the chillers', () => {
    const tight = planWith(highs, site(), shortForecast(NOON));
    expect(tight.status).toBe('optimal');
    const { objectiveUsd } = solve(highs, buildLp(pose(site(), shortForecast(NOON))), {});
    expect(objectiveUsd).toBeCloseTo(tight.objectiveUsd, 6);
    for (const { importW } of tight.steps) expect(importW).toBeCloseTo(3e6 + 0.05 * 2.1e6 + 0.25 * 0.9e6, 0);
    // All of it on the chillers would be 0.42 MW more, at $77/MWh for four quarter-hours.
    expect(looseUsd(site(), NOON) - objectiveUsd).toBeCloseTo(0.25 * 77 * 0.2 * 2.1, 6);
  });

  test('a ramp of the contract is not kept by it', () => {
    // All that runs is fixed; the contract would have 0.15 MW more than that drawn.
    const snapshot = site({
      cohorts: [],
      halls: [hallOf(STAGES, { fixedW: 2.1e6 })],
      connection: { limitW: 1e9, usableW: 1e9, lossFraction: 0, importW: 2.1e6 * 1.05 + 0.3e6, rampWPerMinute: 10_000 },
    });
    const plan = planWith(highs, snapshot, shortForecast([30]));
    expect(plan.steps[0]!.importW).toBeCloseTo(2.1e6 * 1.05, 3);
    const { objectiveUsd } = solve(highs, buildLp(pose(snapshot, shortForecast([30]))), {});
    expect(looseUsd(snapshot, [30])).toBeGreaterThan(objectiveUsd + 500);
  });

  test('where it pays to load the site, chillers run because machines do', () => {
    // Hash is worth nothing; what is drawn earns $31. A machine that cost more than it brings would sleep.
    const worthless = {
      ...shortForecast(NOON),
      steps: shortForecast(NOON).steps.map((s) => ({ ...s, hashpriceUsdPerPhDay: 0 })),
    };
    expect(running(planWith(highs, site(), worthless))).toEqual([0, 1_000, 1_000, 1_000, 1_000, 0]);
  });

  test('in every scenario, on the mean of them', () => {
    const forecast = shortForecast([10, 10]);
    const scenarios = [
      { probability: 0.3, forecast: shortForecast([10, -50]) },
      { probability: 0.3, forecast: shortForecast([10, 30]) },
    ];
    const plan = planWith(highs, site(), forecast, { scenarios });
    const all = { machines: [[0, 1_000]], gpus: [], generationW: [] };
    const mean = [forecast, ...scenarios.map((one) => one.forecast)].reduce(
      (usd, one, s) => usd + [0.4, 0.3, 0.3][s]! * moneyOf(pose(site(), one), [all, all]),
      0,
    );
    expect(plan.objectiveUsd).toBeCloseTo(mean, 6);
    const posed = scenarios.map((one) => ({ ...one, problem: pose(site(), one.forecast) }));
    const program = buildLp(pose(site(), forecast), undefined, posed);
    expect(program.staged).toHaveLength(6);
    expect(solve(highs, program, {}).objectiveUsd).toBeCloseTo(mean, 6);
  });

  test('a warm start changes nothing but the time', () => {
    const warm = createWarmStart();
    const cold = planWith(highs, site(), shortForecast(NOON));
    for (let n = 0; n < 3; n += 1)
      expect(planWith(highs, site(), shortForecast(NOON), { warm }).objectiveUsd).toBeCloseTo(cold.objectiveUsd, 6);
  });

  test('with no time for the binaries the plan is called feasible, and is one that can be carried out', () => {
    /** A solver that finds nothing where there are whole numbers. */
    const late: Highs = Object.create(highs, {
      withModel: {
        value: (data: Parameters<Highs['withModel']>[0], act: (solver: unknown) => unknown) =>
          highs.withModel(data as never, (solver) => {
            if ('integrality' in (data as object)) solver.options.set({ time_limit: 0 });
            return act(solver);
          }),
      },
    }) as Highs;
    const plan = planWith(late, site(), shortForecast(NOON));
    expect(plan.status).toBe('feasible');
    expect(plan.why).toBeUndefined();
    expect(plan.objectiveUsd).toBeCloseTo(planWith(highs, site(), shortForecast(NOON)).objectiveUsd, 6);
  });

  test('on any site, what the program counts is what its plan pays', { timeout: 120_000 }, () => {
    let tightened = 0;
    fc.assert(
      fc.property(anySite, (drawn) => {
        // Terms that give way at a price that is no money are left out.
        const plain = { ...drawn, ballast: undefined, rampWPerMinute: undefined };
        const work = drawn.work.map((one) => ({ ...one, preemptible: true }));
        const steps = drawn.steps.map((step) => ({ ...step, priceUsdPerMwh: -Math.abs(step.priceUsdPerMwh) }));
        const free = { ...plain, work, steps, usableW: 20_000_000, feederW: undefined, generation: [] };
        const snapshot = snapshotOf(free);
        const forecast = forecastOfSite(free);
        const program = buildLp(pose(snapshot, forecast));
        const { objectiveUsd } = solve(highs, program, {});
        const paid = planWith(highs, snapshot, forecast, { whole: false }).objectiveUsd;
        expect(Math.abs(paid - objectiveUsd)).toBeLessThan(1e-3 + 1e-6 * Math.abs(objectiveUsd));
        const { model, offsetUsd } = program;
        if (solve(highs, { model, offsetUsd }, {}).objectiveUsd > objectiveUsd + 1e-3) tightened += 1;
      }),
      { numRuns: 150, endOnFailure: true },
    );
    expect(tightened).toBeGreaterThan(5);
  });
});

test('the curve of a step is that of its weather', () => {
  const forecast = shortForecast([0]);
  const { steps } = pose(site(), forecast);
  expect(steps[0]!.cooling).toEqual([coolingCurve({ baseW: 0, stages: STAGES }, forecast.steps[0]!.wetBulbC)]);
});
