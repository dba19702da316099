import { type Columns, type Constraint } from './constraint.ts';
import { constraints as allConstraints } from './constraints/index.ts';
import { leaseColumns } from './leases.ts';
import { createModel, type Model, scenarioOf } from './model-builder.ts';
import { type CoolingCurve, mostItW } from '../model/index.ts';
import { type Problem, type ProblemStep, undecidedW } from './problem.ts';
import { fixedUsd } from './shape.ts';

export interface LinearProgram {
  readonly model: Model;
  readonly columns: Columns;
  /** Money no decision changes: the block, bought at its price and settled at real time. */
  readonly offsetUsd: number;
  /** Columns of the other scenarios, in their order. */
  readonly others: readonly Columns[];
  /** Cooling of each hall and step with several segments, over all scenarios. */
  readonly staged: readonly StagedHeat[];
  /** Columns that are 0 or 1, over all scenarios. */
  readonly binaries: readonly number[];
}

/** Segments of one cooling curve: what a later one carries is real only once those before it are full. */
export interface StagedHeat {
  /** Column of each segment's IT power. */
  readonly columns: readonly number[];
  /** Most that each carries, of the most there can be in the hall. */
  readonly capacitiesMw: readonly number[];
}

/** Another way things may go from the same first step on. */
export interface ScenarioProblem {
  readonly problem: Problem;
  readonly probability: number;
}

/**
 * The linear program of a problem, to be maximised in $. Values and costs of the decisions stand on their columns
 * here; every limit and every price of a contract is a constraint of its own.
 *
 * The block is bought whatever happens and settled at real time, so a further watt costs the real-time price whether
 * it is bought above the block or kept from being sold out of it: import is priced at real time throughout, and the
 * block is a constant. Powers are in MW so that coefficients stay near one.
 *
 * @param constraints all of the folder unless a test wants fewer.
 * @param scenarios other ways things may go, with the same steps; what their probabilities leave is that of `problem`. What is decided
 *   in the first step is the same in all of them, as nobody knows yet which it is; later decisions are each scenario's own
 *   (two-stage stochastic programming: Birge and Louveaux 2011, ch. 3).
 */
export function buildLp(
  problem: Problem,
  constraints: readonly Constraint[] = allConstraints,
  scenarios: readonly ScenarioProblem[] = [],
): LinearProgram {
  const model = createModel();
  const own = 1 - scenarios.reduce((sum, { probability }) => sum + probability, 0);
  const columns = addProblem(scenarios.length === 0 ? model : scenarioOf(model, 0, own), problem, constraints);
  const others = scenarios.map((one, s) =>
    addProblem(scenarioOf(model, s + 1, one.probability), one.problem, constraints),
  );
  for (const [s, other] of others.entries()) decideAlike(model, problem, columns, other, s + 1);
  const offsetUsd = scenarios.reduce(
    (sum, one) => sum + one.probability * fixedUsd(one.problem),
    own * fixedUsd(problem),
  );
  const staged = [
    ...stagedHeat(problem, columns),
    ...scenarios.flatMap((one, s) => stagedHeat(one.problem, others[s]!)),
  ];
  return { model, columns, offsetUsd, others, staged, binaries: model.binaries() };
}

function stagedHeat(problem: Problem, { heatMw }: Columns): StagedHeat[] {
  if (heatMw.every((step) => step.every((columns) => columns.length === 0))) return [];
  const drawableW = problem.halls.map((hall) => undecidedW(hall));
  for (const { facts, hall, modes } of problem.cohorts)
    drawableW[hall]! += facts.machines * Math.max(...modes.map(({ powerW }) => powerW));
  for (const { facts, hall, demandGpus, points } of problem.work)
    drawableW[hall]! +=
      Math.max(...demandGpus) * Math.max(facts.marginalWPerGpu, ...points.map(({ marginalW }) => marginalW));
  return problem.steps.flatMap((step, t) =>
    heatMw[t]!.flatMap((columns, h) => {
      if (columns.length === 0) return [];
      const byBreakerW = mostItW(step.cooling[h]!, step.limits.hallW[h]! - problem.halls[h]!.cooling.baseW);
      const mostW = Math.min(step.limits.heatW[h]!, drawableW[h]!, byBreakerW);
      return [{ columns, capacitiesMw: capacitiesMw(step.cooling[h]!, mostW) }];
    }),
  );
}

/** What each segment carries of the most IT power there can be: the nearer to it, the sooner a search with binaries ends. */
function capacitiesMw(curve: CoolingCurve, mostW: number): number[] {
  let restW = mostW + ROUNDING_W;
  return curve.map(({ heatW }, k) => {
    const carriedW = Math.max(0, k === curve.length - 1 ? restW : Math.min(restW, heatW));
    restW -= carriedW;
    return carriedW / 1e6;
  });
}

/** Sums of as much may differ by their order. */
const ROUNDING_W = 1;

function addProblem(model: Model, problem: Problem, constraints: readonly Constraint[]): Columns {
  const columns = decisionColumns(model, problem);
  powerRows(model, problem, columns);
  for (const constraint of constraints) constraint.add(model, { problem, columns });
  return columns;
}

function decideAlike(
  model: Model,
  { steps, cohorts, work, leases }: Problem,
  one: Columns,
  other: Columns,
  s: number,
): void {
  const { start } = steps[0]!.facts;
  const alike = (of: string, a: number, b: number): void =>
    void model.row(['scenario', `${of}@${s}`, start], 0, 0, [
      [a, 1],
      [b, -1],
    ]);
  for (const [g, { modeNames }] of cohorts.entries())
    for (const [m, name] of modeNames.entries()) alike(name, one.machines[0]![g]![m]!, other.machines[0]![g]![m]!);
  for (const [i, { facts, points }] of work.entries()) {
    alike(facts.id, one.gpus[0]![i]!, other.gpus[0]![i]!);
    for (const [p, { powerLimitW }] of points.entries())
      alike(`${facts.id}:${powerLimitW}`, one.gpusAt[0]![i]![p]!, other.gpusAt[0]![i]![p]!);
  }
  for (const [l, { gpus }] of one.leases[0]!.entries())
    if (gpus !== undefined) alike(leases[l]!.facts.id, gpus, other.leases[0]![l]!.gpus!);
}

function decisionColumns(model: Model, problem: Problem): Columns {
  const { exportLimitW } = problem.snapshot.connection;
  const rows = problem.steps.map((step, t) => columnsOfStep(model, problem, step, t));
  const exportMw = rows.map((row) => row.exportMw).filter((column) => column !== undefined);
  return {
    machines: rows.map((row) => row.machines),
    wakes: rows.map((row) => row.wakes),
    gpus: rows.map((row) => row.gpus),
    gpusAt: rows.map((row) => row.gpusAt),
    unserved: rows.map((row) => row.unserved),
    itMw: rows.map((row) => row.itMw),
    coolingMw: rows.map((row) => row.coolingMw),
    heatMw: rows.map((row) => row.heatMw),
    importMw: rows.map((row) => row.importMw),
    exportMw: exportLimitW === undefined ? undefined : exportMw,
    leases: problem.steps.map((_, t) => (problem.leases.length === 0 ? [] : leaseColumns(model, problem, t))),
    generationMw: rows.map((row) => row.generationMw),
  };
}

const NO_COLUMNS: readonly number[] = [];

// A function of its own for each step, so that a hundred of them in every plan keep it compiled.
function columnsOfStep(
  model: Model,
  { snapshot, halls, cohorts, work, generators }: Problem,
  { facts: { start, priceUsdPerMwh }, hours, usdPerThHour, availableW, cooling }: ProblemStep,
  t: number,
) {
  const { exportLimitW, exportAdderUsdPerMwh = 0 } = snapshot.connection;
  const machines: number[][] = [];
  for (const { facts, modes, modeNames, now, pinned } of cohorts) {
    const columns: number[] = [];
    for (let m = 0; m < modes.length; m += 1) {
      const mode = modes[m]!;
      const most = mode.offered ? facts.machines : facts.held ? now[m]! : pinned[m]!;
      const usd = hours * usdPerThHour * mode.hashrateThs;
      columns.push(model.column(['machines', modeNames[m]!, start], usd, 0, most));
    }
    machines.push(columns);
  }
  return {
    machines,
    wakes: cohorts.map(({ facts }) => model.column(['wakes', facts.id, start], 0, 0, Infinity)),
    // Where a power limit is a choice, what a GPU earns stands on its point.
    gpus: work.map(({ facts, points }) =>
      model.column(['gpus', facts.id, start], points.length > 0 ? 0 : hours * facts.usdPerGpuHour, 0, Infinity),
    ),
    gpusAt: work.map(({ facts: { id, usdPerGpuHour }, points }) =>
      points.length === 0
        ? NO_COLUMNS
        : points.map(({ powerLimitW, paid }) =>
            model.column(['gpus-at', `${id}:${powerLimitW}`, start], hours * usdPerGpuHour * paid, 0, Infinity),
          ),
    ),
    unserved: work.map(({ facts, reservedGpus }) =>
      reservedGpus[t] === 0 ? undefined : model.column(['unserved', facts.id, start], 0, 0, Infinity),
    ),
    itMw: halls.map(({ id }) => model.column(['it', id, start], 0, 0, Infinity)),
    coolingMw: halls.map(({ id }) => model.column(['cooling', id, start], 0, 0, Infinity)),
    heatMw: halls.map(({ id }, h) => {
      const curve = cooling[h]!;
      if (curve.length === 1) return NO_COLUMNS;
      // The heat limit bounds what the last one carries.
      return curve.map(({ heatW }, k) =>
        model.column(['heat', `${id}/${k}`, start], 0, 0, k === curve.length - 1 ? Infinity : heatW / 1e6),
      );
    }),
    importMw: model.column(['import', '', start], -hours * priceUsdPerMwh, 0, Infinity),
    // Fed in, a MWh earns no more than one drawn costs: to draw and feed in at once never pays, and needs no rule of its own.
    exportMw:
      exportLimitW === undefined
        ? undefined
        : model.column(['export', '', start], hours * (priceUsdPerMwh - exportAdderUsdPerMwh), 0, exportLimitW / 1e6),
    generationMw: generators.map(({ id, usdPerMwh }, i) =>
      model.column(['generation', id, start], -hours * usdPerMwh, 0, availableW[i]! / 1e6),
    ),
  };
}

/** What power is: IT of a hall is the sum of its machines, import and what is made on site, less what is fed in, the sum of the halls with losses. */
function powerRows(model: Model, problem: Problem, columns: Columns): void {
  const { halls, cohorts, work } = problem;
  const inHall = halls.map((_, h) => ({
    cohorts: [...cohorts.keys()].filter((g) => cohorts[g]!.hall === h),
    work: [...work.keys()].filter((i) => work[i]!.hall === h),
  }));
  for (const t of problem.steps.keys()) powerRowsOfStep(model, problem, columns, t, inHall);
}

function powerRowsOfStep(
  model: Model,
  { steps, halls, cohorts, work, snapshot }: Problem,
  columns: Columns,
  t: number,
  inHall: readonly { readonly cohorts: readonly number[]; readonly work: readonly number[] }[],
): void {
  const { start } = steps[t]!.facts;
  const withLosses = 1 + snapshot.connection.lossFraction;
  for (let h = 0; h < halls.length; h += 1) {
    const hall = halls[h]!;
    const undecidedMw = undecidedW(hall) / 1e6;
    model.row(['it', hall.id, start], undecidedMw, undecidedMw);
    model.term(columns.itMw[t]![h]!, 1);
    for (const g of inHall[h]!.cohorts) {
      const { modes } = cohorts[g]!;
      const machines = columns.machines[t]![g]!;
      for (let m = 0; m < modes.length; m += 1) model.term(machines[m]!, -modes[m]!.powerW / 1e6);
    }
    for (const i of inHall[h]!.work) {
      const { points, facts } = work[i]!;
      if (points.length === 0) model.term(columns.gpus[t]![i]!, -facts.marginalWPerGpu / 1e6);
      for (let p = 0; p < points.length; p += 1) model.term(columns.gpusAt[t]![i]![p]!, -points[p]!.marginalW / 1e6);
    }
  }
  model.row(['import', '', start], 0, 0);
  model.term(columns.importMw[t]!, 1);
  for (const column of columns.itMw[t]!) model.term(column, -withLosses);
  for (const column of columns.coolingMw[t]!) model.term(column, -withLosses);
  for (const column of columns.generationMw[t]!) model.term(column, 1);
  if (columns.exportMw !== undefined) model.term(columns.exportMw[t]!, -1);
}
