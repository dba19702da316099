import { z } from 'zod';
import type { NodeMove } from '../control/node-moves.ts';
import { isUnderWay } from '../control/node-moves.ts';
import { holdsGpus, isOfClass, isoUtc } from '../model/index.ts';
import * as shapes from '../model/nodes-api.ts';
import { actorOf, personOf } from './access/policy.ts';
import { nodeOffView } from './node-power-routes.ts';
import type { PowerBudget } from './power-budgets.ts';
import { orProblem } from './problems.ts';
import { refusalsOnRecord } from './refusals.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

const address = z.object({ cluster: z.string(), node: z.string() });

/** Nodes of the clusters: what they are used for, and how they are moved. */
export function nodeRoutes(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/nodes',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['control'],
        summary: 'Nodes of every cluster, their roles, and those on their way to another',
        response: { 200: shapes.nodesPage },
      },
    },
    () => pageOf(runtime),
  );
  app.post(
    '/api/v1/nodes/:cluster/:node/move',
    {
      onError: refusalsOnRecord(runtime, 'move a node'),
      config: { needs: 'operator' },
      schema: {
        tags: ['control'],
        summary: 'Move a node to another role: drained, moved, looked at, given back',
        params: address,
        body: shapes.nodeMoveRequest,
        response: { 202: shapes.nodeMove },
      },
    },
    async (request, reply) => {
      const { cluster: clusterId, node } = request.params;
      const { to, why } = request.body;
      const who = actorOf(personOf(request));
      const move = await orProblem(() => runtime.nodeMoves.ask({ clusterId, node, to, who, why }));
      return reply.code(202).send(moveView(move));
    },
  );
  app.post(
    '/api/v1/nodes/:cluster/:node/call-back',
    {
      onError: refusalsOnRecord(runtime, 'call a node back'),
      config: { needs: 'operator' },
      schema: {
        tags: ['control'],
        summary:
          'Call off a move that has not been made: the node starts jobs again where it was. Of one that failed: its alarm ends',
        params: address,
        body: shapes.nodeCallBack,
        response: { 200: shapes.nodeMove },
      },
    },
    async (request) => {
      const { cluster, node } = request.params;
      const who = actorOf(personOf(request));
      return moveView(await orProblem(() => runtime.nodeMoves.cancel(cluster, node, who, request.body.why)));
    },
  );
}

const moveView = ({
  clusterId,
  failure,
  told,
  askedAt,
  stageAt,
  requeued,
  ...rest
}: NodeMove): shapes.NodeMoveView => ({
  cluster: clusterId,
  id: rest.id,
  node: rest.node,
  from: rest.from,
  to: rest.to,
  who: rest.who,
  why: rest.why,
  stage: rest.stage,
  askedAt: isoUtc(askedAt),
  stageAt: isoUtc(stageAt),
  requeued: [...requeued],
  told: failure ?? told ?? null,
});

function budgetView(one: PowerBudget | undefined): shapes.NodesPage['clusters'][number]['powerBudget'] {
  return one === undefined ? null : { kw: one.setKw, since: isoUtc(one.at), failure: one.failure ?? null };
}

function pageOf({ site, clusters, nodeMoves, nodePower, powerBudgets, powerSaving }: Runtime): shapes.NodesPage {
  const moves = nodeMoves.list();
  const proposal = nodeMoves.proposal();
  const known = site.clusters.flatMap((config) => {
    const cluster = clusters.byId.get(config.id);
    return cluster === undefined ? [] : [{ config, cluster }];
  });
  return {
    clusters: known.map(({ config, cluster }) => ({
      id: config.id,
      readAt: cluster.reading === undefined ? null : isoUtc(cluster.reading.at),
      failure: cluster.failure ?? null,
      powerBudget: budgetView(powerBudgets.of(config.id)),
      canMove: config.roles !== undefined && cluster.handle.moveNode !== undefined,
      drainMinutes: config.moves.drainMinutes,
      roles: (config.roles ?? []).map(({ id, partition, leastNodes }) => ({ id, partition, leastNodes })),
    })),
    nodes: known.flatMap(({ config, cluster }) =>
      (cluster.reading?.nodes ?? []).map((node) => {
        const running = cluster.reading!.jobs.filter((job) => holdsGpus(job) && job.nodes.includes(node.name));
        const move = moves.find((one) => isUnderWay(one) && one.clusterId === config.id && one.node === node.name);
        return {
          cluster: config.id,
          name: node.name,
          role: config.roles?.find(({ partition }) => node.partitions.includes(partition))?.id ?? null,
          state: node.state,
          gpuModel: node.gpuModel ?? null,
          gpus: node.gpus,
          gpusUsed: node.gpusUsed,
          reason: node.reason ?? null,
          isOff: node.isOff,
          off: nodeOffView(nodePower.of(config.id, node.name)),
          jobs: running.map((job) => ({
            id: job.id,
            mayInterrupt: config.classes.some((one) => isOfClass(job, one) && one.preemptible),
          })),
          move: move === undefined ? null : moveView(move),
        };
      }),
    ),
    moves: moves.map(moveView),
    powerSaving: powerSaving.proposals().map(({ clusterId, ...rest }) => ({ cluster: clusterId, ...rest })),
    proposal:
      proposal === undefined
        ? null
        : {
            cluster: proposal.clusterId,
            gpuModel: proposal.gpuModel,
            from: proposal.from,
            to: proposal.to,
            nodes: proposal.nodes,
            gainUsd: proposal.gainUsd,
            costUsd: proposal.costUsd,
            why: proposal.why,
          },
  };
}
