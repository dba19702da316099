import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anySite, forecastOfSite, snapshotOf } from '../../test/support/random-site.ts';
import {
  HOUR,
  siteMs,
  type AwardFacts,
  type BasePointFacts,
  type ProgramCallFacts,
  type Forecast,
  type GeneratorFacts,
  type Plan,
  type Snapshot,
} from '../model/index.ts';
import { constraints } from './constraints/index.ts';
import { AT, bareHall, bareSnapshot, cohort, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith, solve } from './plan.ts';
import { pose, type Decision } from './problem.ts';
import { moneyOf } from './shape.ts';

const highs = await loadHighs();

/** Two halls of 1,000 machines of 3 kW: 3 MW each that earn $50/MWh at a hashprice of 40. */
const POINTS = [{ profile: 'default', powerW: 3_000, hashrateThs: 90 }];
const miners = (id: string) => ({ ...cohort(id, 'x', 1_000, POINTS), sleepW: 0 });
const site = (change: Partial<Snapshot> = {}): Snapshot =>
  bareSnapshot({ halls: [bareHall('a'), bareHall('b')], cohorts: [miners('a-x'), miners('b-x')], ...change });
const both = (snapshot: Snapshot, forecast: Forecast): Plan[] => [
  planWith(highs, snapshot, forecast),
  planByMeritOrder(snapshot, forecast),
];
const importsMw = ({ steps }: Plan): number[] => steps.map(({ importW }) => Math.round(importW / 1e3) / 1e3);

describe('feeders', () => {
  const feeders = [
    { id: 'f1', usableW: 1.2e6, hallIds: ['a'] },
    { id: 'f2', usableW: 3.6e6, hallIds: ['a', 'b'] },
  ];

  test('what hangs on one draws no more than it carries, whoever plans', () => {
    for (const plan of both(site({ feeders }), shortForecast([20, 20]))) {
      expect(importsMw(plan)).toEqual([3.6, 3.6]);
      expect(plan.steps[0]!.cohorts['a-x']!['default']).toBeLessThanOrEqual(400);
    }
    for (const plan of both(site(), shortForecast([20, 20]))) expect(importsMw(plan)).toEqual([6, 6]);
  });

  test('losses count below it', () => {
    const connection = { ...bareSnapshot().connection, lossFraction: 0.25 };
    const one = [{ id: 'f1', usableW: 1.5e6, hallIds: ['a'] }];
    for (const plan of both(site({ feeders: one, connection }), shortForecast([20])))
      expect(plan.steps[0]!.cohorts['a-x']!['default']).toBe(400);
  });

  test('the reasons name the one that binds, and what a MW more of it is worth', () => {
    const plan = planWith(highs, site({ feeders: [feeders[0]!] }), shortForecast([20], 60));
    // 90 TH/s for 3 kW at $40/PH/day is $50/MWh, of which power takes 20.
    expect(plan.why!.limits).toEqual([
      {
        key: 'feeder:f1',
        unit: 'MW',
        usdPerHour: expect.closeTo(30, 6) as number,
        sentence: '1 MW more at feeder f1 is worth $30.00 an hour now',
      },
    ]);
    expect(plan.steps[0]!.shadowUsdPerMwh).toEqual({ 'feeder:f1': expect.closeTo(30, 6) as number });
    expect(plan.why!.changes[0]).toMatch(/^600 of a-x go to sleep: .*1 MW more at feeder f1 is worth/);
  });

  test('one that is over its rating with everything stopped is named, and the plan stops all it can', () => {
    const halls = [{ ...bareHall('a'), fixedW: 1.5e6 }, bareHall('b')];
    for (const plan of both(site({ halls, feeders: [feeders[0]!] }), shortForecast([20]))) {
      expect(plan.status).toBe('limits-exceeded');
      expect(plan.notes).toEqual([expect.stringMatching(/^feeder f1 is over its limit by 0\.300 MW at /)]);
      expect(importsMw(plan)).toEqual([4.5]);
    }
  });

  test('a hall that is not there is a bug of whoever built the snapshot', () => {
    const lost = [{ id: 'f1', usableW: 1, hallIds: ['z'] }];
    expect(() => planByMeritOrder(site({ feeders: lost }), shortForecast([20]))).toThrow(/no hall z/);
  });
});

describe('ancillary awards', () => {
  const spans = [{ from: AT, until: siteMs(AT + HOUR) }];
  const ecrs: AwardFacts = {
    id: 'ecrs',
    awardedW: 2e6,
    usdPerMwHour: 15,
    shortfallUsdPerMwh: 25,
    responseSeconds: 600,
    spans,
  };
  const measured = (seconds: number | undefined, change: object = {}) => [
    { ...miners('a-x'), responseSeconds: seconds, ...change },
  ];
  const plan = (awards: readonly AwardFacts[], cohorts: Snapshot['cohorts'], prices: readonly number[]) =>
    planWith(highs, site({ awards, cohorts }), shortForecast(prices, 60));
  const reserves = ({ steps }: Plan) => steps.map(({ reserveW }) => reserveW);

  test('what is held has to run, as long as award and shortfall are worth more than it loses', () => {
    // A MW loses $30 at $80/MWh and $45 at $95/MWh; held, it earns $15 and saves $25.
    const held = plan([ecrs], measured(16), [80, 80]);
    expect(importsMw(held)).toEqual([2.001, 0]);
    expect(reserves(held)).toEqual([{ ecrs: 2e6 }, undefined]);
    expect(held.objectiveUsd).toBeCloseTo(2 * 15 - 2.001 * 30, 6);
    const missed = plan([ecrs], measured(16), [95]);
    expect(importsMw(missed)).toEqual([0]);
    expect(reserves(missed)).toEqual([{ ecrs: 0 }]);
    expect(missed.objectiveUsd).toBeCloseTo(-2 * 25, 6);
  });

  test.each([
    ['that was never measured', measured(undefined)],
    ['that is too slow', measured(601)],
    ['that a person holds', measured(16, { held: true })],
    ['within its minimum time', measured(16, { pinned: { default: 1_000 } })],
  ])('load %s is no reserve', (_, cohorts) => {
    expect(reserves(planWith(highs, site({ awards: [ecrs], cohorts }), shortForecast([20], 5)))).toEqual([{ ecrs: 0 }]);
  });

  test('one MW counts once, and goes where it is worth most', () => {
    const spinning = { ...ecrs, id: 'spinning', usdPerMwHour: 40, responseSeconds: 20 };
    expect(reserves(plan([ecrs, spinning], measured(16), [20]))).toEqual([{ spinning: 2e6, ecrs: 1e6 }]);
    // Who needs ten minutes serves the one that allows as much.
    const cohorts = [...measured(16), { ...miners('b-x'), responseSeconds: 300 }];
    const slow = { ...ecrs, awardedW: 4e6 };
    expect(reserves(plan([slow, spinning], cohorts, [20]))).toEqual([{ spinning: 2e6, ecrs: 4e6 }]);
    expect(reserves(plan([{ ...spinning, awardedW: 4e6 }, ecrs], cohorts, [20]))).toEqual([
      { spinning: 3e6, ecrs: 2e6 },
    ]);
  });

  test('a step that is held in part earns that part', () => {
    const half = { ...ecrs, spans: [{ from: AT, until: siteMs(AT + HOUR / 2) }] };
    expect(plan([half], measured(16), [20]).objectiveUsd).toBeCloseTo(3 * 30 + (2 * 15) / 2, 6);
  });

  test('the reasons say what a MW more of it is worth, and why load runs at a loss', () => {
    const asleep = measured(16, { now: { sleep: 1_000 } });
    const { why } = plan([{ ...ecrs, awardedW: 9e6 }], asleep, [80]);
    expect(why!.limits).toEqual([
      {
        key: 'reserve:600',
        unit: 'MW',
        usdPerHour: expect.closeTo(40, 6) as number,
        sentence: '1 MW more that can be shed within 600 s is worth $40.00 an hour now',
      },
    ]);
    expect(why!.changes).toEqual([
      '1,000 of a-x wake to default: its hash earns $50.00/MWh, $40.00 more in reserve, power costs $80.00 in all',
    ]);
    expect(why!.cohorts[0]!.leavesAboveUsdPerMwh).toBeCloseTo(90, 6);
  });

  test('the merit order holds what happens to run, and its money says so', () => {
    const snapshot = site({ awards: [ecrs], cohorts: measured(16) });
    const greedy = planByMeritOrder(snapshot, shortForecast([20, 80], 30));
    expect(reserves(greedy)).toEqual([{ ecrs: 2e6 }, { ecrs: 0 }]);
    expect(greedy.objectiveUsd).toBeCloseTo(0.5 * (3 * 30 + 2 * 15) - 0.5 * 2 * 25, 6);
  });
});

describe('curtailment programs', () => {
  const ers: ProgramCallFacts = {
    id: 'ers',
    firmW: 1.5e6,
    penaltyUsdPerMwh: 200,
    from: siteMs(AT + HOUR),
    until: siteMs(AT + 2 * HOUR),
  };

  test('while it is called, import above the firm level stops that is worth less than the penalty, whoever plans', () => {
    const prices = shortForecast([20, 20, 20], 60);
    for (const plan of both(site({ programCalls: [ers] }), prices)) {
      expect(importsMw(plan)).toEqual([6, 1.5, 6]);
      expect(plan.objectiveUsd).toBeCloseTo((6 + 1.5 + 6) * 30, 6);
    }
    // A MW earns $30 an hour: a penalty below that is paid.
    for (const plan of both(site({ programCalls: [{ ...ers, penaltyUsdPerMwh: 29 }] }), prices)) {
      expect(importsMw(plan)).toEqual([6, 6, 6]);
      expect(plan.objectiveUsd).toBeCloseTo(3 * 6 * 30 - 4.5 * 29, 6);
    }
  });

  test('two programs add up above the lower level', () => {
    const penalties = { ...ers, penaltyUsdPerMwh: 20 };
    const programCalls = [penalties, { ...penalties, id: 'other', firmW: 3.6e6 }];
    for (const plan of both(site({ programCalls }), shortForecast([20, 20], 60)))
      expect(importsMw(plan)).toEqual([6, 3.6]);
  });

  test('a call in part of a step costs that part', () => {
    const programCalls = [{ ...ers, from: siteMs(AT + HOUR / 2), until: siteMs(AT + HOUR), penaltyUsdPerMwh: 50 }];
    for (const plan of both(site({ programCalls }), shortForecast([20], 60))) {
      expect(importsMw(plan)).toEqual([6]);
      expect(plan.objectiveUsd).toBeCloseTo(6 * 30 - (4.5 * 50) / 2, 6);
    }
  });

  test('whole machines stay below the firm level, and the reasons name it', () => {
    const programCalls = [{ ...ers, firmW: 1.499e6, from: AT }];
    const { why, steps } = planWith(highs, site({ programCalls }), shortForecast([20], 60));
    expect(steps[0]!.importW).toBe(1.497e6);
    expect(why!.limits[0]).toMatchObject({
      key: 'call:ers',
      sentence: '1 MW more while ers is called is worth $30.00 an hour now',
    });
  });
});

describe('base points', () => {
  const hour = (n: number, mw: number, more: Partial<BasePointFacts> = {}): BasePointFacts => ({
    id: `b${n}`,
    leastW: mw * 1e6,
    mostW: mw * 1e6,
    from: siteMs(AT + n * HOUR),
    until: siteMs(AT + (n + 1) * HOUR),
    ...more,
  });

  test('import follows them up and down, whatever the price, whoever plans', () => {
    const basePoints = [hour(0, 1.5), hour(1, 4.5), hour(2, 3)];
    for (const plan of both(site({ basePoints }), shortForecast([20, 90, 90, 20], 60))) {
      expect(importsMw(plan)).toEqual([1.5, 4.5, 3, 6]);
      expect(plan.objectiveUsd).toBeCloseTo(1.5 * 30 - 4.5 * 40 - 3 * 40 + 6 * 30, 6);
    }
  });

  test('a band leaves the price its choice within it', () => {
    const basePoints = [hour(0, 0, { mostW: 3.9e6, leastW: 2.1e6 }), hour(1, 0, { mostW: 3.9e6, leastW: 2.1e6 })];
    for (const plan of both(site({ basePoints }), shortForecast([20, 90], 60)))
      expect(importsMw(plan)).toEqual([3.9, 2.1]);
  });

  test('one out of reach is come as near to as can be, and missing it is paid for once', () => {
    const basePoints = [hour(0, 9)];
    for (const plan of both(site({ basePoints }), shortForecast([90], 60))) {
      expect(importsMw(plan)).toEqual([6]);
      expect(plan.objectiveUsd).toBeCloseTo(-6 * 40 - 3 * 20_000, 6);
    }
  });

  test('a charge on the peak of the month is no reason to stay below one', () => {
    const demand = { usdPerMw: 25_000, intervalMs: HOUR / 4, billedW: 2e6, monthEndsAt: siteMs(AT + 24 * HOUR) };
    const tariff = { ...bareSnapshot().tariff, demand: { ...demand, runningWh: 0 } };
    const snapshot = site({ tariff, basePoints: [hour(0, 4.5)] });
    expect(importsMw(planWith(highs, snapshot, shortForecast([20], 60)))).toEqual([4.5]);
  });

  test('the first step answers to the one in force now, not to one that begins within it', () => {
    const middle = siteMs(AT + HOUR / 2);
    const basePoints = [hour(0, 4.5, { until: middle }), hour(0, 1.5, { from: middle })];
    const forecast = shortForecast([20], 60);
    expect(importsMw(planWith(highs, site({ basePoints }), forecast))).toEqual([4.5]);
    expect(importsMw(planWith(highs, { ...site({ basePoints }), at: middle }, forecast))).toEqual([1.5]);
  });

  test('a site without any pays nothing: no columns, no rows', () => {
    const size = (snapshot: Snapshot) => {
      const { model } = buildLp(pose(snapshot, shortForecast([20], 60)));
      return [model.columns().seriesOf.length, model.rows().seriesOf.length];
    };
    expect(size(site({ basePoints: [] }))).toEqual(size(site()));
    const [columns, rows] = size(site());
    expect(size(site({ basePoints: [hour(0, 5)] }))).toEqual([columns! + 2, rows! + 1]);
  });
});

describe('on-site generation', () => {
  const solar: GeneratorFacts = {
    id: 'pv',
    capacityW: 2e6,
    usdPerMwh: 0,
    series: 'availableMw.solar',
    untoldW: 0,
  };
  const gas: GeneratorFacts = { id: 'gas', capacityW: 4e6, usdPerMwh: 60, series: undefined, untoldW: 4e6 };
  const { connection } = bareSnapshot();
  const told = (prices: readonly number[], solarMw: number | undefined): Forecast => {
    const plain = shortForecast(prices, 60);
    const availableMw = solarMw === undefined ? {} : { 'availableMw.solar': solarMw };
    return { ...plain, steps: plain.steps.map((step) => ({ ...step, availableMw })) };
  };
  const fedInMw = ({ steps }: Plan) => steps.map(({ exportW }) => Math.round(exportW! / 1e3) / 1e3);

  test('import is what the site draws less what it makes; untold, the sun makes nothing', () => {
    const snapshot = site({ generation: [solar] });
    for (const plan of both(snapshot, told([20], 1.5))) {
      expect(importsMw(plan)).toEqual([4.5]);
      expect(plan.steps[0]!.generationW).toEqual({ pv: 1.5e6 });
      expect(plan.objectiveUsd).toBeCloseTo(6 * 50 - 4.5 * 20, 6);
    }
    for (const plan of both(snapshot, told([20], 9))) expect(importsMw(plan)).toEqual([4]);
    for (const plan of both(snapshot, told([20], undefined))) expect(importsMw(plan)).toEqual([6]);
  });

  test('a generator runs where power costs more than its fuel, or else where a limit needs it', () => {
    for (const plan of both(site({ generation: [gas] }), told([61, 59], undefined))) {
      // Hash earns $50/MWh: nobody runs miners for it, on either price.
      expect(importsMw(plan)).toEqual([0, 0]);
    }
    const dear = planWith(highs, site({ generation: [{ ...gas, usdPerMwh: 30 }] }), told([45, 25], undefined));
    expect(importsMw(dear)).toEqual([2, 6]);
    const halls = [{ ...bareHall('a'), fixedW: 3e6 }, bareHall('b')];
    const narrow = { ...connection, usableW: 2e6 };
    for (const plan of both(site({ halls, generation: [gas], connection: narrow }), told([55], undefined))) {
      expect(plan.notes).toEqual([]);
      expect(importsMw(plan)).toEqual([2]);
      expect(plan.steps[0]!.generationW!['gas']).toBeCloseTo(1e6, 0);
    }
  });

  test('what the site does not use is fed in up to the limit and paid less the adder, and not at all without one', () => {
    const exporting = { ...connection, exportLimitW: 3e6, exportAdderUsdPerMwh: 5 };
    const generation = [{ ...gas, usdPerMwh: 60 }];
    for (const plan of both(site({ generation, connection: exporting }), told([100], undefined))) {
      expect([importsMw(plan), fedInMw(plan)]).toEqual([[0], [3]]);
      expect(plan.objectiveUsd).toBeCloseTo(3 * (100 - 5 - 60), 6);
    }
    for (const plan of both(site({ generation }), told([100], undefined)))
      expect([importsMw(plan), fedInMw(plan), plan.steps[0]!.generationW]).toEqual([[0], [0], { gas: 0 }]);
    // At $62 the grid pays less for it than it costs to make.
    const cheap = planWith(highs, site({ generation, connection: exporting }), told([62], undefined));
    expect([fedInMw(cheap), cheap.steps[0]!.generationW]).toEqual([[0], { gas: 0 }]);
  });

  test('nothing is drawn to be fed in again: not at a price below zero, and not to slow a ramp', () => {
    const exporting = { ...connection, exportLimitW: 9e6, exportAdderUsdPerMwh: 0 };
    expect(
      fedInMw(planWith(highs, site({ connection: exporting, generation: [gas] }), told([-50], undefined))),
    ).toEqual([0]);
    const ramped = { ...exporting, rampWPerMinute: 0.01e6, importW: 6e6 };
    const plan = planWith(highs, site({ connection: ramped, generation: [gas] }), told([500, 500], undefined));
    for (const { importW, exportW } of plan.steps) expect(Math.min(importW, exportW!)).toBe(0);
    // The site slows down no faster than the contract allows, by 0.6 MW an hour.
    expect(importsMw(plan)[0]).toBeGreaterThanOrEqual(5.397);
    expect(importsMw(plan)[1]).toBeGreaterThanOrEqual(4.797);
  });
});

test('at any site the money of the decisions is the objective of the program', () => {
  // What keeps the ramp, the band and work that may not be stopped is a price that nobody pays.
  const unpaid = ['ramp', 'non-preemptible', 'ballast'];
  const paid = constraints.filter(({ name }) => !unpaid.includes(name));
  fc.assert(
    fc.property(anySite, (one) => {
      const problem = pose(snapshotOf(one), forecastOfSite(one));
      const { columns, ...program } = buildLp(problem, paid);
      const { solution, objectiveUsd } = solve(highs, program, {});
      const at = (column: number): number => Math.max(0, solution.colValue[column]!);
      const decisions = problem.steps.map((_, t): Decision => ({
        machines: columns.machines[t]!.map((modes) => modes.map(at)),
        gpus: columns.gpus[t]!.map(at),
        gpusAt: columns.gpusAt[t]!.map((points) => points.map(at)),
        generationW: columns.generationMw[t]!.map((column) => 1e6 * at(column)),
        leases: columns.leases[t]!.map(({ kept, more, gpus }) => ({
          keptChips: at(kept),
          moreChips: more === undefined ? 0 : at(more),
          gpus: gpus === undefined ? 0 : at(gpus),
        })),
      }));
      expect(Math.abs(moneyOf(problem, decisions) - objectiveUsd)).toBeLessThan(
        1e-6 * Math.max(10, Math.abs(objectiveUsd)),
      );
    }),
    { numRuns: 150 },
  );
});

test('at any site no award is held by load that was not seen, or declared, to shed within its deadline', () => {
  fc.assert(
    fc.property(anySite, (one) => {
      const snapshot = snapshotOf(one);
      const plan = planByMeritOrder(snapshot, forecastOfSite(one));
      const [step] = plan.steps;
      const held = Object.entries(step!.reserveW ?? {}).map(([id, watts]) => {
        const { responseSeconds } = snapshot.awards!.find((award) => award.id === id)!;
        return { responseSeconds, watts };
      });
      for (const { responseSeconds: deadline } of held) {
        const mostW = snapshot.cohorts
          .filter((cohort) => !cohort.held && (cohort.responseSeconds ?? Infinity) <= deadline)
          .flatMap(({ id, points, sleepW }) =>
            points.map(({ profile, powerW }) => (step!.cohorts[id]?.[profile] ?? 0) * (powerW - sleepW)),
          )
          .reduce((sum, watts) => sum + watts, 0);
        const promisedW = held.reduce((sum, one) => sum + (one.responseSeconds <= deadline ? one.watts : 0), 0);
        expect(promisedW).toBeLessThanOrEqual(mostW + 1);
      }
    }),
    { numRuns: 150 },
  );
});
