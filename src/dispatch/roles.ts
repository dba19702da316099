import type { Plan, Snapshot } from '../model/index.ts';
import { partKey } from './problem.ts';

/** Nodes of one cluster, with one GPU part, used for one thing. */
export interface RoleFacts {
  readonly clusterId: string;
  readonly hallId: string;
  readonly gpuModel: string;
  readonly roleId: string;
  /** Nodes that work in it, and those on their way into it. */
  readonly nodes: number;
  readonly gpusPerNode: number;
  /** That plans leave it. */
  readonly leastNodes: number;
  /** What it takes to move a node out of it. */
  readonly moveMinutes: number;
  readonly usdPerNode: number;
}

/** Nodes that would earn more in another role, by the plan's own horizon. */
export interface RoleMove {
  readonly clusterId: string;
  readonly gpuModel: string;
  readonly from: string;
  readonly to: string;
  readonly nodes: number;
  /** What the horizon gains, before what moving costs. */
  readonly gainUsd: number;
  /** Hours of the moved GPUs that nothing is done in, at what they earn in the role they leave or come to, whichever is more, and what each node costs beside. */
  readonly costUsd: number;
  readonly why: string;
}

/** A gain must outweigh the cost by so much: the forecast errs, and a node that is moved back and forth earns nothing. */
const CLEARLY = 1.5;
/** Of the nodes of a role, no more leave it at once: what was forecast is seen to come true first. */
const MOST_AT_ONCE = 0.25;

/**
 * Which nodes to move to another role: where the plan's dual price of GPUs says that one role lacks them more than another, the horizon is
 * planned once more as if they had moved, and what that earns more is held against what moving costs. Twice as many nodes are tried as long
 * as that is worth more.
 * @param solve plans the same horizon with other facts
 * @returns undefined where no move clearly pays
 */
export async function bestRoleMove(
  roles: readonly RoleFacts[],
  snapshot: Snapshot,
  plan: Plan,
  solve: (snapshot: Snapshot) => Promise<Plan>,
): Promise<RoleMove | undefined> {
  const horizonHours = plan.steps.reduce((sum, { durationMs }) => sum + durationMs, 0) / 3_600_000;
  const worthOf = (role: RoleFacts): number =>
    plan.why?.limits.find(({ key }) => key === `part:${partKey(role)}`)?.usdPerHour ?? 0;
  const pairs = roles
    .flatMap((to) => roles.map((from) => ({ from, to, worth: worthOf(to) - worthOf(from) })))
    .filter(({ from, to, worth }) => worth > 0 && areAlike(from, to) && mostToMove(from) > 0)
    .toSorted((a, b) => b.worth - a.worth);
  const [pair] = pairs;
  if (pair === undefined || horizonHours === 0) return undefined;
  const { from, to } = pair;
  const usdPerGpuHour = Math.max(dearest(snapshot, from), dearest(snapshot, to));
  let best: RoleMove | undefined;
  for (let nodes = 1; nodes <= mostToMove(from); nodes *= 2) {
    const moved = await solve(movedIn(snapshot, from, to, nodes));
    const gainUsd = moved.objectiveUsd - plan.objectiveUsd;
    const idleUsd = usdPerGpuHour * from.gpusPerNode * Math.min(horizonHours, from.moveMinutes / 60);
    const costUsd = nodes * (from.usdPerNode + idleUsd);
    const net = gainUsd - costUsd;
    if (gainUsd < CLEARLY * costUsd || gainUsd <= 0 || net <= (best === undefined ? 0 : best.gainUsd - best.costUsd))
      break;
    best = {
      clusterId: from.clusterId,
      gpuModel: from.gpuModel,
      from: from.roleId,
      to: to.roleId,
      nodes,
      gainUsd,
      costUsd,
      why: `${nodes} ${from.gpuModel} node${nodes === 1 ? '' : 's'} from ${from.roleId} to ${to.roleId} ${nodes === 1 ? 'earns' : 'earn'} $${gainUsd.toFixed(2)} more in ${Math.round(horizonHours)} h, and moving costs $${costUsd.toFixed(2)}`,
    };
  }
  return best;
}

const areAlike = (one: RoleFacts, other: RoleFacts): boolean =>
  one.roleId !== other.roleId &&
  one.clusterId === other.clusterId &&
  one.gpuModel === other.gpuModel &&
  one.gpusPerNode === other.gpusPerNode;

const mostToMove = ({ nodes, leastNodes }: RoleFacts): number =>
  Math.max(0, Math.min(nodes - leastNodes, Math.max(1, Math.floor(MOST_AT_ONCE * nodes))));

const isIn = (work: Snapshot['work'][number], { hallId, gpuModel, roleId }: RoleFacts): boolean =>
  work.hallId === hallId && work.gpuModel === gpuModel && work.roleId === roleId;

/** The best price of a GPU-hour in a role that somebody wants now; 0 where nobody wants any. */
const dearest = ({ work }: Snapshot, role: RoleFacts): number =>
  Math.max(
    0,
    ...work
      .filter((one) => isIn(one, role) && one.runningGpus + one.queuedGpus + one.heldGpus > 0)
      .map(({ usdPerGpuHour }) => usdPerGpuHour),
  );

function movedIn(snapshot: Snapshot, from: RoleFacts, to: RoleFacts, nodes: number): Snapshot {
  const gpus = nodes * from.gpusPerNode;
  return {
    ...snapshot,
    work: snapshot.work.map((one) => {
      if (isIn(one, from)) return { ...one, partGpus: Math.max(0, one.partGpus - gpus) };
      return isIn(one, to) ? { ...one, partGpus: one.partGpus + gpus } : one;
    }),
  };
}
