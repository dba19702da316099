import { describe, expect, test } from 'vitest';
import type { Forecast, Plan, Snapshot } from '../model/index.ts';
import { bareHall, bareSnapshot, cohort, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith } from './plan.ts';

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
