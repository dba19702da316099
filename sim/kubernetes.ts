import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { garble, garbleWay } from './faults.ts';
import {
  GPU_RESOURCE,
  PRIORITY,
  QUEUE,
  clusterQueueObject,
  clusterQueueOf,
  jobObject,
  nodeObject,
  placeOf,
  podObjects,
  workloadObject,
} from './kube-objects.ts';
import type { KubeRefusal, KubeResource, KubeServer, KubeWrite } from './kube-answers.ts';
import { answerKube } from './kube-server.ts';
import { createKubeStore, type KubeObject, type KubeStore } from './kube-store.ts';
import { isLoopback, keepSilent, type Host } from './net.ts';
import { gpusOf } from './servers.ts';
import type { Endpoint, World } from './world.ts';

/**
 * The API server of an emulated Kubernetes whose nodes are the site's GPU servers and whose jobs the site's scheduler
 * starts. Kueue is installed where a class of work names a queue. Objects that others make (pods, budgets) are kept in memory.
 */

const core = (plural: string, kind: string, isNamespaced = true): KubeResource => ({
  root: '/api/v1',
  plural,
  kind,
  isNamespaced,
});
const of = (root: string, plural: string, kind: string, isNamespaced = true): KubeResource => ({
  root,
  plural,
  kind,
  isNamespaced,
});

const KUBE_RESOURCES: readonly KubeResource[] = [
  core('nodes', 'Node', false),
  core('namespaces', 'Namespace', false),
  core('pods', 'Pod'),
  of('/apis/batch/v1', 'jobs', 'Job'),
  of('/apis/policy/v1', 'poddisruptionbudgets', 'PodDisruptionBudget'),
];
const KUEUE_VERSIONS = ['v1beta2', 'v1beta1'] as const;
const KUEUE_RESOURCES: readonly KubeResource[] = KUEUE_VERSIONS.flatMap((version) => [
  of(`/apis/kueue.x-k8s.io/${version}`, 'workloads', 'Workload'),
  of(`/apis/kueue.x-k8s.io/${version}`, 'localqueues', 'LocalQueue'),
  of(`/apis/kueue.x-k8s.io/${version}`, 'clusterqueues', 'ClusterQueue', false),
  of(`/apis/kueue.x-k8s.io/${version}`, 'workloadpriorityclasses', 'WorkloadPriorityClass', false),
]);

/** An API server by itself, with nothing behind it: objects are what others make of them. */
export function bareKubeServer(now: () => number, hasKueue: boolean): KubeServer {
  return {
    store: createKubeStore(now),
    tokens: undefined,
    forbids: () => false,
    resources: hasKueue ? [...KUBE_RESOURCES, ...KUEUE_RESOURCES] : KUBE_RESOURCES,
    groups: new Map<string, readonly string[]>([
      ['batch', ['v1']],
      ['policy', ['v1']],
      ...(hasKueue ? ([['kueue.x-k8s.io', KUEUE_VERSIONS]] as const) : []),
    ]),
    bookmarkMs: 1_000,
    goneAsStatus: false,
    isSilent: false,
    sync() {},
    onWrite: () => undefined,
    log: () => '',
  };
}

/** How soon a change of the site is told to those who watch, in wall ms. */
const SYNC_MS = 100;
export function kubernetesServer(host: Host): Server {
  const { world } = host;
  const servers = new Map<string, KubeServer>();
  for (const { id, driver } of world.site.clusters) if (driver === 'kubernetes') servers.set(id, siteServer(host, id));
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const endpoint = endpointOf(world, request.socket);
    const server = endpoint === undefined ? undefined : servers.get(endpoint.id);
    if (endpoint === undefined || server === undefined) return void request.socket.destroy();
    const fault = host.faults.onRequest(endpoint, request.socket.localPort ?? 0);
    if (fault === 'silent') return keepSilent(request.socket);
    if (fault === 'refused') return void request.socket.resetAndDestroy();
    if (fault === 'garbled') garbleAnswer(host, endpoint, response);
    collect(request, (body) => {
      const answer = (): void => answerKube(server, request, body, response);
      if (fault === 'late') setTimeout(answer, host.faults.lateMs(endpoint)).unref();
      else answer();
    });
  };
  const server = createHttpServer({ keepAliveTimeout: 15_000 }, listener);
  server.on('connection', (socket: Socket) => {
    if (endpointOf(world, socket) === undefined) socket.resetAndDestroy();
  });
  const timer = setInterval(() => servers.forEach((one) => one.sync()), SYNC_MS).unref();
  server.on('close', () => clearInterval(timer));
  return server;
}

function endpointOf(world: World, socket: Socket): Endpoint | undefined {
  if (!isLoopback(socket.remoteAddress)) return undefined;
  const endpoint = world.byAddress.get(socket.localAddress ?? '');
  return endpoint?.kind === 'kubernetes' ? endpoint : undefined;
}

function garbleAnswer({ world }: Host, endpoint: Endpoint, response: ServerResponse): void {
  const end = response.end.bind(response) as (text: string) => ServerResponse;
  response.end = ((text: unknown) =>
    end(garble(typeof text === 'string' ? text : '', garbleWay(world, endpoint)))) as never;
}

const BODY_LIMIT = 1 << 20;

export function collect(request: IncomingMessage, done: (body: string) => void): void {
  const parts: Buffer[] = [];
  let size = 0;
  request.on('data', (part: Buffer) => {
    size += part.length;
    if (size > BODY_LIMIT) request.destroy();
    else parts.push(part);
  });
  request.on('end', () => done(Buffer.concat(parts).toString('utf8')));
  request.on('error', () => request.destroy());
}

function siteServer(host: Host, clusterId: string): KubeServer {
  const { world } = host;
  const { classes } = world.site.clusters.find(({ id }) => id === clusterId)!;
  const partitions = [...new Set(classes.map(({ match }) => match.partition))];
  const server = bareKubeServer(
    () => host.siteNow(),
    partitions.some((one) => one.includes('/')),
  );
  const site = { host, store: server.store, partitions, names: new Map<number, string>() };
  const sync = syncOf(site);
  if (server.groups.has('kueue.x-k8s.io'))
    furnishKueue(
      site,
      classes.map(({ match }) => match.qos),
    );
  sync();
  return Object.assign(server, {
    sync,
    onWrite(write: KubeWrite) {
      const endpoint = world.endpoints.find(({ id, kind }) => kind === 'kubernetes' && id === clusterId)!;
      if (host.faults.onWrite(endpoint) === 'refused')
        return { code: 500, reason: 'InternalError', message: 'etcdserver: request timed out' };
      return carryOut(site, write);
    },
    log: (pod: KubeObject) => `${pod.metadata.name} of the emulated site\n`,
  });
}

interface SiteKube {
  readonly host: Host;
  readonly store: KubeStore;
  readonly partitions: readonly string[];
  /** Of jobs that came in over the wire, by their number. */
  readonly names: Map<number, string>;
}

function furnishKueue({ host: { world }, store, partitions }: SiteKube, classes: readonly string[]): void {
  const members = membersOf(world, partitions);
  const gpus = members.reduce((sum, n) => sum + gpusOf(world.servers, n), 0);
  const watts = members.reduce((sum, n) => sum + world.servers.models[world.servers.model[n]!]!.nameplateW, 0);
  for (const partition of partitions) {
    const clusterQueue = clusterQueueOf(partition, partitions);
    if (clusterQueue === undefined) continue;
    const { namespace, queue = '' } = placeOf(partition);
    store.put('clusterqueues', clusterQueueObject(clusterQueue, gpus, watts));
    store.put('localqueues', { metadata: { name: queue, namespace }, spec: { clusterQueue } });
  }
  for (const name of new Set(classes)) store.put('workloadpriorityclasses', { metadata: { name }, value: 0 });
}

const membersOf = (world: World, partitions: readonly string[]): number[] =>
  [...new Set(partitions.flatMap((one) => world.jobs.partitions.get(one) ?? []))].sort((a, b) => a - b);

/** Brings the objects up to what the site is; what others wrote into them stays. */
function syncOf(site: SiteKube): () => void {
  const { host, store, partitions, names } = site;
  const { world } = host;
  let last = '';
  let projected = new Map<string, readonly [resource: string, namespace: string, name: string]>();
  return () => {
    const key = `${world.jobs.version} ${Math.floor(world.state.t / 60_000)}`;
    if (key === last) return;
    last = key;
    const now: typeof projected = new Map();
    const project = (resource: string, object: KubeObject): KubeObject => {
      const { name, namespace = '' } = object.metadata;
      now.set(`${resource} ${namespace}/${name}`, [resource, namespace, name]);
      return store.put(resource, merged(store.get(resource, namespace, name), object));
    };
    for (const n of membersOf(world, partitions)) project('nodes', nodeObject(world, n));
    for (const job of world.jobs.state.list.values()) {
      if (!partitions.includes(job.partition) || job.state === 'CANCELLED') continue;
      const place = placeOf(job.partition);
      const owner = project('jobs', jobObject(job, names.get(job.id) ?? `${job.name}-${job.id}`, place));
      const queue = clusterQueueOf(job.partition, partitions);
      if (queue !== undefined) project('workloads', workloadObject(job, owner, place, queue, world.state.t));
      for (const pod of podObjects(world, job, owner, place)) project('pods', pod);
    }
    for (const [id, [resource, namespace, name]] of projected)
      if (!now.has(id)) store.remove(resource, namespace, name);
    projected = now;
  };
}

function merged(is: KubeObject | undefined, object: KubeObject): KubeObject {
  if (is === undefined) return object;
  const both = (part: 'labels' | 'annotations') => {
    const all = { ...is.metadata[part], ...object.metadata[part] };
    return Object.keys(all).length === 0 ? {} : { [part]: all };
  };
  return {
    ...is,
    ...object,
    metadata: { ...is.metadata, ...object.metadata, ...both('labels'), ...both('annotations') },
  };
}

/** What a write does to the site. */
function carryOut(site: SiteKube, { verb, resource, now, next }: KubeWrite): KubeRefusal | undefined {
  const { host, partitions, names } = site;
  const { world } = host;
  if (resource.plural === 'nodes' && verb === 'patch' && next !== undefined) {
    const n = world.nodes.findIndex(({ name }) => name === next.metadata.name);
    const on = isCordoned(next);
    if (n >= 0 && on !== isCordoned(now)) host.send({ op: 'node-cordon', n, on });
    return undefined;
  }
  if (resource.plural === 'clusterqueues' && verb === 'patch') {
    const policy = stopPolicy(next);
    if (policy === stopPolicy(now)) return undefined;
    for (const partition of partitions)
      if (clusterQueueOf(partition, partitions) === next?.metadata.name)
        host.send({ op: 'queue-stop', partition, on: policy !== 'None' });
    return undefined;
  }
  if (resource.plural === 'jobs' && verb === 'create' && next !== undefined) return submit(site, next);
  const owner = verb === 'evict' || resource.plural === 'workloads' ? ownerName(now) : now?.metadata.name;
  const job = [...world.jobs.state.list.values()].find(
    ({ id, name, partition }) =>
      partitions.includes(partition) &&
      placeOf(partition).namespace === now?.metadata.namespace &&
      (names.get(id) ?? `${name}-${id}`) === owner,
  );
  if (job === undefined || (job.state !== 'PENDING' && job.state !== 'RUNNING')) return undefined;
  if (verb === 'evict') host.send({ op: 'job-requeue', id: job.id });
  else if (resource.plural === 'jobs' && verb === 'delete') host.send({ op: 'job-cancel', id: job.id });
  else if (verb === 'patch') {
    const held = stops(resource, next);
    if (held === stops(resource, now)) return undefined;
    if (held && job.state === 'RUNNING') host.send({ op: 'job-requeue', id: job.id });
    host.send({ op: 'job-hold', id: job.id, held });
  }
  return undefined;
}

const isCordoned = (node: KubeObject | undefined): boolean =>
  (node?.['spec'] as { unschedulable?: boolean } | undefined)?.unschedulable === true;
const stopPolicy = (queue: KubeObject | undefined): string =>
  (queue?.['spec'] as { stopPolicy?: string } | undefined)?.stopPolicy ?? 'None';
const ownerName = (object: KubeObject | undefined): string | undefined =>
  (object?.metadata['ownerReferences'] as { name: string }[] | undefined)?.[0]?.name;

/** Kueue's switch is `active`, and a Job's own is `suspend`. */
function stops({ plural }: KubeResource, object: KubeObject | undefined): boolean {
  const spec = object?.['spec'] as { active?: boolean; suspend?: boolean } | undefined;
  return plural === 'workloads' ? spec?.active === false : plural === 'jobs' && spec?.suspend === true;
}

interface SubmittedSpec {
  readonly suspend?: boolean;
  readonly parallelism?: number;
  readonly activeDeadlineSeconds?: number;
  readonly template?: {
    readonly spec?: {
      readonly priorityClassName?: string;
      readonly containers?: readonly { readonly resources?: { readonly limits?: Readonly<Record<string, string>> } }[];
    };
  };
}

/** A job of a class of the site is the site's to run; any other is an object that nothing works on. */
function submit({ host, partitions, names }: SiteKube, { metadata, ...rest }: KubeObject): KubeRefusal | undefined {
  const spec = (rest['spec'] ?? {}) as SubmittedSpec;
  const pod = spec.template?.spec;
  if ((pod?.containers ?? []).length === 0)
    return {
      code: 422,
      reason: 'Invalid',
      message: `Job.batch "${metadata.name}" is invalid: spec.template.spec.containers: Required value`,
    };
  const queue = metadata.labels?.[QUEUE];
  const partition = partitions.find((one) => {
    const place = placeOf(one);
    return place.namespace === metadata.namespace && place.queue === queue;
  });
  if (partition === undefined) return undefined;
  const { jobs } = host.world;
  const gpus = (pod?.containers ?? []).reduce(
    (sum, { resources }) => sum + Number(resources?.limits?.[GPU_RESOURCE] ?? 0),
    0,
  );
  names.set(jobs.state.nextId, metadata.name);
  const account = metadata.labels?.['customer'] ?? metadata.namespace ?? '';
  host.send({
    op: 'job-submit',
    job: {
      name: metadata.name,
      user: account,
      account,
      partition,
      qos: metadata.labels?.[PRIORITY] ?? pod?.priorityClassName ?? 'on-demand',
      gpus: Math.max(1, gpus * (spec.parallelism ?? 1)),
      timeLimitMinutes: Math.max(1, Math.round((spec.activeDeadlineSeconds ?? 3600) / 60)),
      // In a queue every job comes suspended, and Kueue lets it go.
      held: queue === undefined && spec.suspend === true,
    },
  });
  return undefined;
}
