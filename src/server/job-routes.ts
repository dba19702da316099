import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { mustAct } from '../control/trust.ts';
import {
  Fault,
  isOfClass,
  isOpenTo,
  isoUtc,
  visibleAccounts,
  xidWords,
  type Job,
  type SiteMs,
} from '../model/index.ts';
import * as shapes from '../model/jobs-api.ts';
import { actorOf, personOf } from './access/policy.ts';
import { resumesAt, waitingBefore, type SiteCluster } from './clusters.ts';
import { killed } from './job-kill.ts';
import { licencesFor } from './power-budgets.ts';
import { ApiProblem, orProblem } from './problems.ts';
import { refusalsOnRecord } from './refusals.ts';
import type { App } from './routes.ts';
import { previewLadder, type RungFacts } from './gpu/ladder.ts';
import type { JobLimit } from './gpu/job-limits.ts';
import { pauseView } from './job-pause-routes.ts';
import type { JobTruth } from './gpu/truth.ts';
import type { Runtime } from './runtime.ts';
import { askerOf, type Asker } from './tenants/routes.ts';
import { accountFor, runAsOf, withinQuota } from './tenants/submit.ts';

const jobAddress = z.object({ cluster: z.string(), id: z.string() });

/** Jobs of the clusters: what runs and waits, and what a person sends or takes back. */
export function jobRoutes(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/jobs',
    {
      config: { needs: 'viewer', customers: true },
      schema: {
        tags: ['control'],
        summary: 'Jobs of every cluster, as it told them last',
        response: { 200: shapes.jobsPage },
      },
    },
    (request) => pageOf(runtime, askerOf(runtime.site, request)),
  );
  app.post(
    '/api/v1/jobs',
    {
      onError: refusalsOnRecord(runtime, 'submit a job'),
      // A script runs as the user that jobs have there: no less than what an admin may do. A customer's runs as the tenant's own user.
      config: { needs: 'admin', customers: true },
      schema: {
        tags: ['control'],
        summary: 'Submit a job to the cluster of a class of work',
        body: shapes.jobSubmitRequest,
        response: { 201: shapes.jobSubmitted },
      },
    },
    async (request, reply) => {
      const { why, class: classId, customer: bookedTo, project, ...job } = request.body;
      const config = runtime.site.clusters.find(({ classes }) => classes.some(({ id }) => id === classId));
      const work = config?.classes.find(({ id }) => id === classId);
      if (config === undefined || work === undefined)
        throw new ApiProblem(404, 'Not found', `there is no class of work "${classId}"${classesText(runtime)}`);
      const { handle } = clusterOf(runtime, config.id);
      const asker = askerOf(runtime.site, request);
      const customer = accountFor(asker, { customer: bookedTo, project });
      if (asker !== undefined && !isOpenTo(runtime.site, work, asker.tenant))
        throw new ApiProblem(403, 'Not your class', `${classId} is reserved for who signed for it, which you did not`);
      const as = asker && runAsOf(asker, config);
      const { partition, qos } = work.match;
      const licences = licencesFor(handle, work, job);
      const wanted = { ...job, licences, account: customer, partition, qos };
      const send = () =>
        as === undefined
          ? demand(handle.submit, `${config.id} takes no jobs from here`)(wanted)
          : demand(handle.submitAs, `${config.id} runs no jobs as a user of a tenant`)(as, wanted);
      const id = await withinQuota(runtime, { config, work, customer, ...job }, () =>
        carryOut(runtime, asker, `submit job ${job.name}`, send),
      );
      const what = `submit job ${config.id}/${id} (${job.name}, ${job.gpus} GPUs, ${classId}, for ${customer})`;
      record(runtime, whoOf(request), what, why);
      return reply.code(201).send({ cluster: config.id, id });
    },
  );
  app.get(
    '/api/v1/jobs/:cluster/:id/output',
    {
      config: { needs: 'operator', customers: true },
      schema: {
        tags: ['control'],
        summary: 'The end of what a job has written, one megabyte of it at the most',
        params: jobAddress,
        response: { 200: shapes.jobOutput },
      },
    },
    async (request) => {
      const { cluster, id } = request.params;
      const asker = mustBeTheirs(runtime, request, cluster, id);
      const { handle } = clusterOf(runtime, cluster);
      const elsewhere = `the output of jobs of ${cluster} lies on its own file system: look there`;
      return { cluster, id, output: await asked(asker, () => demand(handle.output, elsewhere)(id)) };
    },
  );
  app.post(
    '/api/v1/jobs/:cluster/:id/cancel',
    {
      onError: refusalsOnRecord(runtime, 'cancel a job'),
      config: { needs: 'operator', customers: true },
      schema: {
        tags: ['control'],
        summary: 'End a job, whether it waits or runs',
        params: jobAddress,
        body: shapes.jobChangeRequest,
        response: { 202: shapes.jobSubmitted },
      },
    },
    async (request, reply) => {
      const { cluster, id } = request.params;
      const asker = mustBeTheirs(runtime, request, cluster, id);
      const { handle } = clusterOf(runtime, cluster);
      const { why } = request.body;
      const cancel = () => demand(handle.cancel, `${cluster} cancels no jobs from here`)(id);
      await carryOut(runtime, asker, `cancel job ${cluster}/${id}`, () =>
        asker === undefined ? killed(runtime, cluster, id, why, cancel) : cancel(),
      );
      record(runtime, whoOf(request), `cancel job ${cluster}/${id}`, why);
      return reply.code(202).send({ cluster, id });
    },
  );
}

export function ladderRoute(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/jobs/ladder',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['control'],
        summary:
          'What of AI and HPC work would give way for so many megawatts, with price and watts; nothing is carried out',
        querystring: z.object({
          mw: z.coerce.number().positive().max(10_000),
          hours: z.coerce.number().positive().max(720).default(1),
        }),
        response: { 200: shapes.ladderPage },
      },
    },
    ({ query: { mw, hours } }) => {
      const { site, fleet, clusters, gpus, clock, availability } = runtime;
      const { work } = runtime.picture();
      const sources = { site, fleet, clusters: clusters.byId.values(), work, gpus, availability, at: clock.now() };
      const { chosen, rungs, ...sums } = previewLadder(sources, mw * 1e6, hours);
      return { ...sums, chosen: chosen.map(rungView), rungs: rungs.map(rungView) };
    },
  );
}

function rungView(one: RungFacts): shapes.LadderPage['rungs'][number] {
  const { kind, subject, name, className, gpus, nodes, watts, wattsBasis, seconds, usd, lost, by } = one;
  return {
    kind,
    subject,
    name,
    class: className ?? null,
    gpus,
    nodes: [...nodes],
    watts: watts ?? null,
    wattsBasis: wattsBasis ?? null,
    seconds: seconds ?? null,
    usd: usd ?? null,
    lostSeconds: lost?.seconds ?? null,
    lostBasis: lost?.basis ?? null,
    by,
  };
}

/** The mild rungs of the ladder, taken by a person. */
export function limitRoutes(app: App, runtime: Runtime): void {
  app.post(
    '/api/v1/jobs/:cluster/:id/limit',
    {
      onError: refusalsOnRecord(runtime, 'limit a job'),
      config: { needs: 'operator' },
      schema: {
        tags: ['control'],
        summary: 'Slow all GPUs of a job down, by power or by clock: all of its servers, or none',
        params: jobAddress,
        body: shapes.jobLimitRequest,
        response: { 202: shapes.jobSubmitted },
      },
    },
    async (request, reply) => {
      const { cluster, id } = request.params;
      const { powerPct, clockMhz, why } = request.body;
      const limit =
        powerPct === undefined
          ? ({ kind: 'lock-clocks', mhz: clockMhz! } as const)
          : ({ kind: 'cap-power', pct: powerPct } as const);
      const who = whoOf(request);
      await orProblem(() => runtime.jobLimits.limit({ clusterId: cluster, jobId: id, limit, who, why }));
      return reply.code(202).send({ cluster, id });
    },
  );
  app.post(
    '/api/v1/jobs/:cluster/:id/unlimit',
    {
      onError: refusalsOnRecord(runtime, 'let a job go'),
      config: { needs: 'operator' },
      schema: {
        tags: ['control'],
        summary: 'Give the GPUs of a job their limits back',
        params: jobAddress,
        body: shapes.jobChangeRequest,
        response: { 202: shapes.jobSubmitted },
      },
    },
    async (request, reply) => {
      const { cluster, id } = request.params;
      await orProblem(() => runtime.jobLimits.release(cluster, id, whoOf(request), request.body.why));
      return reply.code(202).send({ cluster, id });
    },
  );
}

/** What a person says of a GPU that failed. */
export function repairedRoute(app: App, runtime: Runtime): void {
  app.post(
    '/api/v1/machines/:id/repaired',
    {
      onError: refusalsOnRecord(runtime, 'take a repaired server back'),
      config: { needs: 'operator' },
      schema: {
        tags: ['machines'],
        summary: 'Take a server whose GPU failed back into the plan, whatever its driver still tells of the fault',
        params: z.object({ id: z.string() }),
        body: shapes.jobChangeRequest,
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (runtime.fleet.byId(id) === undefined) throw new ApiProblem(404, 'Not found', `no machine "${id}"`);
      if (!runtime.gpus.faults.clear(id, actorOf(personOf(request)), request.body.why))
        throw new ApiProblem(409, 'Nothing to take back', `no GPU of ${id} is out of the plan`);
      return reply.code(204).send();
    },
  );
}

const classesText = ({ site }: Runtime): string => {
  const ids = site.clusters.flatMap(({ classes }) => classes.map(({ id }) => id));
  return ids.length === 0 ? ': the site file names no cluster' : `; there are ${ids.join(', ')}`;
};

function clusterOf(runtime: Runtime, id: string): SiteCluster {
  const cluster = runtime.clusters.byId.get(id);
  if (cluster === undefined) throw new ApiProblem(404, 'Not found', `there is no cluster "${id}"`);
  return cluster;
}

function demand<T>(method: T | undefined, otherwise: string): T {
  if (method === undefined) throw new Fault('unsupported', otherwise);
  return method;
}

/** A person asked for it: what is in suggest follows, what is in shadow writes to nothing. */
const carryOut = <T>(runtime: Runtime, asker: Asker | undefined, what: string, act: () => Promise<T>): Promise<T> =>
  asked(asker, () => {
    mustAct(runtime.people.trust(), what, true);
    return act();
  });

const asked = <T>(asker: Asker | undefined, act: () => Promise<T>): Promise<T> => orProblem(act, asker && NO_ANSWER);

const NO_ANSWER = 'it does not answer at the moment; what runs there goes on';

/** A customer stands in the record with its tenant. */
function whoOf(request: FastifyRequest): string {
  const person = personOf(request);
  return person.tenant === undefined ? actorOf(person) : `${actorOf(person)} of ${person.tenant}`;
}

/** To a customer there are no jobs but its own. @throws ApiProblem 404 */
function mustBeTheirs(runtime: Runtime, request: FastifyRequest, cluster: string, id: string): Asker | undefined {
  const asker = askerOf(runtime.site, request);
  if (asker === undefined) return undefined;
  const accounts = visibleAccounts(asker.tenant, asker.account);
  const jobs = runtime.clusters.byId.get(cluster)?.reading?.jobs ?? [];
  const isTheirs =
    jobs.some((job) => job.id === id && accounts.has(job.customer)) || runtime.customers.isTaken(cluster, id, accounts);
  if (!isTheirs) throw new ApiProblem(404, 'Not found', `you have no job ${cluster}/${id}`);
  return asker;
}

function record(runtime: Runtime, who: string, what: string, why: string): void {
  runtime.journal.act({ id: `job-${randomUUID()}`, at: runtime.clock.now(), who, what, why });
}

function pageOf(runtime: Runtime, asker: Asker | undefined): shapes.JobsPage {
  const known = [...runtime.clusters.byId.values()];
  const accounts = asker && visibleAccounts(asker.tenant, asker.account);
  const drivers = new Map(runtime.site.clusters.map(({ id, driver }) => [id, driver]));
  return {
    clusters: known.map(({ id, reading, failure }) => ({
      id,
      driver: drivers.get(id) ?? '',
      readAt: time(reading?.at),
      failure: failure === undefined ? null : asker === undefined ? failure : NO_ANSWER,
    })),
    jobs: known.flatMap((cluster) =>
      (cluster.reading?.jobs ?? [])
        .filter((job) => accounts === undefined || accounts.has(job.customer))
        .map((job) => jobView(runtime, cluster, job)),
    ),
    // What stands in a rack and failed there is the site's to know.
    gpuFaults:
      asker !== undefined
        ? []
        : runtime.gpus.faults.list().map(({ machineId, gpu, xid, since }) => ({
            machine: machineId,
            gpu,
            xid,
            what: xidWords(xid),
            since: isoUtc(since),
          })),
    withoutJob:
      asker !== undefined
        ? []
        : runtime.gpus.truth
            .unaccounted()
            .map(({ clusterId, machineId, powerW }) => ({ cluster: clusterId, machine: machineId, powerW })),
  };
}

const time = (at: SiteMs | undefined): string | null => (at === undefined ? null : isoUtc(at));

function truthView(told: JobTruth): shapes.ClusterJobView['measured'] {
  return {
    powerW: told.powerW ?? null,
    isEstimated: told.isEstimated,
    utilisationPct: told.utilisationPct ?? null,
    energyWh: told.energyWh ?? null,
    energyBasis: told.energyBasis ?? null,
    energyCoveragePct: told.energyCoveragePct ?? null,
    floorW: told.floorW ?? null,
    flexibleW: told.flexibleW ?? null,
    idleGpus: told.idleGpus ?? null,
    isStuck: told.isStuck ?? null,
  };
}

/** Why a job waits that we hold, and when it goes on as far as the plan in force knows. */
function waitOf(
  runtime: Runtime,
  { id, reading, waits, heldByUs }: SiteCluster,
  job: Job,
): shapes.ClusterJobView['givesWay'] {
  const wait = heldByUs.has(job.id) ? waits.get(job.id) : undefined;
  if (wait === undefined) return null;
  const work = runtime.site.clusters.find((cluster) => cluster.id === id)?.classes.find((one) => isOfClass(job, one));
  const plan = runtime.plan();
  const alike = work === undefined ? [] : (reading?.jobs ?? []).filter((other) => isOfClass(other, work));
  const gpus = waitingBefore(alike, job, heldByUs);
  const at = plan === undefined || work === undefined ? undefined : resumesAt(plan, work.id, gpus);
  return { why: wait.why, since: isoUtc(wait.since), resumesAt: time(at) };
}

function limitView(one: JobLimit | undefined): shapes.ClusterJobView['limit'] {
  if (one === undefined) return null;
  const { kind, value, who, why, at, seen } = one;
  return { kind, value, who, why, since: isoUtc(at), releasedW: seen?.releasedW ?? null };
}

function jobView(runtime: Runtime, of: SiteCluster, job: Job): shapes.ClusterJobView {
  const { id: cluster, heldByUs } = of;
  const { id, name, state, className, customer, gpuModel, gpus, nodes, timeLimitS, requeues, why } = job;
  return {
    cluster,
    id,
    name,
    state,
    heldByBusbar: heldByUs.has(id),
    class: className,
    customer,
    gpuModel,
    gpus,
    nodes: [...nodes],
    submittedAt: time(job.submittedAt),
    startedAt: time(job.startedAt),
    endedAt: time(job.endedAt),
    timeLimitS: timeLimitS ?? null,
    requeues,
    why: why ?? null,
    givesWay: waitOf(runtime, of, job),
    limit: limitView(runtime.jobLimits.of(cluster, id)),
    pause: pauseView(runtime.jobPauses.of(cluster, id)),
    measured: truthView(runtime.gpus.truth.job(cluster, job)),
  };
}
