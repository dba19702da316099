import type { Solution } from 'highs';
import { type BindingLimit, type CohortWhy, marginalPerW, type PlanWhy, type WorkWhy } from '../model/index.ts';
import { awardsAt, deadlinesOf, meets } from './awards.ts';
import { callsAt } from './calls.ts';
import { leasedGpus } from './leases.ts';
import type { LinearProgram } from './lp.ts';
import { withoutScenario } from './model-builder.ts';
import { deadlinePart } from './deadline.ts';
import {
  type Decision,
  decidedByHallW,
  type Problem,
  type ProblemCohort,
  type ProblemWork,
  undecidedW,
  partKey,
} from './problem.ts';
import { atPoints, type AtPoint, servingGpus } from './work-points.ts';

/**
 * Reads the reasons for the first step out of a proven solution. A row's dual is what one more of its right side would earn: of a
 * limit that is its worth, and of the row that sums a hall's IT power it is, turned round, what one more MW of load in that hall costs
 * in all: energy, cooling, losses, and whatever limit, peak or ramp it presses on.
 */
export function whyOf(problem: Problem, { model }: LinearProgram, { rowDual }: Solution, decision: Decision): PlanWhy {
  const { facts, hours } = problem.steps[0]!;
  const { series, starts, seriesOf, startOf } = model.rows();
  const duals = new Map<string, number>();
  const budgets = new Map<string, number>();
  const late = new Map<string, number>();
  const missable = new Map<string, number>();
  let peakUsdPerMw = 0;
  const things = series.map(({ kind, of: named }) => ({ kind, of: withoutScenario(named) }));
  for (let row = 0; row < seriesOf.length; row += 1) {
    const { kind, of } = things[seriesOf[row]!]!;
    // The peak of the month is one limit over all steps: what it is worth is the sum.
    if (kind === 'demand-charge') peakUsdPerMw += Math.abs(rowDual[row]!);
    if (kind === 'curtailment-budget') budgets.set(of, (budgets.get(of) ?? 0) + Math.abs(rowDual[row]!));
    if (kind === 'availability') {
      const id = of.slice(0, of.lastIndexOf('/'));
      missable.set(id, (missable.get(id) ?? 0) + Math.abs(rowDual[row]!));
    }
    if (kind === 'deadline') late.set(of, (late.get(of) ?? 0) + Math.abs(rowDual[row]!));
    if (starts[startOf[row]!] !== facts.start) continue;
    const key = `${kind} ${of}`;
    duals.set(key, (duals.get(key) ?? 0) + rowDual[row]!);
  }
  const perHour = (kind: string, of = ''): number => (duals.get(`${kind} ${of}`) ?? 0) / hours;
  const itUsdPerMwh = problem.halls.map(({ id }) => -perHour('it', id));
  const deadlines = deadlinesOf(awardsAt(problem, 0));
  /** What a MW of IT that runs earns by being there to shed, by cohort. */
  const reserveUsdPerMwh = problem.cohorts.map((cohort) =>
    deadlines.reduce((sum, d) => sum + (meets(cohort, d) ? perHour('awards:held', String(d)) : 0), 0),
  );
  const limits = limitsOf(problem, perHour, peakUsdPerMw, { budgets, missable, late });
  const atMeter = perWattOfIt(problem, decision);
  const cohorts = problem.cohorts.flatMap((cohort, g) =>
    cohortWhy(
      problem,
      cohort,
      decision.machines[g]!,
      itUsdPerMwh[cohort.hall]! - reserveUsdPerMwh[g]!,
      atMeter[cohort.hall]!,
    ),
  );
  const gpuUsdPerMwh = problem.halls.map((_, h) => itUsdPerMwh[h]! + swingUsdPerMwh(problem, perHour));
  const ladders = problem.work.map((one, i): Ladders => {
    const { id, curtailment, availability, penaltyUsdPerGpuHour } = one.facts;
    const lateUsd = ((late.get(id) ?? 0) * (deadlinePart(problem, i)?.hours[0] ?? 0)) / hours;
    const isPenalty = curtailment === undefined && availability === undefined;
    const owedUsd = isPenalty ? penaltyUsdPerGpuHour : -perHour('reserved-penalty', id);
    // Where as many serve as are reserved, one less is owed for and one more is not.
    const spare = servingGpus(problem, decision, i) + leasedGpus(problem, decision, i) - one.reservedGpus[0]!;
    return {
      down: ladderOf(one, lateUsd, spare < 0.5 ? owedUsd : 0),
      up: ladderOf(one, lateUsd, spare <= -0.5 ? owedUsd : 0),
    };
  });
  const work = problem.work.flatMap((one, i) =>
    workWhy(problem, one, atPoints(problem, decision, i), ladders[i]!, gpuUsdPerMwh[one.hall]!, atMeter[one.hall]!),
  );
  const slowed = slowedOf(problem, decision, ladders, gpuUsdPerMwh, limits, atMeter);
  const changes = [...changesOf(problem, decision, itUsdPerMwh, reserveUsdPerMwh, limits, atMeter), ...slowed]
    .sort((a, b) => b.watts - a.watts)
    .map(({ sentence }) => sentence);
  return { limits, cohorts, ...(work.length === 0 ? {} : { work }), changes };
}

/** Below this a dual is noise of the solver. */
const NO_VALUE_USD_PER_HOUR = 0.01;

function limitsOf(
  problem: Problem,
  perHour: (kind: string, of?: string) => number,
  peakUsdPerMw: number,
  gpuHours: Readonly<Record<'budgets' | 'missable' | 'late', ReadonlyMap<string, number>>>,
): BindingLimit[] {
  const limit = (key: string, where: string, unit: BindingLimit['unit'], usdPerHour: number): BindingLimit => ({
    key,
    unit,
    usdPerHour,
    sentence: `1 ${unit} more ${where} is worth ${dollars(usdPerHour)} an hour now`,
  });
  const found = [
    limit('connection', 'at the connection', 'MW', perHour('connection-limit')),
    ...problem.feeders.map(({ facts: { id } }) =>
      limit(`feeder:${id}`, `at feeder ${id}`, 'MW', perHour('feeder-limit', id)),
    ),
    ...deadlinesOf(awardsAt(problem, 0)).map((d) =>
      limit(`reserve:${d}`, `that can be shed within ${d} s`, 'MW', perHour('awards:held', String(d))),
    ),
    ...callsAt(problem, 0).map(({ facts: { id } }) =>
      limit(`call:${id}`, `while ${id} is called`, 'MW', perHour('program-call', id)),
    ),
    limit('base-point', 'while a base point is followed', 'MW', perHour('base-point:band')),
    limit('ballast:shed', 'of miners that can shed at once', 'MW', perHour('ballast:shed')),
    limit('ballast:take', 'of miners that can take up load at once', 'MW', perHour('ballast:take')),
    ...problem.halls.flatMap(({ id }) => [
      limit(`hall:${id}`, `at hall ${id}`, 'MW', perHour('hall-breaker', id)),
      limit(`cooling:${id}`, `of heat that the cooling of hall ${id} carries`, 'MW', perHour('heat-limit', id)),
      limit(`wakes:${id}`, `in hall ${id}`, 'wake', perHour('wake-rate', id)),
      limit(`uplink:${id}`, `of uplink at hall ${id}`, 'Gbit/s', perHour('uplink', id)),
    ]),
    ...problem.leases.map(({ facts: { id, serves } }) =>
      limit(`lease:${id}`, `of lease ${id}`, 'chip', (serves?.gpusPerChip ?? 0) * perHour('lease:capacity', id)),
    ),
    ...problem.parts.map(({ work }, p) => {
      const { facts } = problem.work[work[0]!]!;
      const role = facts.roleId === undefined ? '' : ` for ${facts.roleId}`;
      const where = `of ${facts.gpuModel} in hall ${facts.hallId}${role}`;
      return limit(`part:${partKey(facts)}`, where, 'GPU', perHour('work-demand', `part-${p}`));
    }),
  ];
  for (const { facts } of problem.work)
    found.push({
      key: `non-preemptible:${facts.id}`,
      unit: 'GPU',
      usdPerHour: perHour('non-preemptible', facts.id),
      sentence: `1 GPU of ${facts.id} less that may not be interrupted saves ${dollars(Math.abs(perHour('non-preemptible', facts.id)))} an hour now`,
    });
  const horizonHours = problem.steps.reduce((sum, step) => sum + step.hours, 0);
  for (const [id, usdPerGpuHour] of gpuHours.budgets)
    found.push({
      key: `curtailment:${id}`,
      unit: 'GPU-hour',
      usdPerHour: usdPerGpuHour / horizonHours,
      sentence: `1 GPU-hour more that the contract of ${id} lets the site curtail saves ${dollars(usdPerGpuHour)}`,
    });
  for (const [id, usdPerGpuHour] of gpuHours.missable)
    found.push({
      key: `availability:${id}`,
      unit: 'GPU-hour',
      usdPerHour: usdPerGpuHour / horizonHours,
      sentence: `1 GPU-hour more that the availability promised for ${id} leaves is worth ${dollars(usdPerGpuHour)}`,
    });
  for (const [id, usdPerGpuHour] of gpuHours.late)
    found.push({
      key: `deadline:${id}`,
      unit: 'GPU-hour',
      usdPerHour: usdPerGpuHour / horizonHours,
      sentence: `1 GPU-hour less of ${id} by its deadline saves ${dollars(usdPerGpuHour)}`,
    });
  found.push({
    key: 'demand',
    unit: 'MW',
    usdPerHour: peakUsdPerMw / horizonHours,
    sentence: `1 MW less of the month's peak saves ${dollars(peakUsdPerMw)} over the next day`,
  });
  return found
    .map((one) => ({ ...one, usdPerHour: Math.abs(one.usdPerHour) }))
    .filter(({ usdPerHour }) => usdPerHour > NO_VALUE_USD_PER_HOUR)
    .sort((a, b) => b.usdPerHour - a.usdPerHour);
}

/** Watts at the connection for one watt of IT more beside a decision, by hall. */
function perWattOfIt(problem: Problem, decision: Decision): number[] {
  const decided = decidedByHallW(problem, decision);
  return problem.halls.map((hall, h) => {
    const perW = marginalPerW(problem.steps[0]!.cooling[h]!, undecidedW(hall) + decided[h]!);
    return (1 + perW) * (1 + problem.snapshot.connection.lossFraction);
  });
}

function cohortWhy(
  problem: Problem,
  { facts, modes }: ProblemCohort,
  machines: readonly number[],
  itUsdPerMwh: number,
  atMeter: number,
): CohortWhy[] {
  if (facts.held || facts.machines === 0) return [];
  const m = machines.indexOf(Math.max(...machines));
  const mode = modes[m]!;
  if (!mode.offered) return [];
  const { usdPerThHour, facts: step } = problem.steps[0]!;
  /** What IT power of this cohort costs beside its energy, spread over the energy: limits and peaks, less what it earns in reserve. */
  const beside = itUsdPerMwh - step.priceUsdPerMwh * atMeter;
  const between = (low: typeof mode | undefined, high: typeof mode | undefined): number | undefined => {
    if (low === undefined || high === undefined || !low.offered || !high.offered) return undefined;
    const usdPerMwh = (usdPerThHour * (high.hashrateThs - low.hashrateThs) * 1e6) / (high.powerW - low.powerW);
    return (usdPerMwh - beside) / atMeter;
  };
  return [
    {
      cohort: facts.id,
      mode: mode.key,
      leavesAboveUsdPerMwh: between(modes[m - 1], mode),
      below: modes[m - 1]?.key,
      leavesBelowUsdPerMwh: between(mode, modes[m + 1]),
      above: modes[m + 1]?.key,
    },
  ];
}

interface Change {
  readonly watts: number;
  readonly sentence: string;
}

function changesOf(
  problem: Problem,
  decision: Decision,
  itUsdPerMwh: readonly number[],
  reserveUsdPerMwh: readonly number[],
  limits: readonly BindingLimit[],
  atMeter: readonly number[],
): Change[] {
  const price = problem.steps[0]!.facts.priceUsdPerMwh;
  const pressed = (hallId: string): string | undefined => pressing(problem, limits, hallId);
  const changes = problem.cohorts.flatMap(({ facts, modes, now, hall }, g): Change[] => {
    const gained = modes.map((_, m) => decision.machines[g]![m]! - now[m]!);
    const most = gained.indexOf(Math.max(...gained));
    const count = Math.round(gained[most]!);
    if (count < 1) return [];
    const from = gained.indexOf(Math.min(...gained));
    const [low, high] = most < from ? [modes[most]!, modes[from]!] : [modes[from]!, modes[most]!];
    const watts = high.powerW - low.powerW;
    if (watts <= 0) return [];
    const earns =
      (problem.steps[0]!.usdPerThHour * (high.hashrateThs - low.hashrateThs) * 1e6) / watts / atMeter[hall]!;
    const reserve = reserveUsdPerMwh[g]! / atMeter[hall]!;
    const costs = itUsdPerMwh[hall]! / atMeter[hall]!;
    const what = most === 0 ? 'go to sleep' : from === 0 ? `wake to ${modes[most]!.key}` : `go to ${modes[most]!.key}`;
    return [
      {
        watts: count * watts,
        sentence: `${whole(count)} of ${facts.id} ${what}: ${because({ down: most < from, earns, reserve, costs, price, pressed: pressed(facts.hallId) })}`,
      },
    ];
  });
  const work = problem.work.flatMap(({ facts }, i): Change[] => {
    const by = Math.round(decision.gpus[i]! - facts.runningGpus);
    if (by === 0) return [];
    const worth = `${dollars(facts.usdPerGpuHour)} an hour each`;
    const part = limits.some(({ key }) => key === `part:${facts.gpuModel} ${facts.hallId}`);
    const why = part
      ? 'other work earns more with the same GPUs'
      : (pressed(facts.hallId) ?? `power at ${dollars(price)}/MWh costs more`);
    const sentence =
      by > 0
        ? `${whole(by)} GPUs of ${facts.id} start: they earn ${worth}`
        : `${whole(-by)} GPUs of ${facts.id} stop, ${worth}: ${why}`;
    return [{ watts: Math.abs(by) * facts.marginalWPerGpu, sentence }];
  });
  return [...changes, ...work];
}

/** What presses on the power of a hall most. */
function pressing({ feeders }: Problem, limits: readonly BindingLimit[], hallId: string): string | undefined {
  const above = feeders.filter(({ facts }) => facts.hallIds.includes(hallId));
  const keys = [
    'connection',
    'demand',
    `hall:${hallId}`,
    `cooling:${hallId}`,
    ...above.map(({ facts }) => `feeder:${facts.id}`),
  ];
  return limits.find(({ key }) => keys.includes(key) || key.startsWith('call:'))?.sentence;
}

/** What a MW of working GPUs costs in miners kept ready against its swings. */
const swingUsdPerMwh = ({ snapshot: { ballast } }: Problem, perHour: (kind: string) => number): number =>
  ballast === undefined ? 0 : -(perHour('ballast:shed') + perHour('ballast:take')) * ballast.swingFraction;

/** A GPU of a class at a power limit, or at none of them: it does not work. */
interface Rung {
  readonly limitW: number | undefined;
  readonly watts: number;
  readonly usdPerHour: number;
}

/** The rungs of a class, idle first, for one GPU less and for one more that works so fast. */
interface Ladders {
  readonly down: readonly Rung[];
  readonly up: readonly Rung[];
}

const IDLE: Rung = { limitW: undefined, watts: 0, usdPerHour: 0 };

/** What a GPU earns by working so fast: pay, what is not late, and in $ an hour what is not owed for. */
const ladderOf = ({ points, facts }: ProblemWork, lateUsd: number, servedUsd: number): Rung[] => [
  IDLE,
  ...points.map(({ powerLimitW, marginalW, paid, throughput, serves }) => ({
    limitW: powerLimitW,
    watts: marginalW,
    usdPerHour: facts.usdPerGpuHour * paid + lateUsd * throughput + servedUsd * Number(serves),
  })),
];

/** What the watts between two rungs earn, in $/MWh at the meter. */
const between = (low: Rung, high: Rung, atMeter: number): number =>
  ((high.usdPerHour - low.usdPerHour) * 1e6) / (high.watts - low.watts) / atMeter;

/** The rung that the price reaches first on the way up from `n`, with what the watts to it earn; undefined from the top. */
function nextUp(ladder: readonly Rung[], n: number, atMeter: number) {
  const ways = ladder.slice(n + 1).map((rung) => ({ rung, usdPerMwh: between(ladder[n]!, rung, atMeter) }));
  return ways.sort((a, b) => b.usdPerMwh - a.usdPerMwh)[0];
}

function nextDown(ladder: readonly Rung[], n: number, atMeter: number) {
  const ways = ladder.slice(0, n).map((rung) => ({ rung, usdPerMwh: between(rung, ladder[n]!, atMeter) }));
  return ways.sort((a, b) => a.usdPerMwh - b.usdPerMwh)[0];
}

function workWhy(
  problem: Problem,
  { facts, points, demandGpus }: ProblemWork,
  at: readonly AtPoint[],
  { down, up }: Ladders,
  gpuUsdPerMwh: number,
  atMeter: number,
): WorkWhy[] {
  const wanted = demandGpus[0]!;
  if (points.length === 0 || wanted === 0) return [];
  const { priceUsdPerMwh } = problem.steps[0]!.facts;
  const besideUsdPerMwh = gpuUsdPerMwh / atMeter - priceUsdPerMwh;
  const stopped = wanted - at.reduce((sum, { gpus }) => sum + gpus, 0);
  const counts = [stopped, ...at.map(({ gpus }) => gpus)];
  const n = counts.indexOf(Math.max(...counts));
  const above = nextUp(up, n, atMeter);
  const below = nextDown(down, n, atMeter);
  const mayLeave = below !== undefined && (below.rung.limitW !== undefined || facts.preemptible !== false);
  return [
    {
      work: facts.id,
      limitW: up[n]!.limitW,
      leavesAboveUsdPerMwh: mayLeave ? below.usdPerMwh - besideUsdPerMwh : undefined,
      belowW: below?.rung.limitW,
      leavesBelowUsdPerMwh: above && above.usdPerMwh - besideUsdPerMwh,
      aboveW: above?.rung.limitW,
    },
  ];
}

/** A sentence for the GPUs of a class that work below full power, and why. */
function slowedOf(
  problem: Problem,
  decision: Decision,
  ladders: readonly Ladders[],
  gpuUsdPerMwh: readonly number[],
  limits: readonly BindingLimit[],
  atMeter: readonly number[],
): Change[] {
  const price = problem.steps[0]!.facts.priceUsdPerMwh;
  return problem.work.flatMap(({ facts, hall, points }, i) =>
    points.slice(0, -1).flatMap(({ powerLimitW, marginalW, throughput }, p): Change[] => {
      const gpus = Math.round(atPoints(problem, decision, i)[p]!.gpus);
      if (gpus < 1) return [];
      const { rung, usdPerMwh } = nextUp(ladders[i]!.up, p + 1, atMeter[hall]!)!;
      const costs = gpuUsdPerMwh[hall]! / atMeter[hall]!;
      const pressed = pressing(problem, limits, facts.hallId);
      const more = `the watts up to ${rung.limitW} W would earn ${dollars(usdPerMwh)}/MWh`;
      const why =
        usdPerMwh <= price
          ? `${more}, power costs ${dollars(price)}`
          : pressed === undefined
            ? `${more}, power costs ${dollars(costs)} in all`
            : `${more}, and none are left for them (${pressed})`;
      return [
        {
          watts: gpus * (facts.marginalWPerGpu - marginalW),
          sentence: `${whole(gpus)} GPUs of ${facts.id} work at ${powerLimitW} W, ${whole(100 * throughput)} % of their speed: ${why}`,
        },
      ];
    }),
  );
}

/** $/MWh at the meter: what the watts earn, what they cost with everything they press on, and the price alone. */
function because(of: {
  down: boolean;
  earns: number;
  reserve: number;
  costs: number;
  price: number;
  pressed: string | undefined;
}): string {
  const { down, reserve, costs, price, pressed } = of;
  const earns = of.earns + reserve;
  const held = reserve >= 0.005 ? `, ${dollars(reserve)} more in reserve` : '';
  const hash = `its hash earns ${dollars(of.earns)}/MWh${held}`;
  if (down && earns <= price) return `${hash}, power costs ${dollars(price)}`;
  if (!down && earns >= costs) return `${hash}, power costs ${dollars(costs)} in all`;
  if (pressed !== undefined) return `${hash}, and others earn more with the same power (${pressed})`;
  return `${hash} at a price of ${dollars(price)}; the hours to come decide it`;
}

// Made once: making one takes longer than all that a plan writes with it.
const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const CENTS = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const whole = (n: number): string => WHOLE.format(n);
const dollars = (usd: number): string => `${usd < 0 ? '-' : ''}$${CENTS.format(Math.abs(usd))}`;
