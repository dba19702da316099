import { wetBulbC } from '../dispatch/economics.ts';
import { HOUR, valueAt, type Series } from '../model/index.ts';

/**
 * A recorded period, ready to stand for the months of a study. A period that has every calendar month at nearly full
 * length gives each month of the study its own; a shorter one stands as a whole for every month, and says so.
 */
export interface Replay {
  readonly from: number;
  readonly to: number;
  readonly intervalMs: number;
  readonly intervals: number;
  /** Intervals the period would have if none were missing. */
  readonly expected: number;
  readonly gaps: readonly { readonly from: number; readonly to: number; readonly intervals: number }[];
  readonly source: string;
  /** True where each calendar month stands for itself. */
  readonly seasonal: boolean;
  /** Share of the intervals for which the weather was known. */
  readonly weatherCoverage: number;
  readonly meanUsdPerMwh: number;
  readonly lowestUsdPerMwh: number;
  readonly highestUsdPerMwh: number;
  /** By calendar month, January first; the same bucket twelve times where the period is not seasonal. */
  readonly buckets: readonly Bucket[];
}

/** Intervals that stand for a month. */
export interface Bucket {
  readonly key: string;
  readonly hours: number;
  readonly hoursPerInterval: number;
  readonly priceUsdPerMwh: Float64Array;
  readonly meanUsdPerMwh: number;
  readonly wetBulbC: Float64Array;
  /** Wet bulb that 99 of 100 intervals stay below: what cooling and the connection must be able to bear. */
  readonly hotWetBulbC: number;
}

export interface ReplaySeries {
  readonly price: Series;
  readonly temperature?: Series | undefined;
  readonly dewPoint?: Series | undefined;
}

/** Share of a calendar month that must be there for it to stand for itself. */
const MONTH_ENOUGH = 0.9;

/**
 * @param from, to Unix ms, `to` excluded; clipped to what the price series covers where absent.
 * @param defaultWetBulbC taken where no weather is known.
 * @throws Error when no price lies within the period.
 */
export function createReplay(
  { price, temperature, dewPoint }: ReplaySeries,
  defaultWetBulbC: number,
  period: { readonly from?: number | undefined; readonly to?: number | undefined } = {},
): Replay {
  const { intervalMs } = price;
  const points = price.points.filter(
    ({ start }) =>
      (period.from === undefined || start >= period.from) && (period.to === undefined || start < period.to),
  );
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined)
    throw new Error(`${price.source}: no price within the period asked for`);
  const from = period.from ?? first.start;
  const to = period.to ?? last.start + intervalMs;
  let known = 0;
  const wetBulbs = points.map(({ start }) => {
    const t = temperature === undefined ? undefined : valueAt(temperature, start);
    const d = dewPoint === undefined ? undefined : valueAt(dewPoint, start);
    if (t === undefined || d === undefined || t.stale || d.stale) return defaultWetBulbC;
    known += 1;
    return wetBulbC(t.value, d.value);
  });
  const months = points.map(({ start }) => new Date(start).getUTCMonth());
  const seasonal = isSeasonal(months, intervalMs);
  const bucket = (key: string, keep: (i: number) => boolean): Bucket => {
    const chosen = points.map((_, i) => i).filter(keep);
    const wet = Float64Array.from(chosen, (i) => wetBulbs[i]!);
    return {
      key,
      hours: (chosen.length * intervalMs) / HOUR,
      hoursPerInterval: intervalMs / HOUR,
      priceUsdPerMwh: Float64Array.from(chosen, (i) => points[i]!.value),
      meanUsdPerMwh: chosen.reduce((total, i) => total + points[i]!.value, 0) / chosen.length,
      wetBulbC: wet,
      hotWetBulbC: wet.toSorted()[Math.floor(0.99 * (wet.length - 1))]!,
    };
  };
  const whole = seasonal ? undefined : bucket('all', () => true);
  const prices = points.map(({ value }) => value);
  return {
    from,
    to,
    intervalMs,
    intervals: points.length,
    expected: Math.max(points.length, Math.round((to - from) / intervalMs)),
    gaps: gapsOf(
      points.map(({ start }) => start),
      from,
      to,
      intervalMs,
    ),
    source: price.source,
    seasonal,
    weatherCoverage: known / points.length,
    meanUsdPerMwh: prices.reduce((a, b) => a + b, 0) / prices.length,
    lowestUsdPerMwh: prices.reduce((a, b) => Math.min(a, b)),
    highestUsdPerMwh: prices.reduce((a, b) => Math.max(a, b)),
    buckets: Array.from({ length: 12 }, (_, month) => whole ?? bucket(`m${month}`, (i) => months[i] === month)),
  };
}

function isSeasonal(months: readonly number[], intervalMs: number): boolean {
  const counts = Array.from({ length: 12 }, () => 0);
  for (const month of months) counts[month]! += 1;
  const fullDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return counts.every((count, month) => count * intervalMs >= MONTH_ENOUGH * fullDays[month]! * 24 * HOUR);
}

function gapsOf(starts: readonly number[], from: number, to: number, intervalMs: number): Replay['gaps'] {
  const edges = [from - intervalMs, ...starts, to];
  return edges.slice(1).flatMap((next, i) => {
    const missing = Math.round((next - edges[i]!) / intervalMs) - 1;
    return missing > 0 ? [{ from: edges[i]! + intervalMs, to: next, intervals: missing }] : [];
  });
}

/** A period with one price and one wet bulb all year: for checks against published figures, and for tests. */
export function flatReplay(usdPerMwh: number, wetBulb = 20): Replay {
  const one: Bucket = {
    key: 'flat',
    hours: 1,
    hoursPerInterval: 1,
    priceUsdPerMwh: Float64Array.of(usdPerMwh),
    meanUsdPerMwh: usdPerMwh,
    wetBulbC: Float64Array.of(wetBulb),
    hotWetBulbC: wetBulb,
  };
  return {
    from: 0,
    to: HOUR,
    intervalMs: HOUR,
    intervals: 1,
    expected: 1,
    gaps: [],
    source: 'flat',
    seasonal: true,
    weatherCoverage: 1,
    meanUsdPerMwh: usdPerMwh,
    lowestUsdPerMwh: usdPerMwh,
    highestUsdPerMwh: usdPerMwh,
    buckets: Array.from({ length: 12 }, () => one),
  };
}
