import type { Highs } from 'highs';
import type { PeakOutlook } from '../../dispatch/coincident.ts';
import { planByMeritOrder } from '../../dispatch/merit-order.ts';
import { planWith } from '../../dispatch/plan.ts';
import { pose, type Decision } from '../../dispatch/problem.ts';
import { roundFirst } from '../../dispatch/round.ts';
import { gpusAtLimitW } from '../../dispatch/work-points.ts';
import { horizonOf, type HorizonPart } from '../../dispatch/steps.ts';
import {
  DAY,
  HOUR,
  QUARTER,
  siteMs,
  type Forecast,
  type PlanStep,
  type SiteMs,
  type Snapshot,
} from '../../model/index.ts';
import { STEP_MS, type Decide } from './engine.ts';
import type { Running, SiteCase } from './facts.ts';
import { monthCalendar } from './ledger.ts';
import { peakUsdPerMwh, planSafely, trueForecast, trueOutlook } from './planned.ts';
import type { Truth } from './truth.ts';

/** A window of two days, of which the first is carried out. */
const WINDOW: readonly HorizonPart[] = [
  { untilMs: DAY, stepMs: QUARTER },
  { untilMs: 2 * DAY, stepMs: HOUR },
];

/** Peaks of a month that are tried, as parts of the way from the least that can be drawn to the most anybody would. */
const CAPS_TRIED = 16;

/**
 * The planner on what really came: in windows of two days, true prices, weather and hash, the true hour of the coincident peak, and
 * for each month the demand peak that pays best. No policy can know this; it is the ceiling that others are measured against.
 */
export function foresightPolicy(
  highs: Highs,
  facts: SiteCase,
  truth: Truth,
  { to, failures }: { readonly to: SiteMs; readonly failures: string[] },
): Decide {
  const outlook = trueOutlook(truth);
  const monthOf = monthCalendar(facts.site);
  let window: { readonly until: number; readonly steps: ReadonlyMap<number, PlanStep> } | undefined;
  let cap: { readonly month: SiteMs; readonly importW: number } | undefined;

  function planFrom(at: SiteMs, snapshot: Snapshot, monthEndsAt: SiteMs): NonNullable<typeof window> {
    const spans = horizonOf(at, WINDOW).filter(({ start, durationMs }) => start + durationMs <= to);
    const forecast = trueForecast(truth, at, spans, outlook);
    const plan = planSafely(snapshot, forecast, failures, () => planWith(highs, snapshot, forecast, { why: false }));
    return {
      until: Math.min(at + DAY, monthEndsAt),
      steps: new Map(plan.steps.map((step) => [step.start, step])),
    };
  }

  return ({ at, snapshot }) => {
    const full = snapshot();
    const month = monthOf(at);
    if (cap?.month !== month.start)
      cap = { month: month.start, importW: bestPeakW(truth, full, outlook, Math.min(to, month.end)) };
    const capped = withinCap(full, cap.importW);
    if (window === undefined || at >= window.until) window = planFrom(at, capped, month.end);
    const forecast = trueForecast(truth, at, [{ start: at, durationMs: STEP_MS }], outlook);
    const running = wholeMachines(capped, forecast, window.steps.get(at)!);
    return { running, peakUsdPerMwh: peakUsdPerMwh(full, forecast.steps[0]!) };
  };
}

/** The site as if its connection carried no more: a peak that was chosen needs no price. */
const withinCap = (snapshot: Snapshot, importW: number): Snapshot => ({
  ...snapshot,
  connection: { ...snapshot.connection, usableW: Math.min(snapshot.connection.usableW, importW) },
  tariff: { ...snapshot.tariff, demand: undefined },
});

/** The planned step in whole machines, within the limits and in the state the site is really in. */
function wholeMachines(snapshot: Snapshot, forecast: Forecast, step: PlanStep): Running {
  const problem = pose(snapshot, forecast);
  const planned: Decision = {
    machines: problem.cohorts.map(({ facts, modes }) => modes.map(({ key }) => step.cohorts[facts.id]?.[key] ?? 0)),
    gpus: problem.work.map(({ facts }) => step.work[facts.id] ?? 0),
    gpusAt: problem.work.map(({ facts, points }) =>
      points.map(({ powerLimitW }) => step.gpusAtLimitW?.[facts.id]?.[String(powerLimitW)] ?? 0),
    ),
    generationW: problem.generators.map(({ id }) => step.generationW?.[id] ?? 0),
  };
  const whole = roundFirst(problem, planned);
  return {
    cohorts: Object.fromEntries(
      problem.cohorts.map(({ facts, modes }, g) => [
        facts.id,
        Object.fromEntries(modes.map(({ key }, m) => [key, whole.machines[g]![m]!])),
      ]),
    ),
    gpus: Object.fromEntries(problem.work.map(({ facts }, i) => [facts.id, whole.gpus[i]!])),
    gpusAtLimitW: gpusAtLimitW(problem, whole),
  };
}

/**
 * The peak import that serves a month best, in W: peaks between the least and the most are tried on the merit order of every step, which
 * knows prices, weather and limits but no wake costs, and is quick enough to walk a month for each.
 */
function bestPeakW(truth: Truth, snapshot: Snapshot, outlook: PeakOutlook, until: number): number {
  const { demand } = snapshot.tariff;
  if (demand === undefined || demand.usdPerMw === 0) return Infinity;
  const spans = Array.from({ length: Math.floor((until - snapshot.at) / STEP_MS) }, (_, i) => ({
    start: siteMs(snapshot.at + i * STEP_MS),
    durationMs: STEP_MS,
  }));
  const forecast = trueForecast(truth, snapshot.at, spans, outlook);
  const tried = (capW: number): { usd: number; peakW: number; leastW: number } => {
    const plan = planByMeritOrder(withinCap(snapshot, capW), forecast);
    const imports = plan.steps.map(({ importW }) => importW);
    const peakW = imports.reduce((top, importW) => Math.max(top, importW), demand.billedW);
    const leastW = imports.reduce((low, importW) => Math.min(low, importW), Infinity);
    return { usd: plan.objectiveUsd - (peakW * demand.usdPerMw) / 1e6, peakW, leastW };
  };
  const free = tried(Infinity);
  let best = { usd: free.usd, capW: Infinity };
  for (let i = 0; i < CAPS_TRIED; i += 1) {
    const capW = free.leastW + ((free.peakW - free.leastW) * i) / CAPS_TRIED;
    const { usd } = tried(capW);
    if (usd > best.usd) best = { usd, capW };
  }
  return best.capW;
}
