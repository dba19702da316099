import {
  DAY,
  Fault,
  isTransient,
  modeFromKey,
  modeKey,
  type Command,
  type OperatingMode,
  type Reading,
  type SiteMs,
  type WallMs,
} from '../model/index.ts';
import { mayAct, mustAct, type Trust } from './trust.ts';

/** What control may do to a machine: only those methods its driver has. */
export interface Handle {
  sleep?(signal?: AbortSignal): Promise<void>;
  wake?(signal?: AbortSignal): Promise<void>;
  setMode?(profile: string, signal?: AbortSignal): Promise<void>;
}

export interface Target {
  readonly id: string;
  readonly hallId: string;
  readonly handle: Handle;
  /** What the machine should draw and hash in a mode, by its own points or the catalogue. */
  expect(mode: OperatingMode): { powerW: number; hashrateThs: number } | undefined;
}

/** Why a machine shall be in a mode; all commands of one decision share `actId`. */
export interface Desire {
  readonly mode: string;
  readonly actId: string;
  readonly who: string;
  readonly why: string;
  /** A person confirmed or ordered it: a machine in suggest does nothing else. Absent: the plan alone wishes it. */
  readonly confirmed?: boolean;
}

export interface ReconcilerOptions {
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** How far a machine may be acted on; asked before each write: a person may raise or lower it. */
  trust(id: string): Trust;
  /** May a machine of this hall draw so much more now? False while its meter or the feeder's is silent. */
  mayIncrease(id: string, hallId: string, deltaW: number): boolean;
  wakesPerMinute(hallId: string): number;
  /** Asks for a fresh reading of a machine, soon. */
  readSoon(id: string): void;
  readonly maxInFlight?: number;
  /** Wakes of before the process began, oldest first. */
  readonly wakesBefore?: readonly Wake[];
}

/** A wake that a machine acknowledged. */
export interface Wake {
  readonly target: string;
  readonly at: SiteMs;
}

/** A wake wears a machine for as long; older ones are forgotten, so that a new machine need not catch up with old ones. */
export const WEAR_MS = 30 * DAY;

export interface Reconciler {
  /** Replaces what every machine shall do. Machines that are absent are left as they are. */
  want(desires: ReadonlyMap<string, Desire>): void;
  /** A fresh reading: the only thing that proves a command. */
  observe(id: string, reading: Reading): void;
  /** Sends what is due. Called about twice a second. */
  tick(): void;
  /** The site file changed: machines that stay keep what is known of them, the command under way included. */
  retarget(targets: readonly Target[]): void;
  /** Marks what the hall's meter has confirmed. */
  confirmAtMeter(actId: string, hallId: string): void;
  desired(id: string): Desire | undefined;
  /** The running or last command of a machine. */
  commandOf(id: string): Command | undefined;
  /** Commands changed since the last call, to be stored. */
  drainChanged(): Command[];
  inFlight(): number;
  /** When a machine last changed mode by our hand. */
  lastChange(id: string): { readonly mode: string; readonly at: SiteMs } | undefined;
  /** How often a machine was woken in the last 30 days. */
  recentWakes(id: string): number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Entry {
  target: Target;
  seen: Reading | undefined;
  desire: Desire | undefined;
  command: Mutable<Command> | undefined;
  /** No further try before this moment. */
  retryAt: WallMs | undefined;
  nextLookAt: WallMs | undefined;
  looks: number;
  acknowledgedWall: WallMs | undefined;
  change: { mode: string; at: SiteMs } | undefined;
  /** Oldest first, of about the last 30 days. */
  wakes: SiteMs[];
}

const MAX_ATTEMPTS = 4;
/** Pauses between attempts, on the wall clock. */
const RETRY_MS = [2_000, 6_000, 20_000];
/** What was refused or is not there may be mended by hand: it is tried again much later. */
const HOPELESS_MS = 120_000;
/** Stock firmware reloads for up to 20 s before it answers again: so long it is asked often, then seldom. */
const QUICK_LOOKS = 12;
/** An acknowledged command must show in a reading within both. */
const SETTLE_SITE_MS = 8 * 60_000;
const SETTLE_WALL_MS = 20_000;

/**
 * Brings every machine from what is seen to what is wanted, and proves it: `sent -> acknowledged -> seen-in-power ->
 * seen-at-meter`. Idempotent: a machine already seen in the wanted mode gets no command, so after a restart nothing
 * is commanded before it was read. Decreases go at once; increases wait for room, for the meters and for the hall's
 * wake rate.
 */
export function createReconciler(targets: readonly Target[], options: ReconcilerOptions): Reconciler {
  const { maxInFlight = 200 } = options;
  const siteNow = () => options.siteNow();
  const wallNow = () => options.wallNow();
  const entries = new Map<string, Entry>(targets.map((target) => [target.id, newEntry(target)]));
  for (const { target, at } of options.wakesBefore ?? []) entries.get(target)?.wakes.push(at);
  const lately = (wakes: readonly SiteMs[]): SiteMs[] => wakes.filter((at) => at > siteNow() - WEAR_MS);
  const active = new Set<Entry>();
  const changed = new Set<Mutable<Command>>();
  const wakeCredit = new Map<string, { credit: number; at: SiteMs }>();
  let sending = 0;
  let counter = 0;

  const setStage = (command: Mutable<Command>, stage: Command['stage']) => {
    command.stage = stage;
    changed.add(command);
  };

  function want(desires: ReadonlyMap<string, Desire>): void {
    for (const [id, entry] of entries) {
      const desire = desires.get(id);
      if (desire?.mode !== entry.desire?.mode) {
        entry.retryAt = undefined;
        // What is seen done is not overtaken by a wish that ends with it.
        const isDone = desire === undefined && entry.command?.stage === 'seen-in-power';
        if (entry.command !== undefined && isOpen(entry.command) && !isDone) setStage(entry.command, 'superseded');
        entry.desire = desire;
      } else if (desire?.confirmed !== entry.desire?.confirmed) {
        entry.desire = desire;
      }
      if (desire !== undefined) active.add(entry);
      else active.delete(entry);
    }
  }

  function observe(id: string, reading: Reading): void {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entry.seen = reading;
    const { command } = entry;
    if (command?.stage !== 'acknowledged' || command.acknowledgedAt === undefined) return;
    if (reading.at <= command.acknowledgedAt || command.mode === undefined) return;
    if (!showsMode(entry.target, reading, command.mode)) return;
    command.seenInPowerAt = reading.at;
    setStage(command, 'seen-in-power');
  }

  function tick(): void {
    const sleepFirst: Entry[] = [];
    const increases: Entry[] = [];
    for (const entry of active) {
      follow(entry);
      if (!due(entry)) continue;
      (increaseW(entry) > 0 ? increases : sleepFirst).push(entry);
    }
    for (const entry of sleepFirst) {
      if (sending >= maxInFlight) return;
      send(entry);
    }
    for (const entry of increases) {
      if (sending >= maxInFlight) return;
      if (!takeWakeCredit(entry)) continue;
      if (options.mayIncrease(entry.target.id, entry.target.hallId, increaseW(entry))) send(entry);
      else giveBackWakeCredit(entry);
    }
  }

  /** Looks again at what was acknowledged, with growing pauses, and gives up on what never shows. */
  function follow(entry: Entry): void {
    const { command } = entry;
    if (command?.stage !== 'acknowledged' || command.acknowledgedAt === undefined) return;
    const now = wallNow();
    const lateOnSite = siteNow() - command.acknowledgedAt > SETTLE_SITE_MS;
    const lateOnWall = entry.acknowledgedWall !== undefined && now - entry.acknowledgedWall > SETTLE_WALL_MS;
    if (lateOnSite && lateOnWall) {
      fail(entry, command, new Fault('timeout', 'acknowledged, but no reading shows it'));
    } else if (entry.nextLookAt !== undefined && now >= entry.nextLookAt) {
      entry.looks += 1;
      entry.nextLookAt = later(now, entry.looks < QUICK_LOOKS ? Math.min(2_500, 700 * 1.6 ** entry.looks) : 15_000);
      options.readSoon(entry.target.id);
    }
  }

  function due(entry: Entry): boolean {
    const { desire, seen, command, retryAt } = entry;
    if (desire === undefined || seen?.mode === undefined) return false;
    if (!mayAct(options.trust(entry.target.id), desire.confirmed)) return false;
    if (modeKey(seen.mode) === desire.mode && !inDoubt(entry)) return false;
    if (command !== undefined && isOpen(command) && command.stage !== 'seen-in-power') return false;
    // A reading older than the last word about the machine does not show what that word did.
    if (command?.seenInPowerAt !== undefined && seen.at < command.seenInPowerAt) return false;
    return retryAt === undefined || wallNow() >= retryAt;
  }

  /** A command that was overtaken may have done its work since the last reading: what was seen is no reason to be still. */
  function inDoubt({ command, seen }: Entry): boolean {
    if (command?.stage !== 'superseded' || seen === undefined) return false;
    return seen.at <= (command.acknowledgedAt ?? command.sentAt);
  }

  /** What the machine would draw more in the wanted mode than it is seen to draw; decreases are negative. */
  function increaseW(entry: Entry): number {
    if (entry.desire === undefined || entry.desire.mode === 'sleep') return -1;
    const wanted = entry.target.expect(modeFromKey(entry.desire.mode))?.powerW ?? Number.POSITIVE_INFINITY;
    return wanted - (entry.seen?.powerW ?? 0);
  }

  const isWake = (entry: Entry): boolean => entry.seen?.mode?.kind === 'sleep';

  function takeWakeCredit(entry: Entry): boolean {
    if (!isWake(entry)) return true;
    const { hallId } = entry.target;
    const perMinute = options.wakesPerMinute(hallId);
    const now = siteNow();
    const known = wakeCredit.get(hallId) ?? { credit: perMinute / 10, at: now };
    const credit = Math.min(perMinute, known.credit + ((now - known.at) / 60_000) * perMinute);
    const enough = credit >= 1;
    wakeCredit.set(hallId, { credit: enough ? credit - 1 : credit, at: now });
    return enough;
  }

  function giveBackWakeCredit(entry: Entry): void {
    const known = wakeCredit.get(entry.target.hallId);
    if (isWake(entry) && known !== undefined) known.credit += 1;
  }

  function send(entry: Entry): void {
    const { desire, target, seen } = entry;
    if (desire === undefined) return;
    const again =
      entry.command?.stage === 'failed' && entry.command.mode === desire.mode && entry.command.batchId === desire.actId;
    const command: Mutable<Command> = again ? entry.command! : newCommand(target.id, desire, seen?.mode);
    command.attempts += 1;
    entry.command = command;
    setStage(command, 'sent');
    sending += 1;
    act(options.trust(target.id), target.handle, desire, seen?.mode?.kind === 'sleep')
      .then(
        () => acknowledge(entry, command),
        (error: unknown) => {
          if (!(error instanceof Fault)) throw error;
          if (command.stage === 'sent') fail(entry, command, error);
        },
      )
      .finally(() => {
        sending -= 1;
      });
  }

  function acknowledge(entry: Entry, command: Mutable<Command>): void {
    command.acknowledgedAt = siteNow();
    entry.change = { mode: command.mode ?? '', at: command.acknowledgedAt };
    if (command.action === 'wake') entry.wakes = [...lately(entry.wakes), command.acknowledgedAt];
    entry.acknowledgedWall = wallNow();
    entry.looks = 0;
    entry.nextLookAt = later(wallNow(), 700);
    if (command.stage === 'sent') setStage(command, 'acknowledged');
  }

  function fail(entry: Entry, command: Mutable<Command>, fault: Fault): void {
    command.fault = fault.kind;
    setStage(command, 'failed');
    const pause =
      isTransient(fault.kind) && command.attempts < MAX_ATTEMPTS ? RETRY_MS[command.attempts - 1] : undefined;
    entry.retryAt = later(wallNow(), pause ?? HOPELESS_MS);
    // Whatever went wrong, the next decision rests on a fresh look.
    options.readSoon(entry.target.id);
  }

  function newCommand(target: string, desire: Desire, seen: OperatingMode | undefined): Mutable<Command> {
    counter += 1;
    return {
      id: `${desire.actId}-${counter}`,
      batchId: desire.actId,
      target,
      action: desire.mode === 'sleep' ? 'sleep' : seen?.kind === 'sleep' ? 'wake' : 'set-mode',
      mode: desire.mode,
      who: desire.who,
      why: desire.why,
      stage: 'sent',
      attempts: 0,
      fault: undefined,
      sentAt: siteNow(),
      acknowledgedAt: undefined,
      seenInPowerAt: undefined,
      seenAtMeterAt: undefined,
    };
  }

  return {
    want,
    observe,
    tick,
    retarget(next) {
      const stays = new Set(next.map(({ id }) => id));
      for (const [id, entry] of entries) {
        if (stays.has(id)) continue;
        if (entry.command !== undefined && isOpen(entry.command)) setStage(entry.command, 'superseded');
        entries.delete(id);
        active.delete(entry);
      }
      for (const target of next) {
        const known = entries.get(target.id);
        if (known === undefined) entries.set(target.id, newEntry(target));
        else known.target = target;
      }
    },
    confirmAtMeter(actId, hallId) {
      for (const { target, command } of entries.values()) {
        if (target.hallId !== hallId || command?.batchId !== actId || command.stage !== 'seen-in-power') continue;
        command.seenAtMeterAt = siteNow();
        setStage(command, 'seen-at-meter');
      }
    },
    desired: (id) => entries.get(id)?.desire,
    commandOf: (id) => entries.get(id)?.command,
    drainChanged() {
      const list = [...changed].map((command) => ({ ...command }));
      changed.clear();
      return list;
    },
    inFlight: () =>
      [...active].filter(({ command }) => command?.stage === 'sent' || command?.stage === 'acknowledged').length,
    lastChange: (id) => entries.get(id)?.change,
    recentWakes: (id) => lately(entries.get(id)?.wakes ?? []).length,
  };
}

const newEntry = (target: Target): Entry => ({
  target,
  seen: undefined,
  desire: undefined,
  command: undefined,
  retryAt: undefined,
  nextLookAt: undefined,
  looks: 0,
  acknowledgedWall: undefined,
  change: undefined,
  wakes: [],
});

const later = (now: WallMs, ms: number): WallMs => (now + ms) as WallMs;
const isOpen = (command: Command): boolean =>
  command.stage === 'sent' || command.stage === 'acknowledged' || command.stage === 'seen-in-power';

async function act(trust: Trust, handle: Handle, { mode, confirmed }: Desire, asleep: boolean): Promise<void> {
  mustAct(trust, mode, confirmed);
  const unsupported = (what: string) => new Fault('unsupported', `this machine cannot ${what}`);
  if (mode === 'sleep') {
    if (handle.sleep === undefined) throw unsupported('sleep');
    return handle.sleep();
  }
  if (handle.setMode !== undefined) return handle.setMode(mode);
  if (!asleep || handle.wake === undefined) throw unsupported(`run "${mode}"`);
  return handle.wake();
}

/**
 * Does a reading show the mode, in what the machine says and in what it draws? Where watts are only estimated from
 * hashrate, the hashrate is the evidence.
 */
export function showsMode(target: Pick<Target, 'expect'>, reading: Reading, wanted: string): boolean {
  if (reading.mode === undefined || modeKey(reading.mode) !== wanted) return false;
  const mode = modeFromKey(wanted);
  const expected = target.expect(mode);
  if (mode.kind === 'sleep') {
    if (reading.powerBasis === 'measured' && reading.powerW !== undefined)
      return reading.powerW <= Math.max(150, 3 * (expected?.powerW ?? 0));
    return reading.hashrateThs !== undefined && reading.hashrateThs <= 0;
  }
  if (expected === undefined) return reading.hashrateThs !== undefined && reading.hashrateThs > 0;
  if (reading.powerBasis === 'measured' && reading.powerW !== undefined) return reading.powerW >= 0.7 * expected.powerW;
  return reading.hashrateThs !== undefined && reading.hashrateThs >= 0.6 * expected.hashrateThs;
}
