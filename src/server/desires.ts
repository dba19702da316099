import type { Desire } from '../control/commands.ts';
import type { Reconciler } from '../control/reconciler.ts';
import { assign, type Assignable } from '../dispatch/assign.ts';
import { CATALOGUE, type CohortFacts, modeKey, type Plan, type Site, type SiteMs } from '../model/index.ts';
import type { Hold } from '../store/store.ts';
import type { Fleet, FleetMachine } from './fleet.ts';
import { stopsMiners, type Order } from './orders/orders.ts';
import type { StatesBefore } from './orders/states-before.ts';
import type { Picture } from './picture.ts';

export interface Desires {
  readonly all: ReadonlyMap<string, Desire>;
  /** Machines that this plan asks for something new. */
  readonly changed: readonly string[];
}

/** Cohorts that a plan does not move as it likes. */
export interface Apart {
  /** Held by a person, in shadow, or in suggest: they stay as they are. */
  readonly left: ReadonlySet<string>;
  /** In suggest, under an order of a person: they go down with it, and never up. */
  readonly onlyDown: ReadonlySet<string>;
  /** What persons confirmed of those that are left, by machine. */
  readonly confirmed: ReadonlyMap<string, Desire>;
}

/**
 * Which machine does what, from the plan's whole counts. A wish that stands already keeps the act it came from, so
 * that Activity shows decisions and not repetitions.
 * @param cohorts what the plan was made on: under an order or a demand of the grid machines give up their minimum times, and what
 *   the plan let go of is not held here
 * @param orders in force: what sleeps by them sheds, and one that falls silent is still told
 */
export function desiresOf(
  site: Site,
  plan: Plan,
  cohorts: readonly Pick<CohortFacts, 'id' | 'pinned'>[],
  picture: Picture,
  reconciler: Reconciler,
  { left, onlyDown, confirmed }: Apart,
  act: Omit<Desire, 'mode' | 'isShed'>,
  orders: readonly Pick<Order, 'kind'>[] = [],
): Desires {
  const isOrdered = orders.length > 0;
  const all = new Map<string, Desire>(confirmed);
  const changed: string[] = [];
  for (const group of site.machines) {
    const wanted = plan.steps[0]?.cohorts[group.id];
    const members = picture.groups.get(group.id)?.answering;
    if (group.kind !== 'asic' || wanted === undefined || members === undefined || left.has(group.id)) continue;
    if (!members.some(({ device }) => device.sleep !== undefined || device.setMode !== undefined)) continue;
    const isDownOnly = onlyDown.has(group.id);
    const asked = isDownOnly ? { ...act, confirmed: true } : act;
    const mayBePinned = cohorts.find(({ id }) => id === group.id)?.pinned ?? {};
    const byId = new Map(members.map((member) => [member.machine.id, member]));
    for (const [id, mode] of assigned(site, members, wanted, picture, reconciler, mayBePinned)) {
      if (isDownOnly && drawsMore(byId.get(id)!, mode)) continue;
      const standing = reconciler.desired(id);
      const isShed = isOrdered && mode === 'sleep';
      if (standing?.mode === mode && (standing.confirmed === true) === isDownOnly) {
        all.set(id, standing.isShed === isShed ? standing : { ...standing, isShed });
        continue;
      }
      const seen = byId.get(id)?.reading?.mode;
      all.set(id, { ...asked, mode, isShed });
      if (seen !== undefined && modeKey(seen) !== mode) changed.push(id);
    }
  }
  for (const [id, desire] of silentSleepers(picture, reconciler, act, orders)) if (!all.has(id)) all.set(id, desire);
  return { all, changed };
}

/** What is wanted with a safe stop over it: every miner that can sleeps, the silent ones too, but those of cohorts in shadow. */
export function stoppedBy(
  wanted: ReadonlyMap<string, Desire>,
  members: readonly FleetMachine[],
  reconciler: Pick<Reconciler, 'desired'>,
  { left, onlyDown }: Apart,
  act: Omit<Desire, 'mode' | 'isShed'>,
): Desires {
  const all = new Map(wanted);
  const changed: string[] = [];
  for (const { machine, device, reading } of members) {
    const { id, kind, groupId } = machine;
    if (kind !== 'asic' || device.sleep === undefined || left.has(groupId)) continue;
    const standing = reconciler.desired(id);
    const asked = onlyDown.has(groupId) ? { ...act, confirmed: true } : act;
    all.set(id, standing?.mode === 'sleep' ? { ...standing, isShed: true } : { ...asked, mode: 'sleep', isShed: true });
    if (reading?.mode !== undefined && modeKey(reading.mode) !== 'sleep' && standing?.mode !== 'sleep')
      changed.push(id);
  }
  return { all, changed };
}

/**
 * Which of a cohort's machines does what, for whole counts by mode key.
 * @param mayBePinned how many machines of each mode a plan held to their minimum times; absent: all that changed lately
 */
export function assigned(
  site: Site,
  members: readonly FleetMachine[],
  wanted: Readonly<Record<string, number>>,
  picture: Picture,
  reconciler: Reconciler,
  mayBePinned?: CohortFacts['pinned'],
): ReadonlyMap<string, string> {
  return assign(
    members.map((member) => assignable(site, member, picture, reconciler, mayBePinned)),
    wanted,
  );
}

/** Would a machine draw more in a mode than in the one it is seen in? What nobody knows is taken for more. */
function drawsMore({ machine, reading }: FleetMachine, to: string): boolean {
  const from = reading?.mode === undefined ? undefined : modeKey(reading.mode);
  if (to === 'sleep' || from === to) return false;
  const model = CATALOGUE.get(machine.modelId);
  const points = reading?.points ?? (model?.kind === 'asic' ? model.points : []);
  const powerW = (mode: string | undefined) => points.find(({ profile }) => profile === mode)?.powerW;
  const [fromW, toW] = [powerW(from), powerW(to)];
  return from === 'sleep' || fromW === undefined || toW === undefined || toW > fromW;
}

/**
 * Miners that do not answer and are to sleep: those that were told before they fell silent and, in a safe stop, every one. Nobody knows
 * that they obeyed, so the worst is assumed of them; and firmware that forgets its sleep with its supply comes back from an outage
 * awake and unasked: it is put to sleep again as soon as it answers.
 */
function silentSleepers(
  picture: Picture,
  reconciler: Reconciler,
  act: Omit<Desire, 'mode' | 'isShed'>,
  orders: readonly Pick<Order, 'kind'>[],
): [string, Desire][] {
  return picture.halls
    .flatMap(({ silent }) => silent)
    .flatMap(({ machine: { id, kind }, device }): [string, Desire][] => {
      const standing = reconciler.desired(id);
      if (standing?.mode === 'sleep') return [[id, standing]];
      if (!stopsMiners(orders) || kind !== 'asic' || device.sleep === undefined) return [];
      return [[id, { ...act, mode: 'sleep', isShed: true, confirmed: true }]];
    });
}

/** The same, with machines that an order had put to sleep back in the mode they had before; keeps what those are in that one puts to sleep. */
export function withStatesBefore(
  desires: Desires,
  before: StatesBefore,
  act: Omit<Desire, 'mode' | 'isShed'>,
  facts: {
    readonly at: SiteMs;
    readonly fleet: Pick<Fleet, 'byId'>;
    readonly reconciler: Reconciler;
    /** Cohorts that the plan leaves alone, and since when where a person holds them. */
    readonly left: ReadonlySet<string>;
    readonly holds: ReadonlyMap<string, Pick<Hold, 'since'>>;
  },
): Desires {
  const { fleet, reconciler } = facts;
  const readingOf = (id: string) => fleet.byId(id)?.reading;
  before.keep(desires.all, readingOf, facts.at);
  const all = before.restore(desires.all, act, {
    readingOf,
    standing: (id) => reconciler.desired(id),
    wasLeft(id, at) {
      const cohort = fleet.byId(id)?.machine.groupId ?? '';
      return facts.left.has(cohort) && (facts.holds.get(cohort)?.since ?? -Infinity) <= at;
    },
    cannot(id, mode) {
      const command = reconciler.commandOf(id);
      return command?.stage === 'failed' && command.mode === mode && command.fault === 'unsupported';
    },
  });
  const isNew = (id: string, mode: string) => {
    const seen = readingOf(id)?.mode;
    return reconciler.desired(id)?.mode !== mode && seen !== undefined && modeKey(seen) !== mode;
  };
  return { all, changed: [...all].flatMap(([id, { mode }]) => (isNew(id, mode) ? [id] : [])) };
}

function assignable(
  site: Site,
  { machine, reading }: FleetMachine,
  picture: Picture,
  reconciler: Reconciler,
  mayBePinned: CohortFacts['pinned'] | undefined,
): Assignable {
  const seen = reading?.mode === undefined ? undefined : modeKey(reading.mode);
  const change = reconciler.lastChange(machine.id);
  const command = reconciler.commandOf(machine.id);
  const underway = command?.stage === 'sent' || command?.stage === 'acknowledged';
  // What was just asked for counts as its mode: a machine on its way is not asked to turn round for nothing.
  const mode = underway ? command.mode : seen;
  const isLetGo = mayBePinned !== undefined && (mode === undefined || (mayBePinned[mode] ?? 0) === 0);
  const dwellMinutes = mode === 'sleep' ? site.mining.minimumOffMinutes : site.mining.minimumOnMinutes;
  const state = picture.states.get(machine.id)?.state;
  const { powerW, hashrateThs } = reading ?? {};
  return {
    id: machine.id,
    mode,
    pinned: !isLetGo && change !== undefined && change.mode === mode && picture.at - change.at < dwellMinutes * 60_000,
    degraded: state === 'degraded' || state === 'faulted',
    wakes: reconciler.recentWakes(machine.id),
    changedAt: change?.at,
    temperatureC: reading?.temperatureC,
    joulePerTh:
      powerW === undefined || hashrateThs === undefined || hashrateThs <= 0 ? undefined : powerW / hashrateThs,
  };
}

/** `2,600 a-s21 to sleep, 120 c-s19k to 490MHz`: what an act asks for, in words. */
export function describeChanges(desires: Desires, groupOf: (id: string) => string): string {
  const counts = new Map<string, number>();
  for (const id of desires.changed) {
    const key = `${groupOf(id)} to ${desires.all.get(id)?.mode}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const ordered = [...counts].sort(([, a], [, b]) => b - a);
  const told = ordered.slice(0, 4).map(([key, count]) => `${count.toLocaleString('en-US')} ${key}`);
  if (ordered.length > 4) told.push(`${ordered.length - 4} smaller changes`);
  return told.join(', ');
}
