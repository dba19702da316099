import { DAY, Fault, type Command, type Reading, type SiteMs, type WallMs } from '../model/index.ts';
import { isOpen, newCommand, tell, type Desire, type LiveCommand } from './commands.ts';
import {
  changeOf,
  deltaW,
  drawOf,
  inDoubt,
  later,
  newEntry,
  tries,
  type Change,
  type Entry,
  type Target,
} from './entry.ts';
import { createLanes } from './lanes.ts';
import { retryPauseMs } from './retry.ts';
import { isInMode, showsMode } from './seen.ts';
import { skip, type Skip, type SkipReason } from './skips.ts';
import { mayAct, type Trust } from './trust.ts';
import { createWakeRate } from './wake-rate.ts';

export interface ReconcilerOptions {
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** How far a machine may be acted on; asked before each write: a person may raise or lower it. */
  trust(id: string): Trust;
  /** May a machine of this hall draw so much more now? False while its meter or the feeder's is silent. */
  mayIncrease(id: string, hallId: string, deltaW: number): boolean;
  wakesPerMinute(hallId: string): number;
  /** The PDU that a machine hangs on, and its share of the hall's wakes; undefined where none is known. */
  pduOf?(id: string): { readonly id: string; readonly wakesPerMinute: number } | undefined;
  /** Asks for a fresh reading of a machine, soon. */
  readSoon(id: string): void;
  /** What else speaks against a change now, a shed excepted; undefined: nothing. */
  gate?(change: Change): SkipReason | undefined;
  /** A change that was sent, sheds included. */
  made?(change: Change): void;
  /** Watts at a machine's outlet; undefined where nobody measures it. */
  outletW?(id: string): number | undefined;
  /** How long after its acknowledgement a machine is worth a look: as its kind was seen to take. Undefined: unmeasured. */
  firstLookMs?(id: string, mode: string): number | undefined;
  /** Wall age past which a reading is no ground to draw more; absent: never. */
  readonly staleMs?: number;
  /** Commands that may be under way at once, sheds not counted. */
  readonly maxInFlight?: number;
  readonly shedsInFlight?: number;
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
  /** Sends what is due. Called about twice a second, and as soon as something new is wanted. */
  tick(): void;
  /** The site file changed: machines that stay keep what is known of them, the command under way included. */
  retarget(targets: readonly Target[]): void;
  /** Marks what the hall's meter has confirmed. */
  confirmAtMeter(actId: string, hallId: string): void;
  desired(id: string): Desire | undefined;
  /** The running or last command of a machine. */
  commandOf(id: string): Command | undefined;
  /** Whether a machine says that it is in the mode wanted of it; undefined: nothing is wanted. */
  isThere(id: string): boolean | undefined;
  /** Why a machine is not in the mode wanted of it; undefined where it is, or nothing is wanted. */
  skipped(id: string): Skip | undefined;
  /** How many machines are not in the mode wanted of them, by why. */
  skipCounts(): Partial<Record<SkipReason, number>>;
  /** Whether machines are being told to draw less: reads, plans and pages give way to that. */
  isShedding(): boolean;
  /** Commands changed since the last call, to be stored. */
  drainChanged(): Command[];
  inFlight(): number;
  /** Sheds that may be under way at once. */
  readonly shedsInFlight: number;
  /**
   * Watts, more and less summed up, by which machines would still move on their way to what is wanted of them. One that failed to, and
   * one that was not read lately, is on no way.
   */
  movingW(): number;
  /** When a machine last changed mode by our hand. */
  lastChange(id: string): { readonly mode: string; readonly at: SiteMs } | undefined;
  /** How often a machine was woken in the last 30 days. */
  recentWakes(id: string): number;
}

const MAX_IN_FLIGHT = 256;
/** A shed tells as many at once as sockets can be had for: telling the last must not wait for what the first answer. */
const SHEDS_IN_FLIGHT = 4_096;
const SHEDS_A_TURN = 160;
/** Reads and plans give way to sheds until all but so few are told, for so long after the last was begun: silent machines hold up nobody. */
const STRAGGLERS = 128;
const SHED_TAKES_MS = 2_000;
/** Beside those, machines that are slow to answer, in multiples of them. */
const SLOW_LANE = 8;
/** Stock firmware reloads for up to 20 s before it answers again: until ten seconds after that it is asked often, then seldom. */
const QUICK_LOOKS = 20;
const FIRST_LOOK_MS = 700;
const MOST_BETWEEN_LOOKS_MS = 1_500;
const SELDOM_MS = 15_000;
/** An acknowledged command must show in a reading within both. Machines stop within seconds and start within minutes. */
const SETTLE_SLEEP_SITE_MS = 60_000;
const SETTLE_SITE_MS = 8 * 60_000;
const SETTLE_WALL_MS = 20_000;
/** Between two changes of one machine by our hand, unless the second is a shed. */
const DWELL_SITE_MS = 60_000;
/** A machine that sleeps draws less than this at its outlet, whatever its model. */
const PHANTOM_W = 400;

/**
 * Brings every machine from what is seen to what is wanted, and proves it: `sent -> acknowledged -> seen-in-power ->
 * seen-at-meter`. Idempotent: a machine already seen in the wanted mode gets no command, so after a restart nothing
 * is commanded before it was read. Decreases go at once; increases wait for room, for the meters and for the hall's
 * wake rate.
 */
export function createReconciler(targets: readonly Target[], options: ReconcilerOptions): Reconciler {
  const { maxInFlight = MAX_IN_FLIGHT, shedsInFlight = SHEDS_IN_FLIGHT } = options;
  const siteNow = () => options.siteNow();
  const wallNow = () => options.wallNow();
  const entries = new Map<string, Entry>(targets.map((target) => [target.id, newEntry(target)]));
  for (const { target, at } of options.wakesBefore ?? []) entries.get(target)?.wakes.push(at);
  const lately = (wakes: readonly SiteMs[]): SiteMs[] => wakes.filter((at) => at > siteNow() - WEAR_MS);
  const active = new Set<Entry>();
  const changed = new Set<LiveCommand>();
  const wakeRate = createWakeRate(siteNow);
  const pduRate = createWakeRate(siteNow);
  const lanes = createLanes(SLOW_LANE * maxInFlight, wallNow);
  /** Machines to be told to draw less, in order, and how far that has come. */
  let sheds: Entry[] = [];
  let nextShed = 0;
  let goesOn = false;
  let shedsUnderWay = 0;
  let lastShedAt = wallNow();
  let counter = 0;

  const setStage = (command: LiveCommand, stage: Command['stage']) => {
    command.stage = stage;
    changed.add(command);
  };

  function want(desires: ReadonlyMap<string, Desire>): void {
    for (const [id, entry] of entries) {
      const desire = desires.get(id);
      if (desire?.mode !== entry.desire?.mode) {
        entry.retryAt = undefined;
        entry.passedOver = undefined;
        // What is seen done is not overtaken by a wish that ends with it.
        const isDone = desire === undefined && entry.command?.stage === 'seen-in-power';
        if (entry.command !== undefined && isOpen(entry.command) && !isDone) setStage(entry.command, 'superseded');
        entry.desire = desire;
      } else if (desire?.confirmed !== entry.desire?.confirmed || desire?.isShed !== entry.desire?.isShed) {
        entry.desire = desire;
      }
      if (desire !== undefined) active.add(entry);
      else active.delete(entry);
    }
    // The next round puts in order who is to be told what now.
    sheds = [];
    nextShed = 0;
  }

  function observe(id: string, reading: Reading): void {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entry.seen = reading;
    entry.seenWall = wallNow();
    const { command } = entry;
    // One whose answer did not come may have done as it was told all the same.
    if (command?.mode === undefined || (command.stage !== 'acknowledged' && command.stage !== 'failed')) return;
    if (reading.at <= (command.acknowledgedAt ?? command.sentAt)) return;
    if (!showsMode(entry.target, reading, command.mode)) return;
    command.seenInPowerAt = reading.at;
    setStage(command, 'seen-in-power');
  }

  function tick(): void {
    // Who still waits to be told is told first: what else is due can wait for that.
    if (isWaiting()) {
      sendSheds();
      if (isWaiting()) return;
    }
    const now = wallNow();
    const less: Entry[] = [];
    const more: Entry[] = [];
    for (const entry of active) {
      entry.passedOver = undefined;
      giveUpLate(entry, now);
      if (isDue(entry, now)) (deltaW(entry) > 0 ? more : less).push(entry);
    }
    sheds = less;
    nextShed = 0;
    sendSheds();
    // While some are being told, nobody is asked how it went.
    if (isShedding()) return;
    for (const entry of active) lookAgain(entry, now);
    for (const entry of more) {
      if (lanes.free(maxInFlight) <= 0) return;
      raise(entry, now);
    }
  }

  /** As many as there are places for; called again as each place becomes free. */
  function sendSheds(): void {
    if (goesOn) return;
    let sent = 0;
    for (let entry = sheds[nextShed]; entry !== undefined && lanes.free(shedsInFlight) > 0; entry = sheds[nextShed]) {
      if (sent === SHEDS_A_TURN) {
        // Answers come first: a machine that takes several requests is told no later than one that takes one.
        goesOn = true;
        setImmediate(() => {
          goesOn = false;
          sendSheds();
        });
        return;
      }
      sent += 1;
      nextShed += 1;
      // Asked again: since the queue was made it may have been told otherwise.
      if (!isDue(entry, wallNow())) continue;
      entry.passedOver = entry.desire?.isShed === true ? undefined : heldBack(entry, false);
      if (entry.passedOver === undefined) send(entry);
    }
  }
  const isWaiting = (): boolean => nextShed < sheds.length;
  const isShedding = (): boolean =>
    isWaiting() || (shedsUnderWay > STRAGGLERS && wallNow() - lastShedAt < SHED_TAKES_MS);

  /** Lets a machine draw more, if nothing speaks against it; else remembers what does. */
  function raise(entry: Entry, now: WallMs): void {
    const { id, hallId } = entry.target;
    const isWake = entry.seen?.mode?.kind === 'sleep';
    const isStale =
      options.staleMs !== undefined && entry.seenWall !== undefined && now - entry.seenWall > options.staleMs;
    entry.passedOver = isStale ? 'stale' : heldBack(entry, isWake);
    if (entry.passedOver !== undefined) return;
    entry.passedOver = isWake ? takeWake(entry) : undefined;
    if (entry.passedOver !== undefined) return;
    if (options.mayIncrease(id, hallId, deltaW(entry))) send(entry);
    else {
      entry.passedOver = 'no-room';
      if (isWake) giveBackWake(entry);
    }
  }

  /** After an outage a hall is woken PDU by PDU at an even pace: none of them takes the inrush of all its machines. */
  function takeWake({ target: { id, hallId } }: Entry): SkipReason | undefined {
    const pdu = options.pduOf?.(id);
    if (pdu !== undefined && !pduRate.take(pdu.id, pdu.wakesPerMinute)) return 'pdu-rate';
    if (wakeRate.take(hallId, options.wakesPerMinute(hallId))) return undefined;
    if (pdu !== undefined) pduRate.giveBack(pdu.id);
    return 'wake-rate';
  }

  function giveBackWake({ target: { id, hallId } }: Entry): void {
    wakeRate.giveBack(hallId);
    const pdu = options.pduOf?.(id);
    if (pdu !== undefined) pduRate.giveBack(pdu.id);
  }

  function heldBack(entry: Entry, isWake: boolean): SkipReason | undefined {
    const { change, desire } = entry;
    // A change that was overtaken is called back at once: that is no second change.
    const isCallBack = entry.command?.stage === 'superseded' && entry.command.seenInPowerAt === undefined;
    if (change !== undefined && !isCallBack && change.mode !== desire?.mode && siteNow() - change.at < DWELL_SITE_MS)
      return 'dwell';
    return options.gate?.(changeOf(entry, desire!.mode, isWake));
  }

  function giveUpLate(entry: Entry, now: WallMs): void {
    const { command } = entry;
    if (command?.stage !== 'acknowledged' || command.acknowledgedAt === undefined) return;
    const settleMs = command.mode === 'sleep' ? SETTLE_SLEEP_SITE_MS : SETTLE_SITE_MS;
    const isLateOnSite = siteNow() - command.acknowledgedAt > settleMs;
    const isLateOnWall = entry.acknowledgedWall !== undefined && now - entry.acknowledgedWall > SETTLE_WALL_MS;
    if (isLateOnSite && isLateOnWall)
      fail(entry, command, new Fault('timeout', `acknowledged, but no reading shows it: ${drawOf(entry)}`));
  }

  /** Looks again at what was acknowledged, with growing pauses. */
  function lookAgain(entry: Entry, now: WallMs): void {
    if (entry.command?.stage !== 'acknowledged' || entry.nextLookAt === undefined || now < entry.nextLookAt) return;
    entry.looks += 1;
    const pauseMs = Math.min(MOST_BETWEEN_LOOKS_MS, FIRST_LOOK_MS * 1.6 ** entry.looks);
    entry.nextLookAt = later(now, entry.looks < QUICK_LOOKS ? pauseMs : SELDOM_MS);
    options.readSoon(entry.target.id);
  }

  function isDue(entry: Entry, now: WallMs): boolean {
    const { desire, seen, command, retryAt } = entry;
    if (desire === undefined || seen === undefined) return false;
    if (!mayAct(options.trust(entry.target.id), desire.confirmed)) return false;
    // One that was read and no longer says its mode may well run: a shed tells it all the same.
    if (seen.mode === undefined && desire.isShed !== true) return false;
    if (seen.mode !== undefined && isInMode(entry.target, seen.mode, desire.mode) && !inDoubt(entry)) return false;
    if (command !== undefined && isOpen(command) && command.stage !== 'seen-in-power') return false;
    // A reading older than the last word about the machine does not show what that word did.
    if (command?.seenInPowerAt !== undefined && seen.at < command.seenInPowerAt) return false;
    return retryAt === undefined || now >= retryAt;
  }

  function send(entry: Entry): void {
    const { desire, target, seen } = entry;
    if (desire === undefined) return;
    const { command: last } = entry;
    const isAgain = last?.stage === 'failed' && last.mode === desire.mode && last.batchId === desire.actId;
    if (!isAgain) counter += 1;
    const command = isAgain ? last : newCommand(`${desire.actId}-${counter}`, target.id, desire, seen?.mode, siteNow());
    command.attempts += 1;
    entry.command = command;
    setStage(command, 'sent');
    options.made?.(changeOf(entry, desire.mode, seen?.mode?.kind === 'sleep'));
    const leavePlace = lanes.take();
    const isLess = deltaW(entry) <= 0;
    if (isLess) {
      shedsUnderWay += 1;
      lastShedAt = wallNow();
    }
    tell(options.trust(target.id), target.handle, desire, seen?.mode?.kind === 'sleep')
      .then(
        () => acknowledge(entry, command),
        (error: unknown) => {
          if (!(error instanceof Fault)) throw error;
          if (command.stage === 'sent') fail(entry, command, error);
        },
      )
      .finally(() => {
        leavePlace();
        if (isLess) shedsUnderWay -= 1;
        sendSheds();
      });
  }

  function acknowledge(entry: Entry, command: LiveCommand): void {
    const now = wallNow();
    command.acknowledgedAt = siteNow();
    entry.change = { mode: command.mode ?? '', at: command.acknowledgedAt };
    if (command.action === 'wake') entry.wakes = [...lately(entry.wakes), command.acknowledgedAt];
    entry.acknowledgedWall = now;
    entry.looks = 0;
    const lookMs = options.firstLookMs?.(entry.target.id, command.mode ?? '') ?? FIRST_LOOK_MS;
    entry.nextLookAt = later(now, lookMs);
    if (command.stage === 'sent') setStage(command, 'acknowledged');
  }

  function fail(entry: Entry, command: LiveCommand, fault: Fault): void {
    command.fault = fault.kind;
    entry.failure = fault.message;
    setStage(command, 'failed');
    entry.retryAt = later(wallNow(), retryPauseMs(fault.kind, command.attempts));
    // Whatever went wrong, the next decision rests on a fresh look.
    options.readSoon(entry.target.id);
  }

  function reasonOf(entry: Entry): SkipReason | undefined {
    const { desire, seen, command, passedOver } = entry;
    if (desire === undefined) return undefined;
    const isMine = command?.mode === desire.mode;
    if (isMine && command.stage === 'sent') return command.attempts > 1 ? 'failed' : 'sent';
    if (isMine && command.stage === 'acknowledged') return 'unproven';
    if (isMine && command.stage === 'failed') return 'failed';
    if (seen?.mode === undefined) return 'unread';
    if (isInMode(entry.target, seen.mode, desire.mode) && !inDoubt(entry)) return doubtOf(entry);
    const trust = options.trust(entry.target.id);
    if (!mayAct(trust, desire.confirmed)) return trust === 'shadow' ? 'shadow' : 'unconfirmed';
    return passedOver ?? 'waiting';
  }

  /** Seen where it should be: unless that was long ago, or its outlet knows better. */
  function doubtOf({ target, seenWall, desire }: Entry): SkipReason | undefined {
    const outletW = desire?.mode === 'sleep' ? options.outletW?.(target.id) : undefined;
    if (outletW !== undefined && outletW > PHANTOM_W) return 'phantom';
    const isStale = options.staleMs !== undefined && seenWall !== undefined && wallNow() - seenWall > options.staleMs;
    return isStale ? 'stale' : undefined;
  }

  /** Asked once a second over all machines: nothing is made for those that stand where they should. */
  function movingW(): number {
    const oldest = options.staleMs === undefined ? -Infinity : wallNow() - options.staleMs;
    let watts = 0;
    for (const entry of active) {
      const { desire, seen, seenWall, command } = entry;
      if (desire === undefined || seen === undefined || (seenWall ?? 0) < oldest) continue;
      const isOnWay = command?.stage === 'sent' || command?.stage === 'acknowledged';
      const isThere = seen.mode !== undefined && isInMode(entry.target, seen.mode, desire.mode);
      if (!isOnWay && (isThere || command?.stage === 'failed')) continue;
      watts += Math.abs(changeOf(entry, desire.mode, false).deltaW);
    }
    return watts;
  }

  function skipped(id: string): Skip | undefined {
    const entry = entries.get(id);
    const reason = entry && reasonOf(entry);
    if (entry === undefined || reason === undefined) return undefined;
    if (reason === 'failed' && entry.command !== undefined) return skip(reason, tries(entry, entry.command));
    if (reason === 'unproven') return skip(reason, drawOf(entry));
    return reason === 'phantom' ? skip(reason, `${Math.round(options.outletW?.(id) ?? 0)} W`) : skip(reason);
  }

  function skipCounts(): Partial<Record<SkipReason, number>> {
    const counts: Partial<Record<SkipReason, number>> = {};
    for (const entry of active) {
      const reason = reasonOf(entry);
      if (reason !== undefined) counts[reason] = (counts[reason] ?? 0) + 1;
    }
    return counts;
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
        // It may wait in a queue.
        entry.desire = undefined;
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
    isThere(id) {
      const { target, desire, seen } = entries.get(id) ?? {};
      if (target === undefined || desire === undefined) return undefined;
      return seen?.mode !== undefined && isInMode(target, seen.mode, desire.mode);
    },
    skipped,
    skipCounts,
    isShedding,
    drainChanged() {
      const list = [...changed].map((command) => ({ ...command }));
      changed.clear();
      return list;
    },
    inFlight: () =>
      [...active].filter(({ command }) => command?.stage === 'sent' || command?.stage === 'acknowledged').length,
    shedsInFlight,
    movingW,
    lastChange: (id) => entries.get(id)?.change,
    recentWakes: (id) => lately(entries.get(id)?.wakes ?? []).length,
  };
}
