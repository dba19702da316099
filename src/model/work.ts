import type { SiteMs } from './clock.ts';

/** Classes of AI and HPC work, from the last to give way to the first. */
export const WORK_CLASSES = ['reserved', 'on-demand', 'preemptible', 'batch'] as const;
export type WorkClassName = (typeof WORK_CLASSES)[number];

/** Lines of business in the books. */
export const LINES = ['mining', 'ai', 'hpc', 'grid'] as const;
export type Line = (typeof LINES)[number];

/** `paused`: stopped where it is; it keeps its GPUs and does no work. */
export type JobState = 'pending' | 'held' | 'running' | 'paused' | 'ending' | 'done' | 'failed' | 'cancelled';

/** One job as its scheduler tells it. The scheduler places jobs; Busbar never does. */
export interface Job {
  readonly id: string;
  readonly name: string;
  readonly state: JobState;
  /** The class of work that the site file counts it to; absent: told by its class and its GPUs. */
  readonly classId?: string;
  readonly className: WorkClassName;
  readonly customer: string;
  /** GPU part the job asks for, as the catalogue names it: `h100`, `a100`, `rtx4090`, `rtxa6000`. */
  readonly gpuModel: string;
  readonly gpus: number;
  readonly nodes: readonly string[];
  /** Which GPUs it has of each of its nodes, in their order, where the scheduler says. */
  readonly gpuIndexes?: readonly (readonly number[])[] | undefined;
  readonly submittedAt: SiteMs | undefined;
  readonly startedAt: SiteMs | undefined;
  readonly endedAt: SiteMs | undefined;
  readonly timeLimitS: number | undefined;
  /** How often it has been put back in the queue. */
  readonly requeues: number;
  /** Why it ended or waits, in words, where the scheduler says. */
  readonly why?: string;
}

/** Does a job have its GPUs, whether it works or not? */
export const holdsGpus = ({ state }: Pick<Job, 'state'>): boolean =>
  state === 'running' || state === 'paused' || state === 'ending';

/** GPUs of these nodes that paused jobs keep: nobody else can work on them. */
export const pausedGpusOn = (jobs: readonly Job[], nodes: readonly { readonly name: string }[]): number => {
  const names = new Set(nodes.map(({ name }) => name));
  return jobs.reduce(
    (sum, { state, gpus, nodes: on }) =>
      state === 'paused' ? sum + (gpus * on.filter((name) => names.has(name)).length) / Math.max(1, on.length) : sum,
    0,
  );
};

/** Two classes of work may be alike in all but where their jobs run. */
export const isOfClass = (
  job: Pick<Job, 'classId' | 'className' | 'gpuModel'>,
  of: { readonly id: string; readonly class: WorkClassName; readonly gpu: string },
): boolean =>
  job.classId === undefined ? job.className === of.class && job.gpuModel === of.gpu : job.classId === of.id;

export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  readonly state: 'idle' | 'mixed' | 'allocated' | 'down' | 'drained' | 'unknown';
  /** Switched off by the scheduler, or on the way to it. */
  readonly isOff: boolean;
  readonly gpuModel: string | undefined;
  readonly gpus: number;
  readonly gpusUsed: number;
  readonly partitions: readonly string[];
  readonly reason: string | undefined;
  /** Taken out of the plan here: a part of it failed for good. */
  readonly isFaulty?: boolean;
}

/** Can the node be given work? */
export const takesJobs = ({ state, isFaulty }: ClusterNode): boolean =>
  state !== 'down' && state !== 'drained' && isFaulty !== true;

export interface ClusterReading {
  readonly at: SiteMs;
  readonly nodes: readonly ClusterNode[];
  readonly jobs: readonly Job[];
}

/** What one job has used, over all its starts. */
export interface JobUsage {
  readonly id: string;
  readonly name: string;
  readonly customer: string;
  readonly user: string;
  /** A job that was put back in the queue has started several times. */
  readonly starts: number;
  readonly elapsedS: number;
  readonly gpuSeconds: number;
  /** Of the starts whose energy was measured; undefined: of none. */
  readonly energyWh: number | undefined;
  readonly measuredStarts: number;
}
