import { byWetBulb, type CoolingPoint, type Site } from '../model/index.ts';
import type { Bucket, Replay } from './replay.ts';

/** Watts of cooling per watt of IT, by wet bulb, whatever the load. */
export type CoolingCurve = readonly CoolingPoint[];

export const marginalCooling = (curve: CoolingCurve, wetBulbC: number): number =>
  byWetBulb(curve, wetBulbC, ({ marginalW }) => marginalW);

/**
 * The intervals of a bucket in ascending order of what one MWh of IT costs in them, cooling and losses included, with
 * running sums: what a load earns that runs in every interval cheaper than its break-even is two look-ups.
 * Every interval still decides for itself; nothing is averaged.
 */
export interface PowerTable {
  readonly hours: number;
  /** Ascending; $ per MWh of IT. */
  readonly costUsdPerMwh: Float64Array;
  /** Sums over the first n intervals, n from 0: hours, $ per MW of IT, MWh at the meter per MW of IT. */
  readonly sumHours: Float64Array;
  readonly sumUsd: Float64Array;
  readonly sumMeterMwh: Float64Array;
  /** $ and MWh at the meter of one MW in the hall that needs no cooling, over all intervals. */
  readonly flatUsd: number;
  readonly flatMeterMwh: number;
}

export interface PowerTables {
  of(curve: CoolingCurve, bucket: Bucket): PowerTable;
}

export type Tariff = Site['tariff'];

/** What one MWh more costs at the connection: real time whether it is bought or kept from being sold, plus delivery. */
export function marginalPrice(tariff: Tariff, marketUsdPerMwh: number): number {
  if (tariff.kind === 'fixed') return tariff.usdPerMwh;
  return tariff.kind === 'real-time' ? marketUsdPerMwh + tariff.adderUsdPerMwh : marketUsdPerMwh;
}

export function createPowerTables(tariff: Tariff, lossFraction: number): PowerTables {
  const tables = new Map<CoolingCurve, Map<string, PowerTable>>();
  return {
    of(curve, bucket) {
      const byBucket = tables.get(curve) ?? new Map<string, PowerTable>();
      tables.set(curve, byBucket);
      let table = byBucket.get(bucket.key);
      if (table === undefined) byBucket.set(bucket.key, (table = makeTable(tariff, lossFraction, curve, bucket)));
      return table;
    },
  };
}

function makeTable(tariff: Tariff, lossFraction: number, curve: CoolingCurve, bucket: Bucket): PowerTable {
  const { priceUsdPerMwh, wetBulbC, hoursPerInterval } = bucket;
  const count = priceUsdPerMwh.length;
  const multiplier = Float64Array.from(wetBulbC, (t) => (1 + lossFraction) * (1 + marginalCooling(curve, t)));
  const price = Float64Array.from(priceUsdPerMwh, (p) => marginalPrice(tariff, p));
  const cost = Float64Array.from(price, (p, i) => p * multiplier[i]!);
  const order = Uint32Array.from(cost.keys()).sort((a, b) => cost[a]! - cost[b]!);
  const sumHours = new Float64Array(count + 1);
  const sumUsd = new Float64Array(count + 1);
  const sumMeterMwh = new Float64Array(count + 1);
  for (const [n, i] of order.entries()) {
    sumHours[n + 1] = sumHours[n]! + hoursPerInterval;
    sumUsd[n + 1] = sumUsd[n]! + cost[i]! * hoursPerInterval;
    sumMeterMwh[n + 1] = sumMeterMwh[n]! + multiplier[i]! * hoursPerInterval;
  }
  return {
    hours: bucket.hours,
    costUsdPerMwh: Float64Array.from(order, (i) => cost[i]!),
    sumHours,
    sumUsd,
    sumMeterMwh,
    flatUsd: price.reduce((total, p) => total + p, 0) * hoursPerInterval * (1 + lossFraction),
    flatMeterMwh: bucket.hours * (1 + lossFraction),
  };
}

/** How many of the cheapest intervals cost less than a value: those in which the load runs. */
export function intervalsBelow({ costUsdPerMwh }: PowerTable, valueUsdPerMwh: number): number {
  let low = 0;
  let high = costUsdPerMwh.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (costUsdPerMwh[middle]! < valueUsdPerMwh) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What a block bought ahead is worth over a bucket, per MW: it is paid whatever happens, and every MWh of it is either
 * used in place of real-time power or sold at the real-time price.
 */
export const blockUsdPerMw = (bucket: Bucket, blockUsdPerMwh: number, priceFactor: number): number =>
  (bucket.meanUsdPerMwh * priceFactor - blockUsdPerMwh) * bucket.hours;

export const bucketOf = (replay: Replay, calendarMonth: number): Bucket => replay.buckets[calendarMonth]!;
