import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import type { Server, Socket } from 'node:net';
import { garble, garbleWay, type RequestFault } from './faults.ts';
import type { MinerPort, PortSpeech } from './firmware.ts';
import { minerAnswers } from './miners.ts';
import { httpListener, keepSilent, tcpServer, type Host } from './net.ts';
import type { Endpoint } from './world.ts';

const LONGEST_REQUEST = 65_536;

/** One port of every miner: each firmware speaks on it as its file says, and refuses where that names none. */
export function minerServer(host: Host, port: number, name: MinerPort): Server {
  const web = httpServerOf(host, name);
  return tcpServer(host, ['miner'], (socket, endpoint) => {
    const speech = speechOf(host, endpoint, name);
    if (speech?.kind === 'http') {
      web.emit('connection', socket);
      return;
    }
    const fault = faultOf(host, endpoint, port, speech);
    if (fault === 'refused' || speech === undefined) socket.resetAndDestroy();
    else if (fault === 'silent') keepSilent(socket);
    else if (speech.kind === 'bytes') speech.serve(host, endpoint, socket);
    else readText(socket, (text) => reply(host, socket, endpoint, speech, text, fault));
  });
}

const speechOf = ({ world: { miners } }: Host, endpoint: Endpoint, name: MinerPort): PortSpeech | undefined =>
  miners.groups[miners.group[endpoint.index]!]!.firmware.ports[name];

function faultOf(
  host: Host,
  endpoint: Endpoint,
  port: number,
  speech: PortSpeech | undefined,
): RequestFault | undefined {
  const { miners, deadMiners } = host.world;
  const i = endpoint.index;
  if (!minerAnswers(miners, i) || deadMiners[i] === 1) return 'silent';
  if (speech === undefined || (speech.kind !== 'http' && miners.state.busyUntil[i]! > host.siteNow())) return 'refused';
  return host.faults.onRequest(endpoint, port);
}

/** Listens nowhere: it is handed the connections of miners that speak HTTP on the port. */
function httpServerOf(host: Host, name: MinerPort): HttpServer {
  const listener = httpListener(
    host,
    (endpoint) =>
      minerAnswers(host.world.miners, endpoint.index) && host.world.deadMiners[endpoint.index] === 0 ? 'yes' : 'silent',
    ['miner'],
    (request, body, endpoint) => {
      const speech = speechOf(host, endpoint, name);
      if (speech?.kind !== 'http') throw new Error(`${endpoint.id} speaks no HTTP on ${name}`);
      return speech.answer(host, endpoint, request, body);
    },
  );
  const server = createHttpServer({ keepAliveTimeout: 15_000 }, listener);
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

function readText(socket: Socket, done: (text: string) => void): void {
  let text = '';
  let answered = false;
  socket.setTimeout(20_000, () => socket.destroy());
  socket.on('data', (part: Buffer) => {
    if (answered) return;
    text += part.toString('utf8');
    const trimmed = text.replace(/[\0\s]+$/, '');
    if (text.length > LONGEST_REQUEST) socket.destroy();
    else if (trimmed.endsWith('}')) {
      answered = true;
      done(trimmed);
    }
  });
}

function reply(
  host: Host,
  socket: Socket,
  endpoint: Endpoint,
  speech: Extract<PortSpeech, { kind: 'text' }>,
  text: string,
  fault: 'garbled' | 'late' | undefined,
): void {
  const answer = speech.answer(host, endpoint, text);
  if (answer === undefined) return void socket.destroy();
  const send = (said: string): void => void (speech.linger === true ? socket.write(said) : socket.end(said));
  if (fault === 'garbled') send(`${garble(answer, garbleWay(host.world, endpoint))}\0`);
  else if (fault === 'late') setTimeout(() => send(answer), host.faults.lateMs(endpoint)).unref();
  else send(answer);
}
