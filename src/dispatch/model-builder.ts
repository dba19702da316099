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
  /** Adds a column that is 0 or 1, worth `usd` where it is 1; returns its index. */
  binary(name: Name, usd: number): number;
  /** Adds `lower <= sum of [column, coefficient] <= upper`; returns its index. */
  row(name: Name, lower: number, upper: number, terms?: readonly (readonly [column: number, by: number])[]): number;
  /** Adds a term to the newest row: of rows there are thousands of, lists of pairs would cost more than the solver's reading of them. */
  term(column: number, by: number): void;
  /** Prices a column that another part of the model made. */
  price(column: number, usd: number): void;
  /** What the columns are called by now. */
  columns(): Names;
  rows(): Names;
  /** Indices of the columns that are 0 or 1. */
  binaries(): readonly number[];
  /** Typed arrays as HiGHS takes them, binaries as any number between; `offsetUsd` is money no decision changes. */
  data(highs: Highs, offsetUsd: number): ModelData;
}

/** A name as people read it: `kind:of:at`. */
export const nameText = ([kind, of, at]: Name): string => `${kind}:${of === '' ? '' : `${of}:`}${at}`;

/** All names as people read them, by index. */
export const nameTexts = ({ series, starts, seriesOf, startOf }: Names): string[] =>
  Array.from(seriesOf, (s, i) => nameText([series[s]!.kind, series[s]!.of, starts[startOf[i]!]!]));

const FIRST_ROOM = 4096;

// Classes, whose code stays compiled from one model to the next; closures of each model would start slow again.

/** Numbers that become more, where a plain array would box each one of them. */
class Doubles {
  #room = new Float64Array(FIRST_ROOM);
  length = 0;

  /** Returns the index. */
  push(value: number): number {
    if (this.length === this.#room.length) this.#room = wider(this.#room, new Float64Array(2 * this.length));
    this.#room[this.length] = value;
    return this.length++;
  }
  set(index: number, value: number): void {
    this.#room[index] = value;
  }
  /** What there is, without a copy: nothing is added once it is asked for. */
  toArray(): Float64Array {
    return this.#room.subarray(0, this.length);
  }
}

/** The same for whole numbers. */
class Integers {
  #room = new Int32Array(FIRST_ROOM);
  length = 0;

  push(value: number): number {
    if (this.length === this.#room.length) this.#room = wider(this.#room, new Int32Array(2 * this.length));
    this.#room[this.length] = value;
    return this.length++;
  }
  set(index: number, value: number): void {
    this.#room[index] = value;
  }
  toArray(): Int32Array {
    return this.#room.subarray(0, this.length);
  }
}

function wider<Room extends Float64Array | Int32Array>(room: Room, into: Room): Room {
  into.set(room);
  return into;
}

/** Names being given; `add` returns the index of the newest. */
class GivenNames {
  readonly #series: Series[] = [];
  readonly #starts: number[] = [];
  readonly #seriesOf = new Integers();
  readonly #startOf = new Integers();
  readonly #byKind = new Map<string, Map<string, number>>();
  readonly #byStart = new Map<number, number>();
  // Names come kind by kind and step by step, so that the newest of both is mostly the next one's.
  #kindNow = '';
  #ofKind = new Map<string, number>();
  #atNow = Number.NaN;
  #start = 0;

  add(name: Name): number {
    const kind = name[0];
    const of = name[1];
    const at = name[2];
    if (kind !== this.#kindNow) {
      this.#ofKind = this.#byKind.get(kind) ?? new Map<string, number>();
      this.#byKind.set(kind, this.#ofKind);
      this.#kindNow = kind;
    }
    let known = this.#ofKind.get(of);
    if (known === undefined) this.#ofKind.set(of, (known = this.#series.push({ kind, of }) - 1));
    if (at !== this.#atNow) {
      this.#start = this.#byStart.get(at) ?? this.#starts.push(at) - 1;
      this.#byStart.set(at, this.#start);
      this.#atNow = at;
    }
    this.#startOf.push(this.#start);
    return this.#seriesOf.push(known);
  }

  names(): Names {
    return {
      series: this.#series,
      starts: this.#starts,
      seriesOf: this.#seriesOf.toArray(),
      startOf: this.#startOf.toArray(),
    };
  }
}

const NO_TERMS: readonly (readonly [number, number])[] = [];

class ModelBuilder implements Model {
  readonly #cost = new Doubles();
  readonly #lowers = new Doubles();
  readonly #uppers = new Doubles();
  readonly #columns = new GivenNames();
  readonly #binaries: number[] = [];
  readonly #rowLower = new Doubles();
  readonly #rowUpper = new Doubles();
  readonly #rows = new GivenNames();
  readonly #starts = new Integers();
  readonly #indices = new Integers();
  readonly #values = new Doubles();

  constructor() {
    this.#starts.push(0);
  }

  column(name: Name, usd: number, lower: number, upper: number): number {
    if (!Number.isFinite(usd) || Number.isNaN(lower) || !(lower <= upper))
      throw new Error(`bad column ${nameText(name)}`);
    this.#cost.push(usd);
    this.#lowers.push(lower);
    this.#uppers.push(upper);
    return this.#columns.add(name);
  }

  binary(name: Name, usd: number): number {
    const index = this.column(name, usd, 0, 1);
    this.#binaries.push(index);
    return index;
  }

  row(
    name: Name,
    lower: number,
    upper: number,
    terms: readonly (readonly [column: number, by: number])[] = NO_TERMS,
  ): number {
    if (!(lower <= upper)) throw new Error(`bad row ${nameText(name)}: ${lower}..${upper}`);
    this.#rowLower.push(lower);
    this.#rowUpper.push(upper);
    this.#starts.push(this.#indices.length);
    const row = this.#rows.add(name);
    for (let i = 0; i < terms.length; i += 1) this.term(terms[i]![0], terms[i]![1]);
    return row;
  }

  term(column: number, by: number): void {
    if (!Number.isFinite(by)) throw new Error(`bad coefficient in row ${nameTexts(this.rows()).at(-1)}`);
    if (by === 0) return;
    this.#indices.push(column);
    this.#starts.set(this.#rowLower.length, this.#values.push(by) + 1);
  }

  price(column: number, usd: number): void {
    this.#cost.set(column, usd);
  }

  columns(): Names {
    return this.#columns.names();
  }

  rows(): Names {
    return this.#rows.names();
  }

  binaries(): readonly number[] {
    return this.#binaries;
  }

  data(highs: Highs, offsetUsd: number): ModelData {
    const numCols = this.#cost.length;
    const numRows = this.#rowLower.length;
    return {
      numCols,
      numRows,
      sense: highs.constants.objectiveSense.maximize,
      offset: offsetUsd,
      colCost: this.#cost.toArray(),
      colLower: this.#lowers.toArray(),
      colUpper: this.#uppers.toArray(),
      rowLower: this.#rowLower.toArray(),
      rowUpper: this.#rowUpper.toArray(),
      matrix: {
        format: 'csr',
        numRows,
        numCols,
        starts: this.#starts.toArray(),
        indices: this.#indices.toArray(),
        values: this.#values.toArray(),
      },
    };
  }
}

export const createModel = (): Model => new ModelBuilder();

const SCENARIO_MARK = '@';

/** A part of a model that stands for one of several ways things may go: its money counts by its probability, its names are its own. */
export function scenarioOf(model: Model, scenario: number, probability: number): Model {
  const named = ([kind, of, at]: Name): Name => [kind, `${of}${SCENARIO_MARK}${scenario}`, at];
  return {
    column: (name, usd, lower, upper) => model.column(named(name), probability * usd, lower, upper),
    binary: (name, usd) => model.binary(named(name), probability * usd),
    row: (name, lower, upper, terms) => model.row(named(name), lower, upper, terms),
    term: (column, by) => model.term(column, by),
    price: (column, usd) => model.price(column, probability * usd),
    columns: () => model.columns(),
    rows: () => model.rows(),
    binaries: () => model.binaries(),
    data: (highs, offsetUsd) => model.data(highs, offsetUsd),
  };
}

/** The thing a name is of, whatever the scenario: a dual of one thing is the sum over all of them. */
export const withoutScenario = (of: string): string => of.split(SCENARIO_MARK, 1)[0]!;
