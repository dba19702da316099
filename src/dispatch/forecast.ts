import {
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
import { horizon, type Span } from './steps.ts';

/** What it is now counts for 1/e of the forecast after this long; the profile of the hour counts for the rest. */
const PERSISTENCE_MS = 2 * HOUR;
/** Days that make the profile by hour of day. */
const PROFILE_MS = 14 * DAY;
/** An hour of the day seen for less than this is too thin for a profile of its own. */
const ENOUGH_MS = HOUR;
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
 * looked at. Price and weather: the value in force, fading over about two hours into the mean of that hour of the day
 * (UTC) over the last two weeks, or of all hours while that one has been seen for less than an hour. The price of the
 * running quarter-hour is known. What generators can make goes the same way. Difficulty, bitcoin price and fees stay as they are.
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
  const price = priceCurve(known('priceUsdPerMwh'), at, notes);
  const wetBulb = wetBulbCurve(known('temperatureC'), known('dewPointC'), at, notes);
  const hashprice = hashpriceNow(known, at, notes);
  if (price === undefined || hashprice === undefined) return { forecast: undefined, notes };
  const generation = generationCurves(known, at, notes);
  const steps = spans.map(({ start, durationMs }): ForecastStep => ({
    start,
    durationMs,
    priceUsdPerMwh: meanOver(price.valueAt, start, durationMs),
    wetBulbC: meanOver(wetBulb, start, durationMs),
    hashpriceUsdPerPhDay: hashprice,
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
  return { ...series, points: points.slice(countUntil(points, newest.start - PROFILE_MS - 1), end) };
}

/** How many points start at or before `t`. */
function countUntil(points: readonly Point[], t: number): number {
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

function meanOver(curve: Curve, start: SiteMs, durationMs: number): number {
  if (durationMs <= QUARTER) return curve(start);
  const quarters = Math.round(durationMs / QUARTER);
  let sum = 0;
  for (let i = 0; i < quarters; i += 1) sum += curve(siteMs(start + i * QUARTER));
  return sum / quarters;
}

function priceCurve(
  series: Series | undefined,
  at: SiteMs,
  notes: string[],
): { valueAt: Curve; known: boolean } | undefined {
  const now = series && valueAt(series, at);
  if (series === undefined || now === undefined) {
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
  const later = blend(series, now.value, at);
  return { valueAt: (t) => (t < knownUntil ? now.value : later(t)), known };
}

/** The value now, fading into the profile by hour of day. */
function blend(series: Series, now: number, at: SiteMs): Curve {
  const profile = hourProfile(series, at);
  return (t) => {
    const weight = Math.exp(-Math.max(0, t - at) / PERSISTENCE_MS);
    return weight * now + (1 - weight) * profile[hourOfDay(t)]!;
  };
}

const hourOfDay = (t: number): number => Math.floor((((t % DAY) + DAY) % DAY) / HOUR);

/** Mean by hour of day, each point weighing as long as it held (at most its interval, an hour at the longest). */
function hourProfile(series: Series, at: SiteMs): number[] {
  const weighs = Math.min(series.intervalMs, HOUR);
  const held = Array.from({ length: 24 }, () => ({ sum: 0, ms: 0 }));
  for (let i = series.points.length - 1; i >= 0; i -= 1) {
    const point = series.points[i]!;
    if (point.start < at - PROFILE_MS) break;
    const hour = held[hourOfDay(point.start)]!;
    hour.sum += point.value * weighs;
    hour.ms += weighs;
  }
  const all = held.reduce((total, { sum, ms }) => ({ sum: total.sum + sum, ms: total.ms + ms }), { sum: 0, ms: 0 });
  const mean = all.ms > 0 ? all.sum / all.ms : series.points.at(-1)!.value;
  return held.map(({ sum, ms }) => (ms >= ENOUGH_MS ? sum / ms : mean));
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
  return blend(wetBulb, now.value, at);
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
    if (!now.stale) return [[name, blend(series, now.value, at)]];
    const { whenStale } = series;
    notes.push(
      `${name} is stale: planned with ${whenStale ?? 0} MW${whenStale === undefined ? '' : ', as the site file says'}`,
    );
    return whenStale === undefined ? [] : [[name, () => whenStale]];
  });
}

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
