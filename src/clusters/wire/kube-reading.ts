import {
  HOUR,
  siteMs,
  type ClusterNode,
  type ClusterReading,
  type Job,
  type JobState,
  type SiteMs,
  type WorkClass,
} from '../../model/index.ts';
import {
  DRAINED_BY_US,
  PRIORITY_LABEL,
  QUEUE_LABEL,
  ownRequeues,
  gpuPart,
  gpusIn,
  podGpus,
  type KubeCondition,
  type KubeJob,
  type KubeMeta,
  type KubeNode,
  type KubePod,
  type KueueWorkload,
} from './kube-shapes.ts';

/** What nodes, pods, jobs and workloads together say of a cluster. */

export interface KubeView {
  readonly nodes: readonly KubeNode[];
  /** Those that have not ended. */
  readonly pods: readonly KubePod[];
  readonly jobs: readonly KubeJob[];
  /** Undefined where Kueue is not installed. */
  readonly workloads: readonly KueueWorkload[] | undefined;
}

export interface KubeWords {
  readonly gpuResource: string;
  readonly gpuLabel: string;
  /** GPU part by what the label says, where the usual reading of it is not the right one. */
  readonly gpuModels: Readonly<Record<string, string>>;
  /** Label of a node that names its role. */
  readonly roleLabel: string;
  readonly customerLabel: string | undefined;
  /** What waits on a node that is being drained, in words. */
  waitsFor(node: string): string | undefined;
}

/** A job stays in the cluster long after it has ended. */
const ENDED_SHOWN_MS = HOUR;

const isTrue = (conditions: readonly KubeCondition[], type: string): KubeCondition | undefined =>
  conditions.find((one) => one.type === type && one.status === 'True');

/** A pod holds its GPUs from when it is bound to a node until it has ended. */
const holdsGpus = ({ spec, status }: KubePod): boolean =>
  spec.nodeName !== '' && status.phase !== 'Succeeded' && status.phase !== 'Failed';

const controllerOf = ({ ownerReferences }: KubeMeta): KubeMeta['ownerReferences'][number] | undefined =>
  ownerReferences.find(({ controller }) => controller === true) ?? ownerReferences[0];

export function toReading(view: KubeView, words: KubeWords, classes: readonly WorkClass[], at: SiteMs): ClusterReading {
  const used = new Map<string, number>();
  for (const pod of view.pods)
    if (holdsGpus(pod)) {
      const { nodeName } = pod.spec;
      used.set(nodeName, (used.get(nodeName) ?? 0) + podGpus(pod.spec, words.gpuResource));
    }
  return {
    at,
    nodes: view.nodes.map((node) => toNode(node, used.get(node.metadata.name) ?? 0, words)),
    jobs: toJobs(view, words, classes).filter(({ endedAt }) => endedAt === undefined || at - endedAt < ENDED_SHOWN_MS),
  };
}

function toNode(node: KubeNode, gpusUsed: number, words: KubeWords): ClusterNode {
  const { metadata, spec, status } = node;
  const gpus = gpusIn(status.allocatable, words.gpuResource);
  const product = metadata.labels[words.gpuLabel];
  const role = metadata.labels[words.roleLabel];
  const gpuModel = product === undefined ? undefined : (words.gpuModels[product] ?? gpuPart(product));
  const address = status.addresses.find(({ type }) => type === 'InternalIP') ?? status.addresses[0];
  const isReady = isTrue(status.conditions, 'Ready') !== undefined;
  const isCordoned = spec.unschedulable === true;
  const filled = gpusUsed === 0 ? 'idle' : gpusUsed < gpus ? 'mixed' : 'allocated';
  return {
    name: metadata.name,
    address: address?.address ?? '',
    state: isReady ? (isCordoned ? 'drained' : filled) : 'down',
    isOff: false,
    gpuModel,
    gpus,
    gpusUsed,
    partitions: role === undefined || role === '' ? [] : [role],
    reason: reasonOf(node, isReady, isCordoned, gpusUsed > 0 ? words.waitsFor(metadata.name) : undefined),
  };
}

function reasonOf(
  { metadata, status }: KubeNode,
  isReady: boolean,
  isCordoned: boolean,
  waits: string | undefined,
): string | undefined {
  if (isCordoned) {
    const why = metadata.annotations[DRAINED_BY_US];
    if (why === undefined) return 'cordoned, and not by Busbar';
    return `busbar: ${why}${waits === undefined ? '' : `; ${waits}`}`;
  }
  if (isReady) return undefined;
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  return ready === undefined ? 'says nothing of whether it is ready' : ready.message || ready.reason || 'not ready';
}

/** One piece of work, whichever object stands for it. */
interface Work {
  readonly id: string;
  readonly metadata: KubeMeta;
  readonly queue: string;
  readonly priority: string;
  readonly state: JobState;
  /** GPUs it asks for when all of it runs. */
  readonly asked: number;
  readonly pods: readonly KubePod[];
  readonly startedAt: string;
  readonly endedAt: string;
  readonly timeLimitS: number | undefined;
  readonly requeues: number;
  readonly why: string | undefined;
}

function toJobs(view: KubeView, words: KubeWords, classes: readonly WorkClass[]): Job[] {
  const workloads = view.workloads ?? [];
  const jobUids = new Set(view.jobs.map(({ metadata }) => metadata.uid));
  const byOwner = new Map(
    workloads.flatMap((one) => one.metadata.ownerReferences.map(({ uid }) => [uid, one] as const)),
  );
  const podsOf = new Map<string, KubePod[]>();
  for (const pod of view.pods) {
    const owner = controllerOf(pod.metadata);
    const uid = owner === undefined || byOwner.has(pod.metadata.uid) ? pod.metadata.uid : owner.uid;
    podsOf.set(uid, [...(podsOf.get(uid) ?? []), pod]);
  }
  const take = (uid: string): KubePod[] => {
    const found = podsOf.get(uid) ?? [];
    podsOf.delete(uid);
    return found;
  };
  const work: Work[] = [];
  for (const job of view.jobs) {
    const parent = controllerOf(job.metadata);
    // A job that belongs to something which Kueue queues as a whole: its pods are that one's.
    if (parent !== undefined && byOwner.has(parent.uid)) {
      podsOf.set(parent.uid, [...(podsOf.get(parent.uid) ?? []), ...take(job.metadata.uid)]);
      continue;
    }
    work.push(jobWork(job, byOwner.get(job.metadata.uid), take(job.metadata.uid), view.workloads !== undefined, words));
  }
  for (const one of workloads) {
    const owners = one.metadata.ownerReferences.map(({ uid }) => uid);
    if (!owners.some((uid) => jobUids.has(uid))) work.push(workloadWork(one, owners.flatMap(take), words));
  }
  for (const pods of podsOf.values()) work.push(...podWork(pods, words));
  return work.flatMap((one) => asJob(one, words, classes));
}

/**
 * `partition` of a class is a namespace, or `NAMESPACE/QUEUE`, or `*` for either part; `qos` is a priority class, or `*`. The
 * first class that fits has the job; one that none fits is nobody's business here.
 */
export function classOf(
  { namespace, queue, priority }: { namespace: string; queue: string; priority: string },
  classes: readonly WorkClass[],
): WorkClass | undefined {
  return classes.find(({ match }) => isIn(match.partition, { namespace, queue }) && fits(match.qos, priority));
}

const fits = (wanted: string, is: string): boolean => wanted === '*' || wanted === is;

/** Whether what lies in a namespace and a queue is of this `partition` of a class. */
export function isIn(partition: string, { namespace, queue }: { namespace: string; queue: string }): boolean {
  const [ns = '', wantedQueue = '*'] = partition.split('/');
  return fits(ns, namespace) && fits(wantedQueue, queue);
}

function asJob(work: Work, words: KubeWords, classes: readonly WorkClass[]): Job[] {
  const { metadata, state, pods, why } = work;
  const match = classOf({ ...work, namespace: metadata.namespace }, classes);
  if (match === undefined) return [];
  const label = words.customerLabel;
  const held = pods.filter(holdsGpus);
  const holds = held.reduce((sum, pod) => sum + podGpus(pod.spec, words.gpuResource), 0);
  const works = state === 'running' || state === 'ending';
  return [
    {
      id: work.id,
      name: metadata.name,
      state,
      classId: match.id,
      className: match.class,
      customer: (label === undefined ? undefined : metadata.labels[label]) ?? metadata.namespace,
      gpuModel: match.gpu,
      gpus: works && held.length > 0 ? holds : work.asked,
      nodes: works ? [...new Set(held.map(({ spec }) => spec.nodeName))] : [],
      submittedAt: time(metadata.creationTimestamp),
      startedAt: state === 'pending' || state === 'held' ? undefined : time(work.startedAt),
      endedAt: time(work.endedAt),
      timeLimitS: work.timeLimitS,
      requeues: work.requeues,
      ...(why === undefined || why === '' ? {} : { why }),
    },
  ];
}

function jobWork(
  job: KubeJob,
  workload: KueueWorkload | undefined,
  pods: readonly KubePod[],
  isKueueThere: boolean,
  words: KubeWords,
): Work {
  const { metadata, spec, status } = job;
  const queue = metadata.labels[QUEUE_LABEL] ?? workload?.spec.queueName ?? '';
  const failed = isTrue(status.conditions, 'Failed');
  const complete = isTrue(status.conditions, 'Complete');
  const state = jobState(job, workload, pods, isKueueThere && queue !== '');
  const parallelism = spec.parallelism ?? 1;
  const atOnce =
    spec.completions === null || spec.completions === undefined ? parallelism : Math.min(parallelism, spec.completions);
  const waits = workload?.status.conditions.find(({ type, status: is }) => type === 'QuotaReserved' && is !== 'True');
  return {
    id: `${metadata.namespace}.${metadata.name}`,
    metadata,
    queue,
    priority: priorityOf(metadata, workload, spec.template.spec.priorityClassName),
    state,
    asked: atOnce * podGpus(spec.template.spec, words.gpuResource),
    pods,
    startedAt: status.startTime,
    endedAt: status.completionTime || (failed?.lastTransitionTime ?? complete?.lastTransitionTime ?? ''),
    timeLimitS: spec.activeDeadlineSeconds ?? undefined,
    requeues: requeuesOf(metadata, workload),
    why: failed?.message || (state === 'pending' ? waits?.message : undefined),
  };
}

function jobState(
  { metadata, spec, status }: KubeJob,
  workload: KueueWorkload | undefined,
  pods: readonly KubePod[],
  isQueued: boolean,
): JobState {
  if (isTrue(status.conditions, 'Complete') !== undefined) return 'done';
  if (isTrue(status.conditions, 'Failed') !== undefined) return 'failed';
  const works = pods.some(holdsGpus);
  if (metadata.deletionTimestamp !== '') return 'ending';
  if (workload?.spec.active === false) return works ? 'ending' : 'held';
  if (spec.suspend === true) return works ? 'ending' : isQueued ? 'pending' : 'held';
  return works || (status.ready ?? 0) > 0 ? 'running' : 'pending';
}

/** What Kueue queues and is no batch/v1 Job: a PyTorchJob, a JobSet, a group of pods. */
function workloadWork(workload: KueueWorkload, pods: readonly KubePod[], words: KubeWords): Work {
  const { metadata, spec, status } = workload;
  const works = pods.some(holdsGpus);
  const finished = isTrue(status.conditions, 'Finished');
  const admitted = isTrue(status.conditions, 'Admitted');
  const waiting = spec.active === false ? 'held' : 'pending';
  const gives = metadata.deletionTimestamp !== '' || spec.active === false || admitted === undefined;
  const ended: JobState = /fail/i.test(finished?.reason ?? '') ? 'failed' : 'done';
  return {
    id: `${metadata.namespace}.${WORKLOAD_ID}${metadata.name}`,
    metadata,
    queue: spec.queueName,
    priority: priorityOf(metadata, workload, ''),
    state: finished !== undefined ? ended : works ? (gives ? 'ending' : 'running') : waiting,
    asked: spec.podSets.reduce((sum, set) => sum + (set.count ?? 1) * podGpus(set.template.spec, words.gpuResource), 0),
    pods,
    startedAt: admitted?.lastTransitionTime ?? '',
    endedAt: finished?.lastTransitionTime ?? '',
    timeLimitS: undefined,
    requeues: requeuesOf(metadata, workload),
    why: finished?.message,
  };
}

/** Begins the name of what Kueue queues and is no Job, within an id. */
export const WORKLOAD_ID = 'workload:';
/** Of pods that belong to no job: services, notebooks. They are seen and counted, and not told to give way. */
export const PODS_ID = 'pods:';

function podWork(pods: readonly KubePod[], words: KubeWords): Work[] {
  const first = pods[0]!;
  const owner = controllerOf(first.metadata);
  const asked = pods.reduce((sum, pod) => sum + podGpus(pod.spec, words.gpuResource), 0);
  if (asked === 0) return [];
  const works = pods.some(holdsGpus);
  const began = pods.map(({ status }) => status.startTime).filter((one) => one !== '');
  const metadata = { ...first.metadata, name: owner?.name ?? first.metadata.name };
  return [
    {
      id: `${metadata.namespace}.${PODS_ID}${metadata.name}`,
      metadata,
      queue: metadata.labels[QUEUE_LABEL] ?? '',
      priority: priorityOf(metadata, undefined, first.spec.priorityClassName),
      state: works ? 'running' : 'pending',
      asked,
      pods,
      startedAt: began.sort()[0] ?? '',
      endedAt: '',
      timeLimitS: undefined,
      requeues: 0,
      why: undefined,
    },
  ];
}

function priorityOf({ labels }: KubeMeta, workload: KueueWorkload | undefined, ofPod: string): string {
  const ofWorkload = workload?.spec.priorityClassRef?.name ?? workload?.spec.priorityClassName ?? '';
  return labels[PRIORITY_LABEL] ?? (ofWorkload || ofPod);
}

/** Kueue counts its evictions where its release does so; Busbar counts its own requeues. */
function requeuesOf(metadata: KubeMeta, workload: KueueWorkload | undefined): number {
  const evictions = workload?.status.schedulingStats?.evictions ?? [];
  const counted = evictions.reduce((sum, one) => sum + one.count, 0);
  return Math.max(counted, ownRequeues(metadata), workload === undefined ? 0 : ownRequeues(workload.metadata));
}

/** RFC 3339, as Kubernetes writes times. */
function time(said: string): SiteMs | undefined {
  const ms = Date.parse(said);
  return Number.isFinite(ms) ? siteMs(ms) : undefined;
}
