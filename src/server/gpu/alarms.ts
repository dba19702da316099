import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import type { SiteCluster } from '../clusters.ts';
import { someOf } from './faults.ts';
import type { GpuTruth } from './truth.ts';

/** GPUs that are paid for and stand still, by cluster. */
export function idleAlarms(
  truth: Pick<GpuTruth, 'job' | 'unaccounted'>,
  clusters: Iterable<Pick<SiteCluster, 'id' | 'reading'>>,
): RaisedAlarm[] {
  const unaccounted = truth.unaccounted();
  return [...clusters].flatMap(({ id, reading }): RaisedAlarm[] => {
    const idle: string[] = [];
    const stuck: string[] = [];
    for (const job of reading?.jobs ?? []) {
      if (job.state !== 'running') continue;
      const { idleGpus, isStuck } = truth.job(id, job);
      if (isStuck === true) stuck.push(`${job.id} ${job.name}`);
      else if (idleGpus !== undefined && idleGpus > 0) idle.push(`${idleGpus} of ${job.gpus} of ${job.id} ${job.name}`);
    }
    const alone = unaccounted.flatMap(({ machineId, clusterId, powerW }) =>
      clusterId === id ? [`${machineId} ${Math.round(powerW)} W`] : [],
    );
    return [
      ...(idle.length === 0 ? [] : [{ code: 'gpus-idle' as const, subject: id, message: someOf(idle, 'jobs') }]),
      ...(stuck.length === 0 ? [] : [{ code: 'jobs-stuck' as const, subject: id, message: someOf(stuck, 'jobs') }]),
      ...(alone.length === 0
        ? []
        : [{ code: 'draw-without-job' as const, subject: id, message: someOf(alone, 'servers') }]),
    ];
  });
}
