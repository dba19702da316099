import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, isoUtc, MINUTE, SERIES, siteMs, valueAt, type Series, type SeriesName } from '../model/index.ts';
import { feedIo } from '../../test/support/feed-worlds.ts';
import type { FeedIo } from './feed.ts';
import { parseRecording, recorded } from './recorded.ts';

const WEEK = join(import.meta.dirname, '..', '..', 'examples', 'week-2026-03-23');
const at = (time: string) => siteMs(Date.parse(time));

const ioAt = (now: () => number): FeedIo => feedIo({ now });
const readAt = (now: string) =>
  recorded
    .open(
      { id: 'week', config: { folder: WEEK } },
      ioAt(() => at(now)),
    )
    .read();
const named = (all: readonly Series[], name: string) => all.find((series) => series.name === name)!;

describe('the sample week', () => {
  test('every file parses, and together they are every series that the demo site needs, once', async () => {
    const all = await readAt('2026-04-01T00:00:00Z');
    const files = (await readdir(WEEK)).filter((file) => file.endsWith('.csv'));
    expect(all).toHaveLength(files.length);
    // The demo site makes no power, answers no requests, and is not charged for peaks of its power system; heights only tell of the next difficulty.
    const unneeded: readonly SeriesName[] = ['dayAheadUsdPerMwh', 'systemLoadMw', 'blockHeight', 'requestsPerSecond'];
    const needed = SERIES.filter((name) => !unneeded.includes(name) && !name.startsWith('availableMw.'));
    expect(all.map(({ name }) => name).sort()).toEqual(needed.toSorted());
    for (const { source, points } of all) {
      expect(source.length).toBeGreaterThan(10);
      expect(points.length).toBeGreaterThan(0);
    }
  });

  test('the price has 672 quarter-hours without a gap, from Monday to Sunday', async () => {
    const price = named(await readAt('2026-04-01T00:00:00Z'), 'priceUsdPerMwh');
    expect(price).toMatchObject({ provenance: 'measured', intervalMs: 15 * MINUTE, holdsMs: 30 * MINUTE });
    expect(price.points).toHaveLength(672);
    expect(isoUtc(price.points[0]!.start)).toBe('2026-03-23T00:00:00Z');
    expect(price.points.every(({ start }, i) => start === price.points[0]!.start + i * 15 * MINUTE)).toBe(true);
  });

  test('its peak is 939.26 at 02:30Z on 24 March, and it falls below zero on the 29th', async () => {
    const { points } = named(await readAt('2026-04-01T00:00:00Z'), 'priceUsdPerMwh');
    const peak = points.reduce((a, b) => (b.value > a.value ? b : a));
    expect([isoUtc(peak.start), peak.value]).toEqual(['2026-03-24T02:30:00Z', 939.26]);
    const negative = points.filter(({ value }) => value < 0);
    expect(negative.length).toBeGreaterThan(0);
    expect(negative.some(({ start }) => isoUtc(start).startsWith('2026-03-29'))).toBe(true);
  });

  test('weather is hourly, day prices are daily, list prices are called so', async () => {
    const all = await readAt('2026-04-01T00:00:00Z');
    expect(named(all, 'temperatureC').points).toHaveLength(168);
    expect(named(all, 'dewPointC').points).toHaveLength(168);
    expect(named(all, 'btcUsd')).toMatchObject({ provenance: 'rounded', intervalMs: DAY, holdsMs: 2 * DAY });
    expect(named(all, 'gpuUsdPerHour.rtx4090').provenance).toBe('list');
  });
});

describe('no look-ahead', () => {
  test('whatever the moment, every point has begun, and none that has is kept back', async () => {
    let now = 0;
    const feed = recorded.open(
      { id: 'week', config: { folder: WEEK } },
      ioAt(() => now),
    );
    now = at('2026-05-01T00:00:00Z');
    const whole = await feed.read();
    const moments = fc.oneof(
      fc.integer({ min: at('2026-03-08T00:00:00Z'), max: at('2026-03-31T00:00:00Z') }),
      fc.constantFrom(...named(whole, 'priceUsdPerMwh').points.flatMap(({ start }) => [start - 1, start, start + 1])),
    );
    await fc.assert(
      fc.asyncProperty(moments, async (moment) => {
        now = moment;
        const seen = await feed.read();
        expect(seen.map(({ points }) => points)).toEqual(
          whole.map(({ points }) => points.filter(({ start }) => start <= moment)),
        );
      }),
    );
  });

  test('a price is known from the start of its quarter-hour, and not a moment before', async () => {
    const value = async (now: string) => valueAt(named(await readAt(now), 'priceUsdPerMwh'), at(now))?.value;
    expect(await value('2026-03-24T02:30:00Z')).toBe(939.26);
    expect(await value('2026-03-24T02:29:59Z')).not.toBe(939.26);
  });

  test('before the first row there is nothing', async () => {
    expect(named(await readAt('2026-03-22T23:59:59Z'), 'priceUsdPerMwh').points).toEqual([]);
  });
});

const HEADER = ['# series: priceUsdPerMwh', '# interval_minutes: 15', '# provenance: measured', '# source: somewhere'];
const file = (...rows: string[]) => [...HEADER, 'start_utc,value', ...rows].join('\n');
const without = (key: string) => file('2026-03-23T00:00:00Z,1').replace(new RegExp(`# ${key}:.*\n`), '');
const instead = (line: string, by: string) => file('2026-03-23T00:00:00Z,1').replace(line, by);

describe('a file that is not right is named with its line, what was found and what was expected', () => {
  test.each([
    [
      'no columns',
      [...HEADER, '2026-03-23T00:00:00Z,1'].join('\n'),
      'x.csv:5: found "2026-03-23T00:00:00Z,1", expected the columns "start_utc,value"',
    ],
    ['local time', file('2026-03-23T00:00:00,1'), 'x.csv:6: found "2026-03-23T00:00:00", expected a UTC time'],
    [
      'an offset',
      file('2026-03-23T00:00:00+01:00,1'),
      'x.csv:6: found "2026-03-23T00:00:00+01:00", expected a UTC time',
    ],
    ['no time', file('yesterdayZ,1'), 'x.csv:6: found "yesterdayZ", expected a UTC time'],
    [
      'a day the month has not',
      file('2026-02-30T00:00:00Z,1'),
      'x.csv:6: found "2026-02-30T00:00:00Z", expected a UTC time',
    ],
    ['words for a time', file('23 March 2026 Z,1'), 'x.csv:6: found "23 March 2026 Z", expected a UTC time'],
    ['no number', file('2026-03-23T00:00:00Z,n/a'), 'x.csv:6: found "n/a", expected a number'],
    ['an empty value', file('2026-03-23T00:00:00Z,'), 'x.csv:6: found "", expected a number'],
    ['one column', file('2026-03-23T00:00:00Z'), 'x.csv:6: found "", expected a number'],
    ['infinity', file('2026-03-23T00:00:00Z,Infinity'), 'x.csv:6: found "Infinity", expected a number'],
    ['a decimal comma', file('2026-03-23T00:00:00Z,12,5'), 'x.csv:6: found 3 columns, expected 2'],
    [
      'a row twice',
      file('2026-03-23T00:15:00Z,1', '2026-03-23T00:15:00Z,1'),
      'x.csv:7: found 2026-03-23T00:15:00Z, expected a time after 2026-03-23T00:15:00Z',
    ],
    [
      'a step back',
      file('2026-03-23T00:15:00Z,1', '', '2026-03-23T00:00:00Z,1'),
      'x.csv:8: found 2026-03-23T00:00:00Z, expected a time after',
    ],
    ['no rows', file(), 'x.csv:5: found no rows, expected at least one'],
    ['an empty file', '', 'x.csv:1: found no "# series: ...", expected one of'],
    ['no series', without('series'), 'x.csv:1: found no "# series: ...", expected one of priceUsdPerMwh'],
    [
      'an unknown series',
      instead('priceUsdPerMwh', 'price'),
      'x.csv:1: found "series: price", expected one of priceUsdPerMwh',
    ],
    ['no interval', without('interval_minutes'), 'x.csv:1: found no "# interval_minutes: ...", expected the length'],
    ['an interval of nothing', instead('15', '0'), 'x.csv:2: found "interval_minutes: 0", expected the length'],
    ['no provenance', without('provenance'), 'found no "# provenance: ...", expected measured, rounded or list'],
    [
      'an unknown provenance',
      instead('measured', 'guessed'),
      'x.csv:3: found "provenance: guessed", expected measured, rounded or list',
    ],
    ['no source', without('source'), 'found no "# source: ...", expected where'],
    ['an empty source', instead('somewhere', ''), 'x.csv:4: found "source: ", expected where'],
  ])('%s', (_, content, message) => expect(() => parseRecording(content, 'x.csv')).toThrow(message));

  test('every problem of a header at once', () => {
    const parse = () => parseRecording('start_utc,value\n', 'x.csv');
    for (const key of ['series', 'interval_minutes', 'provenance', 'source'])
      expect(parse).toThrow(`no "# ${key}: ..."`);
  });

  test('the feed names the file, whichever of them it is', async () => {
    const files: Record<string, string> = {
      'week/a.csv': file('2026-03-23T00:00:00Z,1'),
      'week/b.csv': file('x,1'),
      'week/c.txt': '',
    };
    const io = feedIo({ now: () => at('2026-03-24T00:00:00Z'), files });
    const read = () => recorded.open({ id: 'week', config: { folder: 'week' } }, io).read();
    await expect(read()).rejects.toThrow('week/b.csv:6: found "x"');
    delete files['week/b.csv'];
    expect(await read()).toHaveLength(1);
    delete files['week/a.csv'];
    await expect(read()).rejects.toThrow('week: no .csv files');
  });
});

test('what is written comes back: any ascending rows of any numbers', () => {
  const gaps = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 100_000 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
  );
  fc.assert(
    fc.property(
      gaps.filter((rows) => rows.length > 0),
      fc.constantFrom('\n', '\r\n'),
      (rows, newline) => {
        let start = at('2026-03-23T00:00:00Z') as number;
        const points = rows.map(([seconds, value]) => ({ start: (start += seconds * 1000), value }));
        const text = file(...points.map((p) => `${isoUtc(p.start)},${p.value}`)).replaceAll('\n', newline);
        // The text has no negative zero.
        expect(parseRecording(text, 'x.csv').points).toEqual(
          points.map((p) => ({ ...p, value: Number(String(p.value)) })),
        );
      },
    ),
  );
});
