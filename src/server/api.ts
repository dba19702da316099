import { existsSync } from 'node:fs';
import type { Server as HttpsServer } from 'node:https';
import fastifyStatic from '@fastify/static';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { accountRoutes, signInRoutes, tokenRoutes, userRoutes } from './access-routes.ts';
import { installAccess, mustBeServable, type Access } from './access/access.ts';
import { cookieName } from './access/credentials.ts';
import { headersFor } from './access/headers.ts';
import { bracketed, type Names } from './access/hosts.ts';
import { limitKey } from './access/limits.ts';
import type { RoutePolicy } from './access/policy.ts';
import { checkTls, type Tls } from './access/tls.ts';
import { backupRoutes } from './backup-routes.ts';
import { convertRoutes } from './convert-routes.ts';
import { createEventHub, frame, type EventHub } from './events.ts';
import { guardRoutes } from './guard-routes.ts';
import { gridRoutes } from './grid-routes.ts';
import { historyRoutes } from './history-routes.ts';
import { metricsText } from './metrics.ts';
import { ApiProblem, problemOf, sendProblem } from './problems.ts';
import { quoteRoutes } from './quote.ts';
import { recordRefusals } from './refusals.ts';
import type { Runtime } from './runtime.ts';
import { readRoutes, writeRoutes, type App } from './routes.ts';
import { machineRoutes, plantRoutes, poolRoutes } from './machine-routes.ts';
import { pauseRoutes } from './job-pause-routes.ts';
import { nodePowerRoutes } from './node-power-routes.ts';
import { jobRoutes, ladderRoute, limitRoutes, repairedRoute } from './job-routes.ts';
import { nodeRoutes } from './node-routes.ts';
import { orderRoutes } from './order-routes.ts';
import { tenantEditRoute } from './tenants/edit-routes.ts';
import { tenantRoutes } from './tenants/routes.ts';
import { siteRoutes } from './site-routes.ts';
import { trustRoutes } from './trust/routes.ts';
import { activityView, intervalView, overviewOf, planView, todayOf, type Today } from './view.ts';

export interface ApiOptions {
  readonly runtime: Runtime;
  /** Address to listen on. Beyond loopback it takes TLS and an account. */
  readonly host: string;
  readonly port: number;
  /** Host names by which the server may be called, besides its address. */
  readonly names: readonly string[];
  readonly tls: Tls | undefined;
  /** Lets anybody read: for the emulated demo on loopback, and refused elsewhere. */
  readonly openReads: boolean;
  /** Where the token of this machine's command line is written when the server listens; readable by its owner alone. */
  readonly tokenFile: string | undefined;
  /** Folder of the built pages; undefined serves the API alone. */
  readonly pages: string | undefined;
  readonly version: string;
  readonly log: Logger;
}

export interface Api {
  readonly server: FastifyInstance;
  /** Every route there is, with who may use it. */
  readonly routes: readonly RoutePolicy[];
  /** Address with a sign-in token that is good once. */
  signInLink(): string;
  /** Takes a renewed certificate for connections from now on. @throws Error where it cannot serve */
  renewTls(tls: Tls): void;
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** @throws Error where the options would leave the site open to the network */
export async function createApi(options: ApiOptions): Promise<Api> {
  const { runtime, host, port, names, tls, openReads, tokenFile, pages, version, log } = options;
  await mustBeServable(options, runtime);
  const at: Names = { host, port, names, tls: tls !== undefined };
  const server = bareServer(tls, log);
  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  answerErrors(server, log);
  const access = await installAccess(server, { runtime, at, openReads, tokenFile, log });
  recordRefusals(server, runtime);
  await describeApi(server, version, at);
  const hub = createEventHub();
  let today: Today = await todayOf(runtime);

  await server.register(async (scope) => {
    const app: App = scope.withTypeProvider<ZodTypeProvider>();
    readRoutes(app, runtime, () => today);
    writeRoutes(app, runtime);
    siteRoutes(app, runtime);
    machineRoutes(app, runtime);
    poolRoutes(app, runtime);
    plantRoutes(app, runtime);
    orderRoutes(app, runtime);
    jobRoutes(app, runtime);
    nodeRoutes(app, runtime);
    ladderRoute(app, runtime);
    limitRoutes(app, runtime);
    pauseRoutes(app, runtime);
    nodePowerRoutes(app, runtime);
    repairedRoute(app, runtime);
    tenantRoutes(app, runtime);
    tenantEditRoute(app, runtime);
    quoteRoutes(app, runtime);
    guardRoutes(app, runtime);
    trustRoutes(app, runtime);
    gridRoutes(app, runtime, access.limits);
    historyRoutes(app, runtime);
    convertRoutes(app, runtime);
    backupRoutes(app, runtime);
    signInRoutes(app, access);
    accountRoutes(app, access);
    tokenRoutes(app, access);
    userRoutes(app, access);
    eventRoute(app, runtime, access, hub, () => today);
    probeRoutes(app, server, runtime, access);
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
    // A store that does not answer has its alarm; the figures of the day stay as they were.
    todayOf(runtime).then(
      (fresh) => (today = fresh),
      (error: unknown) => log.warn({ err: error }, 'the day cannot be summed'),
    );
  });
  runtime.events.on('activity', (act) => hub.send('activity', activityView(act)));

  const anywhere = host === '0.0.0.0' || host === '::';
  const base = `${at.tls ? 'https' : 'http'}://${anywhere ? (names[0] ?? '127.0.0.1') : bracketed(host)}:${port}`;
  return {
    server,
    routes: access.routes,
    signInLink: () => `${base}/signin?token=${access.links.issue()}`,
    renewTls(renewed) {
      if (tls === undefined) throw new Error('this server was started without TLS');
      const warning = checkTls(renewed, Date.now());
      if (warning !== undefined) log.warn(warning);
      (server.server as unknown as HttpsServer).setSecureContext(secureContext(renewed));
    },
    async listen() {
      await server.listen({ host, port });
      access.local.write();
      return base;
    },
    async close() {
      hub.close();
      access.close();
      await server.close();
    },
  };
}

const secureContext = ({ certificate, key }: Tls) => ({ cert: certificate, key, minVersion: 'TLSv1.2' as const });

function bareServer(tls: Tls | undefined, log: Logger): FastifyInstance {
  // A sign-in link carries its token in the query, and headers carry credentials: neither is for a log.
  const loggerInstance = log.child(
    { room: 'http' },
    {
      level: 'warn',
      redact: ['req.headers.authorization', 'req.headers.cookie', 'res.headers["set-cookie"]'],
      serializers: {
        req: ({ method, url }: { method: string; url: string }) => ({ method, url: url.split('?')[0] }),
      },
    },
  );
  const options = { loggerInstance, bodyLimit: 64 * 1024, requestTimeout: 30_000, forceCloseConnections: true };
  if (tls === undefined) return Fastify(options) as unknown as FastifyInstance;
  return Fastify({ ...options, https: secureContext(tls) }) as unknown as FastifyInstance;
}

function answerErrors(server: FastifyInstance, log: Logger): void {
  server.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error, request);
    if (problem.status === 500) log.error({ err: error, url: problem.instance }, 'a request failed');
    if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="busbar"');
    return sendProblem(reply, problem);
  });
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0];
    return sendProblem(
      reply,
      problemOf(new ApiProblem(404, 'Not found', `there is no ${request.method} ${path}`), request),
    );
  });
}

async function describeApi(server: FastifyInstance, version: string, at: Names): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Busbar',
        version,
        description: 'One control plane for a site where Bitcoin miners and AI machines share one grid connection.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          session: { type: 'apiKey', in: 'cookie', name: cookieName(at.tls) },
          token: { type: 'http', scheme: 'bearer' },
        },
      },
    },
    transform: jsonSchemaTransform,
  });
}

function eventRoute(app: App, runtime: Runtime, access: Access, hub: EventHub, today: () => Today): void {
  app.get(
    '/api/v1/events',
    {
      // An answer without a body would never end.
      exposeHeadRoute: false,
      config: { needs: 'viewer' },
      schema: {
        tags: ['live'],
        summary: 'Event stream: overview, plan, interval, activity',
        description: 'text/event-stream; each event carries the shape of its name; ends when the session does',
      },
    },
    async (request, reply) => {
      if (!access.streams.watch(reply.raw, limitKey(request), () => access.stillSigned(request)))
        throw new ApiProblem(429, 'Too many requests', 'too many event streams are open for you: close some');
      reply.hijack();
      const headers = {
        ...headersFor(request.url, access.at.tls),
        'content-type': 'text/event-stream',
        'cache-control': 'no-store, no-transform',
        connection: 'keep-alive',
      };
      reply.raw.writeHead(200, headers);
      reply.raw.write(`retry: 2000\n\n${frame('overview', overviewOf(runtime, today()))}`);
      const plan = runtime.plan();
      if (plan !== undefined) reply.raw.write(frame('plan', planView(runtime, plan)));
      hub.add(reply.raw);
    },
  );
}

/** For scrapers, probes and generators: no part of the document. */
function probeRoutes(app: App, server: FastifyInstance, runtime: Runtime, access: Access): void {
  app.get('/api/v1/openapi.json', { config: { needs: 'viewer' }, schema: { hide: true, tags: ['site'] } }, () =>
    server.swagger(),
  );
  app.get('/metrics', { config: { needs: 'viewer' }, schema: { hide: true, tags: ['metrics'] } }, (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(metricsText(runtime)),
  );
  app.get('/healthz', { config: { needs: 'public' }, schema: { hide: true } }, (request, reply) => {
    const ok = runtime.lagMs() < 60_000;
    reply.code(ok ? 200 : 503);
    // A stranger is told no more than whether it lives.
    if (request.signed === undefined && !access.openReads) return { ok };
    return { ok, lagMs: runtime.lagMs(), planned: runtime.plan() !== undefined };
  });
}
