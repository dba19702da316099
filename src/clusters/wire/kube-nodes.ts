import type { Eviction } from 'kubernetes-types/policy/v1.js';
import { Fault } from '../../model/index.ts';
import type { ClusterHandle } from '../cluster.ts';
import { FIELD_MANAGER, wait, type KubeApi } from './kube-api.ts';
import { edit, nameIn } from './kube-edit.ts';
import { DRAINED_BY_US, kubeGone, kubeNode, kubePod, podGpus, type KubeNode, type KubePod } from './kube-shapes.ts';

export interface KubeDrainSettings {
  readonly gpuResource: string;
  readonly roleLabel: string;
  /** False: what runs on a node that is drained ends by itself. */
  readonly evicts: boolean;
  /** How long one call goes on asking. */
  readonly evictS: number;
}

export interface KubeNodeActs extends Pick<Required<ClusterHandle>, 'drain' | 'resume' | 'moveNode'> {
  /** What a drained node still waits for, in words. */
  waitsFor(node: string): string | undefined;
}

const FIRST_BACK_OFF_S = 5;
/** Set by the kubelet on pods it runs from its own files; no API server can move them. */
const MIRROR = 'kubernetes.io/config.mirror';

/** An eviction that is refused for now, and when to ask again. */
interface Waiting {
  readonly why: string;
  readonly afterS: number;
}

/** Nodes taken out and given back: `kubectl cordon`, evictions that keep disruption budgets, `kubectl uncordon`. */
export function nodeActs(api: KubeApi, settings: KubeDrainSettings): KubeNodeActs {
  const waits = new Map<string, string>();

  async function podsOn(node: string, signal: AbortSignal | undefined): Promise<KubePod[]> {
    const selector = `&fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`;
    const { items } = await api.list('/api/v1/pods', kubePod, signal, selector);
    return items.filter((pod) => mayMove(pod, settings.gpuResource));
  }

  /** @returns undefined where the pod goes, or is gone */
  async function evict({ metadata }: KubePod, signal: AbortSignal | undefined): Promise<Waiting | undefined> {
    const { name, namespace, uid } = metadata;
    const path = `/api/v1/namespaces/${nameIn(namespace)}/pods/${nameIn(name)}/eviction`;
    const body = {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name, namespace },
      deleteOptions: { preconditions: { uid } },
    } satisfies Eviction;
    const asked = { method: 'POST', path, body, shape: kubeGone, signal } as const;
    const answer = await api.attempt({ ...asked, expects: [404, 409, 429] });
    if (answer.status !== 429) return undefined;
    const causes = answer.refusal?.details?.causes ?? [];
    const why =
      causes
        .map(({ message }) => message ?? '')
        .filter(Boolean)
        .join('; ') ||
      answer.refusal?.message ||
      'asked to wait';
    return { why: `${namespace}/${name}: ${why}`, afterS: answer.retryAfterS ?? FIRST_BACK_OFF_S };
  }

  /** Asks until every pod goes or the time is up; nothing is ever deleted against a budget. */
  async function empty(node: string, signal: AbortSignal | undefined): Promise<void> {
    let leftS = settings.evictS;
    for (;;) {
      const waiting: Waiting[] = [];
      for (const pod of await podsOn(node, signal)) {
        const refused = await evict(pod, signal);
        if (refused !== undefined) waiting.push(refused);
      }
      if (waiting.length === 0) return void waits.delete(node);
      const said = `${waiting.length} of its pods wait: ${waiting[0]!.why}`;
      waits.set(node, said);
      const afterS = Math.max(1, ...waiting.map((one) => one.afterS));
      if (afterS > leftS) throw new Fault('timeout', `${node} starts no more jobs, and ${said}`);
      leftS -= afterS;
      await wait(afterS * 1000, signal);
    }
  }

  return {
    async drain(name, why, signal) {
      const node = await edit(
        api,
        nodePath(name),
        kubeNode,
        (now) =>
          now.spec.unschedulable === true
            ? undefined
            : { metadata: { annotations: { [DRAINED_BY_US]: plain(why) } }, spec: { unschedulable: true } },
        signal,
      );
      if (node.spec.unschedulable !== true)
        throw new Fault('refused', `Kubernetes took the cordon of ${name} and did not keep it`);
      if (isOurs(node) && settings.evicts) await empty(name, signal);
    },
    async resume(name, signal) {
      const after = await edit(
        api,
        nodePath(name),
        kubeNode,
        (now) => {
          const isCordoned = now.spec.unschedulable === true;
          if (isCordoned && !isOurs(now))
            throw new Fault('refused', `${name} was not cordoned by Busbar: kubectl uncordon ${name}, when they agree`);
          if (!isCordoned && now.metadata.annotations[DRAINED_BY_US] === undefined) return undefined;
          return { metadata: { annotations: { [DRAINED_BY_US]: null } }, spec: { unschedulable: null } };
        },
        signal,
      );
      waits.delete(name);
      if (after.spec.unschedulable === true)
        throw new Fault('refused', `Kubernetes took the uncordon of ${name} and did not keep it`);
    },
    async moveNode(name, from, to, signal) {
      const { roleLabel } = settings;
      const after = await edit(
        api,
        nodePath(name),
        kubeNode,
        ({ metadata: { labels } }) => {
          const is = labels[roleLabel];
          if (is === to) return undefined;
          if (is !== from)
            throw new Fault('refused', `${name} has ${roleLabel} ${is ?? 'not at all'}, and not ${from}`);
          return { metadata: { labels: { [roleLabel]: to } } };
        },
        signal,
      );
      if (after.metadata.labels[roleLabel] !== to)
        throw new Fault('refused', `Kubernetes took ${roleLabel} of ${name} and did not keep it`);
    },
    waitsFor: (node) => waits.get(node),
  };
}

const nodePath = (name: string): string => `/api/v1/nodes/${nameIn(name)}`;
const plain = (why: string): string => why.replaceAll(/[\r\n]+/g, ' ').slice(0, 1000);

/**
 * Our mark alone does not tell: a node may be uncordoned and cordoned again by somebody who knows nothing of it. The API
 * server notes who set each field last.
 */
function isOurs({ metadata }: KubeNode): boolean {
  if (metadata.annotations[DRAINED_BY_US] === undefined) return false;
  const who = metadata.managedFields.filter(({ fieldsV1 }) => {
    const spec = fieldsV1?.['f:spec'];
    return typeof spec === 'object' && spec !== null && 'f:unschedulable' in spec;
  });
  return who.length === 0 || who.some(({ manager }) => manager === FIELD_MANAGER);
}

/** Pods with GPUs; what runs on every node by design, or was not started through the API server, stays. */
function mayMove({ metadata, spec, status }: KubePod, gpuResource: string): boolean {
  if (status.phase === 'Succeeded' || status.phase === 'Failed' || metadata.deletionTimestamp !== '') return false;
  if (metadata.annotations[MIRROR] !== undefined) return false;
  if (metadata.ownerReferences.some(({ kind }) => kind === 'DaemonSet')) return false;
  return podGpus(spec, gpuResource) > 0;
}
