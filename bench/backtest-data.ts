import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { DAY, HOUR } from '../src/model/index.ts';
import type { BacktestFiles } from '../src/server/offline/backtest.ts';

/** Recordings of one year of HB_HOUSTON, in the form `busbar backtest` reads. */
export type YearFiles = Pick<BacktestFiles, 'prices' | 'dayAhead' | 'weather' | 'network' | 'load' | 'from' | 'to'>;

type Row = Readonly<Record<string, string>>;

/**
 * Brings recordings of ERCOT's prices and load, of Houston's weather and of the bitcoin network to the headers of a backtest.
 * @param data a folder with `ercot-hb-houston`, `weather-houston`, `btc` and `ercot-load`; the project ships none of them
 * @param into where the files are written
 * @throws Error in words where something is missing
 */
export function yearFiles(data: string, year: number, into: string): YearFiles {
  const prices = join(data, 'ercot-hb-houston', `rt15-${year}.csv.gz`);
  if (!existsSync(prices)) throw new Error(`${prices}: not there; --data names the folder of recordings`);
  mkdirSync(into, { recursive: true });
  const write = (name: string, header: string, rows: readonly (readonly (string | number)[])[]): string => {
    const file = join(into, `${name}-${year}.csv`);
    writeFileSync(file, `${[header, ...rows.map((row) => row.join(','))].join('\n')}\n`);
    return file;
  };
  return {
    prices: [prices],
    dayAhead: dayAhead(data, year).map((rows) => write('day-ahead', 'interval_start_utc,day_ahead_usd_per_mwh', rows)),
    weather: [write('weather', 'time_utc,temperature_c,dew_point_c', weather(data, year))],
    network: [write('network', 'day_utc,difficulty,btc_usd,fees_btc_per_block', network(data, year))],
    load: [write('load', 'hour_start_utc,load_mw', load(data, year))],
    ...periodOf(prices),
  };
}

/** Whole days that a file of prices holds: that of 2021 begins on 8 January. */
function periodOf(prices: string): { from: string; to: string } {
  const rows = rowsOf(prices);
  const start = (row: Row): number => Date.parse(row['interval_start_utc']!);
  const [first, second] = [start(rows[0]!), start(rows[1]!)];
  const end = start(rows.at(-1)!) + (second - first);
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  return { from: day(Math.ceil(first / DAY) * DAY), to: day(end) };
}

function rowsOf(path: string, fromLine = 1): Row[] {
  const bytes = readFileSync(path);
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
  return parse(text, { columns: true, from_line: fromLine, skip_empty_lines: true, relax_column_count: true }) as Row[];
}

/** Of the hubs' mean, recorded for 2021 to 2023. */
function dayAhead(data: string, year: number): (string | number)[][][] {
  const rows = rowsOf(join(data, 'ercot-dam', 'hb-hubavg-dam-hourly-2021-2023.csv.gz'))
    .filter((row) => row['hour_begin_utc']! >= `${year - 1}-12-01` && row['hour_begin_utc']! < `${year + 1}-01-03`)
    .map((row) => [row['hour_begin_utc']!, row['price_usd_per_mwh']!]);
  return rows.some(([start]) => String(start).startsWith(String(year))) ? [rows] : [];
}

/** Open-Meteo writes three lines about the place first, and names its columns with their units. */
function weather(data: string, year: number): (string | number)[][] {
  const rows = rowsOf(join(data, 'weather-houston', 'open-meteo-29.77N95.33W14m.csv.gz'), 4);
  const [time, temperature, dewPoint] = Object.keys(rows[0]!) as [string, string, string];
  const since = `${year - 1}-12-01`;
  return rows
    .filter(
      (row) => row[time]! >= since && row[time]! < `${year + 1}` && row[temperature] !== '' && row[dewPoint] !== '',
    )
    .map((row) => [`${row[time]!}:00Z`, row[temperature]!, row[dewPoint]!]);
}

/** A day is told what was known as it began: the bitcoin price and the fees of the day before, the difficulty of its first block. */
function network(data: string, year: number): (string | number)[][] {
  const epochs = rowsOf(join(data, 'btc', 'difficulty_epochs_2021_2026-04.csv'));
  const days = rowsOf(join(data, 'btc', 'coinmetrics-btc-daily.csv'));
  return days.flatMap((before, i) => {
    const day = days[i + 1]?.['time'];
    if (day === undefined || day < `${year - 1}-12-01` || day >= `${year + 1}`) return [];
    const epoch = epochs.findLast(({ ts }) => ts! <= `${day}T00:00:00Z`);
    const { PriceUSD, FeeTotNtv, BlkCnt, DiffMean } = before;
    return [[day, Number(epoch?.['difficulty'] ?? DiffMean), PriceUSD!, Number(FeeTotNtv) / Number(BlkCnt)]];
  });
}

/**
 * Native load by hour ending, in the time of Chicago, of all years up to this one. Written as `01/01/2021 01:00`, some years as a
 * timestamp; midnight as 24:00; the hour that comes twice in November with ` DST` behind one of the two.
 */
function load(data: string, year: number): (string | number)[][] {
  const known = new Map<number, number>();
  const offset = chicago();
  for (const row of rowsOf(join(data, 'ercot-load', 'native_load_2021_2026.csv.gz'))) {
    const mw = Number(row['ERCOT']!.replaceAll(',', ''));
    const ending = hourEnding(row['Hour Ending']!);
    if (ending === undefined || !Number.isFinite(mw)) continue;
    const local = ending - HOUR;
    let start = local - offset(local);
    // The second of the two hours that clocks call alike.
    if (known.has(start)) start += HOUR;
    if (start < Date.UTC(year + 1, 0, 1)) known.set(start, mw);
  }
  const starts = [...known.keys()].sort((a, b) => a - b);
  const rows: (string | number)[][] = [];
  for (let t = starts[0]!; t <= starts.at(-1)!; t += HOUR) {
    const mw = known.get(t);
    if (mw === undefined) throw new Error(`the system's load is missing at ${new Date(t).toISOString()}`);
    rows.push([new Date(t).toISOString().replace('.000', ''), mw]);
  }
  return rows;
}

/** As if it were UTC, in Unix ms. */
function hourEnding(text: string): number | undefined {
  const us = /^(\d+)\/(\d+)\/(\d{4}) (\d+):00/.exec(text);
  const iso = /^(\d{4})-(\d\d)-(\d\d)[ T](\d+):00/.exec(text);
  const parts = us !== null ? [us[3], us[1], us[2], us[4]] : iso !== null ? iso.slice(1) : undefined;
  if (parts === undefined) return undefined;
  const [year = 0, month = 0, date = 0, hour = 0] = parts.map(Number);
  return Date.UTC(year, month - 1, date, hour);
}

/** How far Chicago is behind UTC, in ms below zero, by local time: second Sunday of March to first of November, at 2 h. */
function chicago(): (local: number) => number {
  const sunday = (year: number, month: number, nth: number): number => {
    const first = Date.UTC(year, month, 1, 2);
    return first + (((7 - new Date(first).getUTCDay()) % 7) + 7 * (nth - 1)) * DAY;
  };
  return (local) => {
    const year = new Date(local).getUTCFullYear();
    const isSummer = local >= sunday(year, 2, 2) && local < sunday(year, 10, 1);
    return (isSummer ? -5 : -6) * HOUR;
  };
}
