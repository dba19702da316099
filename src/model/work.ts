import type { SiteMs } from './clock.ts';

/** Classes of AI and HPC work, from the last to give way to the first. */
export const WORK_CLASSES = ['reserved', 'on-demand', 'preemptible', 'batch'] as const;
export type WorkClassName = (typeof WORK_CLASSES)[number];

/** Lines of business in the books. */
export const LINES = ['mining', 'ai', 'hpc', 'grid'] as const;
export type Line = (typeof LINES)[number];

export type JobState = 'pending' | 'held' | 'running' | 'ending' | 'done' | 'failed' | 'cancelled';

/** One job as its scheduler tells it. The scheduler places jobs; Busbar never does. */
export interface Job {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  readonly className: WorkClassName;
  readonly customer: string;
  /** GPU part the job asks for, as the catalogue names it: `h100`, `a100`, `rtx4090`, `rtxa6000`. */
  readonly gpuModel: string;
  readonly gpus: number;
  readonly nodes: readonly string[];
  readonly submittedAt: SiteMs | undefined;
  readonly startedAt: SiteMs | undefined;
  readonly endedAt: SiteMs | undefined;
  readonly timeLimitS: number | undefined;
  /** How often it has been put back in the queue. */
  readonly requeues: number;
}

export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  readonly state: 'idle' | 'mixed' | 'allocated' | 'down' | 'drained' | 'unknown';
  readonly gpuModel: string | undefined;
  readonly gpus: number;
  readonly gpusUsed: number;
  readonly partitions: readonly string[];
  readonly reason: string | undefined;
}

export interface ClusterReading {
  readonly at: SiteMs;
  readonly nodes: readonly ClusterNode[];
  readonly jobs: readonly Job[];
}
