import { z } from 'zod';
import {
  Fault,
  siteMs,
  type ClusterNode,
  type Job,
  type JobState,
  type JobUsage,
  type SiteMs,
  type WorkClass,
} from '../../model/index.ts';
import { expandHostlist } from '../hostlist.ts';

/**
 * What slurmrestd writes, from v0.0.36 to v0.0.44, and what it means. Lower-case words up to v0.0.38; from v0.0.39 on
 * numbers that may be unset are `{ set, infinite, number }`, and states are lists (OpenAPI plug-ins of Slurm 23.02, 24.05).
 */

/** slurmrestd names the number of an error in three ways. */
const errors = z
  .array(
    z.object({
      error: z.string().nullish(),
      description: z.string().nullish(),
      error_number: z.number().nullish(),
      errno: z.number().nullish(),
      error_code: z.number().nullish(),
    }),
  )
  .nullish()
  .transform((list) => list ?? []);

export type SlurmErrors = z.output<typeof errors>;

/** Null where Slurm holds an empty text: an account without accounting, the GRES of a plain node. */
const words = z
  .string()
  .nullish()
  .transform((text) => text ?? '');

const count = z
  .union([z.number(), z.object({ set: z.boolean(), infinite: z.boolean().nullish(), number: z.number() })])
  .nullish()
  .transform((value) => {
    if (value === null || value === undefined || typeof value === 'number') return value ?? undefined;
    return value.set && value.infinite !== true ? value.number : undefined;
  });

const states = z
  .union([z.string(), z.array(z.string())])
  .nullish()
  .transform((value) => (Array.isArray(value) ? value : [value ?? '']));

/** A text with commas, or a list. */
const names = z
  .union([z.string(), z.array(z.string())])
  .nullish()
  .transform((value) => (Array.isArray(value) ? value : (value ?? '').split(',').filter(Boolean)));

const slurmNode = z.object({
  name: z.string(),
  address: words,
  state: states,
  state_flags: z.array(z.string()).default([]),
  gres: words,
  gres_used: words,
  partitions: names,
  reason: words,
});
export type SlurmNode = z.output<typeof slurmNode>;

const slurmJob = z.object({
  job_id: z.number(),
  name: words,
  account: words,
  partition: words,
  qos: words,
  job_state: states,
  state_reason: words,
  nodes: words,
  tres_req_str: words,
  tres_alloc_str: words,
  gres_detail: z.array(z.string()).nullish(),
  submit_time: count,
  start_time: count,
  end_time: count,
  time_limit: count,
  restart_cnt: z.number().nullish(),
  comment: words,
});

const partition = z.object({
  name: z.string(),
  nodes: z
    .union([z.string(), z.object({ configured: words })])
    .nullish()
    .transform((value) => (typeof value === 'string' ? value : (value?.configured ?? ''))),
});

const tres = z.object({ type: z.string(), name: words, count: count });
const record = z.object({
  job_id: z.number(),
  name: words,
  account: words,
  user: words,
  partition: words,
  time: z.object({ elapsed: z.number(), start: z.number(), submission: z.number() }),
  tres: z.object({ allocated: z.array(tres).nullish() }),
});

export const nodesReply = z.object({ errors, nodes: z.array(slurmNode) });
export const jobsReply = z.object({ errors, jobs: z.array(slurmJob) });
export const partitionsReply = z.object({ errors, partitions: z.array(partition) });
export const recordsReply = z.object({ errors, jobs: z.array(record) });
export const submitReply = z.object({ errors, job_id: z.number().optional() });
export const plainReply = z.object({ errors });
export const pingReply = z.object({ errors, pings: z.array(z.unknown()).nullish() });
export const licencesReply = z.object({
  errors,
  licenses: z.array(z.object({ LicenseName: z.string(), Total: z.number(), Used: z.number(), Reserved: z.number() })),
});
export const reservationsReply = z.object({ errors, reservations: z.array(z.object({ name: z.string() })) });

/** `gpu:h100:8(S:0-1)`, `gpu:2080ti:4` or `gpu:8` -> part and count; other resources are passed over. */
function gpusOf(gres: string): { model: string | undefined; count: number } {
  const match = /(?:^|,)gpu(?::([\w.-]+))?:(\d+)(?=$|[,(])/i.exec(gres);
  return match === null ? { model: undefined, count: 0 } : { model: match[1]?.toLowerCase(), count: Number(match[2]) };
}

/**
 * `gpu:h100:4(IDX:0-2,5)` of each node, in the order of its nodes. Undefined where Slurm leaves one out, or a GPU type has a part of its own:
 * half an answer would give one job the watts of another.
 */
function indexesOf(details: readonly string[], nodes: number): number[][] | undefined {
  const found = details.map((detail) => {
    const [list, more] = [...detail.matchAll(/(?:^|,)gpu(?::[\w.-]+)?:\d+\(IDX:([\d,-]+)\)/gi)].map(([, one]) => one!);
    return list === undefined || more !== undefined ? undefined : numbersOf(list);
  });
  const known = found.filter((one) => one !== undefined);
  return nodes > 0 && known.length === nodes ? known : undefined;
}

/** `0-2,5` -> 0, 1, 2, 5. */
function numbersOf(list: string): number[] | undefined {
  const parts = list.split(',').map((part) => /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part));
  if (parts.some((part) => part === null)) return undefined;
  return parts.flatMap((part) => {
    const from = Number(part![1]);
    return Array.from({ length: Math.max(0, Number(part![2] ?? from) - from + 1) }, (_, i) => from + i);
  });
}

/** State and flags in upper case, however the release writes them. */
export function flagsOf(node: SlurmNode): { readonly base: string; readonly flags: readonly string[] } {
  const [base = '', ...more] = node.state.map((word) => word.toUpperCase());
  return { base: base.replace(/[*~#!%$@^-]+$/, ''), flags: [...more, ...node.state_flags.map((f) => f.toUpperCase())] };
}

export function toNode(node: SlurmNode): ClusterNode {
  const { model, count: gpus } = gpusOf(node.gres);
  const { flags } = flagsOf(node);
  return {
    name: node.name,
    address: node.address,
    state: nodeState(node),
    isOff: flags.includes('POWERED_DOWN') || flags.includes('POWERING_DOWN'),
    gpuModel: model,
    gpus,
    gpusUsed: gpusOf(node.gres_used).count,
    partitions: node.partitions,
    reason: node.reason === '' ? undefined : node.reason,
  };
}

function nodeState(node: SlurmNode): ClusterNode['state'] {
  const { base, flags } = flagsOf(node);
  if (base === 'DOWN' || flags.includes('NOT_RESPONDING')) return 'down';
  if (flags.includes('DRAIN')) return 'drained';
  if (base === 'IDLE' || base === 'MIXED' || base === 'ALLOCATED')
    return base.toLowerCase() as 'idle' | 'mixed' | 'allocated';
  return 'unknown';
}

/** Words of `job_state_string` in slurm_protocol_defs.c; whatever is not here has ended, and not well. */
const STATES: Readonly<Record<string, JobState>> = {
  PENDING: 'pending',
  REQUEUED: 'pending',
  REQUEUE_FED: 'pending',
  REQUEUE_HOLD: 'held',
  RESV_DEL_HOLD: 'held',
  SPECIAL_EXIT: 'held',
  CONFIGURING: 'running',
  RUNNING: 'running',
  RESIZING: 'running',
  SIGNALING: 'running',
  // By a signal it keeps its CPUs, suspended it gives them to others; its GPUs it keeps either way.
  STOPPED: 'paused',
  SUSPENDED: 'paused',
  COMPLETING: 'ending',
  STAGE_OUT: 'ending',
  COMPLETED: 'done',
  CANCELLED: 'cancelled',
  REVOKED: 'cancelled',
};

/** A job whose partition and QOS no class of the site file matches is nobody's business here. */
export function toJob(job: z.output<typeof slurmJob>, classes: readonly WorkClass[]): Job[] {
  const match = classes.find((c) => c.match.partition === job.partition && c.match.qos === job.qos);
  if (match === undefined) return [];
  const gpus = Number(/gres\/gpu(?::[\w.-]+)?=(\d+)/.exec(job.tres_alloc_str || job.tres_req_str)?.[1] ?? 0);
  const state = jobState(job.job_state, job.state_reason);
  const nodes = expandHostlist(job.nodes);
  if (nodes === undefined) throw new Fault('garbled', `slurmrestd: nodes of job ${job.job_id}`, { bytes: job.nodes });
  const waits = state === 'pending' || state === 'held';
  const ended = state === 'done' || state === 'failed' || state === 'cancelled';
  return [
    {
      id: String(job.job_id),
      name: job.name,
      state,
      classId: match.id,
      className: match.class,
      customer: job.account,
      gpuModel: match.gpu,
      gpus,
      nodes,
      gpuIndexes: indexesOf(job.gres_detail ?? [], nodes.length),
      submittedAt: seconds(job.submit_time),
      // Slurm writes the start it expects of a waiting job, and the latest end of a running one.
      startedAt: waits ? undefined : seconds(job.start_time),
      endedAt: ended ? seconds(job.end_time) : undefined,
      timeLimitS: job.time_limit === undefined ? undefined : job.time_limit * 60,
      requeues: job.restart_cnt ?? 0,
    },
  ];
}

/** A list of states is one state and its flags: a job that ends is `["CANCELLED", "COMPLETING"]`. */
function jobState([word = '', ...flags]: readonly string[], reason: string): JobState {
  if (flags.some((flag) => flag.toUpperCase() === 'COMPLETING')) return 'ending';
  const state = STATES[word.toUpperCase()] ?? 'failed';
  if (state === 'running' && flags.some((flag) => flag.toUpperCase() === 'STOPPED')) return 'paused';
  return state === 'pending' && reason.startsWith('JobHeld') ? 'held' : state;
}

/** Slurm writes 0 for "not yet". */
function seconds(unix: number | undefined): SiteMs | undefined {
  return unix === undefined || unix === 0 ? undefined : siteMs(unix * 1000);
}

/**
 * Usage by job. slurmdbd keeps one record for each start of a job that was requeued, all of one id: these are summed. The
 * same record twice, as two answers that overlap hold it, counts once.
 */
export function toUsage(records: readonly z.output<typeof record>[]): JobUsage[] {
  const starts = new Map(records.map((one) => [`${one.job_id} ${one.time.submission} ${one.time.start}`, one]));
  const jobs = new Map<string, JobUsage>();
  for (const one of starts.values()) {
    const id = String(one.job_id);
    const allocated = one.tres.allocated ?? [];
    const gpus = allocated.find(({ type, name }) => type === 'gres' && name === 'gpu')?.count ?? 0;
    // Joules. Without a plug-in that measures, Slurm writes null, or a zero that no machine ever drew.
    const joules = allocated.find(({ type }) => type === 'energy')?.count;
    const isMeasured = joules !== undefined && joules > 0;
    const before = jobs.get(id);
    jobs.set(id, {
      id,
      name: one.name,
      customer: one.account,
      user: one.user,
      starts: (before?.starts ?? 0) + 1,
      elapsedS: (before?.elapsedS ?? 0) + one.time.elapsed,
      gpuSeconds: (before?.gpuSeconds ?? 0) + one.time.elapsed * gpus,
      energyWh: isMeasured ? (before?.energyWh ?? 0) + joules / 3600 : before?.energyWh,
      measuredStarts: (before?.measuredStarts ?? 0) + (isMeasured ? 1 : 0),
    });
  }
  return [...jobs.values()];
}
