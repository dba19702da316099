import {
  HOUR,
  MINUTE,
  monthEnd,
  monthStart,
  QUARTER,
  siteMs,
  type DemandFacts,
  type Interval,
  type Site,
  type SiteMs,
} from '../model/index.ts';

/** What the demand charge of the running month stands at. */
export interface Billing {
  booked(interval: Interval): void;
  /** @param sinceWh metered between two moments; undefined where the counter does not tell */
  demand(site: Site, at: SiteMs, sinceWh: (from: SiteMs) => number | undefined): DemandFacts | undefined;
}

/** Quarter-hours of the longest month and a day: what a billing month can reach back. */
export const BILLED_QUARTERS = 32 * 96;

/** @param before intervals booked already, those of the running month among them */
export function createBilling(before: readonly Interval[]): Billing {
  /** Metered by quarter-hour; one that was not metered is not there: it cannot be billed on what nobody knows. */
  const importWh = new Map<number, number>();
  const keep = ({ start, importWh: wh }: Interval): void => {
    if (wh !== undefined) importWh.set(start, wh);
    for (const old of importWh.keys()) {
      if (importWh.size <= BILLED_QUARTERS) break;
      importWh.delete(old);
    }
  };
  for (const interval of before.toSorted((a, b) => a.start - b.start)) keep(interval);

  return {
    booked: keep,
    demand(site, at, sinceWh) {
      const { demand } = site.charges;
      if (demand === undefined) return undefined;
      const intervalMs = demand.intervalMinutes * MINUTE;
      const running = Math.floor(at / intervalMs) * intervalMs;
      const month = monthStart(at, site.timezone);
      const sums = new Map<number, number>();
      for (const [start, wh] of importWh) {
        const interval = Math.floor(start / intervalMs) * intervalMs;
        if (interval >= month && interval < running) sums.set(interval, (sums.get(interval) ?? 0) + wh);
      }
      const peakWh = Math.max(0, ...sums.values());
      return {
        usdPerMw: demand.usdPerKwMonth * 1000,
        intervalMs,
        billedW: Math.max(demand.ratchetMw * 1e6, (peakWh * HOUR) / intervalMs),
        monthEndsAt: monthEnd(at, site.timezone),
        runningWh: meteredSince(running, at, importWh, sinceWh),
      };
    },
  };
}

/** Of the tariff's interval that runs: what is booked of it, and what the counter tells of the quarter-hour after. */
function meteredSince(
  from: number,
  at: SiteMs,
  booked: ReadonlyMap<number, number>,
  sinceWh: (from: SiteMs) => number | undefined,
): number | undefined {
  let wh = 0;
  let start = from;
  for (; start + QUARTER <= at && booked.has(start); start += QUARTER) wh += booked.get(start)!;
  const rest = start >= at ? 0 : sinceWh(siteMs(start));
  return rest === undefined ? undefined : wh + rest;
}
