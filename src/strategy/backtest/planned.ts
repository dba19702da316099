import type { Highs } from 'highs';
import { createWarmStart } from '../../dispatch/basis.ts';
import { createPeakForecast, type PeakOutlook } from '../../dispatch/coincident.ts';
import { buildForecast } from '../../dispatch/forecast.ts';
import { planByMeritOrder } from '../../dispatch/merit-order.ts';
import { planWith } from '../../dispatch/plan.ts';
import { horizonOf, type HorizonPart } from '../../dispatch/steps.ts';
import {
  HOUR,
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

/** The planner as it runs live: what was known at the moment, and nothing later. */
export function plannerPolicy(
  highs: Highs,
  facts: SiteCase,
  truth: Truth,
  notes: string[],
  lookAhead: readonly HorizonPart[] = LOOK_AHEAD,
): Decide {
  const warm = createWarmStart();
  const outlookAt = peakOutlook(facts, truth);
  return ({ at, snapshot }) => {
    const { forecast } = buildForecast(truth.series, at, horizonOf(at, lookAhead));
    if (forecast === undefined)
      throw new Error('no forecast can be made: price, difficulty or bitcoin price is missing');
    const facing = withOutlook(forecast, outlookAt(at));
    const facts = snapshot();
    const plan = planSafely(facts, facing, notes, () => planWith(highs, facts, facing, { warm }));
    const first = plan.steps[0]!;
    return { running: runningOf(first), peakUsdPerMwh: peakUsdPerMwh(facts, facing.steps[0]!) };
  };
}

/** Where the solver fails the site runs by merit order, live as here. */
export function planSafely(snapshot: Snapshot, forecast: Forecast, notes: string[], plan: () => Plan): Plan {
  try {
    return plan();
  } catch (error) {
    const note = `merit order in place of the optimiser at ${new Date(forecast.madeAt).toISOString()}: ${error instanceof Error ? error.message : String(error)}`;
    notes.push(note);
    return planByMeritOrder(snapshot, forecast);
  }
}

export const runningOf = ({ cohorts, work }: PlanStep): Running => ({ cohorts, gpus: work });

/** Expected charge of a coincident peak in a step, as a price of energy. */
export const peakUsdPerMwh = ({ tariff }: Snapshot, { coincidentProbability = 0 }: ForecastStep): number =>
  ((tariff.coincidentUsdPerMw ?? 0) * coincidentProbability * HOUR) / QUARTER;

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
    return new Map([...outlook].filter(([hour]) => charged.has(monthOf(siteMs(hour)))));
  };
}

/** Steps with the probability that a peak falls into one of their quarter-hours: of each hour's, a quarter. */
export function withOutlook(forecast: Forecast, outlook: PeakOutlook): Forecast {
  if (outlook.size === 0) return forecast;
  return {
    ...forecast,
    steps: forecast.steps.map((step) => {
      let sum = 0;
      const quarters = Math.max(1, Math.round(step.durationMs / QUARTER));
      for (let i = 0; i < quarters; i += 1)
        sum += outlook.get(Math.floor((step.start + i * QUARTER) / HOUR) * HOUR) ?? 0;
      return sum === 0 ? step : { ...step, coincidentProbability: sum / quarters / 4 };
    }),
  };
}
