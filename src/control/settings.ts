import { asFault, Fault, type Command, type SiteMs, type Trust, type WallMs } from '../model/index.ts';
import { later } from './entry.ts';
import { retryPauseMs } from './retry.ts';
import { mustAct } from './trust.ts';

/** A setting of a machine or an outlet that shall be so: what it does after an outage, watts it keeps to. */
export interface SettingTarget<T extends string | number> {
  readonly id: string;
  /** Targets of one group, or of one PDU, are written in one act. */
  readonly group: string;
  /** The cohort whose trust and holds count for it. */
  readonly cohort: string;
  readonly wanted: T;
  /** What it was last read to be set to, and when; undefined while nothing was read that would tell. */
  seen(): { readonly is: T | undefined; readonly at: SiteMs } | undefined;
  /** Acknowledged is not proof: it is read back. @throws Fault */
  write(): Promise<void>;
  /** Asks for a reading that tells the setting, soon. */
  readAgain(): void;
}

export interface SettingsOptions<T extends string | number> {
  readonly action: Command['action'];
  isSame(a: T, b: T): boolean;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** How far a target may be acted on; asked before each write. */
  trust(target: SettingTarget<T>): Trust;
  /** Why it is not to be touched now, in words; undefined: nothing speaks against it. */
  leave(target: SettingTarget<T>): string | undefined;
  /** Machines wait to be told to draw less: this can wait. */
  givesWay(): boolean;
  /** A decision to write: on record before anything is sent. @returns the act it is */
  begin(group: string, wanted: T): { readonly id: string; readonly who: string; readonly why: string };
}

export type SettingState =
  | { readonly state: 'armed' }
  /** `why` in words; `cannot`: the machine itself has refused it for good. */
  | { readonly state: 'not-armed' | 'cannot'; readonly why: string };

export interface Settings<T extends string | number> {
  /** Replaces what is wanted; targets that stay keep the command under way. */
  follow(targets: readonly SettingTarget<T>[]): void;
  /** Writes what is not as it is wanted, so many at once, and looks how that went. Called about once a second. */
  look(): void;
  /** Undefined: nothing is wanted of it. */
  stateOf(id: string): SettingState | undefined;
  /** Commands changed since the last call, to be stored. */
  drainChanged(): Command[];
}

interface Entry<T extends string | number> {
  target: SettingTarget<T>;
  command: Writable | undefined;
  failure: Fault | undefined;
  retryAt: WallMs | undefined;
  sentWall: WallMs;
  lookAt: WallMs;
}
const isOpen = ({ stage }: Command): boolean => stage === 'sent' || stage === 'acknowledged';
type Writable = { -readonly [K in keyof Command]: Command[K] };

/** A BMC takes seconds to write its settings, and a site has minutes for it: a mistake should be seen before it is everywhere. */
const AT_ONCE = 8;
/** An acknowledged setting must be read back within this: a machine is read in depth at least twice meanwhile. */
const SETTLE_MS = 60_000;
const LOOK_EVERY_MS = 3_000;
/** Writes of one group that follow each other so soon are one decision. */
const SAME_ACT_MS = 120_000;

/**
 * Keeps settings of machines and outlets as they are wanted, in their firmware or BMC, where they hold when nobody is there to tell them.
 * Idempotent and never blind: what was not read is not written, what is as wanted is left, and what somebody changed since is written
 * again.
 */
export function createSettings<T extends string | number>(options: SettingsOptions<T>): Settings<T> {
  const { siteNow, wallNow, isSame } = options;
  let entries = new Map<string, Entry<T>>();
  const changed = new Set<Writable>();
  const acts = new Map<string, { readonly act: ReturnType<SettingsOptions<T>['begin']>; last: WallMs }>();
  let underway = 0;
  let counter = 0;

  function setStage(command: Writable, stage: Command['stage']): void {
    command.stage = stage;
    changed.add(command);
  }

  function actOf({ group, wanted }: SettingTarget<T>): ReturnType<SettingsOptions<T>['begin']> {
    // Figures differ from machine to machine and are one decision all the same.
    const key = typeof wanted === 'string' ? `${group} ${wanted}` : group;
    const known = acts.get(key);
    const now = wallNow();
    if (known !== undefined && now - known.last < SAME_ACT_MS) {
      known.last = now;
      return known.act;
    }
    const act = options.begin(group, wanted);
    acts.set(key, { act, last: now });
    return act;
  }

  function commandFor({ command: last, target }: Entry<T>): Writable {
    if (last?.stage === 'failed' && last.mode === String(target.wanted)) return last;
    const { id, who, why } = actOf(target);
    counter += 1;
    return {
      id: `${id}-${counter}`,
      batchId: id,
      target: target.id,
      action: options.action,
      mode: String(target.wanted),
      who,
      why,
      stage: 'sent',
      attempts: 0,
      fault: undefined,
      sentAt: siteNow(),
      acknowledgedAt: undefined,
      seenInPowerAt: undefined,
      seenAtMeterAt: undefined,
    };
  }

  function send(entry: Entry<T>): void {
    const { target } = entry;
    const command = commandFor(entry);
    command.attempts += 1;
    entry.command = command;
    entry.sentWall = wallNow();
    setStage(command, 'sent');
    underway += 1;
    write(target)
      .then(
        () => {
          command.acknowledgedAt = siteNow();
          entry.lookAt = wallNow();
          if (command.stage === 'sent') setStage(command, 'acknowledged');
        },
        (error: unknown) => fail(entry, command, asFault(error)),
      )
      .finally(() => void (underway -= 1));
  }

  async function write(target: SettingTarget<T>): Promise<void> {
    mustAct(options.trust(target), `${options.action} ${target.id}: ${target.wanted}`);
    return target.write();
  }

  function fail(entry: Entry<T>, command: Writable, fault: Fault): void {
    command.fault = fault.kind;
    entry.failure = fault;
    entry.retryAt = later(wallNow(), retryPauseMs(fault.kind, command.attempts));
    setStage(command, 'failed');
    entry.target.readAgain();
  }

  /** Read back, overdue, or to be read again. */
  function follow(entry: Entry<T>, command: Writable): void {
    const { target } = entry;
    const seen = target.seen();
    const isNew = seen !== undefined && seen.at > (command.acknowledgedAt ?? command.sentAt);
    if (isNew && seen.is !== undefined && isSame(seen.is, target.wanted)) {
      command.seenInPowerAt = seen.at;
      entry.failure = undefined;
      return setStage(command, 'seen-in-power');
    }
    if (command.stage !== 'acknowledged') return;
    if (wallNow() - entry.sentWall > SETTLE_MS)
      return fail(
        entry,
        command,
        new Fault('timeout', `acknowledged, and still set to ${seen?.is ?? 'nothing it tells'}`),
      );
    if (wallNow() < entry.lookAt) return;
    entry.lookAt = later(wallNow(), LOOK_EVERY_MS);
    target.readAgain();
  }

  function isDue({ target, command, retryAt }: Entry<T>): boolean {
    const seen = target.seen();
    if (seen?.is === undefined || isSame(seen.is, target.wanted)) return false;
    if (command !== undefined && isOpen(command)) return false;
    // A reading of before the write says nothing of it.
    if (command?.seenInPowerAt !== undefined && seen.at <= command.seenInPowerAt) return false;
    if (options.trust(target) !== 'auto' || options.leave(target) !== undefined) return false;
    return retryAt === undefined || command?.mode !== String(target.wanted) || wallNow() >= retryAt;
  }

  return {
    follow(targets) {
      const before = entries;
      const start = wallNow();
      entries = new Map(
        targets.map((target): [string, Entry<T>] => {
          const known = before.get(target.id);
          const stays = known?.target.wanted === target.wanted;
          const fresh = {
            target,
            command: undefined,
            failure: undefined,
            retryAt: undefined,
            sentWall: start,
            lookAt: start,
          };
          return [target.id, known !== undefined && stays ? Object.assign(known, { target }) : fresh];
        }),
      );
      for (const [id, { command }] of before)
        if (command !== undefined && isOpen(command) && entries.get(id)?.command !== command)
          setStage(command, 'superseded');
    },
    look() {
      for (const entry of entries.values()) {
        const { command } = entry;
        if (command !== undefined && command.stage !== 'seen-in-power' && command.stage !== 'superseded')
          follow(entry, command);
      }
      for (const entry of entries.values()) {
        if (underway >= AT_ONCE || options.givesWay()) return;
        if (isDue(entry)) send(entry);
      }
    },
    stateOf(id) {
      const entry = entries.get(id);
      if (entry === undefined) return undefined;
      const { target, command, failure } = entry;
      const seen = target.seen();
      if (command !== undefined && isOpen(command)) return { state: 'not-armed', why: 'it was told and is read back' };
      if (seen?.is !== undefined && isSame(seen.is, target.wanted)) return { state: 'armed' };
      if (seen === undefined) return { state: 'not-armed', why: 'it has not told yet what it is set to' };
      if (failure?.kind === 'unsupported') return { state: 'cannot', why: failure.message };
      if (seen.is === undefined) return { state: 'not-armed', why: 'it does not tell what it is set to' };
      if (failure !== undefined) return { state: 'not-armed', why: failure.message };
      return { state: 'not-armed', why: held(target) ?? 'its turn has not come' };
    },
    drainChanged() {
      const list = [...changed].map((command) => ({ ...command }));
      changed.clear();
      return list;
    },
  };

  function held(target: SettingTarget<T>): string | undefined {
    const trust = options.trust(target);
    return trust === 'auto' ? options.leave(target) : `in ${trust} nothing is written`;
  }
}
