import { randomBytes } from 'node:crypto';
import type { Job as KubernetesJob } from 'kubernetes-types/batch/v1.js';
import { Fault } from '../../model/index.ts';
import type { ClusterHandle, JobRequest } from '../cluster.ts';
import { wait, type KubeApi } from './kube-api.ts';
import { edit, nameIn } from './kube-edit.ts';
import { PODS_ID, WORKLOAD_ID } from './kube-reading.ts';
import {
  PRIORITY_LABEL,
  QUEUE_LABEL,
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
}

type JobActs = Pick<Required<ClusterHandle>, 'hold' | 'release' | 'requeue' | 'cancel' | 'output'>;

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

/**
 * What can be done to jobs. Where Kueue queues a job, its workload's `active` is the switch, and Kueue suspends the job;
 * elsewhere it is the Job's own `suspend`. Both stop what runs and keep what waits from starting.
 */
export function jobActs(api: KubeApi, kueue: Kueue, settings: KubeJobSettings): JobActs {
  async function switchOf(id: string, signal: AbortSignal | undefined): Promise<Switch> {
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

  /** @param requeued whether it counts as one more start to come */
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
            (now) => ((now.spec.active ?? true) === goesOn ? undefined : { ...counted(now), spec: { active: goesOn } }),
            signal,
          ).then(({ spec }) => (spec.active ?? true) === goesOn);
    const field = at.kind === 'job' ? `suspend: ${String(!goesOn)}` : `active: ${String(goesOn)}`;
    if (!done) throw new Fault('refused', `Kubernetes took ${field} of ${at.path} and did not keep it`);
  }

  /** Has it given its place back? */
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

  return {
    hold: async (id, signal) => set(await switchOf(id, signal), false, false, signal),
    release: async (id, signal) => set(await switchOf(id, signal), true, false, signal),
    async requeue(id, signal) {
      const at = await switchOf(id, signal);
      // What is stopped waits already; to let it go would be a release.
      if (!(await goesOn(at, signal))) return;
      await set(at, false, false, signal);
      const tries = Math.max(1, Math.ceil((settings.requeueS * 1000) / LOOK_MS));
      for (let tried = 0; tried < tries; tried += 1) {
        if (await hasStopped(at, signal)) return set(at, true, true, signal);
        await wait(LOOK_MS, signal);
      }
      // Nobody would know that it was to go on: it is as it was.
      await set(at, true, false, signal);
      throw new Fault('timeout', `${id} was told to stop and has not within ${settings.requeueS} s; it goes on`);
    },
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

/** Writes the script where it can be run as it is, whatever its first line names. */
const LAUNCH = 'f=$(mktemp) && printf %s "$BUSBAR_SCRIPT" > "$f" && chmod 700 "$f" && exec "$f"';

export function submitJob(api: KubeApi, kueue: Kueue, settings: KubeJobSettings, image: string) {
  return async (job: JobRequest, signal?: AbortSignal): Promise<string> => {
    if (job.licences !== undefined) throw new Fault('unsupported', 'Kubernetes knows no licences: ask for resources');
    const [ns = '', wantedQueue = '*'] = job.partition.split('/');
    const namespace = nameIn(ns === '*' ? job.account : ns);
    const queue = wantedQueue === '*' ? undefined : wantedQueue;
    const qos = job.qos === '*' || job.qos === '' ? undefined : job.qos;
    const isKueues = queue !== undefined && qos !== undefined && (await kueue.hasPriorityClass(qos, signal));
    const name = `${slug(job.name)}-${randomBytes(4).toString('hex')}`;
    const labels = {
      ...(queue === undefined ? {} : { [QUEUE_LABEL]: queue }),
      ...(isKueues ? { [PRIORITY_LABEL]: qos } : {}),
      ...(settings.customerLabel === undefined ? {} : { [settings.customerLabel]: labelValue(job.account) }),
    };
    const priorityClassName = isKueues ? undefined : qos;
    const body = manifest(job, { name, labels, priorityClassName, isQueued: queue !== undefined, image, settings });
    const path = `/apis/batch/v1/namespaces/${namespace}/jobs`;
    try {
      await api.call({ method: 'POST', path, body, shape: kubeJob, signal });
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== 'timeout' || signal?.aborted === true) throw error;
      // Its name is ours alone: whether the one that was not answered for is there can be seen.
      await api.call({ method: 'GET', path: `${path}/${name}`, shape: kubeJob, signal });
    }
    return `${namespace}.${name}`;
  };
}

function manifest(
  job: JobRequest,
  how: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly priorityClassName: string | undefined;
    readonly isQueued: boolean;
    readonly image: string;
    readonly settings: KubeJobSettings;
  },
): KubernetesJob {
  const { gpuResource } = how.settings;
  const script = job.script.startsWith('#!') ? job.script : `#!/bin/sh\n${job.script}`;
  const limits = {
    ...(job.gpus === 0 ? {} : { [gpuResource]: String(job.gpus) }),
    ...(job.cpus === undefined ? {} : { cpu: String(job.cpus) }),
    ...(job.memoryMb === undefined ? {} : { memory: `${job.memoryMb}M` }),
  };
  const container = {
    name: 'job',
    image: how.image,
    command: ['/bin/sh', '-c', literal(LAUNCH)],
    env: [{ name: 'BUSBAR_SCRIPT', value: literal(script) }],
    resources: { limits },
    ...(job.folder === undefined ? {} : { workingDir: job.folder }),
  };
  const { name, labels, priorityClassName } = how;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels, annotations: { 'busbar/submitted': 'true' } },
    spec: {
      suspend: how.isQueued,
      backoffLimit: 0,
      activeDeadlineSeconds: job.timeLimitMinutes * 60,
      // A pod that is moved away is no failure of the job.
      podFailurePolicy: {
        rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          ...(priorityClassName === undefined ? {} : { priorityClassName }),
          containers: [container],
        },
      },
    },
  };
}

/** Kubernetes reads `$(NAME)` in a value, and `$$` as one dollar. */
const literal = (text: string): string => text.replaceAll('$', '$$$$');

/** What a label may hold: 63 letters, digits, dashes, dots and underscores. */
const labelValue = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 63)
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');

/** @returns a name of at most 50 letters, digits and dashes */
function slug(text: string): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replaceAll(/^-+|-+$/g, '');
  return plain === '' ? 'job' : plain;
}
