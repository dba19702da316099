import { HOUR, isoUtc, type LeaseFacts, type PlanStep } from '../model/index.ts';
import type { LeaseColumns } from './constraint.ts';
import type { Model } from './model-builder.ts';
import type { Decision, LeaseDecision, Problem, ProblemLease } from './problem.ts';

/** Chips beyond the committed ones that are held whatever is planned: Busbar rents and gives back none, so now it is what is held. */
export function leastMore({ more }: LeaseFacts, { steps }: Problem, t: number): number {
  if (more === undefined) return 0;
  const isKept = more.keptUntil !== undefined && steps[t]!.facts.start < more.keptUntil;
  return t === 0 || isKept ? more.rentedChips : 0;
}

const isCommitted = ({ endsAt }: LeaseFacts, { steps }: Problem, t: number): boolean =>
  endsAt === undefined || steps[t]!.facts.start < endsAt;

/** Columns of the leases in step `t`. What committed chips cost is there too: it is paid whatever is decided. */
export function leaseColumns(model: Model, problem: Problem, t: number): LeaseColumns[] {
  const { hours, facts: step } = problem.steps[t]!;
  return problem.leases.map(({ facts, work }): LeaseColumns => {
    const { id, chips, costUsdPerChipHour, soldUsdPerChipHour, more } = facts;
    return {
      kept: model.column(
        ['lease:kept', id, step.start],
        hours * (soldUsdPerChipHour - costUsdPerChipHour),
        isCommitted(facts, problem, t) ? chips : 0,
        chips,
      ),
      more:
        more &&
        model.column(
          ['lease:more', id, step.start],
          -hours * more.costUsdPerChipHour,
          leastMore(facts, problem, t),
          t === 0 ? more.rentedChips : Math.max(more.chips, more.rentedChips),
        ),
      gpus:
        work === undefined
          ? undefined
          : model.column(['lease:gpus', id, step.start], hours * problem.work[work]!.facts.usdPerGpuHour, 0, Infinity),
    };
  });
}

/**
 * What a chip rented at the start of step `t` costs beyond the horizon, as it is kept for its minimum time: nobody knows what it will
 * earn then, so it has to pay for itself in the hours that the plan sees.
 */
export function restUsdPerChip({ more }: LeaseFacts, { steps }: Problem, t: number): number {
  if (more === undefined) return 0;
  const last = steps.at(-1)!.facts;
  const seenMs = last.start + last.durationMs - steps[t]!.facts.start;
  return (Math.max(0, more.minimumMs - seenMs) / HOUR) * more.costUsdPerChipHour;
}

/** GPUs of a class of work that a decision serves on leased chips. */
export function leasedGpus({ leases }: Problem, decision: Decision, i: number): number {
  let gpus = 0;
  for (const [l, lease] of leases.entries()) if (lease.work === i) gpus += decision.leases?.[l]?.gpus ?? 0;
  return gpus;
}

/** The same as terms of a row. */
export const leasedTerms = (
  { leases }: Problem,
  columns: readonly LeaseColumns[],
  i: number,
): (readonly [column: number, by: number])[] =>
  leases.flatMap(({ work }, l) => (work === i ? [[columns[l]!.gpus!, 1] as const] : []));

/** What step `t` of the leases earns less what it costs, in $. */
export function leaseUsd(problem: Problem, t: number, decisions: readonly Decision[]): number {
  let usd = 0;
  for (const [l, { facts, work }] of problem.leases.entries()) {
    const { keptChips, moreChips, gpus } = decisions[t]!.leases![l]!;
    let perHour = keptChips * (facts.soldUsdPerChipHour - facts.costUsdPerChipHour);
    perHour -= moreChips * (facts.more?.costUsdPerChipHour ?? 0);
    if (work !== undefined) perHour += gpus * problem.work[work]!.facts.usdPerGpuHour;
    const taken = t === 0 ? 0 : Math.max(0, moreChips - decisions[t - 1]!.leases![l]!.moreChips);
    usd += problem.steps[t]!.hours * perHour - taken * restUsdPerChip(facts, problem, t);
  }
  return usd;
}

/** Leases step by step: what is held anyway serves what the site's own GPUs leave. */
export function heldLeases(problem: Problem, t: number, gpus: readonly number[]): Pick<Decision, 'leases'> {
  if (problem.leases.length === 0) return {};
  const left = problem.work.map(({ demandGpus }, i) => Math.max(0, demandGpus[t]! - gpus[i]!));
  return {
    leases: problem.leases.map(({ facts, work }): LeaseDecision => {
      const keptChips = isCommitted(facts, problem, t) ? facts.chips : 0;
      const moreChips = leastMore(facts, problem, t);
      if (work === undefined) return { keptChips, moreChips, gpus: 0 };
      const served = Math.min(left[work]!, facts.serves!.gpusPerChip * (keptChips + moreChips));
      left[work]! -= served;
      return { keptChips, moreChips, gpus: served };
    }),
  };
}

export const leasesOf = ({ leases }: Problem, decision: Decision): Pick<PlanStep, 'leases'> =>
  leases.length === 0
    ? {}
    : {
        leases: Object.fromEntries(
          leases.map(({ facts: { id } }, l) => {
            const { keptChips: chips, moreChips, gpus } = decision.leases![l]!;
            return [id, { chips, moreChips, gpus }];
          }),
        ),
      };

/** Fewer chips than this are the solver's noise. */
const SOME = 0.01;

/** What a person would have to rent, give back or let lapse for the plan to come true, a sentence each. */
export const leaseProposals = (problem: Problem, decisions: readonly Decision[]): string[] =>
  problem.leases.flatMap((lease, l) => [
    ...rentals(problem, decisions, lease, l),
    ...returns(problem, decisions, lease, l),
    ...lapses(problem, decisions, lease, l),
  ]);

function rentals(problem: Problem, decisions: readonly Decision[], { facts, work }: ProblemLease, l: number): string[] {
  const { more, serves, id } = facts;
  if (more === undefined || serves === undefined || work === undefined) return [];
  const { facts: served, reservedGpus } = problem.work[work]!;
  const beyond = decisions.map(({ leases }) => leases![l]!.moreChips - more.rentedChips);
  return runsOf(beyond, (chips) => chips > SOME).map((run) => {
    let [costUsd, gpuHours, sparedUsd, most] = [0, 0, 0, 0];
    for (const t of run) {
      const { hours } = problem.steps[t]!;
      const own = decisions[t]!.gpus[work]!;
      const all = leasedGpus(problem, decisions[t]!, work);
      const without = Math.max(
        0,
        decisions[t]!.leases![l]!.gpus - serves.gpusPerChip * (decisions[t]!.leases![l]!.keptChips + more.rentedChips),
      );
      const short = (gpus: number): number => Math.max(0, reservedGpus[t]! - own - gpus);
      most = Math.max(most, beyond[t]!);
      costUsd += hours * beyond[t]! * more.costUsdPerChipHour;
      gpuHours += hours * without;
      sparedUsd += hours * served.penaltyUsdPerGpuHour * (short(all - without) - short(all));
    }
    const spared = sparedUsd >= 0.5 ? ` and spare ${dollars(sparedUsd)} of penalties` : '';
    return `rent ${whole(most)} more chips of ${id} ${spanOf(problem, run)} for ${dollars(costUsd)}: they serve ${Math.round(gpuHours)} GPU-hours of ${served.id}, which earn ${dollars(gpuHours * served.usdPerGpuHour)}${spared}`;
  });
}

function returns(
  problem: Problem,
  decisions: readonly Decision[],
  { facts: { id, more } }: ProblemLease,
  l: number,
): string[] {
  if (more === undefined || more.rentedChips === 0) return [];
  const spare = decisions.map(({ leases }) => more.rentedChips - leases![l]!.moreChips);
  const [first] = runsOf(spare, (chips) => chips > SOME);
  if (first === undefined) return [];
  const costUsd = first.reduce((sum, t) => sum + problem.steps[t]!.hours * spare[t]! * more.costUsdPerChipHour, 0);
  const most = Math.max(...first.map((t) => spare[t]!));
  return [
    `give back ${whole(most)} of the ${more.rentedChips} chips rented of ${id} beyond its lease at ${clock(problem, first[0]!)}: they would cost ${dollars(costUsd)} until ${clock(problem, first.at(-1)! + 1)}, more than they earn`,
  ];
}

function lapses(problem: Problem, decisions: readonly Decision[], { facts }: ProblemLease, l: number): string[] {
  const { id, chips, costUsdPerChipHour, soldUsdPerChipHour } = facts;
  const after = [...problem.steps.keys()].filter((t) => !isCommitted(facts, problem, t));
  const [first] = after;
  if (first === undefined || chips === 0) return [];
  const gone = after.map((t) => chips - decisions[t]!.leases![l]!.keptChips);
  if (Math.max(...gone) <= SOME)
    return [`keep all ${chips} chips of ${id} beyond ${clock(problem, first)}: they earn more than they cost`];
  const usd = after.reduce(
    (sum, t, i) => sum + problem.steps[t]!.hours * gone[i]! * (costUsdPerChipHour - soldUsdPerChipHour),
    0,
  );
  return [
    `let ${whole(Math.max(...gone))} chips of ${id} lapse at ${clock(problem, first)}: until ${clock(problem, after.at(-1)! + 1)} they would cost ${dollars(usd)}${facts.serves === undefined ? ' more than they earn' : ', more than they earn'}`,
  ];
}

/** Steps one after the other at which something holds. */
function runsOf(values: readonly number[], holds: (value: number) => boolean): number[][] {
  const runs: number[][] = [];
  for (const [t, value] of values.entries()) {
    if (!holds(value)) continue;
    if (runs.at(-1)?.at(-1) === t - 1) runs.at(-1)!.push(t);
    else runs.push([t]);
  }
  return runs;
}

/** Start of step `t`, or the end of the horizon. */
function clock({ steps }: Problem, t: number): string {
  const last = steps.at(-1)!.facts;
  return isoUtc(steps[t]?.facts.start ?? last.start + last.durationMs);
}

const spanOf = (problem: Problem, run: readonly number[]): string =>
  `from ${clock(problem, run[0]!)} to ${clock(problem, run.at(-1)! + 1)}`;

const whole = (chips: number): string => String(Math.ceil(chips - SOME));
const dollars = (usd: number): string => `$${usd.toFixed(2)}`;
