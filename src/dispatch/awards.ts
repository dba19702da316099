import type { AwardFacts } from '../model/index.ts';
import { HOUR } from '../model/index.ts';
import type { Decision, Problem, ProblemCohort } from './problem.ts';

/** An award as far as it is held during one step. */
export interface AwardHeld {
  readonly facts: AwardFacts;
  /** Of the step, within the spans of the award. */
  readonly hours: number;
}

/** Awards held in step `t`, the dearest to miss first. */
export function awardsAt({ snapshot, steps }: Problem, t: number): AwardHeld[] {
  const { start, durationMs } = steps[t]!.facts;
  return (snapshot.awards ?? [])
    .flatMap((facts): AwardHeld[] => {
      const within = facts.spans.map(({ from, until }) => Math.min(until, start + durationMs) - Math.max(from, start));
      const hours = within.reduce((sum, ms) => sum + Math.max(0, ms), 0) / HOUR;
      return hours > 0 ? [{ facts, hours }] : [];
    })
    .sort((a, b) => missedUsd(b) - missedUsd(a));
}

/** What a MW that is not held costs over the step, in $. */
const missedUsd = ({ facts, hours }: AwardHeld): number => hours * (facts.usdPerMwHour + facts.shortfallUsdPerMwh);

/** Deadlines of what is held, each once, the shortest first, in seconds. */
export const deadlinesOf = (held: readonly AwardHeld[]): number[] =>
  [...new Set(held.map(({ facts }) => facts.responseSeconds))].sort((a, b) => a - b);

/**
 * Whether a cohort's machines can be shed within a deadline: only where that was measured, and no person holds them. What is shed is
 * their IT power down to sleep: cooling follows when the water has cooled, and counts for nothing here.
 */
export const meets = ({ facts }: ProblemCohort, deadlineSeconds: number): boolean =>
  !facts.held && facts.responseSeconds !== undefined && facts.responseSeconds <= deadlineSeconds;

/** Watts that a machine in a mode can shed. */
export const shedW = ({ modes }: ProblemCohort, m: number): number => modes[m]!.powerW - modes[0]!.powerW;

/** Watts of a cohort that stay on in step `t` whoever calls: within their minimum time. */
export const floorW = ({ steps }: Problem, cohort: ProblemCohort, t: number): number =>
  steps[t]!.pinned ? cohort.pinned.reduce((sum, machines, m) => sum + machines * shedW(cohort, m), 0) : 0;

/**
 * Watts held of each of `held` under a decision, as they earn most. One MW counts once: what products with a deadline of d and shorter
 * ones hold together is at most what responds within d. Those sums are nested, so that serving the dearest first is best.
 */
export function reservesW(problem: Problem, t: number, decision: Decision, held: readonly AwardHeld[]): number[] {
  const left = deadlinesOf(held).map((deadline) => ({
    deadline,
    watts: problem.cohorts.reduce((sum, cohort, g) => {
      if (!meets(cohort, deadline)) return sum;
      const onW = decision.machines[g]!.reduce((watts, machines, m) => watts + machines * shedW(cohort, m), 0);
      return sum + Math.max(0, onW - floorW(problem, cohort, t));
    }, 0),
  }));
  return held.map(({ facts }) => {
    const pressed = left.filter(({ deadline }) => deadline >= facts.responseSeconds);
    const watts = Math.min(facts.awardedW, ...pressed.map((one) => one.watts));
    for (const one of pressed) one.watts -= watts;
    return watts;
  });
}

/** What awards earn in step `t` less what shortfalls cost, in $. */
export function awardsUsd(problem: Problem, t: number, decision: Decision): number {
  const held = awardsAt(problem, t);
  if (held.length === 0) return 0;
  const watts = reservesW(problem, t, decision, held);
  return held.reduce((sum, { facts, hours }, k) => {
    const perHour = facts.usdPerMwHour * watts[k]! - facts.shortfallUsdPerMwh * (facts.awardedW - watts[k]!);
    return sum + (hours * perHour) / 1e6;
  }, 0);
}
