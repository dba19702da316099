import type { UnbookedQuarter } from '../books/book.ts';
import {
  availabilityFacts,
  HOUR,
  MINUTE,
  monthEnd,
  monthStart,
  deadlineTermAt,
  QUARTER,
  siteMs,
  toMicroUsd,
  type AvailabilityFacts,
  type Commitment,
  type CurtailmentFacts,
  type DeadlineFacts,
  type DemandFacts,
  type Interval,
  type Site,
  type SiteMs,
  type WorkClass,
} from '../model/index.ts';
import { creditsDue } from './availability.ts';

/** Where the demand charge, the curtailment budgets and the availabilities of the running month stand. */
export interface Billing {
  booked(interval: Interval): void;
  /** @param sinceWh metered between two moments; undefined where the counter does not tell */
  demand(site: Site, at: SiteMs, sinceWh: (from: SiteMs) => number | undefined): DemandFacts | undefined;
  /** Undefined where the contracts of the class have no such budget. @param unbooked what was seen of it since the last interval that is booked */
  curtailment(
    site: Site,
    workClass: Commitment,
    at: SiteMs,
    unbooked: readonly UnbookedQuarter[],
  ): CurtailmentFacts | undefined;
  /** Undefined where no contract of the class promises an availability. */
  availability(
    site: Site,
    workClass: Commitment,
    at: SiteMs,
    unbooked: readonly UnbookedQuarter[],
  ): AvailabilityFacts | undefined;
  /** What a class of work has to do by its deadline; undefined where no term of it runs. */
  deadline(workClass: WorkClass, at: SiteMs, unbooked: readonly UnbookedQuarter[]): DeadlineFacts | undefined;
  /**
   * The interval, after it was `booked`, with what fell due in it: for work whose deadline was in it and that was not seen done by its end,
   * and credits for availability. Time of which nobody knows counts as idle, as it does for the plan.
   */
  withDue(site: Site, interval: Interval): Interval;
}

/** Quarter-hours of the longest month and a day: what a billing month can reach back. */
export const BILLED_QUARTERS = 32 * 96;

/** @param before intervals booked already, those of the running month among them */
export function createBilling(before: readonly Interval[]): Billing {
  /** Metered by quarter-hour; one that was not metered is not there: it cannot be billed on what nobody knows. */
  const importWh = new Map<number, number>();
  const served = new Map<number, Pick<Interval, 'coverage' | 'served'>>();
  const keep = ({ start, importWh: wh, coverage, served: work }: Interval): void => {
    if (wh !== undefined) importWh.set(start, wh);
    if (work !== undefined) served.set(start, { coverage, served: work });
    for (const old of served.keys()) {
      if (served.size <= BILLED_QUARTERS) break;
      served.delete(old);
    }
    for (const old of importWh.keys()) {
      if (importWh.size <= BILLED_QUARTERS) break;
      importWh.delete(old);
    }
  };
  for (const interval of before.toSorted((a, b) => a.start - b.start)) keep(interval);

  /** What is known of a class of work since `from`, and of how much time. */
  function servedSince(from: number, id: string, unbooked: readonly UnbookedQuarter[]) {
    const sum = { ms: 0, gpuHours: 0, unservedGpuHours: 0 };
    const count = (start: number, ms: number, one: UnbookedQuarter['served']): void => {
      if (start < from || one === undefined) return;
      sum.ms += ms;
      sum.gpuHours += one.gpuHours;
      sum.unservedGpuHours += one.unservedGpuHours;
    };
    for (const [start, { coverage, served: classes }] of served)
      count(
        start,
        coverage * QUARTER,
        classes?.find(({ workClass }) => workClass === id),
      );
    for (const quarter of unbooked)
      if (!served.has(quarter.start)) count(quarter.start, quarter.observedMs, quarter.served);
    return sum;
  }

  const countedFrom = (id: string): number | undefined => {
    for (const [start, { served: classes }] of served)
      if (classes?.some(({ workClass }) => workClass === id)) return start;
    return undefined;
  };

  function deadline(workClass: WorkClass, at: SiteMs, unbooked: readonly UnbookedQuarter[]): DeadlineFacts | undefined {
    const term = deadlineTermAt(workClass, at);
    if (term === undefined) return undefined;
    const { gpuHours, by, penaltyUsdPerGpuHour } = term;
    const done = servedSince(term.from, workClass.id, unbooked).gpuHours;
    return { gpuHours: Math.max(0, gpuHours - done), by, penaltyUsdPerGpuHour };
  }

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
    curtailment({ timezone }, { id, committedGpus, curtailableGpuHoursPerMonth }, at, unbooked) {
      if (curtailableGpuHoursPerMonth === undefined) return undefined;
      const month = monthStart(at, timezone);
      const known = servedSince(month, id, unbooked);
      // Of the rest of the month so far nobody knows what was served: the customer may say nothing was.
      const unknownMs = Math.max(0, at - month - known.ms);
      const usedGpuHours = known.unservedGpuHours + (unknownMs / HOUR) * committedGpus;
      return {
        gpuHoursPerMonth: curtailableGpuHoursPerMonth,
        leftGpuHours: Math.max(0, curtailableGpuHoursPerMonth - usedGpuHours),
        monthEndsAt: monthEnd(at, timezone),
      };
    },
    availability: ({ timezone }, { id, availability }, at, unbooked) =>
      availabilityFacts(timezone, availability, at, (from) => servedSince(from, id, unbooked)),
    deadline,
    withDue(site, interval) {
      const end = interval.start + interval.durationMs;
      const owed = new Map<string, number>();
      const credits = creditsDue(site, interval, (from, id) => servedSince(from, id, []), countedFrom);
      for (const workClass of site.clusters.flatMap(({ classes }) => classes)) {
        const { id, line } = workClass;
        if (credits.has(id)) owed.set(line, (owed.get(line) ?? 0) + credits.get(id)!);
        const by = deadlineTermAt(workClass, interval.start)?.by;
        if (by === undefined || by > end) continue;
        const late = deadline(workClass, interval.start, [])!;
        const usd = late.gpuHours * late.penaltyUsdPerGpuHour;
        owed.set(line, (owed.get(line) ?? 0) + usd);
      }
      if (owed.size === 0) return interval;
      const lines = interval.lines.map((one) => ({
        ...one,
        penalty: one.penalty + toMicroUsd(owed.get(one.line) ?? 0),
      }));
      return { ...interval, lines };
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
