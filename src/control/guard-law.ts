import type { GuardBrief, GuardHall, GuardLimit, LimitLoad, Sheddable, WallMs } from '../model/index.ts';
import { burnt, tripSeconds } from './trip-curve.ts';

/**
 * What the guard decides each second, as a law: from meters and what is known of machines to machines that are put to sleep now, and
 * whether anybody may wake one. It never turns anything on. Powers are watts, times of the wall clock.
 */
export type GuardSetting = Pick<GuardBrief, 'limits' | 'halls' | 'path' | 'groups'>;

export interface MeterSeen {
  readonly powerW: number;
  readonly at: WallMs;
}

export interface GuardSeen {
  readonly now: WallMs;
  /** Newest answers by limit; a limit without a meter, or whose meter never answered, is absent. */
  readonly meters: ReadonlyMap<string, MeterSeen>;
  /** A safe stop is in force. */
  readonly stop: boolean;
  /** Whether a machine was read asleep after it was last told anything. */
  asleep(id: string): boolean;
  /** Since when one that was read asleep is not any more; undefined: it sleeps, or was never read asleep. */
  awakeSince(id: string): WallMs | undefined;
}

export interface GuardDecision {
  /** Put these to sleep now, in this order. */
  readonly shed: readonly Sheddable[];
  /** Why, where there are any. */
  readonly why: string;
  /** Why nobody may wake a machine or raise one; empty: they may. */
  readonly noWakes: readonly string[];
  readonly loads: readonly LimitLoad[];
  /** Machines in shadow that it would have put to sleep, were they not. */
  readonly wouldShed: number;
}

/** A meter is read each second: one that is silent for so long has missed a beat, and nobody wakes. */
export const FRESH_MS = 2_500;
/** So long its last answer and what woke since stand for the load: one time-out must not shed a site. */
export const HELD_MS = 5_000;
/** A meter tells the mean of about so long: a machine that is asleep shows in a reading that much later. */
const METER_LAG_MS = 1_000;
/** A machine that was told to sleep shows at the meter within this, or others go in its place. */
const SETTLE_MS = 30_000;
/** One whose draw nobody told is hoped for this long, or as long as its like takes to sleep, and is then no longer in the way of others. */
const HOPED_MS = 10_000;
/** One that did not obey is tried again after the first, and then ever more seldom: the record is no place for a thousand tries. */
const DISOBEYED_MS = [60_000, 300_000, 900_000];
/** After a shed all limits must have been kept for so long before anybody wakes. */
const CALM_MS = 30_000;
/** So much of what a breaker bears may be used up before the guard acts. */
const HEAT_MOST = 0.1;
/** Nor may a limit be exceeded in two readings in a row, whatever its breaker bears: one alone may be wrong, and a contract has no trip curve. */
const OVER_MOST_MS = 900;

export interface GuardLaw {
  /** Follows a new plan or a changed site; what was told to sleep stays told. */
  follow(setting: GuardSetting): void;
  /** Called once a second. */
  decide(seen: GuardSeen): GuardDecision;
  /** Told to sleep, and not yet seen to. */
  underway(): number;
}

interface Told {
  readonly machine: Sheddable;
  readonly at: WallMs;
  /** When it was first seen asleep. */
  asleepAt: WallMs | undefined;
}

/** How one limit fares from its first exceeding on, until all that was shed for it is settled. */
interface Episode {
  readonly startW: number;
  gainW: number;
}

interface Load extends Omit<LimitLoad, 'heat' | 'limitW' | 'targetW'> {
  /** The oldest reading in it; undefined of a worst case. */
  readonly at: WallMs | undefined;
}

export function createGuardLaw(initial: GuardSetting): GuardLaw {
  let setting = initial;
  let last: WallMs | undefined;
  let calmSince: WallMs | undefined;
  let hasShed = false;
  const heat = new Map<string, number>();
  const overSince = new Map<string, WallMs>();
  const told = new Map<string, Told>();
  const disobeyed = new Map<string, { readonly at: WallMs; readonly times: number }>();
  const episodes = new Map<string, Episode>();

  function decide(seen: GuardSeen): GuardDecision {
    const elapsedMs = last === undefined ? 0 : Math.max(0, seen.now - last);
    last = seen.now;
    settle(seen);
    const shed: Sheddable[] = [];
    const whys: string[] = [];
    const loads: LimitLoad[] = [];
    const noWakes: string[] = [];
    const would = new Set<string>();
    for (const limit of setting.limits) {
      const load = loadOf(limit, seen);
      const { at: _, ...shown } = load;
      const used = warm(limit, load, elapsedMs, seen.now);
      const { limitW, targetW } = limit;
      loads.push({ ...shown, limitW, targetW, heat: used });
      if (isBlind(limit, load)) noWakes.push(`no meter tells the load of ${limit.id}`);
      else if (load.basis === 'held') noWakes.push(`the meter of ${limit.id} missed a beat`);
      // Whether a hall has room for a machine more, the server asks its meter: here only what leaves none anywhere.
      if (limit.by !== 'nobody' && load.loadW > (limit.id === CONNECTION ? targetW : limitW))
        noWakes.push(`${limit.id} is ${mw(load.loadW - targetW)} MW above its target`);
      if (!mustAct(limit, load, used, seen.now)) continue;
      const found = towards(limit, load, used, seen, would);
      if (found.length === 0) continue;
      for (const machine of found) tell(machine, seen.now);
      shed.push(...found);
      whys.push(`${limit.id} at ${mw(load.loadW)} MW of ${mw(limitW)} (${basisWords(load)})`);
    }
    if (seen.stop) {
      const rest = setting.path.filter((machine) => mayTell(machine, seen));
      for (const machine of rest) tell(machine, seen.now);
      shed.push(...rest);
      if (rest.length > 0) whys.push('a safe stop is in force');
      noWakes.push('a safe stop is in force');
    }
    hasShed ||= shed.length > 0;
    calmSince = noWakes.length === 0 && told.size === 0 ? (calmSince ?? seen.now) : undefined;
    if (hasShed && noWakes.length === 0) {
      if (calmSince === undefined || seen.now - calmSince < CALM_MS) noWakes.push('load was shed a moment ago');
      else hasShed = false;
    }
    return { shed, why: whys.join('; '), noWakes, loads, wouldShed: would.size };
  }

  function tell(machine: Sheddable, at: WallMs): void {
    told.set(machine.id, { machine, at, asleepAt: undefined });
  }

  const mayAct = ({ group }: Sheddable): boolean => setting.groups[group]?.mayAct === true;
  const mayTell = (machine: Sheddable, seen: GuardSeen): boolean =>
    mayAct(machine) && !told.has(machine.id) && !isLeft(machine.id, seen.now) && !seen.asleep(machine.id);
  function isLeft(id: string, now: WallMs): boolean {
    const last = disobeyed.get(id);
    return last !== undefined && now - last.at <= DISOBEYED_MS[Math.min(last.times, DISOBEYED_MS.length) - 1]!;
  }

  /** What is asleep is done, once every meter had time to show it; what is not after a while did not obey. */
  function settle(seen: GuardSeen): void {
    for (const [id, one] of told) {
      if (seen.asleep(id)) {
        one.asleepAt ??= seen.now;
        disobeyed.delete(id);
        if (seen.now - one.asleepAt > HELD_MS + METER_LAG_MS) told.delete(id);
      } else if (seen.now - one.at > SETTLE_MS) {
        told.delete(id);
        disobeyed.set(id, { at: seen.now, times: (disobeyed.get(id)?.times ?? 0) + 1 });
      }
    }
    if (told.size === 0) episodes.clear();
  }

  function warm({ id, limitW, tripCurve }: GuardLimit, { loadW }: Load, elapsedMs: number, now: WallMs): number {
    const used = burnt(heat.get(id) ?? 0, loadW / limitW, elapsedMs / 1000, tripCurve);
    heat.set(id, used);
    if (loadW <= limitW) overSince.delete(id);
    else if (!overSince.has(id)) overSince.set(id, now);
    return used;
  }

  function mustAct(limit: GuardLimit, load: Load, used: number, now: WallMs): boolean {
    const since = overSince.get(limit.id);
    if (limit.by === 'nobody') return false;
    if (since === undefined) return episodes.has(limit.id) && load.loadW > limit.targetW;
    // A bound is no reading, and one that is held has no next: there is nothing to wait for.
    return (
      isBlind(limit, load) ||
      load.basis === 'held' ||
      episodes.has(limit.id) ||
      used >= HEAT_MOST ||
      now - since >= OVER_MOST_MS
    );
  }

  /** Whether what a limit bears is a bound in place of a reading. */
  const isBlind = ({ by }: GuardLimit, { basis }: Load): boolean =>
    by !== 'nobody' && (basis === 'worst-case' || (by === 'meter' && basis === 'halls'));

  function loadOf(limit: GuardLimit, seen: GuardSeen): Load {
    const meter = seen.meters.get(limit.id);
    const ageMs = meter === undefined ? null : seen.now - meter.at;
    if (meter !== undefined && ageMs! <= HELD_MS) {
      const basis = ageMs! <= FRESH_MS ? 'meter' : 'held';
      const loadW = meter.powerW + roseW(limit, meter.at, seen);
      return { id: limit.id, loadW, basis, ageMs, at: meter.at };
    }
    let loadW = 0;
    let basis: Load['basis'] = 'halls';
    let oldest: WallMs | undefined;
    for (const hallId of limit.halls) {
      const hall = limit.id === hallLimit(hallId) ? undefined : seen.meters.get(hallLimit(hallId));
      if (hall !== undefined && seen.now - hall.at <= HELD_MS) {
        loadW += hall.powerW + roseW({ halls: [hallId], lossFraction: 0 }, hall.at, seen);
        oldest = oldest === undefined || hall.at < oldest ? hall.at : oldest;
      } else {
        loadW += worstOf(hallId, seen);
        basis = 'worst-case';
      }
    }
    return {
      id: limit.id,
      loadW: loadW * (1 + limit.lossFraction),
      basis,
      ageMs,
      at: basis === 'halls' ? oldest : undefined,
    };
  }

  /** What may be drawn beside a reading that is not fresh any more: all that was asleep when it was made and woke since, at the most. */
  function roseW(
    { halls, lossFraction }: Pick<GuardLimit, 'halls' | 'lossFraction'>,
    at: WallMs,
    seen: GuardSeen,
  ): number {
    if (seen.now - at <= FRESH_MS) return 0;
    let watts = 0;
    for (const { id, hall, sleepW, worstW } of setting.path) {
      const since = halls.includes(hall) ? seen.awakeSince(id) : undefined;
      if (since !== undefined && since > at - METER_LAG_MS) watts += (worstW - sleepW) * (1 + hallOf(hall).coolingPerW);
    }
    return watts * (1 + lossFraction);
  }

  /** A hall of which no meter tells: what cannot be shed, and the most that whatever is not confirmed asleep may draw. */
  function worstOf(hallId: string, seen: GuardSeen): number {
    const { fixedW, coolingPerW } = hallOf(hallId);
    let machinesW = 0;
    for (const { id, hall, sleepW, worstW } of setting.path)
      if (hall === hallId) machinesW += seen.asleep(id) ? sleepW : worstW;
    return fixedW + machinesW * (1 + coolingPerW);
  }

  const hallOf = (hallId: string): Pick<GuardHall, 'fixedW' | 'coolingPerW'> =>
    setting.halls.find(({ id }) => id === hallId) ?? { fixedW: 0, coolingPerW: 0 };

  /**
   * The next machines of the path until the load, less what is on its way down, is at the target. Where the breaker would open before
   * the slow ones slept, those that sleep in time go first.
   */
  function towards(
    limit: GuardLimit,
    load: Load,
    used: number,
    seen: GuardSeen,
    would: Set<string>,
  ): readonly Sheddable[] {
    const bounded = load.basis === 'worst-case';
    let excessW = load.loadW - limit.targetW - onItsWayW(limit, load, seen.now);
    if (excessW <= 0) return [];
    const leftMs = (1 - used) * tripSeconds(load.loadW / limit.limitW, limit.tripCurve) * 1000;
    const below = setting.path.filter(({ hall }) => limit.halls.includes(hall));
    const mine = below.filter((machine) => mayTell(machine, seen));
    const inTime = ({ group }: Sheddable): boolean => (setting.groups[group]?.sleepMs ?? 0) <= leftMs;
    const found: Sheddable[] = [];
    // One that did not obey is not hoped for before others that were never asked.
    const willing = mine.filter(({ id }) => !disobeyed.has(id));
    const inOrder = [
      ...willing.filter(inTime),
      ...willing.filter((one) => !inTime(one)),
      ...mine.filter(({ id }) => disobeyed.has(id)),
    ];
    // Of whom the brief hoped for nothing: asleep or silent then, and perhaps not any more. They go when nothing else is left.
    const untold = inOrder.filter(({ freesW }) => freesW === 0);
    for (const machine of bounded ? inOrder : [...inOrder.filter(({ freesW }) => freesW > 0), ...untold]) {
      if (excessW <= 0) break;
      const gainW = gainOf(limit, machine, bounded);
      if (gainW <= 0) continue;
      found.push(machine);
      excessW -= gainW;
    }
    for (const machine of below) {
      if (excessW <= 0) break;
      if (mayAct(machine) || seen.asleep(machine.id)) continue;
      would.add(machine.id);
      excessW -= gainOf(limit, machine, bounded);
    }
    if (found.length === 0) return found;
    const episode = episodes.get(limit.id) ?? { startW: load.loadW, gainW: 0 };
    episode.gainW += found.reduce((sum, machine) => sum + gainOf(limit, machine, bounded), 0);
    episodes.set(limit.id, episode);
    return found;
  }

  /** At the meter; what a machine draws that nobody told is hoped for as the most it may. Cooling comes down later and is hoped for from nobody, except where its worst stands in the bound. */
  function gainOf({ lossFraction }: GuardLimit, { worstW, freesW, sleepW, hall }: Sheddable, bounded: boolean): number {
    const mostW = worstW - sleepW;
    const watts = bounded ? mostW * (1 + hallOf(hall).coolingPerW) : freesW > 0 ? freesW : mostW;
    return watts * (1 + lossFraction);
  }

  /** What was shed and does not show yet: no more than was shed less what the meter has come down, so that nothing is hoped for twice. */
  function onItsWayW(limit: GuardLimit, { loadW, basis, at }: Load, now: WallMs): number {
    let watts = 0;
    for (const { machine, at: toldAt, asleepAt } of told.values()) {
      if (!limit.halls.includes(machine.hall)) continue;
      const hopedMs = Math.max(HOPED_MS, setting.groups[machine.group]?.sleepMs ?? 0);
      if (machine.freesW === 0 && asleepAt === undefined && now - toldAt > hopedMs) continue;
      const shows = asleepAt !== undefined && (at === undefined || at - asleepAt > METER_LAG_MS);
      if (!shows) watts += gainOf(limit, machine, basis === 'worst-case');
    }
    const episode = episodes.get(limit.id);
    if (episode === undefined || basis === 'worst-case') return watts;
    return Math.min(watts, Math.max(0, episode.gainW - Math.max(0, episode.startW - loadW)));
  }

  return {
    follow(next) {
      setting = next;
    },
    decide,
    underway: () => [...told.values()].filter(({ asleepAt }) => asleepAt === undefined).length,
  };
}

const CONNECTION = 'connection';

/** Of a hall's own limit. */
export const hallLimit = (hallId: string): string => `hall ${hallId}`;

const mw = (watts: number): string => (watts / 1e6).toFixed(3);

function basisWords({ basis, ageMs }: Load): string {
  if (basis === 'meter') return 'by its meter';
  if (basis === 'held') return `by its meter ${(ageMs! / 1000).toFixed(0)} s ago`;
  return basis === 'halls' ? 'by the meters of its halls' : 'at worst: a meter is silent';
}
