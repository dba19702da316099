import { DAY, dayStart, HOUR, siteMs, type SiteMs } from './clock.ts';

/** Everything the world tells us over time, by name; the unit is part of the name. */
export const SERIES = [
  'priceUsdPerMwh',
  'dayAheadUsdPerMwh',
  'temperatureC',
  'dewPointC',
  'difficulty',
  'btcUsd',
  'feesBtcPerBlock',
  'systemLoadMw',
  'blockHeight',
  'gpuUsdPerHour.h100',
  'gpuUsdPerHour.h200',
  'gpuUsdPerHour.a100',
  'gpuUsdPerHour.rtx4090',
  'gpuUsdPerHour.rtxa6000',
  'availableMw.solar',
  'availableMw.wind',
  'availableMw.gas',
  'requestsPerSecond',
] as const;
export type SeriesName = (typeof SERIES)[number];

/**
 * How far a figure may be trusted: `measured` really happened at that moment, `rounded` is a public figure written
 * from memory of the day, `list` is a list price held constant because no moving quote exists.
 */
export type Provenance = 'measured' | 'rounded' | 'list';

export interface Point {
  readonly start: SiteMs;
  readonly value: number;
}

/** A step function: each value holds from its `start` until the next point, at the longest `holdsMs`. */
export interface Series {
  readonly name: SeriesName;
  readonly provenance: Provenance;
  readonly source: string;
  /** Length of one interval of the source. */
  readonly intervalMs: number;
  /** Past this age of the newest point the series is stale. */
  readonly holdsMs: number;
  /** What is planned with once the series is stale, where the site file says so; else the worst of its last day. */
  readonly whenStale?: number;
  /** What had to be mended in the source, newest last, in sentences with the place: a gap, a doubled row. */
  readonly mended?: readonly string[];
  /** Of a day-ahead market: in this time zone its days begin, and the day before each of them it clears. */
  readonly clearsIn?: string;
  /** Ascending by start; never a point later than the moment of reading: no look-ahead. Day-ahead prices lie ahead. */
  readonly points: readonly Point[];
}

/** Is it told before it holds? */
export const isAhead = (name: SeriesName): boolean => name === 'dayAheadUsdPerMwh';

/**
 * Local hour from which on the day-ahead prices of the next day count as known: ERCOT posts them at 13:30 Central, PJM at 13:30
 * Eastern, Nord Pool and EPEX at about 13:00 CET.
 */
const CLEARED_FROM_HOUR = 14;

/** When day-ahead prices that are known at `at` end, whatever the series holds: nobody could have known more. */
export function aheadUntil(timezone: string, at: SiteMs): SiteMs {
  const today = dayStart(at, timezone);
  // No local day is shorter than 23 hours or longer than 25.
  const tomorrow = dayStart(siteMs(today + 26 * HOUR), timezone);
  return at < today + CLEARED_FROM_HOUR * HOUR ? tomorrow : dayStart(siteMs(tomorrow + 26 * HOUR), timezone);
}

/** The value in force at `t`, with its age; undefined before the first point. */
export function valueAt(series: Series, t: SiteMs): { value: number; ageMs: number; stale: boolean } | undefined {
  const { points } = series;
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]!.start <= t) low = middle + 1;
    else high = middle;
  }
  const point = points[low - 1];
  if (point === undefined) return undefined;
  const ageMs = t - point.start;
  return { value: point.value, ageMs, stale: ageMs > series.holdsMs };
}

/** Which way a figure is worse for the site that plans with it. */
const WORST_IS_HIGH: ReadonlySet<SeriesName> = new Set([
  'priceUsdPerMwh',
  'temperatureC',
  'dewPointC',
  'difficulty',
  'requestsPerSecond',
]);

/**
 * What to plan with once a series is stale: what the site file says, else the worst of the last day told before it
 * fell silent. Undefined where it never told anything.
 */
export function pessimistic(series: Series): number | undefined {
  const newest = series.points.at(-1);
  if (newest === undefined) return undefined;
  if (series.whenStale !== undefined) return series.whenStale;
  const from = newest.start + series.intervalMs - DAY;
  const worse = WORST_IS_HIGH.has(series.name) ? Math.max : Math.min;
  return series.points.reduce((worst, { start, value }) => (start >= from ? worse(worst, value) : worst), newest.value);
}
