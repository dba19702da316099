import { z } from 'zod';
import { reloadResult } from '../../model/api.ts';
import { tenantChange } from '../../model/tenants-api.ts';
import { actorOf, personOf } from '../access/policy.ts';
import { ApiProblem } from '../problems.ts';
import { refusalsOnRecord } from '../refusals.ts';
import type { App } from '../routes.ts';
import type { Runtime } from '../runtime.ts';
import { changeText } from '../site-diff.ts';
import { withTenant } from './site-text.ts';

/** Adding and changing a tenant: what an admin would write into the site file, written there. */
export function tenantEditRoute(app: App, runtime: Runtime): void {
  app.post(
    '/api/v1/tenants/:tenant',
    {
      onError: refusalsOnRecord(runtime, 'change a tenant'),
      config: { needs: 'admin' },
      schema: {
        tags: ['tenants'],
        summary: 'Write a tenant into the site file and follow it, or only tell what would change',
        params: z.object({ tenant: z.string() }),
        body: tenantChange,
        response: { 200: reloadResult },
      },
    },
    async (request) => {
      const { why, onlyLook, ...fields } = request.body;
      const { tenant: id } = request.params;
      const change = (text: string) => withTenant(text, { id, ...fields });
      const outcome = await runtime.people.edit(change, actorOf(personOf(request)), why, onlyLook);
      if (!outcome.ok) throw mistakes(outcome.problems.filter(({ severity }) => severity === 'error'));
      return { applied: outcome.applied, changes: outcome.changes.map((one) => ({ ...one, text: changeText(one) })) };
    },
  );
}

/** What the whole of the site file shows to be wrong, by the field of what was sent. */
function mistakes(problems: readonly { readonly path: string; readonly message: string }[]): ApiProblem {
  const errors = problems.map(({ path, message }) => {
    const field = /^tenants\[\d+\]\.?(.*)$/.exec(path)?.[1];
    const inBody = field === 'id' ? 'params.tenant' : `body.${field?.replaceAll(/\[(\d+)\]/g, '.$1')}`;
    return { path: field === undefined ? path : inBody, message };
  });
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return new ApiProblem(422, 'This tenant cannot be', detail, errors);
}
