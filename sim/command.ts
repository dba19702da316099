import type { Submission } from './jobs.ts';

/**
 * Everything that can change the site from outside, as data: written to the journal, and applied again after a
 * restart at the same site time. `i` counts miners, `n` GPU servers.
 */
export type SimCommand =
  | { readonly op: 'sleep' | 'wake' | 'reboot'; readonly i: number }
  | { readonly op: 'point'; readonly i: number; readonly point: number }
  | { readonly op: 'work-mode'; readonly i: number; readonly mode: number }
  | { readonly op: 'gpu-limit'; readonly n: number; readonly gpus: readonly number[]; readonly watts: number }
  | { readonly op: 'job-submit'; readonly job: Submission }
  | { readonly op: 'job-hold'; readonly id: number; readonly held: boolean }
  | { readonly op: 'job-change'; readonly id: number; readonly comment?: string; readonly timeLimitMinutes?: number }
  | { readonly op: 'job-requeue' | 'job-cancel'; readonly id: number }
  | { readonly op: 'trip'; readonly hall: number };

export interface JournalEntry {
  readonly sequence: number;
  readonly at: number;
  readonly command: SimCommand;
}
