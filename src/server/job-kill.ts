import { asFault } from '../model/index.ts';
import type { Runtime } from './runtime.ts';

/**
 * Ends a job that is not the asker's own: its owner is told why, and what that releases is learned where it ran. Told first: a scheduler
 * takes no comment on what has ended.
 */
export async function killed(
  runtime: Pick<Runtime, 'clusters' | 'gpus'>,
  clusterId: string,
  jobId: string,
  why: string,
  cancel: () => Promise<void>,
): Promise<void> {
  const cluster = runtime.clusters.byId.get(clusterId);
  const job = cluster?.reading?.jobs.find(({ id }) => id === jobId);
  const gpus = job?.state === 'running' ? runtime.gpus.truth.gpusOf(clusterId, job) : undefined;
  // A comment that was not taken is no reason to let a job run: the record of the site says the same.
  const tell = async (line: string) =>
    cluster?.handle.tellOwner?.(jobId, line).catch((error: unknown) => void asFault(error));
  await tell(`is ended by the site: ${why}`);
  try {
    await cancel();
  } catch (error) {
    await tell('goes on: it was not ended');
    throw error;
  }
  if (job !== undefined && gpus !== undefined) runtime.gpus.effects.begin('kill', job, gpus);
}
