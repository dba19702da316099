import type { Job } from 'kubernetes-types/batch/v1.js';
import type { Container, Node, Pod, PodSpec } from 'kubernetes-types/core/v1.js';
import { gpuPart } from './gpu-parts.ts';
import type { SimJob } from './jobs.ts';
import { timeText, type KubeObject } from './kube-store.ts';
import { GPUS, gpusOf, serverUp } from './servers.ts';
import type { World } from './world.ts';

/**
 * The emulated servers and jobs as Kubernetes and Kueue write them. Those of Kubernetes are checked against the types of its
 * OpenAPI; those of Kueue are written by hand from its API reference (kueue.x-k8s.io/v1beta2).
 */

export const GPU_RESOURCE = 'nvidia.com/gpu';
export const QUEUE = 'kueue.x-k8s.io/queue-name';
export const PRIORITY = 'kueue.x-k8s.io/priority-class';
const IMAGE = 'registry.example/work:1';

interface KueueCondition {
  readonly type: 'QuotaReserved' | 'Admitted' | 'Evicted' | 'Finished';
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

interface KueueWorkload {
  readonly apiVersion: string;
  readonly kind: 'Workload';
  readonly metadata: KubeObject['metadata'];
  readonly spec: {
    readonly active: boolean;
    readonly queueName: string;
    readonly priority?: number;
    readonly priorityClassRef?: { readonly group: string; readonly kind: string; readonly name: string };
    readonly podSets: readonly {
      readonly name: string;
      readonly count: number;
      readonly template: { readonly spec: PodSpec };
    }[];
  };
  readonly status: {
    readonly conditions: readonly KueueCondition[];
    readonly admission?: { readonly clusterQueue: string; readonly podSetAssignments: readonly object[] };
    readonly schedulingStats?: {
      readonly evictions: readonly {
        readonly reason: string;
        readonly underlyingCause: string;
        readonly count: number;
      }[];
    };
  };
}

/** Where a job of the site lies in the cluster. */
export interface Place {
  readonly namespace: string;
  /** Undefined where no Kueue queues it. */
  readonly queue: string | undefined;
}

/** `NAMESPACE` or `NAMESPACE/QUEUE`; what is left open has a name here. */
export function placeOf(partition: string): Place {
  const [namespace = '', queue] = partition.split('/');
  return {
    namespace: namespace === '*' ? 'default' : namespace,
    queue: queue === undefined ? undefined : queue === '*' ? 'main' : queue,
  };
}

export function nodeObject(world: World, n: number): KubeObject {
  const { servers } = world;
  const { name, address } = world.nodes[n]!;
  const isUp = serverUp(servers, n, world.state.t) && world.deadServers[n] === 0;
  const gpus = gpusOf(servers, n);
  const isCordoned = world.jobs.state.cordoned.has(n);
  const product = gpuPart(servers.models[servers.model[n]!]!.gpuModel).name.replaceAll(' ', '-');
  const allocatable = { cpu: '128', memory: '1031000Mi', pods: '110', [GPU_RESOURCE]: String(gpus) };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'nvidia.com/gpu.product': product,
        'nvidia.com/gpu.count': String(gpus),
      },
    },
    spec: isCordoned
      ? { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }] }
      : {},
    status: {
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      allocatable,
      capacity: allocatable,
      conditions: [
        isUp
          ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
          : {
              type: 'Ready',
              status: 'Unknown',
              reason: 'NodeStatusUnknown',
              message: 'Kubelet stopped posting node status.',
            },
      ],
    },
  } satisfies Node & KubeObject;
}

function container(gpus: number): Container {
  return { name: 'job', image: IMAGE, resources: { limits: { [GPU_RESOURCE]: String(gpus) } } };
}

/** A job of more GPUs than a server has is as many pods, each with a whole server. */
const podsOf = (job: SimJob): { readonly count: number; readonly gpus: number } => {
  const count = Math.max(1, Math.ceil(job.gpus / GPUS));
  return { count, gpus: Math.ceil(job.gpus / count) };
};

const priorityOf = ({ qos }: SimJob, { queue }: Place): Partial<PodSpec> =>
  queue === undefined ? { priorityClassName: qos } : {};

function podSpec(job: SimJob, place: Place): PodSpec {
  return { restartPolicy: 'Never', ...priorityOf(job, place), containers: [container(podsOf(job).gpus)] };
}

const isEnded = ({ state }: SimJob): boolean => state !== 'PENDING' && state !== 'RUNNING';

/** In a queue it waits suspended; by itself it waits as pods without a node. */
const isSuspended = (job: SimJob, place: Place): boolean =>
  job.state === 'PENDING' && (job.held || place.queue !== undefined);

export function jobObject(job: SimJob, name: string, place: Place): KubeObject {
  const { count } = podsOf(job);
  const suspend = isSuspended(job, place);
  const runs = job.state === 'RUNNING';
  const ended = timeText(job.endedAt);
  const conditions =
    job.state === 'COMPLETED'
      ? [{ type: 'Complete', status: 'True', lastTransitionTime: ended }]
      : isEnded(job)
        ? [
            {
              type: 'Failed',
              status: 'True',
              reason: 'DeadlineExceeded',
              message: 'Job was active longer than specified deadline',
              lastTransitionTime: ended,
            },
          ]
        : [{ type: 'Suspended', status: suspend ? 'True' : 'False', reason: suspend ? 'JobSuspended' : 'JobResumed' }];
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      namespace: place.namespace,
      creationTimestamp: timeText(job.submittedAt),
      labels: {
        customer: job.account,
        ...(place.queue === undefined ? {} : { [QUEUE]: place.queue, [PRIORITY]: job.qos }),
      },
    },
    spec: {
      suspend,
      parallelism: count,
      completions: count,
      backoffLimit: 0,
      activeDeadlineSeconds: job.timeLimitMinutes * 60,
      template: { spec: podSpec(job, place) },
    },
    status: {
      conditions,
      ...(runs ? { active: count, ready: count } : !suspend && !isEnded(job) ? { active: count, ready: 0 } : {}),
      ...(job.startedAt > 0 ? { startTime: timeText(job.startedAt) } : {}),
      ...(job.state === 'COMPLETED' ? { completionTime: ended, succeeded: count } : {}),
    },
  } satisfies Job & KubeObject;
}

export function podObjects(world: World, job: SimJob, owner: KubeObject, place: Place): KubeObject[] {
  if (isEnded(job) || isSuspended(job, place)) return [];
  const perNode = new Map<number, number>();
  for (const slot of job.slots) {
    const n = Math.floor(slot / GPUS);
    perNode.set(n, (perNode.get(n) ?? 0) + 1);
  }
  const { count, gpus } = podsOf(job);
  const runs = job.state === 'RUNNING';
  const bound = runs ? [...perNode] : Array.from({ length: count }, () => [undefined, gpus] as const);
  return bound.map(([n, held], i): KubeObject => {
    const { name, uid = '' } = owner.metadata;
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        // A job that starts again has other pods.
        name: `${name}-${job.restarts}-${i}`,
        namespace: place.namespace,
        creationTimestamp: timeText(runs ? job.startedAt : job.submittedAt),
        labels: { 'job-name': name, 'batch.kubernetes.io/job-name': name },
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
      },
      spec: {
        ...priorityOf(job, place),
        restartPolicy: 'Never',
        containers: [container(held)],
        ...(n === undefined ? {} : { nodeName: world.nodes[n]!.name }),
      },
      status: runs ? { phase: 'Running', startTime: timeText(job.startedAt) } : { phase: 'Pending' },
    } satisfies Pod & KubeObject;
  });
}

export function workloadObject(
  job: SimJob,
  owner: KubeObject,
  place: Place,
  clusterQueue: string,
  at: number,
): KubeObject {
  const { name, namespace = '', uid = '' } = owner.metadata;
  const { count } = podsOf(job);
  const holds = job.state === 'RUNNING';
  const condition = (type: KueueCondition['type'], is: boolean, reason: string, message: string): KueueCondition => ({
    type,
    status: is ? 'True' : 'False',
    reason,
    message,
    lastTransitionTime: timeText(holds ? job.startedAt : Math.min(at, job.submittedAt)),
  });
  const waits = job.held
    ? 'The workload is deactivated'
    : job.reason === 'PartitionInactive'
      ? `ClusterQueue ${clusterQueue} is inactive`
      : "couldn't assign flavors to pod set main: insufficient unused quota";
  return {
    apiVersion: 'kueue.x-k8s.io/v1beta2',
    kind: 'Workload',
    metadata: {
      name: `job-${name}`,
      namespace,
      creationTimestamp: timeText(job.submittedAt),
      labels: { 'kueue.x-k8s.io/job-uid': uid },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true }],
    },
    spec: {
      active: !job.held,
      queueName: place.queue ?? '',
      priority: 0,
      priorityClassRef: { group: 'kueue.x-k8s.io', kind: 'WorkloadPriorityClass', name: job.qos },
      podSets: [{ name: 'main', count, template: { spec: podSpec(job, place) } }],
    },
    status: {
      conditions: [
        condition(
          'QuotaReserved',
          holds,
          holds ? 'QuotaReserved' : 'Pending',
          holds ? `Quota reserved in ClusterQueue ${clusterQueue}` : waits,
        ),
        condition(
          'Admitted',
          holds,
          holds ? 'Admitted' : 'NoReservation',
          holds ? 'The workload is admitted' : 'The workload has no reservation',
        ),
        ...(isEnded(job)
          ? [condition('Finished', true, job.state === 'COMPLETED' ? 'Succeeded' : 'Failed', 'Job finished')]
          : []),
      ],
      ...(holds ? { admission: { clusterQueue, podSetAssignments: [{ name: 'main', count }] } } : {}),
      ...(job.restarts === 0
        ? {}
        : { schedulingStats: { evictions: [{ reason: 'Deactivated', underlyingCause: '', count: job.restarts }] } }),
    },
  } satisfies KueueWorkload & KubeObject;
}

/** The first LocalQueue of a cluster is in front of `main`, any other of one of its own; undefined where no Kueue queues it. */
export function clusterQueueOf(partition: string, partitions: readonly string[]): string | undefined {
  const queued = partitions.filter((one) => placeOf(one).queue !== undefined);
  return queued[0] === partition ? 'main' : placeOf(partition).queue;
}

/** @param watts quota of power, for what counts its watts as a resource */
export function clusterQueueObject(name: string, gpus: number, watts: number): KubeObject {
  const flavor = (resource: string, quota: number) => ({
    name: 'default',
    resources: [{ name: resource, nominalQuota: String(quota) }],
  });
  return {
    apiVersion: 'kueue.x-k8s.io/v1beta2',
    kind: 'ClusterQueue',
    metadata: { name },
    spec: {
      namespaceSelector: {},
      queueingStrategy: 'BestEffortFIFO',
      stopPolicy: 'None',
      resourceGroups: [
        { coveredResources: [GPU_RESOURCE], flavors: [flavor(GPU_RESOURCE, gpus)] },
        { coveredResources: ['busbar/watts'], flavors: [flavor('busbar/watts', watts)] },
      ],
    },
  };
}
