import { type AvailabilityContract, promisesAvailability } from './availability.ts';
import { HOUR, siteMs, type SiteMs } from './clock.ts';
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
  /** The contract that promises a minimum availability, the only one of the class then. */
  readonly availability?: AvailabilityContract | undefined;
}

/** Must the books count what is served of a class: for a deadline, or a contract with terms of a month, in force or not? */
export const countsServed = (
  site: Pick<Site, 'contracts'>,
  { id, deadline }: Pick<WorkClass, 'id' | 'deadline'>,
): boolean =>
  deadline !== undefined ||
  site.contracts.some(
    ({ work, curtailment, availability }) => work === id && (curtailment !== undefined || availability !== undefined),
  );

/** One term for work to be done, `by` excluded. */
export interface DeadlineTerm {
  readonly from: SiteMs;
  readonly by: SiteMs;
  readonly gpuHours: number;
  readonly penaltyUsdPerGpuHour: number;
}

/** The term of a class that runs at `t`; undefined between terms and where it has none. */
export function deadlineTermAt({ deadline }: Pick<WorkClass, 'deadline'>, t: SiteMs): DeadlineTerm | undefined {
  if (deadline === undefined) return undefined;
  const { gpuHours, penaltyUsdPerGpuHour, everyHours } = deadline;
  const first = Date.parse(deadline.from);
  const lengthMs = Date.parse(deadline.by) - first;
  const everyMs = everyHours === undefined ? Infinity : everyHours * HOUR;
  const from = first + (everyMs === Infinity ? 0 : Math.floor((t - first) / everyMs) * everyMs);
  if (t < first || t >= from + lengthMs) return undefined;
  return { from: siteMs(from), by: siteMs(from + lengthMs), gpuHours, penaltyUsdPerGpuHour };
}

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
  const availability = signed.find(promisesAvailability);
  const commitment = { ...workClass, committedGpus, penaltyUsdPerGpuHour, ...(availability && { availability }) };
  const curtailable = signed.flatMap(({ curtailment }) => (curtailment === undefined ? [] : [curtailment]));
  if (curtailable.length === 0) return commitment;
  const curtailableGpuHoursPerMonth = curtailable.reduce((sum, one) => sum + one.gpuHoursPerMonth, 0);
  return { ...commitment, curtailableGpuHoursPerMonth };
}
