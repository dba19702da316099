import type { Highs, ModelData } from 'highs';
import type { LinearProgram, StagedHeat } from './lp.ts';
import type { Model } from './model-builder.ts';
import type { PlanOptions, Solved } from './plan.ts';

/** What is solved: a program, with the cooling in it that has several segments and the columns that are 0 or 1. */
export type Tightened = Pick<LinearProgram, 'model' | 'offsetUsd'> &
  Partial<Pick<LinearProgram, 'staged' | 'binaries'>>;

type SolveLp = (highs: Highs, program: Pick<LinearProgram, 'model' | 'offsetUsd'>, options: PlanOptions) => Solved;

/** Less heat than this is noise of the solver. */
const NOISE_MW = 1e-6;
/** As near to 0 or 1 as this it is that. */
const WHOLE = 1e-5;
/** After so many rounds every curve gets its binaries: what one round ties down can show in another place. */
const ROUNDS = 4;
/** Of a plan's money; the program's own tolerance is as wide. */
const RELATIVE_GAP = 1e-7;

/**
 * The best solution in which no cooling is bought that nobody runs. Where a watt costs money, the cheap segment of a
 * convex curve fills first by itself; where one is worth money, the dear one does. Those curves alone get binaries, by
 * which a segment is used only when the ones before it are full (Williams 2013, "Model Building in Mathematical
 * Programming", ch. 9), and the program is solved once more with what they say, for its duals. Columns that are 0 or 1 by their nature
 * are solved as whole numbers only where they do not come out so by themselves.
 * @returns with `proven` only where the program with binaries was solved to its end, too
 */
export function solveTight(highs: Highs, program: Tightened, options: PlanOptions, solveLp: SolveLp): Solved {
  const { model, offsetUsd, staged = [], binaries = [] } = program;
  const loosely = solveLp(highs, program, options);
  const tied = new Set(looseOf(staged, loosely.solution.colValue));
  const isParted = binaries.some((column) => partOf(loosely.solution.colValue[column]!) > WHOLE);
  if (tied.size === 0 && !isParted) return loosely;
  let { solveMs, iterations } = loosely;
  let colValue: ArrayLike<number> = loosely.solution.colValue;
  const leftMs = (): number | undefined =>
    options.timeLimitMs === undefined ? undefined : Math.max(1, options.timeLimitMs - solveMs);
  for (let round = 1; ; round += 1) {
    if (round > ROUNDS) for (const one of staged) tied.add(one);
    const left = leftMs();
    // The program that comes after it needs time, too.
    const mixed = solveMixed(
      highs,
      withBinaries(highs, model.data(highs, offsetUsd), [...tied], binaries),
      left === undefined ? undefined : left / 2,
      options.cancelled,
    );
    solveMs += mixed.solveMs;
    if (mixed.colValue !== undefined) ({ colValue } = mixed);
    const loose = looseOf(staged, colValue).filter((one) => !tied.has(one));
    if (mixed.proven && loose.length > 0) {
      for (const one of loose) tied.add(one);
      continue;
    }
    // Out of time, every curve is held to the segment its IT power is on: no decision has to change for that.
    const held = mixed.proven ? [...tied] : staged;
    const limit = leftMs();
    const solved = solveLp(
      highs,
      { model: heldTo(model, held, binaries, colValue), offsetUsd },
      limit === undefined ? options : { ...options, timeLimitMs: limit },
    );
    solveMs += solved.solveMs;
    iterations += solved.iterations;
    const again = looseOf(staged, solved.solution.colValue).filter((one) => !held.includes(one));
    if (again.length === 0) return { ...solved, proven: solved.proven && mixed.proven, solveMs, iterations };
    for (const one of again) tied.add(one);
  }
}

/** How far a value between 0 and 1 is from the nearer of them. */
const partOf = (value: number): number => Math.min(Math.abs(value), Math.abs(1 - value));

/** Curves of which a later segment carries heat while one before it is not full. */
function looseOf(staged: readonly StagedHeat[], colValue: ArrayLike<number>): StagedHeat[] {
  return staged.filter(({ columns, capacitiesMw }) => {
    const open = columns.findIndex((column, k) => colValue[column]! < capacitiesMw[k]! - NOISE_MW);
    return open >= 0 && columns.some((column, k) => k > open && colValue[column]! > NOISE_MW);
  });
}

/**
 * The same program with each curve held to the segment that its IT power is on, and each binary to what it is; one that time ran out on is
 * taken for 1, which any of the other values allows.
 */
function heldTo(
  model: Model,
  held: readonly StagedHeat[],
  binaries: readonly number[],
  colValue: ArrayLike<number>,
): Model {
  return {
    column: (...column) => model.column(...column),
    binary: (...binary) => model.binary(...binary),
    binaries: () => model.binaries(),
    row: (...row) => model.row(...row),
    term: (column, by) => model.term(column, by),
    price: (column, usd) => model.price(column, usd),
    columns: () => model.columns(),
    rows: () => model.rows(),
    data: (highs, offsetUsd) => {
      const data = model.data(highs, offsetUsd);
      const colLower = Float64Array.from(data.colLower);
      const colUpper = Float64Array.from(data.colUpper);
      for (const { columns, capacitiesMw } of held) {
        let restMw = columns.reduce((sum, column) => sum + colValue[column]!, 0);
        let isPast = false;
        for (const [k, column] of columns.entries()) {
          const isLast = k === columns.length - 1;
          const isFull = !isLast && restMw > capacitiesMw[k]! + NOISE_MW;
          if (isPast) colUpper[column] = 0;
          else if (isFull) colLower[column] = capacitiesMw[k]!;
          isPast ||= !isFull;
          restMw -= capacitiesMw[k]!;
        }
      }
      for (const column of binaries) {
        const value = colValue[column]!;
        if (value > WHOLE) colLower[column] = 1;
        // What the solver takes for 0 stays allowed: where something just fits, 0 itself may not.
        else colUpper[column] = Math.max(0, value);
      }
      return { ...data, colLower, colUpper };
    },
  };
}

/**
 * A program with its own columns that are 0 or 1, and with binaries for some curves after all of its columns and rows: each of these says
 * whether a segment may be used, which it may only where the one before it is full.
 */
export function withBinaries(
  highs: Highs,
  data: ModelData,
  curves: readonly StagedHeat[],
  binaries: readonly number[] = [],
): ModelData {
  const { integer, continuous } = highs.constants.variableType;
  const { matrix } = data;
  if (matrix.format !== 'csr') throw new Error('a matrix by rows is expected');
  const starts = [...matrix.starts];
  const indices = [...matrix.indices];
  const values = [...matrix.values];
  const rowLower = [...data.rowLower];
  const rowUpper = [...data.rowUpper];
  let numCols = data.numCols;
  const row = (lower: number, upper: number, terms: readonly (readonly [column: number, by: number])[]): void => {
    rowLower.push(lower);
    rowUpper.push(upper);
    for (const [column, by] of terms) {
      indices.push(column);
      values.push(by);
    }
    starts.push(indices.length);
  };
  for (const { columns, capacitiesMw } of curves)
    for (let k = 1; k < columns.length; k += 1) {
      const used = numCols;
      numCols += 1;
      row(-Infinity, 0, [
        [columns[k]!, 1],
        [used, -capacitiesMw[k]!],
      ]);
      row(0, Infinity, [
        [columns[k - 1]!, 1],
        [used, -capacitiesMw[k - 1]!],
      ]);
    }
  const own = new Set(binaries);
  const added = (value: number): number[] => Array.from({ length: numCols - data.numCols }, () => value);
  return {
    ...data,
    numCols,
    numRows: rowLower.length,
    colCost: [...data.colCost, ...added(0)],
    colLower: [...data.colLower, ...added(0)],
    colUpper: [...data.colUpper, ...added(1)],
    integrality: Int32Array.from({ length: numCols }, (_, i) =>
      i < data.numCols && !own.has(i) ? continuous : integer,
    ),
    rowLower,
    rowUpper,
    matrix: { format: 'csr', numRows: rowLower.length, numCols, starts, indices, values },
  };
}

interface Mixed {
  /** Undefined where none was found. */
  readonly colValue: ArrayLike<number> | undefined;
  readonly proven: boolean;
  readonly solveMs: number;
}

function solveMixed(
  highs: Highs,
  data: ModelData,
  timeLimitMs: number | undefined,
  cancelled: PlanOptions['cancelled'],
): Mixed {
  const first = mixedWith(highs, data, 'choose', timeLimitMs, cancelled);
  if (!first.hasErred) return first;
  // Once in a thousand programs with a limit that none can keep, what presolve leaves ends in an error of the solver's own.
  const second = mixedWith(highs, data, 'off', timeLimitMs, cancelled);
  return { ...second, solveMs: first.solveMs + second.solveMs };
}

function mixedWith(
  highs: Highs,
  data: ModelData,
  presolve: 'choose' | 'off',
  timeLimitMs: number | undefined,
  cancelled: PlanOptions['cancelled'],
): Mixed & { readonly hasErred: boolean } {
  const { modelStatus, callbackType } = highs.constants;
  return highs.withModel(data, (solver) => {
    solver.options.set({ output_flag: false, mip_rel_gap: RELATIVE_GAP, presolve });
    if (timeLimitMs !== undefined) solver.options.set({ time_limit: timeLimitMs / 1000 });
    try {
      if (cancelled === undefined) solver.run();
      else
        solver.run({
          [callbackType.mipInterrupt](event) {
            if (cancelled()) event.interrupt();
          },
        });
    } catch (error) {
      if (!(error instanceof highs.errors.HighsError)) throw error;
      return { colValue: undefined, proven: false, solveMs: solver.getRunTime() * 1000, hasErred: true };
    }
    const status = solver.getModelStatus();
    if (cancelled?.() === true) throw new Error('the solver found no plan: interrupt');
    const FEASIBLE = 2; // HiGHS: kSolutionStatusFeasible
    const isFeasible = solver.info.get('primal_solution_status') === FEASIBLE;
    return {
      colValue: isFeasible ? solver.getSolution().colValue : undefined,
      proven: status === modelStatus.optimal,
      solveMs: solver.getRunTime() * 1000,
      hasErred: false,
    };
  });
}
