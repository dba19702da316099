import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { PoolSetting } from '../../drivers/driver.ts';
import type { Trust } from '../../control/trust.ts';
import { changePools, type PoolOutcome, type PoolTarget } from '../../control/pools.ts';
import { type Pool, type Site, type SiteMs, type WallMs } from '../../model/index.ts';
import type { Fleet, FleetMachine } from '../fleet.ts';
import type { Journal } from '../journal.ts';
import { poolDiff, wantedPools, type PoolDiff } from './wanted.ts';

/** A change of pools as it would be, before anybody says yes. */
export interface PoolPreview {
  readonly id: string;
  readonly madeAt: SiteMs;
  readonly machines: readonly { readonly id: string; readonly canWrite: boolean; readonly diff: PoolDiff }[];
}

export interface PoolChange {
  readonly id: string;
  readonly who: string;
  readonly why: string;
  readonly startedAt: SiteMs;
  /** Undefined while it is under way. */
  readonly endedAt: SiteMs | undefined;
  readonly outcomes: readonly PoolOutcome[];
}

export class PoolRefusal extends Error {}

export interface PoolChanges {
  /** @param by whose it is: nobody else carries it out; absent: anybody's @throws PoolRefusal where nobody is meant or no list is in force */
  preview(targets: readonly string[], by?: string): PoolPreview;
  /** Carries a preview out. @param name of the person, where `who` says more @throws PoolRefusal where it is stale, or the site may not write */
  apply(previewId: string, who: string, why: string, name?: string): PoolChange;
  find(id: string): PoolChange | undefined;
  latest(): readonly PoolChange[];
  /** When pools were last written to a machine, which restarts it; undefined: not lately. */
  touchedAt(id: string): SiteMs | undefined;
}

/** After this a preview is no more what would happen. */
const PREVIEW_HOLDS_MS = 5 * 60_000;
const KEPT = 20;

export function createPoolChanges(options: {
  readonly fleet: Fleet;
  readonly journal: Journal;
  site(): Site;
  inForce(): readonly Pool[];
  trust(): Trust;
  /** Of one machine. */
  trustOf(id: string): Trust;
  passwordOf(pool: Pool): string;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}): PoolChanges {
  const previews = new Map<string, { preview: PoolPreview; by: string | undefined; pools: string; wall: WallMs }>();
  const changes: (PoolChange & { endedAt: SiteMs | undefined; outcomes: PoolOutcome[] })[] = [];

  function membersOf(targets: readonly string[]): FleetMachine[] {
    const wanted = new Set(targets);
    const found = options.fleet.machines.filter(
      ({ machine }) =>
        machine.kind === 'asic' &&
        (wanted.has('all') || wanted.has(machine.id) || wanted.has(machine.groupId) || wanted.has(machine.hallId)),
    );
    if (found.length === 0) throw new PoolRefusal(`no miner, group or hall is named ${targets.join(', ')}`);
    return found;
  }

  const wantedOf = ({ machine }: FleetMachine): PoolSetting[] => {
    const group = options.site().machines.find(({ id }) => id === machine.groupId);
    const pools = wantedPools(options.inForce(), group, machine, options.passwordOf);
    // A group may name a pool that is in the file and not in force yet.
    if (pools.length === 0) throw new PoolRefusal(`no pool of the list in force is meant for ${machine.groupId}`);
    return pools;
  };

  /** Asks the machine itself: what the fleet remembers may be an hour old. */
  const readBack = async ({ device }: FleetMachine, wanted: readonly PoolSetting[]): Promise<boolean | undefined> => {
    const told = await (device.inspect ?? device.read)();
    return poolDiff(told, wanted).same;
  };

  function toTarget(member: FleetMachine): PoolTarget {
    const wanted = wantedOf(member);
    const { setPools } = member.device;

    return {
      id: member.machine.id,
      write: setPools === undefined ? undefined : () => setPools(wanted),
      seen: () => readBack(member, wanted),
    };
  }

  return {
    preview(targets, by) {
      if (options.inForce().length === 0)
        throw new PoolRefusal('no list of pools is in force: name them in the site file under pools');
      const now = options.wallNow();
      for (const [id, { wall }] of previews) if (now - wall > PREVIEW_HOLDS_MS) previews.delete(id);
      const machines = membersOf(targets).map((member) => ({
        id: member.machine.id,
        canWrite: member.device.setPools !== undefined,
        diff: poolDiff(member.reading, wantedOf(member)),
      }));
      const preview = { id: randomUUID(), madeAt: options.siteNow(), machines };
      previews.set(preview.id, { preview, by, pools: JSON.stringify(options.inForce()), wall: now });
      return preview;
    },
    apply(previewId, who, why, name = who) {
      const known = previews.get(previewId);
      if (known === undefined || options.wallNow() - known.wall > PREVIEW_HOLDS_MS)
        throw new PoolRefusal('this preview is older than five minutes, was used, or never was: make another');
      if (known.by !== undefined && known.by !== name)
        throw new PoolRefusal('this preview is of somebody else: look at one of your own before you write');
      if (known.pools !== JSON.stringify(options.inForce()))
        throw new PoolRefusal('the list of pools has changed since this preview: make another');
      if (options.trust() === 'shadow')
        throw new PoolRefusal('the site is in shadow: it writes to nothing (busbar trust auto raises it)');
      if (changes.some(({ endedAt }) => endedAt === undefined))
        throw new PoolRefusal('another change of pools is under way: wait for its end');
      previews.delete(previewId);
      const members = known.preview.machines
        .filter(({ diff }) => diff.same !== true)
        .flatMap(({ id }) => options.fleet.byId(id) ?? []);
      const change: (typeof changes)[number] = {
        id: previewId,
        who,
        why,
        startedAt: options.siteNow(),
        endedAt: undefined,
        outcomes: members.map(({ machine: { id } }): PoolOutcome => ({
          id,
          stage: 'waiting',
          fault: undefined,
          why: undefined,
        })),
      };
      changes.unshift(change);
      changes.splice(KEPT);
      options.journal.act({
        id: `pools-${previewId}`,
        at: change.startedAt,
        who,
        what: `write the pools of ${members.length} machines from the site's list`,
        why,
      });
      void run(change, members);
      return change;
    },
    find: (id) => changes.find((change) => change.id === id),
    latest: () => changes,
    touchedAt(id) {
      const last = changes.find(({ outcomes }) => outcomes.some((one) => one.id === id && one.stage !== 'waiting'));
      return last && (last.endedAt ?? options.siteNow());
    },
  };

  async function run(change: (typeof changes)[number], members: readonly FleetMachine[]): Promise<void> {
    const place = new Map(change.outcomes.map(({ id }, i) => [id, i]));
    await changePools(members.map(toTarget), {
      atOnce: 20,
      tries: 12,
      pauseMs: 10_000,
      pause: (ms) => pause(ms),
      mayGoOn: (id) => options.trustOf(id) !== 'shadow',
      onOutcome: (outcome) => void (change.outcomes[place.get(outcome.id)!] = outcome),
    });
    change.endedAt = options.siteNow();
    const seen = change.outcomes.filter(({ stage }) => stage === 'seen').length;
    options.journal.act({
      id: `pools-${change.id}-end`,
      at: change.endedAt,
      who: change.who,
      what: `pools written: ${seen} of ${change.outcomes.length} machines are seen with them`,
      why: change.why,
    });
    for (const { machine } of members) options.fleet.inspectSoon(machine.id);
  }
}
