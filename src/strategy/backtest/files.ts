import {
  DAY,
  HOUR,
  isoUtc,
  MINUTE,
  SERIES,
  siteMs,
  type Series,
  type SeriesName,
  type SiteMs,
} from '../../model/index.ts';
import { readRows, type HistoryFile, type ReadRows, type Row, type Shape } from './rows.ts';
import { missingText, spanText } from './times.ts';
import { NO_GPU_PRICES, type History, type SystemLoad, type WantedSeries } from './types.ts';

export type { HistoryFile } from './rows.ts';

/** The files of a backtest by what they tell, each kind in any number of files. */
export interface HistoryFiles {
  readonly prices: readonly HistoryFile[];
  readonly dayAhead: readonly HistoryFile[];
  readonly weather: readonly HistoryFile[];
  readonly network: readonly HistoryFile[];
  readonly gpuPrices: readonly HistoryFile[];
  readonly load: readonly HistoryFile[];
  readonly gpuDemand: readonly HistoryFile[];
}

/** Files that cannot be replayed. Every line of the message names a file, its line, what was found and what was expected. */
export class HistoryError extends Error {}

const GPU_SERIES = 'gpuUsdPerHour.';
const GPU_MODELS = SERIES.filter((name) => name.startsWith(GPU_SERIES)).map((name) => name.slice(GPU_SERIES.length));

const anyNumber = () => true;
const isPositive = (value: number) => value > 0;
const isNotNegative = (value: number) => value >= 0;
/** Colder and hotter than any place with a power line. */
const isCelsius = (value: number) => value >= -60 && value <= 60;
const temperature = (name: string) => ({ name, expected: 'degrees Celsius between -60 and 60', isPossible: isCelsius });

/** Air holds no more water than its temperature lets it; what is above is rounding of two instruments. */
const MOST_DEW_ABOVE_C = 0.5;

const SHAPES: Readonly<Record<keyof HistoryFiles, Shape>> = {
  prices: {
    option: '--prices',
    what: 'prices',
    time: 'interval_start_utc',
    timeIs: 'moment',
    columns: [{ name: 'price_usd_per_mwh', expected: 'a price in $/MWh', isPossible: anyNumber }],
    interval: {
      fits: (ms) => ms >= MINUTE && HOUR % ms === 0,
      expected: 'an equal part of an hour, such as 15 minutes',
    },
    isAligned: true,
  },
  dayAhead: {
    option: '--day-ahead',
    what: 'day-ahead prices',
    time: 'interval_start_utc',
    timeIs: 'moment',
    columns: [{ name: 'day_ahead_usd_per_mwh', expected: 'a price in $/MWh', isPossible: anyNumber }],
    interval: {
      fits: (ms) => ms >= 15 * MINUTE && HOUR % ms === 0,
      expected: 'an equal part of an hour from 15 minutes on',
    },
    isAligned: true,
  },
  weather: {
    option: '--weather',
    what: 'weather',
    time: 'time_utc',
    timeIs: 'moment',
    columns: [temperature('temperature_c'), temperature('dew_point_c')],
    interval: { fits: (ms) => ms >= MINUTE && ms <= 6 * HOUR, expected: 'one minute to six hours between them' },
    wrongTogether: ([air, dew]) =>
      dew! > air! + MOST_DEW_ABOVE_C
        ? `found a dew point of ${dew} C at ${air} C, expected it no more than ${MOST_DEW_ABOVE_C} C above the temperature`
        : undefined,
  },
  network: {
    option: '--network',
    what: 'network',
    time: 'day_utc',
    timeIs: 'day',
    columns: [
      { name: 'difficulty', expected: 'a difficulty above 0', isPossible: isPositive },
      { name: 'btc_usd', expected: 'a price of bitcoin in $ above 0', isPossible: isPositive },
      { name: 'fees_btc_per_block', expected: 'fees in BTC per block, not below 0', isPossible: isNotNegative },
    ],
    interval: { fits: (ms) => ms === DAY, expected: 'a row a day', fixedMs: DAY },
  },
  gpuPrices: {
    option: '--gpu-prices',
    what: 'GPU prices',
    time: 'time_utc',
    timeIs: 'moment',
    key: { name: 'gpu_model', known: GPU_MODELS },
    columns: [{ name: 'usd_per_gpu_hour', expected: 'a price in $ per GPU-hour above 0', isPossible: isPositive }],
  },
  load: {
    option: '--load',
    what: 'load',
    time: 'hour_start_utc',
    timeIs: 'moment',
    columns: [{ name: 'load_mw', expected: 'a load in MW, not below 0', isPossible: isNotNegative }],
    interval: { fits: (ms) => ms === HOUR, expected: 'a row an hour', fixedMs: HOUR },
    isAligned: true,
  },
  gpuDemand: {
    option: '--gpu-demand',
    what: 'GPU demand',
    time: 'interval_start_utc',
    timeIs: 'moment',
    key: { name: 'class', known: [] },
    columns: [{ name: 'gpus', expected: 'GPUs wanted, not below 0', isPossible: isNotNegative }],
    interval: {
      fits: (ms) => ms >= 15 * MINUTE && HOUR % ms === 0,
      expected: 'an equal part of an hour from 15 minutes on',
    },
    isAligned: true,
  },
};
const ALL_SHAPES = Object.values(SHAPES);
const KINDS = Object.keys(SHAPES) as (keyof HistoryFiles)[];

export interface Period {
  readonly from: SiteMs;
  /** Excluded. */
  readonly to: SiteMs;
}

/** Rows of one kind, of all its files, ascending, without gaps or doubles where the kind has intervals. */
interface Joined {
  readonly source: string;
  readonly intervalMs: number;
  readonly rows: readonly Row[];
}

/**
 * Reads what the world told over time. Nothing is mended: a file with a fault is refused, and all faults are told together.
 * Text alone goes in, so that whoever calls decides where it comes from.
 * @param period must be covered by prices and network, and by the demand of each class whose demand is given
 * @param classes ids of the site's classes of work
 * @throws HistoryError with a line `file:line: found ..., expected ...` for each fault
 */
export function readHistory(files: HistoryFiles, period: Period, classes: readonly string[] = []): History {
  const faults: string[] = [];
  const warnings: string[] = [];
  const joined: Partial<Record<keyof HistoryFiles, Joined>> = {};
  for (const kind of KINDS) {
    const shape = kind === 'gpuDemand' ? demandShape(classes) : SHAPES[kind];
    const others = ALL_SHAPES.filter(({ option }) => option !== shape.option);
    const read = files[kind].map((file) => readRows(file, shape, others));
    const bad = read.filter(({ faults: { count } }) => count > 0);
    warnings.push(...read.flatMap((one) => doubtsOf(kind, one)));
    faults.push(...bad.flatMap((one) => one.faults.lines()));
    const made = bad.length > 0 || read.length === 0 ? undefined : join(read, shape, period, { faults, warnings });
    if (made !== undefined) joined[kind] = made;
  }
  const { prices, dayAhead, weather, network, gpuPrices, load, gpuDemand } = joined;
  for (const kind of ['prices', 'network'] as const) {
    const told = joined[kind];
    const { what, option } = SHAPES[kind];
    if (files[kind].length === 0) faults.push(`no ${what} are given: expected ${option} with at least one file`);
    else if (told !== undefined) faults.push(...uncovered(told, what, period));
  }
  const wanted = gpuDemand === undefined ? [] : wantedSeries(gpuDemand);
  for (const one of wanted) faults.push(...uncoveredDemand(gpuDemand!.source, one, period));
  if (faults.length > 0) throw new HistoryError([...faults, ...warnings].join('\n'));
  for (const kind of ['dayAhead', 'weather', 'load'] as const) {
    const told = joined[kind];
    if (told !== undefined) warnings.push(...uncovered(told, SHAPES[kind].what, period));
  }
  if (files.weather.length === 0) warnings.push('no weather is given: what cooling draws is not known for the period');
  if (gpuPrices === undefined) warnings.push(NO_GPU_PRICES);
  else warnings.push(...silences(gpuPrices, period));
  return {
    series: [
      ...seriesOf(prices, ['priceUsdPerMwh']),
      ...seriesOf(dayAhead, ['dayAheadUsdPerMwh']),
      ...seriesOf(weather, ['temperatureC', 'dewPointC']),
      ...seriesOf(network, ['difficulty', 'btcUsd', 'feesBtcPerBlock']),
      ...gpuSeries(gpuPrices),
    ],
    load: loadOf(load),
    ...(wanted.length === 0 ? {} : { wanted }),
    warnings,
  };
}

const baseName = (file: string): string => file.split(/[/\\]/).at(-1) ?? file;
const endOf = ({ rows, intervalMs }: Pick<Joined, 'rows' | 'intervalMs'>): number => rows.at(-1)!.startMs + intervalMs;

/** Where what is found goes. */
interface Told {
  readonly faults: string[];
  readonly warnings: string[];
}

function join(read: readonly ReadRows[], shape: Shape, period: Period, told: Told): Joined | undefined {
  return shape.interval === undefined ? mix(read, told) : line(read, shape, period, told);
}

/** Files whose rows come as they come, such as one for each model of a GPU over the same months. */
function mix(read: readonly ReadRows[], told: Told): Joined | undefined {
  const before = told.faults.length;
  const placeOf = new Map<string, string>();
  for (const { file, rows } of read)
    for (const { line: at, startMs, key } of rows) {
      const place = placeOf.get(`${startMs} ${key}`);
      if (place === undefined) placeOf.set(`${startMs} ${key}`, `${file}:${at}`);
      else
        told.faults.push(`${file}:${at}: found ${key} at ${isoUtc(startMs)}, expected it once: ${place} tells it too`);
    }
  if (told.faults.length > before) {
    const more = told.faults.length - before - MOST_DOUBLES;
    if (more > 0) told.faults.splice(before + MOST_DOUBLES, more, `and ${more} more`);
    return undefined;
  }
  const rows = read.flatMap(({ rows: some }) => some).sort((a, b) => a.startMs - b.startMs);
  return { source: read.map(({ file }) => baseName(file)).join(', '), intervalMs: read[0]!.intervalMs ?? DAY, rows };
}
const MOST_DOUBLES = 20;

/**
 * Files that follow each other in time. A hole between two of them is a fault within the period; one beside it parts off what is
 * not needed, such as years before the one that is replayed.
 */
function line(read: readonly ReadRows[], shape: Shape, period: Period, told: Told): Joined | undefined {
  const inOrder = read.toSorted((a, b) => a.rows[0]!.startMs - b.rows[0]!.startMs);
  const intervalMs = inOrder[0]!.intervalMs!;
  const other = inOrder.find((each) => each.intervalMs !== intervalMs);
  if (other !== undefined) {
    const found = `${other.file}:${other.rows[0]!.line}: found rows every ${spanText(other.intervalMs!)}`;
    told.faults.push(`${found}, expected every ${spanText(intervalMs)} as in ${inOrder[0]!.file}`);
    return undefined;
  }
  const before = told.faults.length;
  const rows: Row[] = [];
  let sources: string[] = [];
  let newest: { readonly file: string; readonly row: Row } | undefined;
  for (const { file, rows: more } of inOrder) {
    const first = more[0]!;
    if (newest !== undefined) {
      const seam = seamOf(newest.row.startMs, first.startMs, intervalMs, period);
      const found = `${file}:${first.line}: found ${isoUtc(first.startMs)}`;
      const last = `${isoUtc(newest.row.startMs)} of ${newest.file}:${newest.row.line}`;
      const missing = missingText(newest.row.startMs, first.startMs, intervalMs);
      if (seam === 'overlap')
        told.faults.push(`${found}, expected a time after ${last}: two files tell the same times`);
      if (seam === 'odd') told.faults.push(`${found}, expected whole steps of ${spanText(intervalMs)} from ${last}`);
      if (seam === 'hole')
        told.faults.push(`${found} after ${last}, expected every ${spanText(intervalMs)}: ${missing}`);
      const unused = (side: string) => `${baseName(file)}: ${shape.what} ${side} are not used: ${missing}`;
      if (seam === 'after') {
        told.warnings.push(unused(`from ${isoUtc(first.startMs)} on`));
        break;
      }
      if (seam === 'before') {
        told.warnings.push(unused(`before ${isoUtc(first.startMs)}`));
        rows.length = 0;
        sources = [];
      }
    }
    for (const row of more) rows.push(row);
    sources.push(baseName(file));
    newest = { file, row: more.at(-1)! };
  }
  return told.faults.length > before ? undefined : { source: sources.join(', '), intervalMs, rows };
}

/** How the first row of a file follows the last one of the file before; `before` and `after`: a hole beside the period. */
function seamOf(
  lastMs: number,
  firstMs: number,
  intervalMs: number,
  { from, to }: Period,
): 'fits' | 'overlap' | 'before' | 'after' | 'odd' | 'hole' {
  if (firstMs === lastMs + intervalMs) return 'fits';
  if (firstMs <= lastMs) return 'overlap';
  if (firstMs <= from) return 'before';
  if (lastMs + intervalMs >= to) return 'after';
  return (firstMs - lastMs) % intervalMs === 0 ? 'hole' : 'odd';
}

function uncovered(told: Joined, what: string, { from, to }: Period): string[] {
  const [start, end] = [told.rows[0]!.startMs, endOf(told)];
  if (start <= from && end >= to) return [];
  return [
    `${told.source}: found ${what} from ${isoUtc(start)} to ${isoUtc(end)}, expected them to cover ${isoUtc(from)} to ${isoUtc(to)}`,
  ];
}

/** As the recorded feed has it: past two intervals, and never under three hours for slow series, a value is stale. */
const holdsFor = (intervalMs: number): number =>
  intervalMs <= 15 * MINUTE ? 2 * intervalMs : Math.max(2 * intervalMs, 3 * HOUR);

function seriesOf(told: Joined | undefined, names: readonly SeriesName[]): Series[] {
  if (told === undefined) return [];
  const { source, intervalMs, rows } = told;
  return names.map((name, column) => ({
    name,
    provenance: 'measured',
    source,
    intervalMs,
    holdsMs: holdsFor(intervalMs),
    points: rows.map(({ startMs, values }) => ({ start: siteMs(startMs), value: values[column]! })),
  }));
}

/** A quote of a GPU holds this long; a longer silence is told. */
const GPU_QUOTE_HOLDS_MS = 7 * DAY;

function gpuSeries(told: Joined | undefined): Series[] {
  if (told === undefined) return [];
  const byModel = Map.groupBy(told.rows, ({ key }) => key);
  return SERIES.filter((name) => byModel.has(name.slice(GPU_SERIES.length))).map((name) => {
    const points = byModel
      .get(name.slice(GPU_SERIES.length))!
      .map(({ startMs, values }) => ({ start: siteMs(startMs), value: values[0]! }));
    const { source, intervalMs } = told;
    return { name, provenance: 'measured', source, intervalMs, holdsMs: GPU_QUOTE_HOLDS_MS, points };
  });
}

/** Times of the period over which no quote of a GPU stands or the last one is old. */
function silences({ source, rows }: Joined, { from, to }: Period): string[] {
  return [...Map.groupBy(rows, ({ key }) => key)].flatMap(([model, quotes]) => {
    const times = quotes.map(({ startMs }) => startMs).filter((ms) => ms < to);
    const warnings: string[] = [];
    const first = times[0] ?? to;
    if (first > from)
      warnings.push(`${source}: no price of ${model} is told before ${isoUtc(first)}, within the period`);
    for (let i = 0; i < times.length; i += 1) {
      const [start, end] = [times[i]!, times[i + 1] ?? to];
      if (end > from && end - start > GPU_QUOTE_HOLDS_MS)
        warnings.push(`${source}: the price of ${model} is held constant from ${isoUtc(start)} to ${isoUtc(end)}`);
    }
    return warnings;
  });
}

const demandShape = (known: readonly string[]): Shape => ({ ...SHAPES.gpuDemand, key: { name: 'class', known } });

const wantedSeries = ({ intervalMs, rows }: Joined): WantedSeries[] =>
  [...Map.groupBy(rows, ({ key }) => key)].map(([workClass, own]) => ({
    workClass,
    intervalMs,
    points: own.map(({ startMs, values }) => ({ start: siteMs(startMs), gpus: values[0]! })),
  }));

/** What a class wanted is not known outside its rows, and what is not known is not zero. */
function uncoveredDemand(
  source: string,
  { workClass, intervalMs, points }: WantedSeries,
  { from, to }: Period,
): string[] {
  const [start, end] = [points[0]!.start, points.at(-1)!.start + intervalMs];
  if (start <= from && end >= to) return [];
  return [
    `${source}: found GPU demand of ${workClass} from ${isoUtc(start)} to ${isoUtc(end)}, expected it to cover ${isoUtc(from)} to ${isoUtc(to)}`,
  ];
}

function loadOf(told: Joined | undefined): SystemLoad | undefined {
  if (told === undefined) return undefined;
  const { source, intervalMs, rows } = told;
  return {
    source,
    intervalMs,
    points: rows.map(({ startMs, values }) => ({ start: siteMs(startMs), mw: values[0]! })),
  };
}

interface Doubt {
  readonly kind: keyof HistoryFiles;
  readonly column: number;
  readonly looksWrong: (median: number) => boolean;
  readonly words: string;
}

/**
 * Medians of a whole file that its unit cannot have. Yearly medians of wholesale power have been between 10 and 500 $/MWh;
 * power systems with a market carry between one and two million MW; bitcoin has cost between $100 and ten million since 2013;
 * difficulty has been above 1e12 since 2017; a day's mean of fees has stayed below 15 BTC per block.
 */
const DOUBTS: readonly Doubt[] = [
  { kind: 'prices', column: 0, looksWrong: (m) => m < 1, words: '$/MWh: are they in $/kWh' },
  { kind: 'prices', column: 0, looksWrong: (m) => m > 5_000, words: '$/MWh: are they in cents per MWh, or in $/GWh' },
  { kind: 'dayAhead', column: 0, looksWrong: (m) => m < 1, words: '$/MWh: are they in $/kWh' },
  { kind: 'weather', column: 0, looksWrong: (m) => m > 45, words: 'C: are they in Fahrenheit' },
  {
    kind: 'network',
    column: 0,
    looksWrong: (m) => m < 1e12 || m > 1e18,
    words: 'of difficulty: is it a hashrate, or in T',
  },
  { kind: 'network', column: 1, looksWrong: (m) => m < 100 || m > 1e7, words: '$ per bitcoin: is it another currency' },
  { kind: 'network', column: 2, looksWrong: (m) => m > 50, words: 'BTC per block of fees: are they in satoshis' },
  { kind: 'gpuPrices', column: 0, looksWrong: (m) => m < 0.01 || m > 100, words: '$ per GPU-hour: are they in cents' },
  { kind: 'load', column: 0, looksWrong: (m) => m < 500, words: 'MW: is the load in GW' },
  { kind: 'load', column: 0, looksWrong: (m) => m > 2e6, words: 'MW: is the load in kW' },
];

/** How a warning ends that doubts a unit: it may make every figure wrong, so reports show it first. */
const AS_THEY_STAND = '? Figures are taken as they stand';
export const isDoubt = (note: string): boolean => note.endsWith(AS_THEY_STAND);

/** Rows from which on a median says something about a unit. */
const ENOUGH_TO_DOUBT = 4;

function doubtsOf(kind: keyof HistoryFiles, { file, figures }: ReadRows): string[] {
  return DOUBTS.filter((doubt) => doubt.kind === kind).flatMap(({ column, looksWrong, words }) => {
    // Prices below zero are as far from it as those above.
    const sizes = figures.map((values) => (kind === 'weather' ? values[column]! : Math.abs(values[column]!)));
    if (sizes.length < ENOUGH_TO_DOUBT) return [];
    const median = sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)]!;
    if (!looksWrong(median)) return [];
    return [`${baseName(file)}: the median is ${Number(median.toPrecision(6))} ${words}${AS_THEY_STAND}`];
  });
}
