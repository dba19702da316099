import { z } from 'zod';
import { Fault } from '../../model/index.ts';

/**
 * The parts of Kubernetes and Kueue objects that are read. Kubernetes: its API reference, core/v1 and batch/v1. Kueue: its
 * API reference, kueue.x-k8s.io/v1beta1 and v1beta2, which differ in how a workload names its priority class.
 */

const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});
const list = <S extends z.ZodType>(item: S) =>
  z
    .array(item)
    .nullish()
    .transform((value): z.output<S>[] => value ?? []);
const amount = z.union([z.string(), z.number()]);
const count = z.number().int().min(0).nullish();
const part = <S extends z.ZodRawShape>(shape: S) => z.object(shape).prefault({} as never);

const meta = z.object({
  name: z.string().min(1),
  namespace: text,
  uid: text,
  resourceVersion: text,
  labels: texts,
  annotations: texts,
  creationTimestamp: text,
  deletionTimestamp: text,
  ownerReferences: list(
    z.object({ kind: z.string(), name: z.string(), uid: z.string(), controller: z.boolean().nullish() }),
  ),
});
export type KubeMeta = z.output<typeof meta>;

const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: text,
  message: text,
  lastTransitionTime: text,
});
export type KubeCondition = z.output<typeof condition>;

const resources = z.record(z.string(), amount).nullish();
const container = z.object({
  name: text,
  restartPolicy: text,
  resources: z.object({ limits: resources, requests: resources }).nullish(),
});
const podSpec = z.object({
  nodeName: text,
  priorityClassName: text,
  containers: list(container),
  initContainers: list(container),
});
export type KubePodSpec = z.output<typeof podSpec>;
const template = z.object({ spec: podSpec });

export const kubeNode = z.object({
  metadata: meta.extend({
    managedFields: list(z.object({ manager: text, fieldsV1: z.record(z.string(), z.unknown()).nullish() })),
  }),
  spec: part({ unschedulable: z.boolean().nullish(), taints: list(z.object({ key: z.string(), effect: z.string() })) }),
  status: part({
    conditions: list(condition),
    addresses: list(z.object({ type: z.string(), address: z.string() })),
    allocatable: resources,
  }),
});
export type KubeNode = z.output<typeof kubeNode>;

export const kubePod = z.object({
  metadata: meta,
  spec: podSpec,
  status: part({ phase: text, startTime: text }),
});
export type KubePod = z.output<typeof kubePod>;

export const kubeJob = z.object({
  metadata: meta,
  spec: z.object({
    suspend: z.boolean().nullish(),
    parallelism: count,
    completions: count,
    activeDeadlineSeconds: count,
    template,
  }),
  status: part({
    conditions: list(condition),
    active: count,
    ready: count,
    startTime: text,
    completionTime: text,
  }),
});
export type KubeJob = z.output<typeof kubeJob>;

export const kueueWorkload = z.object({
  metadata: meta,
  spec: part({
    active: z.boolean().nullish(),
    queueName: text,
    priorityClassName: text,
    priorityClassRef: z.object({ name: z.string() }).nullish(),
    podSets: list(z.object({ count, template })),
  }),
  status: part({
    conditions: list(condition),
    admission: z.object({ clusterQueue: text }).nullish(),
    schedulingStats: z.object({ evictions: list(z.object({ count: z.number() })) }).nullish(),
  }),
});
export type KueueWorkload = z.output<typeof kueueWorkload>;

export const kueueClusterQueue = z.object({
  metadata: meta,
  spec: z.looseObject({
    stopPolicy: z.string().nullish(),
    resourceGroups: list(
      z.looseObject({
        flavors: list(
          z.looseObject({
            name: z.string(),
            resources: list(
              z.looseObject({ name: z.string(), nominalQuota: amount, borrowingLimit: amount.nullish() }),
            ),
          }),
        ),
      }),
    ),
  }),
});

export type KueueClusterQueue = z.output<typeof kueueClusterQueue>;
export const kueueLocalQueue = z.object({ metadata: meta, spec: part({ clusterQueue: text }) });

/** Any object of which nothing but that it is there matters. */
export const kubeObject = z.object({ metadata: meta });
/** What a deletion or an eviction is answered with: a Status, or the object as it was last. */
export const kubeGone = z.object({ kind: z.string().min(1) });

export const QUEUE_LABEL = 'kueue.x-k8s.io/queue-name';
export const PRIORITY_LABEL = 'kueue.x-k8s.io/priority-class';
/** A node with it was cordoned by Busbar; its value says why. */
export const DRAINED_BY_US = 'busbar/drained';
/** What Kueue counts on top of the priority of a workload, where its feature gate PriorityBoost is on (KEP 7990; alpha, since v0.17). */
export const PRIORITY_BOOST = 'kueue.x-k8s.io/priority-boost';
/** How often Busbar has put a job back in the queue. */
export const REQUEUES = 'busbar/requeues';

export function ownRequeues({ annotations }: KubeMeta): number {
  const said = annotations[REQUEUES];
  return said !== undefined && /^\d{1,9}$/.test(said) ? Number(said) : 0;
}

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A quantity as `500m`, `1k`, `2Gi` or `1e3` (apimachinery, resource.Quantity); undefined where it is none. */
export function quantity(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(value);
  if (match === null) return undefined;
  const [, digits = '', exponent, suffix = ''] = match;
  const parsed = exponent === undefined ? Number(digits) * SUFFIXES[suffix]! : Number(`${digits}e${exponent}`);
  return Number.isFinite(parsed) ? parsed : undefined;
}

/** Whole GPUs of a list of resources; an extended resource is counted in ones. @throws Fault `garbled` */
export function gpusIn(list: z.output<typeof resources>, resource: string): number {
  const said = list?.[resource];
  if (said === undefined) return 0;
  const gpus = quantity(said);
  if (gpus === undefined || gpus < 0 || !Number.isInteger(gpus))
    throw new Fault('garbled', `Kubernetes: "${said}" is no number of ${resource}`);
  return gpus;
}

/**
 * GPUs one pod holds: its containers' together with the sidecars', or what one init container needs beside the sidecars
 * that began before it, where that is more (kubernetes.io, "Resource sharing within containers").
 */
export function podGpus({ containers, initContainers }: KubePodSpec, resource: string): number {
  const of = ({ resources: asked }: z.output<typeof container>): number =>
    gpusIn(asked?.limits, resource) || gpusIn(asked?.requests, resource);
  let sidecars = 0;
  let most = 0;
  for (const one of initContainers) {
    if (one.restartPolicy === 'Always') sidecars += of(one);
    else most = Math.max(most, sidecars + of(one));
  }
  return Math.max(most, sidecars + containers.reduce((sum, one) => sum + of(one), 0));
}

/**
 * `NVIDIA-H100-80GB-HBM3` -> `h100`, `NVIDIA-GeForce-RTX-4090` -> `rtx4090`, as the catalogue names parts. The label is GPU
 * Feature Discovery's. A slice or a shared GPU keeps its suffix, for it is no whole part: `h100-mig-1g.10gb`.
 */
export function gpuPart(product: string): string | undefined {
  const [whole = '', suffix = ''] = product.split(/-(?=MIG-|SHARED$)/);
  const words = whole.split(/[- ]/).filter((word) => !/^(NVIDIA|Tesla|GeForce|Quadro)$/i.test(word));
  const first = words[0]?.toLowerCase();
  if (first === undefined || first === '') return undefined;
  const isAda = words.some((word) => /^ada$/i.test(word));
  const name = first === 'rtx' ? `rtx${(words[1] ?? '').toLowerCase()}${isAda ? 'ada' : ''}` : first;
  return suffix === '' ? name : `${name}-${suffix.toLowerCase()}`;
}
