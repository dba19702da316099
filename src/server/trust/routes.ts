import { z } from 'zod';
import { isoUtc } from '../../model/index.ts';
import * as shapes from '../../model/trust-api.ts';
import { actorOf, personOf } from '../access/policy.ts';
import { ApiProblem } from '../problems.ts';
import { refusalsOnRecord } from '../refusals.ts';
import type { App } from '../routes.ts';
import type { Runtime } from '../runtime.ts';
import { type Suggestion, SuggestionRefusal } from './suggestions.ts';

/** How far Busbar may act, and what it suggests where it may not by itself. */
export function trustRoutes(app: App, runtime: Runtime): void {
  const cohorts = (): string[] => runtime.site.machines.filter(({ kind }) => kind === 'asic').map(({ id }) => id);
  app.get(
    '/api/v1/trust',
    {
      config: { needs: 'viewer' },
      schema: { tags: ['site'], summary: 'How far Busbar may act, by cohort', response: { 200: shapes.trustPage } },
    },
    () => {
      const { levels } = runtime.people;
      return {
        site: levels.site(),
        most: runtime.site.trust,
        cohorts: cohorts().map((cohort) => ({ cohort, own: levels.own(cohort) ?? null, trust: levels.of(cohort) })),
      };
    },
  );

  app.post(
    '/api/v1/trust',
    {
      onError: refusalsOnRecord(runtime, 'say how far Busbar may act'),
      config: { needs: 'admin' },
      schema: {
        tags: ['site'],
        summary: 'Say how far Busbar may act on the site, or on one cohort',
        body: shapes.trustRequest,
      },
    },
    async (request, reply) => {
      const { trust, why, cohort } = request.body;
      if (cohort !== undefined && !cohorts().includes(cohort))
        throw new ApiProblem(404, 'Not found', `no cohort "${cohort}"`);
      try {
        runtime.people.levels.set(trust, actorOf(personOf(request)), why, cohort);
      } catch (error) {
        throw new ApiProblem(409, 'Not raised', error instanceof Error ? error.message : String(error));
      }
      await runtime.store.flush().catch((error: Error) => {
        const detail = `trust is ${trust} now, but a restart would not know of it: ${error.message}`;
        throw new ApiProblem(503, 'Not written down', detail);
      });
      return reply.code(204).send();
    },
  );

  app.get(
    '/api/v1/suggestions',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['control'],
        summary: 'What the plan would change of cohorts that wait for a person, and what was confirmed',
        response: { 200: shapes.suggestionsPage },
      },
    },
    () => pageOf(runtime),
  );

  app.post(
    '/api/v1/suggestions/:id/confirm',
    {
      onError: refusalsOnRecord(runtime, 'confirm a suggestion'),
      config: { needs: 'operator' },
      schema: {
        tags: ['control'],
        summary: 'Carry a suggestion out, once',
        params: z.object({ id: z.string() }),
        body: shapes.suggestionConfirmRequest,
        response: { 202: shapes.suggestionConfirmed },
      },
    },
    async (request, reply) => {
      try {
        const who = actorOf(personOf(request));
        const { actId, cohort, machines } = runtime.suggestions.confirm(request.params.id, who, request.body.why);
        await runtime.store.flush().catch((error: Error) => {
          const detail = `it is carried out, but a restart would not know of it: ${error.message}`;
          throw new ApiProblem(503, 'Not written down', detail);
        });
        return reply.code(202).send({ act: actId, cohort, machines });
      } catch (error) {
        if (error instanceof SuggestionRefusal) throw new ApiProblem(409, 'Not possible', error.message);
        throw error;
      }
    },
  );
}

function pageOf(runtime: Runtime): shapes.SuggestionsPage {
  const { suggestions } = runtime;
  return {
    at: isoUtc(runtime.clock.now()),
    suggestions: suggestions.list().map(({ suggestion, plansLeft }) => viewOf(suggestion, plansLeft)),
    underway: suggestions.underway().map(({ cohort, actId, who, why, since, left, machines }) => ({
      cohort,
      act: actId,
      who,
      why,
      since: isoUtc(since),
      left: left.size,
      machines,
    })),
  };
}

/** What of a suggestion is told: the jobs it names stay inside. */
function viewOf(one: Suggestion, plansLeft: number): shapes.SuggestionView {
  const { id, kind, cohort, trust, moves, from, to, importDeltaW, why, usdPerHour, usdHorizon } = one;
  const worth = { importDeltaW, why, usdPerHour, usdHorizon };
  return { id, kind, cohort, trust, madeAt: isoUtc(one.madeAt), moves, from, to, ...worth, plansLeft };
}
