import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestPlan, settle, type Alternative, type PlanLimits } from './plan.ts';

const MONTHS = 6;

/** Every plan there is, looked at one by one. */
function bruteForce(halls: readonly (readonly Alternative[])[], limits: PlanLimits): number | undefined {
  let best: number | undefined;
  const walk = (hall: number, chosen: readonly Alternative[]): void => {
    const more = halls[hall];
    if (more !== undefined) return more.forEach((one) => walk(hall + 1, [...chosen, one]));
    const capex = chosen.reduce((total, { capexUsd }) => total + capexUsd, 0);
    if (limits.capexBudgetUsd !== undefined && capex > limits.capexBudgetUsd) return;
    for (let m = 0; m < MONTHS; m++)
      if (chosen.filter(({ startMonth, doneMonth }) => m >= startMonth && m < doneMonth).length > limits.hallsAtOnce)
        return;
    const settled = settle(chosen, limits);
    if (settled === undefined) return;
    const npv = chosen.reduce((total, { npvUsd }) => total + npvUsd, 0) - settled.lostUsd;
    if (best === undefined || npv > best) best = npv;
  };
  walk(0, []);
  return best;
}

const powers = (most: number) => fc.array(fc.integer({ min: 0, max: most }), { minLength: MONTHS, maxLength: MONTHS });
const alternative = fc
  .record({
    startMonth: fc.integer({ min: 0, max: MONTHS - 1 }),
    length: fc.integer({ min: 0, max: 3 }),
    capexUsd: fc.integer({ min: 0, max: 50 }),
    npvUsd: fc.integer({ min: -50, max: 100 }),
    firmMw: powers(8),
    miningMw: powers(10),
    miningMarginUsd: fc.array(fc.integer({ min: -5, max: 40 }), { minLength: MONTHS, maxLength: MONTHS }),
  })
  .map(({ length, ...rest }): Alternative => ({
    ...rest,
    hallId: '',
    optionId: '',
    doneMonth: Math.min(MONTHS, rest.startMonth + length),
  }));

describe('the plan over all halls', () => {
  test('property: equals looking at every plan, with budget, halls at once and the connection', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(alternative, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        fc.record({
          connectionMw: fc.integer({ min: 5, max: 60 }),
          capexBudgetUsd: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined }),
          hallsAtOnce: fc.integer({ min: 1, max: 3 }),
          discountRate: fc.constant(0.1),
        }),
        (halls, limits) => {
          const found = bestPlan(halls, limits);
          const best = bruteForce(halls, limits);
          expect(found.status).toBe(best === undefined ? 'infeasible' : 'optimal');
          if (best === undefined) return;
          expect(found.npvUsd).toBeCloseTo(best, 9);
          expect(found.chosen).toHaveLength(halls.length);
          const stopped = bestPlan(halls, limits, 1);
          expect(stopped.boundUsd).toBeGreaterThanOrEqual(best - 1e-6);
        },
      ),
      { numRuns: 300 },
    );
  });

  const plain = (over: Partial<Alternative>): Alternative => ({
    hallId: 'a',
    optionId: 'keep',
    startMonth: 0,
    doneMonth: 0,
    capexUsd: 0,
    npvUsd: 0,
    firmMw: [0, 0],
    miningMw: [0, 0],
    miningMarginUsd: [0, 0],
    ...over,
  });

  test('mining that earns least gives way first, and what is firm never does', () => {
    const chosen = [
      plain({ firmMw: [3, 3] }),
      plain({ miningMw: [4, 4], miningMarginUsd: [40, 40] }),
      plain({ miningMw: [4, 4], miningMarginUsd: [4, 4] }),
    ];
    // 11 MW wanted, 6 there: all 4 of the poor go (4 $) and 1 of the rich (10 $).
    expect(settle(chosen, { connectionMw: 6, discountRate: 0 })).toEqual({ lostUsd: 28, curtailedMw: [5, 5] });
    expect(settle(chosen, { connectionMw: 2.9, discountRate: 0 })).toBeUndefined();
  });

  test('a search that is stopped does not call its plan optimal', () => {
    const halls = Array.from({ length: 4 }, () =>
      [0, 1, 2].map((n) => plain({ npvUsd: n, startMonth: 0, doneMonth: 2, capexUsd: n })),
    );
    const limits = { connectionMw: 1, capexBudgetUsd: undefined, hallsAtOnce: 4, discountRate: 0 };
    expect(bestPlan(halls, limits).status).toBe('optimal');
    expect(bestPlan(halls, limits, 2).status).toBe('best found');
  });
});
