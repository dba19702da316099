import { Fault, type WallMs } from '../../model/index.ts';
import type { ClusterIo } from '../cluster.ts';
import type { KubeApi } from './kube-api.ts';
import { edit, nameIn } from './kube-edit.ts';
import {
  QUEUE_LABEL,
  kubeObject,
  kueueClusterQueue,
  kueueWorkload,
  quantity,
  type KubeMeta,
  type KueueWorkload,
} from './kube-shapes.ts';

const GROUP = 'kueue.x-k8s.io';
/** Versions whose fields are known here, the newest first. */
const KNOWN = ['v1beta2', 'v1beta1'] as const;
/** On workloads, the Job they stand for (Kueue, `constants.JobUIDLabel`). */
const JOB_UID = 'kueue.x-k8s.io/job-uid';
/** Kueue may be installed while Busbar runs, and taken away. */
const LOOK_AGAIN_MS = 60_000;

export interface Kueue {
  isThere(signal: AbortSignal | undefined): Promise<boolean>;
  /** Of one of its resources in the version in use; undefined where Kueue is not installed. */
  path(resource: string, signal: AbortSignal | undefined): Promise<string | undefined>;
  /** What stands for a job in the queue; undefined where nothing does. */
  workloadOf(job: KubeMeta, signal: AbortSignal | undefined): Promise<KueueWorkload | undefined>;
  hasPriorityClass(name: string, signal: AbortSignal | undefined): Promise<boolean>;
}

export function openKueue(api: KubeApi, io: Pick<ClusterIo, 'wallNow'>): Kueue {
  let known: { readonly version: string | undefined; readonly at: WallMs } | undefined;

  async function version(signal: AbortSignal | undefined): Promise<string | undefined> {
    if (known !== undefined && io.wallNow() - known.at < LOOK_AGAIN_MS) return known.version;
    const served = await api.versionsOf(GROUP, signal);
    const found = KNOWN.find((one) => served.includes(one));
    if (served.length > 0 && found === undefined)
      throw new Fault('unsupported', `this Kueue speaks ${served.join(', ')}, and Busbar ${KNOWN.join(', ')}`);
    known = { version: found, at: io.wallNow() };
    return found;
  }

  async function path(resource: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const found = await version(signal);
    return found === undefined ? undefined : `/apis/${GROUP}/${found}/${resource}`;
  }

  return {
    path,
    isThere: async (signal) => (await version(signal)) !== undefined,
    async workloadOf({ namespace, uid, labels }, signal) {
      const all = await path(`namespaces/${nameIn(namespace)}/workloads`, signal);
      if (all === undefined) return undefined;
      const isIts = ({ metadata }: KueueWorkload) => metadata.ownerReferences.some((one) => one.uid === uid);
      const labelled = `&labelSelector=${encodeURIComponent(`${JOB_UID}=${uid}`)}`;
      const found = (await api.list(all, kueueWorkload, signal, labelled)).items.find(isIts);
      // Older releases did not label every workload; what is in no queue need not be looked for among all.
      if (found !== undefined || labels[QUEUE_LABEL] === undefined) return found;
      return (await api.list(all, kueueWorkload, signal)).items.find(isIts);
    },
    async hasPriorityClass(name, signal) {
      const own = await path(`workloadpriorityclasses/${nameIn(name)}`, signal);
      if (own === undefined) return false;
      const { value } = await api.attempt({ method: 'GET', path: own, shape: kubeObject, expects: [404], signal });
      return value !== undefined;
    },
  };
}

/** Quota of the queue before Busbar first set it: what is given back where there is no budget any more. */
const QUOTA_BEFORE = 'busbar/quota-before';

/**
 * A budget of power as quota: where each workload counts its watts as a resource, the ClusterQueue admits none beyond it.
 * What runs keeps what it has. A stopped queue knows all and nothing, and no watts.
 * @param resource what Kueue counts watts as
 */
export function powerQuota(api: KubeApi, kueue: Kueue, queue: string, resource: string) {
  return async (budgetKw: number | undefined, signal?: AbortSignal): Promise<void> => {
    const path = await kueue.path(`clusterqueues/${nameIn(queue)}`, signal);
    if (path === undefined)
      throw new Fault('unsupported', 'a power budget is a quota of Kueue, and it is not installed');
    const wantedW = budgetKw === undefined ? undefined : String(Math.max(0, Math.floor(budgetKw * 1000)));
    const after = await edit(
      api,
      path,
      kueueClusterQueue,
      ({ metadata, spec }) => {
        const { nominalQuota, borrowingLimit } = quotaIn(spec, queue, resource);
        const hasCohort = Boolean(spec['cohortName'] ?? spec['cohort']);
        if (hasCohort && quantity(borrowingLimit ?? '') !== 0)
          throw new Fault('refused', `${queue} may borrow ${resource} of its cohort: set its borrowingLimit to 0`);
        const before = metadata.annotations[QUOTA_BEFORE];
        const wanted = wantedW ?? before;
        if (wanted === undefined || (wantedW !== undefined && isSame(wantedW, nominalQuota))) return undefined;
        const kept = wantedW === undefined ? null : (before ?? String(nominalQuota));
        return { metadata: { annotations: { [QUOTA_BEFORE]: kept } }, spec: withQuota(spec, resource, wanted) };
      },
      signal,
    );
    const { nominalQuota } = quotaIn(after.spec, queue, resource);
    if (wantedW !== undefined && !isSame(wantedW, nominalQuota))
      throw new Fault('refused', `${queue} has ${nominalQuota} of ${resource} and not ${wantedW}; who else sets it?`);
  };
}

/** Whoever writes the queue next may write `13000` as `13k`. */
const isSame = (one: string | number, other: string | number): boolean => quantity(one) === quantity(other);

type QueueSpec = ReturnType<typeof kueueClusterQueue.parse>['spec'];

function quotaIn({ resourceGroups }: QueueSpec, queue: string, resource: string) {
  const all = resourceGroups.flatMap(({ flavors }) => flavors.flatMap(({ resources }) => resources));
  const [found, another] = all.filter(({ name }) => name === resource);
  if (found === undefined) throw new Fault('refused', `the ClusterQueue ${queue} has no quota of ${resource}`);
  // Which of several flavours a workload takes is Kueue's choice: a budget over all of them is no sum of quotas.
  if (another !== undefined)
    throw new Fault('refused', `${queue} has ${resource} in several flavours: leave it in one`);
  return found;
}

/** A patch replaces lists as a whole. */
const withQuota = ({ resourceGroups }: QueueSpec, resource: string, nominalQuota: string): object => ({
  resourceGroups: resourceGroups.map((group) => ({
    ...group,
    flavors: group.flavors.map((flavor) => ({
      ...flavor,
      resources: flavor.resources.map((one) => (one.name === resource ? { ...one, nominalQuota } : one)),
    })),
  })),
});
