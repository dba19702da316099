import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { RaisedAlarm } from '../../alarms/catalogue.ts';
import { mayAct, type Trust } from '../../control/trust.ts';
import { asFault, isFatalXid, isUnanswered, MINUTE, xidWords, type SiteMs, type WallMs } from '../../model/index.ts';
import type { FleetMachine } from '../fleet.ts';
import type { SiteCluster } from '../clusters.ts';
import type { Journal } from '../journal.ts';

/**
 * GPUs that failed for good: their node leaves the plan, and starts no more jobs where Busbar may say so to its scheduler, until the GPU is
 * seen clean or a person says it is.
 */
export interface GpuFaults {
  observe(member: Pick<FleetMachine, 'machine' | 'reading'>): void;
  /** Drains what failed and gives back what is clean; one node at a time. */
  look(): Promise<void>;
  isFaulty(address: string): boolean;
  list(): readonly GpuFault[];
  /** @returns false where nothing of it stands */
  clear(machineId: string, who: string, why: string): boolean;
  alarms(): RaisedAlarm[];
}

const fault = z.object({
  machineId: z.string(),
  address: z.string(),
  gpu: z.number(),
  xid: z.number(),
  since: z.number(),
  /** What the counter of its energy said then: one that is set back was restarted. */
  energyMj: z.number().optional(),
});
export type GpuFault = Readonly<z.infer<typeof fault>>;

const kept = z.object({
  faults: z.array(fault),
  /** By machine and GPU: the number a person said is settled; the driver goes on telling it until it is restarted. */
  cleared: z.record(z.string(), z.number()),
  /** Nodes drained by us, by address. */
  drained: z.record(
    z.string(),
    z.object({
      cluster: z.string(),
      node: z.string(),
      /** False: the drain was not answered, and may have been done. */
      isSure: z.boolean().default(true),
    }),
  ),
});

export interface GpuFaultsOptions {
  readonly journal: Pick<Journal, 'act'>;
  clusters(): Iterable<Pick<SiteCluster, 'id' | 'handle' | 'reading' | 'failure'>>;
  trust(): Trust;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  askPlan(why: string): void;
  readonly before: string | undefined;
  /** Keeps what the next life must know; called before anything is sent. */
  keep(text: string): void;
}

const AGAIN_MS = 5 * MINUTE;

export function createGpuFaults(options: GpuFaultsOptions): GpuFaults {
  const past = options.before === undefined ? undefined : kept.parse(JSON.parse(options.before));
  const faults = new Map((past?.faults ?? []).map((one) => [keyOf(one.machineId, one.gpu), one]));
  const cleared = new Map(Object.entries(past?.cleared ?? {}));
  const drained = new Map(Object.entries(past?.drained ?? {}));
  const throttled = new Map<string, readonly string[]>();
  /** When a scheduler that would not may be asked again, by address. */
  const askAgain = new Map<string, WallMs>();

  const keep = (): void =>
    options.keep(
      JSON.stringify({
        faults: [...faults.values()],
        cleared: Object.fromEntries(cleared),
        drained: Object.fromEntries(drained),
      }),
    );

  function end(key: string, who: string, why: string): void {
    const one = faults.get(key)!;
    faults.delete(key);
    keep();
    askAgain.delete(one.address);
    record(who, `take ${one.machineId} back into the plan: GPU ${one.gpu}`, why);
    options.askPlan(`${one.machineId} is clean`);
  }
  const record = (who: string, what: string, why: string): void =>
    options.journal.act({ id: `gpu-${randomUUID()}`, at: options.siteNow(), who, what, why });

  /** Says to a scheduler what becomes of a node, once; what it will not do is on record, and asked again later. */
  async function tell(
    address: string,
    cluster: Pick<SiteCluster, 'id' | 'handle'>,
    node: string,
    act: 'drain' | 'resume',
    why: string,
  ): Promise<void> {
    const { handle } = cluster;
    const wait = askAgain.get(address);
    if (wait !== undefined && options.wallNow() < wait) return;
    if (handle[act] === undefined) return;
    const isFirst = wait === undefined;
    askAgain.set(address, (options.wallNow() + AGAIN_MS) as WallMs);
    if (act === 'drain') {
      drained.set(address, { cluster: cluster.id, node, isSure: false });
      keep();
    }
    try {
      await (act === 'drain' ? handle.drain!(node, why) : handle.resume!(node));
      if (act === 'drain') drained.set(address, { cluster: cluster.id, node, isSure: true });
      else drained.delete(address);
      askAgain.delete(address);
      keep();
      record('busbar', `${act} node ${cluster.id}/${node}`, why);
    } catch (error) {
      const { kind, message } = asFault(error);
      if (isFirst) record('busbar', `${act} node ${cluster.id}/${node}: not done, ${kind}`, message);
      // A node that is not ours any more is not ours to give back; one that was not drained is not, either.
      if (act === 'resume' ? kind === 'refused' : !isUnanswered(kind)) {
        drained.delete(address);
        keep();
      }
    }
  }

  async function drainAndGiveBack(): Promise<void> {
    if (!mayAct(options.trust())) return;
    for (const cluster of options.clusters()) {
      if (cluster.failure !== undefined) continue;
      for (const node of cluster.reading?.nodes ?? []) {
        const standing = [...faults.values()].find(({ address }) => address === node.address);
        const ours = drained.get(node.address);
        const why = standing && `GPU ${standing.gpu}: ${xidWords(standing.xid)}`;
        if (why !== undefined && ours?.isSure !== true && node.state !== 'drained')
          await tell(node.address, cluster, node.name, 'drain', why);
        else if (standing === undefined && ours?.cluster === cluster.id)
          await tell(node.address, cluster, ours.node, 'resume', 'its GPUs are clean');
      }
    }
  }

  return {
    observe({ machine: { id, address, kind }, reading }) {
      if (kind !== 'gpu-server' || reading?.gpus === undefined) return;
      throttled.set(
        id,
        reading.gpus.flatMap(({ index, throttledBy }) =>
          throttledBy === undefined || throttledBy.length === 0 ? [] : [`GPU ${index} by ${throttledBy.join(' and ')}`],
        ),
      );
      for (const { index: gpu, xid, energyMj } of reading.gpus) {
        const key = keyOf(id, gpu);
        const standing = faults.get(key);
        if (cleared.has(key) && xid !== undefined && xid !== cleared.get(key)) {
          cleared.delete(key);
          keep();
        }
        if (isFatalXid(xid) && xid !== cleared.get(key) && xid !== standing?.xid) {
          faults.set(key, { machineId: id, address, gpu, xid, since: reading.at, energyMj });
          keep();
          record('busbar', `take ${id} out of the plan: GPU ${gpu}`, xidWords(xid));
          options.askPlan(`GPU fault on ${id}`);
        } else if (standing !== undefined && !isFatalXid(xid)) {
          // The driver tells the last number only: another one says nothing of the first.
          const wasReset = energyMj !== undefined && standing.energyMj !== undefined && energyMj < standing.energyMj;
          if (xid === 0 || wasReset) end(key, 'busbar', 'its driver was restarted and reports no fault');
        }
      }
    },
    look: drainAndGiveBack,
    isFaulty: (address) => [...faults.values()].some((one) => one.address === address),
    list: () => [...faults.values()],
    clear(machineId, who, why) {
      const standing = [...faults].filter(([, one]) => one.machineId === machineId);
      for (const [key, { xid }] of standing) {
        cleared.set(key, xid);
        end(key, who, why);
      }
      return standing.length > 0;
    },
    alarms() {
      const slowed = [...throttled].flatMap(([id, gpus]) => (gpus.length === 0 ? [] : [`${id} (${gpus.join(', ')})`]));
      return [
        ...[...faults.values()].map(({ machineId, gpu, xid }): RaisedAlarm => ({
          code: 'gpu-fault',
          subject: `${machineId} GPU ${gpu}`,
          message: xidWords(xid),
        })),
        ...(slowed.length === 0
          ? []
          : [{ code: 'gpu-throttled' as const, subject: 'gpus', message: someOf(slowed, 'servers') }]),
      ];
    },
  };
}

const keyOf = (machineId: string, gpu: number): string => `${machineId} ${gpu}`;

const NAMED = 3;
/** The first few by name, and how many there are. */
export const someOf = (names: readonly string[], what: string): string =>
  names.length <= NAMED
    ? names.join(', ')
    : `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more ${what}`;
