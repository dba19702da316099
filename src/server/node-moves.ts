import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { RaisedAlarm } from '../alarms/catalogue.ts';
import { advance, cancel, isUnderWay, MOVE_STAGES, type MoverPort, type NodeMove } from '../control/node-moves.ts';
import { mayAct, mustAct, PLANNER, type Trust } from '../control/trust.ts';
import type { RoleFacts, RoleMove } from '../dispatch/roles.ts';
import {
  Fault,
  isOfClass,
  MINUTE,
  siteMs,
  usableNodes,
  type ClusterConfig,
  type ClusterNode,
  type Command,
  type Site,
  type SiteMs,
} from '../model/index.ts';
import type { SiteCluster, SiteClusters } from './clusters.ts';
import type { Journal } from './journal.ts';

/** Nodes on their way from one role to another, by hand or by plan. */
export interface NodeMoves {
  /** The next step of each move under way; called after the clusters were read. */
  look(): Promise<void>;
  /** @throws Fault `refused` where it makes no sense or trust forbids it, `unsupported` where the cluster moves no nodes */
  ask(request: Asked): NodeMove;
  /**
   * Of one that failed: somebody knows, and its alarm ends.
   * @throws Fault `refused` where the node has been moved already
   */
  cancel(clusterId: string, node: string, who: string, why: string): Promise<NodeMove>;
  /** Under way, and the last that ended, newest first. */
  list(): readonly NodeMove[];
  roles(): RoleFacts[];
  /** What a plan would move; a site in auto does it. */
  propose(move: RoleMove | undefined): void;
  /** What the last plan would move and nobody has begun. */
  proposal(): RoleMove | undefined;
  /** Of the last move of each node, where it failed and nobody has looked at it. */
  alarms(): RaisedAlarm[];
  drainChanged(): Command[];
}

export interface Asked {
  readonly clusterId: string;
  readonly node: string;
  readonly to: string;
  readonly who: string;
  readonly why: string;
}

/** Moves that ended and are still told. */
const TOLD = 50;
/** A node that was moved stays where it is for so long, unless a person says otherwise. */
const DWELL_MS = 120 * MINUTE;

const at = z.number().transform(siteMs);
const keptMoves = z.array(
  z.object({
    id: z.string(),
    clusterId: z.string(),
    node: z.string(),
    from: z.string(),
    to: z.string(),
    who: z.string(),
    why: z.string(),
    askedAt: at,
    stage: z.enum(MOVE_STAGES),
    stageAt: at,
    gpus: z.number(),
    requeued: z.array(z.string()),
    told: z
      .string()
      .optional()
      .transform((text) => text),
    failure: z
      .string()
      .optional()
      .transform((text) => text),
    isSeen: z.boolean().optional(),
  }),
);

export function createNodeMoves(options: {
  readonly clusters: SiteClusters;
  readonly journal: Journal;
  site(): Site;
  trust(): Trust;
  siteNow(): SiteMs;
  /** What was kept in an earlier life. */
  readonly before: string | undefined;
  /** Keeps what the next life must know; called before anything is sent. */
  keep(text: string): void;
  readonly onMoved: (why: string) => void;
}): NodeMoves {
  const { clusters, journal, siteNow, trust } = options;
  let moves: NodeMove[] = options.before === undefined ? [] : keptMoves.parse(JSON.parse(options.before));
  let proposed: RoleMove | undefined;
  /** The move whose next step is being taken. */
  let stepping: string | undefined;
  const changed = new Map<string, Command>();
  tellClusters();

  const configOf = (clusterId: string): ClusterConfig | undefined =>
    options.site().clusters.find(({ id }) => id === clusterId);
  const underWay = (clusterId: string, node: string): NodeMove | undefined =>
    moves.find((one) => isUnderWay(one) && one.clusterId === clusterId && one.node === node);

  function put(next: NodeMove): void {
    const before = moves.find(({ id }) => id === next.id);
    if (before === next) return;
    const others = moves.filter(({ id }) => id !== next.id);
    const ended = others.filter((one) => !isUnderWay(one)).slice(0, TOLD);
    moves = [next, ...others.filter((one) => isUnderWay(one) || ended.includes(one))];
    options.keep(JSON.stringify(moves));
    tellClusters();
    changed.set(next.id, commandOf(next));
    if (before === undefined || before.stage === next.stage || isUnderWay(next)) return;
    const what = `${nameOf(next)}: ${ENDS[next.stage] ?? next.stage}`;
    journal.act({
      id: `${next.id}-end`,
      at: siteNow(),
      who: 'busbar',
      what,
      why: next.failure ?? next.told ?? next.why,
    });
    options.onMoved(what);
  }

  /** Plans count a node where it is going. */
  function tellClusters(): void {
    for (const cluster of clusters.byId.values()) cluster.movingTo.clear();
    for (const one of moves)
      if (isUnderWay(one) && one.stage !== 'going-back')
        clusters.byId.get(one.clusterId)?.movingTo.set(one.node, one.to);
  }

  function portOf(cluster: SiteCluster, config: ClusterConfig, isConfirmed: boolean): MoverPort {
    const { handle } = cluster;
    const partitionOf = (role: string): string => {
      const found = config.roles?.find(({ id }) => id === role);
      if (found === undefined) throw new Fault('refused', `${config.id} has no role ${role} any more`);
      return found.partition;
    };
    const write = async (what: string, act: (() => Promise<void>) | undefined): Promise<void> => {
      mustAct(trust(), what, isConfirmed);
      if (act === undefined) throw new Fault('unsupported', `${config.id} cannot ${what}`);
      await act();
    };
    return {
      reading: cluster.failure === undefined ? cluster.reading : undefined,
      drainMs: config.moves.drainMinutes * MINUTE,
      mayInterrupt: (job) => config.classes.some((one) => isOfClass(job, one) && one.preemptible),
      isIn: ({ partitions }, role) => partitions.includes(partitionOf(role)),
      drain: (node, why) => write(`drain ${node}`, handle.drain && (() => handle.drain!(node, why))),
      resume: (node) => write(`resume ${node}`, handle.resume && (() => handle.resume!(node))),
      moveNode: (node, from, to) =>
        write(
          `move ${node} to ${to}`,
          handle.moveNode && (() => handle.moveNode!(node, partitionOf(from), partitionOf(to))),
        ),
      requeue: (job) => write(`requeue job ${job.id}`, handle.requeue && (() => handle.requeue!(job.id))),
    };
  }

  function ask({ clusterId, node: name, to, who, why }: Asked): NodeMove {
    const cluster = clusters.byId.get(clusterId);
    const config = configOf(clusterId);
    if (cluster === undefined || config === undefined) throw new Fault('refused', `there is no cluster "${clusterId}"`);
    if (config.roles === undefined) throw new Fault('refused', `${clusterId} has no roles: name them in the site file`);
    const { drain, resume, moveNode } = cluster.handle;
    if (drain === undefined || resume === undefined || moveNode === undefined)
      throw new Fault('unsupported', `${clusterId} cannot move nodes from here (docs/clusters.md says what it takes)`);
    const node = cluster.reading?.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Fault('refused', `${clusterId} tells of no node "${name}"`);
    const role = config.roles.find(({ id }) => id === to);
    if (role === undefined)
      throw new Fault('refused', `no role "${to}", expected one of: ${config.roles.map(({ id }) => id).join(', ')}`);
    const from = config.roles.find(({ partition }) => node.partitions.includes(partition));
    if (from === undefined) throw new Fault('refused', `${name} is in none of the roles of ${clusterId}`);
    if (from.id === role.id) throw new Fault('refused', `${name} is used for ${to} already`);
    if (underWay(clusterId, name) !== undefined) throw new Fault('refused', `${name} is on its way already`);
    const isConfirmed = who !== PLANNER;
    mustAct(trust(), `move ${name}`, isConfirmed);
    const now = siteNow();
    const id = `move-${randomUUID()}`;
    const move: NodeMove = {
      id,
      clusterId,
      node: name,
      from: from.id,
      to,
      who,
      why,
      askedAt: now,
      stage: 'asked',
      stageAt: now,
      gpus: node.gpus,
      requeued: [],
      told: undefined,
      failure: undefined,
    };
    journal.act({ id, at: now, who, what: `move ${nameOf(move)}`, why });
    put(move);
    return move;
  }

  async function look(): Promise<void> {
    for (const { id } of moves.filter(isUnderWay)) {
      // While one before it was moved it may have been called back.
      const move = moves.find((one) => one.id === id && isUnderWay(one));
      if (move === undefined) continue;
      const cluster = clusters.byId.get(move.clusterId);
      const config = configOf(move.clusterId);
      if (cluster === undefined || config === undefined) {
        put({
          ...move,
          stage: 'failed',
          stageAt: siteNow(),
          failure: `${move.clusterId} is no cluster of the site any more`,
        });
        continue;
      }
      const isConfirmed = move.who !== PLANNER;
      if (!mayAct(trust(), isConfirmed)) {
        if (move.told !== WAITS) put({ ...move, told: WAITS });
        continue;
      }
      stepping = move.id;
      try {
        put(await advance(move, portOf(cluster, config, isConfirmed), siteNow()));
      } finally {
        stepping = undefined;
      }
    }
  }

  function roles(): RoleFacts[] {
    return options.site().clusters.flatMap((config) => {
      const cluster = clusters.byId.get(config.id);
      const nodes = cluster?.failure === undefined ? (cluster?.reading?.nodes ?? []) : [];
      if (config.roles === undefined || cluster?.handle.moveNode === undefined) return [];
      const models = new Set(nodes.flatMap(({ gpuModel }) => (gpuModel === undefined ? [] : [gpuModel])));
      return [...models].flatMap((gpuModel) => {
        const alike = nodes.filter((node) => node.gpuModel === gpuModel);
        const gpusPerNode = alike[0]!.gpus;
        return config.roles!.map((role): RoleFacts => {
          const going = (node: ClusterNode) => cluster.movingTo.get(node.name);
          const there = usableNodes(alike, gpuModel, role).filter((node) => (going(node) ?? role.id) === role.id);
          const coming = alike.filter((node) => going(node) === role.id && !there.includes(node));
          return {
            clusterId: config.id,
            hallId: config.hall,
            gpuModel,
            roleId: role.id,
            nodes: there.length + coming.length,
            gpusPerNode,
            leastNodes: role.leastNodes,
            moveMinutes: config.moves.minutes,
            usdPerNode: config.moves.usdPerNode,
          };
        });
      });
    });
  }

  /** The last move of a node, where it failed and nobody has said that they know. A move that a plan begins is nobody's word. */
  function failedOf(clusterId: string, node: string): NodeMove | undefined {
    const last = moves
      .filter((one) => one.clusterId === clusterId && one.node === node)
      .find((one) => !(isUnderWay(one) && one.who === PLANNER));
    return last?.stage === 'failed' && last.isSeen !== true ? last : undefined;
  }

  function alarms(): RaisedAlarm[] {
    const failed = moves.filter((one) => failedOf(one.clusterId, one.node) === one);
    return failed.flatMap((one): RaisedAlarm[] => {
      const { clusterId, node, to, failure, told } = one;
      const nodes = clusters.byId.get(clusterId)?.reading?.nodes;
      // A node that left its cluster is nobody's to look after.
      if (!clusters.byId.has(clusterId) || nodes?.some(({ name }) => name === node) === false) return [];
      const message = `it did not get to ${to}: ${failure ?? told ?? 'no reason was told'}`;
      return [{ code: 'node-move-failed', subject: `${clusterId}/${node}`, message }];
    });
  }

  /** Idle ones first, then those with the least on them; none that was moved lately. */
  function nodesFor({ clusterId, gpuModel, from, nodes }: RoleMove): ClusterNode[] {
    const cluster = clusters.byId.get(clusterId);
    const role = configOf(clusterId)?.roles?.find(({ id }) => id === from);
    const lately = new Set(
      moves.flatMap((one) => (one.clusterId === clusterId && siteNow() - one.stageAt < DWELL_MS ? [one.node] : [])),
    );
    return usableNodes(cluster?.reading?.nodes ?? [], gpuModel, role)
      .filter(({ name, isOff }) => !lately.has(name) && !isOff)
      .toSorted((a, b) => a.gpusUsed - b.gpusUsed || a.name.localeCompare(b.name))
      .slice(0, nodes);
  }

  function propose(move: RoleMove | undefined): void {
    proposed = move;
    if (move === undefined || trust() !== 'auto') return;
    const { clusterId, to, why } = move;
    for (const { name } of nodesFor(move)) ask({ clusterId, node: name, to, who: PLANNER, why });
    proposed = undefined;
  }

  return {
    look,
    ask,
    async cancel(clusterId, node, who, why) {
      const move = underWay(clusterId, node);
      const cluster = clusters.byId.get(clusterId);
      const config = configOf(clusterId);
      const failed = move === undefined ? failedOf(clusterId, node) : undefined;
      if (failed !== undefined) {
        const what = `know that ${nameOf(failed)} failed`;
        const at = siteNow();
        journal.act({ id: `${failed.id}-seen-${at}`, at, who, what, why });
        moves = moves.map((one) => (one === failed ? { ...failed, isSeen: true } : one));
        options.keep(JSON.stringify(moves));
        return { ...failed, isSeen: true };
      }
      if (move === undefined || cluster === undefined || config === undefined)
        throw new Fault('refused', `${node} of ${clusterId} is not on its way`);
      if (stepping === move.id) throw new Fault('refused', `a step of ${node} is being taken: try again in a moment`);
      const next = await cancel(move, portOf(cluster, config, true), siteNow());
      const at = siteNow();
      // Called back again by the next life where this one dies before it has kept that it was.
      journal.act({ id: `${move.id}-cancel-${at}`, at, who, what: `call back ${nameOf(move)}`, why });
      put({ ...next, told: `called back by ${who}` });
      return next;
    },
    list: () => moves,
    roles,
    propose,
    proposal: () => proposed,
    alarms,
    drainChanged() {
      const all = [...changed.values()];
      changed.clear();
      return all;
    },
  };
}

const WAITS = 'waits: the site is not trusted to act';
const ENDS: Readonly<Partial<Record<NodeMove['stage'], string>>> = {
  done: 'moved, and starts jobs',
  failed: 'not moved',
  cancelled: 'called off',
};
const nameOf = ({ clusterId, node, from, to }: NodeMove): string => `node ${clusterId}/${node} from ${from} to ${to}`;

/** The scheduler's own list is what proves it: `seen-in-power` is of the node that starts jobs in its new role. */
function commandOf(move: NodeMove): Command {
  const isMoved = move.stage === 'verifying' || move.stage === 'returning' || move.stage === 'done';
  return {
    id: move.id,
    batchId: move.id,
    target: `node ${move.clusterId}/${move.node}`,
    action: 'move-node',
    mode: move.to,
    who: move.who,
    why: move.why,
    stage:
      move.stage === 'done'
        ? 'seen-in-power'
        : move.stage === 'failed' || move.stage === 'going-back'
          ? 'failed'
          : move.stage === 'cancelled'
            ? 'superseded'
            : isMoved
              ? 'acknowledged'
              : 'sent',
    attempts: 1,
    fault: move.stage === 'failed' || move.stage === 'going-back' ? 'refused' : undefined,
    sentAt: move.askedAt,
    acknowledgedAt: isMoved ? move.stageAt : undefined,
    seenInPowerAt: move.stage === 'done' ? move.stageAt : undefined,
    seenAtMeterAt: undefined,
  };
}
