import { gpuHoursOf, type HorizonMonth, monthsOf } from './months.ts';
import type { Problem } from './problem.ts';

/** What a contract lets go unserved in a month. */
export interface CurtailmentMonth extends HorizonMonth {
  readonly leftGpuHours: number;
}

/** Months of the curtailment budget of a class of work; none where its contracts have no such budget. */
export function curtailmentMonths(problem: Problem, i: number): CurtailmentMonth[] {
  const { curtailment } = problem.work[i]!.facts;
  if (curtailment === undefined) return [];
  const { monthEndsAt, leftGpuHours, gpuHoursPerMonth } = curtailment;
  return monthsOf(problem, monthEndsAt).map((month) => ({
    ...month,
    leftGpuHours: month.isThis ? leftGpuHours : gpuHoursPerMonth,
  }));
}

/** Penalties that the budgets spare when `unservedGpus` reserved GPUs of class `i` do not work, by step, in $. */
export function sparedUsd(problem: Problem, i: number, unservedGpus: readonly number[]): number {
  return curtailmentMonths(problem, i).reduce((sum, { leftGpuHours, steps }) => {
    const gpuHours = gpuHoursOf(problem, steps, unservedGpus);
    return sum + Math.min(leftGpuHours, gpuHours) * problem.work[i]!.facts.penaltyUsdPerGpuHour;
  }, 0);
}
