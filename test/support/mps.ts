import type { ModelData } from 'highs';

/** Shortest decimal that reads back as the same double. */
const digits = (value: number): string => String(value === 0 ? 0 : value);

/**
 * A program to be maximised, its whole numbers 0 or 1, as free MPS for solvers that minimise: costs are negated, the constant is left out.
 * Column `i` is called `C<i>` and row `i` `R<i>`; the objective is row `COST`.
 * @throws Error on a row that limits nothing, which no model here has, or on a matrix that is not stored by rows.
 */
export function toFreeMps({
  numCols,
  numRows,
  colCost,
  colLower,
  colUpper,
  rowLower,
  rowUpper,
  matrix,
  integrality,
}: ModelData): string {
  if (matrix.format !== 'csr') throw new Error('a matrix by rows is expected');
  const rows: string[] = [];
  const rhs: string[] = [];
  const ranges: string[] = [];
  const entries: string[][] = Array.from({ length: numCols }, () => []);
  for (let row = 0; row < numRows; row += 1) {
    const [lower, upper] = [rowLower[row]!, rowUpper[row]!];
    if (lower === -Infinity && upper === Infinity) throw new Error(`row ${row} limits nothing`);
    rows.push(` ${lower === upper ? 'E' : upper === Infinity ? 'G' : 'L'} R${row}`);
    rhs.push(` RHS R${row} ${digits(upper === Infinity ? lower : upper)}`);
    if (lower !== upper && lower > -Infinity && upper < Infinity) ranges.push(` RNG R${row} ${digits(upper - lower)}`);
    for (let at = matrix.starts[row]!; at < matrix.starts[row + 1]!; at += 1)
      entries[matrix.indices[at]!]!.push(` C${matrix.indices[at]!} R${row} ${digits(matrix.values[at]!)}`);
  }
  const bounds = Array.from({ length: numCols }, (_, column) =>
    (integrality?.[column] ?? 0) === 0
      ? boundsOf(column, colLower[column]!, colUpper[column]!)
      : [` BV BND C${column}`],
  );
  return [
    'NAME PLAN FREE',
    'ROWS',
    ' N COST',
    ...rows,
    'COLUMNS',
    ...entries.flatMap((own, column) => [` C${column} COST ${digits(-colCost[column]!)}`, ...own]),
    'RHS',
    ...rhs,
    'RANGES',
    ...ranges,
    'BOUNDS',
    ...bounds.flat(),
    'ENDATA',
    '',
  ].join('\n');
}

/** Both bounds are written, as readers differ in what a lone upper bound says of the lower one. */
function boundsOf(column: number, lower: number, upper: number): string[] {
  if (lower === upper) return [` FX BND C${column} ${digits(lower)}`];
  if (lower === -Infinity && upper === Infinity) return [` FR BND C${column}`];
  const low = lower === -Infinity ? ` MI BND C${column}` : ` LO BND C${column} ${digits(lower)}`;
  return upper === Infinity ? [low] : [low, ` UP BND C${column} ${digits(upper)}`];
}
