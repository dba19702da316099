import { DAY, HOUR, type Forecast, type Series, type SiteMs, siteMs, valueAt } from '../model/index.ts';
import { buildForecast } from './forecast.ts';
import type { Scenario } from './plan.ts';

/** Forecasts of so many days are held against what came. */
const ERRORS_DAYS = 28;
const EVERY_MS = 6 * HOUR;
/** Fewer forecasts than this, those of five days, tell nothing of the tails of their errors. */
const LEAST_FORECASTS = 20;
/**
 * Three points for a spread: its tenth, middle and ninetieth hundredth, weighing 0.3, 0.4 and 0.3 (Swanson's rule; Keefer and Bodily 1983,
 * "Three-point approximations for continuous random variables"). The middle is the forecast itself.
 */
const TAIL = { quantile: 0.1, probability: 0.3 };

/** Errors of price forecasts by hours ahead: the low and the high end of what came less what was forecast, in $/MWh. */
export interface PriceErrors {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/**
 * How far prices came out below and above what was forecast over the last four weeks, by the hours ahead. Forecasts are made again from
 * what was known at their moments.
 * @returns undefined where too few of them can be compared
 */
export function priceErrors(series: readonly Series[], at: SiteMs): PriceErrors | undefined {
  const price = series.find(({ name }) => name === 'priceUsdPerMwh');
  if (price === undefined) return undefined;
  const errors: number[][] = [];
  let compared = 0;
  for (let made = Math.ceil((at - ERRORS_DAYS * DAY) / EVERY_MS) * EVERY_MS; made < at; made += EVERY_MS) {
    const { forecast } = buildForecast(series, siteMs(made));
    if (forecast === undefined) continue;
    compared += 1;
    for (const { start, priceUsdPerMwh, known } of forecast.steps) {
      const came = start < at ? valueAt(price, start) : undefined;
      if (known || came === undefined || came.stale) continue;
      (errors[Math.floor((start - made) / HOUR)] ??= []).push(came.value - priceUsdPerMwh);
    }
  }
  const ends = (quantile: number): number[] =>
    errors.map((some) => some.toSorted((a, b) => a - b)[Math.round(quantile * (some.length - 1))]!);
  // A hole of the series can leave hours ahead without any.
  if (compared < LEAST_FORECASTS || errors.length === 0 || Array.from(errors, (some) => some?.length ?? 0).includes(0))
    return undefined;
  return { low: ends(TAIL.quantile), high: ends(1 - TAIL.quantile) };
}

/** The forecast with prices that come out low throughout, and high throughout: what is known already stays. */
export function priceScenarios(forecast: Forecast, { low, high }: PriceErrors): Scenario[] {
  return [low, high].map((errors) => ({
    probability: TAIL.probability,
    forecast: {
      ...forecast,
      steps: forecast.steps.map((step) => {
        const ahead = Math.floor((step.start - forecast.madeAt) / HOUR);
        const error = errors[Math.max(0, Math.min(errors.length - 1, ahead))]!;
        return step.known ? step : { ...step, priceUsdPerMwh: step.priceUsdPerMwh + error };
      }),
    },
  }));
}
