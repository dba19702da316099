import { gpuHoursOf, type HorizonMonth, monthsOf } from './months.ts';
import type { Decision, Problem } from './problem.ts';
import { leasedGpus } from './leases.ts';
import { servingGpus } from './work-points.ts';

/** As far as the solver's binaries may be from whole, and what they let through with it. */
const NOISE = 2e-5;

/** A credit that falls due where more GPU-hours of the month go unserved than are left. */
export interface CreditAtStake extends HorizonMonth {
  /** Its place in the contract. */
  readonly k: number;
  readonly usd: number;
  readonly leftGpuHours: number;
  /** As many as could go unserved within the horizon. */
  readonly mostGpuHours: number;
}

/**
 * Credits that a plan for a class of work decides on: not those that are due whatever it does, nor those out of its reach. None where the grid
 * allows a ramp: a credit that comes whole is worth more than the price of that rule for the last watt it wants, and no money buys that one.
 */
export function creditsAtStake(problem: Problem, i: number): CreditAtStake[] {
  const { facts, reservedGpus } = problem.work[i]!;
  const { availability } = facts;
  if (availability === undefined || problem.snapshot.connection.rampWPerMinute !== undefined) return [];
  return monthsOf(problem, availability.monthEndsAt).flatMap((month) => {
    const mostGpuHours = gpuHoursOf(problem, month.steps, reservedGpus);
    return availability.credits.flatMap(({ usd, leftGpuHours: left, nextGpuHours }, k) => {
      const leftGpuHours = month.isThis ? left : nextGpuHours;
      if (leftGpuHours === undefined || leftGpuHours >= mostGpuHours) return [];
      return [{ ...month, k, usd, leftGpuHours, mostGpuHours }];
    });
  });
}

/**
 * Credits that are lost under the decisions. What cutting the first step to whole GPUs left out counts as served: a fraction of a GPU for five
 * minutes is not what an availability is lost by.
 */
export function creditsLost(problem: Problem, i: number, decisions: readonly Decision[]): CreditAtStake[] {
  const unserved = unservedGpus(problem, i, decisions).map((gpus, t) => gpus - (decisions[t]!.cutGpus?.[i] ?? 0));
  return creditsAtStake(problem, i).filter(
    ({ leftGpuHours, mostGpuHours, steps }) =>
      gpuHoursOf(problem, steps, unserved) > leftGpuHours + NOISE * (1 + mostGpuHours - leftGpuHours),
  );
}

/** Reserved GPUs of class `i` that do not work, by step. */
export const unservedGpus = (problem: Problem, i: number, decisions: readonly Decision[]): number[] =>
  decisions.map((decision, t) =>
    Math.max(
      0,
      problem.work[i]!.reservedGpus[t]! - servingGpus(problem, decision, i) - leasedGpus(problem, decision, i),
    ),
  );

/** A sentence for each contract whose availability a plan gives up. */
export const availabilityNotes = (problem: Problem, decisions: readonly Decision[]): string[] =>
  problem.work.flatMap(({ facts }, i) => {
    const lost = creditsLost(problem, i, decisions);
    if (lost.length === 0) return [];
    const usd = lost.reduce((sum, one) => sum + one.usd, 0);
    return [`the availability promised for ${facts.id} is not kept: credits of $${usd.toFixed(2)} fall due`];
  });
