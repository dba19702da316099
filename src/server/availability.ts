import {
  availabilityCredits,
  availabilityMonth,
  creditUsd,
  HOUR,
  promisesAvailability,
  type AvailabilityFacts,
  type Commitment,
  type Interval,
  type Known,
  type Site,
  type SiteMs,
} from '../model/index.ts';

/** What of its minimum availability a class of work may still miss at a moment. */
export type AvailabilityOf = (workClass: Commitment, at: SiteMs) => AvailabilityFacts | undefined;

/**
 * Credits that fall due in an interval, in $ by class of work: a liability stands as soon as nothing can turn it away, so in the interval in which more was
 * missed than the month allows. Time of which nobody knows, since the class is counted at all, counts as missed in the last interval of the
 * month: until then it might have cost nothing.
 * @param since what is known of a class, this interval included @param countedFrom when the first of it was counted
 */
export function creditsDue(
  site: Pick<Site, 'contracts' | 'timezone'>,
  { start, durationMs, served }: Interval,
  since: (from: SiteMs, workClass: string) => Known,
  countedFrom: (workClass: string) => number | undefined,
): Map<string, number> {
  const due = new Map<string, number>();
  for (const contract of site.contracts.filter(promisesAvailability)) {
    const { work, committedGpus, curtailment } = contract;
    const month = availabilityMonth(contract, start, site.timezone);
    const first = countedFrom(work);
    if (month === undefined || first === undefined || start < month.from || start >= month.until) continue;
    const credits = availabilityCredits(contract, month, curtailment?.gpuHoursPerMonth ?? 0);
    const known = since(month.from, work);
    const own = served?.find(({ workClass }) => workClass === work)?.unservedGpuHours ?? 0;
    const isLast = start + durationMs >= month.until;
    const unknownMs = isLast ? Math.max(0, month.until - Math.max(first, month.from) - known.ms) : 0;
    const missed = known.unservedGpuHours + (unknownMs / HOUR) * committedGpus;
    const usd = creditUsd(credits, missed) - creditUsd(credits, known.unservedGpuHours - own);
    if (usd > 0) due.set(work, usd);
  }
  return due;
}
