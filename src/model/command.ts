import type { SiteMs } from './clock.ts';
import type { FaultKind } from './fault.ts';

/**
 * A command's life. A machine's answer is never proof: `acknowledged` is what it said, `seen-in-power` is what its
 * own reading shows (for jobs: the scheduler's own list; for what is armed: the setting read back), `seen-at-meter` is what the
 * hall's meter confirms.
 */
export const COMMAND_STAGES = [
  'sent',
  'acknowledged',
  'seen-in-power',
  'seen-at-meter',
  'failed',
  'superseded',
] as const;
export type CommandStage = (typeof COMMAND_STAGES)[number];

export interface Command {
  readonly id: string;
  /** Commands of one decision share a batch. */
  readonly batchId: string;
  readonly target: string;
  readonly action:
    | 'sleep'
    | 'wake'
    | 'set-mode'
    | 'hold-job'
    | 'release-job'
    | 'requeue-job'
    | 'checkpoint-job'
    | 'pause-job'
    | 'continue-job'
    | 'arm-outage'
    | 'set-power-limit'
    | 'start-plant'
    | 'let-go-plant'
    | 'move-node'
    | 'set-power-budget'
    | 'stop-queue'
    | 'open-queue'
    | 'power-off-node'
    | 'power-on-node'
    | 'lock-clocks';
  /** Mode key wanted, what shall happen after an outage, watts, or the role of a node, where the action has one. */
  readonly mode: string | undefined;
  readonly who: string;
  readonly why: string;
  readonly stage: CommandStage;
  readonly attempts: number;
  readonly fault: FaultKind | undefined;
  readonly sentAt: SiteMs;
  readonly acknowledgedAt: SiteMs | undefined;
  readonly seenInPowerAt: SiteMs | undefined;
  readonly seenAtMeterAt: SiteMs | undefined;
}
