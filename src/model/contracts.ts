import type { SiteMs } from './clock.ts';
import type { Contract, Site, WorkClass } from './site.ts';

/** The calendar day, as `2026-11-22`, where the site stands. */
export const dayOf = (at: SiteMs, timezone: string): string =>
  new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' }).format(at);

/** Is a contract in force on a day of the site's calendar? Both ends are included. */
export const inForce = ({ from, until }: Pick<Contract, 'from' | 'until'>, day: string): boolean =>
  (from === undefined || from <= day) && (until === undefined || day <= until);

/** A class of work and what is signed for it at a moment. */
export interface Commitment extends WorkClass {
  /** Committed GPU-hours of a month that may go unserved without penalty; absent: none. */
  readonly curtailableGpuHoursPerMonth?: number | undefined;
}

/** Does any contract of the class allow curtailment, whether in force or not? What was served must then be booked by class. */
export const isCurtailable = (site: Pick<Site, 'contracts'>, workClassId: string): boolean =>
  site.contracts.some(({ work, curtailment }) => work === workClassId && curtailment !== undefined);

/**
 * A class of work with what customers have signed for at this moment: their GPUs on top of its own commitment. The
 * penalty is the mean, by GPUs, of what would be owed.
 */
export function commitmentsOf(site: Site, workClass: WorkClass, at: SiteMs): Commitment {
  if (!site.contracts.some(({ work }) => work === workClass.id)) return workClass;
  const day = dayOf(at, site.timezone);
  const signed = site.contracts.filter((one) => one.work === workClass.id && inForce(one, day));
  const owed = signed.reduce((sum, one) => sum + one.committedGpus * one.penaltyUsdPerGpuHour, 0);
  const own = workClass.committedGpus;
  const committedGpus = own + signed.reduce((sum, one) => sum + one.committedGpus, 0);
  const penaltyUsdPerGpuHour =
    committedGpus === 0
      ? workClass.penaltyUsdPerGpuHour
      : (own * workClass.penaltyUsdPerGpuHour + owed) / committedGpus;
  const curtailable = signed.flatMap(({ curtailment }) => (curtailment === undefined ? [] : [curtailment]));
  if (curtailable.length === 0) return { ...workClass, committedGpus, penaltyUsdPerGpuHour };
  const curtailableGpuHoursPerMonth = curtailable.reduce((sum, one) => sum + one.gpuHoursPerMonth, 0);
  return { ...workClass, committedGpus, penaltyUsdPerGpuHour, curtailableGpuHoursPerMonth };
}
