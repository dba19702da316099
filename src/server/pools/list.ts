import { isDeepStrictEqual } from 'node:util';
import { isoUtc, type Pool, type Site, type SiteMs } from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { Journal } from '../journal.ts';

/**
 * The list of pools in force. It comes from the site file, and a change of it there waits until an admin and a second person
 * have said yes: whoever can edit a file must not be able to send the site's hash elsewhere alone.
 */
export interface PoolList {
  /** What may be written to machines, and what they may be seen on. */
  inForce(): readonly Pool[];
  /** A list in the site file that is not in force yet. */
  pending(): PendingList | undefined;
  /**
   * An admin's yes. The first asks for the list as it stands in the site file, a second one puts it in force.
   * @throws Error in words where there is nothing to approve, or it is the same person again
   */
  approve(who: string, person: string, why: string): 'asked' | 'in-force';
}

export interface PendingList {
  readonly pools: readonly Pool[];
  readonly askedBy: string | undefined;
  readonly askedAt: SiteMs | undefined;
}

interface Kept {
  readonly pools: readonly Pool[];
  readonly ask?: { readonly pools: readonly Pool[]; readonly by: string; readonly person: string; readonly at: SiteMs };
}

const KEY = 'pools';

export async function createPoolList(options: {
  readonly store: Store;
  readonly journal: Journal;
  site(): Site;
  siteNow(): SiteMs;
  onInForce(pools: readonly Pool[]): void;
}): Promise<PoolList> {
  const { store, journal } = options;
  const text = await store.getMeta(KEY);
  let kept: Kept = text === undefined ? { pools: [] } : (JSON.parse(text) as Kept);
  const save = (next: Kept): void => {
    kept = next;
    store.setMeta(KEY, JSON.stringify(next));
  };
  const record = (who: string, what: string, why: string): void => {
    const at = options.siteNow();
    journal.act({ id: `pools-${at}`, at, who, what, why });
  };

  function adoptFirst(): void {
    const { pools } = options.site();
    if (kept.pools.length > 0 || kept.ask !== undefined || pools.length === 0) return;
    save({ pools });
    record(
      'busbar',
      `take the ${pools.length} pools of the site file as the first list`,
      'no list was in force before',
    );
    options.onInForce(pools);
  }
  adoptFirst();

  const isPending = (): boolean => !isDeepStrictEqual(plain(options.site().pools), plain(kept.pools));
  return {
    inForce() {
      adoptFirst();
      return kept.pools;
    },
    pending() {
      adoptFirst();
      if (!isPending()) return undefined;
      const { pools } = options.site();
      const asked =
        kept.ask !== undefined && isDeepStrictEqual(plain(kept.ask.pools), plain(pools)) ? kept.ask : undefined;
      return { pools, askedBy: asked?.by, askedAt: asked?.at };
    },
    approve(who, person, why) {
      if (!isPending()) throw new Error('the list of the site file is in force: there is nothing to approve');
      const { pools } = options.site();
      const { ask } = kept;
      if (ask === undefined || !isDeepStrictEqual(plain(ask.pools), plain(pools))) {
        save({ ...kept, ask: { pools, by: who, person, at: options.siteNow() } });
        record(who, `ask for a changed list of pools: ${listText(pools)}`, why);
        return 'asked';
      }
      if (ask.person === person)
        throw new Error(`${ask.by} asked for it ${isoUtc(ask.at)}: it takes a second person to put it in force`);
      save({ pools });
      record(who, `put the list of pools that ${ask.by} asked for in force: ${listText(pools)}`, why);
      options.onInForce(pools);
      return 'in-force';
    },
  };
}

/** As it is kept: without what is undefined. */
const plain = (pools: readonly Pool[]): unknown => JSON.parse(JSON.stringify(pools));
const listText = (pools: readonly Pool[]): string =>
  pools.length === 0 ? 'none' : pools.map(({ url, worker }) => `${url} as ${worker}`).join(', ');
