import { dateEnd, HOUR, siteMs, type SiteMs } from './clock.ts';
import { dayOf } from './contracts.ts';
import type { Lease, Site } from './site.ts';
import type { LeaseFacts } from './snapshot.ts';

/** Chips of a lease that are held, and what they cost and bring, in $ an hour. */
export interface LeaseHeld {
  readonly lease: Lease;
  readonly chips: number;
  readonly costUsdPerHour: number;
  /** Of its customer; what chips earn that serve a class of work nobody measures here. */
  readonly revenueUsdPerHour: number;
}

const isCommitted = ({ until }: Lease, at: SiteMs, timezone: string): boolean =>
  until === undefined || dayOf(at, timezone) <= until;

/** What is held by the site file at a moment: chips committed to, and those it says are rented beyond them. */
export const leasesHeld = (site: Pick<Site, 'leases' | 'timezone'>, at: SiteMs): LeaseHeld[] =>
  site.leases.map((lease) => {
    const committed = isCommitted(lease, at, site.timezone) ? lease.chips : 0;
    const { rented = 0, costUsdPerChipHour = 0 } = lease.more ?? {};
    return {
      lease,
      chips: committed + rented,
      costUsdPerHour: committed * lease.costUsdPerChipHour + rented * costUsdPerChipHour,
      revenueUsdPerHour: committed * lease.revenueUsdPerChipHour,
    };
  });

/** Leases of which a plan has something to decide: one that only is sold on, with no end told, is money whatever is planned. */
export const leaseFacts = (site: Pick<Site, 'leases' | 'timezone'>, at: SiteMs): LeaseFacts[] =>
  site.leases
    .filter(
      (lease) => lease.serves !== undefined || (lease.until !== undefined && isCommitted(lease, at, site.timezone)),
    )
    .map((lease) => {
      const { id, serves, gpusPerChip, until, more } = lease;
      const rentedAt = more?.rentedAt;
      return {
        id,
        chips: isCommitted(lease, at, site.timezone) ? lease.chips : 0,
        costUsdPerChipHour: lease.costUsdPerChipHour,
        soldUsdPerChipHour: lease.revenueUsdPerChipHour,
        endsAt: until === undefined ? undefined : dateEnd(until, site.timezone),
        serves: serves === undefined ? undefined : { work: serves, gpusPerChip: gpusPerChip ?? 0 },
        more: more && {
          chips: more.chips,
          costUsdPerChipHour: more.costUsdPerChipHour,
          minimumMs: more.minimumHours * HOUR,
          rentedChips: more.rented,
          keptUntil: rentedAt === undefined ? undefined : siteMs(Date.parse(rentedAt) + more.minimumHours * HOUR),
        },
      };
    });
