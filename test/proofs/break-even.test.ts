import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { AT, bareHall, bareSnapshot, shortForecast } from '../../src/dispatch/fixture.ts';
import { loadHighs } from '../../src/dispatch/highs.ts';
import { planByMeritOrder } from '../../src/dispatch/merit-order.ts';
import { planWith } from '../../src/dispatch/plan.ts';

/**
 * Where nothing couples one machine or one quarter-hour to another, the best plan is known without a solver: a machine
 * runs where what its hash earns, pool fee off, is more than its power costs at the meter.
 */
const highs = await loadHighs();

const between = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const cohort = fc.record({
  machines: fc.integer({ min: 1, max: 3000 }),
  joulePerTh: between(11, 40),
  hashrateThs: between(60, 400),
  awakeShare: between(0, 1),
});
const anySite = fc.record({
  cohorts: fc.array(cohort, { minLength: 1, maxLength: 5 }),
  steps: fc.array(fc.record({ price: between(-60, 500), hashprice: between(15, 150) }), {
    minLength: 1,
    maxLength: 12,
  }),
  poolFee: between(0, 0.05),
  coolingPerW: between(0, 0.4),
  lossFraction: between(0, 0.03),
  minutes: fc.constantFrom(5, 15),
});

test('with nothing coupled the plan is the break-even rule: the same machines, the same money to the cent', () => {
  fc.assert(
    fc.property(anySite, ({ cohorts, steps, poolFee, coolingPerW, lossFraction, minutes }) => {
      const snapshot = bareSnapshot({
        connection: { limitW: 1e9, usableW: 1e9, lossFraction, importW: undefined },
        mining: { keptFraction: 1 - poolFee, wakeUsdPerMachine: 0, retuneUsdPerMachine: 0 },
        halls: [{ ...bareHall('a'), cooling: { baseW: 0, marginal: [{ wetBulbC: 0, marginalW: coolingPerW }] } }],
        cohorts: cohorts.map(({ machines, joulePerTh, hashrateThs, awakeShare }, i) => {
          const awake = Math.floor(awakeShare * machines);
          return {
            id: `c${i}`,
            hallId: 'a',
            modelId: 'any',
            machines,
            sleepW: 0,
            points: [{ profile: 'stock', powerW: joulePerTh * hashrateThs, hashrateThs }],
            now: { sleep: machines - awake, stock: awake },
            pinned: {},
            held: false,
          };
        }),
      });
      const plain = shortForecast(
        steps.map(({ price }) => price),
        minutes,
      );
      const forecast = {
        madeAt: AT,
        steps: plain.steps.map((step, t) => ({ ...step, hashpriceUsdPerPhDay: steps[t]!.hashprice })),
      };
      const siteMultiplier = (1 + coolingPerW) * (1 + lossFraction);
      let ruleUsd = 0;
      const rule = steps.map(({ price, hashprice }) =>
        cohorts.map(({ machines, joulePerTh, hashrateThs }) => {
          const earned = ((hashprice / 1000) * (1 - poolFee) * hashrateThs) / 24;
          const paid = ((price * siteMultiplier) / 1e6) * joulePerTh * hashrateThs;
          ruleUsd += Math.max(0, earned - paid) * machines * (minutes / 60);
          // Within a hundredth of a cent an hour of all of them either answer is right.
          const tie = Math.abs(earned - paid) * machines < 1e-4;
          return { runs: paid < earned ? machines : 0, tie };
        }),
      );
      for (const plan of [planWith(highs, snapshot, forecast), planByMeritOrder(snapshot, forecast)]) {
        expect(Math.abs(plan.objectiveUsd - ruleUsd)).toBeLessThan(0.005);
        for (const [t, step] of plan.steps.entries())
          for (const [g, { runs, tie }] of rule[t]!.entries())
            if (!tie) expect(step.cohorts[`c${g}`]!['stock'] ?? 0).toBe(runs);
      }
    }),
    { numRuns: 200 },
  );
});
