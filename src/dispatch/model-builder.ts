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
  readonly seriesOf: Int32Array;
  /** Index into `starts`, of each column or row. */
  readonly startOf: Int32Array;
}

/** A sparse linear program under construction, to be maximised. Names let a basis and duals be found again. */
export interface Model {
  /** Adds a column worth `usd` per unit within bounds; returns its index. */
  column(name: Name, usd: number, lower: number, upper: number): number;
  /** Adds `lower <= sum of [column, coefficient] <= upper`; returns its index. */
  row(name: Name, lower: number, upper: number, terms: readonly (readonly [column: number, by: number])[]): number;
  /** Prices a column that another part of the model made. */
  price(column: number, usd: number): void;
  /** What the columns are called by now. */
  columns(): Names;
  rows(): Names;
  /** Typed arrays as HiGHS takes them; `offsetUsd` is money no decision changes. */
  data(highs: Highs, offsetUsd: number): ModelData;
}

/** A name as people read it: `kind:of:at`. */
export const nameText = ([kind, of, at]: Name): string => `${kind}:${of === '' ? '' : `${of}:`}${at}`;

/** All names as people read them, by index. */
export const nameTexts = ({ series, starts, seriesOf, startOf }: Names): string[] =>
  Array.from(seriesOf, (s, i) => nameText([series[s]!.kind, series[s]!.of, starts[startOf[i]!]!]));

/** Numbers that become more, where a plain array would box each one of them. */
interface Numbers<Kept> {
  readonly length: number;
  /** Returns the index. */
  push(value: number): number;
  set(index: number, value: number): void;
  /** What there is, without a copy: nothing is added once it is asked for. */
  toArray(): Kept;
}

const FIRST_ROOM = 4096;

function createNumbers<Kept extends Float64Array | Int32Array>(make: (length: number) => Kept): Numbers<Kept> {
  let room = make(FIRST_ROOM);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(value) {
      if (length === room.length) {
        const wider = make(2 * length);
        wider.set(room);
        room = wider;
      }
      room[length] = value;
      return length++;
    },
    set: (index, value) => void (room[index] = value),
    toArray: () => room.subarray(0, length) as Kept,
  };
}
const createDoubles = (): Numbers<Float64Array> => createNumbers((length) => new Float64Array(length));
const createIntegers = (): Numbers<Int32Array> => createNumbers((length) => new Int32Array(length));

/** Names being given; `add` returns the index of the newest. */
function createNames(): { add(name: Name): number; names(): Names } {
  const series: Series[] = [];
  const starts: number[] = [];
  const seriesOf = createIntegers();
  const startOf = createIntegers();
  const byKind = new Map<string, Map<string, number>>();
  const byStart = new Map<number, number>();
  // Names come kind by kind and step by step, so that the newest of both is mostly the next one's.
  let kindNow = '';
  let ofKind = new Map<string, number>();
  let atNow = Number.NaN;
  let start = 0;
  return {
    add(name) {
      const kind = name[0];
      const of = name[1];
      const at = name[2];
      if (kind !== kindNow) {
        ofKind = byKind.get(kind) ?? new Map<string, number>();
        byKind.set(kind, ofKind);
        kindNow = kind;
      }
      let known = ofKind.get(of);
      if (known === undefined) ofKind.set(of, (known = series.push({ kind, of }) - 1));
      if (at !== atNow) {
        start = byStart.get(at) ?? starts.push(at) - 1;
        byStart.set(at, start);
        atNow = at;
      }
      startOf.push(start);
      return seriesOf.push(known);
    },
    names: () => ({ series, starts, seriesOf: seriesOf.toArray(), startOf: startOf.toArray() }),
  };
}

export function createModel(): Model {
  const cost = createDoubles();
  const lowers = createDoubles();
  const uppers = createDoubles();
  const columns = createNames();
  const rowLower = createDoubles();
  const rowUpper = createDoubles();
  const rows = createNames();
  const starts = createIntegers();
  const indices = createIntegers();
  const values = createDoubles();
  starts.push(0);
  return {
    columns: columns.names,
    rows: rows.names,
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
    price: (column, usd) => cost.set(column, usd),
    data: (highs, offsetUsd) => ({
      numCols: cost.length,
      numRows: rowLower.length,
      sense: highs.constants.objectiveSense.maximize,
      offset: offsetUsd,
      colCost: cost.toArray(),
      colLower: lowers.toArray(),
      colUpper: uppers.toArray(),
      rowLower: rowLower.toArray(),
      rowUpper: rowUpper.toArray(),
      matrix: {
        format: 'csr',
        numRows: rowLower.length,
        numCols: cost.length,
        starts: starts.toArray(),
        indices: indices.toArray(),
        values: values.toArray(),
      },
    }),
  };
}
