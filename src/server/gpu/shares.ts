import { holdsGpus, type ClusterNode, type GpuReading, type Job } from '../../model/index.ts';

/** A server as its scheduler has it, and what runs there. */
export interface NodeJobs {
  readonly clusterId: string;
  readonly node: ClusterNode;
  readonly jobs: readonly Job[];
}

/** What one job has of one server: this fraction of what these GPUs draw and do. */
export interface Share {
  /** One start of one job: a job that was put back in the queue and started again is another. */
  readonly key: string;
  readonly gpus: number;
  /** Indexes. */
  readonly of: readonly number[];
  /** Below 1 where nobody says which of the GPUs it has: an estimate by their number. */
  readonly fraction: number;
}

export interface Shares {
  readonly shares: readonly Share[];
  /** GPUs that no job holds; empty where that is not known. */
  readonly free: readonly number[];
}

export const startKey = (clusterId: string, { id, startedAt }: Job): string => `${clusterId}/${id} ${startedAt ?? 0}`;

/** Jobs that have GPUs by the address of the server they are on: what the site file and the schedulers both know a server by. */
export function nodesByAddress(
  clusters: Iterable<{
    readonly id: string;
    readonly reading: { readonly nodes: readonly ClusterNode[]; readonly jobs: readonly Job[] } | undefined;
  }>,
): Map<string, NodeJobs> {
  const byAddress = new Map<string, NodeJobs>();
  for (const { id, reading } of clusters) {
    if (reading === undefined) continue;
    const running = new Map<string, Job[]>();
    for (const job of reading.jobs)
      if (holdsGpus(job)) for (const name of job.nodes) running.set(name, [...(running.get(name) ?? []), job]);
    for (const node of reading.nodes)
      byAddress.set(node.address, { clusterId: id, node, jobs: running.get(node.name) ?? [] });
  }
  return byAddress;
}

/**
 * Whose the GPUs of a server are: by the exporter's label, by the indexes the scheduler tells, or whole where a job has them all. What is
 * left is divided among the other jobs there by the number of their GPUs.
 */
export function sharesOf({ clusterId, node, jobs }: NodeJobs, gpus: readonly GpuReading[]): Shares {
  const known = jobs.map((job) => ({ job, of: indexesOf(job, node, jobs.length, gpus) }));
  const held = new Set(known.flatMap(({ of }) => of ?? []));
  const rest = gpus.map(({ index }) => index).filter((index) => !held.has(index));
  const unknown = known.filter(({ of }) => of === undefined);
  const shares = known.flatMap(({ job, of }): Share[] => {
    const key = startKey(clusterId, job);
    const count = gpusHere(job);
    if (of !== undefined) return of.length === 0 ? [] : [{ key, gpus: of.length, of, fraction: 1 }];
    if (count === 0 || rest.length === 0) return [];
    // Two steps of a scheduler read as one may count a GPU twice: nobody has more than there is.
    const wanted = unknown.reduce((sum, other) => sum + gpusHere(other.job), 0);
    return [{ key, gpus: count, of: rest, fraction: count / Math.max(wanted, rest.length) }];
  });
  return { shares, free: unknown.some(({ job }) => gpusHere(job) > 0) ? [] : rest };
}

const gpusHere = ({ gpus, nodes }: Job): number => (nodes.length === 0 ? 0 : gpus / nodes.length);

function indexesOf(job: Job, node: ClusterNode, jobsHere: number, gpus: readonly GpuReading[]): number[] | undefined {
  const there = new Set(gpus.map(({ index }) => index));
  const labelled = gpus.filter((gpu) => gpu.job === job.id).map(({ index }) => index);
  if (labelled.length > 0) return labelled;
  const told = job.gpuIndexes?.[job.nodes.indexOf(node.name)]?.filter((index) => there.has(index));
  if (told !== undefined) return told;
  return jobsHere === 1 && gpusHere(job) >= gpus.length ? [...there] : undefined;
}
