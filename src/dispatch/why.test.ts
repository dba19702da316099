import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, QUARTER, siteMs, type Plan, type Snapshot } from '../model/index.ts';
import { AT, bareHall, bareSnapshot, cohort, demoForecast, demoSnapshot, S19K, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();
const POINTS = S19K.filter((_, i) => i % 8 === 0);
const miners = (machines = 1_000) => ({ ...cohort('a-x', 'x', machines, POINTS), sleepW: 20 });
const modeOf = (plan: Plan): string =>
  Object.entries(plan.steps[0]!.cohorts['a-x']!).sort(([, a], [, b]) => b - a)[0]![0];
const objective = (snapshot: Snapshot, prices: readonly number[]): number =>
  solve(highs, buildLp(pose(snapshot, shortForecast(prices, 60))), {}).objectiveUsd;

describe('the price at which a cohort changes its mind', () => {
  test('just past it, it does, and just before it, it does not', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 5, max: 140, noNaN: true }),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        fc.double({ min: 0, max: 0.05, noNaN: true }),
        (price, marginalW, lossFraction) => {
          const halls = [{ ...bareHall('a'), cooling: { baseW: 5e4, marginal: [{ wetBulbC: 0, marginalW }] } }];
          const connection = { ...bareSnapshot().connection, lossFraction };
          const snapshot = bareSnapshot({ cohorts: [miners()], halls, connection });
          const at = (usd: number): Plan => planWith(highs, snapshot, shortForecast([usd]));
          const [why] = at(price).why!.cohorts;
          expect(why!.mode).toBe(modeOf(at(price)));
          if (why!.leavesAboveUsdPerMwh !== undefined) {
            expect(modeOf(at(why!.leavesAboveUsdPerMwh + 0.01))).toBe(why!.below);
            expect(modeOf(at(why!.leavesAboveUsdPerMwh - 0.01))).toBe(why!.mode);
          }
          if (why!.leavesBelowUsdPerMwh !== undefined) {
            expect(modeOf(at(why!.leavesBelowUsdPerMwh - 0.01))).toBe(why!.above);
            expect(modeOf(at(why!.leavesBelowUsdPerMwh + 0.01))).toBe(why!.mode);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test('asleep there is no mode below, and at the top none above', () => {
    const at = (usd: number) => planWith(highs, bareSnapshot({ cohorts: [miners()] }), shortForecast([usd])).why!;
    expect(at(900).cohorts[0]).toMatchObject({ mode: 'sleep', below: undefined, leavesAboveUsdPerMwh: undefined });
    expect(at(-50).cohorts[0]).toMatchObject({ above: undefined, leavesBelowUsdPerMwh: undefined });
    const held = bareSnapshot({ cohorts: [{ ...miners(), held: true }] });
    expect(planWith(highs, held, shortForecast([20])).why!.cohorts).toEqual([]);
  });
});

describe('what a limit is worth', () => {
  test('a little more of a breaker that binds earns what it says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 300_000, max: 2_500_000 }),
        fc.double({ min: 5, max: 60, noNaN: true }),
        (w, price) => {
          const site = (usableW: number) =>
            bareSnapshot({ cohorts: [miners()], halls: [{ ...bareHall('a'), usableW }] });
          const { limits } = planWith(highs, site(w), shortForecast([price], 60)).why!;
          const told = limits.find(({ key }) => key === 'hall:a')?.usdPerHour ?? 0;
          const [less, here, more] = [w - 1_000, w, w + 1_000].map((usableW) => objective(site(usableW), [price]));
          // Between two modes the worth steps: what is told is that of one side.
          const [down, up] = [(here! - less!) * 1_000, (more! - here!) * 1_000];
          expect(told).toBeGreaterThanOrEqual(Math.min(down, up) - 0.05);
          expect(told).toBeLessThanOrEqual(Math.max(down, up) + 0.05);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a limit that does not bind has no worth, and is not named', () => {
    expect(planWith(highs, bareSnapshot({ cohorts: [miners()] }), shortForecast([20])).why!.limits).toEqual([]);
  });

  test("the month's peak is a limit, told in dollars", () => {
    const demand = { usdPerMw: 9_000, intervalMs: QUARTER, billedW: 1e6, monthEndsAt: siteMs(AT + DAY), runningWh: 0 };
    const tariff = { ...bareSnapshot().tariff, demand };
    const { limits } = planWith(highs, bareSnapshot({ cohorts: [miners()], tariff }), shortForecast([20, 20])).why!;
    expect(limits[0]).toMatchObject({ key: 'demand', unit: 'MW' });
    expect(limits[0]!.sentence).toMatch(/month's peak saves \$\d/);
  });
});

describe('changes in sentences', () => {
  test('price above what hash earns', () => {
    const { changes } = planWith(highs, bareSnapshot({ cohorts: [miners()] }), shortForecast([400])).why!;
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatch(/^1,000 of a-x go to sleep: its hash earns \$[\d.]+\/MWh, power costs \$400\.00$/);
  });

  test('a wake', () => {
    const asleep = { ...miners(), now: { sleep: 1_000 } };
    const { changes } = planWith(highs, bareSnapshot({ cohorts: [asleep] }), shortForecast([10])).why!;
    expect(changes[0]).toMatch(/^1,000 of a-x wake to \S+: its hash earns \$[\d.]+\/MWh, power costs \$10\.00 in all$/);
  });

  test('every change of the demo site has its sentence, and an unchanged plan none', () => {
    const snapshot = demoSnapshot();
    const plan = planWith(highs, snapshot, demoForecast());
    expect(plan.why!.changes.length).toBeGreaterThan(0);
    for (const sentence of plan.why!.changes) expect(sentence).toMatch(/^[\d,]+ (of|GPUs of) \S+ .+: .+/);
    const still = snapshot.cohorts.map((one) => ({ ...one, now: plan.steps[0]!.cohorts[one.id]! }));
    const work = snapshot.work.map((one) => ({
      ...one,
      runningGpus: plan.steps[0]!.work[one.id]!,
      queuedGpus: one.runningGpus + one.queuedGpus - plan.steps[0]!.work[one.id]!,
    }));
    expect(planWith(highs, { ...snapshot, cohorts: still, work }, demoForecast()).why!.changes).toEqual([]);
  });
});
