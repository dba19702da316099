import { CsvError, parse } from 'csv-parse/sync';
import { HOUR, isoUtc } from '../../model/index.ts';
import { mayBeClockChange, missingText, spanText, utcDay, utcMoment } from './times.ts';

/** Text of one file, with the name it is told by. */
export interface HistoryFile {
  readonly name: string;
  readonly text: string;
}

/** One column of figures: `wrong` says what was expected where a figure cannot be. */
export interface Column {
  readonly name: string;
  readonly expected: string;
  readonly isPossible: (value: number) => boolean;
}

/** What one kind of file holds. */
export interface Shape {
  /** Option of the command line and word of messages. */
  readonly option: string;
  readonly what: string;
  readonly time: string;
  readonly timeIs: 'moment' | 'day';
  /** A column that tells rows of one time apart, with the words it may hold. */
  readonly key?: { readonly name: string; readonly known: readonly string[] };
  readonly columns: readonly Column[];
  /** Intervals the source may have, in words for messages; undefined: rows come as they come. */
  readonly interval?: { readonly fits: (ms: number) => boolean; readonly expected: string; readonly fixedMs?: number };
  /** Whether rows start where the clock does: quarter-hours at :00, :15 and so on. */
  readonly isAligned?: boolean;
  /** What is wrong between figures of one row. */
  readonly wrongTogether?: (values: readonly number[]) => string | undefined;
}

export interface Row {
  readonly line: number;
  readonly startMs: number;
  readonly key: string;
  readonly values: readonly number[];
}

export interface ReadRows {
  readonly file: string;
  readonly rows: readonly Row[];
  /** Of every row that holds numbers, even where they cannot be: from these a wrong unit shows. */
  readonly figures: readonly (readonly number[])[];
  /** Mode of the steps between rows; undefined where there are none. */
  readonly intervalMs: number | undefined;
  readonly faults: Faults;
}

/** Faults told of one file; more of them are only counted. */
const MOST_FAULTS = 20;

/** What is wrong with one file, in order of lines. */
export class Faults {
  readonly #file: string;
  readonly #told: { readonly line: number; readonly text: string }[] = [];
  constructor(file: string) {
    this.#file = file;
  }
  add(line: number, text: string): void {
    this.#told.push({ line, text });
  }
  get count(): number {
    return this.#told.length;
  }
  /** `file:line: found ..., expected ...`, the first 20 and how many more there are. */
  lines(): string[] {
    const told = this.#told
      .toSorted((a, b) => a.line - b.line)
      .map(({ line, text }) => `${this.#file}:${line}: ${text}`);
    return told.length <= MOST_FAULTS
      ? told
      : [...told.slice(0, MOST_FAULTS), `${this.#file}: and ${told.length - MOST_FAULTS} more`];
  }
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const short = (cell: string): string => JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}...` : cell);
const headerOf = ({ time, key, columns }: Shape): string[] => [
  time,
  ...(key === undefined ? [] : [key.name]),
  ...columns.map(({ name }) => name),
];

/**
 * Reads the rows of one file and finds everything that is wrong with them; rows with a fault are left out.
 * @param others the other shapes, whose header is told apart from a wrong one: a file given to the wrong option
 */
export function readRows({ name, text }: HistoryFile, shape: Shape, others: readonly Shape[]): ReadRows {
  const faults = new Faults(name);
  const nothing = { file: name, rows: [], figures: [], intervalMs: undefined, faults };
  const parsed = parseCells(text, faults);
  if (parsed === undefined) return nothing;
  const [head, ...body] = parsed;
  const at = head === undefined ? undefined : columnsOf(head, shape, others, faults);
  if (head === undefined) faults.add(1, `found nothing, expected the header ${short(headerOf(shape).join(','))}`);
  if (at === undefined) return nothing;
  if (body.length === 0) {
    faults.add(head!.info.lines, 'found no rows after the header, expected at least one');
    return nothing;
  }
  const rows: Row[] = [];
  const figures: (readonly number[])[] = [];
  const timed: Timed[] = [];
  let isAfterLost = false;
  for (const { record, info } of body) {
    const row = readRow(record, info.lines, { shape, at, width: head!.record.length, faults, isAfterLost });
    isAfterLost = row === undefined;
    if (row === undefined) continue;
    timed.push(row);
    if (row.values.every(Number.isFinite)) figures.push(row.values);
    if (row.isGood) rows.push(row);
  }
  const intervalMs = shape.interval === undefined ? usualStep(timed) : checkedInterval(timed, shape, faults);
  if (intervalMs !== undefined || shape.interval === undefined) checkOrder(timed, shape, intervalMs, faults);
  return { file: name, rows, figures, intervalMs, faults };
}

function parseCells(text: string, faults: Faults): readonly Parsed[] | undefined {
  try {
    return parse(text, {
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as never;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = Math.max(1, Number((error as { lines?: unknown }).lines ?? 1));
    faults.add(line, `found something that is not CSV (${error.message}), expected cells parted by commas`);
    return undefined;
  }
}

/** Where each column stands, in the order of `headerOf`. */
function columnsOf(head: Parsed, shape: Shape, others: readonly Shape[], faults: Faults): number[] | undefined {
  const wanted = headerOf(shape);
  const { record: names, info } = head;
  const expected = `expected the header "${wanted.join(',')}"`;
  const other = others.find((one) => headerOf(one).join() === names.join());
  if (other !== undefined) {
    faults.add(info.lines, `found the header of ${other.what}, ${expected}; give ${other.what} with ${other.option}`);
    return undefined;
  }
  const before = faults.count;
  for (const name of wanted)
    if (!names.includes(name)) faults.add(info.lines, `found no column "${name}", ${expected}`);
  for (const name of new Set(names)) {
    if (!wanted.includes(name)) faults.add(info.lines, `found an unknown column ${short(name)}, ${expected}`);
    else if (names.indexOf(name) !== names.lastIndexOf(name))
      faults.add(info.lines, `found two columns "${name}", ${expected}`);
  }
  return faults.count > before ? undefined : wanted.map((name) => names.indexOf(name));
}

/** A row whose time is known; where a cell holds no number its value is NaN. */
interface Timed extends Row {
  /** False where a figure is wrong: its time stands all the same. */
  readonly isGood: boolean;
  /** The row before it could not be read and is told already: a gap there is no second fault. */
  readonly isAfterLost: boolean;
}

interface Reading {
  readonly shape: Shape;
  readonly at: readonly number[];
  readonly width: number;
  readonly faults: Faults;
  readonly isAfterLost: boolean;
}

function readRow(record: readonly string[], line: number, reading: Reading): Timed | undefined {
  const { shape, at, width, faults, isAfterLost } = reading;
  if (record.length !== width) {
    faults.add(line, `found ${record.length} columns, expected ${width}`);
    return undefined;
  }
  const cells = at.map((column) => record[column]!);
  const time = cells[0]!;
  const startMs = shape.timeIs === 'day' ? utcDay(time) : utcMoment(time);
  if (startMs === undefined) {
    const example = shape.timeIs === 'day' ? 'a day such as 2025-01-31' : 'a UTC time such as 2025-01-31T00:15:00Z';
    faults.add(line, `found ${short(time)} as ${shape.time}, expected ${example}`);
    return undefined;
  }
  const key = shape.key === undefined ? '' : cells[1]!.toLowerCase();
  if (shape.key !== undefined && !shape.key.known.includes(key)) {
    const expected = shape.key.known.length === 0 ? 'none: there are none' : `one of ${shape.key.known.join(', ')}`;
    faults.add(line, `found ${short(cells[1]!)} as ${shape.key.name}, expected ${expected}`);
    return undefined;
  }
  const before = faults.count;
  const values = cells.slice(shape.key === undefined ? 1 : 2).map((cell, i) => {
    const { name, expected, isPossible } = shape.columns[i]!;
    const value = PLAIN.test(cell) ? Number(cell) : Number.NaN;
    if (!Number.isFinite(value))
      faults.add(line, `found ${cell === '' ? 'nothing' : short(cell)} as ${name}, expected ${expected}`);
    else if (!isPossible(value)) faults.add(line, `found ${cell} as ${name}, expected ${expected}`);
    return value;
  });
  const together = faults.count > before ? undefined : shape.wrongTogether?.(values);
  if (together !== undefined) faults.add(line, together);
  return { line, startMs, key, values, isGood: faults.count === before, isAfterLost };
}

/** Mode of the steps forward between rows. */
function usualStep(rows: readonly Timed[]): number | undefined {
  const counts = new Map<number, number>();
  for (let i = 1; i < rows.length; i += 1) {
    const step = rows[i]!.startMs - rows[i - 1]!.startMs;
    if (step > 0) counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  let usual: number | undefined;
  for (const [step, count] of counts) if (usual === undefined || count > counts.get(usual)!) usual = step;
  return usual;
}

function checkedInterval(rows: readonly Timed[], { interval, time }: Shape, faults: Faults): number | undefined {
  if (interval!.fixedMs !== undefined) return interval!.fixedMs;
  const step = usualStep(rows);
  const first = rows[0];
  if (first === undefined) return undefined;
  if (step === undefined) {
    if (faults.count === 0 && rows.length === 1) faults.add(first.line, 'found one row, expected at least two');
    return undefined;
  }
  if (interval!.fits(step)) return step;
  faults.add(first.line, `found rows every ${spanText(step)} in ${time}, expected ${interval!.expected}`);
  return undefined;
}

/** Steps back, doubles and gaps. Rows of a doubled hour are told once, as what they probably are. */
function checkOrder(rows: readonly Timed[], shape: Shape, intervalMs: number | undefined, faults: Faults): void {
  const first = new Map<string, Timed>();
  const idOf = ({ startMs, key }: Timed): string => `${startMs} ${key}`;
  let newest: Timed | undefined;
  for (let i = 0; i < rows.length; i += 1) {
    const row = rows[i]!;
    const { line, startMs } = row;
    if (first.has(idOf(row))) {
      const block = doubledFrom(rows, i, (one) => first.has(idOf(one)));
      i += block.length - 1;
      tellDoubles(block, (one) => first.get(idOf(one))!.line, intervalMs, faults);
      continue;
    }
    first.set(idOf(row), row);
    if (newest !== undefined && startMs < newest.startMs)
      faults.add(
        line,
        `found ${isoUtc(startMs)}, expected a time after ${isoUtc(newest.startMs)} of line ${newest.line}`,
      );
    else newest = row;
  }
  if (intervalMs !== undefined && shape.interval !== undefined)
    for (const rowsOfKey of Map.groupBy(first.values(), ({ key }) => key).values())
      checkGaps(rowsOfKey, shape.isAligned === true, intervalMs, faults);
}

function tellDoubles(
  block: readonly Timed[],
  lineOfFirst: (row: Timed) => number,
  intervalMs: number | undefined,
  faults: Faults,
): void {
  const [{ line, startMs }] = block as readonly [Timed];
  const expected = 'expected one row for an interval';
  if (block.length * (intervalMs ?? 0) === HOUR && startMs % HOUR === 0 && mayBeClockChange(startMs)) {
    const found = `found the hour from ${isoUtc(startMs)} a second time (first in line ${lineOfFirst(block[0]!)})`;
    faults.add(line, `${found}, ${expected}: an hour doubled by a clock change? Times must be UTC`);
    return;
  }
  for (const row of block)
    faults.add(row.line, `found ${isoUtc(row.startMs)} a second time (first in line ${lineOfFirst(row)}), ${expected}`);
}

/** Rows from `i` on that stand in the file before, each later than the one before it. */
function doubledFrom(rows: readonly Timed[], i: number, isDouble: (row: Timed) => boolean): Timed[] {
  const block = [rows[i]!];
  for (let next = rows[i + 1]; next !== undefined && isDouble(next); next = rows[i + block.length]) {
    if (next.startMs <= block.at(-1)!.startMs) break;
    block.push(next);
  }
  return block;
}

/** Rows beside the grid of their interval are told as that, and fill the place that they are next to. */
function checkGaps(rows: readonly Timed[], isAligned: boolean, intervalMs: number, faults: Faults): void {
  const phaseMs = isAligned ? 0 : usualPhase(rows, intervalMs);
  const placed = rows.map((row) => ({
    row,
    startMs: phaseMs + Math.round((row.startMs - phaseMs) / intervalMs) * intervalMs,
  }));
  for (const { row, startMs } of placed)
    if (row.startMs !== startMs)
      faults.add(
        row.line,
        `found ${isoUtc(row.startMs)}, expected rows every ${spanText(intervalMs)}, such as ${isoUtc(startMs)}`,
      );
  placed.sort((a, b) => a.startMs - b.startMs);
  for (let i = 1; i < placed.length; i += 1) {
    const [beforeMs, { row, startMs }] = [placed[i - 1]!.startMs, placed[i]!];
    const step = startMs - beforeMs;
    if (step <= intervalMs || row.isAfterLost) continue;
    const isHour = step - intervalMs === HOUR && mayBeClockChange(beforeMs + intervalMs);
    const why = isHour ? ': an hour skipped by a clock change? Times must be UTC' : '';
    const found = `found ${isoUtc(startMs)} after ${isoUtc(beforeMs)}, expected every ${spanText(intervalMs)}`;
    faults.add(row.line, `${found}: ${missingText(beforeMs, startMs, intervalMs)}${why}`);
  }
}

/** How far past a whole interval most rows start, such as 53 minutes past the hour. */
function usualPhase(rows: readonly Timed[], intervalMs: number): number {
  const counts = new Map<number, number>();
  for (const { startMs } of rows) counts.set(startMs % intervalMs, (counts.get(startMs % intervalMs) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
}
