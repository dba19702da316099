import { describe, expect, test } from 'vitest';
import { DAY, type Forecast, HOUR, QUARTER, type Series, siteMs } from '../model/index.ts';
import { createPeakWatch } from './peak-outlook.ts';

const FROM = Date.UTC(2025, 5, 1, 5);
const SITE = { timezone: 'America/Chicago', charges: { coincidentPeak: { usdPerKwYear: 60, months: [6] } } };

/** Afternoons that peak at 17 h, each a little above the one before, told by the quarter-hour. */
const load = (until: number): Series => ({
  name: 'systemLoadMw',
  provenance: 'measured',
  source: 'made up',
  intervalMs: QUARTER,
  holdsMs: HOUR,
  points: Array.from({ length: (until - FROM) / QUARTER }, (_, i) => {
    const hour = Math.floor(i / 4) % 24;
    const day = Math.floor(i / 96);
    return {
      start: siteMs(FROM + i * QUARTER),
      value: 60_000 * (1 + 0.01 * day) * (1 + 0.2 * Math.cos(((hour - 17) / 24) * 2 * Math.PI)),
    };
  }),
});
const forecastAt = (at: number): Forecast => ({
  madeAt: siteMs(at),
  steps: Array.from({ length: 96 }, (_, i) => ({
    start: siteMs(at + i * QUARTER),
    durationMs: QUARTER,
    priceUsdPerMwh: 40,
    wetBulbC: 20,
    hashpriceUsdPerPhDay: 50,
    known: false,
  })),
});
const NOON = FROM + 27 * DAY + 12 * HOUR;
const likely = ({ steps }: Forecast) => steps.filter(({ coincidentProbability = 0 }) => coincidentProbability > 0.01);

describe('coincident peaks of a running site', () => {
  test('a record afternoon at the end of the month is told, by its quarter-hours', () => {
    const { forecast, notes } = createPeakWatch()(SITE, load(NOON), forecastAt(NOON));
    expect(notes).toEqual([]);
    const hours = new Set(likely(forecast).map(({ start }) => new Date(start - 5 * HOUR).getUTCHours()));
    expect([...hours]).toContain(17);
    expect([...hours].every((hour) => hour >= 15 && hour <= 19)).toBe(true);
  });

  test('the hour that is not over is not looked at', () => {
    const late = NOON + HOUR / 2;
    const spiked = load(late);
    const points = spiked.points.map((one) => (one.start >= NOON ? { ...one, value: 200_000 } : one));
    const watch = createPeakWatch();
    expect(watch(SITE, { ...spiked, points }, forecastAt(late)).forecast).toEqual(
      createPeakWatch()(SITE, spiked, forecastAt(late)).forecast,
    );
  });

  test.each([
    ['no feed', undefined, 'no feed tells systemLoadMw'],
    ['a silent one', load(NOON - 3 * DAY), 'more than a day old'],
    ['one that has just begun', { ...load(NOON), points: load(NOON).points.slice(-4 * 24) }, 'less than five days'],
  ])('%s: unknown is said to be unknown', (_, series, words) => {
    const asked = forecastAt(NOON);
    const { forecast, notes } = createPeakWatch()(SITE, series, asked);
    expect(forecast).toBe(asked);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(words);
  });

  test('without such a charge, or far from its months, there is nothing to say', () => {
    const winter = forecastAt(Date.UTC(2025, 11, 1));
    expect(createPeakWatch()(SITE, undefined, winter)).toEqual({ forecast: winter, notes: [] });
    const asked = forecastAt(NOON);
    const plain = { ...SITE, charges: {} };
    expect(createPeakWatch()(plain, undefined, asked)).toEqual({ forecast: asked, notes: [] });
  });
});
