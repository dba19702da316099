import { describe, expect, test } from 'vitest';
import { DAY, HOUR, siteMs } from '../model/index.ts';
import { createPeakForecast } from './coincident.ts';

const FROM = Date.UTC(2025, 4, 1, 5);
const RULES = { months: [6, 7, 8, 9], timezone: 'America/Chicago' };
const seeded = (seed: number) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
};

/** Summer days that peak at five in the afternoon (22:00 UTC), each of a level of its own. */
function summer(levels: readonly number[], noise = 0.004) {
  const random = seeded(7);
  return levels.flatMap((level, day) =>
    Array.from({ length: 24 }, (_, hour) => {
      const shape = 1 + 0.35 * Math.cos(((hour - 17) / 24) * 2 * Math.PI);
      return {
        start: siteMs(FROM + day * DAY + hour * HOUR),
        mw: 55_000 * level * shape * (1 + noise * (random() - 0.5)),
      };
    }),
  );
}
const wandering = (days: number): number[] => {
  const random = seeded(3);
  let level = 1;
  return Array.from({ length: days }, () => (level += 0.3 * (1 - level) + 0.06 * (random() - 0.5)));
};
const levels = wandering(120);
const points = summer(levels);
const at = (day: number, hour: number) => siteMs(FROM + day * DAY + hour * HOUR);
const sum = (outlook: ReadonlyMap<number, number>) => [...outlook.values()].reduce((a, b) => a + b, 0);

describe('outlook on the coincident peak', () => {
  test('the month of the hour decides whether it can count', () => {
    const forecast = createPeakForecast({ points }, RULES);
    const noons = (from: number, to: number): number[] =>
      Array.from({ length: to - from }, (_, i) => sum(forecast(at(from + i, 12))));
    // May is not charged; in June one hour is.
    expect(noons(15, 30)).toEqual(Array.from({ length: 15 }, () => 0));
    const june = noons(31, 61).reduce((total, one) => total + one, 0);
    expect(june).toBeGreaterThan(0.3);
    expect(june).toBeLessThan(3);
  });

  test('the likely hours are those of the afternoon, and a probability is one', () => {
    const forecast = createPeakForecast({ points }, RULES);
    for (let day = 32; day < 110; day += 1) {
      const outlook = forecast(at(day, 12));
      for (const [start, probability] of outlook) {
        expect(probability).toBeGreaterThanOrEqual(0);
        expect(probability).toBeLessThanOrEqual(1);
        if (probability > 0.01) expect(Math.abs(new Date(start - 5 * HOUR).getUTCHours() - 17)).toBeLessThanOrEqual(2);
      }
    }
  });

  test('a day far below the highest of the month is no peak, and one above it late in the month is', () => {
    const cool = summer(levels.map((level, day) => (day === 58 ? 0.85 : level)));
    const hot = summer(levels.map((level, day) => (day === 58 ? 1.2 : level)));
    const noon = at(58, 14);
    expect(sum(createPeakForecast({ points: cool }, RULES)(noon))).toBeLessThan(0.02);
    expect(sum(createPeakForecast({ points: hot }, RULES)(noon))).toBeGreaterThan(0.5);
  });

  test('nothing later than the moment is looked at', () => {
    const now = at(50, 13);
    const past = createPeakForecast({ points: points.filter(({ start }) => start < now) }, RULES)(now);
    const changed = points.map((point) => (point.start < now ? point : { ...point, mw: 2 * point.mw }));
    expect(createPeakForecast({ points: changed }, RULES)(now)).toEqual(past);
    expect(createPeakForecast({ points }, RULES)(now)).toEqual(past);
  });

  test('without a history nothing is claimed', () => {
    expect(sum(createPeakForecast({ points: [] }, RULES)(at(50, 13)))).toBe(0);
  });
});
