import { z } from 'zod';
import * as shapes from '../model/api.ts';
import { fromMicroUsd, isoUtc } from '../model/index.ts';
import { actorOf, personOf } from './access/policy.ts';
import { siteJsonSchema } from './offline/schema.ts';
import { SiteFileProblem } from './problems.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';
import { changeText } from './site-diff.ts';
import { intervalView } from './view.ts';

/** The site as a whole: its file, and what shadow would have earned. */
export function siteRoutes(app: App, runtime: Runtime): void {
  app.post(
    '/api/v1/site/reload',
    {
      config: { needs: 'admin' },
      schema: {
        tags: ['site'],
        summary: 'Read the site file again and follow it, or only tell what would change',
        body: shapes.reloadRequest,
        response: { 200: shapes.reloadResult },
      },
    },
    async (request) => {
      const { why, onlyLook } = request.body;
      const outcome = await runtime.people.reload(actorOf(personOf(request)), why, onlyLook);
      if (!outcome.ok) throw new SiteFileProblem(outcome.problems);
      const changes = outcome.changes.map((change) => ({ ...change, text: changeText(change) }));
      return { applied: outcome.applied, changes };
    },
  );

  app.get(
    '/api/v1/site/schema',
    {
      config: { needs: 'viewer' },
      schema: { tags: ['site'], summary: 'JSON Schema of the site file', response: { 200: z.unknown() } },
    },
    () => siteJsonSchema(),
  );

  app.get(
    '/api/v1/shadow',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['books'],
        summary: 'Quarter-hours in shadow: what was, and what acting would have earned',
        querystring: z.object({ limit: z.coerce.number().int().min(1).max(2_976).default(96) }),
        response: { 200: shapes.shadowPage },
      },
    },
    async ({ query }) => {
      const [would, was] = await Promise.all([
        runtime.store.shadows(query.limit),
        runtime.store.intervals(query.limit + 96),
      ]);
      const booked = new Map(was.map((interval) => [interval.start, intervalView(interval)]));
      const intervals = would.map(({ start, wouldImportWh, wouldMarginMicroUsd }) => ({
        start: isoUtc(start),
        importMwh: booked.get(start)?.importMwh ?? null,
        marginUsd: booked.get(start)?.marginUsd ?? null,
        wouldImportMwh: wouldImportWh === undefined ? null : wouldImportWh / 1e6,
        wouldMarginUsd: wouldMarginMicroUsd === undefined ? null : fromMicroUsd(wouldMarginMicroUsd as never),
      }));
      return { at: isoUtc(runtime.clock.now()), intervals };
    },
  );
}
