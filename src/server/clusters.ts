import { z } from 'zod';
import type { ClusterHandle, ClusterIo } from '../clusters/cluster.ts';
import { mustAct, type Trust } from '../control/trust.ts';
import { bySubmission, workActions, type WorkAction } from '../control/work.ts';
import {
  asFault,
  canCheckpoint,
  Fault,
  gpusOf,
  interruptionUsdPerGpu,
  isOfClass,
  isoUtc,
  lostWork,
  MINUTE,
  pausedGpusOn,
  siteMs,
  usableNodes,
  type ClusterReading,
  type Job,
  type Plan,
  type Site,
  type SiteMs,
  type Snapshot,
} from '../model/index.ts';
import { StoreFailure } from '../store/queue.ts';
import type { Store } from '../store/store.ts';
import type { Planned } from './bookkeeper.ts';
import type { WorkPicture } from './picture.ts';
import { CLUSTERS } from './registry.ts';

export interface SiteCluster {
  readonly id: string;
  readonly handle: ClusterHandle;
  reading: ClusterReading | undefined;
  failure: string | undefined;
  /** Jobs held by our hand: the only ones we release. */
  readonly heldByUs: Set<string>;
  /** Of those, the ones that a person confirmed. */
  readonly heldAsConfirmed: Set<string>;
  /** Nodes on their way into another role, and which. */
  readonly movingTo: Map<string, string>;
  /** Why a job waits that we hold, and since when. */
  readonly waits: Map<string, { readonly why: string; readonly since: SiteMs }>;
  /** When a job was last told to keep a checkpoint. */
  readonly checkpointedAt: Map<string, SiteMs>;
  /** Keeps both held sets for the next life of the process: a job that nobody knows to be held by us waits for ever. */
  keep(): void;
}

export interface SiteClusters {
  readonly byId: ReadonlyMap<string, SiteCluster>;
  readAll(): Promise<void>;
  /** Follows a changed site file. A cluster keeps what was read and which jobs we hold; its connection is made anew. */
  reload(site: Site): void;
  close(): void;
}

const kept = z.record(
  z.string(),
  z.object({
    held: z.array(z.string()),
    confirmed: z.array(z.string()),
    waits: z.record(z.string(), z.object({ why: z.string(), since: z.number().transform(siteMs) })).optional(),
  }),
);

/**
 * @param before what was kept last in an earlier life
 * @param isFaulty whether a node, by its address, is out of the plan
 */
export function openClusters(
  site: Site,
  io: ClusterIo,
  keepText: (text: string) => void,
  before?: string,
  isFaulty: (address: string) => boolean = () => false,
): SiteClusters {
  const byId = new Map<string, SiteCluster>();
  const past = before === undefined ? {} : kept.parse(JSON.parse(before));
  let last = before;
  function keep(): void {
    const all = [...byId.values()].map(({ id, heldByUs, heldAsConfirmed, waits }) => [
      id,
      { held: [...heldByUs], confirmed: [...heldAsConfirmed], waits: Object.fromEntries(waits) },
    ]);
    const text = JSON.stringify(Object.fromEntries(all));
    if (text !== last) keepText(text);
    last = text;
  }
  const close = () => byId.forEach(({ handle }) => handle.close());

  function reload(next: Site): void {
    close();
    const opened = new Map(byId);
    byId.clear();
    for (const { id, driver, settings, classes } of next.clusters) {
      const plugin = CLUSTERS.get(driver);
      if (plugin === undefined) throw new Error(`${id}: the site was not checked`);
      const known = opened.get(id);
      byId.set(id, {
        id,
        handle: plugin.open({ id, config: settings, classes }, io),
        reading: known?.reading,
        failure: known?.failure,
        heldByUs: known?.heldByUs ?? new Set(past[id]?.held),
        waits: known?.waits ?? new Map(Object.entries(past[id]?.waits ?? {})),
        checkpointedAt: known?.checkpointedAt ?? new Map(),
        heldAsConfirmed: known?.heldAsConfirmed ?? new Set(past[id]?.confirmed),
        movingTo: known?.movingTo ?? new Map(),
        keep,
      });
    }
  }
  reload(site);
  return {
    byId,
    async readAll() {
      await Promise.all([...byId.values()].map((cluster) => readCluster(cluster, isFaulty)));
    },
    reload,
    close,
  };
}

/** What clusters keep over a restart. @throws Fault `unreachable` where the disk does not take it */
export function keptIn(store: Pick<Store, 'getMeta' | 'setMeta' | 'flush'>): ClusterIo['kept'] {
  return {
    get: (key) => store.getMeta(`cluster ${key}`),
    async set(key, text) {
      store.setMeta(`cluster ${key}`, text);
      try {
        await store.flush();
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error;
        throw new Fault('unreachable', `the store takes nothing at present: ${error.message}`, { cause: error });
      }
    },
  };
}

export async function readCluster(
  cluster: SiteCluster,
  isFaulty: (address: string) => boolean = () => false,
): Promise<void> {
  // What is told to wait while it is read may not show in what comes.
  const before = [...cluster.heldByUs];
  try {
    const read = await cluster.handle.read();
    const nodes = read.nodes.map((node) => (isFaulty(node.address) ? { ...node, isFaulty: true } : node));
    cluster.reading = { ...read, nodes };
    cluster.failure = undefined;
    const held = new Set(cluster.reading.jobs.filter((job) => job.state === 'held').map((job) => job.id));
    // A job that somebody else released or cancelled is no longer ours to release.
    for (const id of before) {
      if (held.has(id)) continue;
      cluster.heldByUs.delete(id);
      cluster.heldAsConfirmed.delete(id);
      cluster.waits.delete(id);
    }
    cluster.keep();
  } catch (error) {
    cluster.failure = asFault(error).message;
  }
}

/** What the plan asks of one cluster now. @param reason said to the owner of a job that gives way */
export function actionsFor(
  cluster: SiteCluster,
  work: readonly WorkPicture[],
  { plan, snapshot }: Planned,
  reason: string,
): WorkAction[] {
  const jobs = cluster.reading?.jobs;
  const allowed = plan.steps[0]?.work;
  if (jobs === undefined || allowed === undefined || cluster.failure !== undefined) return [];
  const mine = work.filter((one) => one.clusterId === cluster.id);
  return mine.flatMap((one) => {
    const part = mine.filter((other) => other.workClass.gpu === one.workClass.gpu && other.role?.id === one.role?.id);
    const wanted = allowed[one.workClass.id];
    if (wanted === undefined) return [];
    const classJobs = jobs.filter((job) => isOfClass(job, one.workClass));
    return workActions(
      classJobs,
      spared(one, wanted, snapshot),
      isRestricted(cluster, part, allowed, snapshot),
      cluster.heldByUs,
      reason,
      (job) => lossUsdPerGpu(cluster, one, job, plan.madeAt),
    ).map((action) =>
      action.kind === 'release'
        ? action
        : {
            ...action,
            ...(action.kind === 'requeue' ? { keepFirstMs: keepFirstMs(cluster, one) } : {}),
            resumesAt: resumesAt(plan, one.workClass.id, waitingBefore(classJobs, action.job, cluster.heldByUs)),
          },
    );
  });
}

/**
 * When a plan first has room for so many GPUs more of a class than it has now; undefined where it never has, as far as it looks ahead.
 * @param gpus of a job, and of all that go on before it
 */
export function resumesAt({ steps }: Pick<Plan, 'steps'>, classId: string, gpus: number): SiteMs | undefined {
  const now = steps[0]?.work[classId];
  if (now === undefined) return undefined;
  return steps.slice(1).find(({ work }) => (work[classId] ?? 0) >= now + gpus - 0.5)?.start;
}

/** GPUs of a job that waits, and of those of its class that waited before it and are released first. */
export const waitingBefore = (jobs: readonly Job[], job: Job, heldByUs: ReadonlySet<string>): number =>
  jobs.reduce(
    (sum, other) =>
      other.state === 'held' && other.id !== job.id && heldByUs.has(other.id) && bySubmission(other, job) < 0
        ? sum + other.gpus
        : sum,
    job.gpus,
  );

/** How long a job of the class takes to keep a checkpoint before it goes; undefined where it can not, or has no time to. */
const keepFirstMs = ({ handle }: SiteCluster, { workClass }: WorkPicture): number | undefined =>
  handle?.checkpoint !== undefined && canCheckpoint(workClass) ? workClass.checkpoint!.seconds * 1000 : undefined;

/** What putting a job back costs for each of its GPUs. */
function lossUsdPerGpu(cluster: SiteCluster, one: WorkPicture, job: Job, at: SiteMs): number | undefined {
  const isKept = keepFirstMs(cluster, one) !== undefined;
  const seconds = isKept ? 0 : lostWork(one.workClass, job, at, cluster.checkpointedAt.get(job.id))?.seconds;
  // Jobs of one class have one price: without it their order is the same.
  return seconds === undefined
    ? undefined
    : interruptionUsdPerGpu(one.workClass, one.usdPerGpuHour ?? 1, seconds, isKept);
}

/**
 * GPUs a class may keep. Where its work may not be interrupted and the plan took nothing of what it knew to run, jobs that the scheduler
 * has started since are left alone, too.
 */
export function spared({ workClass, runningGpus }: WorkPicture, wanted: number, { work }: Snapshot): number {
  const ran = work.find(({ id }) => id === workClass.id)?.runningGpus ?? 0;
  return workClass.preemptible || wanted < ran ? wanted : Math.max(wanted, runningGpus);
}

/**
 * Does the plan keep GPUs of this part idle that the scheduler would put to work? Jobs come and go between the reading
 * and the plan, and do not come in ones: less than a server or a fiftieth of the part is no decision.
 */
export function isRestricted(
  cluster: SiteCluster,
  part: readonly WorkPicture[],
  allowed: Readonly<Record<string, number>>,
  { work: known }: Snapshot,
): boolean {
  const [first] = part;
  const nodes = first === undefined ? [] : usableNodes(cluster.reading?.nodes ?? [], first.workClass.gpu, first.role);
  const capacity = gpusOf(nodes) - pausedGpusOn(cluster.reading?.jobs ?? [], nodes);
  const demand = part.reduce((sum, one) => {
    const then = known.find(({ id }) => id === one.workClass.id);
    // What has come since is no job that the plan refused: it was not asked.
    return sum + Math.min(gpusWanted(one), then === undefined ? 0 : gpusWanted(then));
  }, 0);
  const planned = part.reduce((sum, one) => sum + (allowed[one.workClass.id] ?? 0), 0);
  return planned < Math.min(demand, capacity) - Math.max(8, 0.02 * capacity);
}

const gpusWanted = (one: Pick<WorkPicture, 'runningGpus' | 'queuedGpus' | 'heldGpus'>): number =>
  one.runningGpus + one.queuedGpus + one.heldGpus;

export interface WorkOutcome {
  readonly action: WorkAction;
  readonly fault: Fault | undefined;
}

/** A job that takes long to stop must not keep the others from giving way; a scheduler is asked for few at a time. */
const AT_ONCE = 8;

/**
 * Carries the actions out in their order, those of one kind side by side; a requeued job is held at once, or the scheduler would start it
 * again.
 * @param at now, which goes on the record of what waits; absent: nothing of it does
 * @param isOrdered by an order of a person, which a site in suggest follows; what Busbar holds it gives back there unasked
 */
export async function carryOut(
  trust: Trust,
  cluster: SiteCluster,
  steps: readonly WorkAction[],
  isOrdered: boolean,
  at?: SiteMs,
): Promise<WorkOutcome[]> {
  const one = async (action: WorkAction): Promise<WorkOutcome> => {
    try {
      mustAct(trust, `${action.kind} job ${action.job.id}`, isOrdered || action.kind === 'release');
      await carryOutOne(cluster, action);
      if (action.kind === 'checkpoint') cluster.checkpointedAt.set(action.job.id, at!);
      else await tellOwner(cluster, action, at);
      return { action, fault: undefined };
    } catch (error) {
      return { action, fault: asFault(error) };
    }
  };
  const outcomes: WorkOutcome[] = [];
  for (let next = 0; next < steps.length;) {
    const { kind } = steps[next]!;
    const batch = steps.slice(next, next + AT_ONCE);
    const others = batch.findIndex((step) => step.kind !== kind);
    const done = await Promise.all((others < 0 ? batch : batch.slice(0, others)).map(one));
    outcomes.push(...done);
    next += done.length;
    if (isGone(done)) break;
  }
  return outcomes;
}

/** A scheduler that is gone is not asked for every job; one job alone may take too long by itself. */
const isGone = (done: readonly WorkOutcome[]): boolean =>
  done.some(({ fault }) => fault?.kind === 'unreachable') ||
  (done.length > 1 && done.every(({ fault }) => fault?.kind === 'timeout'));

/** Puts on record why a job waits and when it may go on, and says so to its owner. */
async function tellOwner(
  cluster: SiteCluster,
  { kind, job, why, resumesAt: until }: WorkAction,
  at: SiteMs | undefined,
) {
  if (kind === 'release') cluster.waits.delete(job.id);
  else if (at !== undefined) cluster.waits.set(job.id, { why, since: at });
  cluster.keep();
  const when = until === undefined ? 'no time known yet' : `expected at ${isoUtc(until).slice(0, 16)}Z`;
  const line = kind === 'release' ? `goes on: ${why}` : `waits, to go on: ${when}; ${why}`;
  // A comment that was not taken is no reason to leave a job running: the record of the job says the same.
  await cluster.handle.tellOwner?.(job.id, line).catch((error: unknown) => void asFault(error));
}

/** A checkpoint older than so long is no reason not to keep another before a job goes. */
const KEPT_LATELY_MS = 10 * MINUTE;

/** What is done of these actions at once: a job that has time to keep a checkpoint is told to first, and left alone while it does. */
export const stepsNow = (cluster: SiteCluster, actions: readonly WorkAction[], at: SiteMs): WorkAction[] =>
  actions.flatMap((action) => keptFirst(cluster, action, at) ?? []);

/** First the checkpoint, then, when it has had its time, the requeue; meanwhile nothing. */
function keptFirst({ checkpointedAt }: SiteCluster, action: WorkAction, at: SiteMs): WorkAction | undefined {
  const { kind, job, keepFirstMs: takesMs } = action;
  if (kind !== 'requeue' || takesMs === undefined) return action;
  const asked = checkpointedAt.get(job.id);
  const isOld = asked === undefined || asked < (job.startedAt ?? 0) || at - asked > takesMs + KEPT_LATELY_MS;
  if (isOld) return { ...action, kind: 'checkpoint' };
  return at - asked < takesMs ? undefined : action;
}

/** What a person confirmed, as far as its jobs are still as they were then. */
export async function carryOutConfirmed(
  trust: Trust,
  cluster: SiteCluster,
  confirmed: readonly WorkAction[],
  at?: SiteMs,
): Promise<WorkOutcome[]> {
  const now = new Map(cluster.reading?.jobs.map(({ id, state }) => [id, state]));
  const outcomes = await carryOut(
    trust,
    cluster,
    // Whoever confirmed it wants it now, and not when a checkpoint is kept.
    confirmed.filter(({ job }) => now.get(job.id) === job.state),
    true,
    at,
  );
  for (const { action, fault } of outcomes)
    if (fault === undefined && action.kind !== 'release') cluster.heldAsConfirmed.add(action.job.id);
  cluster.keep();
  return outcomes;
}

async function carryOutOne(
  { handle, heldByUs, heldAsConfirmed, keep }: SiteCluster,
  { kind, job }: WorkAction,
): Promise<void> {
  const unsupported = () => new Fault('unsupported', `this scheduler cannot ${kind} jobs`);
  if (kind === 'checkpoint') {
    if (handle.checkpoint === undefined) throw unsupported();
    await handle.checkpoint(job.id);
    return;
  }
  if (kind === 'release') {
    if (handle.release === undefined) throw unsupported();
    await handle.release(job.id);
    heldByUs.delete(job.id);
    heldAsConfirmed.delete(job.id);
    keep();
    return;
  }
  const isAtOnce = kind === 'requeue' && handle.requeueHeld !== undefined;
  if (kind === 'requeue' && !isAtOnce) {
    if (handle.requeue === undefined) throw unsupported();
    await handle.requeue(job.id);
  }
  if (handle.hold === undefined) throw unsupported();
  // Remembered before it is sent: a hold that was carried out but not answered must still be released one day.
  heldByUs.add(job.id);
  keep();
  await (isAtOnce ? handle.requeueHeld!(job.id) : handle.hold(job.id));
}
