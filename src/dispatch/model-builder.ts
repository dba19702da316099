import type { Highs, ModelData } from 'highs';

/**
 * What a column or row is about: its kind, the thing it is of (empty where there is one only), and the start of its
 * step. In parts, because a name of text for each of them would cost more than the solver does.
 */
export type Name = readonly [kind: string, of: string, at: number];

/** One kind of one thing, over all steps. */
export interface Series {
  readonly kind: string;
  readonly of: string;
}

/** Names of columns or of rows, by index. */
export interface Names {
  readonly series: readonly Series[];
  readonly starts: readonly number[];
  /** Index into `series`, of each column or row. */
  readonly seriesOf: readonly number[];
  /** Index into `starts`, of each column or row. */
  readonly startOf: readonly number[];
}

/** A sparse linear program under construction, to be maximised. Names let a basis and duals be found again. */
export interface Model {
  /** Adds a column worth `usd` per unit within bounds; returns its index. */
  column(name: Name, usd: number, lower: number, upper: number): number;
  /** Adds `lower <= sum of [column, coefficient] <= upper`; returns its index. */
  row(name: Name, lower: number, upper: number, terms: readonly (readonly [column: number, by: number])[]): number;
  /** Prices a column that another part of the model made. */
  price(column: number, usd: number): void;
  readonly columns: Names;
  readonly rows: Names;
  /** Typed arrays as HiGHS takes them; `offsetUsd` is money no decision changes. */
  data(highs: Highs, offsetUsd: number): ModelData;
}

/** A name as people read it: `kind:of:at`. */
export const nameText = ([kind, of, at]: Name): string => `${kind}:${of === '' ? '' : `${of}:`}${at}`;

/** All names as people read them, by index. */
export const nameTexts = ({ series, starts, seriesOf, startOf }: Names): string[] =>
  seriesOf.map((s, i) => nameText([series[s]!.kind, series[s]!.of, starts[startOf[i]!]!]));

/** Names being given; `add` returns the index of the newest. */
function createNames(): Names & { add(name: Name): number } {
  const series: Series[] = [];
  const starts: number[] = [];
  const seriesOf: number[] = [];
  const startOf: number[] = [];
  const byKind = new Map<string, Map<string, number>>();
  const byStart = new Map<number, number>();
  return {
    series,
    starts,
    seriesOf,
    startOf,
    add([kind, of, at]) {
      let ofKind = byKind.get(kind);
      if (ofKind === undefined) byKind.set(kind, (ofKind = new Map()));
      let known = ofKind.get(of);
      if (known === undefined) ofKind.set(of, (known = series.push({ kind, of }) - 1));
      let start = byStart.get(at);
      if (start === undefined) byStart.set(at, (start = starts.push(at) - 1));
      startOf.push(start);
      return seriesOf.push(known) - 1;
    },
  };
}

export function createModel(): Model {
  const cost: number[] = [];
  const lowers: number[] = [];
  const uppers: number[] = [];
  const columns = createNames();
  const rowLower: number[] = [];
  const rowUpper: number[] = [];
  const rows = createNames();
  const starts: number[] = [0];
  const indices: number[] = [];
  const values: number[] = [];
  return {
    columns,
    rows,
    column(name, usd, lower, upper) {
      if (!Number.isFinite(usd) || Number.isNaN(lower) || !(lower <= upper))
        throw new Error(`bad column ${nameText(name)}`);
      cost.push(usd);
      lowers.push(lower);
      uppers.push(upper);
      return columns.add(name);
    },
    row(name, lower, upper, terms) {
      if (!(lower <= upper)) throw new Error(`bad row ${nameText(name)}: ${lower}..${upper}`);
      for (const term of terms) {
        const by = term[1];
        if (!Number.isFinite(by)) throw new Error(`bad coefficient in row ${nameText(name)}`);
        if (by === 0) continue;
        indices.push(term[0]);
        values.push(by);
      }
      starts.push(indices.length);
      rowLower.push(lower);
      rowUpper.push(upper);
      return rows.add(name);
    },
    price(column, usd) {
      cost[column] = usd;
    },
    data: (highs, offsetUsd) => ({
      numCols: cost.length,
      numRows: rowLower.length,
      sense: highs.constants.objectiveSense.maximize,
      offset: offsetUsd,
      colCost: new Float64Array(cost),
      colLower: new Float64Array(lowers),
      colUpper: new Float64Array(uppers),
      rowLower: new Float64Array(rowLower),
      rowUpper: new Float64Array(rowUpper),
      matrix: {
        format: 'csr',
        numRows: rowLower.length,
        numCols: cost.length,
        starts: new Int32Array(starts),
        indices: new Int32Array(indices),
        values: new Float64Array(values),
      },
    }),
  };
}
