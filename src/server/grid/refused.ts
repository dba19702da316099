import type { SiteMs, WallMs } from '../../model/index.ts';
import type { Journal } from '../journal.ts';

/** Refusals of one source on record: the first of a minute one by one, the rest as a number, so that nobody can fill the ledger. */
export interface RefusedLog {
  add(sourceId: string, why: string, what?: 'a webhook' | 'a base point'): void;
  /** Writes down what was only counted, a minute after. Called once a second. */
  look(): void;
}

const ONE_BY_ONE = 10;
const MINUTE_MS = 60_000;

export function createRefusedLog(journal: Pick<Journal, 'act'>, now: { site(): SiteMs; wall(): WallMs }): RefusedLog {
  const minutes = new Map<string, { readonly wall: WallMs; count: number }>();
  let counter = 0;

  function act(sourceId: string, what: string, why: string): void {
    counter += 1;
    journal.act({ id: `grid-refused-${now.site()}-${counter}`, at: now.site(), who: sourceId, what, why });
  }

  return {
    add(sourceId, why, what = 'a webhook') {
      const minute = minutes.get(sourceId) ?? { wall: now.wall(), count: 0 };
      minutes.set(sourceId, minute);
      minute.count += 1;
      if (minute.count <= ONE_BY_ONE) act(sourceId, `refused: ${what}`, why);
    },
    look() {
      for (const [sourceId, { wall, count }] of minutes) {
        if (now.wall() - wall < MINUTE_MS) continue;
        minutes.delete(sourceId);
        const more = count - ONE_BY_ONE;
        if (more > 0)
          act(sourceId, `refused: ${more} more`, `within a minute, after ${ONE_BY_ONE} that were written down`);
      }
    },
  };
}
