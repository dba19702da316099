import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { AccountStore } from '../../store/accounts.ts';
import { wallNow } from '../io.ts';
import { ApiProblem } from '../problems.ts';
import type { Runtime } from '../runtime.ts';
import { createAudit, type Audit } from './audit.ts';
import { createAuthenticate } from './authenticate.ts';
import { headersFor } from './headers.ts';
import { hostAllowed, isLoopback, originAllowed, type Names } from './hosts.ts';
import { createLimits, type Limits } from './limits.ts';
import { createLinks, type Links } from './links.ts';
import { createLocalToken, type LocalToken } from './local-token.ts';
import { createPasswords } from './passwords.ts';
import { declarePolicies, enforce, type RoutePolicy } from './policy.ts';
import { createSessions, SESSION_IDLE_MS, type Sessions } from './sessions.ts';
import { createSignIn, type SignInResult } from './sign-in.ts';
import { createStreams, type Streams } from './streams.ts';
import { checkTls, type Tls } from './tls.ts';
import { createTokens, type Tokens } from './tokens.ts';
import { createUsers, type Users } from './users.ts';

export interface AccessOptions {
  readonly runtime: Runtime;
  readonly at: Names;
  readonly openReads: boolean;
  readonly tokenFile: string | undefined;
  readonly log: Logger;
}

/** Everything about who may what, for the routes. */
export interface Access {
  readonly at: Names;
  readonly openReads: boolean;
  readonly store: AccountStore;
  readonly links: Links;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly users: Users;
  readonly local: LocalToken;
  readonly limits: Limits;
  readonly streams: Streams;
  readonly audit: Audit;
  /** Every route there is, with who may use it. */
  readonly routes: readonly RoutePolicy[];
  signIn(name: string, password: string): Promise<SignInResult>;
  changePassword(name: string, next: string): Promise<void>;
  /** Whether who opened a stream may still be told. */
  stillSigned(request: Parameters<ReturnType<typeof createAuthenticate>>[0]): Promise<boolean>;
  close(): void;
}

const PRUNE_MS = 3_600_000;
/** An expired token is told to be expired for so long; then it is unknown. */
const KEEP_EXPIRED_TOKENS_MS = 90 * 86_400_000;
/** Sessions and tokens outlive the process: their times are Unix time. */
const unixNow = (): number => Date.now();

/**
 * @throws Error where this must not be served: beyond loopback without TLS or without an account, or readable by
 *   anybody where it is no emulated demo on loopback
 */
export async function mustBeServable(
  { host, openReads, tls, log }: { host: string; openReads: boolean; tls: Tls | undefined; log: Logger },
  runtime: Pick<Runtime, 'store' | 'emulated'>,
): Promise<void> {
  const loopback = isLoopback(host);
  if (openReads && !(loopback && runtime.emulated))
    throw new Error('anybody may read only the emulated demo on loopback: leave openReads out');
  if (tls !== undefined) {
    const warning = checkTls(tls, unixNow());
    if (warning !== undefined) log.warn(warning);
  }
  if (loopback) return;
  if (tls === undefined) {
    throw new Error(
      `listening on ${host} needs TLS: passwords and sessions would cross the network in the clear. Give a certificate and its key (PEM), or listen on 127.0.0.1`,
    );
  }
  if ((await runtime.store.accounts.count()) === 0) {
    throw new Error(
      `listening on ${host} needs an account, and there is none yet: start on 127.0.0.1 first and make one with "busbar users add NAME --role admin", or on the page through the sign-in link`,
    );
  }
}

/** Puts the doors into a server that has no routes yet: who asks, whether they may, and how often. */
export async function installAccess(server: FastifyInstance, options: AccessOptions): Promise<Access> {
  const { runtime, at, openReads, tokenFile, log } = options;
  const store = runtime.store.accounts;
  const passwords = createPasswords();
  const sessions = createSessions(store, unixNow);
  const tokens = createTokens(store, unixNow);
  const local = createLocalToken(tokenFile);
  const streams = createStreams();
  const audit = createAudit(runtime);
  const authenticate = createAuthenticate(sessions, tokens, local, at.tls);

  server.decorateRequest('signed', undefined);
  const routes = declarePolicies(server, openReads);
  const limits = await createLimits(server);
  server.addHook('onRequest', async (request, reply) => {
    reply.headers(headersFor(request.url, at.tls));
    const { host, origin } = request.headers;
    if (!hostAllowed(host, at, request.socket.localAddress)) {
      const own = `${at.tls ? 'https' : 'http'}://${isLoopback(at.host) ? '127.0.0.1' : at.host}:${at.port}`;
      throw new ApiProblem(403, 'Not allowed', `this server is not called "${host ?? ''}": open ${own}`);
    }
    if (!originAllowed(origin, host, at.tls))
      throw new ApiProblem(403, 'Not allowed', `pages of ${origin ?? ''} may not ask this server`);
    const { signed, refusal } = await authenticate(request);
    request.signed = signed;
    await limits.request(request, reply);
    enforce(request, openReads, refusal);
  });

  const prune = () =>
    void store
      .pruneAccess(unixNow(), unixNow() - SESSION_IDLE_MS, unixNow() - KEEP_EXPIRED_TOKENS_MS)
      .catch((error: unknown) => log.error({ err: error }, 'old sessions could not be removed'));
  prune();
  const pruning = setInterval(prune, PRUNE_MS);
  pruning.unref();

  return {
    at,
    openReads,
    store,
    links: createLinks(wallNow),
    sessions,
    tokens,
    users: createUsers(store, passwords, audit, unixNow, () => runtime.site.tenants.map(({ id }) => id)),
    local,
    limits,
    streams,
    audit,
    routes,
    signIn: createSignIn(store, passwords, unixNow),
    changePassword: async (name, next) => {
      await store.setPassword(name, await passwords.hash(next), unixNow());
    },
    stillSigned: async (request) => request.signed === undefined || (await authenticate(request)).signed !== undefined,
    close() {
      clearInterval(pruning);
      streams.close();
      local.remove();
    },
  };
}
