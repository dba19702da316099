import type { Basis, Highs, Model as HighsModel } from 'highs';
import type { Model, Names } from './model-builder.ts';

/** Where the last solve ended, by name, so that it serves a model whose horizon has moved on. */
export interface WarmStart {
  columns: Statuses;
  rows: Statuses;
}

/** Statuses of one solve, a series a line and a start a place in it. */
interface Statuses {
  readonly series: ReadonlyMap<string, number>;
  readonly starts: ReadonlyMap<number, number>;
  readonly table: Int8Array;
}

const UNKNOWN = -1;
const NONE: Statuses = { series: new Map(), starts: new Map(), table: new Int8Array() };

export const createWarmStart = (): WarmStart => ({ columns: NONE, rows: NONE });

export function keepBasis(warm: WarmStart, model: Model, basis: Basis): void {
  warm.columns = statusesOf(model.columns(), basis.colStatus);
  warm.rows = statusesOf(model.rows(), basis.rowStatus);
}

/** No kind holds a space. */
const seriesKey = ({ kind, of }: Names['series'][number]): string => `${kind} ${of}`;

function statusesOf({ series, starts, seriesOf, startOf }: Names, statuses: ArrayLike<number>): Statuses {
  const table = new Int8Array(series.length * starts.length).fill(UNKNOWN);
  const width = starts.length;
  for (let i = 0; i < seriesOf.length; i += 1) table[seriesOf[i]! * width + startOf[i]!] = statuses[i]!;
  return {
    series: new Map(series.map((one, s) => [seriesKey(one), s])),
    starts: new Map(starts.map((start, i) => [start, i])),
    table,
  };
}

/** The kept status of each column or row, `UNKNOWN` for those that are new. */
function recall(kept: Statuses, { series, starts, seriesOf, startOf }: Names): Int32Array {
  const lines = series.map((one) => kept.series.get(seriesKey(one)));
  const places = starts.map((start) => kept.starts.get(start));
  const width = kept.starts.size;
  const statuses = new Int32Array(seriesOf.length).fill(UNKNOWN);
  for (let i = 0; i < statuses.length; i += 1) {
    const line = lines[seriesOf[i]!];
    const place = places[startOf[i]!];
    if (line !== undefined && place !== undefined) statuses[i] = kept.table[line * width + place]!;
  }
  return statuses;
}

/**
 * Starts the solver from the last basis where enough of it still fits: columns and rows are found by name (the name
 * holds the step's start), what is new starts outside the basis or as a slack, and the count of basic entries is made
 * right, as HiGHS wants as many as rows. Returns whether it did.
 */
export function useBasis(highs: Highs, warm: WarmStart, model: Model, solver: HighsModel): boolean {
  const { basic, lower } = highs.constants.basisStatus;
  const rowStatus = recall(warm.rows, model.rows());
  if (2 * fillUnknown(rowStatus, basic) > rowStatus.length) return false;
  const colStatus = recall(warm.columns, model.columns());
  fillUnknown(colStatus, lower);
  let missing = rowStatus.length - count(colStatus, basic) - count(rowStatus, basic);
  for (let i = rowStatus.length - 1; i >= 0 && missing > 0; i -= 1) {
    if (rowStatus[i] === basic) continue;
    rowStatus[i] = basic;
    missing -= 1;
  }
  for (let i = colStatus.length - 1; i >= 0 && missing < 0; i -= 1) {
    if (colStatus[i] !== basic) continue;
    colStatus[i] = lower;
    missing += 1;
  }
  solver.setBasis({ colStatus, rowStatus });
  return true;
}

/** Returns how many there were. */
function fillUnknown(statuses: Int32Array, status: number): number {
  let filled = 0;
  for (let i = 0; i < statuses.length; i += 1) {
    if (statuses[i] !== UNKNOWN) continue;
    statuses[i] = status;
    filled += 1;
  }
  return filled;
}

function count(statuses: Int32Array, wanted: number): number {
  let found = 0;
  for (const status of statuses) if (status === wanted) found += 1;
  return found;
}
