import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { mustAct, PLANNER, type Trust } from '../control/trust.ts';
import {
  asFault,
  Fault,
  holdsGpus,
  isUnanswered,
  MINUTE,
  siteMs,
  type ClusterNode,
  type Command,
  type Site,
  type SiteMs,
} from '../model/index.ts';
import type { SiteCluster } from './clusters.ts';
import type { Fleet, FleetMachine } from './fleet.ts';
import type { Gpus } from './gpu/gpus.ts';
import type { Journal } from './journal.ts';
import { createKeptActs, type ActFacts } from './kept-acts.ts';

/** Nodes that a person, or a plan that saves power, switches off through their scheduler, and on again. */
export interface NodePower {
  /** @throws Fault `unsupported` where the cluster cannot, `refused` where something runs there or trust forbids it; else what it said */
  off(asked: PowerAsked): Promise<void>;
  /** @throws Fault `refused` where it was not Busbar that switched it off */
  on(asked: PowerAsked): Promise<void>;
  of(clusterId: string, node: string): NodeOff | undefined;
  list(): readonly NodeOff[];
  /** After readings: what is seen, and what is over. */
  look(): void;
  drainChanged(): Command[];
}

export interface PowerAsked {
  readonly clusterId: string;
  readonly node: string;
  readonly who: string;
  readonly why: string;
}

const keptOff = z.object({
  id: z.string(),
  clusterId: z.string(),
  node: z.string(),
  gpuModel: z.string().nullable(),
  gpus: z.number(),
  who: z.string(),
  why: z.string(),
  at: z.number().transform(siteMs),
  /** What its machine drew then; null: it did not tell, or is no machine of the site. */
  drewW: z.number().nullable(),
  stage: z.enum(['asked', 'off', 'coming']),
  stageAt: z.number().transform(siteMs),
  /** Watts seen to be released; undefined: its machine tells nothing once it is off, and it is looked for no longer. */
  seen: z.object({ releasedW: z.number().optional() }).nullable(),
  /** Who switches it on, why, and under which command. */
  back: z.object({ id: z.string(), who: z.string(), why: z.string() }).nullable(),
});
export type NodeOff = Readonly<z.output<typeof keptOff>>;

/** A machine that lost so much of its draw is off but for its management controller. */
const SEEN_SHARE = 0.5;
/** A server takes minutes to end its operating system, or to test its memory. */
const PATIENCE_MS = 20 * MINUTE;
export function createNodePower(options: {
  site(): Site;
  readonly fleet: Pick<Fleet, 'machines'>;
  clusters(): Iterable<Pick<SiteCluster, 'id' | 'handle' | 'reading' | 'failure' | 'movingTo'>>;
  readonly gpus: Pick<Gpus, 'effects'>;
  readonly journal: Pick<Journal, 'act'>;
  trust(): Trust;
  siteNow(): SiteMs;
  readonly before: string | undefined;
  /** Keeps what the next life must know; called before anything is sent. */
  keep(text: string): void;
}): NodePower {
  const { fleet, siteNow } = options;
  const nodes = createKeptActs<NodeOff>({
    shape: keptOff,
    keyOf: (one) => keyOf(one.clusterId, one.node),
    factsOf,
    siteNow,
    before: options.before,
    keep: options.keep,
  });
  const { put, drop, tell } = nodes;
  const record = (who: string, what: string, why: string, id: string): void =>
    options.journal.act({ id, at: siteNow(), who, what, why });

  function find(clusterId: string, name: string) {
    const cluster = [...options.clusters()].find(({ id }) => id === clusterId);
    if (cluster === undefined) throw new Fault('refused', `there is no cluster "${clusterId}"`);
    if (cluster.failure !== undefined) throw new Fault('refused', `${clusterId} does not answer: ${cluster.failure}`);
    const node = cluster.reading?.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Fault('refused', `${clusterId} tells of no node "${name}"`);
    return { cluster, node, member: memberOf(node) };
  }
  const memberOf = ({ address }: ClusterNode): FleetMachine | undefined =>
    fleet.machines.find(({ machine }) => machine.address === address);

  /** @throws Fault `refused` where something is on it, somebody has it, or the operating system is a tenant's */
  function demandIdle({ cluster, node, member }: ReturnType<typeof find>): void {
    const { name, state } = node;
    const jobs = cluster.reading!.jobs.filter((job) => holdsGpus(job) && job.nodes.includes(name));
    if (jobs.length > 0) throw new Fault('refused', `${name} runs ${jobs.map(({ id }) => id).join(', ')}`);
    // Jobs of partitions that are nobody's business here are known by the state of their node alone.
    if (node.gpusUsed > 0 || state === 'mixed' || state === 'allocated')
      throw new Fault('refused', `${name} has work that the site file names no class for`);
    if (state !== 'idle') throw new Fault('refused', `${name} is ${state}: only an idle node is switched off`);
    if (cluster.movingTo.has(name)) throw new Fault('refused', `${name} is on its way to another role`);
    const group = options.site().machines.find(({ id }) => id === member?.machine.groupId);
    if (group?.managedBy === 'tenant') throw new Fault('refused', `${name}: its operating system is the tenant's`);
  }

  async function off({ clusterId, node: name, who, why }: PowerAsked): Promise<void> {
    const found = find(clusterId, name);
    const { handle } = found.cluster;
    const { powerDown, powerUp } = handle;
    if (powerDown === undefined || powerUp === undefined)
      throw new Fault('unsupported', `${clusterId} cannot switch nodes off from here (docs/clusters.md says what can)`);
    if (nodes.get(keyOf(clusterId, name)) !== undefined || found.node.isOff)
      throw new Fault('refused', `${name} is off already`);
    demandIdle(found);
    mustAct(options.trust(), `switch ${name} off`, who !== PLANNER);
    const now = siteNow();
    const one: NodeOff = {
      id: `power-${randomUUID()}`,
      clusterId,
      node: name,
      gpuModel: found.node.gpuModel ?? null,
      gpus: found.node.gpus,
      who,
      why,
      at: now,
      drewW: found.member?.reading?.powerW ?? null,
      stage: 'asked',
      stageAt: now,
      seen: null,
      back: null,
    };
    record(who, `switch node ${clusterId}/${name} off`, why, one.id);
    // Known before it is sent: a node that nobody knows to be off by us is never switched on.
    put(one, 'sent');
    try {
      await powerDown.call(handle, name, why);
    } catch (error) {
      const fault = asFault(error);
      if (!isUnanswered(fault.kind)) drop(one, 'failed', fault.kind);
      throw fault;
    }
    if (nodes.get(keyOf(clusterId, name)) === one) put(one, 'acknowledged');
  }

  async function on({ clusterId, node: name, who, why }: PowerAsked): Promise<void> {
    const one = nodes.get(keyOf(clusterId, name));
    const { handle } = find(clusterId, name).cluster;
    if (one === undefined) throw new Fault('refused', `Busbar did not switch ${name} off: whoever did switches it on`);
    if (handle.powerUp === undefined) throw new Fault('unsupported', `${clusterId} cannot switch nodes on from here`);
    mustAct(options.trust(), `switch ${name} on`, who !== PLANNER);
    const back = { id: `power-${randomUUID()}`, who, why };
    record(who, `switch node ${clusterId}/${name} on`, why, back.id);
    const coming: NodeOff = { ...one, stage: 'coming', stageAt: siteNow(), back };
    put(coming, 'sent');
    try {
      await handle.powerUp(name);
    } catch (error) {
      const fault = asFault(error);
      if (!isUnanswered(fault.kind) && nodes.get(keyOf(clusterId, name)) === coming) staysOff(coming, fault.kind);
      throw fault;
    }
    if (nodes.get(keyOf(clusterId, name)) === coming) put(coming, 'acknowledged');
  }

  /** It was not switched on, and may be asked to again. */
  function staysOff(one: NodeOff, fault: Fault['kind']): void {
    tell(one, 'failed', fault);
    put({ ...one, stage: 'off', stageAt: siteNow(), back: null });
  }

  /** What its machine draws less, where it still tells: its management controller does, its operating system does not. */
  function seen(one: NodeOff, node: ClusterNode): void {
    const reading = memberOf(node)?.reading;
    const isW = reading !== undefined && reading.at > one.stageAt ? reading.powerW : undefined;
    if (one.drewW !== null && isW !== undefined && isW <= (1 - SEEN_SHARE) * one.drewW) {
      const releasedW = one.drewW - isW;
      put({ ...one, seen: { releasedW } }, 'seen-in-power');
      if (one.gpuModel !== null && one.gpus > 0)
        options.gpus.effects.learn('power-off', one.gpuModel, releasedW / one.gpus, (siteNow() - one.at) / 1000);
    } else if (siteNow() - one.stageAt > PATIENCE_MS) {
      // That the scheduler has it as off is proof; a machine that still says that it draws is proof of the opposite.
      if (isW === undefined || one.drewW === null) put({ ...one, seen: {} }, 'seen-in-power');
      else put({ ...one, seen: {} }, 'failed', 'timeout');
    }
  }

  function lookAt(one: NodeOff, node: ClusterNode | undefined): void {
    const isLate = siteNow() - one.stageAt > PATIENCE_MS;
    const open = one.back !== null || one.seen === null ? 'superseded' : undefined;
    if (node === undefined) drop(one, open);
    else if (one.stage === 'asked') {
      if (node.isOff) put({ ...one, stage: 'off', stageAt: siteNow() });
      else if (isLate) drop(one, 'failed', 'timeout');
    } else if (one.stage === 'coming') {
      if (!node.isOff && node.state !== 'down' && node.state !== 'unknown') drop(one, 'seen-in-power');
      else if (isLate) staysOff(one, 'timeout');
    } else if (!node.isOff) {
      const what = `node ${one.clusterId}/${one.node} is on`;
      record('busbar', what, 'its scheduler or somebody there switched it on, and not from here', `${one.id}-end`);
      drop(one, open);
    } else if (one.seen === null) seen(one, node);
  }

  return {
    off,
    on,
    of: (clusterId, node) => nodes.get(keyOf(clusterId, node)),
    list: nodes.all,
    look() {
      const clusters = new Map([...options.clusters()].map((one) => [one.id, one]));
      for (const one of nodes.all()) {
        const cluster = clusters.get(one.clusterId);
        if (cluster === undefined) drop(one, one.seen === null ? 'superseded' : undefined);
        else if (cluster.failure === undefined && cluster.reading !== undefined && cluster.reading.at > one.stageAt)
          lookAt(
            one,
            cluster.reading.nodes.find(({ name }) => name === one.node),
          );
      }
    },
    drainChanged: nodes.drainChanged,
  };
}

const keyOf = (clusterId: string, node: string): string => `${clusterId}/${node}`;

function factsOf(one: NodeOff): ActFacts {
  const target = `node ${one.clusterId}/${one.node}`;
  const { id, who, why } = one.back ?? one;
  const isBack = one.back !== null;
  const action = isBack ? 'power-on-node' : 'power-off-node';
  return { id, target, action, mode: undefined, who, why, sentAt: isBack ? one.stageAt : one.at };
}
