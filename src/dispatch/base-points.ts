import type { BasePointFacts } from '../model/index.ts';
import { peakChargesUsdPerMw } from './demand.ts';
import type { Problem } from './problem.ts';

/** Above what any MW of the site earns: a base point gives way to physics alone, and to work that may not be interrupted. */
const USD_PER_MWH_OFF = 20_000;

/**
 * The base point that rules step `t`: the one in force when it begins, or for the first step, which may have begun before
 * the plan was made, now. Plans are made anew when one begins or ends, so no step answers to two.
 */
export function basePointAt({ snapshot, steps }: Problem, t: number): BasePointFacts | undefined {
  const at = t === 0 ? Math.max(snapshot.at, steps[0]!.facts.start) : steps[t]!.facts.start;
  return snapshot.basePoints?.find(({ from, until }) => from <= at && at < until);
}

/** What a MW off the base point costs in step `t`, in $: more than it can save in charges on peaks and in calls. */
export const offUsdPerMw = (problem: Problem, t: number): number =>
  problem.steps[t]!.hours * USD_PER_MWH_OFF + peakChargesUsdPerMw(problem);

/** What import off the base point costs in step `t`, in $. */
export function basePointUsd(problem: Problem, t: number, importW: number): number {
  const point = basePointAt(problem, t);
  if (point === undefined) return 0;
  const offW = Math.max(0, importW - point.mostW, point.leastW - importW);
  return (offW / 1e6) * offUsdPerMw(problem, t);
}
