import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { mustAct, type Trust } from '../../control/trust.ts';
import {
  asFault,
  commitmentsOf,
  Fault,
  holdsGpus,
  isOfClass,
  isUnanswered,
  MINUTE,
  siteMs,
  type Command,
  type Job,
  type Site,
  type SiteMs,
} from '../../model/index.ts';
import type { SiteCluster } from '../clusters.ts';
import type { Fleet } from '../fleet.ts';
import type { CurtailmentOf } from '../flow.ts';
import type { Journal } from '../journal.ts';
import { createKeptActs, type ActFacts } from '../kept-acts.ts';
import type { Gpus } from './gpus.ts';

/** Running jobs that a person stops where they are. They keep their GPUs, earn nothing, and wait until a person lets them go on. */
export interface JobPauses {
  /** @throws Fault `unsupported` where the scheduler cannot, `refused` where what is signed forbids it or trust does; else what it said */
  pause(asked: PauseAsked): Promise<void>;
  /** @throws Fault `refused` where it was not Busbar that paused it */
  goOn(asked: PauseAsked): Promise<void>;
  of(clusterId: string, jobId: string): JobPause | undefined;
  /** After readings: what is seen, and what is over. */
  look(): void;
  drainChanged(): Command[];
}

export interface PauseAsked {
  readonly clusterId: string;
  readonly jobId: string;
  readonly who: string;
  readonly why: string;
}

const keptPause = z.object({
  id: z.string(),
  clusterId: z.string(),
  jobId: z.string(),
  gpuModel: z.string(),
  gpus: z.number(),
  who: z.string(),
  why: z.string(),
  at: z.number().transform(siteMs),
  /** What its GPUs drew then; null: not all of them told, or nobody says which are its own. */
  drewW: z.number().nullable(),
  stage: z.enum(['asked', 'paused', 'going-on']),
  stageAt: z.number().transform(siteMs),
  /** Watts seen to be released; undefined: not seen in time, and looked for no longer. */
  seen: z.object({ releasedW: z.number().optional() }).nullable(),
  /** Who lets it go on, why, and under which command. */
  back: z.object({ id: z.string(), who: z.string(), why: z.string() }).nullable(),
});
export type JobPause = Readonly<z.output<typeof keptPause>>;

/** A GPU that lost so much of its draw has stopped working. */
const SEEN_SHARE = 0.3;
const PATIENCE_MS = 10 * MINUTE;
export function createJobPauses(options: {
  site(): Site;
  readonly fleet: Pick<Fleet, 'byId' | 'machines' | 'readSoon'>;
  clusters(): Iterable<Pick<SiteCluster, 'id' | 'handle' | 'reading' | 'failure'>>;
  readonly gpus: Pick<Gpus, 'truth' | 'effects'>;
  readonly journal: Pick<Journal, 'act'>;
  readonly curtailment: CurtailmentOf;
  /** A job that is slowed down as well says nothing of what a pause releases. */
  isLimited(clusterId: string, jobId: string): boolean;
  trust(): Trust;
  siteNow(): SiteMs;
  readonly before: string | undefined;
  /** Keeps what the next life must know; called before anything is sent. */
  keep(text: string): void;
}): JobPauses {
  const { gpus, fleet, siteNow } = options;
  const pauses = createKeptActs<JobPause>({
    shape: keptPause,
    keyOf: (one) => keyOf(one.clusterId, one.jobId),
    factsOf,
    siteNow,
    before: options.before,
    keep: options.keep,
  });
  const { put, drop, tell } = pauses;
  const record = (who: string, what: string, why: string, id: string): void =>
    options.journal.act({ id, at: siteNow(), who, what, why });

  function find(clusterId: string, jobId: string) {
    const cluster = [...options.clusters()].find(({ id }) => id === clusterId);
    const job = cluster?.reading?.jobs.find(({ id }) => id === jobId);
    if (cluster === undefined || job === undefined) throw new Fault('refused', `there is no job ${clusterId}/${jobId}`);
    return { cluster, job };
  }

  /** @throws Fault `refused` where what is signed does not allow it, or the operating system is a tenant's */
  function demandAllowed(clusterId: string, job: Job, addresses: ReadonlySet<string>): void {
    const site = options.site();
    const work = site.clusters.find(({ id }) => id === clusterId)?.classes.find((one) => isOfClass(job, one));
    if (work !== undefined && (work.class === 'reserved' || work.class === 'on-demand')) {
      const left = options.curtailment(commitmentsOf(site, work, siteNow()), siteNow())?.leftGpuHours ?? 0;
      if (left <= 0)
        throw new Fault(
          'refused',
          `${work.id}: what is signed lets nobody stop it (a contract with curtailment and hours left of it would)`,
        );
    }
    const tenants = new Set(site.machines.flatMap(({ id, managedBy }) => (managedBy === 'tenant' ? [id] : [])));
    for (const { machine } of fleet.machines)
      if (tenants.has(machine.groupId) && addresses.has(machine.address))
        throw new Fault('refused', `${machine.id}: its operating system is the tenant's`);
  }

  async function pause({ clusterId, jobId, who, why }: PauseAsked): Promise<void> {
    const { cluster, job } = find(clusterId, jobId);
    const { handle, reading } = cluster;
    if (handle.pause === undefined || handle.unpause === undefined)
      throw new Fault(
        'unsupported',
        `the scheduler of ${clusterId} cannot pause jobs: requeue or cancel is what it has`,
      );
    if (pauses.get(keyOf(clusterId, jobId)) !== undefined || job.state === 'paused')
      throw new Fault('refused', `${clusterId}/${jobId} is paused already`);
    if (job.state !== 'running') throw new Fault('refused', `${clusterId}/${jobId} does not run`);
    const on = (reading?.nodes ?? []).flatMap(({ name, address }) => (job.nodes.includes(name) ? [address] : []));
    demandAllowed(clusterId, job, new Set(on));
    mustAct(options.trust(), `pause job ${clusterId}/${jobId}`, true);
    const now = siteNow();
    const drawn = gpus.truth.gpusOf(clusterId, job)?.reduce((sum, { powerW }) => sum + powerW, 0);
    const one: JobPause = {
      id: `pause-${randomUUID()}`,
      clusterId,
      jobId,
      gpuModel: job.gpuModel,
      gpus: job.gpus,
      who,
      why,
      at: now,
      drewW: drawn ?? null,
      stage: 'asked',
      stageAt: now,
      seen: null,
      back: null,
    };
    record(who, `pause job ${clusterId}/${jobId}`, why, one.id);
    // Known before it is sent: a job that nobody knows to be paused by us waits for ever.
    put(one, 'sent');
    try {
      await handle.pause(jobId);
    } catch (error) {
      const fault = asFault(error);
      if (!isUnanswered(fault.kind)) drop(one, 'failed', fault.kind);
      throw fault;
    }
    if (pauses.get(keyOf(clusterId, jobId)) === one) put(one, 'acknowledged');
  }

  async function goOn({ clusterId, jobId, who, why }: PauseAsked): Promise<void> {
    const one = pauses.get(keyOf(clusterId, jobId));
    const { handle } = find(clusterId, jobId).cluster;
    if (one === undefined)
      throw new Fault('refused', `Busbar did not pause ${clusterId}/${jobId}: whoever stopped it lets it go on`);
    if (handle.unpause === undefined) throw new Fault('unsupported', `${clusterId} cannot let jobs go on`);
    mustAct(options.trust(), `let job ${clusterId}/${jobId} go on`, true);
    const back = { id: `pause-${randomUUID()}`, who, why };
    record(who, `let job ${clusterId}/${jobId} go on`, why, back.id);
    const going: JobPause = { ...one, stage: 'going-on', stageAt: siteNow(), back };
    put(going, 'sent');
    try {
      await handle.unpause(jobId);
    } catch (error) {
      const fault = asFault(error);
      if (!isUnanswered(fault.kind) && pauses.get(keyOf(clusterId, jobId)) === going) staysPaused(going, fault.kind);
      throw fault;
    }
    if (pauses.get(keyOf(clusterId, jobId)) === going) put(going, 'acknowledged');
  }

  /** It was not let go on, and may be asked to again. */
  function staysPaused(one: JobPause, fault: Fault['kind']): void {
    tell(one, 'failed', fault);
    put({ ...one, stage: 'paused', stageAt: siteNow(), back: null });
  }

  /** What its GPUs draw less, once all of its servers have told since it was read as paused. */
  function seen(one: JobPause, job: Job): void {
    const now = gpus.truth.gpusOf(one.clusterId, job);
    const isTold = now?.every(({ machineId }) => (fleet.byId(machineId)?.reading?.at ?? 0) > one.stageAt) === true;
    const isW = now?.reduce((sum, { powerW }) => sum + powerW, 0);
    if (one.drewW !== null && isTold && isW !== undefined && isW <= (1 - SEEN_SHARE) * one.drewW) {
      const releasedW = one.drewW - isW;
      put({ ...one, seen: { releasedW } }, 'seen-in-power');
      if (!options.isLimited(one.clusterId, one.jobId))
        gpus.effects.learn('pause', one.gpuModel, releasedW / one.gpus, (siteNow() - one.at) / 1000);
    } else if (siteNow() - one.stageAt > PATIENCE_MS) put({ ...one, seen: {} }, 'failed', 'timeout');
  }

  function lookAt(one: JobPause, job: Job | undefined): void {
    const isLate = siteNow() - one.stageAt > PATIENCE_MS;
    if (job === undefined || !holdsGpus(job) || job.state === 'ending') return drop(one, openStage(one));
    if (one.stage === 'going-on') {
      if (job.state === 'running') drop(one, 'seen-in-power');
      else if (isLate) staysPaused(one, 'timeout');
    } else if (one.stage === 'asked') {
      if (job.state === 'paused') {
        const paused: JobPause = { ...one, stage: 'paused', stageAt: siteNow() };
        // Where nobody measures its GPUs the list of the scheduler is all the proof there is.
        if (one.drewW === null) put({ ...paused, seen: {} }, 'seen-in-power');
        else put(paused);
        for (const { machineId } of gpus.truth.gpusOf(one.clusterId, job) ?? []) fleet.readSoon(machineId);
      } else if (isLate) drop(one, 'failed', 'timeout');
    } else if (job.state === 'running') {
      record(
        'busbar',
        `job ${one.clusterId}/${one.jobId} goes on`,
        'somebody let it, and not from here',
        `${one.id}-end`,
      );
      drop(one, openStage(one));
    } else if (one.seen === null) seen(one, job);
  }

  return {
    pause,
    goOn,
    of: (clusterId, jobId) => pauses.get(keyOf(clusterId, jobId)),
    look() {
      const clusters = new Map([...options.clusters()].map((one) => [one.id, one]));
      for (const one of pauses.all()) {
        const cluster = clusters.get(one.clusterId);
        if (cluster === undefined) drop(one, openStage(one));
        else if (cluster.failure === undefined && cluster.reading !== undefined && cluster.reading.at > one.stageAt)
          lookAt(
            one,
            cluster.reading.jobs.find(({ id }) => id === one.jobId),
          );
      }
    },
    drainChanged: pauses.drainChanged,
  };
}

/** Of a command whose end is not known yet. */
const openStage = ({ back, seen }: JobPause): 'superseded' | undefined =>
  back !== null || seen === null ? 'superseded' : undefined;
const keyOf = (clusterId: string, jobId: string): string => `${clusterId}/${jobId}`;

function factsOf(one: JobPause): ActFacts {
  const target = `job ${one.clusterId}/${one.jobId}`;
  const { id, who, why } = one.back ?? one;
  const isBack = one.back !== null;
  const action = isBack ? 'continue-job' : 'pause-job';
  return { id, target, action, mode: undefined, who, why, sentAt: isBack ? one.stageAt : one.at };
}
