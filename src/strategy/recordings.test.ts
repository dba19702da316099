import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../model/index.ts';
import { joinSeries, readSeries } from './recordings.ts';
import { createReplay } from './replay.ts';

const prices = (rows: readonly string[]) => ['interval_start_utc,price_usd_per_mwh', ...rows, ''].join('\n');

test('prices of a year file: header, interval and values', () => {
  const series = readSeries(
    prices(['2025-01-01T00:00:00Z,50.29', '2025-01-01T00:15:00Z,-45.96', '2025-01-01T00:30:00Z,0']),
    'a.csv',
  );
  expect(series).toMatchObject({ name: 'priceUsdPerMwh', intervalMs: 15 * MINUTE, source: 'a.csv' });
  expect(series.points.map(({ value }) => value)).toEqual([50.29, -45.96, 0]);
});

test('a recording of the feed is taken too', () => {
  const text =
    '# series: priceUsdPerMwh\n# interval_minutes: 60\n# provenance: measured\n# source: here\nstart_utc,value\n2026-01-01T00:00:00Z,3\n';
  expect(readSeries(text, 'b.csv')).toMatchObject({ intervalMs: HOUR, source: 'here' });
});

test.each([
  [['2025-01-01T00:00:00Z,x', '2025-01-01T00:15:00Z,1'], 'a.csv:2: found "x"'],
  [['2025-01-01T00:00:00Z,1', 'yesterday,1'], 'a.csv:3: found "yesterday"'],
  [['2025-01-01T00:15:00Z,1', '2025-01-01T00:00:00Z,1'], 'a.csv:3: found 2025-01-01T00:00:00Z, expected a time after'],
  [['2025-01-01T00:00:00Z,1,2', '2025-01-01T00:15:00Z,1'], 'a.csv:2: found 3 columns'],
  [['2025-01-01T00:00:00Z,', '2025-01-01T00:15:00Z,1'], 'a.csv:2: found ""'],
  [['2025-01-01T00:00:00Z,1'], 'a.csv: found 1 rows'],
])('a bad row is told with its place: %j', (rows, message) => {
  expect(() => readSeries(prices(rows), 'a.csv')).toThrow(message);
});

test('years of files are joined in order of time; different intervals are refused', () => {
  const later = readSeries(prices(['2026-01-01T00:00:00Z,3', '2026-01-01T00:15:00Z,4']), 'later.csv');
  const first = readSeries(prices(['2025-12-31T23:30:00Z,1', '2025-12-31T23:45:00Z,2']), 'first.csv');
  const [joined] = joinSeries([later, first]);
  expect(joined!.points.map(({ value }) => value)).toEqual([1, 2, 3, 4]);
  const hourly = readSeries(prices(['2026-02-01T00:00:00Z,3', '2026-02-01T01:00:00Z,4']), 'h.csv');
  expect(() => joinSeries([later, hourly])).toThrow('intervals of 15 and 60 minutes');
});

test('gaps are named and left out, never taken for nothing', () => {
  const price = readSeries(
    prices([
      '2025-01-01T00:00:00Z,10',
      '2025-01-01T00:15:00Z,10',
      '2025-01-01T01:00:00Z,40',
      '2025-01-01T01:15:00Z,40',
    ]),
    'g.csv',
  );
  const replay = createReplay({ price }, 18);
  expect(replay).toMatchObject({ intervals: 4, expected: 6, meanUsdPerMwh: 25, seasonal: false });
  expect(
    replay.gaps.map(({ from, to, intervals }) => [new Date(from).toISOString(), new Date(to).toISOString(), intervals]),
  ).toEqual([['2025-01-01T00:30:00.000Z', '2025-01-01T01:00:00.000Z', 2]]);
  const asked = createReplay({ price }, 18, {
    from: Date.parse('2024-12-31T23:00:00Z'),
    to: Date.parse('2025-01-01T02:00:00Z'),
  });
  expect(asked.gaps.map(({ intervals }) => intervals)).toEqual([4, 2, 2]);
  expect(() => createReplay({ price }, 18, { from: Date.parse('2030-01-01') })).toThrow('no price within the period');
});

test('a whole year gives each month its own prices', () => {
  const start = Date.parse('2025-01-01T00:00:00Z');
  const rows = Array.from({ length: 365 * 24 }, (_, h) => {
    const t = new Date(start + h * HOUR);
    return `${t.toISOString().slice(0, 19)}Z,${t.getUTCMonth() + 1}`;
  });
  const replay = createReplay({ price: readSeries(prices(rows), 'y.csv') }, 18);
  expect(replay.seasonal).toBe(true);
  expect(replay.buckets.map(({ meanUsdPerMwh }) => meanUsdPerMwh)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect(replay.to - replay.from).toBe(365 * DAY);
  const most = createReplay({ price: readSeries(prices(rows.slice(0, 340 * 24)), 'y.csv') }, 18);
  expect(most.seasonal).toBe(false);
});
