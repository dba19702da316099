import { Fault } from '../../model/index.ts';
import type { ClusterHandle } from '../cluster.ts';
import type { KubeApi } from './kube-api.ts';
import { edit, nameIn } from './kube-edit.ts';
import type { Kueue } from './kube-kueue.ts';
import { isIn } from './kube-reading.ts';
import { kueueClusterQueue, kueueLocalQueue, type KueueClusterQueue } from './kube-shapes.ts';

/** On a ClusterQueue that Busbar stopped: its policy before. */
const POLICY_BEFORE = 'busbar/stop-policy-before';
const OPEN = 'None';
/** Nothing new starts, and what runs goes on. `HoldAndDrain` would end it all at once, whatever it had to keep. */
const STOPPED = 'Hold';

const policyOf = ({ spec }: KueueClusterQueue): string => spec.stopPolicy ?? OPEN;
const isOurs = ({ metadata }: KueueClusterQueue): boolean => metadata.annotations[POLICY_BEFORE] !== undefined;

/**
 * Stops ClusterQueues of Kueue by their `stopPolicy` (kueue.x-k8s.io ClusterQueueSpec). A class of work is told by its LocalQueues; the
 * ClusterQueue behind them is stopped where nobody else queues in it.
 */
export function queueStops(api: KubeApi, kueue: Kueue): Pick<Required<ClusterHandle>, 'queueChanges' | 'setQueue'> {
  return {
    async queueChanges(classes, signal) {
      const [locals, clusters] = await Promise.all([
        kueue.path('localqueues', signal),
        kueue.path('clusterqueues', signal),
      ]);
      if (locals === undefined || clusters === undefined)
        throw new Fault('unsupported', 'no queue can be stopped where Kueue is not installed');
      const [localQueues, clusterQueues] = await Promise.all([
        api.list(locals, kueueLocalQueue, signal),
        api.list(clusters, kueueClusterQueue, signal),
      ]);
      return clusterQueues.items.flatMap((one) => {
        const { name } = one.metadata;
        const wishes = localQueues.items
          .filter(({ spec }) => spec.clusterQueue === name)
          .map(({ metadata }) =>
            classes.filter(({ match }) =>
              isIn(match.partition, { namespace: metadata.namespace, queue: metadata.name }),
            ),
          );
        // Where work of no class here queues in it, too, it is not ours to stop.
        const isStopped =
          wishes.length > 0 && wishes.every((all) => all.length > 0 && all.every(({ mayStart }) => !mayStart));
        const isDone = isStopped ? policyOf(one) !== OPEN : !isOurs(one);
        return isDone ? [] : [{ queue: name, isStopped }];
      });
    },
    async setQueue({ queue, isStopped }, signal) {
      const path = await kueue.path(`clusterqueues/${nameIn(queue)}`, signal);
      if (path === undefined) throw new Fault('unsupported', `${queue}: Kueue is not installed any more`);
      const after = await edit(
        api,
        path,
        kueueClusterQueue,
        (now) => {
          const policy = policyOf(now);
          const before = now.metadata.annotations[POLICY_BEFORE];
          if (isStopped)
            return policy === OPEN
              ? { metadata: { annotations: { [POLICY_BEFORE]: policy } }, spec: { stopPolicy: STOPPED } }
              : undefined;
          if (before === undefined) return undefined;
          // Somebody has set another since: it is theirs now.
          const spec = policy === STOPPED ? { spec: { stopPolicy: before } } : {};
          return { metadata: { annotations: { [POLICY_BEFORE]: null } }, ...spec };
        },
        signal,
      );
      const isAsWanted = isStopped ? policyOf(after) !== OPEN : !isOurs(after);
      if (!isAsWanted)
        throw new Fault('refused', `Kubernetes took the stopPolicy of ${queue} and did not keep it; who else sets it?`);
    },
  };
}
