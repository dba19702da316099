import { HOUR } from '../model/index.ts';
import type { Problem } from './problem.ts';

/** What a horizon has to do of the work that a class has to do by its deadline. */
export interface DeadlinePart {
  readonly gpuHours: number;
  readonly usdPerGpuHour: number;
  /** Hours of each step that lie before the deadline. */
  readonly hours: readonly number[];
}

/**
 * Undefined where the class has none, or nothing is left to do. Of a deadline beyond the horizon it has to do the part of what is left
 * that its time is of the time left: what the hours beyond it will cost nobody knows.
 */
export function deadlinePart({ work, steps }: Problem, i: number): DeadlinePart | undefined {
  const { deadline } = work[i]!.facts;
  const start = steps[0]!.facts.start;
  if (deadline === undefined || deadline.gpuHours <= 0 || deadline.by <= start) return undefined;
  const hours = steps.map(({ facts }) => Math.max(0, Math.min(deadline.by - facts.start, facts.durationMs)) / HOUR);
  const share = hours.reduce((sum, one) => sum + one, 0) / ((deadline.by - start) / HOUR);
  return { gpuHours: deadline.gpuHours * share, usdPerGpuHour: deadline.penaltyUsdPerGpuHour, hours };
}

/** What is late when so many GPUs of class `i` work at full power, or others do what they would, by step, as far as it is given, in $. */
export const lateUsd = ({ gpuHours, usdPerGpuHour, hours }: DeadlinePart, gpus: readonly number[]): number =>
  usdPerGpuHour * Math.max(0, gpuHours - gpus.reduce((sum, one, t) => sum + hours[t]! * one, 0));
