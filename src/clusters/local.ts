import { z } from 'zod';
import {
  Fault,
  siteMs,
  type Job,
  type JobState,
  type ProcessPort,
  type ProcessState,
  type SiteMs,
  type WorkClass,
} from '../model/index.ts';
import { defineCluster, type ClusterIo, type JobRequest } from './cluster.ts';

const config = z.strictObject({
  address: z.string().default('127.0.0.1').describe('of this host, as the machines of the site file name it'),
  gpuModel: z.string().optional().describe('GPU part of this host, as the catalogue names it; absent: it has none'),
  gpus: z.number().int().min(0).max(64).default(0),
  cpus: z.number().int().positive().describe('CPUs that jobs may use together, from the first on'),
  userId: z.number().int().positive().optional().describe('user that jobs run as; needed where Busbar runs as root'),
  folder: z
    .string()
    .startsWith('/')
    .optional()
    .describe('where jobs and their output lie, open to their user; absent: beside the store'),
  graceS: z.number().int().min(1).max(3600).default(30).describe('from SIGTERM to SIGKILL: time to keep a checkpoint'),
  mostOutputMb: z.number().positive().max(1024).default(16),
  keepEnded: z.number().int().min(1).max(1000).default(100).describe('jobs that have ended are kept with their output'),
});
type Config = z.output<typeof config>;

type Host = Pick<ClusterIo, 'siteNow' | 'kept'> & { readonly processes: ProcessPort };

/** Beyond it a queue in one document is the wrong tool. */
const MOST_WAITING = 500;
const MOST_SHOWN_BYTES = 1_000_000;
const ELSEWHERE = 'several hosts or a long queue are for Slurm or Kubernetes (docs/clusters.md)';

/** A job as it is kept. Times are site time; ages are those of its process, by the kernel's clock. */
const keptJob = z.object({
  id: z.string(),
  name: z.string(),
  partition: z.string(),
  qos: z.string(),
  account: z.string(),
  script: z.string(),
  gpus: z.number(),
  cpus: z.number(),
  memoryMb: z.number().optional(),
  timeLimitMinutes: z.number(),
  checkpointSignal: z.enum(['SIGUSR1', 'SIGUSR2']).optional(),
  state: z.enum(['pending', 'held', 'running', 'paused', 'stopping', 'done', 'failed', 'cancelled']),
  /** What it becomes when its process has ended. */
  becomes: z.enum(['pending', 'held', 'cancelled', 'failed']).optional(),
  why: z.string().optional(),
  submittedAt: z.number(),
  startedAt: z.number().optional(),
  endedAt: z.number().optional(),
  gpuNumbers: z.array(z.number()),
  cpuNumbers: z.array(z.number()),
  requeues: z.number(),
  pausedAtAgeS: z.number().optional(),
  pausedS: z.number(),
  killAtAgeS: z.number().optional(),
  /** Absent: that of the settings. */
  userId: z.number().optional(),
});
type KeptJob = z.output<typeof keptJob>;
const keptQueue = z.object({ nextId: z.number(), jobs: z.array(keptJob) });
type KeptQueue = z.output<typeof keptQueue>;

/**
 * Jobs of one host, without a scheduler: first come, first served, each a process group with its limits. What runs
 * outlives Busbar and is found again; what is gone is said to be gone. Enough for a workstation.
 */
export const local = defineCluster({
  name: 'local',
  about: 'Jobs of this one host, with a queue of its own; needs no scheduler',
  config,
  open({ id, config: settings, classes }, world) {
    const io: Host = { siteNow: () => world.siteNow(), kept: world.kept, processes: world.processes(settings.folder) };
    let queue: KeptQueue | undefined;
    let kept: string | undefined;
    let last: Promise<unknown> = Promise.resolve();

    async function load(): Promise<KeptQueue> {
      const text = await io.kept.get(`local ${id}`);
      if (text === undefined) return { nextId: 1, jobs: [] };
      const parsed = keptQueue.safeParse(tryJson(text));
      if (!parsed.success)
        throw new Fault('garbled', `the queue of ${id} in the store cannot be read`, { bytes: text });
      return parsed.data;
    }
    /** One after the other: each sees what the one before has left. What a fault left undone is read anew. */
    function inTurn<T>(act: (queue: KeptQueue) => Promise<T>): Promise<T> {
      const mine = last.then(async () => {
        try {
          queue ??= await load();
          await settle(id, queue, settings, io);
          const result = await act(queue);
          const text = JSON.stringify(queue);
          if (text !== kept) await io.kept.set(`local ${id}`, text);
          kept = text;
          return result;
        } catch (error) {
          queue = undefined;
          kept = undefined;
          throw error;
        }
      });
      last = mine.catch(() => {});
      return mine;
    }
    const onJob = (jobId: string, act: (job: KeptJob, all: KeptQueue) => Promise<void> | void): Promise<void> =>
      inTurn(async (all) => {
        const job = all.jobs.find((one) => one.id === jobId);
        if (job === undefined) throw new Fault('refused', `${id} has no job ${jobId}`);
        await act(job, all);
        await startNext(id, all, settings, io);
      });
    const submit = (request: JobRequest, userId: number | undefined): Promise<string> =>
      inTurn(async (all) => {
        demandRoom(request, all, settings, classes);
        const job = { ...toKept(String(all.nextId), request, io.siteNow()), userId };
        all.nextId += 1;
        all.jobs.push(job);
        await startNext(id, all, settings, io);
        return job.id;
      });
    const signal = (job: KeptJob, which: Parameters<ProcessPort['signal']>[1]) =>
      io.processes.signal(folderOf(id, job), which);

    return {
      read: () =>
        inTurn(async ({ jobs }) => ({
          at: io.siteNow(),
          nodes: [nodeOf(id, settings, jobs)],
          jobs: jobs.flatMap((job) => toJob(job, id, settings, classes)),
        })),
      submit: (request) => submit(request, undefined),
      async submitAs({ userId }, request) {
        if (userId === undefined)
          throw new Fault('unsupported', `${id} runs jobs as a user of this host: name its userId`);
        return submit(request, userId);
      },
      hold: (jobId) =>
        onJob(jobId, (job) => {
          if (job.state === 'pending') job.state = 'held';
          else if (job.state === 'stopping' && job.becomes === 'pending') job.becomes = 'held';
          else if (job.state !== 'held') throw wrongState(job, 'held');
        }),
      release: (jobId) =>
        onJob(jobId, (job) => {
          if (job.state === 'held') job.state = 'pending';
          else if (job.state === 'stopping' && job.becomes === 'held') job.becomes = 'pending';
        }),
      requeue: (jobId) => onJob(jobId, (job) => stop(id, job, 'pending', 'put back in the queue', settings, io)),
      cancel: (jobId) =>
        onJob(jobId, async (job) => {
          if (job.state !== 'pending' && job.state !== 'held')
            return stop(id, job, 'cancelled', 'cancelled', settings, io);
          Object.assign(job, { state: 'cancelled', endedAt: io.siteNow() });
        }),
      pause: (jobId) =>
        onJob(jobId, async (job) => {
          if (job.state !== 'running') throw wrongState(job, 'paused');
          const { ageS } = await io.processes.look(folderOf(id, job));
          await signal(job, 'SIGSTOP');
          Object.assign(job, { state: 'paused', pausedAtAgeS: ageS ?? 0 });
        }),
      unpause: (jobId) =>
        onJob(jobId, async (job) => {
          if (job.state !== 'paused') throw wrongState(job, 'continued');
          const { ageS } = await io.processes.look(folderOf(id, job));
          await signal(job, 'SIGCONT');
          const pausedS = job.pausedS + Math.max(0, (ageS ?? 0) - (job.pausedAtAgeS ?? 0));
          Object.assign(job, { state: 'running', pausedS, pausedAtAgeS: undefined });
        }),
      checkpoint: (jobId) =>
        onJob(jobId, async (job) => {
          if (job.checkpointSignal === undefined)
            throw new Fault('unsupported', `job ${job.id} names no signal at which it keeps a checkpoint`);
          if (job.state !== 'running') throw wrongState(job, 'told to keep a checkpoint');
          await signal(job, job.checkpointSignal);
        }),
      output: (jobId) =>
        inTurn(async ({ jobs }) => {
          const job = jobs.find((one) => one.id === jobId);
          if (job === undefined) throw new Fault('refused', `${id} has no job ${jobId}`);
          return io.processes.output(folderOf(id, job), MOST_SHOWN_BYTES);
        }),
      // What runs goes on: the next Busbar finds it.
      close() {},
    };
  },
});

const folderOf = (cluster: string, job: KeptJob): string => `${cluster}-${job.id}`;
const occupies = ({ state }: KeptJob): boolean => state === 'running' || state === 'paused' || state === 'stopping';
const wrongState = (job: KeptJob, what: string): Fault =>
  new Fault('refused', `job ${job.id} is ${job.state} and cannot be ${what}`);

function demandRoom(request: JobRequest, { jobs }: KeptQueue, settings: Config, classes: readonly WorkClass[]): void {
  const { gpus, cpus = 1, partition, qos } = request;
  if (classOf(request, classes) === undefined)
    throw new Fault('refused', `no class of this cluster has partition ${partition} and qos ${qos}`);
  if (gpus > settings.gpus || cpus > settings.cpus)
    throw new Fault(
      'refused',
      `it asks ${gpus} GPUs and ${cpus} CPUs, and this host has ${settings.gpus} and ${settings.cpus} for jobs: ${ELSEWHERE}`,
    );
  if (jobs.filter(({ state }) => state === 'pending' || state === 'held').length >= MOST_WAITING)
    throw new Fault('refused', `${MOST_WAITING} jobs wait already: ${ELSEWHERE}`);
}

function toKept(id: string, request: JobRequest, now: SiteMs): KeptJob {
  const {
    name,
    partition,
    qos,
    account,
    script,
    gpus,
    cpus = 1,
    memoryMb,
    timeLimitMinutes,
    checkpointSignal,
  } = request;
  const asked = { name, partition, qos, account, script, gpus, cpus, memoryMb, timeLimitMinutes, checkpointSignal };
  return { id, ...asked, state: 'pending', submittedAt: now, gpuNumbers: [], cpuNumbers: [], requeues: 0, pausedS: 0 };
}

const classOf = (job: { partition: string; qos: string }, classes: readonly WorkClass[]): WorkClass | undefined =>
  classes.find(({ match }) => match.partition === job.partition && match.qos === job.qos);

/** SIGTERM, and SIGKILL when its grace is over; what it becomes is kept before, so that a crash in between loses nothing. */
async function stop(
  cluster: string,
  job: KeptJob,
  becomes: NonNullable<KeptJob['becomes']>,
  why: string,
  { graceS }: Config,
  io: Host,
): Promise<void> {
  if (job.state !== 'running' && job.state !== 'paused' && job.state !== 'stopping') throw wrongState(job, 'stopped');
  const name = folderOf(cluster, job);
  const { ageS } = await io.processes.look(name);
  const isPaused = job.state === 'paused';
  const killAtAgeS = job.state === 'stopping' ? job.killAtAgeS : (ageS ?? 0) + graceS;
  Object.assign(job, { state: 'stopping', becomes, why, killAtAgeS, pausedAtAgeS: undefined });
  await io.processes.signal(name, 'SIGTERM');
  // A stopped process hears nothing until it goes on.
  if (isPaused) await io.processes.signal(name, 'SIGCONT');
}

/** What became of the jobs that run since somebody last looked, and then whose turn it is. */
async function settle(cluster: string, all: KeptQueue, settings: Config, io: Host): Promise<void> {
  for (const job of all.jobs.filter(occupies)) {
    const name = folderOf(cluster, job);
    const found = await io.processes.look(name);
    if (!found.runs) {
      end(job, found, io.siteNow());
      continue;
    }
    const ageS = found.ageS ?? 0;
    if (job.state === 'stopping') {
      if (ageS >= (job.killAtAgeS ?? 0)) await io.processes.signal(name, 'SIGKILL');
    } else if (job.state === 'running' && ageS - job.pausedS > job.timeLimitMinutes * 60)
      await stop(cluster, job, 'failed', `time limit of ${job.timeLimitMinutes} min`, settings, io);
  }
  const ended = all.jobs.filter(({ endedAt }) => endedAt !== undefined);
  for (const job of ended.slice(0, Math.max(0, ended.length - settings.keepEnded))) {
    await io.processes.remove(folderOf(cluster, job));
    all.jobs.splice(all.jobs.indexOf(job), 1);
  }
  await startNext(cluster, all, settings, io);
}

function end(job: KeptJob, { exitCode }: ProcessState, now: SiteMs): void {
  const freed = { gpuNumbers: [], cpuNumbers: [], pausedAtAgeS: undefined, killAtAgeS: undefined, becomes: undefined };
  const { becomes, state } = job;
  if (state === 'stopping' && (becomes === 'pending' || becomes === 'held'))
    return void Object.assign(job, freed, {
      state: becomes,
      startedAt: undefined,
      requeues: job.requeues + 1,
      pausedS: 0,
    });
  if (state === 'stopping') return void Object.assign(job, freed, { state: becomes ?? 'failed', endedAt: now });
  if (exitCode === 0) return void Object.assign(job, freed, { state: 'done', endedAt: now });
  const why =
    exitCode === undefined
      ? 'its processes are gone and left no exit code: the host restarted, or somebody killed them'
      : `exit code ${exitCode}`;
  Object.assign(job, freed, { state: 'failed', endedAt: now, why });
}

/** First come, first served: a large job that waits for room is not passed by small ones, or it would wait for ever. */
async function startNext(cluster: string, all: KeptQueue, settings: Config, io: Host): Promise<void> {
  for (const job of all.jobs.filter(({ state }) => state === 'pending')) {
    const gpuNumbers = free(settings.gpus, all, (one) => one.gpuNumbers).slice(0, job.gpus);
    const cpuNumbers = free(settings.cpus, all, (one) => one.cpuNumbers).slice(0, job.cpus);
    if (gpuNumbers.length < job.gpus || cpuNumbers.length < job.cpus) return;
    Object.assign(job, { state: 'running', startedAt: io.siteNow(), gpuNumbers, cpuNumbers, why: undefined });
    // Kept before it is done: what was started and not kept would be started twice.
    await io.kept.set(`local ${cluster}`, JSON.stringify(all));
    try {
      await io.processes.start({
        name: folderOf(cluster, job),
        script: job.script,
        env: {
          CUDA_VISIBLE_DEVICES: gpuNumbers.join(','),
          BUSBAR_JOB_ID: job.id,
          BUSBAR_RESTART_COUNT: String(job.requeues),
        },
        mostOutputBytes: Math.round(settings.mostOutputMb * 1e6),
        memoryMb: job.memoryMb,
        cpus: cpuNumbers,
        userId: job.userId ?? settings.userId,
      });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const freed = { gpuNumbers: [], cpuNumbers: [] };
      Object.assign(job, freed, { state: 'failed', endedAt: io.siteNow(), why: `not started: ${error.message}` });
    }
  }
}

function free(count: number, { jobs }: KeptQueue, taken: (job: KeptJob) => readonly number[]): number[] {
  const used = new Set(jobs.filter(occupies).flatMap(taken));
  return Array.from({ length: count }, (_, i) => i).filter((one) => !used.has(one));
}

function nodeOf(id: string, { address, gpus, cpus, gpuModel }: Config, jobs: readonly KeptJob[]) {
  const running = jobs.filter(occupies);
  const gpusUsed = running.reduce((sum, job) => sum + job.gpus, 0);
  const cpusUsed = running.reduce((sum, job) => sum + job.cpus, 0);
  const isFull = gpus > 0 ? gpusUsed >= gpus : cpusUsed >= cpus;
  const state = running.length === 0 ? 'idle' : isFull ? 'allocated' : 'mixed';
  const name = { name: id, address, isOff: false, partitions: [], reason: undefined };
  return { ...name, state, gpuModel, gpus, gpusUsed } as const;
}

const STATES: Readonly<Record<KeptJob['state'], JobState>> = {
  pending: 'pending',
  held: 'held',
  running: 'running',
  paused: 'paused',
  stopping: 'ending',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
};

/** A job whose class was taken out of the site file goes on, and is nobody's business in the plan. */
function toJob(job: KeptJob, host: string, { gpuModel }: Config, classes: readonly WorkClass[]): Job[] {
  const match = classOf(job, classes);
  if (match === undefined) return [];
  const time = (ms: number | undefined): SiteMs | undefined => (ms === undefined ? undefined : siteMs(ms));
  return [
    {
      id: job.id,
      name: job.name,
      state: STATES[job.state],
      classId: match.id,
      className: match.class,
      customer: job.account,
      gpuModel: gpuModel ?? match.gpu,
      gpus: job.gpus,
      nodes: occupies(job) ? [host] : [],
      submittedAt: time(job.submittedAt),
      startedAt: time(job.startedAt),
      endedAt: time(job.endedAt),
      timeLimitS: job.timeLimitMinutes * 60,
      requeues: job.requeues,
      ...(job.why === undefined ? {} : { why: job.why }),
    },
  ];
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
