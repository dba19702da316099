import { z } from 'zod';
import { isoUtc } from '../model/index.ts';
import * as shapes from '../model/jobs-api.ts';
import { actorOf, personOf } from './access/policy.ts';
import type { JobPause } from './gpu/job-pauses.ts';
import { orProblem } from './problems.ts';
import { refusalsOnRecord } from './refusals.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

const jobAddress = z.object({ cluster: z.string(), id: z.string() });

/** A running job that a person stops where it is, and lets go on. */
export function pauseRoutes(app: App, runtime: Runtime): void {
  for (const { verb, summary, refused, act } of [
    {
      verb: 'pause',
      summary: 'Stop a running job where it is: it keeps its GPUs and their memory, and does no work',
      refused: 'pause a job',
      act: runtime.jobPauses.pause,
    },
    {
      verb: 'continue',
      summary: 'Let a job go on that was paused from here',
      refused: 'let a job go on',
      act: runtime.jobPauses.goOn,
    },
  ])
    app.post(
      `/api/v1/jobs/:cluster/:id/${verb}`,
      {
        onError: refusalsOnRecord(runtime, refused),
        config: { needs: 'operator' },
        schema: {
          tags: ['control'],
          summary,
          params: jobAddress,
          body: shapes.jobChangeRequest,
          response: { 202: shapes.jobSubmitted },
        },
      },
      async (request, reply) => {
        const { cluster, id } = request.params;
        const who = actorOf(personOf(request));
        await orProblem(() => act({ clusterId: cluster, jobId: id, who, why: request.body.why }));
        return reply.code(202).send({ cluster, id });
      },
    );
}

export function pauseView(one: JobPause | undefined): shapes.ClusterJobView['pause'] {
  if (one === undefined) return null;
  const { who, why, at, seen } = one;
  return { who, why, since: isoUtc(at), releasedW: seen?.releasedW ?? null };
}
