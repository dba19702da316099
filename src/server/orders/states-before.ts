import { z } from 'zod';
import type { Desire } from '../../control/commands.ts';
import { modeKey, siteMs, type Reading, type SiteMs } from '../../model/index.ts';
import type { Store } from '../../store/store.ts';

/** What a machine was before an order put it to sleep. */
export interface StateBefore {
  /** Mode key, a profile. */
  readonly mode: string;
  readonly at: SiteMs;
}

/**
 * What machines were doing when an order first put them to sleep, kept over restarts of theirs and ours, until they do it again.
 * Sleep loses it on much firmware: what wakes from it runs at the factory's profile.
 */
export interface StatesBefore {
  of(id: string): StateBefore | undefined;
  /** Before an order's desires are handed on: keeps what each machine that is to sleep by it does now. */
  keep(desires: ReadonlyMap<string, Desire>, readingOf: (id: string) => Reading | undefined, at: SiteMs): void;
  /**
   * The desires with every machine that no order keeps asleep back in the mode it had. One that the plan has sleep for reasons of
   * its own sleeps on, and gets its mode when it wakes.
   * @param readingOf the last reading of a machine of the site
   * @param wasLeft whether the plan has left it alone since this time or longer: nothing else would wake it then. Whoever held it after
   *   that wants it as it was found, asleep
   * @param cannot whether it has refused the mode: then the plan has it
   */
  restore(
    desires: ReadonlyMap<string, Desire>,
    act: Omit<Desire, 'mode'>,
    facts: {
      readingOf(id: string): Reading | undefined;
      /** What is wanted of it already. */
      standing(id: string): Desire | undefined;
      wasLeft(id: string, at: SiteMs): boolean;
      cannot(id: string, mode: string): boolean;
    },
  ): ReadonlyMap<string, Desire>;
}

const KEY = 'states-before-orders';
const kept = z.record(z.string(), z.object({ mode: z.string(), at: z.number().transform(siteMs) }));

export async function createStatesBefore(store: Pick<Store, 'getMeta' | 'setMeta'>): Promise<StatesBefore> {
  const text = await store.getMeta(KEY);
  const states = new Map<string, StateBefore>(Object.entries(text === undefined ? {} : kept.parse(JSON.parse(text))));
  const save = (): void => store.setMeta(KEY, JSON.stringify(Object.fromEntries(states)));

  return {
    of: (id) => states.get(id),
    keep(desires, readingOf, at) {
      const before = states.size;
      for (const [id, { mode, isShed }] of desires) {
        const now = readingOf(id)?.mode;
        // The first order counts: one that comes while it sleeps, or wakes, knows nothing better.
        if (mode !== 'sleep' || isShed !== true || now?.kind !== 'run' || states.has(id)) continue;
        states.set(id, { mode: modeKey(now), at });
      }
      if (states.size > before) save();
    },
    restore(desires, act, { readingOf, standing, wasLeft, cannot }) {
      const restored = new Map(desires);
      let isChanged = false;
      for (const [id, { mode, at }] of states) {
        const wanted = desires.get(id);
        if (wanted?.isShed === true) continue;
        const now = readingOf(id)?.mode;
        if ((now !== undefined && modeKey(now) === mode) || cannot(id, mode)) {
          states.delete(id);
          isChanged = true;
        } else if (wanted === undefined ? wasLeft(id, at) : wanted.mode !== 'sleep') {
          const known = standing(id);
          const back = { ...act, mode };
          // Where the plan moves nobody by itself, whoever released the order has confirmed this.
          restored.set(id, known?.mode === mode ? known : wanted === undefined ? { ...back, confirmed: true } : back);
        }
      }
      if (isChanged) save();
      return restored;
    },
  };
}
