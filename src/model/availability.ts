import { dateEnd, DAY, HOUR, monthEnd, monthStart, siteMs, type SiteMs } from './clock.ts';
import type { Contract } from './site.ts';
import type { AvailabilityFacts } from './snapshot.ts';

/** A contract that promises a minimum availability. */
export type AvailabilityContract = Contract & { readonly availability: NonNullable<Contract['availability']> };

export const promisesAvailability = (contract: Contract): contract is AvailabilityContract =>
  contract.availability !== undefined;

/** The part of a calendar month in which a contract is in force, `until` excluded. */
export interface AvailabilityMonth {
  readonly from: SiteMs;
  readonly until: SiteMs;
}

/** Of the calendar month of `t` where the site stands; undefined where the contract is not in force in it. */
export function availabilityMonth(
  { from, until }: Pick<Contract, 'from' | 'until'>,
  t: SiteMs,
  timezone: string,
): AvailabilityMonth | undefined {
  const first = monthStart(t, timezone);
  const last = monthEnd(t, timezone);
  // A day begins when the one before it is over.
  const dayBefore = from && new Date(Date.parse(from) - DAY).toISOString().slice(0, 10);
  const begins = dayBefore === undefined ? first : Math.max(first, dateEnd(dayBefore, timezone));
  const ends = until === undefined ? last : Math.min(last, dateEnd(until, timezone));
  return begins < ends ? { from: siteMs(begins), until: siteMs(ends) } : undefined;
}

/** What falls due once more than so many committed GPU-hours of a month go unserved. */
export interface AvailabilityCredit {
  readonly missableGpuHours: number;
  /** On top of the credits before it. */
  readonly usd: number;
}

/** Committed GPU-hours of a month. */
export const committedGpuHours = (
  { committedGpus }: Pick<Contract, 'committedGpus'>,
  { from, until }: AvailabilityMonth,
): number => (committedGpus * (until - from)) / HOUR;

/**
 * The credits of a month, in their order. Availability is counted on all committed GPU-hours of the month, as uptime is in the terms of cloud
 * providers (minutes of the month less those down, over minutes of the month), so that what may be missed is known on its first day.
 * @param curtailableGpuHours that may go unserved besides
 */
export function availabilityCredits(
  contract: AvailabilityContract,
  month: AvailabilityMonth,
  curtailableGpuHours: number,
): AvailabilityCredit[] {
  const gpuHours = committedGpuHours(contract, month);
  return contract.availability.map(({ belowPct, creditUsd }, k) => ({
    missableGpuHours: ((100 - belowPct) / 100) * gpuHours + curtailableGpuHours,
    usd: creditUsd - (contract.availability[k - 1]?.creditUsd ?? 0),
  }));
}

/** Sums as long as a month's differ in their last digits by the order they are added in: less than a GPU-second is no GPU missed. */
const NOISE_GPU_HOURS = 1 / 3_600;

/** What is due for a month in which so many GPU-hours went unserved, in $. */
export const creditUsd = (credits: readonly AvailabilityCredit[], unservedGpuHours: number): number =>
  credits.reduce((sum, { missableGpuHours, usd }) => sum + (isMissed(missableGpuHours, unservedGpuHours) ? usd : 0), 0);

export const isMissed = (missableGpuHours: number, unservedGpuHours: number): boolean =>
  unservedGpuHours > missableGpuHours + NOISE_GPU_HOURS;

/** What is known of a class of work since a moment, and of how much time. */
export interface Known {
  readonly ms: number;
  readonly unservedGpuHours: number;
}

/** Of all that is committed, so long is kept back of what may be missed: work that gave way is not back to the second. */
const KEPT_BACK_HOURS = 0.25;

/**
 * What a plan may leave unserved before a credit falls due; undefined where the contract promises no availability. A credit is lost by what
 * is known alone; time of which nobody knows uses up what may be missed, and no more: what is in doubt is still worth keeping.
 * @param since what is known of its class of work
 */
export function availabilityFacts(
  timezone: string,
  contract: AvailabilityContract | undefined,
  at: SiteMs,
  since: (from: SiteMs) => Known,
): AvailabilityFacts | undefined {
  const month = contract && availabilityMonth(contract, at, timezone);
  if (contract === undefined || month === undefined) return undefined;
  const monthEndsAt = monthEnd(at, timezone);
  const next = availabilityMonth(contract, monthEndsAt, timezone);
  const { committedGpus, curtailment } = contract;
  const curtailable = curtailment?.gpuHoursPerMonth ?? 0;
  const known = since(month.from);
  const unknownGpuHours = (Math.max(0, at - month.from - known.ms) / HOUR) * committedGpus;
  const keptBack = KEPT_BACK_HOURS * committedGpus;
  const after = next && availabilityCredits(contract, next, curtailable);
  return {
    monthEndsAt,
    credits: availabilityCredits(contract, month, curtailable).map(({ usd, missableGpuHours }, k) => {
      const nextGpuHours = after && Math.max(0, after[k]!.missableGpuHours - keptBack);
      if (isMissed(missableGpuHours, known.unservedGpuHours)) return { usd, leftGpuHours: undefined, nextGpuHours };
      const leftGpuHours = Math.max(0, missableGpuHours - known.unservedGpuHours - unknownGpuHours - keptBack);
      return { usd, leftGpuHours, nextGpuHours };
    }),
  };
}
