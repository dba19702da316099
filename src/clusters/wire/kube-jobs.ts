import { asFault, Fault } from '../../model/index.ts';
import type { ClusterHandle } from '../cluster.ts';
import { wait, type KubeApi } from './kube-api.ts';
import { edit, nameIn } from './kube-edit.ts';
import { PODS_ID, WORKLOAD_ID } from './kube-reading.ts';
import {
  QUEUE_LABEL,
  PRIORITY_BOOST,
  REQUEUES,
  kubeGone,
  kubeJob,
  kubePod,
  kueueWorkload,
  ownRequeues,
  type KubeJob,
  type KubePod,
  type KueueWorkload,
} from './kube-shapes.ts';
import type { Kueue } from './kube-kueue.ts';

export interface KubeJobSettings {
  /** Of jobs whose id names none. */
  readonly namespace: string;
  readonly gpuResource: string;
  readonly customerLabel: string | undefined;
  /** What scripts run in. */
  readonly image: string | undefined;
  /** From being told to stop until what runs has given its place back. */
  readonly requeueS: number;
  /** Priority that what gave way has more of than its equals when it goes on. */
  readonly boost: number;
}

type JobActs = Pick<Required<ClusterHandle>, 'hold' | 'release' | 'requeue' | 'requeueHeld' | 'cancel' | 'output'>;

const LOOK_MS = 500;
const MOST_SHOWN = 1_000_000;
const SHOWN_LINES = 10_000;

/** Which object has the switch that stops a piece of work and lets it go on. */
type Switch = { readonly kind: 'job'; readonly path: string } | { readonly kind: 'workload'; readonly path: string };

interface Target {
  readonly namespace: string;
  readonly kind: 'job' | 'workload';
  readonly name: string;
}

interface Switches {
  of(id: string, signal: AbortSignal | undefined): Promise<Switch>;
  /** @param requeued whether it counts as one more start to come */
  set(at: Switch, goesOn: boolean, requeued: boolean, signal: AbortSignal | undefined): Promise<void>;
  goesOn(at: Switch, signal: AbortSignal | undefined): Promise<boolean>;
  /** Has it given its place back? */
  hasStopped(at: Switch, signal: AbortSignal | undefined): Promise<boolean>;
}

function switches(api: KubeApi, kueue: Kueue, settings: KubeJobSettings): Switches {
  async function of(id: string, signal: AbortSignal | undefined): Promise<Switch> {
    const { namespace, kind, name } = targetOf(id, settings.namespace);
    if (kind === 'workload') {
      const path = await kueue.path(`namespaces/${namespace}/workloads/${name}`, signal);
      if (path === undefined) throw new Fault('unsupported', `${id}: Kueue is not installed any more`);
      return { kind: 'workload', path };
    }
    const path = jobPath(namespace, name);
    const job = await api.call({ method: 'GET', path, shape: kubeJob, signal });
    if (hasEnded(job)) throw new Fault('refused', `${id} has ended`);
    const workload = await kueue.workloadOf(job.metadata, signal);
    if (workload !== undefined) {
      const own = await kueue.path(`namespaces/${namespace}/workloads/${workload.metadata.name}`, signal);
      if (own !== undefined) return { kind: 'workload', path: own };
    }
    // Kueue would take back what is done to the Job itself.
    if (job.metadata.labels[QUEUE_LABEL] !== undefined && (await kueue.isThere(signal)))
      throw new Fault('timeout', `${id}: Kueue has not made its workload yet`);
    return { kind: 'job', path };
  }

  /** What gave way is not behind what came after it. A boost that somebody else gave stays. */
  const boosted = ({ metadata }: KueueWorkload, requeued: boolean): Record<string, string> =>
    settings.boost > 0 && (requeued || ownRequeues(metadata) > 0) && metadata.annotations[PRIORITY_BOOST] === undefined
      ? { [PRIORITY_BOOST]: String(settings.boost) }
      : {};

  async function set(at: Switch, goesOn: boolean, requeued: boolean, signal: AbortSignal | undefined): Promise<void> {
    const counted = (now: KubeJob | KueueWorkload) =>
      requeued ? { metadata: { annotations: { [REQUEUES]: String(ownRequeues(now.metadata) + 1) } } } : {};
    const done =
      at.kind === 'job'
        ? await edit(
            api,
            at.path,
            kubeJob,
            (now) =>
              (now.spec.suspend ?? false) === !goesOn ? undefined : { ...counted(now), spec: { suspend: !goesOn } },
            signal,
          ).then(({ spec }) => (spec.suspend ?? false) === !goesOn)
        : await edit(
            api,
            at.path,
            kueueWorkload,
            (now) => {
              if ((now.spec.active ?? true) === goesOn) return undefined;
              const annotations = { ...counted(now).metadata?.annotations, ...(goesOn ? boosted(now, requeued) : {}) };
              return { metadata: { annotations }, spec: { active: goesOn } };
            },
            signal,
          ).then(({ spec }) => (spec.active ?? true) === goesOn);
    const field = at.kind === 'job' ? `suspend: ${String(!goesOn)}` : `active: ${String(goesOn)}`;
    if (!done) throw new Fault('refused', `Kubernetes took ${field} of ${at.path} and did not keep it`);
  }

  async function hasStopped(at: Switch, signal: AbortSignal | undefined): Promise<boolean> {
    if (at.kind === 'workload') {
      const { status } = await api.call({ method: 'GET', path: at.path, shape: kueueWorkload, signal });
      return !status.conditions.some(({ type, status: is }) => type === 'QuotaReserved' && is === 'True');
    }
    const { status } = await api.call({ method: 'GET', path: at.path, shape: kubeJob, signal });
    const isSuspended = status.conditions.some(({ type, status: is }) => type === 'Suspended' && is === 'True');
    return isSuspended && (status.active ?? 0) === 0;
  }

  async function goesOn(at: Switch, signal: AbortSignal | undefined): Promise<boolean> {
    if (at.kind === 'job')
      return (await api.call({ method: 'GET', path: at.path, shape: kubeJob, signal })).spec.suspend !== true;
    return (await api.call({ method: 'GET', path: at.path, shape: kueueWorkload, signal })).spec.active !== false;
  }

  return { of, set, goesOn, hasStopped };
}

/**
 * What can be done to jobs. Where Kueue queues a job, its workload's `active` is the switch, and Kueue suspends the job;
 * elsewhere it is the Job's own `suspend`. Both stop what runs and keep what waits from starting.
 */
export function jobActs(api: KubeApi, kueue: Kueue, settings: KubeJobSettings): JobActs {
  const { of, set, goesOn, hasStopped } = switches(api, kueue, settings);

  async function waitUntilStopped(at: Switch, signal: AbortSignal | undefined): Promise<boolean> {
    const tries = Math.max(1, Math.ceil((settings.requeueS * 1000) / LOOK_MS));
    for (let tried = 0; tried < tries; tried += 1) {
      if (await hasStopped(at, signal)) return true;
      await wait(LOOK_MS, signal);
    }
    return false;
  }

  async function letGo(id: string, at: Switch, requeued: boolean): Promise<void> {
    try {
      await set(at, true, requeued, undefined);
    } catch (error) {
      const { kind, message } = asFault(error);
      throw new Fault(kind, `${id} is left stopped, and waits until it is released: ${message}`, { cause: error });
    }
  }

  return {
    hold: async (id, signal) => set(await of(id, signal), false, false, signal),
    release: async (id, signal) => set(await of(id, signal), true, false, signal),
    async requeue(id, signal) {
      const at = await of(id, signal);
      // What is stopped waits already; to let it go would be a release.
      if (!(await goesOn(at, signal))) return;
      await set(at, false, false, signal);
      let isStopped = false;
      try {
        isStopped = await waitUntilStopped(at, signal);
      } finally {
        // Whatever came between: nobody else would know that it was to go on.
        await letGo(id, at, isStopped);
      }
      if (!isStopped)
        throw new Fault('timeout', `${id} was told to stop and has not within ${settings.requeueS} s; it goes on`);
    },
    // What ignores the word to stop is ended by its kubelet when its grace period is over: there is nothing to wait for.
    requeueHeld: async (id, signal) => set(await of(id, signal), false, true, signal),
    async cancel(id, signal) {
      const { namespace, kind, name } = targetOf(id, settings.namespace);
      if (kind === 'workload')
        throw new Fault('unsupported', `${id} is no Job: delete what owns it with kubectl -n ${namespace}`);
      const path = jobPath(namespace, name);
      // Without it a Job leaves its pods behind (batch/v1 orphans them unless told otherwise).
      const body = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' };
      await api.call({ method: 'DELETE', path, body, shape: kubeGone, signal });
    },
    async output(id, signal) {
      const { namespace, kind, name } = targetOf(id, settings.namespace);
      const owner =
        kind === 'job'
          ? (await api.call({ method: 'GET', path: jobPath(namespace, name), shape: kubeJob, signal })).metadata
          : undefined;
      if (owner === undefined)
        throw new Fault('unsupported', `${id} is no Job: kubectl -n ${namespace} logs has its output`);
      const { items } = await api.list(`/api/v1/namespaces/${namespace}/pods`, kubePod, signal);
      const pod = newest(items.filter(({ metadata }) => metadata.ownerReferences.some(({ uid }) => uid === owner.uid)));
      if (pod === undefined) throw new Fault('refused', `${id} has no pod now: what it wrote went with it`);
      const container = pod.spec.containers[0]?.name ?? '';
      const path = `/api/v1/namespaces/${namespace}/pods/${nameIn(pod.metadata.name)}/log`;
      const query = `?container=${encodeURIComponent(container)}&tailLines=${SHOWN_LINES}`;
      return (await api.text({ method: 'GET', path: path + query, signal })).slice(-MOST_SHOWN);
    },
  };
}

const hasEnded = ({ status }: KubeJob): boolean =>
  status.conditions.some(({ type, status: is }) => is === 'True' && (type === 'Complete' || type === 'Failed'));
const newest = (pods: readonly KubePod[]): KubePod | undefined =>
  pods.toSorted((a, b) => b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp))[0];
const jobPath = (namespace: string, name: string): string => `/apis/batch/v1/namespaces/${namespace}/jobs/${name}`;

/** `NAMESPACE.NAME`: a namespace has no dot, and a name may. */
function targetOf(id: string, fallback: string): Target {
  const dot = id.indexOf('.');
  const namespace = nameIn(dot < 0 ? fallback : id.slice(0, dot));
  const rest = id.slice(dot + 1);
  if (rest.startsWith(PODS_ID))
    throw new Fault('unsupported', `${id} is neither a Job nor in a queue of Kueue: it cannot be told to give way`);
  if (rest.startsWith(WORKLOAD_ID))
    return { namespace, kind: 'workload', name: nameIn(rest.slice(WORKLOAD_ID.length)) };
  return { namespace, kind: 'job', name: nameIn(rest) };
}
