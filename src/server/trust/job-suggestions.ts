import type { WorkAction } from '../../control/work.ts';
import type { Plan, SiteMs } from '../../model/index.ts';
import { movesBetween, type Suggestion, WORTH_TELLING_USD } from './suggestions.ts';

/** The state of a job before and after it is told. One that is requeued is held at once, or its scheduler would start it again. */
const STATES: Readonly<Record<WorkAction['kind'], readonly [string, string]>> = {
  checkpoint: ['running', 'running'],
  hold: ['pending', 'held'],
  requeue: ['running', 'held'],
  release: ['held', 'pending'],
};

/**
 * What a plan that may move work tells the scheduler of one cluster; undefined where that is nothing, or worth nothing.
 * @param kept the plan in force, in which jobs are left to their schedulers @param free the same with work free
 * @param rateUsdPerHour what the running step of a plan earns at the prices of now; undefined where nobody can tell
 */
export function jobSuggestionOf(facts: {
  readonly id: string;
  readonly clusterId: string;
  /** Its classes of work. */
  readonly classIds: readonly string[];
  readonly actions: readonly WorkAction[];
  readonly kept: Plan;
  readonly free: Plan;
  readonly at: SiteMs;
  rateUsdPerHour(plan: Plan): number | undefined;
}): Suggestion | undefined {
  const { actions, kept, free, classIds } = facts;
  const [was, would] = [kept.steps[0], free.steps[0]];
  if (actions.length === 0 || was === undefined || would === undefined) return undefined;
  const isProven = [kept, free].every(({ status }) => status === 'optimal');
  const usdHorizon = isProven ? free.objectiveUsd - kept.objectiveUsd : null;
  if (usdHorizon !== null && usdHorizon < WORTH_TELLING_USD) return undefined;
  const from: Record<string, number> = {};
  const to: Record<string, number> = {};
  for (const { kind } of actions) {
    const [before, after] = STATES[kind];
    from[before] = (from[before] ?? 0) + 1;
    to[after] = (to[after] ?? 0) + 1;
  }
  const [wasUsd, wouldUsd] = [facts.rateUsdPerHour(kept), facts.rateUsdPerHour(free)];
  const sentence = free.why?.changes.find((one) => classIds.some((id) => one.includes(` GPUs of ${id} `)));
  return {
    id: facts.id,
    kind: 'jobs',
    cohort: facts.clusterId,
    trust: 'suggest',
    madeAt: facts.at,
    moves: movesBetween(from, to),
    from,
    to,
    importDeltaW: would.importW - was.importW,
    why: sentence ?? `the plan says so at a price of $${would.priceUsdPerMwh.toFixed(2)}/MWh; nothing tells why`,
    usdPerHour: wasUsd === undefined || wouldUsd === undefined ? null : wouldUsd - wasUsd,
    usdHorizon,
    actions,
  };
}
