import type { Highs, ModelData } from 'highs';

/** A sparse linear program under construction, to be maximised. Names let a basis and duals be found again. */
export interface Model {
  /** Adds a column worth `usd` per unit within bounds; returns its index. */
  column(name: string, usd: number, lower: number, upper: number): number;
  /** Adds `lower <= sum of [column, coefficient] <= upper`; returns its index. */
  row(name: string, lower: number, upper: number, terms: readonly (readonly [column: number, by: number])[]): number;
  /** Prices a column that another part of the model made. */
  price(column: number, usd: number): void;
  readonly columnNames: readonly string[];
  readonly rowNames: readonly string[];
  /** Typed arrays as HiGHS takes them; `offsetUsd` is money no decision changes. */
  data(highs: Highs, offsetUsd: number): ModelData;
}

export function createModel(): Model {
  const cost: number[] = [];
  const lowers: number[] = [];
  const uppers: number[] = [];
  const columnNames: string[] = [];
  const rowLower: number[] = [];
  const rowUpper: number[] = [];
  const rowNames: string[] = [];
  const starts: number[] = [0];
  const indices: number[] = [];
  const values: number[] = [];
  return {
    columnNames,
    rowNames,
    column(name, usd, lower, upper) {
      if (!Number.isFinite(usd) || Number.isNaN(lower) || !(lower <= upper)) throw new Error(`bad column ${name}`);
      cost.push(usd);
      lowers.push(lower);
      uppers.push(upper);
      return columnNames.push(name) - 1;
    },
    row(name, lower, upper, terms) {
      if (!(lower <= upper)) throw new Error(`bad row ${name}: ${lower}..${upper}`);
      for (const [column, by] of terms) {
        if (!Number.isFinite(by)) throw new Error(`bad coefficient in row ${name}`);
        if (by === 0) continue;
        indices.push(column);
        values.push(by);
      }
      starts.push(indices.length);
      rowLower.push(lower);
      rowUpper.push(upper);
      return rowNames.push(name) - 1;
    },
    price(column, usd) {
      cost[column] = usd;
    },
    data: (highs, offsetUsd) => ({
      numCols: cost.length,
      numRows: rowLower.length,
      sense: highs.constants.objectiveSense.maximize,
      offset: offsetUsd,
      colCost: Float64Array.from(cost),
      colLower: Float64Array.from(lowers),
      colUpper: Float64Array.from(uppers),
      rowLower: Float64Array.from(rowLower),
      rowUpper: Float64Array.from(rowUpper),
      matrix: {
        format: 'csr',
        numRows: rowLower.length,
        numCols: cost.length,
        starts: Int32Array.from(starts),
        indices: Int32Array.from(indices),
        values: Float64Array.from(values),
      },
    }),
  };
}
