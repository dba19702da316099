import type { Highs, ModelData } from 'highs';
import { isoUtc } from '../model/index.ts';
import { type Model, type Name, type Names, withoutScenario } from './model-builder.ts';

/** What a limit is called, what it counts, and how unwilling anybody is to relax it, per unit. */
interface Elastic {
  readonly unit: 'MW' | 'machines' | 'GPUs' | 'Gbit/s' | '';
  readonly price: number;
  readonly words: (of: string) => string;
}

/** A machine draws some kilowatts: prices by the machine and by the MW stand in about that proportion. */
const PER_MACHINE = 1;
const PER_MW = 300;
/** A person lets go of a hold in a moment; a minimum time and a wake rate are the site's own rules. */
const RULE = 5;
const CONTRACT = 20;
/** Last of all, and only to say by how much: a breaker trips. */
const PHYSICS = 10_000;

const cohortOf = (modeName: string): string => modeName.split(':')[0]!;
const ELASTIC: ReadonlyMap<string, Elastic> = new Map<string, Elastic>([
  ['held', { unit: 'machines', price: PER_MACHINE, words: (of) => `the hold of a person on ${cohortOf(of)}` }],
  ['pinned', { unit: 'machines', price: PER_MACHINE * RULE, words: (of) => `the minimum time of ${cohortOf(of)}` }],
  ['minimum-times:on', { unit: 'machines', price: PER_MACHINE * RULE, words: (of) => `the minimum on time of ${of}` }],
  [
    'minimum-times:off',
    { unit: 'machines', price: PER_MACHINE * RULE, words: (of) => `the minimum off time of ${of}` },
  ],
  ['wake-rate', { unit: 'machines', price: PER_MACHINE * RULE, words: (of) => `the wake rate of hall ${of}` }],
  ['uplink', { unit: 'Gbit/s', price: PER_MW * PHYSICS, words: (of) => `the uplink of hall ${of}` }],
  ['feeder-limit', { unit: 'MW', price: PER_MW * PHYSICS, words: (of) => `the rating of feeder ${of}` }],
  ['hall-breaker', { unit: 'MW', price: PER_MW * PHYSICS, words: (of) => `the breaker of hall ${of}` }],
  ['heat-limit', { unit: 'MW', price: PER_MW * PHYSICS, words: (of) => `the cooling of hall ${of}` }],
  ['connection-limit', { unit: 'MW', price: PER_MW * PHYSICS, words: () => 'the limit of the connection' }],
]);

/** Rows that say what a figure is, and such as a column of their own prices already: nothing of them can be relaxed. */
const DEFINITIONS: ReadonlySet<string> = new Set([
  'it',
  'import',
  'cooling',
  'cooling:heat',
  'cohort-conservation',
  'scenario',
  'work-demand',
  'power-limits',
  'wake-cost',
  'retune-cost',
  'interrupt-cost',
  'reserved-penalty',
  'minimum-times:slept',
  'ramp:up',
  'ramp:down',
  'demand-charge',
  'coincident-peak',
  'availability',
  'curtailment-budget',
  'curtailment-budget:unserved',
  'deadline',
  'non-preemptible',
  'program-call',
  'lease:capacity',
  'lease:taken',
  'awards:award',
  'awards:held',
  'ballast:asleep',
  'ballast:breaker',
  'ballast:heat',
  'ballast:shed',
  'ballast:take',
]);

/** Any other row is a term of a contract. */
const elasticOf = (kind: string): Elastic =>
  ELASTIC.get(kind) ?? {
    unit: '',
    price: PER_MW * CONTRACT,
    words: (of) => `${kind.replaceAll(/[-:]/g, ' ')}${of === '' ? '' : ` of ${of}`}`,
  };

/** A limit, by how much the cheapest way out relaxes it at most, and where it does. */
export interface Relaxation {
  readonly kind: string;
  readonly of: string;
  readonly amount: number;
  readonly at: number;
}

export interface Conflicts {
  /** Limits that cannot all be kept, in words; those to relax among them. */
  readonly between: readonly string[];
  /** Relaxed by so much each, at every step, all of them can be kept. */
  readonly relax: readonly Relaxation[];
}

/** Solver noise is no reason to relax anything. */
const NOISE = 1e-6;

/**
 * Which limits of an infeasible model conflict, and the cheapest of them to relax: the same rows with a slack on each limit
 * (an elastic program, Chinneck 2008, "Feasibility and Infeasibility in Optimization", ch. 6), priced by how unwilling anybody is, and
 * money left out. Rows with a dual there hold each other: they are the conflict. Undefined where no relaxing helps or the
 * time is over.
 */
export function conflictsOf(highs: Highs, model: Model, timeLimitMs?: number): Conflicts | undefined {
  const rows = model.rows();
  const { data, slacks } = elastic(highs, model.data(highs, 0), rows);
  return highs.withModel(data, (solver): Conflicts | undefined => {
    solver.options.set({ output_flag: false, solver: 'simplex' });
    if (timeLimitMs !== undefined) solver.options.set({ time_limit: timeLimitMs / 1000 });
    solver.run();
    if (solver.getModelStatus() !== highs.constants.modelStatus.optimal) return undefined;
    const { colValue, rowDual } = solver.getSolution();
    const relax = new Map<string, Relaxation>();
    for (const { column, row } of slacks) {
      const amount = colValue[column]!;
      if (amount <= NOISE) continue;
      const [kind, of, at] = nameOfRow(rows, row);
      const key = `${kind} ${of}`;
      if ((relax.get(key)?.amount ?? 0) < amount) relax.set(key, { kind, of, amount, at });
    }
    if (relax.size === 0) return undefined;
    const between = new Set([...relax.values()].map(({ kind, of }) => elasticOf(kind).words(of)));
    for (const { row } of slacks) {
      if (Math.abs(rowDual[row]!) <= NOISE) continue;
      const [kind, of] = nameOfRow(rows, row);
      between.add(elasticOf(kind).words(of));
    }
    return { between: [...between], relax: [...relax.values()] };
  });
}

const nameOfRow = ({ series, starts, seriesOf, startOf }: Names, row: number): Name => {
  const { kind, of } = series[seriesOf[row]!]!;
  return [kind, withoutScenario(of), starts[startOf[row]!]!];
};

interface Slack {
  readonly column: number;
  readonly row: number;
}

/** The model with a slack column on either bounded side of each limit, and nothing but slacks to pay for. */
function elastic(highs: Highs, data: ModelData, rows: Names): { data: ModelData; slacks: Slack[] } {
  const { matrix } = data;
  const numCols = data.numCols;
  const slacks: Slack[] = [];
  const prices: number[] = [];
  const starts: number[] = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < data.numRows; row += 1) {
    for (let i = matrix.starts[row]!; i < matrix.starts[row + 1]!; i += 1) {
      indices.push(matrix.indices[i]!);
      values.push(matrix.values[i]!);
    }
    const [kind] = nameOfRow(rows, row);
    if (!DEFINITIONS.has(kind)) {
      for (const [bound, by] of [
        [data.rowUpper[row]!, -1],
        [data.rowLower[row]!, 1],
      ] as const) {
        if (!Number.isFinite(bound)) continue;
        const column = numCols + slacks.length;
        slacks.push({ column, row });
        prices.push(-elasticOf(kind).price);
        indices.push(column);
        values.push(by);
      }
    }
    starts.push(indices.length);
  }
  const all = numCols + slacks.length;
  const wider = (from: ArrayLike<number>, rest: number): Float64Array => {
    const to = new Float64Array(all).fill(rest);
    to.set(from);
    return to;
  };
  const colCost = new Float64Array(all);
  colCost.set(prices, numCols);
  return {
    slacks,
    data: {
      ...data,
      numCols: all,
      sense: highs.constants.objectiveSense.maximize,
      colCost,
      colLower: wider(data.colLower, 0),
      colUpper: wider(data.colUpper, Infinity),
      matrix: {
        format: 'csr',
        numRows: data.numRows,
        numCols: all,
        starts: Int32Array.from(starts),
        indices: Int32Array.from(indices),
        values: Float64Array.from(values),
      },
    },
  };
}

/** What conflicts and what to do about it, in sentences for people. */
export function conflictsText({ between, relax }: Conflicts): string {
  const steps = relax.map(({ kind, of, amount, at }) => {
    const { unit, words } = elasticOf(kind);
    const by = unit === 'machines' || unit === 'GPUs' ? Math.ceil(amount - NOISE) : amount.toFixed(3);
    return `${words(of)} by ${by}${unit === '' ? '' : ` ${unit}`} (at ${isoUtc(at)})`;
  });
  const conflict = between.length > 1 ? `${listed(between)} cannot all be kept` : `${between[0]} cannot be kept`;
  return `${conflict}; the cheapest way out is to relax ${listed([...new Set(steps)])}`;
}

const listed = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
