import type { Basis, Highs, Model as HighsModel } from 'highs';
import type { Model } from './model-builder.ts';

/** Where the last solve ended, by name, so that it serves a model whose horizon has moved on. */
export interface WarmStart {
  columns: Map<string, number>;
  rows: Map<string, number>;
}

export const createWarmStart = (): WarmStart => ({ columns: new Map(), rows: new Map() });

export function keepBasis(warm: WarmStart, model: Model, basis: Basis): void {
  warm.columns = new Map(model.columnNames.map((name, i) => [name, basis.colStatus[i]!]));
  warm.rows = new Map(model.rowNames.map((name, i) => [name, basis.rowStatus[i]!]));
}

/**
 * Starts the solver from the last basis where enough of it still fits: columns and rows are found by name (the name
 * holds the step's start), what is new starts outside the basis or as a slack, and the count of basic entries is made
 * right, as HiGHS wants as many as rows. Returns whether it did.
 */
export function useBasis(highs: Highs, warm: WarmStart, model: Model, solver: HighsModel): boolean {
  const { basic, lower } = highs.constants.basisStatus;
  const rows = kept(model.rowNames, warm.rows, basic, basic);
  if (rows.known * 2 < model.rowNames.length) return false;
  const columns = kept(model.columnNames, warm.columns, lower, basic);
  const rowStatus = rows.statuses;
  const colStatus = columns.statuses;
  let missing = rowStatus.length - columns.basic - rows.basic;
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

/** Statuses of what goes by these names, and how many of them are known and how many basic: one pass, as a year of plans asks often. */
function kept(names: readonly string[], last: ReadonlyMap<string, number>, otherwise: number, basic: number) {
  const statuses = new Int32Array(names.length);
  let known = 0;
  let basics = 0;
  for (let i = 0; i < names.length; i += 1) {
    const status = last.get(names[i]!);
    if (status !== undefined) known += 1;
    statuses[i] = status ?? otherwise;
    if (statuses[i] === basic) basics += 1;
  }
  return { statuses, known, basic: basics };
}
