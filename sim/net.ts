import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { garble, garbleWay, type Faults } from './faults.ts';
import type { SimCommand } from './command.ts';
import type { Endpoint, World } from './world.ts';

/** What a protocol needs of the running site. */
export interface Host {
  readonly world: World;
  readonly faults: Faults;
  /** Site time now, in ms. */
  siteNow(): number;
  /** Unix or monotonic wall time in ms, for sessions and nonces. */
  wallNow(): number;
  /** Unix time in ms: the clock of a machine whose tokens carry the time. */
  unixNow(): number;
  /** Carries a command out, after writing it down. */
  send(command: SimCommand): void;
}

/** The emulated site talks to its own machine only: 127.0.0.0/8. */
export const isLoopback = (address: string | undefined): boolean => /^127\.\d+\.\d+\.\d+$/.test(address ?? '');

/** How long a silent endpoint holds a socket before it lets go, in wall ms. */
const SILENCE_MS = 60_000;

export function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '0.0.0.0', port, backlog: 4096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** A TCP listener that hands each socket over with the endpoint at the address it came in on; where none is, nobody listens. */
export function tcpServer(
  host: Host,
  wanted: readonly Endpoint['kind'][],
  onSocket: (socket: Socket, endpoint: Endpoint) => void,
): Server {
  return createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    const endpoint = endpointOf(host, socket, wanted);
    if (endpoint === undefined) socket.resetAndDestroy();
    else onSocket(socket, endpoint);
  });
}

function endpointOf(host: Host, socket: Socket, wanted: readonly Endpoint['kind'][]): Endpoint | undefined {
  if (!isLoopback(socket.remoteAddress)) return undefined;
  const endpoint = host.world.byAddress.get(socket.localAddress ?? '');
  return endpoint !== undefined && wanted.includes(endpoint.kind) ? endpoint : undefined;
}

/** Takes the connection and never says anything. */
export function keepSilent(socket: Socket): void {
  socket.resume();
  socket.setTimeout(SILENCE_MS, () => socket.destroy());
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * An HTTP listener in front of many machines. `alive` says how a machine takes a connection now; `answer` works a
 * request out. Request faults are applied here, the same way for every protocol.
 */
export function httpServer(
  host: Host,
  wanted: readonly Endpoint['kind'][],
  alive: (endpoint: Endpoint) => 'yes' | 'silent' | 'refused',
  answer: (request: IncomingMessage, body: string, endpoint: Endpoint) => HttpAnswer,
): Server {
  const server = createHttpServer({ keepAliveTimeout: 15_000 }, httpListener(host, alive, wanted, answer));
  // A foreign peer, or one that asks where no such machine is, is dropped before it can say anything.
  server.on('connection', (socket: Socket) => {
    if (endpointOf(host, socket, wanted) === undefined) socket.resetAndDestroy();
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

/** What such a listener does with one request; for a server that is handed its connections. */
export function httpListener(
  host: Host,
  alive: (endpoint: Endpoint) => 'yes' | 'silent' | 'refused',
  wanted: readonly Endpoint['kind'][],
  answer: (request: IncomingMessage, body: string, endpoint: Endpoint) => HttpAnswer,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { socket } = request;
    const endpoint = endpointOf(host, socket, wanted);
    if (endpoint === undefined) return void socket.destroy();
    const state = alive(endpoint);
    const fault = state === 'yes' ? host.faults.onRequest(endpoint, socket.localPort ?? 0) : state;
    if (fault === 'silent') return keepSilent(socket);
    if (fault === 'refused') return void socket.resetAndDestroy();
    const respond = (body: string): void => {
      const reply = answer(request, body, endpoint);
      const text = fault === 'garbled' ? garble(reply.body, garbleWay(host.world, endpoint)) : reply.body;
      if (fault === 'late') setTimeout(() => send(response, reply, text), host.faults.lateMs(endpoint)).unref();
      else send(response, reply, text);
    };
    if (request.method === 'GET') respond('');
    else collect(request, respond);
  };
}

const BODY_LIMIT = 1 << 20;

function collect(request: IncomingMessage, done: (body: string) => void): void {
  const parts: Buffer[] = [];
  let size = 0;
  request.on('data', (part: Buffer) => {
    size += part.length;
    if (size > BODY_LIMIT) request.destroy();
    else parts.push(part);
  });
  request.on('end', () => done(Buffer.concat(parts).toString('utf8')));
  request.on('error', () => request.destroy());
}

function send(response: ServerResponse, reply: HttpAnswer, text: string): void {
  if (response.destroyed) return;
  response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}
