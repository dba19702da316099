import { describe, expect, test } from 'vitest';
import { DAY, HOUR, QUARTER, siteMs, type Forecast, type Series, type Snapshot } from '../model/index.ts';
import { AT, bareSnapshot, cohort, demoForecast, demoSnapshot, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildForecast } from './forecast.ts';
import { planWith, type Scenario } from './plan.ts';
import { pose, type Decision } from './problem.ts';
import { priceErrors, priceScenarios } from './scenarios.ts';
import { moneyOf } from './shape.ts';

const highs = await loadHighs();

/** 1,000 machines of 3 kW: 3 MW that earn $50/MWh at a hashprice of 40, and cost $10 to wake. */
const site = (change: Partial<Snapshot> = {}): Snapshot => {
  const POINTS = [{ profile: 'default', powerW: 3_000, hashrateThs: 90 }];
  const miners = { ...cohort('a-x', 'x', 1_000, POINTS), sleepW: 0, now: { default: 1_000, sleep: 0 } };
  const bare = bareSnapshot();
  return bareSnapshot({ cohorts: [miners], mining: { ...bare.mining, wakeUsdPerMachine: 0.01 }, ...change });
};

describe('scenarios', () => {
  test('thrice the same forecast is the forecast', () => {
    const [snapshot, forecast] = [demoSnapshot(), demoForecast()];
    const one = planWith(highs, snapshot, forecast);
    const same = [0.3, 0.3].map((probability) => ({ probability, forecast }));
    const three = planWith(highs, snapshot, forecast, { scenarios: same });
    expect(three.status).toBe('optimal');
    expect(three.objectiveUsd).toBeCloseTo(one.objectiveUsd, 4);
    // What each limit is worth is what it is worth in all of them together.
    const priced = ({ steps }: typeof one): string[] => Object.keys(steps[0]!.shadowUsdPerMwh).toSorted();
    expect(priced(three)).toEqual(priced(one));
    expect(three.why!.limits.map(({ key }) => key).toSorted()).toEqual(
      one.why!.limits.map(({ key }) => key).toSorted(),
    );
  });

  test('who may have to stop anyway stops at once, though the forecast alone would have him run through', () => {
    // Running through the dear quarter-hour loses $7.50; stopping costs a wake of $10, unless it stays dear.
    const forecast = shortForecast([60, 20, 20, 20]);
    const scenarios: Scenario[] = [
      { probability: 0.3, forecast: shortForecast([60, 5, 5, 5]) },
      { probability: 0.3, forecast: shortForecast([60, 90, 90, 90]) },
    ];
    const asleep = (plan: ReturnType<typeof planWith>): number => plan.steps[0]!.cohorts['a-x']!['sleep'] ?? 0;
    const alone = planWith(highs, site(), forecast);
    const hedged = planWith(highs, site(), forecast, { scenarios });
    expect(asleep(alone)).toBe(0);
    expect(asleep(hedged)).toBe(1_000);
    // On the mean that is 50 cents better than running through and stopping when it turned out dear.
    const run: Decision = { machines: [[0, 1_000]], gpus: [], generationW: [] };
    const sleep: Decision = { machines: [[1_000, 0]], gpus: [], generationW: [] };
    const through = [forecast, ...scenarios.map((one) => one.forecast)].map((one, s) =>
      moneyOf(pose(site(), one), s === 2 ? [run, sleep, sleep, sleep] : [run, run, run, run]),
    );
    const mean = 0.4 * through[0]! + 0.3 * through[1]! + 0.3 * through[2]!;
    expect(hedged.objectiveUsd - mean).toBeCloseTo(0.5, 6);
  });
});

describe('errors of prices', () => {
  const seeded = (seed: number) => () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32;
  };
  const random = seeded(5);
  /** Every day alike, but for noise of up to $10 either way. */
  const noise = Array.from({ length: 60 * 96 }, () => 20 * (random() - 0.5));
  const FROM = AT - 60 * DAY;
  const series = (name: Series['name'], value: (i: number) => number, intervalMs = QUARTER): Series => ({
    name,
    provenance: 'measured',
    source: 'made up',
    intervalMs,
    holdsMs: 3 * intervalMs,
    points: Array.from({ length: (60 * DAY) / intervalMs }, (_, i) => ({
      start: siteMs(FROM + i * intervalMs),
      value: value(i),
    })),
  });
  const world = (after = Infinity): Series[] => [
    series('priceUsdPerMwh', (i) => (FROM + i * QUARTER >= after ? 500 : 40 + noise[i]!)),
    series('difficulty', () => 1e14, DAY),
    series('btcUsd', () => 1e5, DAY),
  ];

  test('are those of the noise, a tenth of it beyond either end', () => {
    const { low, high } = priceErrors(world(), siteMs(AT))!;
    for (const errors of [low.slice(6), high.slice(6).map((error) => -error)])
      for (const error of errors) {
        expect(error).toBeLessThan(-6.5);
        expect(error).toBeGreaterThan(-9.6);
      }
  });

  test('nothing later than the moment is looked at, and too little to tell is told as nothing', () => {
    const now = siteMs(AT - 2 * DAY);
    expect(priceErrors(world(now), now)).toEqual(priceErrors(world(), now));
    expect(priceErrors(world(), siteMs(FROM + 2 * DAY))).toBeUndefined();
    expect(priceErrors([], now)).toBeUndefined();
  });

  test('make a cheap day and a dear day of a forecast, with the price that is known as it is', () => {
    const at = siteMs(AT - 4 * HOUR);
    const forecast: Forecast = buildForecast(world(), at).forecast!;
    const scenarios = priceScenarios(forecast, priceErrors(world(), at)!);
    expect(scenarios.map(({ probability }) => probability)).toEqual([0.3, 0.3]);
    const [low, high] = scenarios.map((one) => one.forecast.steps) as [Forecast['steps'], Forecast['steps']];
    for (const [i, step] of forecast.steps.entries()) {
      if (step.known) expect([low[i], high[i]]).toEqual([step, step]);
      else {
        expect(low[i]!.priceUsdPerMwh).toBeLessThan(step.priceUsdPerMwh);
        expect(high[i]!.priceUsdPerMwh).toBeGreaterThan(step.priceUsdPerMwh);
      }
    }
    expect(forecast.steps.some(({ known }) => known)).toBe(true);
  });
});
