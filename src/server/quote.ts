import { quoteFor, type Quote, type QuoteClass, type QuotePart, type QueuedJob } from '../dispatch/quote.ts';
import {
  usableNodes,
  roleOf,
  plannedInterruptUsdPerGpu,
  gpusOf,
  holdsGpus,
  CATALOGUE,
  DAY,
  isoUtc,
  siteMs,
  WORK_CLASSES,
  type ClusterConfig,
  type ClusterReading,
  type Job,
  type SiteMs,
  type WorkClass,
} from '../model/index.ts';
import * as shapes from '../model/quote-api.ts';
import { ApiProblem } from './problems.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';
import { classOf } from './tenants/meter.ts';

/** What a job would cost and when it would run: for those who run the site, and for customers. */
export function quoteRoutes(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/quote',
    {
      config: { needs: 'viewer', customers: true },
      schema: {
        tags: ['tenants'],
        summary: 'What a job would cost, and when it would run by the plan',
        querystring: shapes.quoteQuery,
        response: { 200: shapes.quoteView },
      },
    },
    ({ query: { class: classId, gpus, minutes, by } }) => {
      const config = runtime.site.clusters.find(({ classes }) => classes.some(({ id }) => id === classId));
      const work = config?.classes.find(({ id }) => id === classId);
      if (config === undefined || work === undefined)
        throw new ApiProblem(404, 'Not found', `there is no class of work "${classId}"`);
      const plan = runtime.plan();
      const reading = runtime.clusters.byId.get(config.id)?.reading;
      if (plan === undefined || reading === undefined)
        throw new ApiProblem(
          409,
          'Nothing to go by yet',
          plan === undefined ? 'no plan is made yet' : `${config.id} has not told its jobs yet`,
        );
      const ask = { gpus, minutes, by: by === undefined ? undefined : siteMs(Date.parse(by)) };
      const of = (one: WorkClass) => {
        const part = partOf(config, reading, one, plan.steps, runtime.clock.now());
        return quoteFor(part, ask, quoteClass(one, reading, runtime));
      };
      const interruptible = cheapestInterruptible(config, work, runtime);
      return {
        asked: view(of(work)),
        interruptible: interruptible === undefined ? null : view(of(interruptible)),
        planMadeAt: isoUtc(plan.madeAt),
      };
    },
  );
}

/** Of the same GPUs, another class that gives way before this one and has a price. */
function cheapestInterruptible({ classes }: ClusterConfig, work: WorkClass, runtime: Runtime): WorkClass | undefined {
  const price = (one: WorkClass) => priceOf(runtime, one.id);
  return classes
    .filter(
      (one) =>
        one.gpu === work.gpu &&
        one.id !== work.id &&
        givesWay(one) &&
        rank(one) > rank(work) &&
        price(one) !== undefined,
    )
    .sort((a, b) => price(a)! - price(b)!)[0];
}

const rank = ({ class: name }: Pick<WorkClass, 'class'>): number => WORK_CLASSES.indexOf(name);
/** Reserved and on-demand work is put back only where the plan has no better way; a quote calls interruptible what is sold as such. */
const givesWay = (one: WorkClass): boolean => one.preemptible && (one.class === 'preemptible' || one.class === 'batch');
const priceOf = (runtime: Runtime, id: string): number | undefined =>
  runtime.picture().work.find(({ workClass }) => workClass.id === id)?.usdPerGpuHour;

export function partOf(
  cluster: Pick<ClusterConfig, 'classes' | 'roles'>,
  { nodes, jobs }: Pick<ClusterReading, 'nodes' | 'jobs'>,
  work: WorkClass,
  steps: QuotePart['steps'],
  now: SiteMs,
): QuotePart {
  const role = roleOf(cluster, work);
  const sharing = cluster.classes.filter((one) => one.gpu === work.gpu && roleOf(cluster, one) === role);
  const of = (job: Job) => classOf(job, sharing);
  const queued = (job: Job): QueuedJob => ({ workClass: of(job)!.id, gpus: job.gpus, leftMs: leftMs(job, now) });
  const mine = jobs.filter((job) => of(job) !== undefined);
  const waits = mine.filter(({ state }) => state === 'pending' || state === 'held');
  return {
    now,
    steps,
    capacity: gpusOf(usableNodes(nodes, work.gpu, role)),
    classes: sharing.map(({ id }) => id),
    running: mine.filter(holdsGpus).map(queued),
    waiting: waits
      .filter((job) => rank(of(job)!) <= rank(work))
      .sort((a, b) => rank(of(a)!) - rank(of(b)!) || (a.submittedAt ?? 0) - (b.submittedAt ?? 0))
      .map(queued),
  };
}

/** A job beyond its limit is about to be ended. */
function leftMs({ timeLimitS, startedAt, state }: Job, now: SiteMs): number | undefined {
  // When a paused job goes on is for whoever paused it to say.
  if (timeLimitS === undefined || state === 'paused') return undefined;
  const ran = startedAt === undefined || state === 'pending' || state === 'held' ? 0 : now - startedAt;
  return Math.max(0, timeLimitS * 1000 - ran);
}

function quoteClass(work: WorkClass, reading: ClusterReading, runtime: Runtime): QuoteClass {
  const measured = work.powerCurve?.at(-1)?.powerW;
  const model = [...CATALOGUE.values()].find((one) => one.kind === 'gpu-server' && one.gpuModel === work.gpu);
  const nominal = model?.kind === 'gpu-server' ? model.gpuBusyW : undefined;
  return {
    id: work.id,
    isInterruptible: givesWay(work),
    usdPerGpuHour: priceOf(runtime, work.id),
    gpuPowerW: measured ?? nominal,
    powerSource: measured !== undefined ? 'measured' : nominal !== undefined ? 'nominal' : undefined,
    interruptsPerDay: interruptsPerDay(reading, work, runtime.clock.now()),
    interruptUsdPerGpu: plannedInterruptUsdPerGpu(work, priceOf(runtime, work.id) ?? 0),
  };
}

/**
 * How often a job of a class was put back in the queue for each day that one ran, of the jobs its cluster still tells of. Time before the
 * last start of a job that was put back is not told, so this is the most it can have been.
 */
export function interruptsPerDay(
  { jobs }: Pick<ClusterReading, 'jobs'>,
  work: WorkClass,
  now: SiteMs,
): number | undefined {
  const ran = jobs.filter((job) => classOf(job, [work]) !== undefined && job.startedAt !== undefined);
  const days = ran.reduce((sum, job) => sum + Math.max(0, (job.endedAt ?? now) - job.startedAt!) / DAY, 0);
  return days === 0 ? undefined : ran.reduce((sum, { requeues }) => sum + requeues, 0) / days;
}

const time = (at: SiteMs | undefined): string | null => (at === undefined ? null : isoUtc(at));

const view = (quote: Quote): shapes.QuoteOption => ({
  workClass: quote.workClass,
  isInterruptible: quote.isInterruptible,
  startsAt: time(quote.startsAt),
  endsAt: time(quote.endsAt),
  isInTime: quote.isInTime ?? null,
  cost: quote.cost ?? null,
  expectedLoss: quote.expectedLoss ?? null,
  interruptsPerDay: quote.interruptsPerDay ?? null,
  energyKwh: quote.energyKwh ?? null,
  powerSource: quote.powerSource ?? null,
  why: quote.why,
});
