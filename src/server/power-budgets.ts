import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { RaisedAlarm } from '../alarms/catalogue.ts';
import type { ClusterHandle } from '../clusters/cluster.ts';
import { mayAct, PLANNER, type Trust } from '../control/trust.ts';
import {
  asFault,
  CATALOGUE,
  gpusOf,
  isOfClass,
  siteMs,
  usableNodes,
  type Command,
  type SiteMs,
  type WorkClass,
} from '../model/index.ts';
import type { Planned } from './bookkeeper.ts';
import { isRestricted, spared, type SiteCluster } from './clusters.ts';
import type { Journal } from './journal.ts';
import type { WorkPicture } from './picture.ts';

/** The kilowatts that schedulers may start jobs with, where they can keep to them. */
export interface PowerBudgets {
  /** Sets what a plan allows the work of a cluster; undefined: no limit. Tried again with the next plan where it failed. */
  set(cluster: SiteCluster, budgetKw: number | undefined, why: string, isOrdered: boolean): Promise<void>;
  of(clusterId: string): PowerBudget | undefined;
  alarms(): RaisedAlarm[];
}

const keptBudget = z.object({
  /** What the scheduler was last known to keep to; null: nobody knows, as it did not answer. */
  setKw: z.number().nullable(),
  at: z.number().transform(siteMs),
});
export type PowerBudget = Readonly<z.output<typeof keptBudget>> & { readonly failure: string | undefined };

/** A change of less is no decision: jobs come and go. */
const DEADBAND_KW = 1;
const DEADBAND_SHARE = 0.05;

export function createPowerBudgets(options: {
  readonly journal: Pick<Journal, 'act' | 'commands'>;
  trust(): Trust;
  siteNow(): SiteMs;
  readonly before: string | undefined;
  /** Keeps what the next life must know; called before anything is sent. */
  keep(text: string): void;
}): PowerBudgets {
  const { journal, siteNow } = options;
  const past = options.before === undefined ? {} : z.record(z.string(), keptBudget).parse(JSON.parse(options.before));
  const budgets = new Map<string, PowerBudget>(
    Object.entries(past).map(([id, one]) => [id, { ...one, failure: undefined }]),
  );
  /** Set by this process: what an earlier one set is set again once, as somebody may have changed it meanwhile. */
  const ours = new Set<string>();
  /** What failed, by cluster: tried again without a new decision. */
  const failing = new Map<
    string,
    { readonly actId: string; readonly wantedKw: number | undefined; readonly attempts: number }
  >();

  function put(id: string, budget: PowerBudget | undefined): void {
    if (budget === undefined) budgets.delete(id);
    else budgets.set(id, budget);
    const kept = [...budgets].map(([key, { setKw, at }]) => [key, { setKw, at }]);
    options.keep(JSON.stringify(Object.fromEntries(kept)));
  }

  const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= Math.max(DEADBAND_KW, DEADBAND_SHARE * b);

  function isDone(id: string, wantedKw: number | undefined): boolean {
    const now = budgets.get(id);
    if (wantedKw === undefined) return now === undefined;
    return ours.has(id) && now !== undefined && now.setKw !== null && isNear(wantedKw, now.setKw);
  }

  /** One decision, and one command for it however often it is tried. */
  function decide(id: string, wantedKw: number | undefined, why: string): { actId: string; attempts: number } {
    const before = failing.get(id);
    const isSame =
      before !== undefined &&
      (wantedKw === before.wantedKw ||
        (wantedKw !== undefined && before.wantedKw !== undefined && isNear(wantedKw, before.wantedKw)));
    if (isSame) return { actId: before.actId, attempts: before.attempts + 1 };
    const actId = `budget-${randomUUID()}`;
    journal.act({ id: actId, at: siteNow(), who: PLANNER, what: `${wordsOf(wantedKw)} to ${id}`, why });
    return { actId, attempts: 1 };
  }

  return {
    async set(cluster, wantedKw, why, isOrdered) {
      const { id, handle } = cluster;
      // Giving back what was taken is no new decision.
      const mayNow = mayAct(options.trust(), isOrdered || wantedKw === undefined);
      if (handle.setPowerBudget === undefined || !mayNow || isDone(id, wantedKw)) return;
      const { actId, attempts } = decide(id, wantedKw, why);
      const sentAt = siteNow();
      // Known before it is sent: what was set and not answered must be released one day.
      put(id, { setKw: null, at: sentAt, failure: undefined });
      try {
        await handle.setPowerBudget(wantedKw);
        ours.add(id);
        failing.delete(id);
        put(id, wantedKw === undefined ? undefined : { setKw: wantedKw, at: siteNow(), failure: undefined });
        // It reads back what it set: what it took is what the scheduler has.
        journal.commands([commandOf(actId, id, wantedKw, why, sentAt, attempts, { at: siteNow() })]);
      } catch (error) {
        const fault = asFault(error);
        failing.set(id, { actId, wantedKw, attempts });
        put(id, { setKw: null, at: siteNow(), failure: fault.message });
        journal.commands([commandOf(actId, id, wantedKw, why, sentAt, attempts, { fault: fault.kind })]);
      }
    },
    of: (clusterId) => budgets.get(clusterId),
    alarms: () =>
      [...budgets].flatMap(([subject, { failure }]) =>
        failure === undefined ? [] : [{ code: 'power-budget-failed' as const, subject, message: failure }],
      ),
  };
}

const wordsOf = (kw: number | undefined): string =>
  kw === undefined ? 'set no power budget' : `set a power budget of ${kw.toFixed(1)} kW`;

function commandOf(
  actId: string,
  clusterId: string,
  kw: number | undefined,
  why: string,
  sentAt: SiteMs,
  attempts: number,
  ended: { readonly at?: SiteMs; readonly fault?: Command['fault'] },
): Command {
  return {
    id: actId,
    batchId: actId,
    target: `cluster ${clusterId}`,
    action: 'set-power-budget',
    mode: kw === undefined ? 'none' : `${kw.toFixed(1)} kW`,
    who: PLANNER,
    why,
    stage: ended.at === undefined ? 'failed' : 'seen-in-power',
    attempts,
    fault: ended.fault,
    sentAt,
    acknowledgedAt: ended.at,
    seenInPowerAt: ended.at,
    seenAtMeterAt: undefined,
  };
}

/** What one GPU at this work draws: measured where it was, else by the catalogue; undefined where neither knows it. */
function wattsPerGpu(workClass: WorkClass): number | undefined {
  const model = [...CATALOGUE.values()].find((one) => one.kind === 'gpu-server' && one.gpuModel === workClass.gpu);
  return workClass.powerCurve?.at(-1)?.powerW ?? (model?.kind === 'gpu-server' ? model.gpuBusyW : undefined);
}

/**
 * Kilowatts of GPUs, without their hosts, that a plan allows the work of a cluster now. Undefined: no limit, as the plan keeps none of it from
 * working, or nobody knows what a GPU of it draws. Work that is not held back may have all of its GPUs.
 */
export function plannedKw(
  cluster: SiteCluster,
  work: readonly WorkPicture[],
  { plan, snapshot }: Planned,
): number | undefined {
  const allowed = plan.steps[0]?.work;
  if (allowed === undefined || cluster.reading === undefined) return undefined;
  const { nodes } = cluster.reading;
  const mine = work.filter(({ clusterId }) => clusterId === cluster.id);
  const parts = Map.groupBy(mine, ({ workClass, role }) => `${workClass.gpu} ${role?.id ?? ''}`);
  let watts = 0;
  let isAny = false;
  for (const part of parts.values()) {
    const each = part.map(({ workClass }) => wattsPerGpu(workClass));
    const known = each.filter((one) => one !== undefined);
    if (known.length < each.length) return undefined;
    const held = isRestricted(cluster, part, allowed, snapshot);
    isAny ||= held;
    const capacity = gpusOf(usableNodes(nodes, part[0]!.workClass.gpu, part[0]!.role));
    watts += held
      ? part.reduce((sum, one, i) => {
          const gpus = spared(one, allowed[one.workClass.id] ?? 0, snapshot);
          return sum + gpus * known[i]! * roundedUp(cluster, one.workClass, known[i]!);
        }, 0)
      : capacity * Math.max(...known);
  }
  return isAny ? Math.round(watts) / 1000 : undefined;
}

/** Jobs that take whole kilowatts take more than they draw: by how much, of those known now. */
function roundedUp({ handle, reading }: SiteCluster, workClass: WorkClass, wattsEach: number): number {
  if (handle.powerLicence === undefined || wattsEach === 0) return 1;
  const jobs = (reading?.jobs ?? []).filter(
    (job) => job.gpus > 0 && isOfClass(job, workClass) && /^(pending|held|running|paused)$/.test(job.state),
  );
  const drawnW = jobs.reduce((sum, { gpus }) => sum + gpus * wattsEach, 0);
  const takenW = jobs.reduce((sum, { gpus }) => sum + Math.ceil((gpus * wattsEach) / 1000) * 1000, 0);
  return drawnW === 0 ? 1 : takenW / drawnW;
}

/** The licences a job takes, with those for its power where they count it and its class was measured; what it names itself stays. */
export function licencesFor(
  handle: Pick<ClusterHandle, 'powerLicence'>,
  { powerCurve }: Pick<WorkClass, 'powerCurve'>,
  { gpus, licences }: { readonly gpus: number; readonly licences?: string | undefined },
): string | undefined {
  const powerW = powerCurve?.at(-1)?.powerW;
  if (handle.powerLicence === undefined || powerW === undefined || gpus === 0) return licences;
  const taken = handle.powerLicence(gpus * powerW);
  const name = taken.slice(0, taken.indexOf(':') + 1);
  if (licences?.split(',').some((one) => one.startsWith(name)) === true) return licences;
  return licences === undefined ? taken : `${licences},${taken}`;
}
