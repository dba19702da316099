import { z } from 'zod';
import { reason } from './reason.ts';
import { WORK_CLASSES } from './work.ts';

/** Jobs of the clusters, in the form the API tells them. */

const siteTime = z.iso.datetime().describe('site clock, UTC');

const measured = z.number().nullable();

/** What the GPUs of a running job tell themselves. */
export const jobTruth = z.object({
  powerW: measured.describe('of its GPUs, without their hosts; null: one of its servers tells nothing'),
  isEstimated: z.boolean().describe('it shares a server and nobody says which GPUs are its own: its part is by number'),
  utilisationPct: measured,
  energyWh: measured.describe('over all its starts, as far as covered'),
  energyBasis: z.enum(['counters', 'readings', 'both']).nullable(),
  energyCoveragePct: measured.describe('part of the running time of its GPUs that the energy is of'),
  floorW: measured.describe('what its GPUs draw idle, as seen on these servers; null: not seen often enough'),
  flexibleW: measured.describe('what stopping it would release: measured draw less measured floor'),
  idleGpus: measured.describe('GPUs it holds that have done nothing for ten minutes; null: not known'),
  isStuck: z.boolean().nullable().describe('for ten minutes it drew no more than its GPUs do idle'),
});

export const clusterJob = z.object({
  cluster: z.string(),
  id: z.string(),
  name: z.string(),
  state: z.enum(['pending', 'held', 'running', 'paused', 'ending', 'done', 'failed', 'cancelled']),
  heldByBusbar: z.boolean().describe('held by the plan, which releases it again'),
  class: z.enum(WORK_CLASSES),
  customer: z.string(),
  gpuModel: z.string(),
  gpus: z.number().int(),
  nodes: z.array(z.string()),
  submittedAt: siteTime.nullable(),
  startedAt: siteTime.nullable(),
  endedAt: siteTime.nullable(),
  timeLimitS: z.number().nullable(),
  requeues: z.number().int(),
  why: z.string().nullable().describe('why it ended or waits, where its cluster says'),
  givesWay: z
    .object({
      why: z.string(),
      since: siteTime,
      resumesAt: siteTime.nullable().describe('when the plan has room for it again; null: it does not know'),
    })
    .nullable()
    .describe('of a job that the plan holds; null: it does not wait for power'),
  limit: z
    .object({
      kind: z.enum(['cap-power', 'lock-clocks']),
      value: z.number().describe('percent of the power limit before, or MHz'),
      who: z.string(),
      why: z.string(),
      since: siteTime,
      releasedW: z.number().nullable().describe('seen to draw less by so much; null: not seen yet'),
    })
    .nullable()
    .describe('all of its GPUs are slowed down by hand, until it ends or is let go'),
  pause: z
    .object({
      who: z.string(),
      why: z.string(),
      since: siteTime,
      releasedW: z.number().nullable().describe('seen to draw less by so much; null: not seen yet, or not measured'),
    })
    .nullable()
    .describe('stopped by hand from here, until a person lets it go on; null: it was not Busbar that paused it'),
  measured: jobTruth,
});
export type ClusterJobView = z.infer<typeof clusterJob>;

export const jobsPage = z.object({
  clusters: z.array(
    z.object({
      id: z.string(),
      driver: z.string(),
      readAt: siteTime.nullable().describe('null: it has never answered'),
      failure: z.string().nullable().describe('why it does not answer now; the jobs are those it told last'),
    }),
  ),
  jobs: z.array(clusterJob),
  gpuFaults: z
    .array(
      z.object({
        machine: z.string(),
        gpu: z.number().int(),
        xid: z.number().int(),
        what: z.string(),
        since: siteTime,
      }),
    )
    .describe('GPUs that failed for good: their nodes are out of the plan'),
  withoutJob: z
    .array(z.object({ cluster: z.string(), machine: z.string(), powerW: z.number() }))
    .describe('servers that draw or work though their scheduler has no job on them'),
});
export type JobsPage = z.infer<typeof jobsPage>;

const rung = z.object({
  kind: z.enum(['lock-clocks', 'cap-power', 'power-off', 'checkpoint-requeue', 'pause', 'requeue', 'kill']),
  subject: z.string().describe('cluster/job, or cluster/node that nothing runs on'),
  name: z.string(),
  class: z.enum(WORK_CLASSES).nullable(),
  gpus: z.number(),
  nodes: z.array(z.string()).describe('all that a limit applies to: a gang of ranks gives way whole'),
  watts: measured.describe('what it releases; null: nobody measured it, and it is counted on for nothing'),
  wattsBasis: z
    .enum(['learned', 'measured', 'swept'])
    .nullable()
    .describe(
      'of this rung on this part before; of the draw of this very job less its floor; of the power curve of its class',
    ),
  seconds: measured.describe('until it is seen in power, as learned'),
  usd: measured.describe('for the hours asked for; null: no price is known'),
  lostSeconds: measured.describe('work of each GPU that is done again'),
  lostBasis: z.enum(['checkpoint', 'interval', 'start']).nullable(),
  by: z.enum(['busbar', 'person']).describe('whether a plan has it done, or only a person may'),
});
export const ladderPage = z.object({
  wantedW: z.number(),
  hours: z.number(),
  releasedW: z.number(),
  chosen: z.array(rung).describe('what would give way by itself, in that order'),
  rungs: z.array(rung).describe('every way there is now'),
});
export type LadderPage = z.infer<typeof ladderPage>;

const line = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]*$/, 'letters, digits, space, dot, dash');

export const jobSubmitRequest = z.strictObject({
  class: z.string().describe('id of a class of work in the site file: it names the cluster, the partition and the QOS'),
  name: line,
  script: z.string().max(262_144).regex(/^#!/, 'a script whose first line begins with #!'),
  customer: line.optional().describe('account it is booked to; of a customer, that of its project'),
  project: z.string().max(64).optional().describe('of the tenant that asks; absent: its only one'),
  gpus: z.number().int().min(0).max(100_000),
  timeLimitMinutes: z.number().int().min(1).max(525_600),
  folder: z.string().startsWith('/').max(1_000).optional().describe('where it starts, on the file system of a Slurm'),
  licences: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_]*:\d+(,[A-Za-z][A-Za-z0-9_]*:\d+)*$/, 'name:count, as site_kw:12')
    .optional(),
  cpus: z.number().int().min(1).max(4_096).optional().describe('on a local cluster; default 1'),
  memoryMb: z.number().int().min(1).optional().describe('on a local cluster: writable memory of each process'),
  checkpointSignal: z.enum(['SIGUSR1', 'SIGUSR2']).optional().describe('on a local cluster'),
  why: reason,
});

export const jobLimitRequest = z
  .strictObject({
    powerPct: z.number().min(40).max(99).optional().describe('of the power limit its servers have now'),
    clockMhz: z.number().int().min(200).max(4_000).optional().describe('highest clock of its GPUs'),
    why: reason,
  })
  .refine(({ powerPct, clockMhz }) => (powerPct === undefined) !== (clockMhz === undefined), {
    error: 'expected one of powerPct and clockMhz',
    path: ['powerPct'],
  });

export const jobSubmitted = z.object({ cluster: z.string(), id: z.string() });
export const jobChangeRequest = z.strictObject({ why: reason });
export const jobOutput = z.object({ cluster: z.string(), id: z.string(), output: z.string() });
