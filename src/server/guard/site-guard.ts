import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import type { Reconciler } from '../../control/reconciler.ts';
import {
  isoUtc,
  type GuardAuditLine,
  type GuardBrief,
  type GuardState,
  type GuardView,
  siteMs,
} from '../../model/index.ts';
import type { Fleet, FleetMachine } from '../fleet.ts';
import { wallNow } from '../io.ts';
import { openConnection } from './connection.ts';
import { guardSocket } from './socket.ts';

/** How the guard's process is started. */
export interface GuardProcess {
  readonly dataFolder: string;
  /** Where relative paths of the site file start. */
  readonly folder: string;
  readonly portOffset: number;
  readonly version: string;
  /** A rehearsal's guard ends by itself after so long without a server, seconds. */
  readonly aloneS: number | undefined;
}

export interface SiteGuard {
  /** Why no machine may wake or rise now; empty: they may. */
  noWakes(): readonly string[];
  /** Once a second: hears and tells, and starts the guard where it is gone. */
  look(): void;
  /** A changed site or trust, or a new plan: the guard is told at once. */
  brief(): void;
  alarms(): RaisedAlarm[];
  view(): GuardView;
  /** Ends the guard with the server, which was told to end; one that is a service of its own stays. */
  close(): void;
}

export interface SiteGuardOptions {
  readonly process: GuardProcess;
  readonly fleet: Fleet;
  readonly log: Logger;
  reconciler(): Pick<Reconciler, 'commandOf'>;
  /** Undefined before every machine was read once. */
  makeBrief(): GuardBrief | undefined;
  /** A safe stop is in force. */
  stop(): boolean;
  /** Its entries up to this number are in the site's record. */
  readonly auditSeq: number;
  onAudit(lines: readonly GuardAuditLine[]): void;
}

/** A guard that was not heard for so long is lost: nobody wakes a machine. */
const LOST_MS = 4_000;
/** One that holds its socket and says nothing is stuck, and is killed. */
const STUCK_MS = 6_000;
/** From one start to the next. */
const START_AGAIN_MS = 6_000;
/** The first start waits so much less: for the answer of a guard that runs already. */
const FIRST_START_MS = 5_000;
/** A brief's figures of machines are no older than this. */
const BRIEF_MS = 30_000;

const MAIN = join(import.meta.dirname, '..', '..', 'guard', 'main.ts');

/** Keeps the guard's process going, tells it what it must know, and hears what it does. */
export function openSiteGuard(options: SiteGuardOptions): SiteGuard {
  const { dataFolder, folder, portOffset, version, aloneS } = options.process;
  const { log } = options;
  const path = guardSocket(dataFolder);
  const told = new Map<string, boolean>();
  const begun = wallNow();
  let state: GuardState | undefined;
  let heardAt: number | undefined;
  let startedAt: number | undefined;
  let starts = 0;
  let briefAt = -Infinity;
  let lastBrief: GuardBrief | undefined;
  let auditSeq = options.auditSeq;
  let lookedAt = begun;
  let resumedAt = begun;
  let childPid: number | undefined;
  let closed = false;

  const connection = openConnection(path, {
    onOpen() {
      told.clear();
      briefAt = -Infinity;
      tellBrief();
      beat(true);
    },
    onState(next) {
      if (next.version !== version) {
        // Another version's guard speaks another language and goes by older rules.
        connection.tell({ kind: 'end' });
        return;
      }
      state = next;
      heardAt = wallNow();
      const fresh = freshAudit(next, auditSeq);
      if (fresh.length === 0) return;
      auditSeq = fresh.at(-1)!.seq;
      options.onAudit(fresh);
    },
    onClose: () => log.warn('the guard has gone'),
  });

  function start(): void {
    startedAt = wallNow();
    starts += 1;
    const args = ['--data', dataFolder, '--socket', path, '--folder', folder, '--version', version];
    args.push('--port-offset', String(portOffset));
    if (aloneS !== undefined) args.push('--alone-s', String(aloneS));
    // A group and streams of its own: what ends the server must not end the guard.
    const child = spawn(process.execPath, [MAIN, ...args], { detached: true, stdio: 'ignore' });
    child.on('exit', (status, signal) => {
      if (!closed) log.warn({ how: signal ?? `status ${status}` }, 'the guard ended');
    });
    child.on('error', (error) => log.error({ err: error }, 'the guard cannot be started'));
    childPid = child.pid;
    child.unref();
  }

  function tellBrief(): void {
    const made = options.makeBrief();
    if (made === undefined) return;
    lastBrief = made;
    briefAt = wallNow();
    connection.tell(made);
  }

  function beat(whole: boolean): void {
    const asleep: string[] = [];
    const awake: string[] = [];
    for (const member of options.fleet.machines) {
      const { id } = member.machine;
      const is = sleeps(member, options.reconciler());
      if (told.get(id) === is) continue;
      told.set(id, is);
      (is ? asleep : awake).push(id);
    }
    connection.tell({ kind: 'beat', auditSeq, stop: options.stop(), whole, asleep, awake });
  }

  const heardMs = (): number | undefined => (heardAt === undefined ? undefined : wallNow() - heardAt);
  const isLost = (): boolean => (heardMs() ?? wallNow() - begun) > LOST_MS;

  function noWakes(): readonly string[] {
    if (state === undefined || !connection.isOpen() || isLost()) return ['the guard is not heard'];
    return state.noWakes;
  }

  return {
    noWakes,
    look() {
      if (closed) return;
      const now = wallNow();
      // What stood still itself cannot tell how long the other was silent.
      if (now - lookedAt > LOST_MS) resumedAt = now;
      lookedAt = now;
      if (!connection.isOpen()) {
        connection.open();
        // One that runs already answers within a turn; only where none does is another started.
        if (now - (startedAt ?? begun - FIRST_START_MS) > START_AGAIN_MS) start();
        return;
      }
      const silentMs = now - Math.max(heardAt ?? begun, startedAt ?? begun, resumedAt);
      if (silentMs > STUCK_MS) {
        log.error({ pid: state?.pid ?? childPid }, 'the guard is stuck: it is ended and started again');
        kill(state?.pid ?? childPid);
        connection.close();
        state = undefined;
        return;
      }
      if (now - briefAt > BRIEF_MS) tellBrief();
      beat(false);
    },
    brief() {
      if (connection.isOpen()) tellBrief();
    },
    alarms() {
      const raised: RaisedAlarm[] = [];
      if (isLost()) raised.push({ code: 'guard-lost', subject: 'guard', message: 'it has not been heard' });
      if ((state?.underway ?? 0) > 0)
        raised.push({ code: 'guard-shed', subject: 'guard', message: `${state!.underway} machines are told to sleep` });
      if (state !== undefined && state.stopped !== null)
        raised.push({
          code: 'guard-shed',
          subject: 'stop',
          message: `everything was stopped at the guard by ${state.stopped}`,
        });
      const failed = state?.failed ?? [];
      if (failed.length > 0)
        raised.push({
          code: 'guard-disobeyed',
          subject: 'guard',
          message: `${failed.length} machines do not sleep: ${failed
            .slice(0, 5)
            .map(({ id, why }) => `${id} (${why})`)
            .join(', ')}`,
        });
      return raised;
    },
    view: () => ({
      state: state === undefined ? (isLost() ? 'lost' : 'starting') : isLost() ? 'lost' : 'watching',
      pid: state?.pid ?? null,
      startedAt: state === undefined ? null : isoUtc(siteMs(state.startedUnixMs)),
      heardMs: heardMs() ?? null,
      restarts: Math.max(0, starts - 1),
      noWakes: [...noWakes()],
      loads: state?.loads ?? [],
      underway: state?.underway ?? 0,
      failed: state?.failed ?? [],
      wouldShed: state?.wouldShed ?? 0,
      stopped: state?.stopped ?? null,
      path: {
        machines: lastBrief?.path.length ?? 0,
        mw: (lastBrief?.path ?? []).reduce((sum, { freesW }) => sum + freesW, 0) / 1e6,
      },
    }),
    close() {
      closed = true;
      if (state?.service !== true) connection.tell({ kind: 'end' });
      connection.close();
    },
  };
}

/** A reading is believed for so long: one read that fails does not make a sleeping machine a running one. */
const BELIEVED_MS = 120_000;

/** Read asleep after whatever it was told: one that is on its way up is not. */
function sleeps({ machine, reading, readWall }: FleetMachine, reconciler: Pick<Reconciler, 'commandOf'>): boolean {
  if (readWall === undefined || wallNow() - readWall > BELIEVED_MS || reading?.mode?.kind !== 'sleep') return false;
  const command = reconciler.commandOf(machine.id);
  const goesUp = command !== undefined && command.mode !== 'sleep';
  return !(goesUp && (command.stage === 'sent' || command.stage === 'acknowledged'));
}

function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It was gone already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Entries of the guard's record that come next after `auditSeq`. None where its list begins later: it still goes by what an earlier server had heard
 * and did not live to write down, and what is missing comes once it has heard this one.
 */
export function freshAudit(
  { audit, auditAfter }: Pick<GuardState, 'audit' | 'auditAfter'>,
  auditSeq: number,
): readonly GuardAuditLine[] {
  if (auditAfter === null || auditAfter > auditSeq) return [];
  return audit.filter(({ seq }) => seq > auditSeq);
}
