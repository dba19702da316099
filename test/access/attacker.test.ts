import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problem, ROLES, type Role } from '../../src/model/api.ts';
import { createApi, type Api } from '../../src/server/api.ts';
import { digestOf, newApiToken, newId } from '../../src/server/access/credentials.ts';
import type { RoutePolicy } from '../../src/server/access/policy.ts';
import { createSessions } from '../../src/server/access/sessions.ts';
import { freePort, startSmall, type RawSite, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';
import { pino } from 'pino';

/**
 * Somebody on the same network who knows every route, and the body each wants: from the server's own table and its own document, so
 * that a route that is added is tried without anybody thinking of it. What is refused changes nothing, and leaves a trace.
 */

let site: Small;
let api: Api;
let port: number;
const bodies = new Map<string, unknown>();
const DAY = 86_400_000;
const TIMEOUT = { timeout: 120_000 };

beforeAll(async () => {
  const adjust = (raw: RawSite) =>
    void (raw.tenants = [{ id: 'acme', name: 'Acme', projects: [{ id: 'all', account: 'acme' }] }]);
  site = await startSmall({ offset: 14_940, from: '2026-03-23T20:01:00Z', speed: 20, adjust });
  port = await freePort();
  api = await createApi({
    runtime: site.runtime,
    host: '127.0.0.1',
    port,
    names: [],
    tls: undefined,
    openReads: false,
    tokenFile: undefined,
    pages: undefined,
    version: '0.0.0-test',
    log: pino({ level: 'silent' }),
  });
  await api.listen();
  for (const role of ROLES) await addAccount(role, role);
  await addAccount('ann', 'operator');
  await addAccount('ben', 'operator');
  const document = api.server.swagger() as unknown as { paths: Record<string, Record<string, Operation>> };
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { requestBody }] of Object.entries(operations)) {
      const schema = requestBody?.content['application/json']?.schema;
      if (schema !== undefined)
        bodies.set(`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`, sample(schema));
    }
  }
  await until('a plan', () => site.runtime.plan());
}, 120_000);
afterAll(async () => {
  await api?.close();
  await site?.close();
});

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minLength?: number;
}
/** The least that a schema takes. */
function sample(schema: Schema): unknown {
  const { type, properties = {}, required = [] } = schema;
  const [choice] = schema.anyOf ?? schema.oneOf ?? [];
  if (choice !== undefined) return sample(choice);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (type === 'object') return Object.fromEntries(required.map((key) => [key, sample(properties[key]!)]));
  if (type === 'array') return schema.items === undefined ? [] : [sample(schema.items)];
  if (type === 'number' || type === 'integer') return 1;
  if (type === 'boolean') return true;
  return 'a'.repeat(Math.max(12, schema.minLength ?? 0));
}

const accounts = () => site.runtime.store.accounts;
async function addAccount(name: string, role: Role): Promise<void> {
  const tenant = role === 'customer' ? 'acme' : undefined;
  await accounts().add({ name, role, tenant, passwordHash: 'no password opens this', createdMs: 0 });
}
async function token(owner: string, role: Role, lifeMs = DAY): Promise<{ id: string; text: string }> {
  const id = newId();
  const text = newApiToken(id);
  const times = { createdMs: 0, expiresMs: Date.now() + lifeMs, usedMs: Date.now() };
  await accounts().addToken({ id, digest: digestOf(text), account: owner, name: id, role, tags: undefined, ...times });
  return { id, text };
}
const session = async (account: string | undefined): Promise<string> =>
  (await createSessions(accounts(), Date.now).start(account, '127.0.0.1', 'a test')).token;

type Headers = Readonly<Record<string, string>>;
const bearer = (text: string): Headers => ({ authorization: `Bearer ${text}` });
const cookie = (text: string): Headers => ({ cookie: `busbar_session=${text}` });

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
}
async function call(method: string, url: string, headers: Headers, body?: unknown): Promise<Answer> {
  const reply = await api.server.inject({
    method: method as 'GET',
    url,
    headers: { host: `127.0.0.1:${port}`, ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });
  return {
    status: reply.statusCode,
    type: String(reply.headers['content-type']),
    body: reply.body,
    headers: reply.headers,
  };
}

/** A request whose address is sent as it stands. */
const raw = (path: string, headers: Headers, body: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', ...headers };
    const asked = request({ host: '127.0.0.1', port, path, method: 'POST', headers: all }, (reply) => {
      reply.resume();
      resolve(reply.statusCode ?? 0);
    });
    asked.once('error', reject);
    asked.end(body);
  });

/** Routes that change something: all but reads, and the study that is too long for an address. */
const writes = (): RoutePolicy[] =>
  api.routes.filter(({ method, url }) => !['GET', 'HEAD', 'OPTIONS'].includes(method) && url !== '/api/v1/convert');
const closed = (): RoutePolicy[] => writes().filter(({ needs }) => needs !== 'public');
/** An address that is meant: of a cohort, a machine and an account there are. */
const addressOf = ({ url }: RoutePolicy): string =>
  url
    .replace('/cohorts/:id', '/cohorts/a-s21')
    .replace('/machines/:id', '/machines/a-s21-0001')
    .replace('/users/:name', '/users/ben')
    .replaceAll(/:\w+/g, '1');
const attempt = (route: RoutePolicy, headers: Headers): Promise<Answer> =>
  call(route.method, addressOf(route), headers, bodies.get(`${route.method} ${route.url}`));

/** All that a write could change. */
async function state(): Promise<string> {
  const { people, orders, suggestions, pools, store, jobs, site: file } = site.runtime;
  const [users, tokens, holds] = await Promise.all([
    accounts().list(Date.now()),
    accounts().tokens(undefined),
    store.holds(),
  ]);
  return JSON.stringify({
    users: users.map(({ name, role, disabled }) => ({ name, role, disabled })),
    tokens: tokens.map(({ id }) => id),
    holds,
    trust: [people.trust(), ...file.machines.map(({ id }) => people.levels.own(id))],
    orders: orders.all(),
    underway: suggestions.underway().length,
    pools: [pools.list.inForce(), pools.list.pending(), pools.changes.latest().length],
    jobs: typeof jobs,
    file: file.name,
  });
}
const refusals = async () => (await site.runtime.store.acts(5_000)).filter(({ what }) => what.startsWith('refused: '));

function isRefusal(answer: Answer, status: number, what: string): void {
  expect(answer.status, `${what}: ${answer.body}`).toBe(status);
  expect(answer.type, what).toContain('application/problem+json');
  expect(problem.parse(JSON.parse(answer.body)), what).toMatchObject({ status });
}

test('bodies of routes are known, so that they are refused for who asks and not for what', () => {
  const withoutBody = closed().filter(({ method, url }) => !bodies.has(`${method} ${url}`));
  expect(closed().length).toBeGreaterThan(20);
  // What is taken away by its address alone.
  expect(withoutBody.map(({ method }) => method).filter((method) => method !== 'DELETE')).toEqual([]);
});

describe('every route that changes something', () => {
  test.each(['nobody', 'garbage', 'an expired token', 'a revoked token'])('is shut to %s', TIMEOUT, async (who) => {
    const revoked = await token('admin', 'admin');
    await accounts().removeToken(revoked.id);
    const headers: Headers =
      who === 'nobody'
        ? {}
        : who === 'garbage'
          ? bearer('bb_0123456789ab_garbage')
          : bearer(who === 'a revoked token' ? revoked.text : (await token('admin', 'admin', -1)).text);
    const before = await state();
    for (const route of closed()) isRefusal(await attempt(route, headers), 401, `${route.method} ${route.url}`);
    expect(await state()).toBe(before);
  });

  test.each(ROLES)('asks more of a %s than the role has, or lets it in', TIMEOUT, async (role) => {
    const rank = (one: Role): number => ROLES.indexOf(one);
    const [person, program] = [cookie(await session(role)), bearer((await token(role, role)).text)];
    const before = await state();
    for (const route of closed()) {
      const needs = route.needs as Role;
      if (role === 'customer' ? !route.customers : rank(role) < rank(needs)) {
        isRefusal(await attempt(route, person), 403, `${route.method} ${route.url}`);
        isRefusal(await attempt(route, program), 403, `${route.method} ${route.url} by token`);
      } else if (route.credentials)
        isRefusal(await attempt(route, program), 403, `${route.method} ${route.url} by token`);
    }
    expect(await state()).toBe(before);
  });

  test('leaves a trace of each refusal, by whom, what and why', TIMEOUT, async () => {
    for (const [i, route] of closed()
      .filter(({ needs }) => needs !== 'viewer')
      .entries()) {
      // A name of its own each: one person's refusals are bounded.
      await addAccount(`viewer-${i}`, 'viewer');
      const before = (await refusals()).length;
      isRefusal(await attempt(route, cookie(await session(`viewer-${i}`))), 403, route.url);
      const [newest, ...rest] = await refusals();
      expect(1 + rest.length - before, `${route.method} ${route.url} leaves a trace`).toBe(1);
      expect(newest).toMatchObject({ who: `viewer-${i}`, why: expect.stringMatching(/needs the role/) });
      expect(newest!.what.length).toBeGreaterThan('refused: '.length + 3);
    }
  });

  test('leaves some traces of a flood, and not a disk full of them', TIMEOUT, async () => {
    const [route] = closed();
    const flooder = await token('viewer', 'viewer');
    const before = (await refusals()).length;
    for (let i = 0; i < 300; i += 1) {
      await attempt(route!, bearer(flooder.text));
      await attempt(route!, {});
    }
    const added = (await refusals()).length - before;
    expect(added).toBeGreaterThanOrEqual(20);
    expect(added).toBeLessThan(60);
  });
});

describe('orders', () => {
  const preview = async (
    headers: Headers,
    body: object = { kind: 'curtail', mw: 0.01, minutes: 60 },
  ): Promise<string> => {
    const answer = await call('POST', '/api/v1/orders/preview', headers, body);
    expect(answer.status, answer.body).toBe(200);
    return (JSON.parse(answer.body) as { id: string }).id;
  };
  const apply = (headers: Headers, id: string) =>
    call('POST', '/api/v1/orders', headers, { preview: id, why: 'a test' });
  const release = async (headers: Headers) => {
    for (const { id, state: of } of site.runtime.orders.all())
      if (of !== 'over') await call('POST', `/api/v1/orders/${id}/release`, headers, { why: 'a test' });
  };

  test('are given by whoever looked at their preview, once', TIMEOUT, async () => {
    const [ann, ben] = [cookie(await session('ann')), cookie(await session('ben'))];
    const id = await preview(ann);
    isRefusal(await apply(ben, id), 409, 'a preview made by somebody else');
    expect(site.runtime.orders.inForce()).toEqual([]);
    expect((await apply(ann, id)).status).toBe(202);
    isRefusal(await apply(ann, id), 409, 'a preview used twice');
    isRefusal(await apply(ann, 'p'.repeat(36)), 409, 'a preview that never was');
    await release(ann);
  });

  test('are not approved by the same person in another dress', TIMEOUT, async () => {
    const limits = site.runtime.site.limits as { orderAloneMw?: number | undefined };
    const before = limits.orderAloneMw;
    limits.orderAloneMw = 0.000_001;
    try {
      const person = cookie(await session('ann'));
      const program = bearer((await token('ann', 'operator')).text);
      for (const [first, second] of [
        [person, person],
        [person, bearer(await session('ann'))],
        [person, program],
        [program, person],
      ] as const) {
        const id = await preview(first, { kind: 'curtail', mw: 0.05, minutes: 60 });
        expect(JSON.parse((await apply(first, id)).body)).toMatchObject({ state: 'asked' });
        isRefusal(await apply(second, id), 409, 'approved by herself');
        isRefusal(await apply(cookie(await session(undefined)), id), 409, 'approved by the key of the machine');
        expect(site.runtime.orders.inForce()).toEqual([]);
        await release(person);
      }
    } finally {
      limits.orderAloneMw = before;
    }
  });
});

describe('the key of the machine', () => {
  test('gives orders alone, and is neither of two people', TIMEOUT, async () => {
    const limits = site.runtime.site.limits as { orderAloneMw?: number | undefined };
    const before = limits.orderAloneMw;
    const owner = cookie(await session(undefined));
    const body = { kind: 'curtail', mw: 0.05, minutes: 60 };
    const preview = async () =>
      (JSON.parse((await call('POST', '/api/v1/orders/preview', owner, body)).body) as { id: string }).id;
    const apply = async (headers: Headers, id: string) =>
      call('POST', '/api/v1/orders', headers, { preview: id, why: 'from the shell' });
    limits.orderAloneMw = 0.000_001;
    try {
      const id = await preview();
      // Whoever is at the machine may hold an account, too, and would be both.
      const refused = await apply(owner, id);
      isRefusal(refused, 409, 'asked for by the key of the machine');
      expect(refused.body).toContain('two people with an account each');
      isRefusal(await apply(cookie(await session('ann')), id), 409, 'what was never asked for');
      expect(site.runtime.orders.all().filter(({ state: of }) => of !== 'over')).toEqual([]);
      expect((await refusals())[0]).toMatchObject({ what: 'refused: carry an order out' });
      isRefusal(await call('POST', '/api/v1/pools/approve', owner, { why: 'from the shell' }), 403, 'a list of pools');
    } finally {
      limits.orderAloneMw = before;
    }
    const alone = await apply(owner, await preview());
    expect(alone.status, alone.body).toBe(202);
    const { id } = JSON.parse(alone.body) as { id: string };
    expect((await call('POST', `/api/v1/orders/${id}/release`, owner, { why: 'a test' })).status).toBe(200);
  });
});

describe('what a browser elsewhere can send', () => {
  test('a form with the cookie of somebody signed in is refused, and leaves a trace', TIMEOUT, async () => {
    const headers = cookie(await session('admin'));
    const before = await state();
    const said = (await refusals()).length;
    for (const route of writes()) {
      const evil = { ...headers, origin: 'https://evil.example', 'content-type': 'text/plain' };
      isRefusal(await call(route.method, addressOf(route), evil, '{"why":"because"}'), 403, route.url);
      const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
      const answer = await call(route.method, addressOf(route), { ...form, origin: 'null' }, 'why=because');
      isRefusal(answer, 403, `${route.url} from a sandboxed frame`);
    }
    expect(await state()).toBe(before);
    expect((await refusals()).length).toBeGreaterThan(said);
  });

  test('a body that is no JSON is not read, whoever sends it', TIMEOUT, async () => {
    const headers = cookie(await session('admin'));
    const before = await state();
    for (const route of closed().filter(({ method, url }) => bodies.has(`${method} ${url}`))) {
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
        const answer = await call(
          route.method,
          addressOf(route),
          { ...headers, 'content-type': type },
          '{"why":"because"}',
        );
        expect([400, 415], `${route.url} ${type}: ${answer.body}`).toContain(answer.status);
        expect(answer.type).toContain('application/problem+json');
      }
    }
    expect(await state()).toBe(before);
  });

  test('a name bound anew to this address is not answered, and neither is one that is made to look like it', async () => {
    for (const host of [
      'evil.example',
      `127.0.0.1.evil.example:${port}`,
      `127.0.0.1:${port}.evil.example`,
      `127.0.0.1:${port}@evil`,
      '',
    ]) {
      const answer = await call(
        'POST',
        '/api/v1/trust',
        { ...cookie(await session('admin')), host },
        { trust: 'shadow', why: 'mine' },
      );
      isRefusal(answer, 403, host);
    }
    expect(site.runtime.people.trust()).toBe('auto');
  });

  test('a cookie that somebody planted stays nobody after a sign-in', async () => {
    const planted = `bbs_${'f'.repeat(43)}`;
    const link = new URL(api.signInLink());
    const signed = await call('GET', `${link.pathname}${link.search}`, cookie(planted));
    const given = String(signed.headers['set-cookie']);
    expect(given).toMatch(/^busbar_session=bbs_/);
    expect(given).not.toContain(planted);
    isRefusal(await call('POST', '/api/v1/trust', cookie(planted), { trust: 'shadow', why: 'mine' }), 401, 'planted');
  });
});

describe('what is sent', () => {
  test('is bounded, before it is read', TIMEOUT, async () => {
    const headers = { ...cookie(await session('admin')), 'content-type': 'application/json' };
    const huge = JSON.stringify({ why: 'x'.repeat(70_000) });
    const before = await state();
    for (const route of closed().filter(({ method, url }) => bodies.has(`${method} ${url}`))) {
      const answer = await call(route.method, addressOf(route), headers, huge);
      isRefusal(answer, 413, route.url);
    }
    expect(await state()).toBe(before);
  });

  test('as a reason is one line without what a terminal obeys', TIMEOUT, async () => {
    const headers = cookie(await session('ann'));
    const hold = (why: unknown) => call('POST', '/api/v1/cohorts/a-s21/hold', headers, { why });
    for (const why of [
      'x'.repeat(10_000),
      'ok \u001b[2J',
      'ok \u0000 ok',
      'a\u202Eb c',
      '\n\n\n',
      ['array'],
      { a: 1 },
      7,
    ])
      isRefusal(await hold(why), 400, JSON.stringify(why).slice(0, 40));
    expect(site.runtime.people.holds().size).toBe(0);
    expect((await hold('one\r\nbusbar: raise the site to auto')).status).toBe(204);
    expect(site.runtime.people.holds().get('a-s21')?.why).toBe('one busbar: raise the site to auto');
    await call('DELETE', '/api/v1/cohorts/a-s21/hold', headers, { why: 'over' });
  });

  test('as an address leads nowhere else', TIMEOUT, async () => {
    // Over a real socket: `inject` would tidy the address up.
    const before = await state();
    const body = JSON.stringify({ why: 'because', trust: 'shadow' });
    for (const path of [
      '/api/v1/cohorts/..%2F..%2Ftrust/hold',
      '/api/v1/cohorts/%2e%2e/hold',
      '/api/v1//trust',
      '/api/v1/session/../trust',
      '/api/v1/session/%2e%2e/trust',
      '/API/V1/TRUST',
      '/api/v1/trust/',
      '/api/v1/trust;a=b',
      '/api/v1/cohorts/%00/hold',
      '/api/v1/cohorts/%ff/hold',
      '/healthz/..;/api/v1/trust',
    ]) {
      for (const headers of [{}, bearer('bb_0123456789ab_garbage')]) {
        expect([400, 401, 403, 404], path).toContain(await raw(path, headers, body));
      }
    }
    expect(await state()).toBe(before);
  });
});
