import { existsSync } from 'node:fs';
import fastifyStatic from '@fastify/static';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { z } from 'zod';
import { createAccess, hostAllowed, originAllowed, type SessionInfo } from './access.ts';
import { createEventHub, frame } from './events.ts';
import { wallNow } from './io.ts';
import { metricsText } from './metrics.ts';
import { ApiProblem, problemOf, sendProblem } from './problems.ts';
import type { Runtime } from './runtime.ts';
import { readRoutes, writeRoutes, type App } from './routes.ts';
import { activityView, intervalView, overviewOf, planView, todayOf, type Today } from './view.ts';

export interface ApiOptions {
  readonly runtime: Runtime;
  readonly port: number;
  /** Folder of the built pages; undefined serves the API alone. */
  readonly pages: string | undefined;
  readonly version: string;
  readonly log: Logger;
}

export interface Api {
  readonly server: FastifyInstance;
  /** Address with a sign-in token that is good once. */
  signInLink(): string;
  listen(): Promise<string>;
  close(): Promise<void>;
}

const COOKIE = 'busbar_session';
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

export async function createApi({ runtime, port, pages, version, log }: ApiOptions): Promise<Api> {
  const loggerInstance: FastifyBaseLogger = log.child({ room: 'http' }, { level: 'warn' });
  const server = Fastify({
    loggerInstance,
    bodyLimit: 64 * 1024,
    forceCloseConnections: true,
  });
  const access = createAccess(wallNow);
  const hub = createEventHub();
  let today: Today = await todayOf(runtime);

  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  server.addHook('onRequest', (request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    const { host, origin } = request.headers;
    if (!hostAllowed(host, port))
      return done(
        new ApiProblem(403, 'Not allowed', `this server is not called "${host ?? ''}": open http://127.0.0.1:${port}`),
      );
    if (!originAllowed(origin, host))
      return done(new ApiProblem(403, 'Not allowed', `pages of ${origin ?? ''} may not ask this server`));
    done();
  });
  server.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, request);
    if (problem.status === 500) log.error({ err: error, url: request.url }, 'a request failed');
    return sendProblem(reply, problem);
  });
  server.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      problemOf(new ApiProblem(404, 'Not found', `there is no ${request.method} ${request.url}`), request),
    ),
  );
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Busbar',
        version,
        description: 'One control plane for a site where Bitcoin miners and AI machines share one grid connection.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { session: { type: 'apiKey', in: 'cookie', name: COOKIE } } },
    },
    transform: jsonSchemaTransform,
  });

  const sessionOf = (request: FastifyRequest): SessionInfo | undefined => access.session(cookieOf(request));
  const mustSignIn = (request: FastifyRequest): SessionInfo => {
    const session = sessionOf(request);
    if (session === undefined)
      throw new ApiProblem(401, 'Sign in first', 'open the sign-in link that busbar printed when it started');
    return session;
  };

  await server.register(async (scope) => {
    const app: App = scope.withTypeProvider<ZodTypeProvider>();
    readRoutes(app, runtime, () => today, sessionOf);
    writeRoutes(app, runtime, mustSignIn);

    app.get(
      '/api/v1/events',
      {
        schema: {
          tags: ['live'],
          summary: 'Event stream: overview, plan, interval, activity',
          description: 'text/event-stream; each event carries the shape of its name',
        },
      },
      (request, reply) => {
        reply.hijack();
        const headers = {
          ...SECURITY_HEADERS,
          'content-type': 'text/event-stream',
          'cache-control': 'no-cache, no-transform',
          connection: 'keep-alive',
        };
        reply.raw.writeHead(200, headers);
        reply.raw.write(`retry: 2000\n\n${frame('overview', overviewOf(runtime, today))}`);
        const plan = runtime.plan();
        if (plan !== undefined) reply.raw.write(frame('plan', planView(runtime, plan)));
        hub.add(reply.raw);
      },
    );

    app.get('/signin', { schema: { hide: true, querystring: z.object({ token: z.string() }) } }, (request, reply) => {
      const session = access.signIn(request.query.token);
      if (session === undefined)
        throw new ApiProblem(
          401,
          'This link is used or too old',
          'restart busbar, or run it with --link, for a new one',
        );
      return reply
        .header('set-cookie', `${COOKIE}=${session}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200`)
        .header('cache-control', 'no-store')
        .redirect('/', 303);
    });
    app.post('/api/v1/signout', { schema: { tags: ['access'], summary: 'End this session' } }, (request, reply) => {
      const token = cookieOf(request);
      if (token !== undefined) access.signOut(token);
      return reply.header('set-cookie', `${COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0`).code(204).send();
    });
  });
  server.get('/api/v1/openapi.json', { schema: { hide: true } }, () => server.swagger());
  server.get('/metrics', { schema: { hide: true } }, (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(metricsText(runtime)),
  );
  server.get('/healthz', { schema: { hide: true } }, (_request, reply) => {
    const ok = runtime.lagMs() < 60_000;
    return reply.code(ok ? 200 : 503).send({ ok, lagMs: runtime.lagMs(), planned: runtime.plan() !== undefined });
  });
  if (pages !== undefined && existsSync(pages)) {
    await server.register(fastifyStatic, {
      root: pages,
      cacheControl: false,
      setHeaders: (reply) => void reply.header('cache-control', 'no-cache'),
    });
  }

  // What a listener is shown is made once for all, and only while somebody listens.
  runtime.events.on('picture', () => hub.listeners > 0 && hub.send('overview', overviewOf(runtime, today)));
  runtime.events.on('plan', (plan) => hub.listeners > 0 && hub.send('plan', planView(runtime, plan)));
  runtime.events.on('interval', (interval) => {
    hub.send('interval', intervalView(interval));
    void todayOf(runtime).then((fresh) => (today = fresh));
  });
  runtime.events.on('activity', (act) => hub.send('activity', activityView(act)));

  const base = `http://127.0.0.1:${port}`;
  return {
    server,
    signInLink: () => `${base}/signin?token=${access.issueLink()}`,
    listen: () => server.listen({ host: '127.0.0.1', port }),
    async close() {
      hub.close();
      await server.close();
    },
  };
}

function cookieOf(request: FastifyRequest): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.find(([name]) => name === COOKIE)?.[1];
}
