import type { Command, SiteMs } from '../model/index.ts';
import type { SiteCluster, WorkOutcome } from './clusters.ts';
import { wallNow } from './io.ts';

/** Commands to schedulers, until the scheduler's own list shows what became of them. */
export interface JobCommands {
  add(
    cluster: SiteCluster,
    act: { readonly actId: string; readonly who: string },
    outcomes: readonly WorkOutcome[],
    sentAt: SiteMs,
    now: SiteMs,
  ): Command[];
  /** After each reading of the clusters: commands whose stage has changed. */
  look(clusters: Iterable<SiteCluster>, now: SiteMs): Command[];
}

/** A scheduler that said yes must show it within this. */
const PATIENCE_MS = 60_000;

export function createJobCommands(): JobCommands {
  const open: {
    readonly command: Command;
    readonly clusterId: string;
    readonly jobId: string;
    readonly since: number;
  }[] = [];
  return {
    add(cluster, { actId, who }, outcomes, sentAt, now) {
      return outcomes.map(({ action, fault }, i): Command => {
        const command: Command = {
          id: `${actId}-${i}`,
          batchId: actId,
          target: `job ${action.job.id}`,
          action: `${action.kind}-job`,
          mode: undefined,
          who,
          why: action.why,
          stage: fault === undefined ? 'acknowledged' : 'failed',
          attempts: 1,
          fault: fault?.kind,
          sentAt,
          acknowledgedAt: fault === undefined ? now : undefined,
          seenInPowerAt: undefined,
          seenAtMeterAt: undefined,
        };
        // Nothing tells that a checkpoint was kept: its answer is all there is.
        if (fault === undefined && action.kind !== 'checkpoint')
          open.push({ command, clusterId: cluster.id, jobId: action.job.id, since: wallNow() });
        return command;
      });
    },
    look(clusters, now) {
      const byId = new Map([...clusters].map((cluster) => [cluster.id, cluster]));
      const changed: Command[] = [];
      for (const one of open.splice(0)) {
        const reading = byId.get(one.clusterId)?.reading;
        const job = reading?.jobs.find(({ id }) => id === one.jobId);
        if (reading === undefined || reading.at <= (one.command.acknowledgedAt ?? now)) open.push(one);
        else if (job === undefined || job.state === 'done' || job.state === 'cancelled')
          changed.push({ ...one.command, stage: 'superseded' });
        else if (isDone(one.command.action, job.state))
          changed.push({ ...one.command, stage: 'seen-in-power', seenInPowerAt: now });
        else if (wallNow() - one.since > PATIENCE_MS)
          changed.push({ ...one.command, stage: 'failed', fault: 'timeout' });
        else open.push(one);
      }
      return changed;
    },
  };
}

function isDone(action: Command['action'], state: string): boolean {
  if (action === 'release-job') return state !== 'held';
  return action === 'hold-job' ? state === 'held' : state === 'held' || state === 'pending';
}
