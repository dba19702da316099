import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, siteMs } from '../../model/index.ts';
import { HistoryError, readHistory, type HistoryFiles } from './files.ts';
import type { History } from './types.ts';

const FROM = Date.UTC(2025, 10, 1);
const DAYS = 3;
const PERIOD = { from: siteMs(FROM), to: siteMs(FROM + DAYS * DAY) };
const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Lines of a file, header first: line n of the file is `lines[n - 1]`. */
const lines = (header: string, stepMs: number, row: (i: number) => string, spanMs = DAYS * DAY): string[] => [
  header,
  ...Array.from({ length: spanMs / stepMs }, (_, i) => `${iso(FROM + i * stepMs)},${row(i)}`),
];
const prices = () => lines('interval_start_utc,price_usd_per_mwh', 15 * MINUTE, (i) => String((i % 60) - 5));
const dayAhead = () => lines('interval_start_utc,day_ahead_usd_per_mwh', HOUR, (i) => String((i % 24) + 20));
const weather = () => lines('time_utc,temperature_c,dew_point_c', HOUR, (i) => `${20 + (i % 9)},${12 + (i % 5)}`);
const network = () =>
  lines('day_utc,difficulty,btc_usd,fees_btc_per_block', DAY, (i) => `1.5e14,${100_000 + i},0.02`).map((line) =>
    line.replace('T00:00:00Z', ''),
  );
const gpu = () =>
  lines('time_utc,gpu_model,usd_per_gpu_hour', 6 * HOUR, (i) => `${i % 2 ? 'h100' : 'A100'},1.${i % 9}`).map(
    (line, i) => (i === 0 ? line : line.replace(/^[^,]+/, iso(FROM + Math.floor((i - 1) / 2) * 12 * HOUR))),
  );
const load = () => lines('hour_start_utc,load_mw', HOUR, (i) => String(45_000 + i));
/** Two classes, each in every hour. */
const gpuDemand = () => [
  'interval_start_utc,class,gpus',
  ...lines('', HOUR, String)
    .slice(1)
    .flatMap((line, i) => [line.replace(/,.*/, `,chat,${100 + (i % 24)}`), line.replace(/,.*/, ',batch,40.5')]),
];

const good = {
  prices: prices(),
  dayAhead: dayAhead(),
  weather: weather(),
  network: network(),
  gpuPrices: gpu(),
  load: load(),
  gpuDemand: gpuDemand(),
};
const NAMES = {
  prices: 'p.csv',
  dayAhead: 'd.csv',
  weather: 'w.csv',
  network: 'n.csv',
  gpuPrices: 'g.csv',
  load: 'l.csv',
  gpuDemand: 'q.csv',
} as const;
type Kind = keyof HistoryFiles;
const CLASSES = ['chat', 'batch'];

const filesOf = (change: Partial<Record<Kind, readonly string[]>>): HistoryFiles => {
  const file = (kind: Kind) => [{ name: NAMES[kind], text: `${(change[kind] ?? good[kind]).join('\n')}\n` }];
  return {
    prices: file('prices'),
    dayAhead: file('dayAhead'),
    weather: file('weather'),
    network: file('network'),
    gpuPrices: file('gpuPrices'),
    load: file('load'),
    gpuDemand: file('gpuDemand'),
  };
};
const read = (change: Partial<Record<Kind, readonly string[]>> = {}, period = PERIOD): History =>
  readHistory(filesOf(change), period, CLASSES);
const faultsOf = (change: Partial<Record<Kind, readonly string[]>>): string[] => {
  try {
    read(change);
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error;
    return error.message.split('\n');
  }
  throw new Error('expected a fault');
};
/** The file with its line `n` (the header is line 1) changed. */
const withLine = (kind: Kind, n: number, ...instead: string[]) => ({
  [kind]: good[kind].toSpliced(n - 1, 1, ...instead),
});

describe('good files', () => {
  test('become series in the units of their names, with load and without a warning', () => {
    const { series, load: system, warnings } = read();
    expect(warnings).toEqual([]);
    expect(series.map(({ name, points, intervalMs }) => [name, points.length, intervalMs / MINUTE])).toEqual([
      ['priceUsdPerMwh', 288, 15],
      ['dayAheadUsdPerMwh', 72, 60],
      ['temperatureC', 72, 60],
      ['dewPointC', 72, 60],
      ['difficulty', 3, 1440],
      ['btcUsd', 3, 1440],
      ['feesBtcPerBlock', 3, 1440],
      ['gpuUsdPerHour.h100', 6, 720],
      ['gpuUsdPerHour.a100', 6, 720],
    ]);
    expect(series[0]!.points.slice(0, 2)).toEqual([
      { start: FROM, value: -5 },
      { start: FROM + 15 * MINUTE, value: -4 },
    ]);
    expect(series[0]).toMatchObject({ provenance: 'measured', source: 'p.csv' });
    expect(system).toMatchObject({ source: 'l.csv', intervalMs: HOUR });
    expect(system!.points.at(-1)).toEqual({ start: FROM + 71 * HOUR, mw: 45_071 });
  });

  test('GPU demand becomes a series for each class, and is absent where no file tells it', () => {
    const { wanted } = read();
    expect(wanted!.map(({ workClass, intervalMs, points }) => [workClass, intervalMs, points.length])).toEqual([
      ['chat', HOUR, 72],
      ['batch', HOUR, 72],
    ]);
    expect(wanted![0]!.points[5]).toEqual({ start: FROM + 5 * HOUR, gpus: 105 });
    expect(readHistory({ ...filesOf({}), gpuDemand: [] }, PERIOD, CLASSES).wanted).toBeUndefined();
  });

  test('times without Z are UTC, an offset is reckoned; a BOM, quotes, CRLF and another order of columns change nothing', () => {
    const expected = read().series[0]!.points;
    const bare = good.prices.map((line) => line.replace('Z', '').replace('T', ' '));
    const offset = good.prices.map((line, i) =>
      i === 0 ? line : line.replace(/^[^,]+/, `${iso(FROM + (i - 1) * 15 * MINUTE - 6 * HOUR).slice(0, 19)}-06:00`),
    );
    const swapped = good.prices.map((line) => `"${line.split(',')[1]}","${line.split(',')[0]}"\r`);
    swapped[0] = `\uFEFF${swapped[0]!.slice(0, -1)}\r`;
    for (const some of [bare, offset, swapped]) expect(read({ prices: some }).series[0]!.points).toEqual(expected);
  });

  test('a year of quarter-hours is read', () => {
    const rows = lines('interval_start_utc,price_usd_per_mwh', 15 * MINUTE, (i) => `${(i % 97) - 9.5}`, 365 * DAY);
    expect(rows).toHaveLength(35_041);
    const { series } = read({ prices: rows });
    expect(series[0]!.points).toHaveLength(35_040);
  });

  test('several files of a kind are joined in order of time, whatever order they are given in', () => {
    const [head, ...rows] = good.prices;
    const part = (name: string, from: number, to: number) => ({
      name,
      text: [head, ...rows.slice(from, to)].join('\n'),
    });
    const files = { ...filesOf({}), prices: [part('b.csv', 100, 288), part('a.csv', 0, 100)] };
    expect(readHistory(files, PERIOD, CLASSES).series[0]).toMatchObject({
      source: 'a.csv, b.csv',
      points: read().series[0]!.points,
    });
    const hole = { ...files, prices: [part('a.csv', 0, 100), part('b.csv', 101, 288)] };
    expect(() => readHistory(hole, PERIOD, CLASSES)).toThrow(
      'b.csv:2: found 2025-11-02T01:15:00Z after 2025-11-02T00:45:00Z of a.csv:101, expected every 15 minutes: 2025-11-02T01:00:00Z is missing',
    );
    const both = { ...files, prices: [part('a.csv', 0, 100), part('b.csv', 90, 288)] };
    expect(() => readHistory(both, PERIOD, CLASSES)).toThrow(
      'b.csv:2: found 2025-11-01T22:30:00Z, expected a time after 2025-11-02T00:45:00Z of a.csv:101: two files tell the same times',
    );
    const later = { from: siteMs(FROM + 2 * DAY), to: PERIOD.to };
    const years = { ...files, prices: [part('a.csv', 0, 90), part('b.csv', 101, 288)] };
    expect(readHistory(years, later, CLASSES).warnings).toEqual([
      'b.csv: prices before 2025-11-02T01:15:00Z are not used: 2025-11-01T22:30:00Z to 2025-11-02T01:00:00Z (11) are missing',
    ]);
    expect(readHistory(years, later, CLASSES).series[0]!.points).toHaveLength(187);
    const hourly = {
      ...files,
      prices: [part('a.csv', 0, 100), { name: 'h.csv', text: [head, rows[100], rows[104], rows[108]].join('\n') }],
    };
    expect(() => readHistory(hourly, PERIOD, CLASSES)).toThrow(
      'h.csv:2: found rows every 1 hour, expected every 15 minutes as in a.csv',
    );
  });

  test('GPU prices of several models may stand in files of their own, over the same months', () => {
    const head = good.gpuPrices[0]!;
    const only = (name: string, model: string) => ({
      name,
      text: [head, ...good.gpuPrices.filter((row) => row.includes(model))].join('\n'),
    });
    const files = { ...filesOf({}), gpuPrices: [only('h.csv', 'h100'), only('a.csv', 'A100')] };
    expect(readHistory(files, PERIOD, CLASSES).series.slice(-2)).toMatchObject([
      { points: read().series.at(-2)!.points, source: 'h.csv, a.csv' },
      { points: read().series.at(-1)!.points },
    ]);
    const twice = { ...files, gpuPrices: [only('h.csv', 'h100'), only('b.csv', 'h100')] };
    expect(() => readHistory(twice, PERIOD, CLASSES)).toThrow(
      'b.csv:2: found h100 at 2025-11-01T00:00:00Z, expected it once: h.csv:2 tells it too',
    );
  });

  test('weather files that do not go on at the same minute are told', () => {
    const [head, ...rows] = good.weather;
    const later = rows.slice(40).map((row) => row.replace(':00:00Z', ':20:00Z'));
    const weather = [
      { name: 'a.csv', text: [head, ...rows.slice(0, 40)].join('\n') },
      { name: 'b.csv', text: [head, ...later].join('\n') },
    ];
    expect(() => readHistory({ ...filesOf({}), weather }, PERIOD, CLASSES)).toThrow(
      'b.csv:2: found 2025-11-02T16:20:00Z, expected whole steps of 1 hour from 2025-11-02T15:00:00Z of a.csv:41',
    );
  });
});

describe('faults, each with its file and line', () => {
  test.each<[string, Partial<Record<Kind, readonly string[]>>, string]>([
    [
      'a missing column',
      { prices: ['interval_start_utc', '2025-11-01T00:00:00Z'] },
      'p.csv:1: found no column "price_usd_per_mwh", expected the header "interval_start_utc,price_usd_per_mwh"',
    ],
    [
      'an unknown column',
      withLine('load', 1, 'hour_start_utc,load_mw,zone'),
      'l.csv:1: found an unknown column "zone"',
    ],
    ['a column twice', withLine('load', 1, 'hour_start_utc,load_mw,load_mw'), 'l.csv:1: found two columns "load_mw"'],
    [
      'files of another kind',
      { prices: good.load },
      'p.csv:1: found the header of load, expected the header "interval_start_utc,price_usd_per_mwh"; give load with --load',
    ],
    [
      'an empty file',
      { prices: [''] },
      'p.csv:1: found nothing, expected the header "interval_start_utc,price_usd_per_mwh"',
    ],
    ['no rows', { prices: [good.prices[0]!] }, 'p.csv:1: found no rows after the header'],
    ['one row', { prices: good.prices.slice(0, 2) }, 'p.csv:2: found one row, expected at least two'],
    ['too many cells', withLine('prices', 4, '2025-11-01T00:30:00Z,1,2'), 'p.csv:4: found 3 columns, expected 2'],
    ['no CSV', withLine('prices', 4, '2025-11-01T00:30:00Z,1"2'), 'p.csv:4: found something that is not CSV'],
    [
      'NaN',
      withLine('prices', 4, '2025-11-01T00:30:00Z,NaN'),
      'p.csv:4: found "NaN" as price_usd_per_mwh, expected a price in $/MWh',
    ],
    [
      'an empty cell',
      withLine('prices', 4, '2025-11-01T00:30:00Z,'),
      'p.csv:4: found nothing as price_usd_per_mwh, expected a price in $/MWh',
    ],
    ['no number', withLine('prices', 4, '2025-11-01T00:30:00Z,n/a'), 'p.csv:4: found "n/a" as price_usd_per_mwh'],
    [
      'beyond numbers',
      withLine('prices', 4, '2025-11-01T00:30:00Z,1e999'),
      'p.csv:4: found "1e999" as price_usd_per_mwh',
    ],
    [
      'no time',
      withLine('prices', 4, 'yesterday,1'),
      'p.csv:4: found "yesterday" as interval_start_utc, expected a UTC time such as 2025-01-31T00:15:00Z',
    ],
    [
      '30 February',
      withLine('weather', 3, '2025-02-30T01:00:00Z,20,10'),
      'w.csv:3: found "2025-02-30T01:00:00Z" as time_utc',
    ],
    [
      'a time in place of a day',
      withLine('network', 2, '2025-11-01T06:00:00Z,1.5e14,100000,0.1'),
      'n.csv:2: found "2025-11-01T06:00:00Z" as day_utc, expected a day such as 2025-01-31',
    ],
    [
      'a step back',
      { prices: [...good.prices.slice(0, 4), good.prices[5]!, good.prices[4]!, ...good.prices.slice(6)] },
      'p.csv:6: found 2025-11-01T00:45:00Z, expected a time after 2025-11-01T01:00:00Z of line 5',
    ],
    [
      'a double',
      { prices: good.prices.toSpliced(5, 0, good.prices[4]!) },
      'p.csv:6: found 2025-11-01T00:45:00Z a second time (first in line 5), expected one row for an interval',
    ],
    [
      'a double of a GPU',
      { gpuPrices: good.gpuPrices.toSpliced(3, 0, good.gpuPrices[2]!) },
      'g.csv:4: found 2025-11-01T00:00:00Z a second time (first in line 3)',
    ],
    [
      'one missing',
      { prices: good.prices.toSpliced(4, 1) },
      'p.csv:5: found 2025-11-01T01:00:00Z after 2025-11-01T00:30:00Z, expected every 15 minutes: 2025-11-01T00:45:00Z is missing',
    ],
    [
      'several missing',
      { prices: good.prices.toSpliced(4, 6) },
      'p.csv:5: found 2025-11-01T02:15:00Z after 2025-11-01T00:30:00Z, expected every 15 minutes: 2025-11-01T00:45:00Z to 2025-11-01T02:00:00Z (6) are missing',
    ],
    [
      'a day missing',
      { network: good.network.toSpliced(2, 1) },
      'n.csv:3: found 2025-11-03T00:00:00Z after 2025-11-01T00:00:00Z, expected every 1 day: 2025-11-02T00:00:00Z is missing',
    ],
    [
      'an hour of load missing',
      { load: good.load.toSpliced(2, 1) },
      'l.csv:3: found 2025-11-01T02:00:00Z after 2025-11-01T00:00:00Z, expected every 1 hour',
    ],
    [
      'an odd minute',
      withLine('prices', 4, '2025-11-01T00:31:00Z,1'),
      'p.csv:4: found 2025-11-01T00:31:00Z, expected rows every 15 minutes, such as 2025-11-01T00:30:00Z',
    ],
    [
      'weather out of step',
      withLine('weather', 4, '2025-11-01T02:20:00Z,20,12'),
      'w.csv:4: found 2025-11-01T02:20:00Z, expected rows every 1 hour, such as 2025-11-01T02:00:00Z',
    ],
    [
      'prices by the day',
      { prices: ['interval_start_utc,price_usd_per_mwh', '2025-11-01T00:00Z,1', '2025-11-02T00:00Z,1'] },
      'p.csv:2: found rows every 1 day in interval_start_utc, expected an equal part of an hour',
    ],
    [
      'difficulty 0',
      withLine('network', 3, '2025-11-02,0,100000,0.1'),
      'n.csv:3: found 0 as difficulty, expected a difficulty above 0',
    ],
    [
      'no price of bitcoin',
      withLine('network', 3, '2025-11-02,1.5e14,0,0.1'),
      'n.csv:3: found 0 as btc_usd, expected a price of bitcoin in $ above 0',
    ],
    ['negative fees', withLine('network', 3, '2025-11-02,1.5e14,1,-1'), 'n.csv:3: found -1 as fees_btc_per_block'],
    [
      '61 C',
      withLine('weather', 3, '2025-11-01T01:00:00Z,61,10'),
      'w.csv:3: found 61 as temperature_c, expected degrees Celsius between -60 and 60',
    ],
    [
      '-61 C',
      withLine('weather', 3, '2025-11-01T01:00:00Z,-20,-61'),
      'w.csv:3: found -61 as dew_point_c, expected degrees Celsius',
    ],
    [
      'a dew point above the air',
      withLine('weather', 3, '2025-11-01T01:00:00Z,20,20.6'),
      'w.csv:3: found a dew point of 20.6 C at 20 C, expected it no more than 0.5 C above the temperature',
    ],
    [
      'negative load',
      withLine('load', 3, '2025-11-01T01:00:00Z,-1'),
      'l.csv:3: found -1 as load_mw, expected a load in MW, not below 0',
    ],
    [
      'an unknown GPU',
      withLine('gpuPrices', 3, '2025-11-01T06:00:00Z,b7,1'),
      'g.csv:3: found "b7" as gpu_model, expected one of h100, h200, a100, rtx4090, rtxa6000',
    ],
    [
      'a GPU for nothing',
      withLine('gpuPrices', 3, '2025-11-01T06:00:00Z,h100,0'),
      'g.csv:3: found 0 as usd_per_gpu_hour',
    ],
  ])('%s', (_name, change, message) => {
    const told = faultsOf(change);
    expect(told.slice(0, 1)).toEqual([expect.stringContaining(message)]);
    expect(told).toHaveLength(1);
  });

  test('an hour doubled or skipped because times are local is told as that, once', () => {
    const local = good.prices.toSpliced(105, 0, ...good.prices.slice(101, 105));
    expect(faultsOf({ prices: local })).toEqual([
      'p.csv:106: found the hour from 2025-11-02T01:00:00Z a second time (first in line 102), expected one row for an interval: an hour doubled by a clock change? Times must be UTC',
    ]);
    const hourly = good.load.toSpliced(27, 0, good.load[26]!);
    expect(faultsOf({ load: hourly })[0]).toMatch(/^l\.csv:28: .*clock change\? Times must be UTC$/);
    const spring = lines('hour_start_utc,load_mw', HOUR, () => '45000').map((line, i) =>
      i === 0 ? line : `${iso(Date.UTC(2025, 2, 8) + (i - 1) * HOUR)},45000`,
    );
    expect(faultsOf({ load: spring.toSpliced(27, 1) })).toEqual([
      'l.csv:28: found 2025-03-09T03:00:00Z after 2025-03-09T01:00:00Z, expected every 1 hour: 2025-03-09T02:00:00Z is missing: an hour skipped by a clock change? Times must be UTC',
    ]);
  });

  test('all faults of all files are told at once, the first twenty of each and how many more', () => {
    const bad = good.prices.map((line, i) => (i > 0 && i <= 25 ? line.replace(/,.*/, ',x') : line));
    const told = faultsOf({ prices: bad, ...withLine('load', 3, '2025-11-01T01:00:00Z,-1') });
    expect(told).toHaveLength(22);
    expect(told[19]).toMatch(/^p\.csv:21: found "x"/);
    expect(told[20]).toBe('p.csv: and 5 more');
    expect(told[21]).toMatch(/^l\.csv:3:/);
  });

  test.each<[string, (rows: string[]) => string[], string]>([
    [
      'a class nobody knows',
      (rows) => rows.with(3, rows[3]!.replace('chat', 'chut')),
      'q.csv:4: found "chut" as class, expected one of chat, batch',
    ],
    [
      'less than nothing',
      (rows) => rows.with(2, rows[2]!.replace('40.5', '-1')),
      'q.csv:3: found -1 as gpus, expected GPUs wanted, not below 0',
    ],
    [
      'no number',
      (rows) => rows.with(2, rows[2]!.replace('40.5', 'NaN')),
      'q.csv:3: found "NaN" as gpus, expected GPUs wanted, not below 0',
    ],
    [
      'an interval missing of one class',
      (rows) => rows.toSpliced(5, 1),
      'q.csv:7: found 2025-11-01T03:00:00Z after 2025-11-01T01:00:00Z, expected every 1 h',
    ],
    [
      'an interval told twice',
      (rows) => rows.toSpliced(3, 0, rows[1]!),
      'q.csv:4: found 2025-11-01T00:00:00Z a second time (first in line 2), expected one row for an interval',
    ],
    [
      'rows out of order',
      (rows) => rows.with(1, rows[3]!).with(3, rows[1]!),
      'q.csv:3: found 2025-11-01T00:00:00Z, expected a time after 2025-11-01T01:00:00Z of line 2',
    ],
    [
      'a class that ends early',
      (rows) => rows.slice(0, -2),
      'q.csv: found GPU demand of chat from 2025-11-01T00:00:00Z to 2025-11-03T23:00:00Z, expected it to cover',
    ],
  ])('GPU demand with %s', (_name, change, message) => {
    expect(faultsOf({ gpuDemand: change(good.gpuDemand) })[0]).toContain(message);
  });

  test('prices and network must cover the period; weather and load that do not are a warning', () => {
    const longer = { from: PERIOD.from, to: siteMs(PERIOD.to + DAY) };
    expect(() => read({}, longer)).toThrow(
      'p.csv: found prices from 2025-11-01T00:00:00Z to 2025-11-04T00:00:00Z, expected them to cover 2025-11-01T00:00:00Z to 2025-11-05T00:00:00Z\nn.csv: found network from',
    );
    expect(read({ weather: good.weather.slice(0, 50), load: good.load.slice(0, 50) }).warnings).toEqual([
      expect.stringContaining('w.csv: found weather from 2025-11-01T00:00:00Z to 2025-11-03T01:00:00Z'),
      expect.stringContaining('l.csv: found load from 2025-11-01T00:00:00Z to 2025-11-03T01:00:00Z'),
    ]);
    expect(() => readHistory({ ...filesOf({}), prices: [] }, PERIOD, CLASSES)).toThrow(
      'no prices are given: expected --prices',
    );
  });
});

describe('warnings', () => {
  const scaled = (kind: Kind, by: (value: number) => number) =>
    good[kind].map((line, i) => {
      const [time, ...cells] = line.split(',');
      return i === 0 ? line : [time, ...cells.map((cell) => by(Number(cell)))].join(',');
    });
  test.each<[string, Partial<Record<Kind, readonly string[]>>, RegExp]>([
    [
      '$/kWh',
      { prices: scaled('prices', (v) => v / 1000) },
      /^p\.csv: the median is 0\.02\d* \$\/MWh: are they in \$\/kWh\?/,
    ],
    [
      '$/GWh',
      { prices: scaled('prices', (v) => v * 1000) },
      /^p\.csv: the median is \d+ \$\/MWh: are they in cents per MWh, or in \$\/GWh/,
    ],
    ['GW', { load: scaled('load', (v) => v / 1000) }, /^l\.csv: the median is 45\.\d+ MW: is the load in GW/],
    ['kW', { load: scaled('load', (v) => v * 1000) }, /^l\.csv: the median is \d+ MW: is the load in kW/],
    ['Fahrenheit', { weather: scaled('weather', () => 50) }, /^w\.csv: the median is 50 C: are they in Fahrenheit/],
  ])('a file wholly in %s', (_name, change, message) => {
    expect(read(change).warnings).toEqual([expect.stringMatching(message)]);
  });

  test('a price of bitcoin that cannot be', () => {
    const some = [...good.network, '2025-11-04,1.5e14,1,0.1'].map((line) => line.replace(/,10000\d,/, ',0.1,'));
    expect(read({ network: some }).warnings).toEqual([
      expect.stringContaining('n.csv: the median is 0.1 $ per bitcoin'),
    ]);
  });

  test('Fahrenheit that is refused as Celsius is told with its faults', () => {
    const told = faultsOf({ weather: scaled('weather', () => 80) });
    expect(told[0]).toMatch(/^w\.csv:2: found 80 as temperature_c/);
    expect(told.at(-1)).toMatch(/the median is 80 C: are they in Fahrenheit/);
  });

  test('GPU prices that are absent, or silent for longer than a week, are held constant', () => {
    expect(readHistory({ ...filesOf({}), gpuPrices: [] }, PERIOD, CLASSES).warnings).toEqual([
      'no GPU prices are given: they are held constant over the period',
    ]);
    const old = { gpuPrices: ['time_utc,gpu_model,usd_per_gpu_hour', '2025-10-20T00:00Z,h100,2'] };
    expect(read(old).warnings).toEqual([
      'g.csv: the price of h100 is held constant from 2025-10-20T00:00:00Z to 2025-11-04T00:00:00Z',
    ]);
    const late = { gpuPrices: ['time_utc,gpu_model,usd_per_gpu_hour', '2025-11-02T00:00Z,h100,2'] };
    expect(read(late).warnings).toEqual([
      'g.csv: no price of h100 is told before 2025-11-02T00:00:00Z, within the period',
    ]);
  });
});

describe('property: a damaged file is refused in words, or is sorted, unique and finite', () => {
  const KINDS = Object.keys(good) as Kind[];
  const piece = fc.constantFrom(
    '',
    ',',
    '"',
    '\n',
    '\r\n',
    '\0',
    'NaN',
    '-',
    '1e999',
    '2025-11-02T01:00:00Z',
    '\uFEFF',
    '9',
  );
  const damage = fc.record({
    kind: fc.constantFrom(...KINDS),
    cuts: fc.array(fc.record({ at: fc.nat(12_000), gone: fc.nat(60), put: piece }), { minLength: 1, maxLength: 4 }),
    swap: fc.option(fc.tuple(fc.nat(80), fc.nat(80))),
  });
  test('whatever is cut out, put in or swapped', () => {
    fc.assert(
      fc.property(damage, ({ kind, cuts, swap }) => {
        const rows = [...good[kind]];
        if (swap !== null) {
          const [a, b] = [swap[0] % rows.length, swap[1] % rows.length];
          [rows[a], rows[b]] = [rows[b]!, rows[a]!];
        }
        let text = `${rows.join('\n')}\n`;
        for (const { at, gone, put } of cuts) {
          const place = at % (text.length + 1);
          text = text.slice(0, place) + put + text.slice(place + gone);
        }
        let history: History;
        try {
          history = readHistory({ ...filesOf({}), [kind]: [{ name: 'd.csv', text }] }, PERIOD, CLASSES);
        } catch (error) {
          expect(error).toBeInstanceOf(HistoryError);
          expect((error as Error).message).toMatch(/^d\.csv:(\d+:)? ?found /);
          return;
        }
        const all = [
          ...history.series,
          { points: history.load!.points.map(({ start, mw }) => ({ start, value: mw })) },
          ...history.wanted!.map(({ points }) => ({
            points: points.map(({ start, gpus }) => ({ start, value: gpus })),
          })),
        ];
        for (const { points } of all)
          for (const [i, { start, value }] of points.entries()) {
            expect(Number.isFinite(value) && Number.isFinite(start)).toBe(true);
            if (i > 0) expect(start).toBeGreaterThan(points[i - 1]!.start);
          }
      }),
      { numRuns: 300 },
    );
  });

  test('whatever the text is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        expect(() => readHistory({ ...filesOf({}), prices: [{ name: 'd.csv', text }] }, PERIOD, CLASSES)).toThrow(
          HistoryError,
        );
      }),
    );
  });
});
