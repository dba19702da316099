import {
  aheadUntil,
  DAY,
  type Forecast,
  type ForecastStep,
  HOUR,
  isoUtc,
  pessimistic,
  type Point,
  QUARTER,
  quarterStart,
  SERIES,
  type Series,
  type SeriesName,
  type SiteMs,
  siteMs,
  valueAt,
} from '../model/index.ts';
import { hashpriceUsdPerPhDay, wetBulbC } from './economics.ts';
import { nextRetarget, type Retarget } from './retarget.ts';
import { horizon, type Span } from './steps.ts';

/**
 * What it is now counts for 1/e of the forecast after this long; the profile of the hour counts for the rest. Measured as `CUT` is:
 * three hours are better by 2-4 % an hour ahead and worse by up to 5 % six hours ahead, an hour and a half the other way round.
 */
const PERSISTENCE_MS = 2 * HOUR;
/** The same for the weather. */
const AIR_MASS_MS = 48 * HOUR;
/** Days that make the weather's profile by hour of day. */
const WEATHER_MS = 14 * DAY;
/** Days that make the price's profile by hour of the week. */
const PRICE_MS = 28 * DAY;
/** An hour of the day seen for less than this is too thin for a profile of its own. */
const ENOUGH_MS = HOUR;
/**
 * An hour of the week is seen for four hours in four weeks: the mean of its hour of the day counts as if it had been seen for so
 * long beside it, which is all there is of an hour of the week not yet seen.
 */
const PRIOR_MS = 8 * HOUR;
/**
 * Prices of the profile are cut to lie between these quantiles of their hour of the day: a spike says little of the same hour a week later,
 * and days of scarcity nothing of the weeks after them.
 *
 * Measured on HB_HOUSTON by the quarter-hour, forecasts from the past alone made every three hours, mean absolute error in $/MWh 1, 6 and
 * 24 h ahead: 2021 (February at $9,000 for days) 106.0, 244.1, 262.0 with the ends of all prices (0.05 and 0.95) for a cut, and 70.8,
 * 159.7, 168.3 by this; 2022 23.8, 34.6, 34.9 and 23.5, 33.9, 34.4; 2023 30.5, 42.8, 42.1 and 29.6, 44.0, 43.7; 2025 8.9, 13.1, 13.4 and
 * 8.7, 12.7, 13.1. In all of them the hour of the week says next to nothing that the hour of the day does not. What is cut off lowers the
 * mean forecast (2023, hours ahead: $17-18 too low): it is what comes mostly, not the mean of what may come.
 */
const CUT = { low: 0.05, high: 0.8 };
/** Assumed where weather was never told: a hot and humid hour, as cooling then costs most. */
export const UNKNOWN_WET_BULB_C = 28;

export interface Forecasting {
  /** Undefined where there is nothing to start from: no price, difficulty or bitcoin price was ever told. */
  readonly forecast: Forecast | undefined;
  /** What had to be assumed, and what is missing, in sentences for people. */
  readonly notes: readonly string[];
}

/**
 * What the next day is expected to bring, from series as they are known at `at`; a point that starts later is never
 * looked at. The value in force fades over about two hours: a price into what the day-ahead market cleared at, where that is known,
 * else into the usual one of that hour of the week (UTC) over the last four weeks, spikes cut; weather, and what generators can make,
 * into the mean of that hour of the day over the last two. The price of the running quarter-hour is known. Difficulty changes at the
 * retarget where block heights are told; bitcoin price and fees stay as they are.
 *
 * A stale or interrupted price counts, at every step, as the highest of the last 24 h of prices that were told: the site then
 * runs only what pays even so. Stale weather likewise counts as the highest wet bulb of its last day.
 * @param spans the steps, from `at` on; one longer than a quarter-hour gets the mean of its quarter-hours
 */
export function buildForecast(
  series: readonly Series[],
  at: SiteMs,
  spans: readonly Span[] = horizon(at),
): Forecasting {
  const notes: string[] = [];
  const known = (name: SeriesName): Series | undefined => {
    const found = series.find((s) => s.name === name);
    return found === undefined ? undefined : until(found, at);
  };
  const prices = series.find(({ name }) => name === 'priceUsdPerMwh');
  const ahead = aheadCurve(
    series.find(({ name }) => name === 'dayAheadUsdPerMwh'),
    at,
  );
  const price = priceCurve(prices, known('priceUsdPerMwh'), ahead, at, notes);
  const wetBulb = wetBulbCurve(known('temperatureC'), known('dewPointC'), at, notes);
  const hashprice = hashpriceNow(known, at, notes);
  const retarget = retargetOf(
    series.find(({ name }) => name === 'blockHeight'),
    at,
  );
  if (price === undefined || hashprice === undefined) return { forecast: undefined, notes };
  const generation = generationCurves(known, at, notes);
  const steps = spans.map(({ start, durationMs }): ForecastStep => ({
    start,
    durationMs,
    priceUsdPerMwh: meanOver(price.valueAt, start, durationMs),
    wetBulbC: meanOver(wetBulb, start, durationMs),
    hashpriceUsdPerPhDay: retarget !== undefined && start >= retarget.at ? hashprice / retarget.ratio : hashprice,
    known: price.known && start < quarterStart(at) + QUARTER,
    ...(generation.length === 0
      ? {}
      : {
          availableMw: Object.fromEntries(
            generation.map(([name, curve]) => [name, Math.max(0, meanOver(curve, start, durationMs))]),
          ),
        }),
  }));
  return { forecast: { madeAt: at, steps }, notes };
}

/**
 * No look-ahead: the series as it could be read at `at`, as far back as anything here looks; undefined where it had no
 * point yet.
 */
function until(series: Series, at: SiteMs): Series | undefined {
  const { points } = series;
  const end = countUntil(points, at);
  const newest = points[end - 1];
  if (newest === undefined) return undefined;
  return { ...series, points: points.slice(countUntil(points, newest.start - WEATHER_MS - 1), end) };
}

/** How many points start at or before `t`. */
export function countUntil(points: readonly { readonly start: number }[], t: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]!.start <= t) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Curve = (t: SiteMs) => number;

/** Mean of a curve over a span, by its quarter-hours. */
export function meanOver(curve: Curve, start: SiteMs, durationMs: number): number {
  if (durationMs <= QUARTER) return curve(start);
  const quarters = Math.round(durationMs / QUARTER);
  let sum = 0;
  for (let i = 0; i < quarters; i += 1) sum += curve(siteMs(start + i * QUARTER));
  return sum / quarters;
}

/** @param all the series as it was handed in, by which its profile is kept */
function priceCurve(
  all: Series | undefined,
  series: Series | undefined,
  ahead: (t: SiteMs) => number | undefined,
  at: SiteMs,
  notes: string[],
): { valueAt: Curve; known: boolean } | undefined {
  const now = series && valueAt(series, at);
  if (all === undefined || series === undefined || now === undefined) {
    notes.push('no price was ever told: no plan can be made');
    return undefined;
  }
  if (now.stale) {
    const worst = pessimistic(series)!;
    const because = series.whenStale === undefined ? 'the highest of its last 24 h' : 'as the site file says';
    notes.push(
      `price is stale since ${isoUtc(at - now.ageMs + series.intervalMs)}: planned at $${worst.toFixed(2)}/MWh, ${because}`,
    );
    return { valueAt: () => worst, known: false };
  }
  const known = now.ageMs < series.intervalMs;
  const knownUntil = known ? quarterStart(at) + QUARTER : at;
  const profile = weekProfileAt(all, at);
  const byProfile = blend((t) => profile[hourOfWeek(t)]!, now.value, at);
  const [value, aheadNow] = [now.value, ahead(at)];
  const later: Curve = (t) => {
    const cleared = ahead(t);
    if (cleared === undefined) return byProfile(t);
    // Real time differs from what cleared for a while; where nothing cleared for now, real time itself fades.
    const weight = Math.exp(-Math.max(0, t - at) / PERSISTENCE_MS);
    return cleared + weight * (value - (aheadNow ?? cleared));
  };
  return { valueAt: (t) => (t < knownUntil ? value : later(t)), known };
}

/**
 * What the day-ahead market cleared at, as far as it is known at `at`; undefined where it is not. On HB_HOUSTON with the hubs' day-ahead
 * mean, 1, 6 and 24 h ahead: 2022 forecasts were $4, 2 and 5/MWh too low on the mean, by the profile 6, 15 and 15; 2023 4 too low and 9 and
 * 8 too high, by the profile 7, 19 and 20 too low. The mean absolute error is 5-12 % above the profile's, which is near what comes mostly;
 * a plan wants the mean of what may come.
 */
function aheadCurve(series: Series | undefined, at: SiteMs): (t: SiteMs) => number | undefined {
  if (series === undefined) return () => undefined;
  const { points, intervalMs, clearsIn = 'UTC' } = series;
  const until = aheadUntil(clearsIn, at);
  return (t) => {
    if (t >= until) return undefined;
    const point = points[countUntil(points, t) - 1];
    return point !== undefined && t < point.start + intervalMs ? point.value : undefined;
  };
}

/** The value now, fading into the usual one. */
const blend =
  (usual: Curve, now: number, at: SiteMs): Curve =>
  (t) => {
    const weight = Math.exp(-Math.max(0, t - at) / PERSISTENCE_MS);
    return weight * now + (1 - weight) * usual(t);
  };

/**
 * The usual course, off by as much as now, which fades slowly: an air mass stays for days. Mean errors of the wet bulb 1, 4, 12 and 23 h
 * ahead on Houston's recorded weather of 2022: 0.37, 1.05, 1.92, 2.55 C; had it said that nothing changes 0.40, 1.29, 2.47, 2.60, and with
 * the value now fading into the usual within hours, as prices do, 1.47, 3.12, 3.55, 3.55. Of 2024: 0.41, 0.98, 1.76, 2.31.
 */
function departing(usual: Curve, now: number, at: SiteMs): Curve {
  const offBy = now - usual(at);
  return (t) => usual(t) + offBy * Math.exp(-Math.max(0, t - at) / AIR_MASS_MS);
}

const hourOfDay = (t: number): number => ((Math.floor(t / HOUR) % 24) + 24) % 24;
const HOURS_OF_WEEK = 7 * 24;
const hourOfWeek = (t: number): number => ((Math.floor(t / HOUR) % HOURS_OF_WEEK) + HOURS_OF_WEEK) % HOURS_OF_WEEK;

/** The newest profile of each series, as a year of forecasts asks for each of them some times over. */
const profiles = new WeakMap<readonly Point[], { readonly end: number; readonly profile: Float64Array }>();

/** The profile as it stood when the running hour began; from what there is where that is nothing. */
function weekProfileAt({ points, intervalMs }: Series, at: SiteMs): Float64Array {
  const until = countUntil(points, Math.floor(at / HOUR) * HOUR - 1);
  const end = until > 0 ? until : countUntil(points, at);
  const kept = profiles.get(points);
  if (kept?.end === end) return kept.profile;
  const newest = points[end - 1]!;
  const past = points.slice(countUntil(points, newest.start - PRICE_MS), end);
  const profile = weekProfile(past, Math.min(intervalMs, HOUR));
  profiles.set(points, { end, profile });
  return profile;
}

/** Mean by hour of the week of values cut to the quantiles of their hour of the day, drawn to the mean of that hour. */
function weekProfile(past: readonly Point[], weighs: number): Float64Array {
  const ofDay = Array.from({ length: 24 }, (): number[] => []);
  for (const { start, value } of past) ofDay[hourOfDay(start)]!.push(value);
  const ends = ofDay.map((values) => {
    values.sort((x, y) => x - y);
    const at = (quantile: number): number => values[Math.round(quantile * (values.length - 1))]!;
    return { low: at(CUT.low), high: at(CUT.high) };
  });
  const sum = new Float64Array(HOURS_OF_WEEK);
  const ms = new Float64Array(HOURS_OF_WEEK);
  for (const { start, value } of past) {
    const hour = hourOfWeek(start);
    const { low, high } = ends[hour % 24]!;
    sum[hour]! += Math.min(high, Math.max(low, value)) * weighs;
    ms[hour]! += weighs;
  }
  const days = dayMeans(sum, ms);
  // Hours of the week are counted from a midnight, so that those of the day are the rest by 24.
  return sum.map((total, hour) => (total + PRIOR_MS * days[hour % 24]!) / (ms[hour]! + PRIOR_MS));
}

/**
 * Mean by hour of day, of all hours while one has been seen for less than an hour.
 * @param sum values times how long they held, by hour of the day or of the week; at least one held
 */
export function dayMeans(sum: Float64Array, ms: Float64Array): Float64Array {
  const daySum = new Float64Array(24);
  const dayMs = new Float64Array(24);
  for (const [hour, total] of sum.entries()) {
    daySum[hour % 24]! += total;
    dayMs[hour % 24]! += ms[hour]!;
  }
  const mean = daySum.reduce((a, b) => a + b) / dayMs.reduce((a, b) => a + b);
  return daySum.map((total, hour) => (dayMs[hour]! >= ENOUGH_MS ? total / dayMs[hour]! : mean));
}

/**
 * Mean by hour of day, each point weighing as long as it held (at most its interval, an hour at the longest).
 * @param past at least one point
 */
function hourProfile(past: readonly Point[], weighs: number): Float64Array {
  const sum = new Float64Array(24);
  const ms = new Float64Array(24);
  for (const { start, value } of past) {
    const hour = hourOfDay(start);
    sum[hour]! += value * weighs;
    ms[hour]! += weighs;
  }
  return dayMeans(sum, ms);
}

function wetBulbCurve(
  temperature: Series | undefined,
  dewPoint: Series | undefined,
  at: SiteMs,
  notes: string[],
): Curve {
  if (temperature === undefined || dewPoint === undefined) {
    notes.push(`no weather was ever told: planned at a wet bulb of ${UNKNOWN_WET_BULB_C} C`);
    return () => UNKNOWN_WET_BULB_C;
  }
  const wetBulb: Series = { ...temperature, points: wetBulbPoints(temperature, dewPoint) };
  const stale = valueAt(temperature, at)!.stale || valueAt(dewPoint, at)!.stale;
  const now = valueAt(wetBulb, at);
  if (now === undefined || stale) {
    const highest = worstWetBulbC(temperature, dewPoint, wetBulb);
    notes.push(`weather is stale: planned at a wet bulb of ${highest.toFixed(1)} C`);
    return () => highest;
  }
  return departing(usualOfDay(wetBulb), now.value, at);
}

/** What is usual at an hour of the day. */
function usualOfDay({ points, intervalMs }: Series): Curve {
  const usual = hourProfile(points, Math.min(intervalMs, HOUR));
  return (t) => usual[hourOfDay(t)]!;
}

/** Of what the site file says of a silent weather feed, else of the last day told. */
function worstWetBulbC(temperature: Series, dewPoint: Series, wetBulb: Series): number {
  if (temperature.whenStale === undefined && dewPoint.whenStale === undefined)
    return pessimistic(wetBulb) ?? UNKNOWN_WET_BULB_C;
  const dry = pessimistic(temperature);
  const dew = pessimistic(dewPoint);
  return dry === undefined || dew === undefined ? UNKNOWN_WET_BULB_C : wetBulbC(dry, Math.min(dry, dew));
}

function wetBulbPoints(temperature: Series, dewPoint: Series): Point[] {
  return temperature.points.flatMap(({ start, value }) => {
    const dew = valueAt(dewPoint, start);
    return dew === undefined ? [] : [{ start, value: wetBulbC(value, dew.value) }];
  });
}

/** What generators can make, by series; one that is silent is not there, and counts for nothing unless the site file says more. */
function generationCurves(
  known: (name: SeriesName) => Series | undefined,
  at: SiteMs,
  notes: string[],
): [SeriesName, Curve][] {
  return SERIES.filter((name) => name.startsWith('availableMw.')).flatMap((name): [SeriesName, Curve][] => {
    const series = known(name);
    const now = series && valueAt(series, at);
    if (series === undefined || now === undefined) return [];
    if (!now.stale) return [[name, blend(usualOfDay(series), now.value, at)]];
    const { whenStale } = series;
    notes.push(
      `${name} is stale: planned with ${whenStale ?? 0} MW${whenStale === undefined ? '' : ', as the site file says'}`,
    );
    return whenStale === undefined ? [] : [[name, () => whenStale]];
  });
}

const retargetOf = (heights: Series | undefined, at: SiteMs): Retarget | undefined =>
  heights && nextRetarget({ ...heights, points: heights.points.slice(0, countUntil(heights.points, at)) }, at);

function hashpriceNow(
  known: (name: SeriesName) => Series | undefined,
  at: SiteMs,
  notes: string[],
): number | undefined {
  const read = (name: SeriesName, what: string): number | undefined => {
    const series = known(name);
    const now = series && valueAt(series, at);
    if (series === undefined || now?.stale !== true) return now?.value;
    const worst = pessimistic(series);
    notes.push(
      `${what} is stale: planned with ${worst}, ${series.whenStale === undefined ? 'the worst of its last 24 h' : 'as the site file says'}`,
    );
    return worst;
  };
  const difficulty = read('difficulty', 'difficulty');
  const btcUsd = read('btcUsd', 'the bitcoin price');
  const feesBtcPerBlock = read('feesBtcPerBlock', 'the mean fee');
  if (difficulty === undefined || btcUsd === undefined) {
    const missing = difficulty === undefined ? 'difficulty' : 'bitcoin price';
    notes.push(`no ${missing} was ever told: no plan can be made`);
    return undefined;
  }
  if (feesBtcPerBlock === undefined) notes.push('no mean fee was ever told: hash is valued by the subsidy alone');
  return hashpriceUsdPerPhDay({ difficulty, btcUsd, feesBtcPerBlock: feesBtcPerBlock ?? 0 });
}
