import {
  cooledW,
  coolingCurve,
  type CohortFacts,
  type CoolingCurve,
  type FeederFacts,
  type Forecast,
  type ForecastStep,
  type GeneratorFacts,
  type HallFacts,
  heatLimitW,
  type LeaseFacts,
  HOUR,
  isoUtc,
  MINUTE,
  type Snapshot,
  type WorkFacts,
  type WorkPoint,
} from '../model/index.ts';
import { usdPerThHour } from './economics.ts';
import { type Mode, modesOf } from './modes.ts';
import { workW } from './work-points.ts';

/** Machines within their minimum on or off time keep their mode this long; the next plan knows better. */
const PINNED_FOR = 5 * MINUTE;

export interface ProblemCohort {
  readonly facts: CohortFacts;
  readonly hall: number;
  readonly modes: readonly Mode[];
  /** `cohort:mode` by mode, what the model calls them. */
  readonly modeNames: readonly string[];
  /** Machines now in each of `modes`; machines in a mode not offered are in none of them. */
  readonly now: readonly number[];
  readonly pinned: readonly number[];
}

export interface ProblemWork {
  readonly facts: WorkFacts;
  readonly hall: number;
  /** GPUs wanted, by step. */
  readonly demandGpus: readonly number[];
  /** GPUs whose absence a contract penalises, by step. */
  readonly reservedGpus: readonly number[];
  /** Ascending by power, the last at full power; none where nobody measured, or there is nothing to choose. */
  readonly points: readonly WorkPoint[];
}

/** A lease, with the index of the class of work that it serves; undefined where it serves none that can be priced. */
export interface ProblemLease {
  readonly facts: LeaseFacts;
  readonly work: number | undefined;
}

/** What a step allows: a limit, or what no decision can shed where that is already more. */
export interface StepLimits {
  readonly connectionW: number;
  readonly hallW: readonly number[];
  /** IT power that each hall's cooling plant can carry; infinite where the hall names no stages. */
  readonly heatW: readonly number[];
  readonly feederW: readonly number[];
}

/** An electrical node, with the halls below it as indices. */
export interface ProblemFeeder {
  readonly facts: FeederFacts;
  readonly halls: readonly number[];
}

export interface ProblemStep {
  readonly facts: ForecastStep;
  readonly hours: number;
  readonly pinned: boolean;
  /** Cooling by IT power, by hall. */
  readonly cooling: readonly CoolingCurve[];
  readonly usdPerThHour: number;
  readonly limits: StepLimits;
  /** What each generator can make. */
  readonly availableW: readonly number[];
}

/** Snapshot and forecast in the form both solvers use: indices for names, modes chosen, limits made reachable. */
export interface Problem {
  readonly snapshot: Snapshot;
  readonly forecast: Forecast;
  readonly halls: readonly HallFacts[];
  readonly feeders: readonly ProblemFeeder[];
  readonly generators: readonly GeneratorFacts[];
  readonly cohorts: readonly ProblemCohort[];
  readonly work: readonly ProblemWork[];
  readonly leases: readonly ProblemLease[];
  /** Indices of `work` that share the GPUs of one part, and one role where nodes have roles. */
  readonly parts: readonly { readonly gpus: number; readonly work: readonly number[] }[];
  readonly steps: readonly ProblemStep[];
  /** One sentence for each limit that cannot be kept whatever is decided. */
  readonly exceeded: readonly string[];
}

/** Machines by cohort and mode index, GPUs by class of work, and watts by generator, during one step. */
export interface Decision {
  readonly machines: readonly (readonly number[])[];
  readonly gpus: readonly number[];
  /** Of the GPUs those at each measured power limit; absent: all at full power. */
  readonly gpusAt?: readonly (readonly number[])[];
  /** Parts of GPUs that cutting the counts to whole ones left out; absent: none was cut. */
  readonly cutGpus?: readonly number[];
  readonly generationW: readonly number[];
  /** By lease; absent where there are none. */
  readonly leases?: readonly LeaseDecision[];
}

/** What is decided of a lease; see `LeaseColumns`. */
export interface LeaseDecision {
  readonly keptChips: number;
  readonly moreChips: number;
  readonly gpus: number;
}

/** @throws Error where the snapshot contradicts itself: that is a bug of whoever built it. */
export function pose(snapshot: Snapshot, forecast: Forecast): Problem {
  if (forecast.steps.length === 0) throw new Error('a forecast without steps cannot be planned');
  const halls = snapshot.halls;
  const hallIndex = (id: string): number => {
    const index = halls.findIndex((hall) => hall.id === id);
    if (index < 0) throw new Error(`no hall ${id} in the snapshot`);
    return index;
  };
  const feeders = (snapshot.feeders ?? []).map((facts) => ({ facts, halls: facts.hallIds.map(hallIndex) }));
  const cohorts = snapshot.cohorts.map((facts) => poseCohort(facts, hallIndex(facts.hallId)));
  const work = snapshot.work.map((facts): ProblemWork => {
    const nowGpus = facts.runningGpus + facts.queuedGpus + facts.heldGpus;
    const demandGpus = forecast.steps.map(({ wantedGpus }, t) =>
      t === 0 ? nowGpus : (wantedGpus?.[facts.id] ?? nowGpus),
    );
    const reservedGpus = demandGpus.map((gpus) => Math.min(facts.committedGpus, gpus));
    return { facts, hall: hallIndex(facts.hallId), demandGpus, reservedGpus, points: pointsOf(facts) };
  });
  const generators = snapshot.generation ?? [];
  const exceeded = new Map<string, string>();
  const steps = forecast.steps.map((facts): ProblemStep => {
    const pinned = facts.start < forecast.madeAt + PINNED_FOR;
    const cooling = halls.map((hall) => coolingCurve(hall.cooling, facts.wetBulbC));
    const availableW = generators.map((one) => availableOf(one, facts));
    const makesW = availableW.reduce((sum, watts) => sum + watts, 0);
    const limits = reachableLimits(snapshot, feeders, cohorts, facts, pinned, cooling, makesW, exceeded);
    const value = usdPerThHour(facts.hashpriceUsdPerPhDay, snapshot.mining.keptFraction);
    return { facts, hours: facts.durationMs / HOUR, pinned, cooling, usdPerThHour: value, limits, availableW };
  });
  return {
    snapshot,
    forecast,
    halls,
    feeders,
    generators,
    cohorts,
    work,
    leases: (snapshot.leases ?? []).map((facts) => {
      const index = work.findIndex((one) => one.facts.id === facts.serves?.work);
      return { facts, work: index < 0 ? undefined : index };
    }),
    parts: partsOf(work),
    steps,
    exceeded: [...exceeded.values()],
  };
}

/** Machines that come in parts, as a study has them, carry the solver's noise. */
const COUNTS_ALIKE = 1e-4;

function poseCohort(facts: CohortFacts, hall: number): ProblemCohort {
  const total = Object.values(facts.now).reduce((sum, n) => sum + n, 0);
  if (Math.abs(total - facts.machines) > COUNTS_ALIKE)
    throw new Error(`cohort ${facts.id}: ${total} modes for ${facts.machines} machines`);
  for (const [key, machines] of Object.entries(facts.pinned)) {
    if (machines > (facts.now[key] ?? 0)) throw new Error(`cohort ${facts.id}: more pinned in ${key} than are in it`);
  }
  const modes = modesOf(facts);
  const count = (by: Readonly<Record<string, number>>): number[] => modes.map((mode) => by[mode.key] ?? 0);
  const modeNames = modes.map((mode) => `${facts.id}:${mode.key}`);
  return { facts, hall, modes, modeNames, now: count(facts.now), pinned: count(facts.pinned) };
}

function pointsOf({ id, points = [], marginalWPerGpu }: WorkFacts): readonly WorkPoint[] {
  if (points.length < 2) return [];
  if (points.some((point, p) => p > 0 && point.marginalW <= points[p - 1]!.marginalW))
    throw new Error(`work ${id}: power points that do not rise`);
  if (points.at(-1)!.marginalW !== marginalWPerGpu) throw new Error(`work ${id}: the last point is not full power`);
  return points;
}

/** Classes of work of one key share GPUs. */
export const partKey = ({ gpuModel, hallId, roleId }: Pick<WorkFacts, 'gpuModel' | 'hallId' | 'roleId'>): string =>
  roleId === undefined ? `${gpuModel} ${hallId}` : `${gpuModel} ${hallId} ${roleId}`;

function partsOf(work: readonly ProblemWork[]): Problem['parts'] {
  const parts = new Map<string, { gpus: number; work: number[] }>();
  work.forEach(({ facts }, index) => {
    const key = partKey(facts);
    const part = parts.get(key);
    if (part === undefined) parts.set(key, { gpus: facts.partGpus, work: [index] });
    else {
      part.gpus = Math.min(part.gpus, facts.partGpus);
      part.work.push(index);
    }
  });
  return [...parts.values()];
}

/**
 * What a generator can make during a step, in whole W, as less is beyond what a solver can tell from nothing: as its series tells, and no
 * more than it can at all.
 */
function availableOf({ series, capacityW, untoldW }: GeneratorFacts, { availableMw }: ForecastStep): number {
  const told = series === undefined ? undefined : availableMw?.[series];
  return Math.floor(told === undefined ? untoldW : Math.min(capacityW, Math.max(0, told * 1e6)));
}

/**
 * What one wake costs, in $: as the site says, or the hash that a machine was seen to miss while it comes up, at its lowest point, where that
 * is more.
 */
export function wakeUsd({ snapshot, steps }: Problem, { facts, modes }: ProblemCohort, t: number): number {
  const missedHours = (facts.wakeSeconds ?? 0) / 3_600;
  const missedUsd = missedHours * steps[t]!.usdPerThHour * (modes[1]?.hashrateThs ?? 0);
  return Math.max(snapshot.mining.wakeUsdPerMachine, missedUsd);
}

/** IT power that no decision changes: fixed draw, and silent machines, which still draw. */
export const undecidedW = (hall: HallFacts): number => hall.fixedW + hall.silent.powerW;

/** What a hall draws, cooling included, when `decidedW` of its IT follows the plan. */
export const hallLoadW = (hall: HallFacts, cooling: CoolingCurve, decidedW: number): number =>
  cooledW(cooling, undecidedW(hall) + decidedW) + hall.cooling.baseW;

/**
 * What halls draw together at a node above them. The site's losses are counted in full below every node: where between the
 * connection and the halls they arise nobody measures, and a node that carries less than is thought is safe.
 * @param loadW of every hall of the site
 */
export function feederLoadW(halls: Iterable<number>, loadW: readonly number[], lossFraction: number): number {
  let sum = 0;
  for (const h of halls) sum += loadW[h]!;
  return sum * (1 + lossFraction);
}

/** IT power of a decision, by hall. */
export function decidedByHallW(problem: Problem, decision: Decision): number[] {
  const watts = problem.halls.map(() => 0);
  problem.cohorts.forEach((cohort, g) => {
    const machines = decision.machines[g]!;
    for (let m = 0; m < machines.length; m += 1) watts[cohort.hall]! += cohort.modes[m]!.powerW * machines[m]!;
  });
  problem.work.forEach(({ hall }, i) => {
    watts[hall]! += workW(problem, decision, i);
  });
  return watts;
}

/** The least a cohort can draw: asleep, but for those a person holds or a minimum time pins. */
function leastW(cohort: ProblemCohort, pinned: boolean): number {
  const { facts, modes } = cohort;
  const kept = facts.held ? cohort.now : pinned ? cohort.pinned : modes.map(() => 0);
  const free = facts.machines - kept.reduce((sum, n) => sum + n, 0);
  return modes.reduce((sum, mode, m) => sum + mode.powerW * kept[m]!, free * facts.sleepW);
}

/**
 * Limits of one step. Where even the least load is over a limit, that load becomes the limit: the plan then does all
 * it can and says so, which is of more use than "infeasible".
 */
function reachableLimits(
  snapshot: Snapshot,
  feeders: readonly ProblemFeeder[],
  cohorts: readonly ProblemCohort[],
  step: ForecastStep,
  pinned: boolean,
  cooling: readonly CoolingCurve[],
  makesW: number,
  exceeded: Map<string, string>,
): StepLimits {
  const reach = (key: string, name: string, limitW: number, leastW: number, halls?: readonly number[]): number => {
    if (leastW > limitW && !exceeded.has(key)) {
      const over = ((leastW - limitW) / 1e6).toFixed(3);
      exceeded.set(
        key,
        `${name} is over its limit by ${over} MW at ${isoUtc(step.start)} with all that may stop stopped${heldUpBy(snapshot, cohorts, halls)}`,
      );
    }
    return Math.max(limitW, leastW);
  };
  const leastIt = snapshot.halls.map(() => 0);
  for (const cohort of cohorts) leastIt[cohort.hall]! += leastW(cohort, pinned);
  const { usableW, lossFraction } = snapshot.connection;
  const least = snapshot.halls.map((hall, h) => hallLoadW(hall, cooling[h]!, leastIt[h]!));
  const leastOf = (halls: Iterable<number>): number => feederLoadW(halls, least, lossFraction);
  return {
    connectionW: reach('connection', 'the connection', usableW, leastOf(least.keys()) - makesW),
    hallW: snapshot.halls.map(({ id, usableW: limitW }, h) =>
      reach(`hall:${id}`, `hall ${id}`, limitW, least[h]!, [h]),
    ),
    heatW: snapshot.halls.map((hall, h) =>
      reach(
        `heat:${hall.id}`,
        `the cooling of hall ${hall.id}`,
        heatLimitW(cooling[h]!),
        undecidedW(hall) + leastIt[h]!,
        [h],
      ),
    ),
    feederW: feeders.map(({ facts: { id, usableW: limitW }, halls }) =>
      reach(`feeder:${id}`, `feeder ${id}`, limitW, leastOf(halls), halls),
    ),
  };
}

/** What draws on whatever is decided, and what a person could release of it, dearest first; of some halls or all. */
function heldUpBy(snapshot: Snapshot, cohorts: readonly ProblemCohort[], halls?: readonly number[]): string {
  const parts: { readonly watts: number; readonly words: string; readonly release?: string }[] = [];
  for (const [h, { id, fixedW, silent }] of snapshot.halls.entries()) {
    if (halls?.includes(h) === false) continue;
    parts.push({ watts: silent.powerW, words: `${silent.machines} silent machines of hall ${id}` });
    parts.push({ watts: fixedW, words: `fixed load of hall ${id}` });
  }
  for (const { facts, hall: at, modes, now } of cohorts) {
    if (!facts.held || halls?.includes(at) === false) continue;
    const freed = modes.reduce((sum, { powerW }, m) => sum + (powerW - facts.sleepW) * now[m]!, 0);
    parts.push(
      facts.waits === true
        ? { watts: freed, words: `${facts.id}, which the plan may not move by itself` }
        : { watts: freed, words: `${facts.id}, held by a person`, release: facts.id },
    );
  }
  const drawing = parts.filter(({ watts }) => watts >= 500).toSorted((a, b) => b.watts - a.watts);
  if (drawing.length === 0) return '';
  const mw = (watts: number): string => `${(watts / 1e6).toFixed(3)} MW`;
  const release = drawing.find((part) => part.release !== undefined);
  return `: ${drawing.map(({ watts, words }) => `${mw(watts)} is ${words}`).join(', ')}${
    release === undefined ? '' : `; releasing ${release.release} frees ${mw(release.watts)} of IT power`
  }`;
}

/** Steps that began less than `ms` before step `t`, itself included. */
export function stepsWithin({ steps }: Problem, ms: number, t: number): number[] {
  const at = steps[t]?.facts.start;
  if (at === undefined || ms <= 0) return [];
  const found = [t];
  for (let s = t - 1; s >= 0 && steps[s]!.facts.start > at - ms; s -= 1) found.unshift(s);
  return found;
}

/** GPUs that are wanted no more from step `t` on: as many are taken to end by themselves, which interrupts nothing. */
export const endedGpus = ({ demandGpus }: ProblemWork, t: number): number =>
  t === 0 ? 0 : Math.max(0, demandGpus[t - 1]! - demandGpus[t]!);

/** Machines of a hall that may be woken during a step. */
export const wakesAllowed = (hall: HallFacts, step: ProblemStep): number =>
  (hall.wakesPerMinute * step.facts.durationMs) / MINUTE;
