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

/** Whether machines on their way would still move import by more than what counts as settled. */
export const isMoving = (movingW: number, connectionW: number): boolean => movingW > STEADY * connectionW;

/**
 * By how much import comes out above what a plan said, in W; undefined where it is too far off for an error of models: machines do not
 * obey, or something draws that nobody knows of. It is measured against the plan and not against what was demanded: where the site can
 * follow no further, or whole machines come no nearer, the plan says so itself, and nothing winds up.
 * @param importW as measured, settled, with every machine where this plan wants it
 */
export function biasOf(importW: number, planW: number, connectionW: number): number | undefined {
  const biasW = importW - planW;
  return Math.abs(biasW) > MOST * connectionW ? undefined : biasW;
}

/** Whether import rests so far beside what is demanded, and so much of that by models, that a plan on better ones is worth it. */
export const isOff = (importW: number, demanded: ImportRange, learntW: number, connectionW: number): boolean =>
  Math.abs(missW(importW, demanded)) > DEAD_BAND * connectionW && Math.abs(learntW) > STEADY * connectionW;

/** What a plan is to aim at. A limit is only ever aimed at from below: a bias the other way would loosen it. */
export function aimedAt({ least, most }: ImportRange, biasW: number): ImportRange {
  const off = least === 0 ? Math.max(0, biasW) : biasW;
  const highest = Math.max(0, most - off);
  return { least: least === 0 ? 0 : Math.min(highest, Math.max(0, least - off)), most: highest };
}
