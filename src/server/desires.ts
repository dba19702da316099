import type { Desire, Reconciler } from '../control/reconciler.ts';
import { assign, type Assignable } from '../dispatch/assign.ts';
import { CATALOGUE, type CohortFacts, modeKey, type Plan, type Site } from '../model/index.ts';
import type { FleetMachine } from './fleet.ts';
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
 */
export function desiresOf(
  site: Site,
  plan: Plan,
  cohorts: readonly Pick<CohortFacts, 'id' | 'pinned'>[],
  picture: Picture,
  reconciler: Reconciler,
  { left, onlyDown, confirmed }: Apart,
  act: Omit<Desire, 'mode'>,
): Desires {
  const all = new Map<string, Desire>(confirmed);
  const changed: string[] = [];
  for (const group of site.machines) {
    const wanted = plan.steps[0]?.cohorts[group.id];
    const members = picture.groups.get(group.id)?.answering;
    if (group.kind !== 'asic' || wanted === undefined || members === undefined || left.has(group.id)) continue;
    if (!members.some(({ device }) => device.sleep !== undefined || device.setMode !== undefined)) continue;
    const isOrdered = onlyDown.has(group.id);
    const asked = isOrdered ? { ...act, confirmed: true } : act;
    const mayBePinned = cohorts.find(({ id }) => id === group.id)?.pinned ?? {};
    const byId = new Map(members.map((member) => [member.machine.id, member]));
    for (const [id, mode] of assigned(site, members, wanted, picture, reconciler, mayBePinned)) {
      if (isOrdered && drawsMore(byId.get(id)!, mode)) continue;
      const standing = reconciler.desired(id);
      if (standing?.mode === mode && (standing.confirmed === true) === isOrdered) {
        all.set(id, standing);
        continue;
      }
      const seen = byId.get(id)?.reading?.mode;
      all.set(id, { ...asked, mode });
      if (seen !== undefined && modeKey(seen) !== mode) changed.push(id);
    }
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
