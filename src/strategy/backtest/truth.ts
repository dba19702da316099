import { hashpriceUsdPerPhDay, wetBulbC } from '../../dispatch/economics.ts';
import { UNKNOWN_WET_BULB_C } from '../../dispatch/forecast.ts';
import {
  coincidentUsdPerMw,
  HOUR,
  isoUtc,
  MINUTE,
  monthEnd,
  monthStart,
  QUARTER,
  siteMs,
  valueAt,
} from '../../model/index.ts';
import type { Series, SeriesName, Site, SiteMs, WantedPoint } from '../../model/index.ts';
import { GPU_PARTS } from '../hardware.ts';
import { marginalPrice } from '../power.ts';
import type { SiteCase } from './facts.ts';
import { NO_GPU_PRICES, type History, type WantedSeries } from './types.ts';

/** Where no price was ever recorded GPUs are sold at the rent that the study of conversions takes, with its sources there. */
const LIST_USD_PER_GPU_HOUR: ReadonlyMap<string, number> = new Map(
  GPU_PARTS.map(({ id, usdPerGpuHour }) => [id, usdPerGpuHour]),
);

/** What a step really brought. */
export interface Conditions {
  /** What one MWh more costs at the connection, delivery included. */
  readonly priceUsdPerMwh: number;
  readonly wetBulbC: number;
  readonly hashpriceUsdPerPhDay: number;
}

/** A calendar month of the site's time zone and its system peak. */
export interface PeakHour {
  readonly month: SiteMs;
  readonly start: SiteMs;
  readonly loadMw: number;
}

/** What a class of work wanted. */
export interface Demanded {
  readonly points: readonly WantedPoint[];
  /** @throws Error where its file ends before `t` */
  at(t: SiteMs): number;
}

export interface Truth {
  /** For planners: the series with prices as the site's tariff makes them. They see past points of them only. */
  readonly series: readonly Series[];
  /** @throws Error where price or network was not told yet at that moment */
  at(t: SiteMs): Conditions;
  /** GPUs wanted by class of work, of classes of which a file tells, and the quarter-hours it tells. Planners see past ones only. */
  readonly wanted: ReadonlyMap<string, Demanded>;
  /** In the order of the site's classes, at what was known then. */
  usdPerGpuHour(t: SiteMs): readonly number[];
  /** Load by the hour. */
  readonly load: readonly { readonly start: SiteMs; readonly mw: number }[];
  /** Peaks that are charged: of the tariff's months that lie whole within the period. */
  readonly peaks: readonly PeakHour[];
  /** $ for each MW drawn in such an hour, on average; 0 where the tariff has no such charge. */
  readonly coincidentUsdPerMw: number;
  readonly notes: readonly string[];
}

/**
 * History as the site meets it.
 * @throws Error in words where prices, or what miners earn, are missing from it at the start of the period
 */
export function truthOf(facts: SiteCase, history: History, from: SiteMs, to: SiteMs): Truth {
  const { site } = facts;
  const isQuoted = facts.work.some(({ config: { usdPerGpuHour } }) => typeof usdPerGpuHour !== 'number');
  // Of the prices that are asked for it is told one by one below.
  const notes = history.warnings.filter((warning) => !isQuoted || warning !== NO_GPU_PRICES);
  const series = history.series.map((one) =>
    one.name === 'priceUsdPerMwh'
      ? tariffPrices(byQuarters(one, notes), site)
      : one.name === 'dayAheadUsdPerMwh'
        ? { ...tariffPrices(one, site), clearsIn: site.timezone }
        : one,
  );
  const byName = new Map(series.map((one) => [one.name, one]));
  const told = (name: SeriesName, t: SiteMs): number | undefined => {
    const one = byName.get(name);
    return one === undefined ? undefined : valueAt(one, t)?.value;
  };
  const needed = (name: SeriesName, t: SiteMs): number => {
    const value = told(name, t);
    if (value === undefined) throw new Error(`no ${name} is told at ${new Date(t).toISOString()}: a backtest needs it`);
    return value;
  };
  const mines = facts.cohorts.length > 0;
  const load = byHours(history);
  const coincident = site.charges.coincidentPeak;
  const peaks = coincident === undefined ? [] : peakHours(site, load, from, to, notes);
  if (!byName.has('temperatureC') || !byName.has('dewPointC'))
    notes.push(`no weather was recorded: cooling is that of a wet bulb of ${UNKNOWN_WET_BULB_C} C throughout`);
  noteGpuPrices(facts, byName, notes);
  needed('priceUsdPerMwh', from);
  return {
    series,
    at(t) {
      const temperature = told('temperatureC', t);
      const dewPoint = told('dewPointC', t);
      return {
        priceUsdPerMwh: needed('priceUsdPerMwh', t),
        wetBulbC:
          temperature === undefined || dewPoint === undefined ? UNKNOWN_WET_BULB_C : wetBulbC(temperature, dewPoint),
        hashpriceUsdPerPhDay: mines
          ? hashpriceUsdPerPhDay({
              difficulty: needed('difficulty', t),
              btcUsd: needed('btcUsd', t),
              feesBtcPerBlock: told('feesBtcPerBlock', t) ?? 0,
            })
          : 0,
      };
    },
    wanted: new Map((history.wanted ?? []).map((one) => [one.workClass, demandedOf(one)])),
    usdPerGpuHour: (t) =>
      facts.work.map(({ config: { usdPerGpuHour } }) => {
        if (typeof usdPerGpuHour === 'number') return usdPerGpuHour;
        const quote = gpuSeries(usdPerGpuHour.quote, byName);
        const listed = LIST_USD_PER_GPU_HOUR.get(usdPerGpuHour.quote) ?? 0;
        return usdPerGpuHour.factor * ((quote === undefined ? undefined : valueAt(quote, t)?.value) ?? listed);
      }),
    load,
    peaks,
    coincidentUsdPerMw: coincidentUsdPerMw(site.charges) ?? 0,
    notes,
  };
}

/** By quarter-hour: the mean of a longer interval stands for each of its quarter-hours. */
function demandedOf({ workClass, intervalMs, points: told }: WantedSeries): Demanded {
  const points = told.flatMap(({ start, gpus }) =>
    Array.from({ length: intervalMs / QUARTER }, (_, i) => ({ start: siteMs(start + i * QUARTER), gpus, coverage: 1 })),
  );
  const first = points[0]!.start;
  return {
    points,
    at(t) {
      const point = points[Math.floor((t - first) / QUARTER)];
      if (point === undefined) throw new Error(`no GPU demand of ${workClass} is told at ${isoUtc(t)}`);
      return point.gpus;
    },
  };
}

const gpuSeries = (part: string, byName: ReadonlyMap<string, Series>): Series | undefined =>
  byName.get(`gpuUsdPerHour.${part}`);

function noteGpuPrices({ work }: SiteCase, byName: ReadonlyMap<string, Series>, notes: string[]): void {
  const quotes = work.flatMap(({ config: { usdPerGpuHour } }) =>
    typeof usdPerGpuHour === 'number' ? [] : [usdPerGpuHour.quote],
  );
  for (const quote of new Set(quotes)) {
    const listed = LIST_USD_PER_GPU_HOUR.get(quote);
    if (gpuSeries(quote, byName) !== undefined) continue;
    notes.push(
      listed === undefined
        ? `no price of ${quote} was recorded and none is listed: its work by market counts as earning nothing`
        : `no price of ${quote} was recorded: held constant at the list price of $${listed} per GPU-hour`,
    );
  }
}

/** What the tariff makes of market prices: delivery on top, or a fixed price whatever the market does. */
const tariffPrices = (series: Series, site: Site): Series => ({
  ...series,
  points: series.points.map(({ start, value }) => ({ start, value: marginalPrice(site.tariff, value) })),
});

/** Prices of intervals shorter than a quarter-hour as their means by quarter-hour: decisions are made by the quarter-hour. */
function byQuarters(series: Series, notes: string[]): Series {
  if (series.intervalMs >= QUARTER) return series;
  notes.push(`prices of ${series.intervalMs / MINUTE} minutes were averaged by quarter-hour`);
  const groups = Map.groupBy(series.points, ({ start }) => Math.floor(start / QUARTER) * QUARTER);
  const points = [...groups].map(([start, some]) => ({
    start: siteMs(start),
    value: some.reduce((sum, { value }) => sum + value, 0) / some.length,
  }));
  return { ...series, intervalMs: QUARTER, holdsMs: Math.max(series.holdsMs, 2 * QUARTER), points };
}

function byHours({ load }: History): { readonly start: SiteMs; readonly mw: number }[] {
  if (load === undefined) return [];
  const groups = Map.groupBy(load.points, ({ start }) => Math.floor(start / HOUR) * HOUR);
  return [...groups].map(([start, some]) => ({
    start: siteMs(start),
    mw: some.reduce((sum, { mw }) => sum + mw, 0) / some.length,
  }));
}

/** `2025-08` of the site's time zone. */
export function monthName(t: SiteMs, timezone: string): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' }).format(t).slice(0, 7);
}

/** Starts of the calendar months that a period touches. */
export function monthsWithin(from: SiteMs, to: SiteMs, timezone: string): SiteMs[] {
  const months: SiteMs[] = [];
  for (let month = monthStart(from, timezone); month < to; month = monthEnd(month, timezone)) months.push(month);
  return months;
}

function peakHours(
  { timezone, charges }: Site,
  load: Truth['load'],
  from: SiteMs,
  to: SiteMs,
  notes: string[],
): PeakHour[] {
  const charged = new Set(charges.coincidentPeak?.months);
  const peaks: PeakHour[] = [];
  for (const month of monthsWithin(from, to, timezone)) {
    const name = monthName(month, timezone);
    if (!charged.has(Number(name.slice(5)))) continue;
    const end = monthEnd(month, timezone);
    const hours = load.filter(({ start }) => start >= month && start < end);
    if (month < from || end > to) {
      notes.push(`${name} lies only in part within the period: its coincident peak is not charged`);
    } else if (hours.length * HOUR < end - month) {
      notes.push(`the system's load is not known for all of ${name}: its coincident peak is not charged`);
    } else {
      const top = hours.reduce((best, one) => (one.mw > best.mw ? one : best));
      peaks.push({ month, start: top.start, loadMw: top.mw });
    }
  }
  return peaks;
}
