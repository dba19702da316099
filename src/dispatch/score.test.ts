import { expect, test } from 'vitest';
import { DAY, HOUR, QUARTER, siteMs, type Series, type SeriesName } from '../model/index.ts';
import { scoreForecasts } from './score.ts';

const FROM = Date.UTC(2026, 2, 1);
const DAYS = 20;
const series = (name: SeriesName, intervalMs: number, value: (t: number, i: number) => number): Series => ({
  name,
  provenance: 'measured',
  source: 'made',
  intervalMs,
  holdsMs: 3 * HOUR,
  points: Array.from({ length: (DAYS * DAY) / intervalMs }, (_, i) => ({
    start: siteMs(FROM + i * intervalMs),
    value: value(FROM + i * intervalMs, i),
  })),
});
const world = (price: (t: number, i: number) => number): Series[] => [
  series('priceUsdPerMwh', QUARTER, price),
  series('difficulty', HOUR, () => 1e14),
  series('btcUsd', HOUR, () => 1e5),
  series('temperatureC', HOUR, () => 20),
  series('dewPointC', HOUR, () => 10),
];
const score = (price: (t: number, i: number) => number) =>
  scoreForecasts(world(price), siteMs(FROM + 15 * DAY), siteMs(FROM + DAYS * DAY - 1));
const daily = (t: number) => 40 + 30 * Math.sin(((t % DAY) / DAY) * 2 * Math.PI);

test('what never changes is forecast without error, and the count says how often', () => {
  const all = score(() => 50);
  expect(all.map(({ what, leadHours }) => `${what} ${leadHours}`)).toEqual(
    ['priceUsdPerMwh', 'wetBulbC', 'hashpriceUsdPerPhDay'].flatMap((what) =>
      [1, 4, 12, 23].map((lead) => `${what} ${lead}`),
    ),
  );
  for (const one of all) {
    expect(one.meanAbsoluteError).toBeCloseTo(0, 9);
    expect(one.samples).toBe(5 * 24 - one.leadHours);
  }
});

test('a day that repeats is foreseen far better than that nothing changes', () => {
  const half = score(daily).find(({ what, leadHours }) => what === 'priceUsdPerMwh' && leadHours === 12)!;
  expect(half.persistenceError).toBeGreaterThan(30);
  expect(half.meanAbsoluteError).toBeLessThan(5);
});

test('weather keeps its day and its air mass: better than that nothing changes, however far ahead', () => {
  const wave = (t: number, period: number): number => Math.sin((2 * Math.PI * (t - FROM)) / period);
  const weather = world(() => 50).map((one) =>
    one.name === 'temperatureC'
      ? {
          ...one,
          points: one.points.map(({ start }) => ({
            start,
            value: 20 + 5 * wave(start, DAY) + 6 * wave(start, 6.3 * DAY),
          })),
        }
      : one,
  );
  const scores = scoreForecasts(weather, siteMs(FROM + 15 * DAY), siteMs(FROM + DAYS * DAY - 1));
  const wet = scores.filter(({ what }) => what === 'wetBulbC');
  expect(wet).toHaveLength(4);
  for (const { leadHours, meanAbsoluteError, persistenceError } of wet)
    expect(meanAbsoluteError, `${leadHours} h`).toBeLessThan(persistenceError);
  const half = wet.find(({ leadHours }) => leadHours === 12)!;
  expect(half.meanAbsoluteError).toBeLessThan(0.5 * half.persistenceError);
});

test('a step up is a bias below zero', () => {
  const step = score((t) => (t < FROM + 17 * DAY ? 20 : 80)).find(({ leadHours }) => leadHours === 23)!;
  expect(step.bias).toBeLessThan(-5);
});

test('a later point changes no earlier comparison', () => {
  const until = siteMs(FROM + 18 * DAY);
  const from = siteMs(FROM + 15 * DAY);
  const changed = world((t) => (t < until ? daily(t) : 999));
  expect(scoreForecasts(changed, from, until)).toEqual(scoreForecasts(world(daily), from, until));
});

test('without a series to compare with there is no score', () => {
  expect(scoreForecasts([], siteMs(FROM), siteMs(FROM + DAY))).toEqual([]);
});

test('the value of hash is held against what difficulty, price and fees made of it', () => {
  const halved = world(() => 50).map((one) =>
    one.name === 'difficulty'
      ? { ...one, points: one.points.map(({ start }) => ({ start, value: start < FROM + 17 * DAY ? 1e14 : 2e14 })) }
      : one,
  );
  const scores = scoreForecasts(halved, siteMs(FROM + 15 * DAY), siteMs(FROM + DAYS * DAY - 1));
  const hash = scores.filter(({ what }) => what === 'hashpriceUsdPerPhDay');
  // Nobody told block heights: of each lead, so many forecasts were made before the change and ended after it.
  const usd = 2.011657e10 * 1e5 * 3.125 * (1 / 1e14 - 1 / 2e14);
  for (const { leadHours, bias, samples } of hash) expect(bias / ((usd * leadHours) / samples)).toBeCloseTo(1, 5);
  expect(hash.map(({ leadHours }) => leadHours)).toEqual([1, 4, 12, 23]);
});
