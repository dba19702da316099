import type { Highs, Solution } from 'highs';
import type { Forecast, Plan, Snapshot } from '../model/index.ts';
import { availabilityNotes } from './availability.ts';
import { keepBasis, useBasis, type WarmStart } from './basis.ts';
import type { Columns, LeaseColumns } from './constraint.ts';
import { conflictsOf, conflictsText } from './conflicts.ts';
import { buildLp, type LinearProgram } from './lp.ts';
import { withoutScenario } from './model-builder.ts';
import { leaseProposals } from './leases.ts';
import { planId } from './plan-id.ts';
import { type Decision, type LeaseDecision, pose, type Problem } from './problem.ts';
import { roundFirst } from './round.ts';
import { moneyOf, shapeSteps } from './shape.ts';
import { solveTight, type Tightened } from './tight-cooling.ts';
import { whyOf } from './why.ts';

/** A way things may go. */
export interface Scenario {
  readonly probability: number;
  readonly forecast: Forecast;
}

export interface PlanOptions {
  /** Solver time after which the best solution so far is taken, and called `feasible`. */
  readonly timeLimitMs?: number;
  /** Kept between calls: the next solve starts where the last one ended. Updated in place. */
  readonly warm?: WarmStart;
  /** Asked now and then while solving; true ends the solve without a plan. */
  readonly cancelled?: () => boolean;
  /** Carried into the plan, before its own notes: what the forecast had to assume. */
  readonly notes?: readonly string[];
  /** Other ways things may go, with the same steps as the forecast; what their probabilities leave is that of the forecast. */
  readonly scenarios?: readonly Scenario[];
  /** False leaves out `why`, for whoever makes thousands of plans and asks none of them. */
  readonly why?: boolean;
  /** False leaves the first step in parts of machines, for whoever asks what whole ones cost; nobody can carry that out. */
  readonly whole?: boolean;
}

/**
 * The plan that earns most over the horizon by the forecast, or on the mean of it and other scenarios: its steps are then those of the
 * forecast, its money the mean. Pure but for `options.warm`.
 * @throws Error where the solver ends without a usable solution (cancelled, out of time before any, numerical trouble), where limits
 *   conflict, then with their names and the cheapest to relax, and where the snapshot contradicts itself. Limits that cannot be kept are
 *   no error: see `status`.
 */
export function planWith(highs: Highs, snapshot: Snapshot, forecast: Forecast, options: PlanOptions = {}): Plan {
  const problem = pose(snapshot, forecast);
  const scenarios = (options.scenarios ?? []).map((one) => ({ ...one, problem: pose(snapshot, one.forecast) }));
  const program = buildLp(problem, undefined, scenarios);
  const solved = solve(highs, program, options);
  const decisionsOf = (columns: Columns): Decision[] =>
    problem.steps.map((_, t) => decisionAt(problem, columns, solved.solution, t));
  const decisions = decisionsOf(program.columns);
  if (options.whole !== false) decisions[0] = roundFirst(problem, decisions[0]!);
  const objectiveUsd = scenarios.reduce(
    (usd, one, s) => {
      const own = [decisions[0]!, ...decisionsOf(program.others[s]!).slice(1)];
      return usd + one.probability * (moneyOf(one.problem, own) - moneyOf(problem, decisions));
    },
    moneyOf(problem, decisions),
  );
  const reached = solved.proven ? 'optimal' : 'feasible';
  return {
    id: planId('highs', snapshot, forecast),
    madeAt: forecast.madeAt,
    solver: 'highs',
    status: problem.exceeded.length > 0 ? 'limits-exceeded' : reached,
    solveMs: solved.solveMs,
    objectiveUsd,
    steps: shapeSteps(problem, decisions, solved.proven ? shadowPrices(problem, program, solved.solution) : []),
    notes: [...(options.notes ?? []), ...problem.exceeded, ...availabilityNotes(problem, decisions)],
    ...(problem.leases.length === 0 || options.why === false ? {} : { proposals: leaseProposals(problem, decisions) }),
    why: solved.proven && options.why !== false ? whyOf(problem, program, solved.solution, decisions[0]!) : undefined,
  };
}

export interface Solved {
  readonly solution: Solution;
  readonly proven: boolean;
  readonly objectiveUsd: number;
  readonly iterations: number;
  /** By the solver's own clock. */
  readonly solveMs: number;
}

/**
 * The best solution of a program.
 * @throws Error as `planWith` does
 */
export const solve = (highs: Highs, program: Tightened, options: PlanOptions): Solved =>
  solveTight(highs, program, options, solveLp);

function solveLp(
  highs: Highs,
  { model, offsetUsd }: Pick<LinearProgram, 'model' | 'offsetUsd'>,
  options: PlanOptions,
): Solved {
  const { modelStatus, callbackType } = highs.constants;
  const { cancelled, timeLimitMs, warm } = options;
  const solved = highs.withModel(model.data(highs, offsetUsd), (solver): Solved | undefined => {
    solver.options.set({ output_flag: false, solver: 'simplex' });
    if (timeLimitMs !== undefined) solver.options.set({ time_limit: timeLimitMs / 1000 });
    if (warm !== undefined) useBasis(highs, warm, model, solver);
    if (cancelled === undefined) solver.run();
    else {
      solver.run({
        [callbackType.simplexInterrupt](event) {
          if (cancelled()) event.interrupt();
        },
      });
    }
    const status = solver.getModelStatus();
    const proven = status === modelStatus.optimal;
    const FEASIBLE = 2; // HiGHS: kSolutionStatusFeasible
    const usable =
      proven || (status === modelStatus.timeLimit && solver.info.get('primal_solution_status') === FEASIBLE);
    if (status === modelStatus.infeasible || status === modelStatus.unboundedOrInfeasible) return undefined;
    if (!usable) throw new Error(`the solver found no plan: ${nameOf(modelStatus, status)}`);
    if (warm !== undefined && proven) keepBasis(warm, model, solver.getBasis());
    const objectiveUsd = solver.getObjectiveValue();
    const iterations = Number(solver.info.get('simplex_iteration_count'));
    return { solution: solver.getSolution(), proven, objectiveUsd, iterations, solveMs: solver.getRunTime() * 1000 };
  });
  if (solved !== undefined) return solved;
  const conflicts = conflictsOf(highs, model, timeLimitMs);
  throw new Error(
    `no plan keeps all limits: ${conflicts === undefined ? 'which of them conflict was not found' : conflictsText(conflicts)}`,
  );
}

const nameOf = (names: Readonly<Record<string, number>>, code: number): string =>
  Object.keys(names).find((name) => names[name] === code) ?? `model status ${code}`;

/** Solver noise of a millionth of a machine is cut off. */
const clean = (value: number): number => Math.max(0, Math.round(value * 1e6) / 1e6);

function decisionAt(problem: Problem, columns: Columns, { colValue }: Solution, t: number): Decision {
  const read = (column: number): number => clean(colValue[column]!);
  const gpusAt = columns.gpusAt[t]!.map((at) => at.map(read));
  return {
    machines: problem.cohorts.map((_, g) => columns.machines[t]![g]!.map(read)),
    gpus: columns.gpus[t]!.map((column, i) =>
      gpusAt[i]!.length === 0 ? read(column) : gpusAt[i]!.reduce((sum, gpus) => sum + gpus, 0),
    ),
    gpusAt,
    generationW: columns.generationMw[t]!.map((column) => 1e6 * read(column)),
    ...(problem.leases.length === 0 ? {} : { leases: columns.leases[t]!.map((one) => leaseAt(one, read)) }),
  };
}

const leaseAt = ({ kept, more, gpus }: LeaseColumns, read: (column: number) => number): LeaseDecision => ({
  keptChips: read(kept),
  moreChips: more === undefined ? 0 : read(more),
  gpus: gpus === undefined ? 0 : read(gpus),
});

/** Below this a dual is solver noise. */
const NO_VALUE_USD_PER_MWH = 1e-4;

/** Duals of the power limits in $/MWh, by step, keyed `connection`, `feeder:<id>` and `hall:<id>`. */
function shadowPrices({ steps }: Problem, { model }: LinearProgram, { rowDual }: Solution): Record<string, number>[] {
  const { series, starts, seriesOf, startOf } = model.rows();
  const limits = series.map(({ kind, of: named }) => {
    const of = withoutScenario(named);
    if (kind === 'connection-limit') return 'connection';
    if (kind === 'feeder-limit') return `feeder:${of}`;
    return kind === 'hall-breaker' ? `hall:${of}` : undefined;
  });
  const stepAt = new Map(steps.map(({ facts }, t) => [facts.start as number, t]));
  const shadows = steps.map((): Record<string, number> => ({}));
  for (let row = 0; row < seriesOf.length; row += 1) {
    const limit = limits[seriesOf[row]!];
    if (limit === undefined) continue;
    const t = stepAt.get(starts[startOf[row]!]!)!;
    const usdPerMwh = Math.abs(rowDual[row]!) / steps[t]!.hours;
    if (usdPerMwh > NO_VALUE_USD_PER_MWH) shadows[t]![limit] = (shadows[t]![limit] ?? 0) + usdPerMwh;
  }
  return shadows;
}
