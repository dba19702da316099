import type { SiteMs } from './clock.ts';

/** Everything the world tells us over time, by name; the unit is part of the name. */
export const SERIES = [
  'priceUsdPerMwh',
  'temperatureC',
  'dewPointC',
  'difficulty',
  'btcUsd',
  'feesBtcPerBlock',
  'gpuUsdPerHour.h100',
  'gpuUsdPerHour.h200',
  'gpuUsdPerHour.a100',
  'gpuUsdPerHour.rtx4090',
  'gpuUsdPerHour.rtxa6000',
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
  /** Ascending by start; never a point later than the moment of reading: no look-ahead. */
  readonly points: readonly Point[];
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
