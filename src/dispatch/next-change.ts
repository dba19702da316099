import type { NextChange, Plan, PlanStep, SiteMs } from '../model/index.ts';

const NOTICED_W = 0.5e6;
const NOTICED_FRACTION = 0.02;
/** A change this much smaller than the first one named is not worth a person's time. */
const NAMED_FRACTION = 0.05;

/**
 * The next step whose import differs from the running step's by more than 0.5 MW or, at a small site, 2 %; undefined
 * where the plan holds still to its end or has run out.
 * @param nameOf how people call a cohort or class of work; its id unless given.
 */
export function nextChange(
  plan: Plan,
  now: SiteMs,
  nameOf: (id: string) => string = (id) => id,
): NextChange | undefined {
  const at = plan.steps.findIndex((step) => step.start <= now && now < step.start + step.durationMs);
  const current = plan.steps[at];
  if (current === undefined) return undefined;
  const noticed = Math.min(NOTICED_W, NOTICED_FRACTION * current.importW);
  const next = plan.steps.slice(at + 1).find((step) => Math.abs(step.importW - current.importW) > noticed);
  if (next === undefined) return undefined;
  return { at: next.start, deltaW: next.importW - current.importW, why: explain(current, next, nameOf) };
}

/** `price forecast $210/MWh: 2,600 a-s21 to sleep`. */
function explain(from: PlanStep, to: PlanStep, nameOf: (id: string) => string): string {
  const price = `price ${to.known ? '' : 'forecast '}${dollars(to.priceUsdPerMwh)}/MWh`;
  const machines = Object.keys(to.cohorts).flatMap((id) => cohortChange(id, from, to, nameOf));
  const work = Object.keys(to.work).flatMap((id) => workChange(id, from, to, nameOf));
  const miningMoved = Math.abs(to.linePowerW.mining - from.linePowerW.mining);
  const workMoved = Math.abs(to.linePowerW.ai + to.linePowerW.hpc - from.linePowerW.ai - from.linePowerW.hpc);
  const inOrder = (changes: Change[]): Change[] => changes.sort((a, b) => b.count - a.count);
  const first = miningMoved >= workMoved ? [machines, work] : [work, machines];
  const ordered = first.flatMap(inOrder);
  const told = ordered.filter(({ count }) => count >= NAMED_FRACTION * ordered[0]!.count).slice(0, 2);
  return `${price}: ${told.length > 0 ? told.map(({ text }) => text).join(', ') : 'cooling follows the weather'}`;
}

interface Change {
  readonly count: number;
  readonly text: string;
}

const whole = (n: number): string => Math.round(n).toLocaleString('en-US');
const dollars = (usd: number): string => (usd < 0 ? `-$${whole(-usd)}` : `$${whole(usd)}`);

function cohortChange(id: string, from: PlanStep, to: PlanStep, nameOf: (id: string) => string): Change[] {
  const before = from.cohorts[id] ?? {};
  const after = to.cohorts[id] ?? {};
  const gained = (key: string): number => (after[key] ?? 0) - (before[key] ?? 0);
  const asleep = gained('sleep');
  const keys = Object.keys(after).filter((key) => key !== 'sleep');
  const into = keys.sort((a, b) => gained(b) - gained(a) || a.localeCompare(b))[0];
  const moved = into === undefined ? 0 : gained(into);
  if (asleep >= 1 && asleep >= moved) return [{ count: asleep, text: `${whole(asleep)} ${nameOf(id)} to sleep` }];
  if (asleep <= -1) return [{ count: -asleep, text: `${whole(-asleep)} ${nameOf(id)} wake` }];
  return moved >= 1 ? [{ count: moved, text: `${whole(moved)} ${nameOf(id)} to ${into}` }] : [];
}

function workChange(id: string, from: PlanStep, to: PlanStep, nameOf: (id: string) => string): Change[] {
  const change = (to.work[id] ?? 0) - (from.work[id] ?? 0);
  if (Math.abs(change) < 1) return [];
  const text = `${whole(Math.abs(change))} GPUs of ${nameOf(id)} ${change < 0 ? 'held' : 'start'}`;
  return [{ count: Math.abs(change), text }];
}
