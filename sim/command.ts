import type { AfterOutage } from '../src/model/index.ts';
import type { Submission } from './jobs.ts';

/** A pool as somebody wrote it into a machine. */
export interface SimPool {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** Of the firmware that parts its pools into groups. */
  readonly group?: number;
}

/**
 * Everything that can change the site from outside, as data: written to the journal, and applied again after a
 * restart at the same site time. `i` counts miners, `n` GPU servers.
 */
export type SimCommand =
  | { readonly op: 'sleep' | 'wake' | 'reboot'; readonly i: number }
  | { readonly op: 'point'; readonly i: number; readonly point: number }
  /** Watts the machine keeps to; 0 takes the limit away. */
  | { readonly op: 'limit'; readonly i: number; readonly watts: number }
  | { readonly op: 'pools'; readonly i: number; readonly pools: readonly SimPool[] }
  | { readonly op: 'locate'; readonly i: number; readonly on: boolean }
  /** Supply of one machine by its number over all kinds: a PDU's outlet. */
  | { readonly op: 'supply'; readonly number: number; readonly on: boolean }
  /** What a server does when its supply comes back, and an outlet when its PDU's does: seconds until it is on, -1 for never. */
  | { readonly op: 'server-restore'; readonly n: number; readonly what: AfterOutage }
  | { readonly op: 'outlet-restore'; readonly pdu: number; readonly outlet: number; readonly seconds: number }
  | { readonly op: 'server-power'; readonly n: number; readonly on: boolean }
  /** What a cooling plant is asked to deliver, by its index. */
  | { readonly op: 'set-point'; readonly cooling: number; readonly celsius: number }
  /** Whether a cooling plant is demanded to run; undefined: its own program decides. */
  | { readonly op: 'demand-cooling'; readonly cooling: number; readonly on?: boolean }
  | { readonly op: 'work-mode'; readonly i: number; readonly mode: number }
  | { readonly op: 'gpu-limit'; readonly n: number; readonly gpus: readonly number[]; readonly watts: number }
  /** Highest clock the GPUs may run at; 0 lets them go. */
  | { readonly op: 'gpu-clock'; readonly n: number; readonly gpus: readonly number[]; readonly mhz: number }
  | { readonly op: 'node-cordon'; readonly n: number; readonly on: boolean }
  /** Whether the jobs of a partition may start. */
  | { readonly op: 'queue-stop'; readonly partition: string; readonly on: boolean }
  /** The last fault a GPU's driver reports; 0 after it was restarted. */
  | { readonly op: 'gpu-xid'; readonly n: number; readonly gpu: number; readonly xid: number }
  /** How hard the GPUs of a running job work from now on, 0 to 1: 0 is a job that hangs. */
  | { readonly op: 'job-intensity'; readonly id: number; readonly intensity: number }
  | { readonly op: 'job-submit'; readonly job: Submission }
  | { readonly op: 'job-hold'; readonly id: number; readonly held: boolean }
  | { readonly op: 'job-change'; readonly id: number; readonly comment?: string; readonly timeLimitMinutes?: number }
  | { readonly op: 'job-requeue' | 'job-cancel'; readonly id: number }
  | { readonly op: 'job-stop'; readonly id: number; readonly on: boolean }
  | { readonly op: 'trip'; readonly hall: number };

export interface JournalEntry {
  readonly sequence: number;
  readonly at: number;
  readonly command: SimCommand;
}
