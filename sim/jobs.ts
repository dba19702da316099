import { WORK_CLASSES, type Site } from '../src/model/index.ts';
import { allocate, leavesHeadroom, preemptFor, release } from './placement.ts';
import { nextExponential, nextNormal, nextUnit, pick, type Sequence } from './random.ts';
import { GPUS, gpusOf, serverUp, type Servers } from './servers.ts';
import type { SimConfig, WorkLoad } from './sim-schema.ts';

/** A job as the emulated controller keeps it. Times are site milliseconds. */
export interface SimJob {
  readonly id: number;
  readonly name: string;
  readonly user: string;
  readonly account: string;
  readonly partition: string;
  readonly qos: string;
  readonly gpus: number;
  /** Seconds of work at full speed. */
  readonly workS: number;
  intensity: number;
  submittedAt: number;
  timeLimitMinutes: number;
  comment: string;
  state: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'CANCELLED' | 'TIMEOUT';
  reason: string;
  held: boolean;
  /** By SIGSTOP: it keeps its GPUs, and its limit of time goes on. */
  stopped?: boolean;
  eligibleAt: number;
  startedAt: number;
  endedAt: number;
  doneS: number;
  restarts: number;
  /** GPUs given, as indexes over all servers. */
  slots: number[];
}

interface Stream {
  readonly partition: string;
  readonly qos: string;
  readonly gpuModel: string;
  readonly load: WorkLoad;
}

export interface Jobs {
  readonly streams: readonly Stream[];
  /** Servers by partition. */
  readonly partitions: ReadonlyMap<string, readonly number[]>;
  readonly utcOffsetHours: number;
  /** Saved. */
  readonly state: JobsState;
  /** Grows with every change of a job. */
  version: number;
}

export interface JobsState {
  readonly list: Map<number, SimJob>;
  readonly sequence: Sequence;
  readonly nextArrival: number[];
  nextId: number;
  /** Servers that are given no more jobs, by index. */
  readonly cordoned: Set<number>;
  /** Partitions none of whose jobs start; absent in what an earlier version saved. */
  readonly stopped?: Set<string>;
}

const RANK: readonly string[] = WORK_CLASSES;
const rankOf = (qos: string): number => (RANK.includes(qos) ? RANK.indexOf(qos) : RANK.length);
const LISTED_MS = 5 * 60_000;
const REQUEUE_DELAY_MS = 60_000;

const ACCOUNTS = ['heron-lab', 'delta-bio', 'quarry-ai', 'northlake', 'tessel', 'ember-robotics'] as const;
const NAMES: Readonly<Record<string, readonly string[]>> = {
  reserved: ['pretrain-13b', 'pretrain-70b', 'sft-70b', 'align-34b', 'moe-8x22b', 'vision-vit-g'],
  'on-demand': ['finetune-8b', 'eval-suite', 'lora-70b', 'diffusion-xl', 'asr-large', 'notebook'],
  preemptible: ['embed-corpus', 'batch-infer', 'sweep-lr', 'render', 'distill', 'augment'],
  batch: ['cfd-wing', 'md-protein', 'reservoir', 'docking', 'fem-crash', 'qchem'],
};

export function createJobs(site: Site, config: SimConfig, servers: Servers, seed: number): Jobs {
  const classes = site.clusters.flatMap((cluster) => cluster.classes);
  const partitions = new Map<string, number[]>();
  const streams = classes.map((work): Stream => {
    const members = Array.from({ length: servers.count }, (_, n) => n).filter(
      (n) => servers.models[servers.model[n]!]!.gpuModel === work.gpu,
    );
    partitions.set(work.match.partition, members);
    const fallback: WorkLoad = {
      gpus: work.committedGpus > 0 ? work.committedGpus : 0.3 * members.reduce((sum, n) => sum + gpusOf(servers, n), 0),
      sizes: [1, 2, 4, 8],
      medianHours: 2,
      sigma: 0.6,
      diurnal: 0,
      queueJobs: 20,
    };
    return {
      partition: work.match.partition,
      qos: work.match.qos,
      gpuModel: work.gpu,
      load: config.work[work.id] ?? fallback,
    };
  });
  return {
    streams,
    partitions,
    utcOffsetHours: utcOffsetHours(site.timezone),
    version: 1,
    state: {
      list: new Map(),
      sequence: { state: seed ^ 0x51a7 },
      nextArrival: streams.map(() => 0),
      nextId: 1001,
      cordoned: new Set(),
      stopped: new Set(),
    },
  };
}

/** Standard-time offset of a zone: the hour of the daily peak needs no more. */
function utcOffsetHours(timezone: string): number {
  const name = new Intl.DateTimeFormat('en', { timeZone: timezone, timeZoneName: 'longOffset' })
    .formatToParts(new Date(Date.UTC(2026, 0, 15)))
    .find((part) => part.type === 'timeZoneName')?.value;
  const match = /GMT([+-]\d+)(?::(\d+))?/.exec(name ?? '');
  return match === null ? 0 : Number(match[1]) + Number(match[2] ?? 0) / 60;
}

/** Fills the cluster as it would stand after days of work: jobs part-way through, and a queue where demand exceeds room. */
export function fillJobs(jobs: Jobs, servers: Servers, at: number): void {
  const { sequence, list } = jobs.state;
  const order = jobs.streams
    .map((_, k) => k)
    .sort((a, b) => rankOf(jobs.streams[a]!.qos) - rankOf(jobs.streams[b]!.qos));
  for (const k of order) {
    const stream = jobs.streams[k]!;
    let running = 0;
    while (running < (stream.load.maxGpus ?? stream.load.gpus)) {
      const job = newJob(jobs, stream, at, true);
      if (running + job.gpus > (stream.load.maxGpus ?? stream.load.gpus * 1.05)) break;
      if (isShared(jobs, job) && !leavesHeadroom(jobs, servers, job)) break;
      if (!allocate(jobs, servers, job)) break;
      list.set(job.id, job);
      running += job.gpus;
      const share = nextUnit(sequence);
      start(servers, job, at - share * job.workS * 1000);
      job.submittedAt = job.startedAt - nextExponential(sequence, 600_000);
      job.eligibleAt = job.submittedAt;
      job.doneS = share * job.workS;
    }
    if (stream.load.maxGpus === undefined && running < stream.load.gpus * 0.9) {
      for (let q = 0; q < stream.load.queueJobs / 2; q += 1) {
        const job = newJob(jobs, stream, at - nextUnit(sequence) * 3_600_000, false);
        list.set(job.id, job);
      }
    }
    jobs.state.nextArrival[k] = at + arrivalGapMs(jobs, stream);
  }
  jobs.version += 1;
}

/** @param lengthBiased true for a job met half-way, which is longer than the average one */
function newJob(jobs: Jobs, stream: Stream, submittedAt: number, lengthBiased: boolean): SimJob {
  const { sequence } = jobs.state;
  const { load } = stream;
  const bias = lengthBiased ? load.sigma ** 2 : 0;
  const hours = load.medianHours * Math.exp(bias + load.sigma * nextNormal(sequence));
  const workS = Math.min(7 * 86_400, Math.max(300, hours * 3600));
  const account = pick(sequence, ACCOUNTS);
  return {
    id: jobs.state.nextId++,
    name: pick(sequence, NAMES[stream.qos] ?? ['job']),
    user: `${account.split('-')[0]}${1 + Math.floor(nextUnit(sequence) * 4)}`,
    account,
    partition: stream.partition,
    qos: stream.qos,
    gpus: pick(sequence, load.sizes),
    workS,
    intensity: 0.72 + 0.28 * nextUnit(sequence),
    submittedAt,
    timeLimitMinutes: Math.ceil((workS / 60) * (1.3 + nextUnit(sequence))),
    comment: '',
    state: 'PENDING',
    reason: 'Priority',
    held: false,
    eligibleAt: submittedAt,
    startedAt: 0,
    endedAt: 0,
    doneS: 0,
    restarts: 0,
    slots: [],
  };
}

/** Mean gap between candidate arrivals at the daily peak; the rest of the day is thinned out. */
function arrivalGapMs(jobs: Jobs, stream: Stream): number {
  const { load } = stream;
  const meanGpus = load.sizes.reduce((sum, size) => sum + size, 0) / load.sizes.length;
  const meanMs = load.medianHours * Math.exp(load.sigma ** 2 / 2) * 3_600_000;
  const perGap = (meanGpus * meanMs) / Math.max(1e-9, load.gpus) / (1 + load.diurnal);
  return nextExponential(jobs.state.sequence, perGap);
}

/** Moves every job to `t`: work done, ends, arrivals, and the next ones started. */
export function stepJobs(jobs: Jobs, servers: Servers, t: number, dtMs: number): void {
  const { list } = jobs.state;
  for (const job of list.values()) {
    if (job.state === 'RUNNING') runJob(jobs, servers, job, t, dtMs);
    else if (job.state !== 'PENDING' && t - job.endedAt > LISTED_MS) {
      list.delete(job.id);
      jobs.version += 1;
    }
  }
  jobs.streams.forEach((stream, k) => arrive(jobs, stream, k, t));
  schedule(jobs, servers, t);
}

function runJob(jobs: Jobs, servers: Servers, job: SimJob, t: number, dtMs: number): void {
  let speed = 1;
  for (const slot of job.slots) {
    if (!serverUp(servers, Math.floor(slot / GPUS), t)) {
      requeueJob(jobs, servers, job, t, 'NodeDown');
      return;
    }
    speed = Math.min(speed, servers.speed[slot]!);
  }
  // The slowest GPU sets the pace of all.
  if (job.stopped !== true) job.doneS += (speed * dtMs) / 1000;
  if (job.doneS >= job.workS) endJob(jobs, servers, job, t, 'COMPLETED');
  else if (t - job.startedAt > job.timeLimitMinutes * 60_000) endJob(jobs, servers, job, t, 'TIMEOUT');
}

function arrive(jobs: Jobs, stream: Stream, k: number, t: number): void {
  const { nextArrival, sequence, list } = jobs.state;
  while (nextArrival[k]! <= t) {
    const at = nextArrival[k]!;
    nextArrival[k] = at + arrivalGapMs(jobs, stream);
    const hour = at / 3_600_000 + jobs.utcOffsetHours;
    const rate = 1 + stream.load.diurnal * Math.cos((2 * Math.PI * (hour - 15)) / 24);
    if (nextUnit(sequence) * (1 + stream.load.diurnal) > rate) continue;
    const { waiting, gpus } = demandOf(jobs, stream);
    if (waiting >= stream.load.queueJobs) continue;
    const job = newJob(jobs, stream, at, false);
    if (gpus + job.gpus > (stream.load.maxGpus ?? Infinity)) continue;
    list.set(job.id, job);
    jobs.version += 1;
  }
}

function demandOf(jobs: Jobs, stream: Stream): { waiting: number; gpus: number } {
  let waiting = 0;
  let gpus = 0;
  for (const job of jobs.state.list.values()) {
    if (job.partition !== stream.partition || job.qos !== stream.qos || job.endedAt > 0) continue;
    gpus += job.gpus;
    if (job.state === 'PENDING') waiting += 1;
  }
  return { waiting, gpus };
}

/** First come, first served within a class, higher classes first; reserved and on-demand work displaces preemptible work. */
function schedule(jobs: Jobs, servers: Servers, t: number): void {
  const pending = [...jobs.state.list.values()].filter((job) => job.state === 'PENDING');
  if (pending.length === 0) return;
  pending.sort((a, b) => rankOf(a.qos) - rankOf(b.qos) || a.submittedAt - b.submittedAt || a.id - b.id);
  const blocked = new Set<string>();
  for (const job of pending) {
    const lane = `${job.partition} ${job.qos}`;
    let reason = 'Priority';
    if (job.held) reason = 'JobHeldUser';
    else if (jobs.state.stopped?.has(job.partition) === true) reason = 'PartitionInactive';
    else if (job.eligibleAt > t) reason = 'BeginTime';
    else if (!blocked.has(lane)) {
      const mayPreempt = rankOf(job.qos) < rankOf('preemptible');
      const fits = mayPreempt || !isShared(jobs, job) || leavesHeadroom(jobs, servers, job);
      if (fits && (allocate(jobs, servers, job, t) || (mayPreempt && makeRoom(jobs, servers, job, t)))) {
        start(servers, job, t);
        jobs.version += 1;
        continue;
      }
      blocked.add(lane);
      reason = 'Resources';
    }
    if (job.reason !== reason) {
      job.reason = reason;
      jobs.version += 1;
    }
  }
}

/** Preemptible work beside reserved or on-demand work in one partition. */
const isShared = (jobs: Jobs, job: SimJob): boolean =>
  job.qos === 'preemptible' &&
  jobs.streams.some((other) => other.partition === job.partition && rankOf(other.qos) < rankOf('preemptible'));

function makeRoom(jobs: Jobs, servers: Servers, job: SimJob, t: number): boolean {
  const victims = preemptFor(jobs, servers, job, t);
  if (victims.length === 0) return false;
  for (const victim of victims) requeueJob(jobs, servers, victim, t, 'Priority');
  return allocate(jobs, servers, job, t);
}

function start(servers: Servers, job: SimJob, at: number): void {
  job.state = 'RUNNING';
  job.reason = 'None';
  job.startedAt = at;
  job.doneS = 0;
  occupy(servers, job);
}

/** Marks a job's GPUs as its own; also after a restart, from the saved jobs. */
export function occupy(servers: Servers, job: SimJob): void {
  for (const slot of job.slots) {
    servers.job[slot] = job.id;
    servers.intensity[slot] = job.stopped === true ? 0 : job.intensity;
  }
}

export function endJob(jobs: Jobs, servers: Servers, job: SimJob, t: number, state: SimJob['state']): void {
  release(servers, job);
  job.state = state;
  job.reason = 'None';
  job.endedAt = t;
  if (job.startedAt === 0) job.startedAt = t;
  jobs.version += 1;
}

/** A running job goes back to the queue and starts over. */
export function requeueJob(jobs: Jobs, servers: Servers, job: SimJob, t: number, reason = 'BeginTime'): void {
  release(servers, job);
  job.slots = [];
  job.state = 'PENDING';
  job.stopped = false;
  job.reason = job.held ? 'JobHeldUser' : reason;
  job.eligibleAt = t + REQUEUE_DELAY_MS;
  job.startedAt = 0;
  job.doneS = 0;
  job.restarts += 1;
  jobs.version += 1;
}

export interface Submission {
  readonly name: string;
  readonly user: string;
  readonly account: string;
  readonly partition: string;
  readonly qos: string;
  readonly gpus: number;
  readonly timeLimitMinutes: number;
  readonly held: boolean;
}

/** A job handed in over the wire; it works for a part of its time limit that follows from its number. */
export function submitJob(jobs: Jobs, wanted: Submission, at: number): SimJob {
  const id = jobs.state.nextId++;
  const job: SimJob = {
    id,
    name: wanted.name,
    user: wanted.user,
    account: wanted.account,
    partition: wanted.partition,
    qos: wanted.qos,
    gpus: wanted.gpus,
    workS: wanted.timeLimitMinutes * 60 * (0.5 + 0.4 * ((id % 10) / 10)),
    intensity: 0.9,
    submittedAt: at,
    timeLimitMinutes: wanted.timeLimitMinutes,
    comment: '',
    state: 'PENDING',
    reason: wanted.held ? 'JobHeldUser' : 'None',
    held: wanted.held,
    eligibleAt: at,
    startedAt: 0,
    endedAt: 0,
    doneS: 0,
    restarts: 0,
    slots: [],
  };
  jobs.state.list.set(id, job);
  jobs.version += 1;
  return job;
}
