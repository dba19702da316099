import { request as ask } from 'undici';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLES, type Role } from '../../src/model/api.ts';
import { createApi, type Api } from '../../src/server/api.ts';
import { digestOf, newApiToken, newId } from '../../src/server/access/credentials.ts';
import type { RoutePolicy } from '../../src/server/access/policy.ts';
import { createSessions } from '../../src/server/access/sessions.ts';
import { freePort, startSmall, type RawSite, type Small } from '../support/site/small.ts';

/**
 * Every route of the real server, as it registered them, tried as everybody: a route that is added is tried without
 * anybody thinking of it. A request that is let in may still be refused for what it asks (400, 404, 409); what counts
 * here is who is let in.
 */

let site: Small;
let api: Api;
let port: number;
let openApi: Api;
const DAY = 86_400_000;

beforeAll(async () => {
  const tenants = [{ id: 'acme', name: 'Acme', projects: [{ id: 'all', account: 'acme' }] }];
  const adjust = (raw: RawSite) => void (raw.tenants = tenants);
  site = await startSmall({ offset: 11_420, from: '2026-03-24T00:31:00Z', speed: 60, adjust });
  port = await freePort();
  const common = { runtime: site.runtime, host: '127.0.0.1', names: [], tls: undefined, tokenFile: undefined };
  const about = { pages: undefined, version: '0.0.0-test', log: pino({ level: 'silent' }) };
  api = await createApi({ ...common, ...about, port, openReads: false });
  await api.listen();
  openApi = await createApi({ ...common, ...about, port, openReads: true });
  const { accounts } = site.runtime.store;
  const made = { passwordHash: 'no password opens this', createdMs: 0 };
  for (const role of ROLES) await accounts.add({ name: role, role, tenant: tenantOf(role), ...made });
  await accounts.add({ name: 'spare-admin', role: 'admin', ...made });
  await accounts.add({ name: 'gone', role: 'admin', ...made });
});
afterAll(async () => {
  await api?.close();
  await site?.close();
});

const tenantOf = (role: Role) => (role === 'customer' ? 'acme' : undefined);

interface TokenWish {
  readonly owner?: string;
  readonly role?: Role;
  readonly tags?: readonly string[];
  readonly expired?: boolean;
}
async function token({ owner = 'admin', role = 'admin', tags, expired = false }: TokenWish): Promise<string> {
  const id = newId();
  const text = newApiToken(id);
  const times = { createdMs: 0, expiresMs: Date.now() + (expired ? -1 : DAY), usedMs: Date.now() };
  const row = { id, digest: digestOf(text), account: owner, name: id, role, tags, ...times };
  expect(await site.runtime.store.accounts.addToken(row)).toBe(true);
  return text;
}
async function session(account: string | undefined): Promise<string> {
  const sessions = createSessions(site.runtime.store.accounts, Date.now);
  return (await sessions.start(account, '127.0.0.1', 'a test')).token;
}

type Headers = Record<string, string>;
const bearer = (text: string): Headers => ({ authorization: `Bearer ${text}` });
const cookie = (text: string): Headers => ({ cookie: `busbar_session=${text}` });

/** What a person may, by role; `token` ones may not manage credentials. Undefined: nobody. */
interface Somebody {
  readonly who: string;
  readonly role: Role | undefined;
  readonly via: 'session' | 'token' | 'nobody';
  readonly tags?: readonly string[];
  /** A customer's role without a tenant: an admin's token cut down to it. */
  readonly ofNoTenant?: boolean;
  /** Credentials that were sent and are not good: refused where anything is needed. */
  readonly bad?: boolean;
  headers(): Promise<Headers>;
}

async function afterwards(headers: Headers, ...changes: (() => Promise<unknown>)[]): Promise<Headers> {
  for (const change of changes) await change();
  return headers;
}
const accounts = () => site.runtime.store.accounts;

const EVERYBODY: readonly Somebody[] = [
  { who: 'nobody', role: undefined, via: 'nobody', headers: async () => ({}) },
  { who: 'a made-up cookie', role: undefined, via: 'nobody', headers: async () => cookie(`bbs_${'x'.repeat(43)}`) },
  ...ROLES.map((role): Somebody => ({
    who: `${role}, by cookie`,
    role,
    via: 'session',
    headers: async () => cookie(await session(role)),
  })),
  {
    who: 'operator, by bearer',
    role: 'operator',
    via: 'session',
    headers: async () => bearer(await session('operator')),
  },
  { who: 'the link', role: 'admin', via: 'session', headers: async () => cookie(await session(undefined)) },
  ...ROLES.map((role): Somebody => ({
    who: `token ${role} of an admin`,
    role,
    via: 'token',
    ofNoTenant: role === 'customer',
    headers: async () => bearer(await token({ role })),
  })),
  {
    who: 'token admin of a customer',
    role: 'customer',
    via: 'token',
    headers: async () => bearer(await token({ owner: 'customer' })),
  },
  {
    who: 'token admin of a viewer',
    role: 'viewer',
    via: 'token',
    headers: async () => bearer(await token({ owner: 'viewer' })),
  },
  ...['metrics', 'control', 'site'].map((tag): Somebody => ({
    who: `token admin for ${tag}`,
    role: 'admin',
    via: 'token',
    tags: [tag],
    headers: async () => bearer(await token({ tags: [tag] })),
  })),
  {
    who: 'an expired token',
    role: undefined,
    via: 'nobody',
    bad: true,
    headers: async () => bearer(await token({ expired: true })),
  },
  {
    who: 'a revoked token',
    role: undefined,
    via: 'nobody',
    bad: true,
    headers: async () => {
      const text = await token({});
      return afterwards(bearer(text), () => accounts().removeToken(text.split('_')[1]!));
    },
  },
  {
    who: 'the token of a disabled account',
    role: undefined,
    via: 'nobody',
    bad: true,
    headers: async () => {
      await accounts().setDisabled('gone', false);
      return afterwards(bearer(await token({ owner: 'gone' })), () => accounts().setDisabled('gone', true));
    },
  },
  {
    who: 'a revoked session',
    role: undefined,
    via: 'nobody',
    headers: async () => {
      const text = await session('admin');
      return afterwards(cookie(text), () => accounts().endSessionsOf('admin'));
    },
  },
  {
    who: 'the session of a disabled account',
    role: undefined,
    via: 'nobody',
    headers: async () => {
      await accounts().setDisabled('gone', false);
      return afterwards(cookie(await session('gone')), () => accounts().setDisabled('gone', true));
    },
  },
  {
    who: 'another scheme',
    role: undefined,
    via: 'nobody',
    bad: true,
    headers: async () => ({ authorization: 'Basic YTpi' }),
  },
  { who: 'rubbish', role: undefined, via: 'nobody', bad: true, headers: async () => bearer(`bb_${'0'.repeat(12)}_x`) },
];

/** All that is open to customers, and nothing is by being forgotten. */
const CUSTOMERS: ReadonlySet<string> = new Set([
  'GET /api/v1/jobs',
  'HEAD /api/v1/jobs',
  'POST /api/v1/jobs',
  'GET /api/v1/jobs/:cluster/:id/output',
  'HEAD /api/v1/jobs/:cluster/:id/output',
  'POST /api/v1/jobs/:cluster/:id/cancel',
  'GET /api/v1/quote',
  'HEAD /api/v1/quote',
  'GET /api/v1/tenants',
  'HEAD /api/v1/tenants',
  ...['usage', 'statements', 'nodes'].flatMap((what) => [
    `GET /api/v1/tenants/:tenant/${what}`,
    `HEAD /api/v1/tenants/:tenant/${what}`,
  ]),
  'POST /api/v1/account/password',
  ...['sessions', 'tokens'].flatMap((what) => [
    `GET /api/v1/account/${what}`,
    `HEAD /api/v1/account/${what}`,
    `DELETE /api/v1/account/${what}/:id`,
  ]),
  'DELETE /api/v1/account/sessions',
  'POST /api/v1/account/tokens',
]);

/** What the policy says: written down here a second time on purpose. */
function expected(route: RoutePolicy, somebody: Somebody, openReads: boolean): 401 | 403 | 'let in' {
  if (route.needs === 'public') return 'let in';
  if (somebody.bad === true) return 401;
  if (somebody.role === undefined) return openReads && route.needs === 'viewer' && !route.credentials ? 'let in' : 401;
  if (route.credentials && somebody.via === 'token') return 403;
  if (somebody.tags !== undefined && !route.tags.some((tag) => somebody.tags!.includes(tag))) return 403;
  // What a customer may is a list by name, and no rank.
  if (somebody.role === 'customer')
    return CUSTOMERS.has(`${route.method} ${route.url}`) && somebody.ofNoTenant !== true ? 'let in' : 403;
  const order = { viewer: 1, operator: 2, admin: 3 } as const;
  return order[somebody.role] >= order[route.needs] ? 'let in' : 403;
}

/** An address of the route: names that nobody has, so that nothing is changed by who is let in. */
const addressOf = (route: RoutePolicy): string => route.url.replaceAll(/:\w+/g, 'nobody-has-this');
const isStream = (route: RoutePolicy): boolean => route.url === '/api/v1/events';

async function status(of: Api, route: RoutePolicy, headers: Headers): Promise<number> {
  const host = `127.0.0.1:${port}`;
  if (isStream(route) && of === api && route.method === 'GET') {
    const reply = await ask(`http://${host}${addressOf(route)}`, { headers: { host, ...headers } });
    // A stream has no end of its own.
    reply.body.on('error', () => {}).destroy();
    return reply.statusCode;
  }
  const method = route.method as 'GET';
  return (await of.server.inject({ method, url: addressOf(route), headers: { host, ...headers } })).statusCode;
}

/** Answers of handlers: who is let in may be told that there is no such thing, or that the body is missing. */
const inside = (code: number) => code !== 401 && code !== 403 && code !== 429 && code < 500;
/** `GET /signin` is let in and refuses its token by itself. */
const isLink = (route: RoutePolicy) => route.url === '/signin';

test('the routes tried here are those that are served', () => {
  const printed = site.api.server.printRoutes({ commonPrefix: false });
  for (const { url } of api.routes) expect(printed).toContain(url.split('/').at(-1)!.replace(/^:.*/, ''));
  const found = [...printed.matchAll(/\(([A-Z, ]+)\)/g)].flatMap(([, methods]) => methods!.split(', '));
  expect(found.length).toBe(api.routes.length);
  expect(api.routes.length).toBeGreaterThan(40);
});

test('what changes anything needs an operator at least; what is public is known by name', () => {
  const open = api.routes.filter(({ needs, method }) => needs === 'public' && method !== 'HEAD');
  expect(open.map(({ method, url }) => `${method} ${url}`).sort()).toEqual([
    'GET /api/v1/session',
    'GET /healthz',
    'GET /signin',
    'POST /api/v1/grid/:source',
    'POST /api/v1/signin',
    'POST /api/v1/signout',
  ]);
  for (const { method, url, needs, credentials } of api.routes) {
    // A study is a question too long for an address: it changes nothing.
    if (url === '/api/v1/convert') continue;
    if (['GET', 'HEAD'].includes(method) || needs === 'public' || credentials) continue;
    expect(['operator', 'admin'], `${method} ${url}`).toContain(needs);
  }
});

describe('everybody at every route', () => {
  test.each(EVERYBODY)('$who', async (somebody) => {
    for (const route of api.routes) {
      const code = await status(api, route, await somebody.headers());
      const want = expected(route, somebody, false);
      const what = `${route.method} ${route.url} answered ${code}`;
      if (want !== 'let in') expect(code, what).toBe(want);
      else if (isLink(route)) expect([400, 401], what).toContain(code);
      else expect(inside(code), what).toBe(true);
    }
  });

  test.each(EVERYBODY)('$who, where anybody may read', async (somebody) => {
    for (const route of openApi.routes.filter((one) => !isStream(one))) {
      const code = await status(openApi, route, await somebody.headers());
      const want = expected(route, somebody, true);
      const what = `${route.method} ${route.url} answered ${code}`;
      if (want !== 'let in') expect(code, what).toBe(want);
      else if (isLink(route)) expect([400, 401], what).toContain(code);
      else expect(inside(code), what).toBe(true);
    }
  });

  test('another Host or Origin is refused everywhere, whoever asks', async () => {
    const host = `127.0.0.1:${port}`;
    const strange: readonly Headers[] = [
      { host: 'evil.example' },
      { host: `evil.example:${port}` },
      { host: `127.0.0.1:${port + 1}` },
      { host, origin: 'http://evil.example' },
      { host, origin: 'null' },
      { host, origin: `https://${host}` },
    ];
    for (const route of api.routes) {
      for (const headers of strange) {
        const code = await status(api, route, { ...cookie(await session('admin')), ...headers });
        expect(code, `${route.method} ${route.url} ${JSON.stringify(headers)}`).toBe(403);
      }
    }
  });
});
