import type { Highs } from 'highs';
import { createWarmStart } from '../../dispatch/basis.ts';
import { createPeakForecast, type PeakOutlook, withOutlook } from '../../dispatch/coincident.ts';
import { buildForecast, meanOver } from '../../dispatch/forecast.ts';
import { planByMeritOrder } from '../../dispatch/merit-order.ts';
import { planWith } from '../../dispatch/plan.ts';
import { horizonOf, type HorizonPart } from '../../dispatch/steps.ts';
import { createWantedForecaster } from '../../dispatch/wanted.ts';
import {
  HOUR,
  isoUtc,
  QUARTER,
  siteMs,
  type Forecast,
  type ForecastStep,
  type Plan,
  type PlanStep,
  type SiteMs,
  type Snapshot,
} from '../../model/index.ts';
import type { Decide } from './engine.ts';
import type { Running, SiteCase } from './facts.ts';
import { monthCalendar } from './ledger.ts';
import type { Truth } from './truth.ts';

/**
 * How far and how finely a backtest looks ahead. Coarser than the live planner, so that a year takes minutes: only the first step is
 * ever carried out, and what lies hours ahead matters through wakes, peaks and charges alone.
 */
const LOOK_AHEAD: readonly HorizonPart[] = [
  { untilMs: HOUR, stepMs: QUARTER },
  { untilMs: 6 * HOUR, stepMs: HOUR },
  { untilMs: 24 * HOUR, stepMs: 6 * HOUR },
];

export interface PlannerPolicyOptions {
  /** Told each time the solver fails, and why. */
  readonly failures: string[];
  readonly lookAhead?: readonly HorizonPart[];
  /** Knows what really comes until then, over the same horizon: what forecasts cost is told by it. */
  readonly sees?: SiteMs | undefined;
  /** False leaves machines in parts, as the solver has them: what rounding costs is told by it. */
  readonly whole?: boolean;
}

/**
 * The planner as it runs live: what was known at the moment, and nothing later. It plans anew in every quarter-hour, each solve
 * beginning where the last one ended: with every price something that the plan was made from has changed.
 */
export function plannerPolicy(
  highs: Highs,
  facts: SiteCase,
  truth: Truth,
  { failures, lookAhead = LOOK_AHEAD, sees, whole = true }: PlannerPolicyOptions,
): Decide {
  const warm = createWarmStart();
  const outlookAt = peakOutlook(facts, truth);
  const wantedAhead = wantedOutlook(facts, truth);
  const foreseen = (at: SiteMs): Forecast => {
    const { forecast } = buildForecast(truth.series, at, horizonOf(at, lookAhead));
    if (forecast === undefined)
      throw new Error('no forecast can be made: price, difficulty or bitcoin price is missing');
    return wantedAhead(withOutlook(forecast, outlookAt(at)), at);
  };
  const seen = (at: SiteMs, until: SiteMs): Forecast => {
    const spans = horizonOf(at, lookAhead).filter(({ start, durationMs }) => start + durationMs <= until);
    return trueForecast(truth, at, spans, trueOutlook(truth));
  };
  return ({ at, snapshot }) => {
    const facing = sees === undefined ? foreseen(at) : seen(at, sees);
    const facts = snapshot();
    const plan = planSafely(facts, facing, failures, () => planWith(highs, facts, facing, { warm, whole, why: false }));
    const first = plan.steps[0]!;
    return { running: runningOf(first), peakUsdPerMwh: peakUsdPerMwh(facts, facing.steps[0]!) };
  };
}

/** The hours that were the peaks, for certain. */
export const trueOutlook = ({ peaks }: Truth): PeakOutlook => new Map(peaks.map(({ start }) => [start, 1]));

/** A forecast of what really came. */
export function trueForecast(
  truth: Truth,
  madeAt: SiteMs,
  spans: readonly { readonly start: SiteMs; readonly durationMs: number }[],
  outlook: PeakOutlook,
): Forecast {
  const steps = spans.map(({ start, durationMs }): ForecastStep => {
    const quarters = Array.from({ length: durationMs / QUARTER }, (_, i) => truth.at(siteMs(start + i * QUARTER)));
    const mean = (of: (one: (typeof quarters)[number]) => number): number =>
      quarters.reduce((sum, one) => sum + of(one), 0) / quarters.length;
    return {
      start,
      durationMs,
      priceUsdPerMwh: mean((one) => one.priceUsdPerMwh),
      wetBulbC: mean((one) => one.wetBulbC),
      hashpriceUsdPerPhDay: mean((one) => one.hashpriceUsdPerPhDay),
      known: true,
      ...(truth.wanted.size === 0
        ? {}
        : {
            wantedGpus: Object.fromEntries(
              [...truth.wanted].map(([id, one]) => [id, meanOver((t) => one.at(t), start, durationMs)]),
            ),
          }),
    };
  });
  return withOutlook({ madeAt, steps }, outlook);
}

/** Where the solver fails the site runs by merit order, live as here. @param failures told why, each time */
export function planSafely(snapshot: Snapshot, forecast: Forecast, failures: string[], plan: () => Plan): Plan {
  try {
    return plan();
  } catch (error) {
    failures.push(`${isoUtc(forecast.madeAt)}, ${error instanceof Error ? error.message : String(error)}`);
    return planByMeritOrder(snapshot, forecast);
  }
}

export const runningOf = ({ cohorts, work, gpusAtLimitW }: PlanStep): Running => ({
  cohorts,
  gpus: work,
  gpusAtLimitW,
});

/** Expected charge of a coincident peak in a step, as a price of energy. */
export const peakUsdPerMwh = ({ tariff }: Snapshot, { coincidentProbability = 0 }: ForecastStep): number =>
  ((tariff.coincidentUsdPerMw ?? 0) * coincidentProbability * HOUR) / QUARTER;

/** What classes of which a file tells are expected to want, from quarter-hours that are over and what is wanted now. */
function wantedOutlook({ site, work }: SiteCase, { wanted }: Truth): (forecast: Forecast, at: SiteMs) => Forecast {
  if (wanted.size === 0) return (forecast) => forecast;
  const forecaster = createWantedForecaster(site.timezone);
  const told = work.flatMap(({ id, config }) => {
    const one = wanted.get(id);
    return one === undefined ? [] : [{ id, config, one }];
  });
  return (forecast, at) =>
    forecaster.add(
      forecast,
      told.map(({ id, config, one }) => ({
        id,
        className: config.class,
        hasDeadline: config.deadline !== undefined,
        nowGpus: one.at(at),
        history: one.points,
      })),
    ).forecast;
}

/** Probability of each hour being the charged peak of its month, from loads of hours that are over. */
function peakOutlook(facts: SiteCase, { peaks, load }: Truth): (at: SiteMs) => PeakOutlook {
  const { coincidentPeak } = facts.site.charges;
  if (coincidentPeak === undefined || peaks.length === 0) return () => new Map();
  const { timezone } = facts.site;
  const outlookAt = createPeakForecast({ points: load }, { months: coincidentPeak.months, timezone });
  const monthOf = monthCalendar({ timezone });
  const charged = new Set(peaks.map(({ month }) => month));
  return (at) => {
    const outlook = outlookAt(at);
    return new Map([...outlook].filter(([hour]) => charged.has(monthOf(siteMs(hour)).start)));
  };
}
