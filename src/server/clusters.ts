import { z } from 'zod';
import type { ClusterHandle, ClusterIo } from '../clusters/cluster.ts';
import { mustAct, type Trust } from '../control/trust.ts';
import { workActions, type WorkAction } from '../control/work.ts';
import {
  asFault,
  Fault,
  gpusOf,
  isOfClass,
  usableNodes,
  type ClusterReading,
  type Site,
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
  /** Keeps what is held for the next life of the process: a job that nobody knows to be held by us waits for ever. */
  keep(): void;
}

export interface SiteClusters {
  readonly byId: ReadonlyMap<string, SiteCluster>;
  readAll(): Promise<void>;
  /** Follows a changed site file. A cluster keeps what was read and which jobs we hold; its connection is made anew. */
  reload(site: Site): void;
  close(): void;
}

const kept = z.record(z.string(), z.object({ held: z.array(z.string()), confirmed: z.array(z.string()) }));

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
    const all = [...byId.values()].map(({ id, heldByUs, heldAsConfirmed }) => [
      id,
      { held: [...heldByUs], confirmed: [...heldAsConfirmed] },
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
      isRestricted(cluster, part, allowed),
      cluster.heldByUs,
      reason,
    );
  });
}

/**
 * GPUs a class may keep. Where its work may not be interrupted and the plan took nothing of what it knew to run, jobs that the scheduler
 * has started since are left alone, too.
 */
function spared({ workClass, runningGpus }: WorkPicture, wanted: number, { work }: Snapshot): number {
  const ran = work.find(({ id }) => id === workClass.id)?.runningGpus ?? 0;
  return workClass.preemptible || wanted < ran ? wanted : Math.max(wanted, runningGpus);
}

/**
 * Does the plan keep GPUs of this part idle that the scheduler would put to work? Jobs come and go between the reading
 * and the plan, and do not come in ones: less than a server or a fiftieth of the part is no decision.
 */
function isRestricted(
  cluster: SiteCluster,
  part: readonly WorkPicture[],
  allowed: Readonly<Record<string, number>>,
): boolean {
  const [first] = part;
  const capacity =
    first === undefined ? 0 : gpusOf(usableNodes(cluster.reading?.nodes ?? [], first.workClass.gpu, first.role));
  const demand = part.reduce((sum, one) => sum + one.runningGpus + one.queuedGpus + one.heldGpus, 0);
  const planned = part.reduce((sum, one) => sum + (allowed[one.workClass.id] ?? 0), 0);
  return planned < Math.min(demand, capacity) - Math.max(8, 0.02 * capacity);
}

export interface WorkOutcome {
  readonly action: WorkAction;
  readonly fault: Fault | undefined;
}

/**
 * Carries the actions out, one after the other; a requeued job is held at once, or the scheduler would start it again.
 * @param isOrdered by an order of a person, which a site in suggest follows; what Busbar holds it gives back there unasked
 */
export async function carryOut(
  trust: Trust,
  cluster: SiteCluster,
  actions: readonly WorkAction[],
  isOrdered: boolean,
): Promise<WorkOutcome[]> {
  const outcomes: WorkOutcome[] = [];
  for (const action of actions) {
    let fault: Fault | undefined;
    try {
      mustAct(trust, `${action.kind} job ${action.job.id}`, isOrdered || action.kind === 'release');
      await carryOutOne(cluster, action);
    } catch (error) {
      fault = asFault(error);
    }
    outcomes.push({ action, fault });
    // A scheduler that is gone is not asked for every job.
    if (fault?.kind === 'unreachable' || fault?.kind === 'timeout') break;
  }
  return outcomes;
}

/** What a person confirmed, as far as its jobs are still as they were then. */
export async function carryOutConfirmed(
  trust: Trust,
  cluster: SiteCluster,
  confirmed: readonly WorkAction[],
): Promise<WorkOutcome[]> {
  const now = new Map(cluster.reading?.jobs.map(({ id, state }) => [id, state]));
  const outcomes = await carryOut(
    trust,
    cluster,
    confirmed.filter(({ job }) => now.get(job.id) === job.state),
    true,
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
  if (kind === 'release') {
    if (handle.release === undefined) throw unsupported();
    await handle.release(job.id);
    heldByUs.delete(job.id);
    heldAsConfirmed.delete(job.id);
    keep();
    return;
  }
  if (kind === 'requeue') {
    if (handle.requeue === undefined) throw unsupported();
    await handle.requeue(job.id);
  }
  if (handle.hold === undefined) throw unsupported();
  // Remembered before it is sent: a hold that was carried out but not answered must still be released one day.
  heldByUs.add(job.id);
  keep();
  await handle.hold(job.id);
}
