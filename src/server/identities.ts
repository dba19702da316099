import type { RaisedAlarm } from '../alarms/catalogue.ts';
import type { Reading, SiteMs } from '../model/index.ts';
import type { Store } from '../store/store.ts';
import type { FleetMachine } from './fleet.ts';
import type { Journal } from './journal.ts';

/**
 * Which machine stands at which address. A machine is its serial or MAC and not its address: after DHCP has handed out
 * others, two may have changed places, and what is told of one would be booked on the other.
 */
export interface Identities {
  observe(member: FleetMachine): void;
  /** Machines that answer as another than the one first seen there. */
  changed(): ReadonlyMap<string, IdentityChange>;
  alarms(): RaisedAlarm[];
  /** A person says that the machine there now is the one that belongs there. @returns false where nothing had changed */
  adopt(machineId: string, who: string, why: string): boolean;
}

export interface IdentityChange {
  readonly was: string;
  readonly is: string;
  /** The machine of the site at whose address the former one answers now, where it does. */
  readonly nowAt: string | undefined;
}

const KEY = 'identities';
const MOST_NAMED = 3;

export async function createIdentities(options: {
  readonly store: Store;
  readonly journal: Journal;
  siteNow(): SiteMs;
}): Promise<Identities> {
  const text = await options.store.getMeta(KEY);
  /** By machine of the site file, the identity it belongs to. */
  const known = new Map<string, string>(text === undefined ? [] : (JSON.parse(text) as [string, string][]));
  const seen = new Map<string, string>();
  const at = new Map<string, string>();
  const changed = new Map<string, Omit<IdentityChange, 'nowAt'>>();
  let saving: NodeJS.Timeout | undefined;

  const save = (): void => options.store.setMeta(KEY, JSON.stringify([...known]));
  /** A start learns thousands of them within a minute: they are written down together. */
  function saveSoon(): void {
    saving ??= setTimeout(() => {
      saving = undefined;
      save();
    }, 5_000).unref();
  }

  /** Where the former one answers is looked up when asked: it may be seen after the one that took its place. */
  const told = (): ReadonlyMap<string, IdentityChange> =>
    new Map(
      [...changed].map(([id, change]) => {
        const nowAt = at.get(change.was);
        return [id, { ...change, nowAt: nowAt !== undefined && seen.get(nowAt) === change.was ? nowAt : undefined }];
      }),
    );

  return {
    observe({ machine: { id }, reading }) {
      const is = identityOf(reading);
      if (is === undefined) return;
      if (seen.get(id) !== is) {
        seen.set(id, is);
        at.set(is, id);
      }
      const was = known.get(id);
      if (was === undefined) {
        known.set(id, is);
        saveSoon();
      } else if (was === is) changed.delete(id);
      else if (sameKind(was, is)) changed.set(id, { was, is });
    },
    changed: told,
    alarms() {
      if (changed.size === 0) return [];
      const named = [...told()]
        .slice(0, MOST_NAMED)
        .map(
          ([id, { was, is, nowAt }]) =>
            `${id} answers as ${is} and was ${was}${nowAt === undefined ? '' : ` (now at the address of ${nowAt})`}`,
        );
      const more = changed.size > MOST_NAMED ? ` and ${changed.size - MOST_NAMED} more` : '';
      return [{ code: 'machine-moved', subject: 'machines', message: `${named.join('; ')}${more}` }];
    },
    adopt(machineId, who, why) {
      const change = changed.get(machineId);
      if (change === undefined) return false;
      known.set(machineId, change.is);
      changed.delete(machineId);
      save();
      const now = options.siteNow();
      options.journal.act({
        id: `adopt-${machineId}-${now}`,
        at: now,
        who,
        what: `take ${change.is} as ${machineId}, which was ${change.was}`,
        why,
      });
      return true;
    },
  };
}

/** The serial where the machine tells one, else its MAC. */
export function identityOf(reading: Reading | undefined): string | undefined {
  if (reading?.serial !== undefined) return `serial ${reading.serial}`;
  return reading?.mac === undefined ? undefined : `MAC ${reading.mac.toLowerCase()}`;
}

/** A machine that told its MAC and now its serial too has not become another. */
const sameKind = (one: string, other: string): boolean => one.split(' ')[0] === other.split(' ')[0];
