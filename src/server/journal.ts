import type { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import type { Command, SiteMs, WallMs } from '../model/index.ts';
import { StoreFailure } from '../store/queue.ts';
import type { Act, Store } from '../store/store.ts';
import type { RuntimeEvents } from './runtime.ts';

/** What was decided and done, written down and told to whoever listens. */
export interface Journal {
  act(act: Act): void;
  /** A decision that changed nothing when it was made: written down with the first command it leads to after all. */
  later(act: Act): void;
  /** Forgets the decisions kept for later that nothing wishes for any more. */
  keepOnly(wished: ReadonlySet<string>): void;
  commands(commands: readonly Command[]): void;
  /** Tells listeners of acts that are new, or whose commands got on. */
  tell(): Promise<void>;
  /** Writes down what came of acts whose commands rest; at the end, of all. */
  settle(atEnd?: boolean): void;
}

/** Commands that did not move for so long rest: machines are seen within seconds, meters within a minute. */
const REST_MS = 120_000;

export function createJournal(
  store: Store,
  events: EventEmitter<RuntimeEvents>,
  log: Logger,
  now: { site(): SiteMs; wall(): WallMs },
): Journal {
  const unwritten = new Map<string, Act>();
  /** Acts to tell listeners of. */
  const moved = new Set<string>();
  /** When the commands of an act last moved. */
  const unsettled = new Map<string, WallMs>();

  function act(one: Act): void {
    store.recordAct(one);
    moved.add(one.id);
  }

  return {
    act,
    later: (one) => void unwritten.set(one.id, one),
    keepOnly(wished) {
      for (const id of unwritten.keys()) if (!wished.has(id)) unwritten.delete(id);
    },
    commands(commands) {
      for (const { batchId } of commands) {
        const decision = unwritten.get(batchId);
        if (decision === undefined) continue;
        unwritten.delete(batchId);
        act(decision);
      }
      store.saveCommands(commands);
      const wall = now.wall();
      for (const { batchId } of commands) {
        moved.add(batchId);
        unsettled.set(batchId, wall);
      }
    },
    settle(atEnd = false) {
      for (const [id, wall] of unsettled) {
        if (!atEnd && now.wall() - wall < REST_MS) continue;
        unsettled.delete(id);
        store.recordResult(id, now.site());
      }
    },
    async tell() {
      if (moved.size === 0 || events.listenerCount('activity') === 0) return;
      const ids = [...moved];
      moved.clear();
      try {
        for (const one of await store.actsById(ids)) events.emit('activity', one);
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error;
        log.warn({ why: error.message }, 'activity cannot be read');
      }
    },
  };
}
