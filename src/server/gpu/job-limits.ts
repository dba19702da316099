import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { limitGang, undoGang, type GangMember } from '../../control/gang.ts';
import { mayAct, mustAct, type Trust } from '../../control/trust.ts';
import {
  Fault,
  holdsGpus,
  isOfClass,
  MINUTE,
  siteMs,
  type Command,
  type Job,
  type Site,
  type SiteMs,
  type WorkClass,
} from '../../model/index.ts';
import type { SiteCluster } from '../clusters.ts';
import type { Fleet, FleetMachine } from '../fleet.ts';
import type { Journal } from '../journal.ts';
import { createKeptActs, type ActFacts } from '../kept-acts.ts';
import type { Gpus } from './gpus.ts';
import { isOutOfBand } from './ladder.ts';

/** The two mild rungs of the ladder, which a person takes: all GPUs of a job slowed down together, until it ends or somebody lets it go. */
export interface JobLimits {
  /** @throws Fault `refused` where it makes no sense, what is signed forbids it or trust does; else what a server said */
  limit(asked: LimitAsked): Promise<JobLimit>;
  /** @throws Fault `refused` where nothing limits it */
  release(clusterId: string, jobId: string, who: string, why: string): Promise<void>;
  of(clusterId: string, jobId: string): JobLimit | undefined;
  /** After readings: what is seen in power, and what has ended. */
  look(): Promise<void>;
  drainChanged(): Command[];
}

export type Limit =
  | { readonly kind: 'cap-power'; readonly pct: number }
  | { readonly kind: 'lock-clocks'; readonly mhz: number };

export interface LimitAsked {
  readonly clusterId: string;
  readonly jobId: string;
  readonly limit: Limit;
  readonly who: string;
  readonly why: string;
}

const keptLimit = z.object({
  id: z.string(),
  clusterId: z.string(),
  jobId: z.string(),
  gpuModel: z.string(),
  gpus: z.number(),
  kind: z.enum(['cap-power', 'lock-clocks']),
  /** Percent of the limit before, or MHz. */
  value: z.number(),
  who: z.string(),
  why: z.string(),
  at: z.number().transform(siteMs),
  /** Servers and the limit they had before, in watts; null: clocks, which had none. */
  servers: z.array(z.object({ machineId: z.string(), beforeW: z.number().nullable() })),
  /** What its GPUs drew then; null: one of them did not tell. */
  drewW: z.number().nullable(),
  /** Undefined watts: nothing was seen of it in time, and it is looked for no longer. */
  seen: z.object({ releasedW: z.number().optional() }).nullable(),
  /** To be undone: it was let go, or its job has ended. */
  isOver: z.boolean(),
});
export type JobLimit = Readonly<z.output<typeof keptLimit>>;

/** What the ladder counts on: only so is its effect learned, as another limit has another. */
export const LADDER_CAP_PCT = 70;
export const LADDER_CLOCK_MHZ = 1_200;
/** A draw that falls by less than this is noise of readings. */
const SEEN_SHARE = 0.04;
const PATIENCE_MS = 10 * MINUTE;

export function createJobLimits(options: {
  site(): Site;
  readonly fleet: Pick<Fleet, 'byId' | 'machines' | 'readSoon'>;
  clusters(): Iterable<Pick<SiteCluster, 'id' | 'reading' | 'failure'>>;
  readonly gpus: Pick<Gpus, 'truth' | 'effects'>;
  readonly journal: Pick<Journal, 'act'>;
  trust(): Trust;
  siteNow(): SiteMs;
  readonly before: string | undefined;
  /** Keeps what the next life must know; called before anything is sent. */
  keep(text: string): void;
}): JobLimits {
  const { gpus, fleet, siteNow } = options;
  const limits = createKeptActs<JobLimit>({
    shape: keptLimit,
    keyOf: (one) => keyOf(one.clusterId, one.jobId),
    factsOf,
    siteNow,
    before: options.before,
    keep: options.keep,
  });
  const { put, drop } = limits;
  const record = (who: string, what: string, why: string, id = `limit-${randomUUID()}`): void =>
    options.journal.act({ id, at: siteNow(), who, what, why });

  /** The job and the servers that are all its own. @throws Fault `refused` */
  function gangOf(clusterId: string, jobId: string): { job: Job; members: readonly FleetMachine[] } {
    const cluster = [...options.clusters()].find(({ id }) => id === clusterId);
    const job = cluster?.reading?.jobs.find(({ id }) => id === jobId);
    if (cluster === undefined || job === undefined) throw new Fault('refused', `there is no job ${clusterId}/${jobId}`);
    if (job.state !== 'running') throw new Fault('refused', `${clusterId}/${jobId} does not run`);
    const addresses = new Map(cluster.reading?.nodes.map(({ name, address }) => [name, address]));
    const members = job.nodes.map((name) => {
      const member = fleet.machines.find(({ machine }) => machine.address === addresses.get(name));
      if (member === undefined) throw new Fault('refused', `${name} is no machine of this site`);
      if (!gpus.truth.isWhole(member.machine.id, clusterId, job))
        throw new Fault(
          'refused',
          `${name} is shared with other jobs, or has not told yet: a limit would be theirs, too`,
        );
      return member;
    });
    if (members.length === 0) throw new Fault('refused', `${clusterId}/${jobId} tells of no node`);
    return { job, members };
  }

  /** @throws Fault `refused` where the customer has not agreed to it, or the operating system is theirs */
  function demandAllowed(clusterId: string, job: Job, members: readonly FleetMachine[], wanted: Limit): void {
    const site = options.site();
    const work = site.clusters.find(({ id }) => id === clusterId)?.classes.find((one) => isOfClass(job, one));
    const isSigned = work !== undefined && (work.class === 'reserved' || work.class === 'on-demand');
    if (isSigned) demandTerms(work, wanted);
    const tenants = new Set(site.machines.flatMap(({ id, managedBy }) => (managedBy === 'tenant' ? [id] : [])));
    for (const { machine } of members)
      if (tenants.has(machine.groupId) && !isOutOfBand(machine.driver))
        throw new Fault('refused', `${machine.id}: its operating system is the tenant's`);
  }

  function gangMember(member: FleetMachine, limit: Limit): GangMember & { readonly beforeW: number | null } {
    const { machine, device, reading } = member;
    const { id } = machine;
    if (limit.kind === 'lock-clocks') {
      const { setClockLimit } = device;
      if (setClockLimit === undefined) throw new Fault('unsupported', `${id} cannot lock clocks`);
      return { id, beforeW: null, apply: () => setClockLimit(limit.mhz), undo: () => setClockLimit(undefined) };
    }
    const { setPowerLimit } = device;
    const beforeW = reading?.powerLimitW;
    if (setPowerLimit === undefined) throw new Fault('unsupported', `${id} cannot be limited in power`);
    if (beforeW === undefined) throw new Fault('refused', `${id} has not told its power limit yet`);
    const wantedW = Math.round((beforeW * limit.pct) / 100);
    return { id, beforeW, apply: () => setPowerLimit(wantedW), undo: () => setPowerLimit(beforeW) };
  }

  async function limit({ clusterId, jobId, limit: wanted, who, why }: LimitAsked): Promise<JobLimit> {
    if (limits.get(keyOf(clusterId, jobId)) !== undefined)
      throw new Fault('refused', `${clusterId}/${jobId} is limited already`);
    const { job, members } = gangOf(clusterId, jobId);
    demandAllowed(clusterId, job, members, wanted);
    const gang = members.map((member) => gangMember(member, wanted));
    mustAct(options.trust(), `limit job ${clusterId}/${jobId}`, true);
    const id = `limit-${randomUUID()}`;
    const value = wanted.kind === 'cap-power' ? wanted.pct : wanted.mhz;
    record(who, `${wordsOf(wanted.kind, value)} of job ${clusterId}/${jobId}`, why, id);
    const one: JobLimit = {
      id,
      clusterId,
      jobId,
      gpuModel: job.gpuModel,
      gpus: job.gpus,
      kind: wanted.kind,
      value,
      who,
      why,
      at: siteNow(),
      servers: gang.map(({ id: machineId, beforeW }) => ({ machineId, beforeW })),
      drewW: gpus.truth.job(clusterId, job).powerW ?? null,
      seen: null,
      isOver: false,
    };
    // Known before it is sent: what was done and not answered must be undone one day, by whatever life of this process.
    put(one, 'sent');
    const { faults, stuck } = await limitGang(gang);
    const [first] = faults;
    if (first !== undefined) {
      const servers = one.servers.filter(({ machineId }) => stuck.includes(machineId));
      if (servers.length === 0) drop(one, 'failed', first[1].kind);
      else put({ ...one, servers, isOver: true }, 'failed', first[1].kind);
      const [server, fault] = first;
      throw new Fault(fault.kind, `${server}: ${fault.message}; no server of the job stays limited by it`, {
        cause: fault,
      });
    }
    put(one, 'acknowledged');
    for (const { machineId } of one.servers) fleet.readSoon(machineId);
    return one;
  }

  /** Sets its servers back; those that do not answer are tried again. */
  async function undo(one: JobLimit): Promise<void> {
    const gang = one.servers.flatMap(({ machineId, beforeW }): GangMember[] => {
      const { setClockLimit, setPowerLimit } = fleet.byId(machineId)?.device ?? {};
      const back =
        beforeW === null
          ? setClockLimit && (() => setClockLimit(undefined))
          : setPowerLimit && (() => setPowerLimit(beforeW));
      // A server that left the site is nobody's here.
      return back === undefined ? [] : [{ id: machineId, apply: back, undo: back }];
    });
    const stuck = await undoGang(gang);
    const servers = one.servers.filter(({ machineId }) => stuck.includes(machineId));
    if (stuck.length === 0) drop(one);
    else put({ ...one, isOver: true, servers });
    for (const { id } of gang) fleet.readSoon(id);
  }

  /** What its GPUs draw less, once all of its servers have told since. */
  function seen(one: JobLimit, job: Job): void {
    const { powerW } = gpus.truth.job(one.clusterId, job);
    const told = one.servers.every(({ machineId }) => (fleet.byId(machineId)?.reading?.at ?? 0) > one.at);
    if (!told || powerW === undefined || one.drewW === null || powerW > (1 - SEEN_SHARE) * one.drewW) {
      if (siteNow() - one.at > PATIENCE_MS) put({ ...one, seen: {} }, 'failed', 'timeout');
      return;
    }
    const releasedW = one.drewW - powerW;
    put({ ...one, seen: { releasedW } }, 'seen-in-power');
    const isOfLadder = one.value === (one.kind === 'cap-power' ? LADDER_CAP_PCT : LADDER_CLOCK_MHZ);
    if (isOfLadder) gpus.effects.learn(one.kind, one.gpuModel, releasedW / one.gpus, (siteNow() - one.at) / 1000);
  }

  async function look(): Promise<void> {
    const clusters = new Map([...options.clusters()].map((one) => [one.id, one]));
    for (const one of limits.all()) {
      const cluster = clusters.get(one.clusterId);
      if (!one.isOver && cluster?.failure !== undefined) continue;
      const job = cluster?.reading?.jobs.find(({ id }) => id === one.jobId);
      const isEnded = job === undefined || !holdsGpus(job);
      if (one.isOver || isEnded) {
        // Setting back what a person had limited is no new decision: in shadow it waits.
        if (!mayAct(options.trust(), true)) continue;
        if (!one.isOver)
          record('busbar', `let job ${one.clusterId}/${one.jobId} go`, 'it runs no more on these servers');
        await undo(one);
      } else if (one.seen === null && job.state !== 'paused') seen(one, job);
    }
  }

  return {
    limit,
    async release(clusterId, jobId, who, why) {
      const one = limits.get(keyOf(clusterId, jobId));
      if (one === undefined || one.isOver) throw new Fault('refused', `nothing limits ${clusterId}/${jobId}`);
      mustAct(options.trust(), `let job ${clusterId}/${jobId} go`, true);
      record(who, `let job ${clusterId}/${jobId} go`, why);
      await undo(one);
    },
    of(clusterId, jobId) {
      const one = limits.get(keyOf(clusterId, jobId));
      return one?.isOver === true ? undefined : one;
    },
    look,
    drainChanged: limits.drainChanged,
  };
}

/** Work that is paid by the hour is slowed no further than its terms allow, by what was measured of it. @throws Fault `refused` */
function demandTerms({ id, throttle, powerCurve }: WorkClass, wanted: Limit): void {
  if (throttle === undefined)
    throw new Fault('refused', `${id}: what is signed lets nobody slow it down (throttle in the site file)`);
  const full = powerCurve?.at(-1);
  const least = powerCurve?.find(({ throughputPct }) => throughputPct >= throttle.minThroughputPct);
  if (wanted.kind === 'lock-clocks' || full === undefined || least === undefined)
    throw new Fault(
      'refused',
      `${id}: nobody measured what it does then, and its terms want ${throttle.minThroughputPct} %`,
    );
  const leastPct = Math.ceil((100 * least.powerLimitW) / full.powerLimitW);
  if (wanted.pct < leastPct)
    throw new Fault(
      'refused',
      `${id}: its terms want ${throttle.minThroughputPct} %, which takes ${leastPct} % of its power`,
    );
}

const keyOf = (clusterId: string, jobId: string): string => `${clusterId}/${jobId}`;
const wordsOf = (kind: JobLimit['kind'], value: number): string =>
  kind === 'cap-power' ? `limit power to ${value} %` : `limit clocks to ${value} MHz`;

const factsOf = ({ id, clusterId, jobId, kind, value, who, why, at }: JobLimit): ActFacts => ({
  id,
  target: `job ${clusterId}/${jobId}`,
  action: kind === 'cap-power' ? 'set-power-limit' : 'lock-clocks',
  mode: String(value),
  who,
  why,
  sentAt: at,
});
