import type { ClusterConfig, NodeRole, WorkClass } from './site.ts';
import { takesJobs, type ClusterNode } from './work.ts';

/** What the nodes are used for that a class of work runs on; undefined where the cluster has no roles. */
export const roleOf = (
  { roles }: Pick<ClusterConfig, 'roles'>,
  { match, role }: Pick<WorkClass, 'match' | 'role'>,
): NodeRole | undefined =>
  roles?.find(({ id, partition }) => (role === undefined ? partition === match.partition : id === role));

/** Nodes that answer and start jobs; of one role, where one is given. */
export const usableNodes = (
  nodes: readonly ClusterNode[],
  gpuModel: string,
  role: Pick<NodeRole, 'partition'> | undefined,
): ClusterNode[] =>
  nodes.filter(
    (node) =>
      node.gpuModel === gpuModel && takesJobs(node) && (role === undefined || node.partitions.includes(role.partition)),
  );

/** GPUs of these nodes. */
export const gpusOf = (nodes: readonly ClusterNode[]): number => nodes.reduce((sum, { gpus }) => sum + gpus, 0);
