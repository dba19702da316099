import { MINUTE, type SiteMs } from '../model/index.ts';

/** How fast import may change by our own doing, as the contract has it: a bucket for each way, filled at that rate. */
export interface Ramp {
  /** May import change at all now, up or down? What was spent beyond the rate is waited out first. */
  mayChange(way: 'up' | 'down'): boolean;
  /** Counts a change that was made. @param watts at the connection, up or down */
  spend(watts: number): void;
}

/** Saved up while nothing changes: no more than so long at the rate, or a still minute would end in a jump. */
const SAVED_MS = 6_000;

/** @param wattsPerMinute undefined where the contract has no ramp */
export function createRamp(wattsPerMinute: () => number | undefined, siteNow: () => SiteMs): Ramp {
  const buckets = { up: { watts: 0, at: siteNow() }, down: { watts: 0, at: siteNow() } };

  function fill(way: 'up' | 'down', rate: number): { watts: number; at: SiteMs } {
    const bucket = buckets[way];
    const now = siteNow();
    bucket.watts = Math.min((rate * SAVED_MS) / MINUTE, bucket.watts + (rate * (now - bucket.at)) / MINUTE);
    bucket.at = now;
    return bucket;
  }

  return {
    mayChange(way) {
      const rate = wattsPerMinute();
      // One machine may be more than the bucket holds: it is let through, and paid off before the next.
      return rate === undefined || fill(way, rate).watts > 0;
    },
    spend(watts) {
      const rate = wattsPerMinute();
      if (rate !== undefined) fill(watts > 0 ? 'up' : 'down', rate).watts -= Math.abs(watts);
    },
  };
}
