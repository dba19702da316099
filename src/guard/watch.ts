import { createGuardLaw, type GuardDecision, type MeterSeen } from '../control/guard-law.ts';
import { createShedder, type ShedResult } from '../control/shed.ts';
import type { DriverIo } from '../drivers/driver.ts';
import type { GuardBrief, GuardState, ServerBeat, WallMs } from '../model/index.ts';
import type { AuditFile } from './audit-file.ts';
import { createDevices } from './devices.ts';

/** The guard's turn, once a second, and what it goes by. */
export interface Watch {
  follow(brief: GuardBrief): void;
  hear(beat: ServerBeat): void;
  /** Everything sleeps from now on, or need not any more; `by` says who and why. */
  stopAll(by: string | undefined): void;
  second(): Promise<void>;
  state(): Pick<
    GuardState,
    'briefMadeAtUnixMs' | 'loads' | 'noWakes' | 'underway' | 'failed' | 'wouldShed' | 'stopped' | 'audit' | 'auditAfter'
  >;
  /** How long the server has been silent, milliseconds. */
  aloneMs(): number;
  close(): void;
}

export interface WatchOptions {
  readonly io: DriverIo;
  readonly audit: AuditFile;
  wallNow(): WallMs;
  pause(ms: number): Promise<void>;
}

/** So long a turn waits for meters; one that answers later counts in the next. */
const METER_WAIT_MS = 700;
/** So long the server may be silent before the guard looks after machines itself. */
export const SERVER_SILENT_MS = 5_000;
/** So long the server has for a safe stop: two that tell the same machines at once are in each other's way. */
export const STOP_WAITS_MS = 15_000;
/** Alone, what was read of a machine is believed for so long: one that lost its supply meanwhile boots and hashes unasked. */
const BELIEVED_MS = 120_000;
/** Alone, each machine is asked anew after so long, so many at a time. */
const ALONE_LOOK_MS = 40_000;
const ALONE_IN_FLIGHT = 64;
/** Beside the server the head of the path alone is asked, so that its sockets and tokens are warm. */
const WARM_HEAD = 200;
const WARM_LOOK_MS = 300_000;
const WARM_IN_FLIGHT = 4;
const AUDIT_AT_ONCE = 200;

interface Known {
  readonly asleep: boolean;
  readonly at: WallMs;
  /** When one that was read asleep was first read otherwise. */
  readonly awakeSince: WallMs | undefined;
}

export function createWatch({ io, audit, wallNow, pause }: WatchOptions): Watch {
  const devices = createDevices(io);
  const law = createGuardLaw({ limits: [], halls: [], path: [], groups: [] });
  const meters = new Map<string, MeterSeen>();
  const reading = new Set<string>();
  const known = new Map<string, Known>();
  const lookedAt = new Map<string, WallMs>();
  let brief: GuardBrief | undefined;
  let heard: { readonly beat: ServerBeat; readonly at: WallMs } | undefined;
  const began = wallNow();
  let alone = false;
  let decision: GuardDecision = { shed: [], why: '', noWakes: ['the guard has just begun'], loads: [], wouldShed: 0 };
  let would = 0;
  let stopped: string | undefined;
  /** Since when the server has wanted a safe stop. */
  let stopSince: WallMs | undefined;

  const shedder = createShedder({
    handle: (id) => devices.machine(id),
    trust: (id) => (groupOf(id)?.mayAct === true ? 'auto' : 'shadow'),
    onSeen: (id, asleep) => note(id, asleep, wallNow()),
    onResult: record,
    wallNow,
    pause,
  });

  function groupOf(id: string): GuardBrief['groups'][number] | undefined {
    const machine = devices.known(id);
    return machine === undefined ? undefined : brief?.groups[machine.group];
  }

  function note(id: string, asleep: boolean, at: WallMs): void {
    const before = known.get(id);
    known.set(id, { asleep, at, awakeSince: asleep ? undefined : before?.asleep === true ? at : before?.awakeSince });
  }

  const aloneMs = (): number => wallNow() - (heard?.at ?? began);

  function isAsleep(id: string): boolean {
    const one = known.get(id);
    return one?.asleep === true && (!alone || wallNow() - one.at < BELIEVED_MS);
  }

  function record({ why, told, asleep, failed, tookMs }: ShedResult): void {
    const kinds = new Map<string, number>();
    for (const kind of failed.values()) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    const wrong = [...kinds].map(([kind, count]) => `; ${count} not: ${kind}`).join('');
    audit.append(`${asleep} of ${told} machines seen asleep within ${(tookMs / 1000).toFixed(1)} s${wrong}`, why);
  }

  async function readMeters(): Promise<void> {
    const asked = devices.meters().map(async ({ entry, device }) => {
      if (reading.has(entry.id)) return;
      reading.add(entry.id);
      try {
        const { powerW } = await device.read();
        if (powerW === undefined) return;
        for (const limit of entry.limits) meters.set(limit, { powerW, at: wallNow() });
      } catch {
        // Its silence shows in its age, whatever the kind of fault, and one meter's bug must not blind the guard to the others.
      } finally {
        reading.delete(entry.id);
      }
    });
    await Promise.race([Promise.all(asked), pause(METER_WAIT_MS)]);
  }

  function follow(next: GuardBrief): void {
    brief = next;
    devices.follow(next);
    law.follow(next);
    const limits = new Set(next.limits.map(({ id }) => id));
    for (const id of meters.keys()) if (!limits.has(id)) meters.delete(id);
    for (const map of [known, lookedAt])
      for (const id of map.keys()) if (devices.known(id) === undefined) map.delete(id);
  }

  function hear(beat: ServerBeat): void {
    const at = wallNow();
    heard = { beat, at };
    stopSince = beat.stop ? (stopSince ?? at) : undefined;
    // A server that has just begun has read nobody yet: whom it does not tell asleep is not believed to be, and has not woken either.
    if (beat.whole) for (const [id, { awakeSince }] of known) known.set(id, { asleep: false, at, awakeSince });
    for (const id of beat.asleep) note(id, true, at);
    for (const id of beat.awake) note(id, false, at);
  }

  function noteSilence(): void {
    const is = aloneMs() > SERVER_SILENT_MS;
    if (is === alone) return;
    alone = is;
    if (is) audit.append('guard alone', `the server was silent for ${SERVER_SILENT_MS / 1000} s`);
    else audit.append('guard beside the server', 'it is heard again');
  }

  /** Asks machines how they are, oldest answers first; alone all of them, else those that would be shed first. */
  function patrol(): void {
    const path = brief?.path ?? [];
    const now = wallNow();
    const budget = (alone ? ALONE_IN_FLIGHT : WARM_IN_FLIGHT) - shedder.inFlight();
    if (budget <= 0) return;
    const every = alone ? ALONE_LOOK_MS : WARM_LOOK_MS;
    const due = (alone ? path : path.slice(0, WARM_HEAD))
      .map(({ id }) => ({ id, at: lookedAt.get(id) ?? -Infinity }))
      .filter(({ at }) => now - at > every);
    // Of 10,000 machines a few are wanted: no need to put all in order.
    due.sort((a, b) => a.at - b.at);
    for (const { id } of due.slice(0, budget)) {
      lookedAt.set(id, now);
      void shedder.look(id);
    }
  }

  async function second(): Promise<void> {
    noteSilence();
    await readMeters();
    decision = law.decide({
      now: wallNow(),
      meters,
      stop: stopped !== undefined || (stopSince !== undefined && wallNow() - stopSince > STOP_WAITS_MS),
      asleep: isAsleep,
      awakeSince: (id) => known.get(id)?.awakeSince,
    });
    if (brief === undefined) decision = { ...decision, noWakes: ['the guard has no brief yet'] };
    const { shed, why, wouldShed } = decision;
    if (shed.length > 0) {
      // What a machine was before it was told says nothing of what it is now.
      for (const { id } of shed) known.delete(id);
      audit.append(`put ${groupsOf(shed.map(({ group }) => brief!.groups[group]!.id))} to sleep`, why);
      shedder.shed(
        shed.map(({ id }) => id),
        why,
      );
    }
    if (wouldShed > 0 && would === 0)
      audit.append(`would put ${wouldShed} machines to sleep (in shadow)`, 'a limit is exceeded');
    would = wouldShed;
    patrol();
  }

  return {
    follow,
    hear,
    stopAll: (by) => void (stopped = by),
    second,
    state: () => ({
      briefMadeAtUnixMs: brief?.madeAtUnixMs ?? null,
      loads: [...decision.loads],
      noWakes: [...decision.noWakes],
      underway: law.underway(),
      failed: [...shedder.failed()].map(([id, why]) => ({ id, why })),
      wouldShed: would,
      stopped: stopped ?? null,
      audit: [...audit.after(heard?.beat.auditSeq ?? Infinity, AUDIT_AT_ONCE)],
      auditAfter: heard?.beat.auditSeq ?? null,
    }),
    aloneMs,
    close: () => devices.close(),
  };
}

/** `120 a-s21, 3 b-m50`. */
function groupsOf(ids: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].map(([id, count]) => `${count.toLocaleString('en-US')} ${id}`).join(', ');
}
