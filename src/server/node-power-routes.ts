import { z } from 'zod';
import { isoUtc } from '../model/index.ts';
import * as shapes from '../model/nodes-api.ts';
import { actorOf, personOf } from './access/policy.ts';
import type { NodeOff } from './node-power.ts';
import { orProblem } from './problems.ts';
import { refusalsOnRecord } from './refusals.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

const address = z.object({ cluster: z.string(), node: z.string() });

/** Nodes that a person switches off, and on again. */
export function nodePowerRoutes(app: App, runtime: Runtime): void {
  for (const { verb, summary, refused, act } of [
    {
      verb: 'off',
      summary: 'Switch a node off that nothing runs on, through its scheduler',
      refused: 'switch a node off',
      act: runtime.nodePower.off,
    },
    {
      verb: 'on',
      summary: 'Switch a node on that was switched off from here',
      refused: 'switch a node on',
      act: runtime.nodePower.on,
    },
  ])
    app.post(
      `/api/v1/nodes/:cluster/:node/${verb}`,
      {
        onError: refusalsOnRecord(runtime, refused),
        config: { needs: 'operator' },
        schema: {
          tags: ['control'],
          summary,
          params: address,
          body: shapes.nodePowerRequest,
          response: { 202: shapes.nodePowerAsked },
        },
      },
      async (request, reply) => {
        const { cluster, node } = request.params;
        const who = actorOf(personOf(request));
        await orProblem(() => act({ clusterId: cluster, node, who, why: request.body.why }));
        return reply.code(202).send({ cluster, node });
      },
    );
}

export function nodeOffView(one: NodeOff | undefined): shapes.NodesPage['nodes'][number]['off'] {
  if (one === undefined) return null;
  const { stage, who, why, at, seen } = one;
  return { stage, who, why, since: isoUtc(at), releasedW: seen?.releasedW ?? null };
}
