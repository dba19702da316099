import { modeFromKey, modeKey, type Command, type Reading, type SiteMs, type WallMs } from '../model/index.ts';
import type { Desire, Handle, LiveCommand } from './commands.ts';
import type { Expected } from './seen.ts';
import type { SkipReason } from './skips.ts';

export interface Target extends Expected {
  readonly id: string;
  readonly hallId: string;
  readonly handle: Handle;
}

/** A change about to be made. */
export interface Change {
  readonly id: string;
  readonly hallId: string;
  readonly mode: string;
  readonly isWake: boolean;
  /** Watts at the machine, more or less, as far as they are known. */
  readonly deltaW: number;
}

/** What control knows of one machine. */
export interface Entry {
  target: Target;
  seen: Reading | undefined;
  seenWall: WallMs | undefined;
  desire: Desire | undefined;
  command: LiveCommand | undefined;
  /** No further try before this moment. */
  retryAt: WallMs | undefined;
  nextLookAt: WallMs | undefined;
  looks: number;
  acknowledgedWall: WallMs | undefined;
  /** What the last failure said. */
  failure: string | undefined;
  /** Why it was passed over in the last round. */
  passedOver: SkipReason | undefined;
  change: { mode: string; at: SiteMs } | undefined;
  /** Oldest first, of about the last 30 days. */
  wakes: SiteMs[];
}

export const newEntry = (target: Target): Entry => ({
  target,
  seen: undefined,
  seenWall: undefined,
  desire: undefined,
  command: undefined,
  retryAt: undefined,
  nextLookAt: undefined,
  looks: 0,
  acknowledgedWall: undefined,
  failure: undefined,
  passedOver: undefined,
  change: undefined,
  wakes: [],
});

export const later = (now: WallMs, ms: number): WallMs => (now + ms) as WallMs;

/** What the machine would draw more in the wanted mode than it is seen to draw; decreases are negative. */
export function deltaW({ desire, target, seen }: Entry): number {
  if (desire === undefined || desire.mode === 'sleep') return -1;
  const wanted = target.expect(modeFromKey(desire.mode))?.powerW ?? Number.POSITIVE_INFINITY;
  return wanted - (seen?.powerW ?? 0);
}

/** The change that would bring a machine to a mode. */
export function changeOf({ target, seen }: Entry, mode: string, isWake: boolean): Change {
  const nowW = seen?.powerW ?? (seen?.mode === undefined ? 0 : (target.expect(seen.mode)?.powerW ?? 0));
  const thenW = target.expect(modeFromKey(mode))?.powerW ?? nowW;
  return { id: target.id, hallId: target.hallId, mode, isWake, deltaW: thenW - nowW };
}

/** A command that was overtaken may have done its work since the last reading: what was seen is no reason to be still. */
export function inDoubt({ command, seen }: Entry): boolean {
  if (command?.stage !== 'superseded' || seen === undefined) return false;
  return seen.at <= (command.acknowledgedAt ?? command.sentAt);
}

/** What the last reading shows, in words. */
export function drawOf({ seen }: Entry): string {
  const mode = seen?.mode === undefined ? 'its mode unknown' : `in ${modeKey(seen.mode)}`;
  return seen?.powerW === undefined ? mode : `${mode} at ${Math.round(seen.powerW)} W`;
}

/** How often it was told, and what it said to that. */
export const tries = ({ failure }: Entry, { attempts, fault }: Command): string =>
  `${fault ?? 'no answer'} at the ${attempts === 1 ? 'first' : `${attempts}th`} try${failure === undefined ? '' : ` (${failure})`}`;
