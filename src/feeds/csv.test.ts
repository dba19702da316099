import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { feedIo } from '../../test/support/feed-worlds.ts';
import { Fault, isoUtc, QUARTER, type Series } from '../model/index.ts';
import { csv, parseTable } from './csv.ts';

const settings = {
  path: 'p.csv',
  time: { column: 'start', format: 'iso_utc' },
  intervalMinutes: 15,
  columns: [{ column: 'price', series: 'priceUsdPerMwh', unit: 'usd_per_mwh' }],
  source: 'somewhere',
};
type Settings = Omit<typeof settings, 'time'> & { time: object } & Record<string, unknown>;
const parse = (text: string, over: Partial<Settings> = {}): readonly Series[] =>
  parseTable(text, csv.config.parse({ ...settings, ...over }));
const priceIn = (unit: string, more: object = {}) => ({ columns: [{ ...settings.columns[0]!, unit, ...more }] });

const AT = Date.UTC(2026, 2, 23);
const time = (i: number): string => isoUtc(AT + i * QUARTER);
const rows = (...values: readonly (string | number)[]): string =>
  ['start,price', ...values.map((value, i) => `${time(i)},${value}`)].join('\n') + '\n';
const valuesOf = ([series]: readonly Series[]) => series!.points.map(({ value }) => value);

describe('what is in a file', () => {
  test('points with their times, a source, and how long a value holds', () => {
    const [series] = parse(rows(30, -5.5, '1e2'));
    expect(series).toMatchObject({
      name: 'priceUsdPerMwh',
      source: 'somewhere',
      provenance: 'measured',
      intervalMs: QUARTER,
      holdsMs: 2 * QUARTER,
    });
    expect(series!.mended).toBeUndefined();
    expect(series!.points).toEqual([30, -5.5, 100].map((value, i) => ({ start: AT + i * QUARTER, value })));
  });

  test('several columns, a semicolon, a decimal comma, lines before the names, quotes and a byte order mark', () => {
    const text =
      '\uFEFFexported by hand\r\nstart;T;"dew; point"\r\n2026-03-23T00:00:00Z;"70,7";61\r\n2026-03-23T01:00:00Z;68;59,0\r\n';
    const [temperature, dew] = parse(text, {
      delimiter: ';',
      decimal: ',',
      skipLines: 1,
      intervalMinutes: 60,
      columns: [
        { column: 'T', series: 'temperatureC', unit: 'F' },
        { column: 'dew; point', series: 'dewPointC', unit: 'F' },
      ],
    });
    expect(temperature!.points.map(({ value }) => value)).toEqual([21.5, 20]);
    expect(dew!.points[1]!.value).toBe(15);
  });

  test('units are converted', () => {
    expect(valuesOf(parse(rows(0.03, 0.045), priceIn('usd_per_kwh')))).toEqual([30, 45]);
    expect(valuesOf(parse(rows(3, 4.5), priceIn('cents_per_kwh')))).toEqual([30, 45]);
  });
});

describe('what is mended, and said', () => {
  test.each<[string, string, number[], string]>([
    [
      'a row twice',
      rows(1, 2).concat(`${time(1)},2\n${time(2)},3\n`),
      [1, 2, 3],
      'p.csv:4: 2026-03-23T00:15:00Z stands there twice',
    ],
    [
      'an interval missing',
      rows(1).concat(`${time(2)},3\n`),
      [1, 1, 3],
      'p.csv: an interval is missing from 2026-03-23T00:15:00Z; the value before is held',
    ],
    [
      'two intervals missing',
      rows(1).concat(`${time(3)},3\n`),
      [1, 1, 1, 3],
      'two intervals are missing from 2026-03-23T00:15:00Z',
    ],
    ['an empty value', rows(1, '', 3), [1, 1, 3], 'an interval is missing'],
    [
      'a longer gap, left',
      rows(1).concat(`${time(4)},3\n`),
      [1, 3],
      '3 intervals are missing from 2026-03-23T00:15:00Z to 2026-03-23T01:00:00Z; left as a gap',
    ],
  ])('%s', (_, text, values, message) => {
    const told = parse(text);
    expect(valuesOf(told)).toEqual(values);
    expect(told[0]!.mended).toEqual([expect.stringContaining(message)]);
  });

  test('rows of no order are sorted where the site file says that they have none', () => {
    const text = `start,price\n${time(1)},2\n${time(0)},1\n`;
    const told = parse(text, { order: 'any' });
    expect(valuesOf(told)).toEqual([1, 2]);
    expect(told[0]!.mended).toEqual(['p.csv:2: rows are not in order of time; sorted']);
  });

  test('the 25 hours of an autumn day', () => {
    const hours = [0, 1, 1, ...Array.from({ length: 22 }, (_, i) => i + 2)];
    const text = [
      'start,price',
      ...hours.map((hour, i) => `2026-11-01 ${String(hour).padStart(2, '0')}:00,${i + 10}`),
    ].join('\n');
    const told = parse(`${text}\n`, {
      time: { column: 'start', format: 'local', zone: 'America/Chicago' },
      intervalMinutes: 60,
    });
    expect(told[0]!.points).toHaveLength(25);
    expect(told[0]!.points.at(-1)).toEqual({ start: Date.parse('2026-11-02T05:00:00Z'), value: 34 });
    expect(told[0]!.mended).toEqual([expect.stringContaining('happens twice; told apart by their order')]);
  });

  test('its flag, where there is a column of it', () => {
    const text = 'start,price,again\n2026-11-01 01:00,1,N\n2026-11-01 01:00,2,Y\n2026-11-01 02:00,3,N\n';
    const at = { column: 'start', format: 'local', zone: 'America/Chicago', repeated: 'again' };
    const [series] = parse(text, { time: at, intervalMinutes: 60 });
    expect(series!.points.map(({ start }) => isoUtc(start))).toEqual([
      '2026-11-01T06:00:00Z',
      '2026-11-01T07:00:00Z',
      '2026-11-01T08:00:00Z',
    ]);
    expect(series!.mended).toEqual([expect.stringContaining('by their flag')]);
  });
});

describe('what is refused, with its line', () => {
  test.each<[string, string, Partial<Settings>, string]>([
    ['an empty file', '', {}, 'p.csv:1: found nothing, expected a line of column names'],
    ['no rows', 'start,price\n', {}, 'p.csv: no rows'],
    ['an unknown column', 'start,cost\n', {}, 'p.csv:1: found no column "price", only start, cost'],
    ['a column twice', 'start,price,price\n', {}, 'p.csv:1: found two columns "price"'],
    ['a row too short', `start,price\n${time(0)}\n`, {}, 'p.csv:2: found 1 columns, expected 2'],
    ['words for a number', rows(1, 'n/a'), {}, 'p.csv:3: found "n/a", expected a number'],
    ['a decimal comma', rows('"1,5"'), {}, 'a decimal comma is "decimal: \',\'"'],
    ['thousands', rows('"1,234.5"'), { decimal: ',' }, 'p.csv:2: found "1,234.5", expected a number'],
    ['infinity', rows('Infinity'), {}, 'expected a number'],
    ['hexadecimal', rows('0x10'), {}, 'expected a number'],
    ['a quote that does not end', 'start,price\n"2026', {}, 'not CSV'],
    [
      'two prices for one time',
      rows(1).concat(`${time(0)},2\n`),
      {},
      'p.csv:3: found 2 for 2026-03-23T00:00:00Z, and 1 at p.csv:2',
    ],
    [
      'a step back',
      `start,price\n${time(1)},1\n${time(0)},2\n`,
      {},
      'p.csv:3: found 2026-03-23T00:00:00Z, expected a time after',
    ],
    [
      'rows too close',
      'start,price\n2026-03-23T00:00:00Z,1\n2026-03-23T00:05:00Z,2\n',
      {},
      'p.csv:3: found 2026-03-23T00:05:00Z, 5 minutes after',
    ],
    [
      'an hour that is not there',
      'start,price\n2026-03-08 02:00,5\n',
      { time: { column: 'start', format: 'local', zone: 'America/Chicago' } },
      'p.csv:2: 2026-03-08 02:00 in America/Chicago does not exist',
    ],
    ['a column without any value', rows('', ''), {}, 'p.csv: column "price" is empty in every row'],
  ])('%s', (_, text, over, message) => expect(() => parse(text, over)).toThrow(message));

  test.each<[string, string, Partial<Settings>, string]>([
    ['dollars per kWh', rows(0.03, 0.04, 0.05, 0.04), {}, 'is it in $/kWh (usd_per_kwh) or cents/kWh'],
    [
      'a price out of this world',
      rows(30, 25_000),
      {},
      'p.csv:3: found 25000, expected priceUsdPerMwh between -2000 and 20000',
    ],
    ['dollars per MWh', rows(30, 40), priceIn('usd_per_kwh'), 'p.csv:2: found 30, which is 30000 usd_per_mwh'],
    ['dollars per MWh, cheap ones', rows(4, 5, 6, 7), priceIn('usd_per_kwh'), 'is it in $/MWh already'],
    [
      'Fahrenheit',
      rows(71, 70),
      { columns: [{ column: 'price', series: 'temperatureC', unit: 'C' }] },
      'Fahrenheit or Kelvin',
    ],
    [
      'mild Fahrenheit',
      rows(50, 51, 52, 53),
      { columns: [{ column: 'price', series: 'temperatureC', unit: 'C' }] },
      'is it in Fahrenheit (F)',
    ],
    [
      'satoshis',
      rows(2_400_000),
      { columns: [{ column: 'price', series: 'feesBtcPerBlock', unit: 'btc_per_block' }] },
      'is it in satoshis',
    ],
  ])('a wrong unit: %s', (_, text, over, message) => expect(() => parse(text, over)).toThrow(message));

  test('a small price is believed where the site file is sure, and zeros are no ground for doubt', () => {
    expect(valuesOf(parse(rows(0.3, 0.4, 0.5, 0.4), priceIn('usd_per_mwh', { sure: true })))).toEqual([
      0.3, 0.4, 0.5, 0.4,
    ]);
    expect(valuesOf(parse(rows(0, 0, 0, 0, 0)))).toEqual([0, 0, 0, 0, 0]);
  });

  test.each<[string, Partial<Settings>, string]>([
    ['a unit of another series', priceIn('C'), 'priceUsdPerMwh is never in C: one of usd_per_mwh'],
    ['local times without a zone', { time: { column: 'start', format: 'local' } }, 'local times want a zone'],
    ['a zone for UTC', { time: { column: 'start', format: 'iso_utc', zone: 'UTC' } }, 'local times want a zone'],
    ['no such zone', { time: { column: 'start', format: 'local', zone: 'Texas' } }, 'a time zone such as'],
    ['a series twice', { columns: [settings.columns[0]!, { ...settings.columns[0]!, column: 'b' }] }, 'a series twice'],
    ['no unit', { columns: [{ column: 'price', series: 'priceUsdPerMwh' } as never] }, 'unit'],
  ])('in the site file: %s', (_, over, message) => {
    const parsed = csv.config.safeParse({ ...settings, ...over });
    expect(JSON.stringify(parsed.error?.issues)).toContain(message);
  });
});

describe('a file that changes', () => {
  const files: Record<string, string> = {};
  const open = (now = AT + 10 * QUARTER) =>
    csv.open({ id: 'p', config: csv.config.parse(settings) }, feedIo({ now: () => now, files }));

  test('is read again when its version changes, and told up to the moment', async () => {
    files['p.csv'] = rows(1, 2, 3);
    const feed = open(AT + 1.5 * QUARTER);
    expect(valuesOf(await feed.read())).toEqual([1, 2]);
    files['p.csv'] = rows(5, 6, 7);
    expect(valuesOf(await feed.read())).toEqual([5, 6]);
  });

  test('a last row without its line end waits until the file stands still', async () => {
    files['p.csv'] = rows(1, 2, 34.5).slice(0, -3);
    const feed = open();
    expect(valuesOf(await feed.read())).toEqual([1, 2]);
    files['p.csv'] = rows(1, 2, 34.5);
    expect(valuesOf(await feed.read())).toEqual([1, 2, 34.5]);
    files['p.csv'] = rows(1, 2, 34.5, 6).trimEnd();
    expect(valuesOf(await feed.read())).toEqual([1, 2, 34.5]);
    expect(valuesOf(await feed.read())).toEqual([1, 2, 34.5, 6]);
  });

  test('a broken file is a fault until it is mended, a file that is gone is unreachable', async () => {
    files['p.csv'] = rows(1, 'oops');
    const feed = open();
    for (let i = 0; i < 3; i += 1) await expect(feed.read()).rejects.toThrow('p.csv:3: found "oops"');
    delete files['p.csv'];
    await expect(feed.read()).rejects.toMatchObject({ kind: 'unreachable' });
    files['p.csv'] = rows(1, 2);
    expect(valuesOf(await feed.read())).toEqual([1, 2]);
  });
});

test('what is written comes back, in any format of time and any unit', () => {
  const formats: readonly [string, string | undefined, (ms: number) => string][] = [
    ['iso_utc', undefined, isoUtc],
    ['iso_offset', undefined, (ms) => isoUtc(ms + 5.5 * 3600e3).replace('Z', '+05:30')],
    ['local', 'UTC', (ms) => isoUtc(ms).slice(0, 16).replace('T', ' ')],
    ['unix_s', undefined, (ms) => String(ms / 1000)],
    ['unix_ms', undefined, String],
  ];
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -1000, max: 15_000, noNaN: true }), { minLength: 1 }),
      fc.constantFrom(...formats),
      fc.constantFrom(['usd_per_mwh', 1] as const, ['usd_per_kwh', 1000] as const, ['cents_per_kwh', 10] as const),
      fc.constantFrom('beginning', 'ending'),
      (values, [format, zone, write], [unit, factor], marks) => {
        const shift = marks === 'ending' ? QUARTER : 0;
        const text = values.map((value, i) => `${write(AT + i * QUARTER + shift)},${value / factor}`).join('\n');
        const told = parse(`start,price\n${text}\n`, {
          time: { column: 'start', format, marks, ...(zone === undefined ? {} : { zone }) },
          ...priceIn(unit, { sure: true }),
        });
        expect(told[0]!.points.map(({ start }) => start)).toEqual(values.map((_, i) => AT + i * QUARTER));
        valuesOf(told).forEach((value, i) => expect(value).toBeCloseTo(values[i]!, 6));
      },
    ),
  );
});

test('whatever is done to the text of a file, it ends in series or in a fault', () => {
  const good = rows(...Array.from({ length: 12 }, (_, i) => 20 + i));
  fc.assert(
    fc.property(
      fc.nat(good.length),
      fc.nat(8),
      fc.oneof(fc.string(), fc.constantFrom('"', ',', '\n', '\0', '1e9', '-')),
      (at, cut, insert) => {
        try {
          const [series] = parse(good.slice(0, at) + insert + good.slice(at + cut));
          for (const { value } of series!.points) expect(value >= -2000 && value <= 20_000).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      },
    ),
    { numRuns: 500 },
  );
});
