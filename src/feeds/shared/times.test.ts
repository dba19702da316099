import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, isoUtc, MINUTE, QUARTER } from '../../model/index.ts';
import { momentsOf, timeReader, wallOf, type TimeRule } from './times.ts';

const CHICAGO = 'America/Chicago';
const rule = (over: Partial<TimeRule>): TimeRule => ({
  format: 'iso_utc',
  marks: 'beginning',
  intervalMs: QUARTER,
  ...over,
});
const local: TimeRule = rule({ format: 'local', zone: CHICAGO });
const readAll = (over: TimeRule, texts: readonly string[], flags: readonly boolean[] = []) => {
  const clock = timeReader(over, true);
  return {
    times: texts.map((text, i) => isoUtc(clock.read(text, `x.csv:${i + 2}`, flags[i]))),
    notes: clock.notes,
  };
};
const quarters = (from: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) =>
    isoUtc(Date.parse(`${from}:00Z`) + i * QUARTER)
      .slice(0, 16)
      .replace('T', ' '),
  );

describe('formats', () => {
  test.each<[string, Partial<TimeRule>, string | number | bigint | Date, string]>([
    ['UTC', {}, '2026-03-23T22:45:00Z', '2026-03-23T22:45:00Z'],
    ['UTC without seconds', {}, '2026-03-23 22:45Z', '2026-03-23T22:45:00Z'],
    ['an offset behind', { format: 'iso_offset' }, '2026-03-23T17:45:00-05:00', '2026-03-23T22:45:00Z'],
    ['an offset ahead', { format: 'iso_offset' }, '2026-03-24T04:15:00+0530', '2026-03-23T22:45:00Z'],
    ['local', local, '2026-03-23 17:45', '2026-03-23T22:45:00Z'],
    ['local in winter', local, '2026-01-23 17:45', '2026-01-23T23:45:00Z'],
    ['local, month first', { ...local, format: 'local_us' }, '3/23/2026 17:45', '2026-03-23T22:45:00Z'],
    ['seconds', { format: 'unix_s' }, 1774305900, '2026-03-23T22:45:00Z'],
    ['seconds as text', { format: 'unix_s' }, '1774305900', '2026-03-23T22:45:00Z'],
    ['milliseconds', { format: 'unix_ms' }, 1774305900000n, '2026-03-23T22:45:00Z'],
    ['a timestamp', {}, new Date('2026-03-23T22:45:00Z'), '2026-03-23T22:45:00Z'],
    ['a local timestamp', local, new Date('2026-03-23T17:45:00Z'), '2026-03-23T22:45:00Z'],
    ['an ending', { marks: 'ending' }, '2026-03-23T23:00:00Z', '2026-03-23T22:45:00Z'],
    ['24:00 as an ending', { ...local, marks: 'ending' }, '2026-03-23 24:00', '2026-03-24T04:45:00Z'],
  ])('%s', (_, over, raw, expected) => {
    expect(isoUtc(timeReader(rule(over), true).read(raw, 'x.csv:2'))).toBe(expected);
  });

  test.each<[string, Partial<TimeRule>, string | number, string]>([
    ['no zone where UTC is said', {}, '2026-03-23T22:45:00', 'a time without a zone is "format: local"'],
    ['an offset where UTC is said', {}, '2026-03-23T22:45:00-05:00', 'expected a UTC time'],
    ['an offset where local is said', local, '2026-03-23T17:45:00-05:00', 'without an offset'],
    ['30 February', {}, '2026-02-30T00:00:00Z', 'expected a UTC time'],
    ['hour 25', {}, '2026-02-20T25:00:00Z', 'expected a UTC time'],
    ['24:00 as a beginning', local, '2026-03-23 24:00', '24:00 only marks an ending'],
    ['day first', { ...local, format: 'local_us' }, '23/03/2026 17:45', 'expected a wall-clock time'],
    ['milliseconds for seconds', { format: 'unix_s' }, 1774305900000, 'seconds or milliseconds?'],
    ['seconds for milliseconds', { format: 'unix_ms' }, 1774305900, 'seconds or milliseconds?'],
    ['words', { format: 'unix_s' }, 'soon', 'x.csv:2: found "soon", expected seconds since 1970'],
  ])('%s is refused', (_, over, raw, message) => {
    expect(() => timeReader(rule(over), true).read(raw, 'x.csv:2')).toThrow(message);
  });
});

describe('the day the clocks go back', () => {
  const day = [...quarters('2026-11-01 00:00', 8), ...quarters('2026-11-01 01:00', 8)].map((text) => text);

  test('the hour lived twice is told by the order of rows, and said', () => {
    const { times, notes } = readAll(local, day);
    expect(times[0]).toBe('2026-11-01T05:00:00Z');
    expect(times.map((time) => Date.parse(time))).toEqual(times.map((_, i) => Date.parse(times[0]!) + i * QUARTER));
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('2026-11-01 01:00 in America/Chicago happens twice; told apart by their order');
  });

  test('or by its flag, which does not need the order', () => {
    const clock = timeReader(local, false);
    const read = (again: boolean) => isoUtc(clock.read('2026-11-01 01:30', 'x.csv:2', again));
    expect([read(true), read(false)]).toEqual(['2026-11-01T07:30:00Z', '2026-11-01T06:30:00Z']);
  });

  test('without order and flag it is refused', () => {
    expect(() => timeReader(local, false).read('2026-11-01 01:30', 'x.csv:9')).toThrow(
      'x.csv:9: 2026-11-01 01:30 in America/Chicago happens twice',
    );
  });

  test('hour-ending tables repeat 01:15 to 02:00', () => {
    const ends = [...quarters('2026-11-01 00:15', 8), ...quarters('2026-11-01 01:15', 8)];
    const { times } = readAll({ ...local, marks: 'ending' }, ends);
    expect(times.map((time) => Date.parse(time))).toEqual(
      times.map((_, i) => Date.parse('2026-11-01T05:00:00Z') + i * QUARTER),
    );
  });

  test('a flag on an hour that happens once is refused', () => {
    expect(() => timeReader(local, true).read('2026-07-01 01:30', 'x.csv:3', true)).toThrow(
      'marked as repeated and happens once',
    );
  });
});

describe('the day the clocks go forward', () => {
  test('rows step over the hour that is not there', () => {
    const { times, notes } = readAll(local, ['2026-03-08 01:45', '2026-03-08 03:00']);
    expect(times).toEqual(['2026-03-08T07:45:00Z', '2026-03-08T08:00:00Z']);
    expect(notes).toEqual([]);
  });

  test('a row in it is refused with its line', () => {
    expect(() => timeReader(local, true).read('2026-03-08 02:15', 'x.csv:12')).toThrow(
      'x.csv:12: 2026-03-08 02:15 in America/Chicago does not exist',
    );
  });

  test('hour-ending tables go from 02:00 to 03:15', () => {
    const { times } = readAll({ ...local, marks: 'ending' }, ['2026-03-08 02:00', '2026-03-08 03:15']);
    expect(times).toEqual(['2026-03-08T07:45:00Z', '2026-03-08T08:00:00Z']);
  });
});

test('any moment in any zone: its wall clock leads back to it, and rows in order come back as they were', () => {
  const zones = fc.constantFrom(
    CHICAGO,
    'Europe/Berlin',
    'Australia/Lord_Howe',
    'Asia/Kolkata',
    'UTC',
    'America/St_Johns',
  );
  const from = Date.UTC(2015, 0, 1) / QUARTER;
  fc.assert(
    fc.property(zones, fc.integer({ min: from, max: Date.UTC(2035, 0, 1) / QUARTER }), (zone, quarter) => {
      const start = quarter * QUARTER;
      const moments = momentsOf(wallOf(start, zone), zone);
      expect(moments).toContain(start);
      expect(moments.length).toBeLessThanOrEqual(2);
    }),
  );
  // Four hours around each of ten years' changes, by order alone.
  const changes = Array.from({ length: 10 }, (_, i) => Date.UTC(2020 + i, 9, 20)).flatMap((first) =>
    Array.from({ length: 20 }, (_, day) => first + day * DAY),
  );
  const clock = timeReader(local, true);
  let before = 0;
  for (const first of changes)
    for (let start = first + 4 * HOUR; start < first + 10 * HOUR; start += 30 * MINUTE) {
      const text = isoUtc(wallOf(start, CHICAGO)).slice(0, 16).replace('T', ' ');
      expect(isoUtc(clock.read(text, 'x'))).toBe(isoUtc(start));
      expect(start).toBeGreaterThan(before);
      before = start;
    }
});
