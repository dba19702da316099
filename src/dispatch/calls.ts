import { HOUR, type ProgramCallFacts } from '../model/index.ts';
import type { Problem } from './problem.ts';

/** A call as far as it reaches into one step. */
export interface Called {
  readonly facts: ProgramCallFacts;
  readonly hours: number;
}

/** Calls that reach into step `t`, those that leave least first. */
export function callsAt({ snapshot, steps }: Problem, t: number): Called[] {
  const { start, durationMs } = steps[t]!.facts;
  return (snapshot.programCalls ?? [])
    .flatMap((facts): Called[] => {
      const ms = Math.min(facts.until, start + durationMs) - Math.max(facts.from, start);
      return ms > 0 ? [{ facts, hours: ms / HOUR }] : [];
    })
    .sort((a, b) => a.facts.firmW - b.facts.firmW);
}

/** What import above the firm levels costs in step `t`, in $. */
export const callsUsd = (problem: Problem, t: number, importW: number): number =>
  callsAt(problem, t).reduce(
    (sum, { facts, hours }) => sum + (hours * facts.penaltyUsdPerMwh * Math.max(0, importW - facts.firmW)) / 1e6,
    0,
  );

/** Import up to which a MWh that earns `marginUsdPerMwh` above its price still earns more than it is fined in step `t`, in W. */
export function worthUpToW(problem: Problem, t: number, marginUsdPerMwh: number): number {
  let fineUsdPerMwh = 0;
  for (const { facts, hours } of callsAt(problem, t)) {
    fineUsdPerMwh += (facts.penaltyUsdPerMwh * hours) / problem.steps[t]!.hours;
    if (fineUsdPerMwh >= marginUsdPerMwh) return facts.firmW;
  }
  return Infinity;
}
