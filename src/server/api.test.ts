import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import * as shapes from '../model/api.ts';
import * as machines from '../model/machines-api.ts';
import { startSmall, type Small } from '../../test/support/site/small.ts';
import { until } from '../../test/support/site/until.ts';

let site: Small;
beforeAll(async () => {
  site = await startSmall({ offset: 11_020, from: '2026-03-24T00:31:00Z', speed: 60 });
  await until('a first plan', () => site.runtime.plan());
});
afterAll(() => site?.close());

interface Asked {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  readonly body: string;
}
type Method = 'GET' | 'POST' | 'DELETE';

/** Asks the real handlers; `inject` lets a test choose the Host header, which fetch does not. */
async function ask(
  method: Method,
  url: string,
  headers: Readonly<Record<string, string>> = {},
  body?: unknown,
): Promise<Asked> {
  const reply = await site.api.server.inject({
    method,
    url,
    headers: { host: `127.0.0.1:${site.port}`, ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });
  return { status: reply.statusCode, headers: reply.headers, body: reply.body };
}

const cookieFrom = (reply: Asked): string => String(reply.headers['set-cookie']).split(';')[0]!;
async function signIn(): Promise<string> {
  const link = new URL(site.api.signInLink());
  return cookieFrom(await ask('GET', `${link.pathname}${link.search}`));
}

/** Status for nobody, for a wrong cookie, and for a person signed in; all routes and roles are in test/access. */
interface Row {
  readonly route: string;
  readonly url: string;
  readonly body?: object;
  readonly nobody: number;
  readonly signedIn: number;
}
const why = { why: 'a test asks' };
const ROUTES: readonly Row[] = [
  { route: 'GET /api/v1/overview', url: '/api/v1/overview', nobody: 200, signedIn: 200 },
  { route: 'GET /api/v1/machines', url: '/api/v1/machines', nobody: 200, signedIn: 200 },
  { route: 'GET /api/v1/machines/{id}', url: '/api/v1/machines/a-s21-0001', nobody: 200, signedIn: 200 },
  { route: 'GET /api/v1/plan', url: '/api/v1/plan', nobody: 200, signedIn: 200 },
  { route: 'GET /api/v1/intervals', url: '/api/v1/intervals', nobody: 200, signedIn: 200 },
  { route: 'GET /api/v1/activity', url: '/api/v1/activity', nobody: 200, signedIn: 200 },
  { route: 'GET /api/v1/series/{name}', url: '/api/v1/series/priceUsdPerMwh', nobody: 200, signedIn: 200 },
  { route: 'GET /api/v1/session', url: '/api/v1/session', nobody: 200, signedIn: 200 },
  {
    route: 'POST /api/v1/cohorts/{id}/hold',
    url: '/api/v1/cohorts/d-s21xp/hold',
    body: why,
    nobody: 401,
    signedIn: 204,
  },
  {
    route: 'DELETE /api/v1/cohorts/{id}/hold',
    url: '/api/v1/cohorts/d-s21xp/hold',
    body: why,
    nobody: 401,
    signedIn: 204,
  },
  { route: 'POST /api/v1/signout', url: '/api/v1/signout', nobody: 204, signedIn: 204 },
];
/** Not in the OpenAPI document: for browsers, probes and scrapers. */
const HIDDEN: readonly Row[] = [
  { route: 'GET /api/v1/openapi.json', url: '/api/v1/openapi.json', nobody: 200, signedIn: 200 },
  { route: 'GET /metrics', url: '/metrics', nobody: 200, signedIn: 200 },
  { route: 'GET /healthz', url: '/healthz', nobody: 200, signedIn: 200 },
  { route: 'GET /signin', url: '/signin?token=wrong', nobody: 401, signedIn: 401 },
];
const EVENTS = 'GET /api/v1/events';
const methodOf = (row: Row) => row.route.split(' ')[0] as Method;

const openapi = z.object({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ security: z.array(z.unknown()).optional() }))),
});
const documentOf = async () => openapi.parse(JSON.parse((await ask('GET', '/api/v1/openapi.json')).body));

/** What Fastify really serves, hidden routes included, from the tree it prints. */
function servedRoutes(tree: string): string[] {
  const path: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const found = /^([│ ]*[├└]── )(\S+)(?: \(([A-Z, ]+)\))?/.exec(line);
    if (found === null) return [];
    path.length = found[1]!.length / 4 - 1;
    path.push(found[2]!.replaceAll(/:(\w+)/g, '{$1}'));
    const methods = (found[3] ?? '').split(', ').filter((method) => method !== '' && method !== 'HEAD');
    return methods.map((method) => `${method} ${path.join('')}`);
  });
}

test('the OpenAPI document is 3.1 and lists every route but the hidden ones', async () => {
  const document = await documentOf();
  expect(document.openapi).toMatch(/^3\.1\./);
  const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = servedRoutes(site.api.server.printRoutes({ commonPrefix: false }));
  const hidden = HIDDEN.map(({ route }) => route);
  expect(listed.sort()).toEqual(served.filter((route) => !hidden.includes(route)).sort());
  expect(served).toEqual(expect.arrayContaining([...ROUTES, ...HIDDEN].map(({ route }) => route).concat(EVENTS)));
});

test('what needs a session says so in the OpenAPI document, and nothing else does', async () => {
  const { paths } = await documentOf();
  for (const row of ROUTES) {
    const [method = '', path = ''] = row.route.split(' ');
    const secured = paths[path]?.[method.toLowerCase()]?.security !== undefined;
    expect(secured, row.route).toBe(row.nobody === 401);
  }
});

test.each([...ROUTES, ...HIDDEN])('access: $route', async (row) => {
  const method = methodOf(row);
  expect((await ask(method, row.url, {}, row.body)).status, 'nobody').toBe(row.nobody);
  const wrong = { cookie: 'busbar_session=d3Jvbmc' };
  expect((await ask(method, row.url, wrong, row.body)).status, 'wrong cookie').toBe(row.nobody);
  const cookie = await signIn();
  expect((await ask(method, row.url, { cookie }, row.body)).status, 'signed in').toBe(row.signedIn);
  for (const origin of ['http://evil.example', 'null', `http://127.0.0.1:${site.port + 1}`]) {
    expect((await ask(method, row.url, { cookie, origin }, row.body)).status, `origin ${origin}`).toBe(403);
  }
  for (const host of ['evil.example', `evil.example:${site.port}`, '127.0.0.1', `127.0.0.1:${site.port + 1}`]) {
    expect((await ask(method, row.url, { cookie, host }, row.body)).status, `host ${host}`).toBe(403);
  }
  const own = await ask(method, row.url, { origin: `http://127.0.0.1:${site.port}` }, row.body);
  expect(own.status, 'own origin, nobody').toBe(row.nobody);
});

test('the event stream is refused to foreign pages and names', async () => {
  for (const headers of [{ origin: 'http://evil.example' }, { host: 'evil.example' }])
    expect((await ask('GET', '/api/v1/events', headers)).status).toBe(403);
});

test('a sign-in link works once; the cookie is out of reach of scripts and of other sites', async () => {
  const link = new URL(site.api.signInLink());
  const path = `${link.pathname}${link.search}`;
  const first = await ask('GET', path);
  expect(first.status).toBe(303);
  expect(first.headers['location']).toBe('/');
  expect(first.headers['cache-control']).toBe('no-store');
  const flags = String(first.headers['set-cookie']).split('; ').slice(1);
  expect(flags).toEqual(expect.arrayContaining(['HttpOnly', 'SameSite=Strict', 'Path=/']));
  expect((await ask('GET', path)).status).toBe(401);
  const cookie = cookieFrom(first);
  const session = async () => shapes.session.parse(JSON.parse((await ask('GET', '/api/v1/session', { cookie })).body));
  expect(await session()).toMatchObject({ signedIn: true, who: 'owner', role: 'admin', via: 'link' });
  expect((await ask('POST', '/api/v1/signout', { cookie })).status).toBe(204);
  expect(await session()).toMatchObject({ signedIn: false, who: null, role: null, via: null });
});

test('every reply carries the headers that keep a page to itself', async () => {
  for (const url of ['/api/v1/overview', '/nowhere', '/metrics']) {
    const { headers } = await ask('GET', url);
    expect(headers['content-security-policy']).toContain("default-src 'self'");
    expect(headers['content-security-policy']).not.toContain('script-src');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
  }
});

/** No key may be in a reply that its shape does not name. */
function strictly(type: z.ZodType): z.ZodType {
  const { def } = type as unknown as { def: Record<string, unknown> & { type: string } };
  if (def.type === 'object') {
    const shape = (type as z.ZodObject).shape as Record<string, z.ZodType>;
    return z.strictObject(Object.fromEntries(Object.entries(shape).map(([key, value]) => [key, strictly(value)])));
  }
  if (def.type === 'array') return z.array(strictly(def['element'] as z.ZodType));
  if (def.type === 'nullable') return strictly(def['innerType'] as z.ZodType).nullable();
  if (def.type === 'optional') return strictly(def['innerType'] as z.ZodType).optional();
  return type;
}

test.each([
  ['/api/v1/overview', shapes.overview],
  ['/api/v1/machines?limit=500', shapes.machinePage],
  ['/api/v1/machines/e-h100-0001', machines.machineDetail],
  ['/api/v1/machines/d-s21xp-0001', machines.machineDetail],
  ['/api/v1/pools', machines.poolsPage],
  ['/api/v1/devices', machines.plantPage],
  ['/api/v1/plan', shapes.plan],
  ['/api/v1/intervals', shapes.intervalPage],
  ['/api/v1/activity', shapes.activityPage],
  ['/api/v1/series/priceUsdPerMwh', shapes.seriesPage],
  ['/api/v1/session', shapes.session],
] as const)('%s answers in its shape, and nothing besides', async (url, shape) => {
  const { status, body, headers } = await ask('GET', url);
  expect(status).toBe(200);
  expect(String(headers['content-type'])).toContain('application/json');
  strictly(shape).parse(JSON.parse(body));
});

test('problem details: 400, 401, 403 and 404 have the shape of RFC 9457 and name what is wrong', async () => {
  const cookie = await signIn();
  const hold = '/api/v1/cohorts/d-s21xp/hold';
  const cases: readonly [number, Method, string, Record<string, string>, unknown, RegExp][] = [
    [400, 'GET', '/api/v1/machines?limit=0', {}, undefined, /limit/],
    [400, 'GET', '/api/v1/machines?state=nope', {}, undefined, /state/],
    [400, 'GET', '/api/v1/series/nothing', {}, undefined, /name/],
    [400, 'POST', hold, { cookie }, { why: 'x' }, /why/],
    [400, 'POST', hold, { cookie }, { why: 'long enough', more: 1 }, /more/],
    [401, 'POST', hold, {}, { why: 'long enough' }, /sign-in link/],
    [401, 'POST', hold, {}, { nonsense: true }, /sign-in link/],
    [403, 'GET', '/api/v1/overview', { host: 'evil.example' }, undefined, /evil\.example/],
    [404, 'GET', '/api/v1/nowhere', {}, undefined, /nowhere/],
    [404, 'GET', '/api/v1/machines/nobody', {}, undefined, /nobody/],
    [404, 'POST', '/api/v1/cohorts/e-h100/hold', { cookie }, { why: 'no cohort of miners' }, /e-h100/],
    [404, 'DELETE', hold, { cookie }, { why: 'never held' }, /not held/],
  ];
  for (const [status, method, url, headers, body, words] of cases) {
    const reply = await ask(method, url, headers, body);
    const what = `${method} ${url}`;
    expect(reply.status, what).toBe(status);
    expect(String(reply.headers['content-type']), what).toContain('application/problem+json');
    const problem = shapes.problem.strict().parse(JSON.parse(reply.body));
    expect(problem).toMatchObject({ status, instance: url.split('?')[0] });
    expect(problem.detail, what).toMatch(words);
  }
});

test('a hold and its end are in Activity with who and why, and the cohort says so meanwhile', async () => {
  const cookie = await signIn();
  const url = '/api/v1/cohorts/a-s21/hold';
  expect((await ask('POST', url, { cookie }, { why: 'fan replacement in row 4' })).status).toBe(204);
  const overview = shapes.overview.parse(JSON.parse((await ask('GET', '/api/v1/overview')).body));
  expect(overview.cohorts.find(({ id }) => id === 'a-s21')?.held).toMatchObject({
    who: 'owner',
    why: 'fan replacement in row 4',
  });
  expect((await ask('DELETE', url, { cookie }, { why: 'row 4 is done' })).status).toBe(204);
  const page = shapes.activityPage.parse(JSON.parse((await ask('GET', '/api/v1/activity')).body));
  const mine = page.activity.filter(({ what, who }) => what.includes('a-s21') && who === 'owner');
  expect(mine.map((one) => one.why)).toEqual(['row 4 is done', 'fan replacement in row 4']);
});

test('a write that is refused leaves no trace', async () => {
  const acts = async () =>
    shapes.activityPage.parse(JSON.parse((await ask('GET', '/api/v1/activity?limit=500')).body)).activity;
  const owners = async () => (await acts()).filter(({ who, what }) => who === 'owner' && what !== 'sign in').length;
  const before = await owners();
  await ask('POST', '/api/v1/cohorts/a-s21/hold', {}, { why: 'nobody asks' });
  await ask('POST', '/api/v1/cohorts/a-s21/hold', { cookie: await signIn(), origin: 'http://evil.example' }, why);
  expect(await owners()).toBe(before);
  expect(site.runtime.people.holds().size).toBe(0);
});

test('pages of machines follow each other without gap or repetition', async () => {
  const ids: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const from = cursor === '' ? '' : `&cursor=${cursor}`;
    const page = shapes.machinePage.parse(JSON.parse((await ask('GET', `/api/v1/machines?limit=30${from}`)).body));
    ids.push(...page.machines.map(({ id }) => id));
    cursor = page.nextCursor;
  }
  expect(ids).toEqual(site.runtime.fleet.machines.map(({ machine }) => machine.id));
  const one = shapes.machinePage.parse(
    JSON.parse((await ask('GET', '/api/v1/machines?q=127.4.0.7&hall=d&kind=asic')).body),
  );
  expect(one.machines.map(({ id }) => id)).toEqual(['d-s21xp-0007']);
});

/** The first `count` events of a stream, as sent. */
/** Listens until so many overviews were told: one comes a second, and of acts there may be none or a hundred. */
async function listen(overviews: number): Promise<{ event: string; data: string }[]> {
  const stop = new AbortController();
  const reply = await fetch(`${site.url}/api/v1/events`, { signal: stop.signal });
  expect(reply.headers.get('content-type')).toBe('text/event-stream');
  const events: { event: string; data: string }[] = [];
  let text = '';
  const decoder = new TextDecoder();
  for await (const part of reply.body!) {
    text += decoder.decode(part, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      const found = /^event: (\w+)\ndata: (.*)$/s.exec(block);
      if (found !== null) events.push({ event: found[1]!, data: found[2]! });
    }
    if (events.filter(({ event }) => event === 'overview').length >= overviews) break;
  }
  stop.abort();
  return events;
}

test('the stream begins with the overview, then the plan; two listeners are told the same', async () => {
  // Enough of them that both hear a stretch of the same, however late one of them joins.
  const [one, two] = await Promise.all([listen(10), listen(10)]);
  expect(one.slice(0, 2).map(({ event }) => event)).toEqual(['overview', 'plan']);
  expect(two.slice(0, 2).map(({ event }) => event)).toEqual(['overview', 'plan']);
  for (const { event, data } of [...one, ...two]) {
    const shape = strictly(shapes[event as keyof typeof shapes] as z.ZodType);
    shape.parse(JSON.parse(data));
  }
  // Listeners join at their own moment; from then on both get the same bytes in the same order.
  const [first, second] = [one, two].map((events) => events.slice(2).map(({ data }) => data)) as [string[], string[]];
  // Where, an overview tells: it has its second in it, and what is told of an act may be told twice in the same words.
  const begin = one.slice(2).findIndex(({ event, data }) => event === 'overview' && second.includes(data));
  expect(begin).toBeGreaterThanOrEqual(0);
  const [a, b] = [first.slice(begin), second.slice(second.indexOf(first[begin]!))];
  const both = Math.min(a.length, b.length);
  expect(both).toBeGreaterThanOrEqual(3);
  expect(a.slice(0, both)).toEqual(b.slice(0, both));
});

test('/metrics is Prometheus text with known figures only', async () => {
  const { body, headers } = await ask('GET', '/metrics');
  expect(String(headers['content-type'])).toContain('text/plain; version=0.0.4');
  const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of samples) expect(line).toMatch(/^busbar_[a-z_]+(\{[^}]*\})? -?\d/);
  expect(body).toContain('busbar_connection_limit_watts 400000');
  expect(body).not.toMatch(/undefined|NaN|null/);
});

test('a silent feeder meter gives null and a sentence that says so, never 0', async () => {
  const overviewNow = async () => shapes.overview.parse(JSON.parse((await ask('GET', '/api/v1/overview')).body));
  site.sim.inject({ target: 'feeder', fault: 'silent' });
  try {
    const seen = await until('an unknown import', async () => {
      const now = await overviewNow();
      return now.connection.importW === null && now.alarms.some(({ code }) => code === 'meter-silent')
        ? now
        : undefined;
    });
    expect(seen.connection.unknownW).toBeNull();
    expect(seen.connection.ageMs).toBeGreaterThan(0);
    expect(seen.sentence).toContain('The feeder meter is silent: import unknown');
    expect(seen.sentence).not.toMatch(/\b0(\.0)? (of|MW)/);
    expect(seen.costUsdPerHour).toBeNull();
    expect(seen.marginUsdPerHour).toBeNull();
    expect(seen.lines.find(({ line }) => line === 'grid')).toMatchObject({ powerW: null, revenueUsdPerHour: null });
    expect((await ask('GET', '/metrics')).body).not.toMatch(/^busbar_import_watts /m);
  } finally {
    site.sim.inject({ target: 'feeder', fault: 'clear' });
  }
  const back = await until('the import again', async () => (await overviewNow()).connection.importW);
  expect(back / site.sim.truth().feederW).toBeCloseTo(1, 1);
});
