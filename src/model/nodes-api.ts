import { z } from 'zod';
import { reason } from './reason.ts';

/** Nodes of the clusters and what they are used for, in the form the API tells them. */

const siteTime = z.iso.datetime().describe('site clock, UTC');

export const nodeMove = z.object({
  id: z.string(),
  cluster: z.string(),
  node: z.string(),
  from: z.string(),
  to: z.string(),
  who: z.string(),
  why: z.string(),
  askedAt: siteTime,
  stage: z.enum(['asked', 'draining', 'verifying', 'returning', 'going-back', 'done', 'failed', 'cancelled']),
  stageAt: siteTime,
  requeued: z.array(z.string()).describe('jobs that were put back in the queue for it'),
  told: z.string().nullable().describe('what it waits for, or why it ended so'),
});
export type NodeMoveView = z.infer<typeof nodeMove>;

export const nodesPage = z.object({
  clusters: z.array(
    z.object({
      id: z.string(),
      readAt: siteTime.nullable(),
      failure: z.string().nullable().describe('why it does not answer now; the nodes are those it told last'),
      powerBudget: z
        .object({
          kw: z.number().nullable().describe('of GPUs, that its jobs may start with; null: not known, as it failed'),
          since: siteTime,
          failure: z.string().nullable(),
        })
        .nullable()
        .describe('set by the plan; null: it keeps no work of this cluster from starting'),
      canMove: z.boolean().describe('whether nodes can be moved between roles from here'),
      drainMinutes: z.number().describe('for jobs to end by themselves before they are put back in the queue'),
      roles: z.array(z.object({ id: z.string(), partition: z.string(), leastNodes: z.number().int() })),
    }),
  ),
  nodes: z.array(
    z.object({
      cluster: z.string(),
      name: z.string(),
      role: z.string().nullable(),
      state: z.enum(['idle', 'mixed', 'allocated', 'down', 'drained', 'unknown']),
      gpuModel: z.string().nullable(),
      gpus: z.number().int(),
      gpusUsed: z.number().int(),
      reason: z.string().nullable(),
      isOff: z.boolean().describe('switched off by its scheduler, or on the way to it'),
      off: z
        .object({
          stage: z.enum(['asked', 'off', 'coming']),
          who: z.string(),
          why: z.string(),
          since: siteTime,
          releasedW: z
            .number()
            .nullable()
            .describe('seen to draw less by so much; null: not seen, or it tells nothing'),
        })
        .nullable()
        .describe('switched off by hand from here; null: it was not Busbar'),
      jobs: z.array(z.object({ id: z.string(), mayInterrupt: z.boolean() })).describe('that run on it'),
      move: nodeMove.nullable().describe('under way'),
    }),
  ),
  moves: z.array(nodeMove).describe('under way and lately ended, newest first'),
  proposal: z
    .object({
      cluster: z.string(),
      gpuModel: z.string(),
      from: z.string(),
      to: z.string(),
      nodes: z.number().int(),
      gainUsd: z.number(),
      costUsd: z.number(),
      why: z.string(),
    })
    .nullable()
    .describe('what the plan would move; a site in auto does it'),
  powerSaving: z
    .array(z.object({ cluster: z.string(), node: z.string(), to: z.enum(['off', 'on']), why: z.string() }))
    .describe('what the plan would switch off or on; a site in auto does it'),
});
export type NodesPage = z.infer<typeof nodesPage>;

export const nodeMoveRequest = z.strictObject({ to: z.string().describe('role'), why: reason });
export const nodePowerRequest = z.strictObject({ why: reason });
export const nodePowerAsked = z.object({ cluster: z.string(), node: z.string() });
export const nodeCallBack = z.strictObject({ why: reason });
