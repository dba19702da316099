import type { z } from 'zod';
import type { ClusterReading, HttpPort, SecretRef, SiteMs, WorkClass } from '../model/index.ts';

export interface ClusterIo {
  readonly http: HttpPort;
  siteNow(): SiteMs;
  /** The credential behind a reference. @throws Fault `unauthorised` naming the place when there is none. */
  secret(ref: SecretRef): string;
}

export interface JobRequest {
  readonly name: string;
  readonly script: string;
  readonly partition: string;
  readonly qos: string;
  readonly account: string;
  readonly gpus: number;
  readonly timeLimitMinutes: number;
}

/**
 * Where jobs run. The scheduler places jobs; Busbar only says how much may run. All work enters Busbar through
 * `read` of a cluster. Methods throw `Fault` and nothing else.
 */
export interface ClusterHandle {
  read(signal?: AbortSignal): Promise<ClusterReading>;
  submit?(job: JobRequest, signal?: AbortSignal): Promise<string>;
  /** A pending job waits until it is released. */
  hold?(jobId: string, signal?: AbortSignal): Promise<void>;
  release?(jobId: string, signal?: AbortSignal): Promise<void>;
  /** A running job goes back to the queue and may start again later. */
  requeue?(jobId: string, signal?: AbortSignal): Promise<void>;
  cancel?(jobId: string, signal?: AbortSignal): Promise<void>;
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
