import { HOUR, type SiteMs } from '../model/index.ts';

/** One machine of a cohort as the assignment sees it. */
export interface Assignable {
  readonly id: string;
  /** Mode key it is in; undefined where nobody knows. */
  readonly mode: string | undefined;
  /** May not change now: minimum on or off time, or a person's hand. */
  readonly pinned: boolean;
  readonly degraded: boolean;
  /** How often it was woken lately: each boot wears it. Absent: never. */
  readonly wakes?: number | undefined;
  /** When it last changed mode; unknown where nobody changed it. */
  readonly changedAt?: SiteMs | undefined;
  readonly temperatureC?: number | undefined;
  readonly joulePerTh?: number | undefined;
}

/**
 * Which machine gets which mode. Machines already in a wanted mode keep it, so the number of changes is the least
 * possible and a second run changes nothing. Pinned machines are untouched. Where some must change, wear decides:
 * to sleep go the degraded first, then those woken least, awake longest (by the hour), hottest, least efficient; of those
 * asleep the least woken wake first, then those asleep longest, the degraded last. Ties go by id: the same input gives the same answer.
 *
 * The plan may be some seconds old: machines beyond the wanted counts keep their mode, and wanted places beyond the
 * machines stay empty, run places first.
 * @param wanted machines by mode key.
 * @returns mode key by machine id; a machine in an unknown mode that nothing wants is absent.
 */
export function assign(
  machines: readonly Assignable[],
  wanted: Readonly<Record<string, number>>,
): ReadonlyMap<string, string> {
  const open = new Map(Object.entries(wanted));
  const assigned = new Map<string, string>();
  const give = (machine: Assignable, mode: string): void => {
    assigned.set(machine.id, mode);
    open.set(mode, (open.get(mode) ?? 0) - 1);
  };
  for (const machine of machines) if (machine.pinned && machine.mode !== undefined) give(machine, machine.mode);
  const free = machines.filter((machine) => !assigned.has(machine.id)).sort(lastToChangeFirst);
  const movers: Assignable[] = [];
  for (const machine of free) {
    if (machine.mode !== undefined && (open.get(machine.mode) ?? 0) > 0) give(machine, machine.mode);
    else movers.push(machine);
  }
  // Of the movers the most worn are last: they take the sleep places, which come first.
  const places = [...open.keys()].sort((a, b) => Number(b === 'sleep') - Number(a === 'sleep') || a.localeCompare(b));
  for (const machine of movers.toReversed()) {
    const place = places.find((mode) => open.get(mode)! > 0);
    if (place !== undefined) give(machine, place);
    else if (machine.mode !== undefined) assigned.set(machine.id, machine.mode);
  }
  return assigned;
}

/** Those at the front keep their mode, those at the back change first. An unknown temperature or efficiency is no reason to. */
function lastToChangeFirst(a: Assignable, b: Assignable): number {
  const asleep = a.mode === 'sleep';
  const health = Number(a.degraded) - Number(b.degraded);
  return (
    Number(asleep) - Number(b.mode === 'sleep') ||
    (asleep ? -health : health) ||
    (b.wakes ?? 0) - (a.wakes ?? 0) ||
    hourOf(b) - hourOf(a) ||
    (asleep ? 0 : (a.temperatureC ?? 0) - (b.temperatureC ?? 0)) ||
    (asleep ? 0 : (a.joulePerTh ?? 0) - (b.joulePerTh ?? 0)) ||
    a.id.localeCompare(b.id)
  );
}

/** The hour of the last change. Whoever was never changed is due before those that were, or a few machines would do all of it. */
const hourOf = (machine: Assignable): number =>
  machine.changedAt === undefined ? 0 : Math.floor(machine.changedAt / HOUR);
