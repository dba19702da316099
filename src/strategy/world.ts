import type { Site } from '../model/index.ts';
import { HALVING_MONTH } from './defaults.ts';
import type { GpuPart } from './hardware.ts';
import {
  blockUsdPerMw,
  bucketOf,
  createPowerTables,
  type CoolingCurve,
  type PowerTable,
  type PowerTables,
} from './power.ts';
import type { Bucket, Replay } from './replay.ts';
import type { Values } from './study.ts';

/** What costs and earns, month by month of a study. Everything that a hall cannot change. */
export interface World {
  readonly months: number;
  readonly values: Values;
  readonly keptFraction: number;
  readonly lossFraction: number;
  hours(month: number): number;
  bucket(month: number): Bucket;
  /** Wet bulb that the month's hottest hours reach: what the connection must be able to bear. */
  hotWetBulbC(month: number): number;
  table(curve: CoolingCurve, month: number): PowerTable;
  /** Price of power against the replayed one: the factor of the study and its drift, which steps once a year. */
  priceFactor(month: number): number;
  hashpriceUsdPerPhDay(month: number): number;
  /**
   * What miners cost and bring against the first month: a buyer pays for the hash of the two years to come, so a halving
   * that is due is in the price before it happens.
   */
  minerIndex(month: number): number;
  gpuUsdPerHour(part: GpuPart, month: number): number;
  /** The part of a GPU the site has already; undefined where nobody tells its rent. */
  partOf(gpuModel: string): GpuPart | undefined;
  /** GPU rents against those of the first month: servers bought later are cheaper by it. */
  gpuIndex(month: number): number;
  /** Gain or loss of one MW of block over the month; 0 without a block. */
  blockUsdPerMw(month: number): number;
}

/** Months of hash that the price of a miner pays for. */
const BUYERS_MONTHS = 24;

export interface WorldFacts {
  readonly replay: Replay;
  readonly tariff: Site['tariff'];
  readonly lossFraction: number;
  readonly keptFraction: number;
  readonly start: { readonly year: number; readonly month: number };
  readonly months: number;
  readonly partsToday: ReadonlyMap<string, GpuPart>;
}

/** Whether the replay tells how hot it gets. */
const knowsSeasons = ({ seasonal, weatherCoverage }: Replay): boolean => seasonal && weatherCoverage > 0.9;

/** Wet bulb at which a hall must still keep within its breaker: the hottest of the replayed year, else as assumed. */
export const hottestWetBulbC = (replay: Replay, values: Values): number =>
  knowsSeasons(replay) ? Math.max(...replay.buckets.map(({ hotWetBulbC }) => hotWetBulbC)) : values.designWetBulbC;

/** Hours of a calendar month. */
const hoursIn = (year: number, month: number): number => new Date(Date.UTC(year, month + 1, 0)).getUTCDate() * 24;

/** @param tables handed from one world of a study to the next: they do not depend on what a study varies. */
export function createWorld(facts: WorldFacts, values: Values, tables: PowerTables = tablesFor(facts)): World {
  const { replay, tariff, start, months } = facts;
  const calendar = (month: number) => {
    const index = start.month + month;
    return { year: start.year + Math.floor(index / 12), month: index % 12 };
  };
  const halving = (HALVING_MONTH.year - start.year) * 12 + HALVING_MONTH.month - start.month;
  const drift = (pctPerYear: number, month: number) => (1 + pctPerYear / 100) ** (month / 12);
  const byMonth = <T>(make: (month: number) => T): ((month: number) => T) => {
    const made = Array.from({ length: months }, (_, month) => make(month));
    return (month) => made[month]!;
  };
  const hashIndexAt = (month: number) =>
    drift(values.hashpriceDriftPctPerYear, month) * (halving > 0 && month >= halving ? values.halvingFactor : 1);
  const hashIndex = byMonth(hashIndexAt);
  const ahead = (month: number): number =>
    Array.from({ length: BUYERS_MONTHS }, (_, m) => hashIndexAt(month + m)).reduce((a, b) => a + b, 0);
  const minerIndex = byMonth((month) => ahead(month) / ahead(0));
  const gpuIndex = byMonth((month) => drift(values.gpuRentDriftPctPerYear, month));
  const bucket = byMonth((month) => bucketOf(replay, calendar(month).month));
  const priceFactor = byMonth(
    (month) => values.powerPriceFactor * (1 + values.powerDriftPctPerYear / 100) ** Math.floor(month / 12),
  );
  const hours = byMonth((month) => hoursIn(calendar(month).year, calendar(month).month));
  const block =
    tariff.kind === 'block-and-real-time'
      ? byMonth((month) => {
          const one = bucket(month);
          return (blockUsdPerMw(one, tariff.blockUsdPerMwh, priceFactor(month)) * hours(month)) / one.hours;
        })
      : () => 0;
  return {
    months,
    values,
    keptFraction: facts.keptFraction,
    lossFraction: facts.lossFraction,
    hours,
    bucket,
    hotWetBulbC: (month) => (knowsSeasons(replay) ? bucket(month).hotWetBulbC : values.designWetBulbC),
    table: (curve, month) => tables.of(curve, bucket(month)),
    priceFactor,
    hashpriceUsdPerPhDay: (month) => values.hashpriceUsdPerPhDay * hashIndex(month),
    minerIndex,
    gpuUsdPerHour: (part, month) => part.usdPerGpuHour * values.gpuRentFactor * gpuIndex(month),
    partOf: (gpuModel) => facts.partsToday.get(gpuModel),
    gpuIndex,
    blockUsdPerMw: block,
  };
}

export const tablesFor = (facts: WorldFacts): PowerTables => createPowerTables(facts.tariff, facts.lossFraction);
