import { randomUUID } from 'node:crypto';
import type { RaisedAlarm } from '../alarms/catalogue.ts';
import type { QueueChange } from '../clusters/cluster.ts';
import { mayAct, PLANNER, type Trust } from '../control/trust.ts';
import { asFault, type SiteMs } from '../model/index.ts';
import type { Planned } from './bookkeeper.ts';
import { isRestricted, spared, type SiteCluster } from './clusters.ts';
import type { Journal } from './journal.ts';
import { commandOf } from './kept-acts.ts';
import type { WorkPicture } from './picture.ts';

/**
 * Queues that a plan has no room in are stopped as a whole: what comes into them between two readings would start first, and be put back
 * after. Which those are the scheduler keeps itself, on the queue: nothing of it has to outlive a restart here.
 */
export interface QueueStops {
  /** @param closed classes of work of the cluster that may not start anything; what an earlier plan stopped else goes on */
  set(cluster: SiteCluster, closed: ReadonlySet<string>, why: string, isOrdered: boolean): Promise<void>;
  alarms(): RaisedAlarm[];
}

export function createQueueStops(options: {
  readonly journal: Pick<Journal, 'act' | 'commands'>;
  /** Classes of work of a cluster, as its scheduler knows them. */
  classesOf(clusterId: string): readonly Pick<WorkPicture['workClass'], 'id' | 'match'>[];
  trust(): Trust;
  siteNow(): SiteMs;
}): QueueStops {
  const { journal, siteNow } = options;
  /** Clusters of which this process has seen that no queue is stopped by Busbar. */
  const open = new Set<string>();
  /** Clusters that this process had a queue to stop in. */
  const used = new Set<string>();
  const failures = new Map<string, string>();

  async function change(cluster: SiteCluster, one: QueueChange, why: string): Promise<void> {
    const { queue, isStopped } = one;
    const id = `queue-${randomUUID()}`;
    const sentAt = siteNow();
    const what = isStopped
      ? `stop queue ${queue} of ${cluster.id}: nothing starts in it`
      : `let queue ${queue} of ${cluster.id} go on`;
    journal.act({ id, at: sentAt, who: PLANNER, what, why });
    const facts = {
      id,
      target: `queue ${queue} of ${cluster.id}`,
      action: isStopped ? ('stop-queue' as const) : ('open-queue' as const),
      mode: undefined,
      who: PLANNER,
      why,
      sentAt,
    };
    try {
      // It reads back what it set: what it took is what the scheduler has.
      await cluster.handle.setQueue!(one);
      journal.commands([commandOf(facts, 'seen-in-power', siteNow(), undefined)]);
    } catch (error) {
      const { kind, message } = asFault(error);
      failures.set(cluster.id, message);
      journal.commands([commandOf(facts, 'failed', siteNow(), kind)]);
    }
  }

  return {
    async set(cluster, closed, why, isOrdered) {
      const { id, handle } = cluster;
      if (handle.queueChanges === undefined || (closed.size === 0 && open.has(id))) return;
      // To let go on what was stopped is no new decision.
      const may = (one: QueueChange) => mayAct(options.trust(), isOrdered || !one.isStopped);
      const classes = options
        .classesOf(id)
        .map(({ id: classId, match }) => ({ match, mayStart: !closed.has(classId) }));
      if (closed.size > 0) used.add(id);
      failures.delete(id);
      let isSeen = true;
      try {
        for (const one of (await handle.queueChanges(classes)).filter(may)) await change(cluster, one, why);
      } catch (error) {
        const { kind, message } = asFault(error);
        isSeen = kind === 'unsupported';
        // Where there are no queues, or none was ever stopped, it is no matter that nobody can look.
        if (!isSeen && used.has(id)) failures.set(id, message);
      }
      if (closed.size === 0 && isSeen && !failures.has(id)) open.add(id);
      else open.delete(id);
    },
    alarms: () => [...failures].map(([subject, message]) => ({ code: 'queue-stop-failed' as const, subject, message })),
  };
}

/**
 * Classes of a cluster that a plan gives less than they want, and no GPU more than work now: whatever came into their queues would start first
 * and be put back after.
 */
export function closedClasses(
  cluster: SiteCluster,
  work: readonly WorkPicture[],
  { plan, snapshot }: Planned,
): ReadonlySet<string> {
  const allowed = plan.steps[0]?.work;
  if (allowed === undefined || cluster.reading === undefined) return new Set();
  const mine = work.filter(({ clusterId }) => clusterId === cluster.id);
  const parts = Map.groupBy(mine, ({ workClass, role }) => `${workClass.gpu} ${role?.id ?? ''}`);
  const isFull = (one: WorkPicture): boolean => {
    const { runningGpus, queuedGpus, heldGpus } = one;
    const gpus = spared(one, allowed[one.workClass.id] ?? Infinity, snapshot);
    return gpus < Math.min(runningGpus + 1, runningGpus + queuedGpus + heldGpus);
  };
  return new Set(
    [...parts.values()]
      .filter((part) => isRestricted(cluster, part, allowed, snapshot))
      .flatMap((part) => part.filter(isFull))
      .map(({ workClass }) => workClass.id),
  );
}
