import { z } from 'zod';
import {
  Fault,
  secretRef,
  siteMs,
  type ClusterNode,
  type Job,
  type JobState,
  type SiteMs,
  type WorkClass,
} from '../model/index.ts';
import { defineCluster } from './cluster.ts';
import { expandHostlist } from './hostlist.ts';

const config = z.strictObject({
  url: z.url(),
  user: z.string().default('busbar'),
  token: secretRef.optional().describe('where the JWT lies (scontrol token)'),
  version: z.string().default('v0.0.38'),
  timeoutMs: z.number().int().positive().default(5000),
});

/** slurmrestd names the number of an error in three ways. */
const errors = z
  .array(
    z.object({
      error: z.string().nullish(),
      error_number: z.number().nullish(),
      errno: z.number().nullish(),
      error_code: z.number().nullish(),
    }),
  )
  .nullish()
  .transform((list) => list ?? []);

/** slurmrestd writes null where Slurm holds an empty text: an account without accounting, the GRES of a plain node. */
const words = z
  .string()
  .nullish()
  .transform((text) => text ?? '');

const slurmNode = z.object({
  name: z.string(),
  address: words,
  state: words,
  state_flags: z.array(z.string()).default([]),
  gres: words,
  gres_used: words,
  partitions: z.array(z.string()).default([]),
  reason: words,
});

const slurmJob = z.object({
  job_id: z.number(),
  name: words,
  account: words,
  partition: words,
  qos: words,
  job_state: z.string(),
  state_reason: words,
  nodes: words,
  tres_req_str: words,
  tres_alloc_str: words,
  submit_time: z.number().nullish(),
  start_time: z.number().nullish(),
  end_time: z.number().nullish(),
  time_limit: z.number().nullish(),
  restart_cnt: z.number().nullish(),
});

const nodesReply = z.object({ errors, nodes: z.array(slurmNode) });
const jobsReply = z.object({ errors, jobs: z.array(slurmJob) });
const submitReply = z.object({ errors, job_id: z.number().optional() });
const plainReply = z.object({ errors });

/**
 * Slurm through slurmrestd. Node and job fields as in 22.05 (`v0.0.38`). That release cannot requeue over REST; the
 * call used here, `/job/{id}/requeue`, came with a later one, and a server without it answers 404: `unsupported`.
 */
export const slurm = defineCluster({
  name: 'slurm',
  about: 'Slurm through slurmrestd (v0.0.38)',
  config,
  open({ config: { url, user, token, version, timeoutMs }, classes }, io) {
    const base = `${url.replace(/\/$/, '')}/slurm/${version}`;
    // Asked for each call: a token that was renewed in its file needs no restart.
    const headers = () => ({
      'x-slurm-user-name': user,
      ...(token === undefined ? {} : { 'x-slurm-user-token': io.secret(token) }),
      'content-type': 'application/json',
    });

    async function call<S extends z.ZodType<{ errors: z.output<typeof errors> }>>(
      method: 'GET' | 'POST' | 'DELETE',
      path: string,
      shape: S,
      options: { body?: unknown; signal?: AbortSignal | undefined } = {},
    ): Promise<z.output<S>> {
      const where = `slurmrestd ${method} ${path}`;
      const body = options.body === undefined ? {} : { body: JSON.stringify(options.body) };
      const reply = await io.http.ask({
        method,
        url: base + path,
        headers: headers(),
        timeoutMs,
        signal: options.signal,
        ...body,
      });
      if (reply.status === 401 || reply.status === 403)
        throw new Fault('unauthorised', `${where}: ${reply.status}; is the token fresh and the user right?`);
      const parsed = shape.safeParse(tryJson(reply.body));
      // A bad path answers in plain text, and so with no errors[] to read.
      if (!parsed.success) {
        if (reply.status === 404)
          throw new Fault('unsupported', `${where}: 404; this slurmrestd has no such call`, { bytes: reply.body });
        if (reply.status >= 400)
          throw new Fault('refused', `${where}: ${reply.status} ${reply.body.slice(0, 200)}`, { bytes: reply.body });
        const problem = parsed.error.issues[0];
        throw new Fault('garbled', `${where}: ${problem?.path.join('.')}: ${problem?.message}`, { bytes: reply.body });
      }
      const failed = parsed.data.errors[0];
      if (failed !== undefined || reply.status >= 400) {
        const number = failed?.error_number ?? failed?.errno ?? failed?.error_code ?? '-';
        throw new Fault('refused', `${where}: ${failed?.error ?? `status ${reply.status}`} (${number})`);
      }
      return parsed.data;
    }

    return {
      async read(signal) {
        const at = io.siteNow();
        const [{ nodes }, { jobs }] = await Promise.all([
          call('GET', '/nodes/', nodesReply, { signal }),
          call('GET', '/jobs/', jobsReply, { signal }),
        ]);
        return { at, nodes: nodes.map(toNode), jobs: jobs.flatMap((job) => toJob(job, classes)) };
      },
      async submit(job, signal) {
        const body = {
          script: job.script,
          job: {
            name: job.name,
            partition: job.partition,
            qos: job.qos,
            account: job.account,
            gres: `gpu:${job.gpus}`,
            time_limit: job.timeLimitMinutes,
            environment: { PATH: '/bin:/usr/bin:/usr/local/bin' },
          },
        };
        const { job_id } = await call('POST', '/job/submit', submitReply, { body, signal });
        if (job_id === undefined) throw new Fault('garbled', 'slurmrestd: submitted, but no job id came back');
        return String(job_id);
      },
      async hold(id, signal) {
        await call('POST', `/job/${id}`, plainReply, { body: { hold: true }, signal });
      },
      async release(id, signal) {
        await call('POST', `/job/${id}`, plainReply, { body: { hold: false }, signal });
      },
      async requeue(id, signal) {
        await call('GET', `/job/${id}/requeue`, plainReply, { signal });
      },
      async cancel(id, signal) {
        await call('DELETE', `/job/${id}`, plainReply, { signal });
      },
      close() {},
    };
  },
});

function tryJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** `gpu:h100:8(S:0-1)`, `gpu:2080ti:4` or `gpu:8` -> part and count; other resources are passed over. */
function gpusOf(gres: string): { model: string | undefined; count: number } {
  const match = /(?:^|,)gpu(?::([\w.-]+))?:(\d+)(?=$|[,(])/i.exec(gres);
  return match === null ? { model: undefined, count: 0 } : { model: match[1]?.toLowerCase(), count: Number(match[2]) };
}

function toNode(node: z.output<typeof slurmNode>): ClusterNode {
  const { model, count } = gpusOf(node.gres);
  return {
    name: node.name,
    address: node.address,
    state: nodeState(node.state, node.state_flags),
    gpuModel: model,
    gpus: count,
    gpusUsed: gpusOf(node.gres_used).count,
    partitions: node.partitions,
    reason: node.reason === '' ? undefined : node.reason,
  };
}

function nodeState(state: string, flags: readonly string[]): ClusterNode['state'] {
  const base = state.toLowerCase().replace(/[*~#!%$@^-]+$/, '');
  const upper = flags.map((flag) => flag.toUpperCase());
  if (base === 'down' || upper.includes('NOT_RESPONDING')) return 'down';
  if (upper.includes('DRAIN')) return 'drained';
  if (base === 'idle' || base === 'mixed' || base === 'allocated') return base;
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
  STOPPED: 'running',
  SUSPENDED: 'running',
  COMPLETING: 'ending',
  STAGE_OUT: 'ending',
  COMPLETED: 'done',
  CANCELLED: 'cancelled',
  REVOKED: 'cancelled',
};

/** A job whose partition and QOS no class of the site file matches is nobody's business here. */
function toJob(job: z.output<typeof slurmJob>, classes: readonly WorkClass[]): Job[] {
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
      className: match.class,
      customer: job.account,
      gpuModel: match.gpu,
      gpus,
      nodes,
      submittedAt: seconds(job.submit_time),
      // Slurm writes the start it expects of a waiting job, and the latest end of a running one.
      startedAt: waits ? undefined : seconds(job.start_time),
      endedAt: ended ? seconds(job.end_time) : undefined,
      timeLimitS: job.time_limit === null || job.time_limit === undefined ? undefined : job.time_limit * 60,
      requeues: job.restart_cnt ?? 0,
    },
  ];
}

function jobState(word: string, reason: string): JobState {
  const state = STATES[word.toUpperCase()] ?? 'failed';
  return state === 'pending' && reason.startsWith('JobHeld') ? 'held' : state;
}

/** Slurm writes 0 for "not yet". */
function seconds(unix: number | null | undefined): SiteMs | undefined {
  return unix === null || unix === undefined || unix === 0 ? undefined : siteMs(unix * 1000);
}
