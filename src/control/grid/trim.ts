import { type ImportRange, missW } from './law.ts';

/**
 * A plan is made on models of cooling, losses and machines, and comes to rest a little beside what was demanded. What is
 * left is measured at the feeder and taken off what the next plan aims at.
 */

/** Less than so much of the connection is left alone: whole machines come no nearer. */
const DEAD_BAND = 0.005;
/** Models that err by more are broken, and nothing here mends them. */
const MOST = 0.05;
/** Import moves less than so much of the connection between the halves of what was seen lately: it has settled. */
const STEADY = 0.0025;

/** Whether import has settled, by its latest readings, oldest first; few of them say nothing. */
export function isSteady(importW: readonly number[], connectionW: number): boolean {
  if (importW.length < 6) return false;
  const half = Math.floor(importW.length / 2);
  return Math.abs(mean(importW.slice(0, half)) - mean(importW.slice(-half))) <= STEADY * connectionW;
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * What is to be taken off from now on, in W; undefined where what is taken off now is right.
 * @param importW as measured, settled
 */
export function trimmed(
  biasW: number,
  importW: number,
  demanded: ImportRange,
  connectionW: number,
): number | undefined {
  const offW = missW(importW, demanded);
  const mostW = MOST * connectionW;
  // Far off, machines are still on their way, or something does not obey: no bias of a model explains it.
  if (Math.abs(offW) <= DEAD_BAND * connectionW || Math.abs(offW) > mostW) return undefined;
  const next = Math.max(-mostW, Math.min(mostW, biasW + offW));
  return next === biasW ? undefined : next;
}

/** What a plan is to aim at. A limit is only ever aimed at from below: a bias the other way would loosen it. */
export function aimedAt({ least, most }: ImportRange, biasW: number): ImportRange {
  const off = least === 0 ? Math.max(0, biasW) : biasW;
  const highest = Math.max(0, most - off);
  return { least: least === 0 ? 0 : Math.min(highest, Math.max(0, least - off)), most: highest };
}
