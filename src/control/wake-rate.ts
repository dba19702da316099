import type { SiteMs } from '../model/index.ts';

/** How many machines of a hall or behind a PDU may be woken now: inrush and airflow come in bounded batches. */
export interface WakeRate {
  /** @returns false where as many were woken there as may be for now */
  take(place: string, perMinute: number): boolean;
  /** A wake that did not come about is no wake. */
  giveBack(place: string): void;
}

/** Saved up while a hall wakes nobody, as a share of a minute's wakes. */
const SAVED_AT_START = 0.1;

export function createWakeRate(siteNow: () => SiteMs): WakeRate {
  const places = new Map<string, { credit: number; at: SiteMs }>();
  return {
    take(place, perMinute) {
      const now = siteNow();
      const known = places.get(place) ?? { credit: perMinute * SAVED_AT_START, at: now };
      const credit = Math.min(perMinute, known.credit + ((now - known.at) / 60_000) * perMinute);
      const isEnough = credit >= 1;
      places.set(place, { credit: isEnough ? credit - 1 : credit, at: now });
      return isEnough;
    },
    giveBack(place) {
      const known = places.get(place);
      if (known !== undefined) known.credit += 1;
    },
  };
}
