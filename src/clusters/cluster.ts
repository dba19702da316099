import type { z } from 'zod';
import type {
  ClusterReading,
  HttpPort,
  JobUsage,
  ProcessPort,
  ProgramPort,
  RunAs,
  SecretRef,
  SiteMs,
  WallMs,
  WorkClass,
} from '../model/index.ts';

export interface ClusterIo {
  readonly http: HttpPort;
  readonly program: ProgramPort;
  /** @param folder where jobs and their output lie; undefined: beside the store */
  processes(folder: string | undefined): ProcessPort;
  /** What a cluster must still know after a restart, in the store. */
  readonly kept: {
    get(key: string): Promise<string | undefined>;
    /** Resolves when it is on disk. */
    set(key: string, text: string): Promise<void>;
  };
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** A file of this host as text; relative paths start at the site file. @throws Fault `unreachable` */
  readFile(path: string): Promise<string>;
  /** The credential behind a reference. @throws Fault `unauthorised` naming the place when there is none. */
  secret(ref: SecretRef): string;
}

/** Whether anything of a class may start. */
export interface ClassStarts {
  readonly match: WorkClass['match'];
  readonly mayStart: boolean;
}

export interface QueueChange {
  /** As the scheduler calls it. */
  readonly queue: string;
  readonly isStopped: boolean;
}

export interface JobRequest {
  readonly name: string;
  readonly script: string;
  readonly partition: string;
  readonly qos: string;
  readonly account: string;
  readonly gpus: number;
  readonly timeLimitMinutes: number;
  /** What else it takes, as the scheduler counts it: `site_kw:12`. */
  readonly licences?: string | undefined;
  /** Where it starts, on the file system of the cluster; absent: the scheduler's own choice. */
  readonly folder?: string | undefined;
  /** CPUs and memory where the cluster hands them out itself. */
  readonly cpus?: number | undefined;
  readonly memoryMb?: number | undefined;
  /** At which the job keeps a checkpoint and goes on; a job that does not know it would end. */
  readonly checkpointSignal?: 'SIGUSR1' | 'SIGUSR2' | undefined;
}

/**
 * Where jobs run. The scheduler places jobs; Busbar only says how much may run. All work enters Busbar through
 * `read` of a cluster. Methods throw `Fault` and nothing else.
 */
export interface ClusterHandle {
  read(signal?: AbortSignal): Promise<ClusterReading>;
  submit?(job: JobRequest, signal?: AbortSignal): Promise<string>;
  /** The same as another user than the site's own. @throws Fault `unsupported` where what is told of the user is not what the cluster takes */
  submitAs?(as: RunAs, job: JobRequest, signal?: AbortSignal): Promise<string>;
  /** A pending job waits until it is released. */
  hold?(jobId: string, signal?: AbortSignal): Promise<void>;
  release?(jobId: string, signal?: AbortSignal): Promise<void>;
  /** A running job goes back to the queue and may start again later. */
  requeue?(jobId: string, signal?: AbortSignal): Promise<void>;
  /** A running job goes back to the queue and waits there until it is released, in one step: between two it might start again. */
  requeueHeld?(jobId: string, signal?: AbortSignal): Promise<void>;
  cancel?(jobId: string, signal?: AbortSignal): Promise<void>;
  /** A line for the owner of a job, where the scheduler shows it. What the owner wrote there stays. */
  tellOwner?(jobId: string, line: string, signal?: AbortSignal): Promise<void>;
  /** Stops a running job where it is; it keeps its GPUs and their memory. */
  pause?(jobId: string, signal?: AbortSignal): Promise<void>;
  unpause?(jobId: string, signal?: AbortSignal): Promise<void>;
  /** A running job keeps a checkpoint now and goes on. */
  checkpoint?(jobId: string, signal?: AbortSignal): Promise<void>;
  /** The end of what a job has written. */
  output?(jobId: string, signal?: AbortSignal): Promise<string>;
  /** What the accounting has on jobs that ran since then. */
  usage?(since: SiteMs, signal?: AbortSignal): Promise<readonly JobUsage[]>;
  /**
   * The node starts no more jobs. What runs on it ends first, or is moved away where the scheduler can; nothing where
   * somebody else drained it. @throws Fault `timeout` where something on it may not be moved yet: asked again, it goes on
   */
  drain?(node: string, why: string, signal?: AbortSignal): Promise<void>;
  /** Gives a node back. @throws Fault `refused` where it was not Busbar that drained it */
  resume?(node: string, signal?: AbortSignal): Promise<void>;
  /** Switched off when what runs on it has ended. */
  powerDown?(node: string, why: string, signal?: AbortSignal): Promise<void>;
  /** @throws Fault `refused` where it was not Busbar that switched it off */
  powerUp?(node: string, signal?: AbortSignal): Promise<void>;
  /**
   * Takes a node out of one partition and puts it into another; nothing where it is so already. What runs on it goes on.
   * @throws Fault `refused` where the scheduler took it and did nothing
   */
  moveNode?(node: string, from: string, to: string, signal?: AbortSignal): Promise<void>;
  /** No job starts that would bring the kilowatts of all above it; undefined: no limit. */
  setPowerBudget?(budgetKw: number | undefined, signal?: AbortSignal): Promise<void>;
  /**
   * Queues to stop and to let go on so that no job of a class that may not start does, whatever comes into them before they are read again;
   * none where all is so. A queue is stopped only where no class of it may start, and let go on only where Busbar had stopped it.
   * @throws Fault `unsupported` where there are no queues to stop
   */
  queueChanges?(classes: readonly ClassStarts[], signal?: AbortSignal): Promise<readonly QueueChange[]>;
  /** What runs goes on. @throws Fault `refused` where the scheduler took it and did not keep it */
  setQueue?(change: QueueChange, signal?: AbortSignal): Promise<void>;
  /** Licences that a job of so many watts takes where it is submitted, as `site_kw:12`; absent: none are counted. */
  powerLicence?(powerW: number): string;
  close(): void;
}

export interface Cluster<C extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly about: string;
  readonly config: C;
  open(target: { id: string; config: z.output<C>; classes: readonly WorkClass[] }, io: ClusterIo): ClusterHandle;
}

export function defineCluster<C extends z.ZodType>(cluster: Cluster<C>): Cluster<C> {
  return cluster;
}
