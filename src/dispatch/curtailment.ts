import type { Problem } from './problem.ts';

/** A calendar month, as far as the horizon reaches into it, and what a contract lets go unserved in it. */
export interface CurtailmentMonth {
  readonly start: number;
  readonly leftGpuHours: number;
  readonly steps: readonly number[];
}

/** Months of the curtailment budget of a class of work; none where its contracts have no such budget. A step belongs to the month it begins in. */
export function curtailmentMonths({ work, steps }: Problem, i: number): CurtailmentMonth[] {
  const { curtailment } = work[i]!.facts;
  if (curtailment === undefined) return [];
  const { monthEndsAt, leftGpuHours, gpuHoursPerMonth } = curtailment;
  const inside = Map.groupBy(steps.keys(), (t) => steps[t]!.facts.start < monthEndsAt);
  return [true, false].flatMap((isThis): CurtailmentMonth[] => {
    const some = inside.get(isThis);
    if (some === undefined) return [];
    return [
      { start: steps[some[0]!]!.facts.start, leftGpuHours: isThis ? leftGpuHours : gpuHoursPerMonth, steps: some },
    ];
  });
}

/** Penalties that the budgets spare when `unservedGpus` reserved GPUs of class `i` do not work, by step, in $. */
export function sparedUsd(problem: Problem, i: number, unservedGpus: readonly number[]): number {
  return curtailmentMonths(problem, i).reduce((sum, { leftGpuHours, steps }) => {
    const gpuHours = steps.reduce((total, t) => total + problem.steps[t]!.hours * unservedGpus[t]!, 0);
    return sum + Math.min(leftGpuHours, gpuHours) * problem.work[i]!.facts.penaltyUsdPerGpuHour;
  }, 0);
}
