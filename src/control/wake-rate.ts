import type { SiteMs } from '../model/index.ts';

/** How many machines of a hall may be woken now: inrush and airflow come in bounded batches. */
export interface WakeRate {
  /** @returns false where the hall has woken as many as it may for now */
  take(hallId: string): boolean;
  /** A wake that did not come about is no wake. */
  giveBack(hallId: string): void;
}

/** Saved up while a hall wakes nobody, as a share of a minute's wakes. */
const SAVED_AT_START = 0.1;

export function createWakeRate(wakesPerMinute: (hallId: string) => number, siteNow: () => SiteMs): WakeRate {
  const halls = new Map<string, { credit: number; at: SiteMs }>();
  return {
    take(hallId) {
      const perMinute = wakesPerMinute(hallId);
      const now = siteNow();
      const known = halls.get(hallId) ?? { credit: perMinute * SAVED_AT_START, at: now };
      const credit = Math.min(perMinute, known.credit + ((now - known.at) / 60_000) * perMinute);
      const isEnough = credit >= 1;
      halls.set(hallId, { credit: isEnough ? credit - 1 : credit, at: now });
      return isEnough;
    },
    giveBack(hallId) {
      const known = halls.get(hallId);
      if (known !== undefined) known.credit += 1;
    },
  };
}
