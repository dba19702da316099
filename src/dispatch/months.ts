import type { SiteMs } from '../model/index.ts';
import type { Problem } from './problem.ts';

/** A calendar month, as far as the horizon reaches into it. */
export interface HorizonMonth {
  /** The running one; else the one after it. */
  readonly isThis: boolean;
  /** Of its first step. */
  readonly start: SiteMs;
  readonly steps: readonly number[];
}

/** A step belongs to the month it begins in. */
export function monthsOf({ steps }: Problem, monthEndsAt: SiteMs): HorizonMonth[] {
  const inside = Map.groupBy(steps.keys(), (t) => steps[t]!.facts.start < monthEndsAt);
  return [true, false].flatMap((isThis): HorizonMonth[] => {
    const some = inside.get(isThis);
    return some === undefined ? [] : [{ isThis, start: steps[some[0]!]!.facts.start, steps: some }];
  });
}

/** GPU-hours of some steps, by the GPUs of each step. */
export const gpuHoursOf = ({ steps }: Problem, some: readonly number[], gpus: readonly number[]): number =>
  some.reduce((sum, t) => sum + steps[t]!.hours * gpus[t]!, 0);
