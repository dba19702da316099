import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Agent, request as ask } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as shapes from '../../src/model/api.ts';
import { createApi, type Api, type ApiOptions } from '../../src/server/api.ts';
import { freePort, startSmall, type Small } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';
import { selfSigned } from './certificate.ts';

/** People at the real server: signing in and out, passwords, tokens, locks, streams, TLS. */

const PASSWORD = 'green teapot on the roof';
const OTHER = 'seven quiet transformers';

let site: Small;
let api: Api;
let port: number;
let folder: string;
const written: string[] = [];

async function open(more: Partial<ApiOptions> = {}): Promise<Api> {
  const usual = { host: '127.0.0.1', port, names: [], tls: undefined, openReads: false, pages: undefined };
  const tokenFile = join(folder, 'local-token');
  const log = pino({ level: 'debug' }, { write: (line: string) => void written.push(line) });
  return createApi({ runtime: site.runtime, ...usual, tokenFile, version: '0.0.0-test', log, ...more });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-access-'));
  site = await startSmall({ offset: 11_440, from: '2026-03-24T00:31:00Z', speed: 60 });
  port = await freePort();
  api = await open();
  await api.listen();
});
afterAll(async () => {
  await api?.close();
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Headers = Readonly<Record<string, string>>;
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}
async function call(method: string, url: string, headers: Headers = {}, body?: object, from?: string): Promise<Answer> {
  const reply = await api.server.inject({
    method: method as 'GET',
    url,
    headers: { host: `127.0.0.1:${port}`, ...headers },
    ...(body === undefined ? {} : { payload: body }),
    ...(from === undefined ? {} : { remoteAddress: from }),
  });
  return { status: reply.statusCode, headers: reply.headers, body: reply.body };
}
const cookieOf = (answer: Answer): Headers => ({ cookie: String(answer.headers['set-cookie']).split(';')[0]! });
const detail = (answer: Answer): string => shapes.problem.parse(JSON.parse(answer.body)).detail;
async function byLink(): Promise<Headers> {
  const { pathname, search } = new URL(api.signInLink());
  return cookieOf(await call('GET', `${pathname}${search}`));
}
let address = 0;
/** From an address of its own each, so that one test's failures do not count against another's. */
async function signIn(name: string, password: string, more: object = {}): Promise<Answer> {
  address += 1;
  return call('POST', '/api/v1/signin', {}, { name, password, ...more }, `192.0.2.${address % 250}`);
}
async function addUser(name: string, role: shapes.Role, password = PASSWORD): Promise<void> {
  expect((await call('POST', '/api/v1/users', await byLink(), { name, role, password })).status).toBe(204);
}
const acts = async () => (await site.runtime.store.acts(500)).map(({ who, what, why }) => `${who}: ${what} (${why})`);

test('the first admin comes by the link, adds an account, and the account signs in by name and password', async () => {
  const nobody = shapes.session.parse(JSON.parse((await call('GET', '/api/v1/session')).body));
  expect(nobody).toMatchObject({ signedIn: false, readsNeedSignIn: true, accounts: false });
  const owner = await byLink();
  expect((await call('POST', '/api/v1/account/tokens', owner, { name: 'x' })).status).toBe(409);
  await addUser('Alice', 'admin');
  const answer = await signIn('ALICE ', PASSWORD);
  expect(answer.status).toBe(200);
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(String(answer.headers['set-cookie'])).toMatch(/^busbar_session=bbs_\S+; HttpOnly; SameSite=Strict; Path=\/; /);
  expect(shapes.signedIn.strict().parse(JSON.parse(answer.body))).toMatchObject({ who: 'alice', role: 'admin' });
  expect(answer.body).not.toContain('bbs_');
  const mine = JSON.parse((await call('GET', '/api/v1/session', cookieOf(answer))).body) as shapes.Session;
  expect(mine).toMatchObject({ signedIn: true, who: 'alice', role: 'admin', via: 'session', accounts: true });
});

test('a link is good once', async () => {
  const { pathname, search } = new URL(api.signInLink());
  expect((await call('GET', `${pathname}${search}`)).status).toBe(303);
  expect((await call('GET', `${pathname}${search}`)).status).toBe(401);
});

test('a wrong password, a name nobody has and a disabled account get the same answer', async () => {
  await addUser('dora', 'viewer');
  await call('POST', '/api/v1/users/dora', await byLink(), { disabled: true });
  const answers = await Promise.all([
    signIn('alice', 'wrong wrong wrong'),
    signIn('nobody-here', PASSWORD),
    signIn('dora', PASSWORD),
  ]);
  for (const answer of answers) {
    expect(answer.status).toBe(401);
    expect(answer.body).toBe(answers[0].body);
    expect(answer.headers['set-cookie']).toBeUndefined();
  }
});

test('failures lock a name, whether anybody has it or not, from all addresses; an admin unlocks it', async () => {
  await addUser('mallory', 'viewer');
  for (const name of ['mallory', 'nobody-at-all']) {
    for (let i = 0; i < 5; i += 1) expect((await signIn(name, 'wrong wrong wrong')).status, name).toBe(401);
    const locked = await signIn(name, PASSWORD);
    expect(locked.status, name).toBe(429);
    expect(Number(locked.headers['retry-after'])).toBeGreaterThan(0);
    expect(detail(locked)).toMatch(/failures for this name/);
  }
  const list = shapes.userList.strict().parse(JSON.parse((await call('GET', '/api/v1/users', await byLink())).body));
  const mallory = list.users.find(({ name }) => name === 'mallory');
  expect(mallory).toMatchObject({ failures: 5 });
  expect(mallory?.lockedUntil).not.toBeNull();
  expect((await call('POST', '/api/v1/users/mallory', await byLink(), { unlock: true })).status).toBe(204);
  expect((await signIn('mallory', PASSWORD)).status).toBe(200);
});

test('guesses made all at once are looked at one by one', async () => {
  await addUser('oscar', 'viewer');
  const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => signIn('oscar', `wrong wrong ${i}`)));
  expect(answers.map(({ status }) => status).filter((status) => status === 401)).toHaveLength(5);
});

test('one address may try so often, whatever the names', async () => {
  const tries = [];
  for (let i = 0; i < 31; i += 1)
    tries.push(
      (await call('POST', '/api/v1/signin', {}, { name: `guess-${i}`, password: 'x' }, '198.51.100.7')).status,
    );
  expect(tries.slice(0, 30)).not.toContain(429);
  expect(tries[30]).toBe(429);
  const other = await call('POST', '/api/v1/signin', {}, { name: 'guess-31', password: 'x' }, '198.51.100.8');
  expect(other.status).toBe(401);
});

test('a flood of requests is refused with Retry-After, and one person does not count for another', async () => {
  const statuses = new Map<number, number>();
  for (let i = 0; i < 3_100; i += 1) {
    const { status } = await call('GET', '/healthz', {}, undefined, '203.0.113.9');
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect(statuses.get(429)).toBe(100);
  const refused = await call('GET', '/healthz', {}, undefined, '203.0.113.9');
  expect(String(refused.headers['content-type'])).toContain('application/problem+json');
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect((await call('GET', '/healthz', await byLink(), undefined, '203.0.113.9')).status).toBe(200);
});

/** Opens the event stream; tells when it has ended. */
async function stream(headers: Headers): Promise<{ ended: () => boolean }> {
  const { statusCode, body } = await ask(`http://127.0.0.1:${port}/api/v1/events`, { headers });
  expect(statusCode).toBe(200);
  let over = false;
  body.on('error', () => (over = true));
  body.on('end', () => (over = true));
  body.resume();
  return { ended: () => over };
}

test('what ends a session ends its open streams at once, and no other', async () => {
  await addUser('erin', 'viewer');
  const path = '/api/v1/users/erin';
  const owner = await byLink();
  const watching = await stream(owner);
  const changes: (readonly [string, string, (headers: Headers) => Headers, object?])[] = [
    ['POST', path, () => owner, { role: 'operator' }],
    ['POST', path, () => owner, { password: PASSWORD }],
    ['POST', '/api/v1/signout', (own) => own],
    ['DELETE', '/api/v1/account/sessions', (own) => own],
    ['POST', path, () => owner, { disabled: true }],
  ];
  for (const [method, url, who, body] of changes) {
    const own = cookieOf(await signIn('erin', PASSWORD));
    const mine = await stream(own);
    expect((await call('GET', '/api/v1/overview', own)).status).toBe(200);
    expect((await call(method, url, who(own), body)).status).toBe(204);
    expect((await call('GET', '/api/v1/overview', own)).status, `${method} ${url}`).toBe(401);
    await until('the end of the stream', mine.ended, 2_000);
  }
  expect(watching.ended()).toBe(false);
  expect((await call('POST', path, owner, { disabled: false })).status).toBe(204);
  const last = await stream(cookieOf(await signIn('erin', PASSWORD)));
  expect((await call('DELETE', path, owner)).status).toBe(204);
  await until('the end of the stream', last.ended, 2_000);
});

test('the own password is changed with the old one, ends all sessions, and hands over a new one', async () => {
  await addUser('frank', 'operator');
  const [here, there] = [cookieOf(await signIn('frank', PASSWORD)), cookieOf(await signIn('frank', PASSWORD))];
  const change = (current: string, next: string) =>
    call('POST', '/api/v1/account/password', here, { current, next }, '192.0.2.251');
  expect((await change('not the one I have', OTHER)).status).toBe(401);
  expect((await change(PASSWORD, 'short')).status).toBe(400);
  const changed = await change(PASSWORD, OTHER);
  expect(changed.status).toBe(200);
  for (const old of [here, there]) expect((await call('GET', '/api/v1/overview', old)).status).toBe(401);
  expect((await call('GET', '/api/v1/overview', cookieOf(changed))).status).toBe(200);
  expect((await signIn('frank', PASSWORD)).status).toBe(401);
  expect((await signIn('frank', OTHER)).status).toBe(200);
});

test('sessions are listed and ended one by one; programs get theirs in the answer', async () => {
  await addUser('grace', 'viewer');
  const own = cookieOf(await signIn('grace', PASSWORD));
  const { token } = JSON.parse((await signIn('grace', PASSWORD, { as: 'bearer' })).body) as shapes.SignedIn;
  const bearer = { authorization: `Bearer ${token}` };
  expect((await call('GET', '/api/v1/overview', bearer)).status).toBe(200);
  const list = async () =>
    shapes.sessionList.strict().parse(JSON.parse((await call('GET', '/api/v1/account/sessions', own)).body)).sessions;
  expect(await list()).toHaveLength(2);
  const other = (await list()).find(({ current }) => !current)!;
  expect((await call('DELETE', `/api/v1/account/sessions/${other.id}`, own)).status).toBe(204);
  const refused = await call('GET', '/api/v1/overview', bearer);
  expect(refused.status).toBe(401);
  expect(detail(refused)).toContain('busbar login');
  expect(String(refused.headers['www-authenticate'])).toContain('Bearer');
});

test('a token is shown once, does what it is for, and not more than its owner may now', async () => {
  await addUser('heidi', 'operator');
  const own = cookieOf(await signIn('heidi', PASSWORD));
  const make = (wish: object) => call('POST', '/api/v1/account/tokens', own, wish);
  expect((await make({ name: 'too much', role: 'admin' })).status).toBe(403);
  expect((await make({ name: 'for ever', days: 366 })).status).toBe(400);
  const strange = await make({ name: 'strange', tags: ['nonsense'] });
  expect([strange.status, detail(strange)]).toEqual([
    400,
    expect.stringMatching(/"nonsense"; there are .*control.*metrics/),
  ]);
  const answer = await make({ name: 'scraper', role: 'operator', tags: ['metrics'] });
  expect(answer.status).toBe(201);
  const { token, row } = shapes.tokenMade.strict().parse(JSON.parse(answer.body));
  expect(token).toMatch(/^bb_[0-9a-f]{12}_[\w-]{43}$/);
  expect(Date.parse(row.expiresAt) - Date.parse(row.createdAt)).toBe(90 * 86_400_000);
  expect((await make({ name: 'scraper' })).status).toBe(409);
  const bearer = { authorization: `Bearer ${token}` };
  expect((await call('GET', '/metrics', bearer)).status).toBe(200);
  expect((await call('GET', '/api/v1/overview', bearer)).status).toBe(403);
  expect((await call('GET', '/metrics', { ...bearer, origin: 'http://evil.example' })).status).toBe(403);
  const listed = await call('GET', '/api/v1/account/tokens', own);
  expect(shapes.tokenList.strict().parse(JSON.parse(listed.body)).tokens).toMatchObject([{ name: 'scraper' }]);
  expect(listed.body).not.toContain(token.slice('bb_'.length + 13));
  expect((await call('GET', '/api/v1/account/tokens?all=true', own)).status).toBe(403);

  const { token: full } = JSON.parse((await make({ name: 'holds', role: 'operator' })).body) as shapes.TokenMade;
  const holds = { authorization: `Bearer ${full}` };
  const hold = '/api/v1/cohorts/a-s21/hold';
  expect((await call('POST', hold, holds, { why: 'by a token' })).status).toBe(204);
  expect(await acts()).toContain('heidi (token holds): hold a-s21 out of the plan (by a token)');
  expect((await call('DELETE', hold, holds, { why: 'by a token' })).status).toBe(204);
  await call('POST', '/api/v1/users/heidi', await byLink(), { role: 'viewer' });
  expect((await call('POST', hold, holds, { why: 'by a token' })).status).toBe(403);
  expect((await call('DELETE', `/api/v1/account/tokens/${row.id}`, await byLink())).status).toBe(204);
  expect((await call('GET', '/metrics', bearer)).status).toBe(401);
});

test('an expired token is told when it expired, only to who has all of it', async () => {
  await addUser('ivan', 'viewer');
  const own = cookieOf(await signIn('ivan', PASSWORD));
  const made = await call('POST', '/api/v1/account/tokens', own, { name: 'old', days: 1 });
  const { token, row } = JSON.parse(made.body) as shapes.TokenMade;
  const { accounts } = site.runtime.store;
  const { token: kept } = (await accounts.tokenById(row.id))!;
  await accounts.removeToken(row.id);
  await accounts.addToken({ ...kept, expiresMs: Date.parse('2026-01-02T03:04:05Z') });
  const told = await call('GET', '/api/v1/overview', { authorization: `Bearer ${token}` });
  expect([told.status, detail(told)]).toEqual([
    401,
    expect.stringMatching(/"old" expired at 2026-01-02T03:04:05Z.*busbar tokens create/),
  ]);
  const guess = await call('GET', '/api/v1/overview', { authorization: `Bearer ${token.slice(0, -1)}-` });
  expect(detail(guess)).toMatch(/not known here/);
});

test('the last admin stays; names and passwords have rules', async () => {
  const owner = await byLink();
  const { users } = JSON.parse((await call('GET', '/api/v1/users', owner)).body) as { users: shapes.UserRow[] };
  expect(users.filter(({ role, disabled }) => role === 'admin' && !disabled).map(({ name }) => name)).toEqual([
    'alice',
  ]);
  for (const [method, body] of [
    ['POST', { role: 'viewer' }],
    ['POST', { disabled: true }],
    ['DELETE', undefined],
  ] as const) {
    const refused = await call(method, '/api/v1/users/alice', owner, body);
    expect([refused.status, detail(refused)]).toEqual([409, expect.stringContaining('last admin')]);
  }
  const wrong = [
    { name: 'owner', role: 'viewer', password: PASSWORD },
    { name: 'two words', role: 'viewer', password: PASSWORD },
    { name: 'al\u0430n', role: 'viewer', password: PASSWORD },
    { name: 'alan', role: 'root', password: PASSWORD },
    { name: 'alan', role: 'viewer', password: 'password1234' },
  ];
  for (const body of wrong) expect((await call('POST', '/api/v1/users', owner, body)).status, body.name).toBe(400);
  expect(
    (await call('POST', '/api/v1/users', owner, { name: 'ALICE', role: 'viewer', password: PASSWORD })).status,
  ).toBe(409);
  expect((await call('POST', '/api/v1/users/zoe', owner, { unlock: true })).status).toBe(404);
  expect((await call('POST', '/api/v1/users/zoe', owner, { role: 'viewer', disabled: true })).status).toBe(400);
});

test('a session, and nothing that opens one, is in the store; the record and the log hold no secret', async () => {
  const answer = await signIn('alice', PASSWORD);
  await call('GET', '/api/v1/users', { ...cookieOf(answer), authorization: 'Bearer bb_leaked' });
  await signIn(PASSWORD, 'typed into the wrong field');
  const recorded = (await acts()).join('\n');
  expect(recorded).toContain('alice: sign in (by password');
  expect(recorded).toMatch(/failed to sign in as alice \(name or password wrong/);
  expect(recorded).toContain('failed to sign in as a name nobody has');
  const session = cookieOf(answer)['cookie']!.split('=')[1]!;
  const { accounts } = site.runtime.store;
  const kept = JSON.stringify([await accounts.sessionsOf('alice'), await accounts.tokens(), await accounts.list(0)]);
  for (const secret of [PASSWORD, OTHER, session, 'bb_leaked', 'argon2']) {
    expect(recorded).not.toContain(secret);
    expect(written.join('\n')).not.toContain(secret);
    expect(kept).not.toContain(secret);
  }
});

test("the command line of this machine has a key of its own, in its owner's hands alone, for this run", async () => {
  const file = join(folder, 'local-token');
  const token = readFileSync(file, 'utf8').trim();
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
  const headers = { authorization: `Bearer ${token}` };
  expect((await call('GET', '/api/v1/users', headers)).status).toBe(200);
  expect((await call('GET', '/api/v1/users', headers, undefined, '192.0.2.1')).status).toBe(401);
  const again = await open();
  await again.close();
  expect(readFileSync(file, 'utf8').trim(), 'the file of another run is left alone').toBe(token);
});

test('nothing is served beyond loopback without TLS and an account; anybody reads only the demo', async () => {
  const tls = selfSigned(folder, 'site');
  await expect(open({ host: '0.0.0.0' })).rejects.toThrow(/needs TLS/);
  await expect(open({ host: '10.0.0.5', tls, openReads: true })).rejects.toThrow(/anybody may read only/);
  const real = { ...site.runtime, emulated: false };
  await expect(open({ runtime: real, openReads: true })).rejects.toThrow(/anybody may read only/);
  const empty = { ...site.runtime.store, accounts: { ...site.runtime.store.accounts, count: async () => 0 } };
  await expect(open({ runtime: { ...site.runtime, store: empty }, host: '10.0.0.5', tls })).rejects.toThrow(
    /needs an account.*busbar users add/,
  );
  await expect(open({ tls: { ...tls, key: selfSigned(folder, 'other').key } })).rejects.toThrow(/different pairs/);
});

test('under TLS: HTTPS of 1.2 or later, a cookie bound to the host, HSTS, and a certificate that can be renewed', async () => {
  const tls = selfSigned(folder, 'tls');
  const securePort = await freePort();
  const secure = await open({ tls, port: securePort, tokenFile: undefined });
  const dispatcher = new Agent({ connect: { ca: tls.certificate } });
  try {
    expect(await secure.listen()).toBe(`https://127.0.0.1:${securePort}`);
    const link = secure.signInLink();
    const reply = await ask(link, { dispatcher });
    await reply.body.dump();
    expect(String(reply.headers['set-cookie'])).toMatch(/^__Host-busbar_session=.*; Path=\/; .*; Secure$/);
    expect(reply.headers['strict-transport-security']).toMatch(/max-age=\d{7,}/);
    const cookie = String(reply.headers['set-cookie']).split(';')[0]!;
    const get = async (headers: Headers, agent = dispatcher) => {
      const { statusCode, body } = await ask(`https://127.0.0.1:${securePort}/api/v1/overview`, {
        dispatcher: agent,
        headers,
      });
      await body.dump();
      return statusCode;
    };
    expect(await get({ cookie })).toBe(200);
    expect(await get({ cookie, origin: `https://127.0.0.1:${securePort}` })).toBe(200);
    expect(await get({ cookie, origin: `http://127.0.0.1:${securePort}` })).toBe(403);
    expect(await get({ cookie: cookie.replace('__Host-', '') }), 'the plain name').toBe(401);
    const old = new Agent({
      connect: { ca: tls.certificate, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    });
    await expect(get({ cookie }, old)).rejects.toThrow(/alert protocol version/i);
    await old.close();
    const renewed = selfSigned(folder, 'renewed');
    expect(() => secure.renewTls({ ...renewed, key: tls.key })).toThrow(/different pairs/);
    secure.renewTls(renewed);
    const fresh = new Agent({ connect: { ca: renewed.certificate } });
    expect(await get({ cookie }, fresh)).toBe(200);
    await fresh.close();
  } finally {
    await dispatcher.close();
    await secure.close();
  }
});
