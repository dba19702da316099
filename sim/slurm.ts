import type { Server } from 'node:net';
import type { SimJob } from './jobs.ts';
import { httpServer, type Host, type HttpAnswer } from './net.ts';
import { hostlist } from './hostlist.ts';
import { GPUS, gpusOf, serverUp } from './servers.ts';
import type { World } from './world.ts';

/**
 * A part of slurmrestd 22.05, openapi/v0.0.38: ping, diag, nodes, partitions, jobs, submit, update and cancel.
 * `/job/{id}/requeue` is borrowed from later releases (a GET there); a real 22.05 has no such path and would need scontrol.
 */
const ROOT = '/slurm/v0.0.38/';
const CPUS = 128;
const MEMORY_MB = 1_031_000;

interface Envelope {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly error?: { readonly error: string; readonly error_number: number };
}

export function slurmServer(host: Host): Server {
  const cache = { nodes: { key: '', text: '' }, jobs: { key: '', text: '' } };
  return httpServer(
    host,
    ['slurm'],
    () => 'yes',
    (request, body) => {
      const [address = '/', query = ''] = (request.url ?? '/').split('?');
      const path = address.replace(/\/$/, '');
      if (!path.startsWith(ROOT.slice(0, -1)))
        return plain(404, 'Unable to find requested URL. Please view /openapi/v3 for API reference.');
      if (typeof request.headers['x-slurm-user-name'] !== 'string') return plain(401, 'Authentication failure');
      const user = request.headers['x-slurm-user-name'];
      const [what = '', id = '', action = ''] = path.slice(ROOT.length).split('/');
      const method = request.method ?? 'GET';
      if (method === 'GET' && (what === 'nodes' || what === 'jobs') && id === '') {
        return cached(host, cache[what], what === 'nodes' ? 'nodes' : 'jobs');
      }
      const envelope = route(host, method, what, id, action, body, user, new URLSearchParams(query).get('signal'));
      return envelope === undefined
        ? plain(404, 'Unable to find requested URL. Please view /openapi/v3 for API reference.')
        : json(envelope);
    },
  );
}

const plain = (status: number, body: string): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/plain' },
  body,
});

function json({ status, body, error }: Envelope): HttpAnswer {
  const reply = { meta: META, errors: error === undefined ? [] : [error], ...body };
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(reply) };
}

const META = {
  plugin: { type: 'openapi/v0.0.38', name: 'Slurm OpenAPI v0.0.38' },
  Slurm: { version: { major: 22, micro: 8, minor: 5 }, release: '22.05.8' },
};

/** The two long lists are written once for each state of the cluster. */
function cached(host: Host, slot: { key: string; text: string }, what: 'nodes' | 'jobs'): HttpAnswer {
  const { world } = host;
  const key = `${world.jobs.version} ${Math.floor(world.state.t / 60_000)}`;
  if (slot.key !== key) {
    slot.key = key;
    slot.text = json({ status: 200, body: { [what]: what === 'nodes' ? allNodes(world) : allJobs(world) } }).body;
  }
  return { status: 200, headers: { 'content-type': 'application/json' }, body: slot.text };
}

function route(
  host: Host,
  method: string,
  what: string,
  id: string,
  action: string,
  body: string,
  user: string,
  signal: string | null,
): Envelope | undefined {
  const { world } = host;
  if (method === 'GET' && id === '') {
    if (what === 'ping')
      return { status: 200, body: { pings: [{ hostname: 'slurmctl', ping: 'UP', status: 0, mode: 'primary' }] } };
    if (what === 'diag') return { status: 200, body: { statistics: statistics(world) } };
    if (what === 'partitions')
      return {
        status: 200,
        body: { partitions: [...world.jobs.partitions].map(([name, members]) => partition(world, name, members)) },
      };
    return undefined;
  }
  if (method === 'GET' && what === 'node') {
    const n = world.nodes.findIndex((candidate) => candidate.name === id);
    return n < 0 ? failure(404, 2009, 'Unable to query nodes') : { status: 200, body: { nodes: [node(world, n)] } };
  }
  if (what !== 'job') return undefined;
  if (method === 'POST' && id === 'submit') return submit(host, body, user);
  const job = world.jobs.state.list.get(Number(id));
  if (job === undefined) return failure(500, 2017, 'Invalid job id specified');
  if (action === 'requeue' && (method === 'GET' || method === 'POST')) {
    if (job.state !== 'RUNNING') return failure(500, 2021, 'Job is no longer pending execution');
    return written(host, () => host.send({ op: 'job-requeue', id: job.id }));
  }
  if (action !== '') return undefined;
  if (method === 'GET') return { status: 200, body: { jobs: [jobRow(world, job)] } };
  if (job.endedAt > 0) return failure(500, 2021, 'Job/step already completing or completed');
  if (method === 'DELETE' && (signal === '18' || signal === '19')) {
    if (job.state !== 'RUNNING') return failure(500, 2021, 'Job is no longer pending execution');
    return written(host, () => host.send({ op: 'job-stop', id: job.id, on: signal === '19' }));
  }
  if (method === 'DELETE') return written(host, () => host.send({ op: 'job-cancel', id: job.id }));
  return method === 'POST' ? update(host, job, body) : undefined;
}

const failure = (status: number, number: number, error: string): Envelope => ({
  status,
  body: {},
  error: { error, error_number: number },
});

function written(host: Host, act: () => void): Envelope {
  const endpoint = host.world.endpoints.find((candidate) => candidate.kind === 'slurm')!;
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return failure(500, 1007, 'Protocol authentication error');
  if (fault === undefined) act();
  return { status: 200, body: {} };
}

function submit(host: Host, body: string, user: string): Envelope {
  const given = parse(body);
  const job = (given?.['job'] ?? {}) as Record<string, unknown>;
  if (given === undefined || typeof given['script'] !== 'string')
    return failure(400, 9001, 'Unable to parse request body: script missing');
  const partitionName = text(job['partition']) ?? [...host.world.jobs.partitions.keys()][0] ?? '';
  if (!host.world.jobs.partitions.has(partitionName)) return failure(500, 2000, 'Invalid partition name specified');
  const nodes = Number(job['nodes'] ?? job['minimum_nodes'] ?? 1);
  const gpus = gpuCount(job) ?? 1;
  const id = host.world.jobs.state.nextId;
  host.send({
    op: 'job-submit',
    job: {
      name: text(job['name']) ?? 'sbatch',
      user,
      account: text(job['account']) ?? user,
      partition: partitionName,
      qos: text(job['qos']) ?? 'on-demand',
      gpus: Math.max(1, Number.isFinite(gpus) ? gpus : 1, nodes > 1 ? nodes * GPUS : 1),
      timeLimitMinutes: Math.max(1, Number(job['time_limit'] ?? 60) || 60),
      held: job['hold'] === true || job['priority'] === 0,
    },
  });
  return { status: 200, body: { job_id: id, step_id: 'BATCH', job_submit_user_msg: '' } };
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

/** GPUs of a request, as later and earlier releases let one ask for them. */
function gpuCount(job: Readonly<Record<string, unknown>>): number | undefined {
  for (const key of ['gpus', 'tres_per_job', 'gres', 'tres_per_node', 'gpus_per_node']) {
    const match = /(?:^|[:=])(\d+)$/.exec(text(job[key]) ?? '');
    if (match !== null) return Number(match[1]);
  }
  return undefined;
}

function update(host: Host, job: SimJob, body: string): Envelope {
  const given = parse(body);
  if (given === undefined) return failure(400, 9001, 'Unable to parse request body');
  // Later clients wrap the fields in `job`.
  const fields = (typeof given['job'] === 'object' && given['job'] !== null ? given['job'] : given) as Record<
    string,
    unknown
  >;
  const hold =
    typeof fields['hold'] === 'boolean'
      ? fields['hold']
      : typeof fields['priority'] === 'number'
        ? fields['priority'] === 0
        : undefined;
  return written(host, () => {
    if (hold !== undefined) host.send({ op: 'job-hold', id: job.id, held: hold });
    const comment = typeof fields['comment'] === 'string' ? { comment: fields['comment'] } : {};
    const limit = typeof fields['time_limit'] === 'number' ? { timeLimitMinutes: fields['time_limit'] } : {};
    if ('comment' in comment || 'timeLimitMinutes' in limit)
      host.send({ op: 'job-change', id: job.id, ...comment, ...limit });
  });
}

function parse(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** What a Kubernetes of the site has is not in its Slurm. */
const othersPartitions = ({ site }: World): Set<string> =>
  new Set(
    site.clusters
      .filter(({ driver }) => driver === 'kubernetes')
      .flatMap(({ classes }) => classes.map(({ match }) => match.partition)),
  );

function allNodes(world: World): object[] {
  const others = othersPartitions(world);
  const partitions = [...world.jobs.partitions];
  const isOthers = (n: number): boolean =>
    partitions.some(([name, members]) => others.has(name) && members.includes(n)) &&
    !partitions.some(([name, members]) => !others.has(name) && members.includes(n));
  return Array.from({ length: world.servers.count }, (_, n) => n)
    .filter((n) => others.size === 0 || !isOthers(n))
    .map((n) => node(world, n));
}

function allJobs(world: World): object[] {
  const others = othersPartitions(world);
  return [...world.jobs.state.list.values()]
    .filter(({ partition: name }) => !others.has(name))
    .map((job) => jobRow(world, job));
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

function node(world: World, n: number): object {
  const { servers, jobs } = world;
  const model = servers.models[servers.model[n]!]!;
  const used = servers.job.subarray(n * GPUS, (n + 1) * GPUS).filter((job) => job > 0).length;
  const gpus = gpusOf(servers, n);
  const isUp = serverUp(servers, n, world.state.t) && world.deadServers[n] === 0;
  const state = isUp ? (used === 0 ? 'idle' : used === gpus ? 'allocated' : 'mixed') : 'down';
  const partitions = [...jobs.partitions].filter(([, members]) => members.includes(n)).map(([name]) => name);
  const cpus = Math.round((CPUS * used) / gpus);
  return {
    architecture: 'x86_64',
    burstbuffer_network_address: '',
    boards: 1,
    boot_time: seconds(Math.min(world.state.t, servers.state.upAt[n]!)) - 86_400,
    cores: 64,
    cpus: CPUS,
    free_memory: Math.round(MEMORY_MB * (1 - (0.8 * used) / gpus)),
    features: '',
    gres: `gpu:${model.gpuModel}:${gpus}`,
    gres_used: `gpu:${model.gpuModel}:${used}(IDX:${used === 0 ? 'N/A' : `0-${used - 1}`})`,
    name: world.nodes[n]!.name,
    address: world.nodes[n]!.address,
    hostname: world.nodes[n]!.name,
    state,
    state_flags: isUp ? [] : ['NOT_RESPONDING'],
    next_state_after_reboot: 'invalid',
    operating_system: 'Linux 5.15.0-91-generic #101-Ubuntu SMP',
    owner: null,
    partitions,
    port: 6818,
    real_memory: MEMORY_MB,
    reason: isUp ? '' : 'Not responding',
    reason_changed_at: 0,
    last_busy: used > 0 ? seconds(world.state.t) : 0,
    sockets: 2,
    threads: 1,
    tres: `cpu=${CPUS},mem=${MEMORY_MB}M,billing=${CPUS},gres/gpu=${gpus}`,
    tres_used: used === 0 ? '' : `cpu=${cpus},gres/gpu=${used}`,
    slurmd_version: '22.05.8',
    alloc_cpus: cpus,
    idle_cpus: CPUS - cpus,
  };
}

function jobRow(world: World, job: SimJob): object {
  const names = [...new Set(job.slots.map((slot) => Math.floor(slot / GPUS)))].map((n) => world.nodes[n]!.name);
  const tres = `cpu=${job.gpus * 16},mem=${job.gpus * 120}G,node=${Math.max(1, Math.ceil(job.gpus / GPUS))},billing=${job.gpus * 16},gres/gpu=${job.gpus}`;
  const endMs = job.endedAt > 0 ? job.endedAt : job.startedAt > 0 ? job.startedAt + job.timeLimitMinutes * 60_000 : 0;
  return {
    account: job.account,
    batch_host: names[0] ?? '',
    cluster: 'linux',
    comment: job.comment,
    cpus: job.gpus * 16,
    eligible_time: seconds(job.eligibleAt),
    end_time: seconds(endMs),
    exit_code: 0,
    group_id: 1000,
    job_id: job.id,
    job_state: job.stopped === true && job.state === 'RUNNING' ? 'STOPPED' : job.state,
    last_sched_evaluation: seconds(world.state.t),
    name: job.name,
    nodes: hostlist(names),
    gres_detail: job.state === 'RUNNING' ? gresDetail(world, job) : [],
    partition: job.partition,
    priority: job.held ? 0 : 4_294_901_000 - job.id,
    hold: job.held,
    qos: job.qos,
    requeue: true,
    restart_cnt: job.restarts,
    start_time: seconds(job.startedAt),
    state_description: '',
    state_reason: job.reason,
    submit_time: seconds(job.submittedAt),
    time_limit: job.timeLimitMinutes,
    node_count: Math.max(1, Math.ceil(job.gpus / GPUS)),
    tres_req_str: tres,
    tres_alloc_str: job.state === 'RUNNING' ? tres : '',
    user_name: job.user,
  };
}

/** GPUs of each node of a job, as `scontrol --details` has them: `gpu:h100:2(IDX:0-1)`. */
function gresDetail({ servers }: World, job: SimJob): string[] {
  const byNode = Map.groupBy(job.slots, (slot) => Math.floor(slot / GPUS));
  return [...byNode].map(([n, slots]) => {
    const indexes = slots.map((slot) => slot % GPUS).join(',');
    return `gpu:${servers.models[servers.model[n]!]!.gpuModel}:${slots.length}(IDX:${indexes})`;
  });
}

function partition(world: World, name: string, members: readonly number[]): object {
  return {
    name,
    nodes: hostlist(members.map((n) => world.nodes[n]!.name)),
    total_nodes: members.length,
    total_cpus: members.length * CPUS,
    tres: `cpu=${members.length * CPUS},node=${members.length},gres/gpu=${members.reduce((sum, n) => sum + gpusOf(world.servers, n), 0)}`,
    allowed_qos: 'reserved,on-demand,preemptible,batch',
    maximum_nodes_per_job: -1,
    max_time_limit: -1,
    flags: [],
    state: 'UP',
  };
}

function statistics(world: World): object {
  const count = (state: string): number =>
    [...world.jobs.state.list.values()].filter((job) => job.state === state).length;
  return {
    req_time: seconds(world.state.t),
    server_thread_count: 1,
    jobs_pending: count('PENDING'),
    jobs_running: count('RUNNING'),
    jobs_completed: count('COMPLETED'),
    jobs_canceled: count('CANCELLED'),
  };
}
