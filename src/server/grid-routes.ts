import { z } from 'zod';
import * as shapes from '../model/grid-api.ts';
import { MOST_BODY_BYTES } from '../control/grid/webhook.ts';
import type { Limits } from './access/limits.ts';
import { actorOf, personOf } from './access/policy.ts';
import { GridRefusal } from './grid/grid.ts';
import { ApiProblem } from './problems.ts';
import { refusalsOnRecord } from './refusals.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

/** Signals of the grid: what stands, what a person opts out of, and the door for signed webhooks. */
export function gridRoutes(app: App, runtime: Runtime, limits: Pick<Limits, 'webhook'>): void {
  const { grid } = runtime;
  app.get(
    '/api/v1/grid',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['control'],
        summary: 'Signals of the grid: sources, events, what import must be and what it is',
        response: { 200: shapes.gridView },
      },
    },
    () => grid.view(runtime.picture(), runtime.plan()?.steps[0]?.importW),
  );
  for (const [path, what, opt] of [
    ['opt-out', 'Opt out of an event: it is shown and not followed', grid.optOut],
    ['opt-in', 'Follow an event again that somebody opted out of', grid.optIn],
  ] as const)
    app.post(
      `/api/v1/grid-events/:source/:event/${path}`,
      {
        onError: refusalsOnRecord(runtime, `${path} of a grid event`),
        config: { needs: 'operator' },
        schema: {
          tags: ['control'],
          summary: what,
          params: z.object({ source: z.string(), event: z.string() }),
          body: shapes.gridOptRequest,
        },
      },
      async (request, reply) => {
        const { source, event } = request.params;
        await refusable(() => opt(source, event, actorOf(personOf(request)), request.body.why));
        return reply.code(204).send();
      },
    );
  void app.register((scope: App) => {
    webhookRoute(scope, runtime, limits);
    return Promise.resolve();
  });
}

/** A scope of its own: the body is read as the bytes that were signed. */
function webhookRoute(scope: App, { grid }: Runtime, limits: Pick<Limits, 'webhook'>): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  scope.post(
    '/api/v1/grid/:source',
    {
      config: { needs: 'public' },
      bodyLimit: MOST_BODY_BYTES,
      onRequest: (request, reply) => limits.webhook(request, reply),
      onError: (request, _reply, error, done) => {
        const status = error instanceof ApiProblem ? error.status : (error.statusCode ?? 500);
        // What the law refused is on record already; this is what never came so far.
        if (status === 413 || status === 429) grid.refused(request.params.source, error.message);
        done();
      },
      schema: {
        tags: ['control'],
        summary: 'A signed webhook of whoever speaks for the grid',
        description:
          'Standard Webhooks: the headers webhook-id, webhook-timestamp and webhook-signature; docs/grid-events.md has the recipe',
        params: z.object({ source: z.string() }),
        response: { 202: shapes.webhookTaken },
      },
    },
    async ({ params, headers, body }, reply) => {
      const header = (name: string): string | undefined => {
        const value = headers[name];
        return typeof value === 'string' ? value : undefined;
      };
      const id = header('webhook-id');
      const answer = await grid.receive(params.source, {
        id,
        timestamp: header('webhook-timestamp'),
        signature: header('webhook-signature'),
        body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      });
      if (answer === undefined) throw new ApiProblem(404, 'Not found', 'no webhook of this name');
      if (answer !== 'taken') throw new ApiProblem(answer.status, 'Refused', answer.why);
      return reply.code(202).send({ taken: id! });
    },
  );
}

async function refusable(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof GridRefusal) throw new ApiProblem(404, 'Not found', error.message);
    throw error;
  }
}
