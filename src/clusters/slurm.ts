import { z } from 'zod';
import { Fault, secretRef, type SecretRef } from '../model/index.ts';
import { defineCluster, type ClusterHandle, type JobRequest } from './cluster.ts';
import { expandHostlist } from './hostlist.ts';
import { jobNumber, nodeName, openScontrol, plainReason, type Scontrol } from './wire/scontrol.ts';
import {
  flagsOf,
  jobsReply,
  licencesReply,
  nodesReply,
  partitionsReply,
  plainReply,
  recordsReply,
  reservationsReply,
  submitReply,
  toJob,
  toNode,
  toUsage,
  type SlurmNode,
} from './wire/slurm-shapes.ts';
import { openSlurmrestd, type Slurmrestd } from './wire/slurmrestd.ts';
import { tokenSource } from './wire/slurm-token.ts';

const config = z.strictObject({
  url: z
    .union([z.url(), z.array(z.url()).min(1)], 'expected the address of slurmrestd, or a list of them')
    .describe('of slurmrestd; of several, the next is asked where one is silent'),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]{0,31}$/, 'expected the name of a user of Slurm')
    .default('busbar'),
  token: secretRef
    .optional()
    .describe('where the JWT lies; read afresh for each request, so that whoever renews it needs no restart'),
  scontrol: z
    .strictObject({
      conf: z.string().optional().describe('SLURM_CONF; absent: where the host has it'),
      makesTokens: z
        .boolean()
        .default(false)
        .describe(
          'true: `scontrol token` makes the JWT and renews it; Busbar runs as the user of Slurm or as root then',
        ),
      tokenLifetimeS: z.number().int().min(60).default(1800),
    })
    .optional()
    .describe('scontrol on this host does what REST of this release cannot: requeue, drain, resume, power'),
  version: z
    .string()
    .regex(/^v0\.0\.\d+$/, 'expected a version of the API, as v0.0.38')
    .optional()
    .describe('absent: the newest that both know'),
  powerLicence: z
    .string()
    .optional()
    .describe('licence that jobs take one of for each kilowatt, as site_kw: a power budget reserves the rest of them'),
  timeoutMs: z.number().int().positive().default(5000),
});

/** First words of the reason of a node that Busbar drained or switched off: only such a node it gives back. */
const MARK = 'busbar: ';
const POWER_RESERVATION = 'busbar_power';
/**
 * Of Linux, to all processes of a job: it is STOPPED then. `scontrol suspend` would give its CPUs to others, and call its node idle.
 */
const SIGSTOP = 19;
const SIGCONT = 18;
/** From here on REST can change nodes. */
const NODE_WRITES = 39;
/** From here on a job has a comment of the administrator beside its owner's. */
const ADMIN_COMMENT = 39;
/** From here on a job is submitted with its script inside, and an environment that is a list. */
const SCRIPT_INSIDE = 39;
/** `scontrol` retries by itself for some seconds. */
const SCONTROL_MS = 15_000;

/**
 * Slurm through slurmrestd. Tested against 22.05 (v0.0.36 to v0.0.38), which can change no node and requeue no job over
 * REST: there `scontrol` does it. Newer versions are spoken as their OpenAPI documents them.
 */
export const slurm = defineCluster({
  name: 'slurm',
  about: 'Slurm through slurmrestd (v0.0.36 to v0.0.44), and scontrol where REST cannot',
  config,
  open({ config: settings, classes }, io) {
    const urls = typeof settings.url === 'string' ? [settings.url] : settings.url;
    const version = settings.version === undefined ? undefined : Number(settings.version.split('.')[2]);
    const tokens = tokenSource(settings, io, () => scontrol);
    const { timeoutMs } = settings;
    const rest = openSlurmrestd({ urls, user: settings.user, version, timeoutMs }, tokens, io);
    /** The token of the user says who it is: Slurm takes no other name beside it. */
    const restAs = (user: string, token: SecretRef): Slurmrestd =>
      openSlurmrestd(
        { urls, user, version, timeoutMs },
        tokenSource({ user, token }, io, () => undefined),
        io,
      );
    const scontrol: Scontrol | undefined =
      settings.scontrol === undefined
        ? undefined
        : openScontrol(
            io.program,
            { conf: settings.scontrol.conf, timeoutMs: Math.max(SCONTROL_MS, settings.timeoutMs) },
            (signal) => tokens.get(signal),
          );
    return {
      async read(signal) {
        const at = io.siteNow();
        const [{ nodes }, { jobs }] = await Promise.all([
          rest.call({ method: 'GET', path: '/nodes/', shape: nodesReply, signal }),
          rest.call({ method: 'GET', path: '/jobs/', shape: jobsReply, signal }),
        ]);
        const known = await withPartitions(rest, nodes, signal);
        return { at, nodes: known.map(toNode), jobs: jobs.flatMap((job) => toJob(job, classes)) };
      },
      async usage(since, signal) {
        const path = `/jobs/?start_time=uts${Math.floor(since / 1000)}`;
        const { jobs } = await rest.call({ api: 'slurmdb', method: 'GET', path, shape: recordsReply, signal });
        return toUsage(jobs);
      },
      ...jobWrites(rest, scontrol, restAs),
      ...nodeWrites(rest, scontrol),
      ...(scontrol !== undefined && { moveNode: partitionMoves(rest, scontrol) }),
      ...(settings.powerLicence !== undefined && {
        powerLicence: (powerW: number) => `${settings.powerLicence}:${Math.ceil(powerW / 1000)}`,
      }),
      ...(settings.powerLicence === undefined || scontrol === undefined
        ? {}
        : { setPowerBudget: powerBudget(rest, scontrol, settings.powerLicence) }),
      close() {},
    };
  },
});

/** v0.0.36 does not say of a node in which partitions it is. */
async function withPartitions(rest: Slurmrestd, nodes: readonly SlurmNode[], signal: AbortSignal | undefined) {
  if ((await rest.version(signal)) > 36) return nodes;
  const { partitions } = await rest.call({ method: 'GET', path: '/partitions/', shape: partitionsReply, signal });
  const members = partitions.map(({ name, nodes: list }) => ({ name, nodes: new Set(expandHostlist(list)) }));
  return nodes.map((node) => ({
    ...node,
    partitions: members.flatMap(({ name, nodes: of }) => (of.has(node.name) ? [name] : [])),
  }));
}

type JobWrites = Pick<
  Required<ClusterHandle>,
  'submit' | 'submitAs' | 'hold' | 'release' | 'requeue' | 'cancel' | 'tellOwner' | 'pause' | 'unpause'
>;

function jobWrites(
  rest: Slurmrestd,
  scontrol: Scontrol | undefined,
  restAs: (user: string, token: SecretRef) => Slurmrestd,
): JobWrites {
  const update = async (id: string, body: object, signal: AbortSignal | undefined): Promise<void> => {
    const path = `/job/${jobNumber(id)}`;
    await rest.call({ method: 'POST', path, shape: plainReply, body: () => body, signal });
  };
  const sendSignal = async (id: string, number: number, signal: AbortSignal | undefined): Promise<void> => {
    const path = `/job/${jobNumber(id)}?signal=${number}`;
    await rest.call({ method: 'DELETE', path, shape: plainReply, signal });
  };
  return {
    submit: (job, signal) => submit(rest, job, signal),
    async submitAs({ cluster, user, token }, job, signal) {
      if (user === undefined || token === undefined)
        throw new Fault('unsupported', `${cluster} runs jobs as a user of Slurm: name its user and token`);
      try {
        return await submit(restAs(user, token), job, signal);
      } catch (error) {
        // Slurm says neither whose job it was nor that it does not know who that is.
        if (error instanceof Fault && (error.kind === 'refused' || error.kind === 'unauthorised'))
          throw new Fault(error.kind, `${error.message}; as ${user}, account ${job.account}`, { cause: error });
        throw error;
      }
    },
    hold: (id, signal) => update(id, { hold: true }, signal),
    release: (id, signal) => update(id, { hold: false }, signal),
    async requeue(id, signal) {
      try {
        const path = `/job/${jobNumber(id)}/requeue`;
        await rest.call({ method: 'GET', path, shape: plainReply, signal, once: true });
      } catch (error) {
        if (!(error instanceof Fault) || error.kind !== 'unsupported') throw error;
        if (scontrol === undefined)
          throw new Fault('unsupported', `${error.message}, and the site file names no scontrol`, { cause: error });
        await scontrol.run('requeue', [id], signal);
      }
    },
    async tellOwner(id, line, signal) {
      const comment = plainReason(MARK + line);
      if ((await rest.version(signal)) >= ADMIN_COMMENT) return update(id, { admin_comment: comment }, signal);
      // Older releases have the owner's own comment only.
      const path = `/job/${jobNumber(id)}`;
      const { jobs } = await rest.call({ method: 'GET', path, shape: jobsReply, signal });
      const written = jobs.find(({ job_id }) => String(job_id) === id)?.comment ?? '';
      if (written === '' || written.startsWith(MARK.trimEnd())) await update(id, { comment }, signal);
    },
    async cancel(id, signal) {
      await rest.call({ method: 'DELETE', path: `/job/${jobNumber(id)}`, shape: plainReply, signal });
    },
    pause: (id, signal) => sendSignal(id, SIGSTOP, signal),
    unpause: (id, signal) => sendSignal(id, SIGCONT, signal),
  };
}

async function submit(rest: Slurmrestd, job: JobRequest, signal: AbortSignal | undefined): Promise<string> {
  const body = (version: number): object => submission(job, version);
  // A job that nobody can run now is taken all the same, and an error told with its number (2068: its nodes are down or drained): it waits.
  const isDone = (reply: { job_id?: number | undefined }): boolean => (reply.job_id ?? 0) > 0;
  const call = { method: 'POST', path: '/job/submit', shape: submitReply, body, isDone, signal, once: true } as const;
  const { job_id } = await rest.call(call);
  if (job_id === undefined) throw new Fault('garbled', 'slurmrestd: submitted, but no job id came back');
  return String(job_id);
}

const PATH = '/bin:/usr/bin:/usr/local/bin';

function submission(job: JobRequest, version: number): object {
  const { name, partition, qos, account, gpus, timeLimitMinutes, script, licences, folder } = job;
  const asked = {
    name,
    partition,
    qos,
    account,
    time_limit: timeLimitMinutes,
    ...(licences === undefined ? {} : { licenses: licences }),
    ...(folder === undefined ? {} : { current_working_directory: folder }),
  };
  const gres = `gpu:${gpus}`;
  if (version < SCRIPT_INSIDE)
    return { script, job: { ...asked, ...(gpus === 0 ? {} : { gres }), environment: { PATH } } };
  const tres = gpus === 0 ? {} : { tres_per_node: `gres/${gres}` };
  return { job: { ...asked, ...tres, script, environment: [`PATH=${PATH}`] } };
}

type NodeWrites = Pick<Required<ClusterHandle>, 'drain' | 'resume' | 'powerDown' | 'powerUp'>;

function nodeWrites(rest: Slurmrestd, scontrol: Scontrol | undefined): NodeWrites {
  const look = async (name: string, signal: AbortSignal | undefined): Promise<SlurmNode> => {
    const { nodes } = await rest.call({ method: 'GET', path: `/node/${nodeName(name)}`, shape: nodesReply, signal });
    const node = nodes.find((one) => one.name === name);
    if (node === undefined) throw new Fault('refused', `Slurm knows no node ${name}`);
    return node;
  };
  const write = async (name: string, state: string, reason: string | undefined, signal: AbortSignal | undefined) => {
    const path = `/node/${nodeName(name)}`;
    const body = () => ({ state: [state], ...(reason === undefined ? {} : { reason: plainReason(reason) }) });
    await rest.call({ method: 'POST', path, shape: plainReply, body, signal });
  };
  /** By REST where it can, else by scontrol; then seen in what Slurm says of the node, or it was not done. */
  async function change(
    name: string,
    act: 'drain' | 'resume' | 'powerDown' | 'powerUp',
    reason: string | undefined,
    isDone: (flags: readonly string[]) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if ((await rest.version(signal)) >= NODE_WRITES) await write(name, REST_STATES[act], reason, signal);
    else if (scontrol === undefined)
      throw new Fault('unsupported', `this slurmrestd cannot ${act} a node; name scontrol in the site file`);
    else if (act === 'drain' || act === 'powerDown') await scontrol.run(act, [name, reason ?? MARK], signal);
    else await scontrol.run(act, [name], signal);
    const { flags } = flagsOf(await look(name, signal));
    if (!isDone(flags))
      throw new Fault('refused', `Slurm took ${act} of ${name} and did nothing; it is ${flags.join('+') || 'plain'}`);
  }
  /** A node that somebody else took out is theirs to bring back. */
  async function demandOurs(name: string, act: string, signal: AbortSignal | undefined): Promise<void> {
    const { reason } = await look(name, signal);
    if (reason.startsWith(MARK.trimEnd())) return;
    const theirs = reason === '' ? 'says no reason' : `says "${reason}"`;
    throw new Fault('refused', `${name} was not taken out by Busbar (its node ${theirs}): ${act} it with scontrol`);
  }
  const isDrained = (flags: readonly string[]): boolean => flags.includes('DRAIN');
  const isOff = (flags: readonly string[]): boolean => flags.some((flag) => /^POWER(ED|ING)?_DOWN$/.test(flag));
  const isComing = (flags: readonly string[]): boolean => flags.some((flag) => /^POWER(ING)?_UP$/.test(flag));
  return {
    async drain(name, why, signal) {
      const { flags } = flagsOf(await look(name, signal));
      // The reason of who drained it before stays, or we would resume their node one day.
      if (!isDrained(flags)) await change(name, 'drain', MARK + why, isDrained, signal);
    },
    async resume(name, signal) {
      await demandOurs(name, 'resume', signal);
      await change(name, 'resume', undefined, (flags) => !isDrained(flags), signal);
    },
    async powerDown(name, why, signal) {
      const { flags } = flagsOf(await look(name, signal));
      if (!isOff(flags)) await change(name, 'powerDown', MARK + why, isOff, signal);
    },
    async powerUp(name, signal) {
      await demandOurs(name, 'power up', signal);
      await change(name, 'powerUp', undefined, (flags) => isComing(flags) || !isOff(flags), signal);
    },
  };
}

const REST_STATES = { drain: 'DRAIN', resume: 'RESUME', powerDown: 'POWER_DOWN', powerUp: 'POWER_UP' } as const;

/**
 * No release of the REST API changes a partition: scontrol writes its list of nodes anew. First into the new one, so that no crash leaves a
 * node in none.
 */
function partitionMoves(rest: Slurmrestd, scontrol: Scontrol) {
  return async (node: string, from: string, to: string, signal?: AbortSignal): Promise<void> => {
    const members = async (partition: string): Promise<readonly string[]> => {
      const { partitions } = await rest.call({ method: 'GET', path: '/partitions/', shape: partitionsReply, signal });
      const found = partitions.find(({ name }) => name === partition);
      if (found === undefined) throw new Fault('refused', `Slurm has no partition ${partition}`);
      const list = expandHostlist(found.nodes);
      if (list === undefined)
        throw new Fault('garbled', `slurmrestd: nodes of partition ${partition}`, { bytes: found.nodes });
      return list;
    };
    async function change(partition: string, wanted: (list: readonly string[]) => readonly string[]): Promise<void> {
      const before = await members(partition);
      const then = wanted(before);
      if (then.length === before.length) return;
      await scontrol.run('partitionNodes', [partition, then], signal);
      if ((await members(partition)).includes(node) !== then.includes(node))
        throw new Fault('refused', `Slurm took the nodes of partition ${partition} and did nothing`);
    }
    await change(to, (list) => [...list.filter((name) => name !== node), node]);
    await change(from, (list) => list.filter((name) => name !== node));
  };
}

/**
 * The kilowatts that jobs may have altogether: what is more of the licence is reserved, so that no job starts with it. A
 * job that runs keeps what it has.
 */
function powerBudget(rest: Slurmrestd, scontrol: Scontrol, licence: string) {
  return async (budgetKw: number | undefined, signal?: AbortSignal): Promise<void> => {
    const read = async () => {
      const { licenses } = await rest.call({ method: 'GET', path: '/licenses/', shape: licencesReply, signal });
      const found = licenses.find(({ LicenseName }) => LicenseName === licence);
      if (found === undefined)
        throw new Fault('refused', `Slurm has no licence ${licence}; see Licenses in slurm.conf`);
      return found;
    };
    const { Total } = await read();
    const reserved = budgetKw === undefined ? 0 : Math.max(0, Total - Math.floor(budgetKw));
    const { reservations } = await rest.call({
      method: 'GET',
      path: '/reservations/',
      shape: reservationsReply,
      signal,
    });
    const exists = reservations.some(({ name }) => name === POWER_RESERVATION);
    if (reserved > 0)
      await scontrol.run(exists ? 'updateReserve' : 'createReserve', [POWER_RESERVATION, licence, reserved], signal);
    else if (exists) await scontrol.run('deleteReserve', [POWER_RESERVATION], signal);
    const { Reserved } = await read();
    if (Reserved !== reserved)
      throw new Fault('refused', `Slurm reserves ${Reserved} of ${licence} and not ${reserved}; who else reserves it?`);
  };
}
