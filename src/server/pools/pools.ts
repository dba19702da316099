import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import type { Trust } from '../../control/trust.ts';
import type { Pool, Site, SiteMs, WallMs } from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { Fleet, FleetMachine } from '../fleet.ts';
import type { Journal } from '../journal.ts';
import type { Secrets } from '../../vault/secrets.ts';
import { createPoolChanges, type PoolChanges } from './changes.ts';
import { createPoolList, type PoolList } from './list.ts';
import { jobAgeMs, openPoolProbes, type PoolHealth } from './probes.ts';
import { strangerOf } from './wanted.ts';

/** Everything about where the site's hash goes: the list in force, the pools' own health, and machines seen elsewhere. */
export interface Pools {
  readonly list: PoolList;
  readonly changes: PoolChanges;
  health(): readonly PoolHealth[];
  /** A machine has answered. */
  observe(member: FleetMachine): void;
  /** Machines seen on a pool or as a worker that is not on the list, with what was seen. */
  strangers(): ReadonlyMap<string, string>;
  alarms(): RaisedAlarm[];
  /** The site file has changed. */
  follow(): void;
  close(): void;
}

export interface PoolsOptions {
  readonly store: Store;
  readonly journal: Journal;
  readonly secrets: Secrets;
  readonly portOffset: number;
  site(): Site;
  fleet(): Fleet;
  trust(): Trust;
  /** Of one machine. */
  trustOf(id: string): Trust;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}

const MOST_NAMED = 5;

export async function createPools(options: PoolsOptions): Promise<Pools> {
  const { wallNow } = options;
  const passwordOf = ({ password }: Pool): string => (password === undefined ? 'x' : options.secrets.resolve(password));
  const probes = openPoolProbes({ wallNow, passwordOf, portOffset: options.portOffset });
  const strangers = new Map<string, string>();
  const list = await createPoolList({ ...options, onInForce: (pools) => followList(pools) });
  const changes = createPoolChanges({
    ...options,
    get fleet() {
      return options.fleet();
    },
    inForce: () => list.inForce(),
    passwordOf,
  });

  function followList(pools: readonly Pool[]): void {
    probes.follow(pools);
    strangers.clear();
  }
  followList(list.inForce());

  return {
    list,
    changes,
    health: () => probes.list(),
    observe({ machine, reading }) {
      const pools = list.inForce();
      if (pools.length === 0 || machine.kind !== 'asic') return;
      const seen = strangerOf(reading, pools, machine);
      if (seen === undefined) strangers.delete(machine.id);
      else strangers.set(machine.id, seen);
    },
    strangers: () => strangers,
    alarms: () => [
      ...healthAlarms(probes.list(), wallNow()),
      ...strangerAlarms(strangers, options.fleet()),
      ...pendingAlarms(list),
    ],
    follow: () => followList(list.inForce()),
    close: () => probes.close(),
  };
}

function healthAlarms(health: readonly PoolHealth[], now: WallMs): RaisedAlarm[] {
  const alarms: RaisedAlarm[] = [];
  for (const one of health) {
    const { pool, alive, fault } = one;
    if (alive === false) alarms.push({ code: 'pool-dead', subject: pool.id, message: fault?.message ?? 'no answer' });
    const age = jobAgeMs(one, now);
    if (age !== undefined && age > pool.probe.staleSeconds * 1000) {
      const message = `${pool.url}: no new work for ${Math.round(age / 1000)} s`;
      alarms.push({ code: 'pool-stale', subject: pool.id, message });
    }
  }
  return alarms;
}

/** One alarm a group: a thousand machines that were turned at once are one theft. */
function strangerAlarms(strangers: ReadonlyMap<string, string>, fleet: Fleet): RaisedAlarm[] {
  const groups = new Map<string, { ids: string[]; seen: string }>();
  for (const [id, seen] of strangers) {
    const groupId = fleet.byId(id)?.machine.groupId;
    if (groupId === undefined) continue;
    const group = groups.get(groupId) ?? { ids: [], seen };
    groups.set(groupId, group);
    group.ids.push(id);
  }
  return [...groups].map(([groupId, { ids, seen }]): RaisedAlarm => {
    const named = ids.slice(0, MOST_NAMED).join(', ');
    const more = ids.length > MOST_NAMED ? ` and ${ids.length - MOST_NAMED} more` : '';
    return { code: 'pool-unlisted', subject: groupId, message: `${named}${more}: ${seen}` };
  });
}

function pendingAlarms(list: PoolList): RaisedAlarm[] {
  const pending = list.pending();
  if (pending === undefined) return [];
  const message =
    pending.askedBy === undefined
      ? 'the site file names other pools than those in force: an admin and a second person put them in force'
      : `${pending.askedBy} asked for the pools of the site file: it takes a second person`;
  return [{ code: 'pool-list-pending', subject: 'pools', message }];
}
