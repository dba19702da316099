import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Fastify from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { afterAll, expect, test } from 'vitest';
import { convertResult } from '../model/convert-api.ts';
import { parseRecording } from '../feeds/recorded.ts';
import { convertRoutes } from './convert-routes.ts';
import { checkSiteText } from './offline/check.ts';
import { ApiProblem } from './problems.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples');
const week = (name: string) => parseRecording(readFileSync(join(EXAMPLES, 'week-2026-03-23', name), 'utf8'), name);
const checked = checkSiteText(readFileSync(join(EXAMPLES, 'demo-40mw', 'site.yaml'), 'utf8'), 'site.yaml');
if (!checked.ok) throw new Error('the demo is good');

const price = week('price.csv');
const runtime = {
  site: checked.site,
  fleet: { machines: checked.machines.map((machine) => ({ machine })) },
  markets: { series: new Map([[price.name, price]]) },
  store: { intervals: () => Promise.resolve([]) },
} as unknown as Runtime;

const server = Fastify();
server.setValidatorCompiler(validatorCompiler);
server.setSerializerCompiler(serializerCompiler);
server.setErrorHandler((error, _request, reply) =>
  reply
    .code(error instanceof ApiProblem ? error.status : ((error as { statusCode?: number }).statusCode ?? 500))
    .send({ message: String(error) }),
);
await server.register(async (scope) => convertRoutes(scope.withTypeProvider<ZodTypeProvider>() as App, runtime));
afterAll(() => server.close());

const ask = (payload: object) => server.inject({ method: 'POST', url: '/api/v1/convert', payload });

test(
  'a study of the running site, in a thread: the promised shape, and the loop turns meanwhile',
  { timeout: 60_000 },
  async () => {
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 5);
    const reply = await ask({ years: 8, assumptions: { hashpriceUsdPerPhDay: 55 } });
    clearInterval(timer);
    expect(reply.statusCode).toBe(200);
    const result = convertResult.strict().parse(reply.json());
    expect(result.study).toMatchObject({ site: checked.site.name, years: 8 });
    expect(result.assumptions.find(({ key }) => key === 'hashpriceUsdPerPhDay')).toMatchObject({
      value: 55,
      from: 'study',
    });
    expect(result.measured).toMatchObject({ intervals: 0, coveragePct: null });
    expect(turns).toBeGreaterThan(10);
  },
);

test('what the study does not know is refused with its name', async () => {
  const unknown = await ask({ assumptions: { hashprice: 55 } });
  expect(unknown.statusCode).toBe(400);
  expect(unknown.body).toContain('assumptions');
  expect((await ask({ yeers: 3 })).statusCode).toBe(400);
});

test('a study that cannot be made says why', { timeout: 30_000 }, async () => {
  const reply = await ask({ halls: { nowhere: {} } });
  expect(reply.statusCode).toBe(422);
  expect(reply.body).toContain('nowhere');
});
