import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import * as shapes from '../model/api.ts';
import { isoUtc } from '../model/index.ts';
import type { AccountSummary, StoredSession, StoredToken } from '../store/accounts.ts';
import type { Access } from './access/access.ts';
import { addressKey, tooMany } from './access/limits.ts';
import { Busy } from './access/passwords.ts';
import { bearerValue, cookieName, cookieValue, setCookie } from './access/credentials.ts';
import { actorOf, lesser, personOf } from './access/policy.ts';
import { OWNER, SESSION_MS } from './access/sessions.ts';
import { foldName, type SignInResult } from './access/sign-in.ts';
import { ApiProblem } from './problems.ts';
import type { App } from './routes.ts';

const nobody = { needs: 'public' } as const;
/** One's own passwords, sessions and tokens. */
const own = { needs: 'viewer', credentials: true, customers: true } as const;
const admins = { needs: 'admin', credentials: true } as const;

const isoOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : isoUtc(ms));

/** Hands over a session: in a cookie that no script reads, or, to a program, in the answer. */
async function grant(
  access: Access,
  request: FastifyRequest,
  reply: FastifyReply,
  account: string | undefined,
  as: 'cookie' | 'bearer',
): Promise<{ token?: string; expiresAt: string }> {
  const agent = request.headers['user-agent'] ?? '';
  const { token, expiresMs } = await access.sessions.start(account, addressKey(request), agent);
  const expiresAt = isoUtc(expiresMs);
  if (as === 'bearer') return { token, expiresAt };
  reply.header('set-cookie', setCookie(access.at.tls, token, SESSION_MS / 1_000));
  return { expiresAt };
}

/** Checks a name and password, and writes down what is worth it. @throws ApiProblem 401 or 429 */
async function checked(
  access: Access,
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
  password: string,
): Promise<SignInResult & { kind: 'good' }> {
  await access.limits.signIn(request, reply);
  const result = await access.signIn(name, password).catch((error: unknown) => {
    if (error instanceof Busy) throw tooMany(reply, 2, 'sign-ins at once');
    throw error;
  });
  if (result.kind === 'good') return result;
  if (result.kind === 'locked') throw tooMany(reply, result.waitS, 'failures for this name');
  const tried = result.known ? foldName(name) : 'a name nobody has';
  const locked = result.lockedS > 0 ? `; the name waits ${result.lockedS} s` : '';
  access.audit(
    `somebody at ${addressKey(request)}`,
    `failed to sign in as ${tried}`,
    `name or password wrong${locked}`,
  );
  throw new ApiProblem(401, 'Not signed in', 'the name or the password is wrong');
}

export function signInRoutes(app: App, access: Access): void {
  app.get(
    '/api/v1/session',
    { config: nobody, schema: { tags: ['access'], summary: 'Who is signed in', response: { 200: shapes.session } } },
    async ({ signed }) => ({
      signedIn: signed !== undefined,
      who: signed?.person.name ?? null,
      role: signed?.person.role ?? null,
      tenant: signed?.person.tenant ?? null,
      via: signed?.person.via ?? null,
      expiresAt: isoOrNull(signed?.expiresMs),
      readsNeedSignIn: !access.openReads,
      accounts: (await access.store.count()) > 0,
    }),
  );

  app.post(
    '/api/v1/signin',
    {
      config: nobody,
      schema: {
        tags: ['access'],
        summary: 'Sign in by name and password',
        body: shapes.signInRequest,
        response: { 200: shapes.signedIn },
      },
    },
    async (request, reply) => {
      const { name, password, as } = request.body;
      const { name: who, role } = await checked(access, request, reply, name, password);
      const granted = await grant(access, request, reply, who, as);
      access.audit(who, 'sign in', `by password, from ${addressKey(request)}`);
      return { who, role, ...granted };
    },
  );

  app.get(
    '/signin',
    { config: nobody, schema: { hide: true, querystring: z.object({ token: z.string() }) } },
    async (request, reply) => {
      if (!access.links.redeem(request.query.token)) {
        const how = 'restart busbar for a new one, or sign in by name and password';
        throw new ApiProblem(401, 'This link is used or too old', how);
      }
      await grant(access, request, reply, undefined, 'cookie');
      access.audit(OWNER, 'sign in', `by the link on the console, from ${addressKey(request)}`);
      return reply.redirect('/', 303);
    },
  );

  app.post(
    '/api/v1/signout',
    { config: nobody, schema: { tags: ['access'], summary: 'End this session' } },
    async (request, reply) => {
      const { signed } = request;
      if (signed?.sessionId !== undefined) {
        await access.store.endSession(signed.account, signed.sessionId);
        access.audit(signed.person.name, 'sign out', 'asked for');
        await access.streams.recheck();
      }
      if (cookieValue(request.headers.cookie, cookieName(access.at.tls)) !== undefined)
        reply.header('set-cookie', setCookie(access.at.tls, '', 0));
      return reply.code(204).send();
    },
  );
}

export function accountRoutes(app: App, access: Access): void {
  const { store } = access;
  app.post(
    '/api/v1/account/password',
    {
      config: own,
      schema: {
        tags: ['access'],
        summary: 'Change your own password; every session of yours ends but a new one for the asker',
        body: shapes.passwordChange,
        response: { 200: shapes.signedIn },
      },
    },
    async (request, reply) => {
      const { account } = request.signed!;
      if (account === undefined) throw noAccount();
      const { current, next } = request.body;
      access.users.mustBeStrong(next, account);
      const { role } = await checked(access, request, reply, account, current);
      await access.changePassword(account, next);
      // Streams end when the answer is out: the asker's own page then comes back with its new cookie, and not as nobody.
      reply.raw.once('finish', () => void access.streams.recheck());
      const as = bearerValue(request.headers.authorization) === undefined ? 'cookie' : 'bearer';
      const granted = await grant(access, request, reply, account, as);
      access.audit(account, 'change the own password', 'asked for; all sessions ended');
      return { who: account, role, ...granted };
    },
  );

  app.get(
    '/api/v1/account/sessions',
    { config: own, schema: { tags: ['access'], summary: 'Your sessions', response: { 200: shapes.sessionList } } },
    async ({ signed }) => ({
      sessions: (await store.sessionsOf(signed?.account)).map((one) => sessionRow(one, signed?.sessionId)),
    }),
  );
  app.delete(
    '/api/v1/account/sessions',
    { config: own, schema: { tags: ['access'], summary: 'Sign out everywhere, here too' } },
    async (request, reply) => {
      const n = await store.endSessionsOf(request.signed?.account);
      access.audit(personOf(request).name, 'sign out everywhere', `asked for; ${n} sessions ended`);
      await access.streams.recheck();
      return reply.code(204).send();
    },
  );
  app.delete(
    '/api/v1/account/sessions/:id',
    {
      config: own,
      schema: { tags: ['access'], summary: 'End one of your sessions', params: z.object({ id: z.string() }) },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (!(await store.endSession(request.signed?.account, id)))
        throw new ApiProblem(404, 'Not found', `you have no session "${id}"`);
      access.audit(personOf(request).name, `end session ${id}`, 'asked for');
      await access.streams.recheck();
      return reply.code(204).send();
    },
  );
}

export function tokenRoutes(app: App, access: Access): void {
  const { store } = access;
  const knownTags = () =>
    [...new Set(access.routes.flatMap(({ tags }) => tags))].filter((tag) => tag !== 'access').sort();
  const mayAll = (request: FastifyRequest) => personOf(request).role === 'admin';

  app.get(
    '/api/v1/account/tokens',
    {
      config: own,
      schema: {
        tags: ['access'],
        summary: 'Your API tokens; all there are, for an admin who asks so',
        querystring: z.object({ all: z.enum(['true', 'false']).default('false') }),
        response: { 200: shapes.tokenList },
      },
    },
    async (request) => {
      const all = request.query.all === 'true';
      if (all && !mayAll(request)) throw new ApiProblem(403, 'Not allowed', 'the tokens of others are for admins');
      const account = request.signed?.account;
      const rows = all ? await store.tokens() : account === undefined ? [] : await store.tokens(account);
      return { tokens: rows.map(tokenRow), tags: knownTags() };
    },
  );
  app.post(
    '/api/v1/account/tokens',
    {
      config: own,
      schema: {
        tags: ['access'],
        summary: 'Make an API token; it is told this once',
        body: shapes.tokenRequest,
        response: { 201: shapes.tokenMade },
      },
    },
    async (request, reply) => {
      const { account } = request.signed!;
      if (account === undefined) throw noAccount();
      const { name, role, tags, days } = request.body;
      const unknown = tags?.find((tag) => !knownTags().includes(tag));
      if (unknown !== undefined) {
        const known = knownTags().join(', ');
        throw new ApiProblem(400, 'No such tag', `no route has the tag "${unknown}"; there are ${known}`);
      }
      const mine = personOf(request).role;
      if (lesser(mine, role) !== role)
        throw new ApiProblem(403, 'Not allowed', `your role is ${mine}: a token cannot be ${role}`);
      if (role === 'customer' && personOf(request).tenant === undefined)
        throw new ApiProblem(400, 'Not of a tenant', 'a token for a customer is made by an account of the tenant');
      const made = await access.tokens.make({ account, name, role, tags: tags ?? undefined, days });
      if (made === undefined) throw new ApiProblem(409, 'Taken', `you have a token "${name}" already: revoke it first`);
      const scope = tags === null ? 'all routes' : tags.join(', ');
      access.audit(account, `make token ${name} (${made.row.id})`, `${role}, ${scope}, for ${days} days`);
      return reply.code(201).send({ token: made.token, row: tokenRow(made.row) });
    },
  );
  app.delete(
    '/api/v1/account/tokens/:id',
    {
      config: own,
      schema: {
        tags: ['access'],
        summary: 'Revoke a token at once: one of yours, or any, for an admin',
        params: z.object({ id: z.string() }),
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const account = request.signed?.account;
      const removed =
        mayAll(request) || account !== undefined
          ? await store.removeToken(id, mayAll(request) ? undefined : account)
          : undefined;
      if (removed === undefined) throw new ApiProblem(404, 'Not found', `you have no token "${id}"`);
      const whose = removed.account === account ? '' : ` of ${removed.account}`;
      access.audit(actorOf(personOf(request)), `revoke token ${removed.name} (${id})${whose}`, 'asked for');
      await access.streams.recheck();
      return reply.code(204).send();
    },
  );
}

export function userRoutes(app: App, access: Access): void {
  const { store, users } = access;
  const params = z.object({ name: z.string() });
  app.get(
    '/api/v1/users',
    { config: admins, schema: { tags: ['access'], summary: 'Accounts', response: { 200: shapes.userList } } },
    async () => {
      const nowMs = Date.now();
      return { users: (await store.list(nowMs)).map((one) => userRow(one, nowMs)) };
    },
  );
  app.post(
    '/api/v1/users',
    { config: admins, schema: { tags: ['access'], summary: 'Add an account', body: shapes.userAdd } },
    async (request, reply) => {
      await users.add(personOf(request).name, request.body);
      return reply.code(204).send();
    },
  );
  app.post(
    '/api/v1/users/:name',
    {
      config: admins,
      schema: {
        tags: ['access'],
        summary: 'Change a role or password, disable, enable or unlock; all but unlocking end its sessions',
        params,
        body: shapes.userChange,
      },
    },
    async (request, reply) => {
      await users.change(personOf(request).name, request.params.name, request.body);
      await access.streams.recheck();
      return reply.code(204).send();
    },
  );
  app.delete(
    '/api/v1/users/:name',
    {
      config: admins,
      schema: { tags: ['access'], summary: 'Remove an account with its sessions and tokens', params },
    },
    async (request, reply) => {
      await users.remove(personOf(request).name, request.params.name);
      await access.streams.recheck();
      return reply.code(204).send();
    },
  );
}

const noAccount = () =>
  new ApiProblem(409, 'No account', 'you came by the sign-in link and have no account: add one, and sign in with it');

const userRow = (one: AccountSummary, nowMs: number): shapes.UserRow => ({
  name: one.name,
  role: one.role,
  tenant: one.tenant ?? null,
  disabled: one.disabled,
  createdAt: isoUtc(one.createdMs),
  passwordAt: isoUtc(one.passwordMs),
  signedInAt: isoOrNull(one.signedInMs),
  failures: one.failures,
  lockedUntil: one.lockedUntilMs !== undefined && one.lockedUntilMs > nowMs ? isoUtc(one.lockedUntilMs) : null,
  sessions: one.sessions,
  tokens: one.tokens,
});

const sessionRow = (one: StoredSession, current: string | undefined): shapes.SessionRow => ({
  id: one.id,
  createdAt: isoUtc(one.createdMs),
  usedAt: isoUtc(one.usedMs),
  expiresAt: isoUtc(one.expiresMs),
  address: one.address,
  agent: one.agent,
  current: one.id === current,
});

const tokenRow = (one: StoredToken): shapes.TokenRow => ({
  id: one.id,
  owner: one.account,
  name: one.name,
  role: one.role,
  tags: one.tags === undefined ? null : [...one.tags],
  createdAt: isoUtc(one.createdMs),
  expiresAt: isoUtc(one.expiresMs),
  usedAt: isoOrNull(one.usedMs),
  expired: one.expiresMs <= Date.now(),
});
