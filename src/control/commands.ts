import { Fault, type Command, type OperatingMode, type SiteMs } from '../model/index.ts';
import { mustAct, type Trust } from './trust.ts';

/** What control may do to a machine: only those methods its driver has. */
export interface Handle {
  sleep?(signal?: AbortSignal): Promise<void>;
  wake?(signal?: AbortSignal): Promise<void>;
  setMode?(profile: string, signal?: AbortSignal): Promise<void>;
}

/** Why a machine shall be in a mode; all commands of one decision share `actId`. */
export interface Desire {
  readonly mode: string;
  readonly actId: string;
  readonly who: string;
  readonly why: string;
  /** A person confirmed or ordered it: a machine in suggest does nothing else. Absent: the plan alone wishes it. */
  readonly confirmed?: boolean;
  /** An order or a safety stop: nothing that spares machines or contracts holds it back. */
  readonly isShed?: boolean;
}

/** A command of control's own, before it is handed out as a copy. */
export type LiveCommand = { -readonly [K in keyof Command]: Command[K] };

export function newCommand(
  id: string,
  target: string,
  desire: Desire,
  seen: OperatingMode | undefined,
  sentAt: SiteMs,
): LiveCommand {
  return {
    id,
    batchId: desire.actId,
    target,
    action: desire.mode === 'sleep' ? 'sleep' : seen?.kind === 'sleep' ? 'wake' : 'set-mode',
    mode: desire.mode,
    who: desire.who,
    why: desire.why,
    stage: 'sent',
    attempts: 0,
    fault: undefined,
    sentAt,
    acknowledgedAt: undefined,
    seenInPowerAt: undefined,
    seenAtMeterAt: undefined,
  };
}

export const isOpen = ({ stage }: Command): boolean =>
  stage === 'sent' || stage === 'acknowledged' || stage === 'seen-in-power';

/** Tells a machine to be in a mode. @throws Fault */
export async function tell(
  trust: Trust,
  handle: Handle,
  { mode, confirmed }: Pick<Desire, 'mode' | 'confirmed'>,
  asleep: boolean,
): Promise<void> {
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
