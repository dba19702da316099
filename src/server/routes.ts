import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import * as shapes from '../model/api.ts';
import { CATALOGUE, isoUtc, MACHINE_STATES, SERIES } from '../model/index.ts';
import { actorOf, personOf } from './access/policy.ts';
import { scoresNow } from './forecast-scores.ts';
import { ApiProblem } from './problems.ts';
import type { Runtime } from './runtime.ts';
import { activityView, intervalView, machineRow, overviewOf, planView, unitOf, type Today } from './view.ts';

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

const limit = (most: number, usual: number) => z.coerce.number().int().min(1).max(most).default(usual);

/** Who may read; `config` of a route. */
const readers = { needs: 'viewer' } as const;
const operators = { needs: 'operator' } as const;

export function readRoutes(app: App, runtime: Runtime, today: () => Today): void {
  app.get(
    '/api/v1/overview',
    {
      config: readers,
      schema: { tags: ['site'], summary: 'The whole site at a glance', response: { 200: shapes.overview } },
    },
    () => overviewOf(runtime, today()),
  );

  const machinesQuery = z.object({
    limit: limit(10_000, 200),
    cursor: z.string().optional().describe('nextCursor of the page before'),
    hall: z.string().optional(),
    state: z.enum(MACHINE_STATES).optional(),
    kind: z.enum(['asic', 'gpu-server']).optional(),
    q: z.string().max(100).optional().describe('part of id, address or model'),
  });
  app.get(
    '/api/v1/machines',
    {
      config: readers,
      schema: {
        tags: ['machines'],
        summary: 'Machines, a page at a time',
        querystring: machinesQuery,
        response: { 200: shapes.machinePage },
      },
    },
    ({ query }) => machinePage(runtime, query),
  );

  app.get(
    '/api/v1/plan',
    { config: readers, schema: { tags: ['plan'], summary: 'The plan in force', response: { 200: shapes.plan } } },
    () => {
      const plan = runtime.plan();
      if (plan === undefined)
        throw new ApiProblem(404, 'No plan yet', 'every machine is read once before the first plan is made');
      return planView(runtime, plan);
    },
  );

  app.get(
    '/api/v1/forecast-scores',
    {
      config: readers,
      schema: {
        tags: ['plan'],
        summary: 'How far the forecasts of the last week were off',
        response: { 200: shapes.forecastScores },
      },
    },
    () => scoresNow(runtime),
  );

  const intervalsQuery = z.object({ limit: limit(2_976, 96) });
  app.get(
    '/api/v1/intervals',
    {
      config: readers,
      schema: {
        tags: ['books'],
        summary: 'Booked quarter-hours, oldest first',
        querystring: intervalsQuery,
        response: { 200: shapes.intervalPage },
      },
    },
    async ({ query }) => ({
      at: isoUtc(runtime.clock.now()),
      intervals: (await runtime.store.intervals(query.limit)).map(intervalView),
    }),
  );

  app.get(
    '/api/v1/activity',
    {
      config: readers,
      schema: {
        tags: ['control'],
        summary: 'Who or what did what, newest first',
        querystring: z.object({ limit: limit(500, 50) }),
        response: { 200: shapes.activityPage },
      },
    },
    async ({ query }) => ({
      at: isoUtc(runtime.clock.now()),
      activity: (await runtime.store.acts(query.limit)).map(activityView),
    }),
  );

  app.get(
    '/api/v1/audit/head',
    {
      config: readers,
      schema: {
        tags: ['control'],
        summary: 'Where the audit log ends: keep it elsewhere, and verify against it',
        response: { 200: shapes.auditHead },
      },
    },
    async () => {
      const { entries, head, at } = await runtime.store.auditHead();
      return { entries, head: head ?? null, at: at === undefined ? null : isoUtc(at) };
    },
  );

  app.get(
    '/api/v1/series/:name',
    {
      config: readers,
      schema: {
        tags: ['markets'],
        summary: 'A series of prices, weather or network figures',
        params: z.object({ name: z.enum(SERIES) }),
        response: { 200: shapes.seriesPage },
      },
    },
    ({ params }) => {
      const series = runtime.markets.series.get(params.name);
      if (series === undefined) throw new ApiProblem(404, 'Not found', `no feed of this site has ${params.name}`);
      const { name, source, provenance, points } = series;
      return {
        name,
        unit: unitOf(name),
        source,
        provenance,
        points: points.map(({ start, value }) => ({ start: isoUtc(start), value })),
      };
    },
  );
}

function machinePage(
  runtime: Runtime,
  query: {
    limit: number;
    cursor?: string | undefined;
    hall?: string | undefined;
    state?: string | undefined;
    kind?: string | undefined;
    q?: string | undefined;
  },
): shapes.MachinePage {
  const { states } = runtime.picture();
  const text = query.q?.toLowerCase();
  const matching = runtime.fleet.machines.filter(({ machine }) => {
    if (query.hall !== undefined && machine.hallId !== query.hall) return false;
    if (query.kind !== undefined && machine.kind !== query.kind) return false;
    if (query.state !== undefined && states.get(machine.id)?.state !== query.state) return false;
    return (
      text === undefined ||
      `${machine.id} ${machine.address} ${machine.modelId} ${CATALOGUE.get(machine.modelId)?.name}`
        .toLowerCase()
        .includes(text)
    );
  });
  const after = query.cursor === undefined ? 0 : matching.findIndex(({ machine }) => machine.id === query.cursor) + 1;
  const page = matching.slice(after, after + query.limit);
  const more = after + page.length < matching.length;
  return {
    at: isoUtc(runtime.picture().at),
    total: runtime.fleet.machines.length,
    matching: matching.length,
    machines: page.map((member) => machineRow(runtime, member)),
    nextCursor: more ? (page.at(-1)?.machine.id ?? null) : null,
  };
}

/** Nothing changes anything without credentials, and every change is recorded with who and why. */
export function writeRoutes(app: App, runtime: Runtime): void {
  const params = z.object({ id: z.string() });
  const cohort = (id: string): string => {
    if (runtime.site.machines.some((group) => group.id === id && group.kind === 'asic')) return id;
    const there = runtime.site.machines.filter(({ kind }) => kind === 'asic').map((group) => group.id);
    throw new ApiProblem(
      404,
      'Not found',
      `no cohort "${id}"; there ${there.length === 0 ? 'is none' : `are ${there.join(', ')}`}`,
    );
  };
  app.post(
    '/api/v1/cohorts/:id/hold',
    {
      config: operators,
      schema: {
        tags: ['control'],
        summary: 'Hold a cohort out of the plan: it stays as it is',
        params,
        body: shapes.holdRequest,
      },
    },
    async (request, reply) => {
      await runtime.people.hold(cohort(request.params.id), actorOf(personOf(request)), request.body.why);
      return reply.code(204).send();
    },
  );
  app.delete(
    '/api/v1/cohorts/:id/hold',
    {
      config: operators,
      schema: {
        tags: ['control'],
        summary: 'Give a held cohort back to the plan',
        params,
        body: shapes.holdRequest,
      },
    },
    async (request, reply) => {
      const was = await runtime.people.unhold(cohort(request.params.id), actorOf(personOf(request)), request.body.why);
      if (!was) throw new ApiProblem(404, 'Not held', `cohort "${request.params.id}" is not held`);
      return reply.code(204).send();
    },
  );
}
