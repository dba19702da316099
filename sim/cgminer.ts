import type { Server, Socket } from 'node:net';
import type { CgminerCommand } from './cgminer-reply.ts';
import { garble, garbleWay } from './faults.ts';
import { luxosReply } from './luxos.ts';
import { keepSilent, tcpServer, type Host } from './net.ts';
import { minerAnswers } from './miners.ts';
import { stockReply } from './antminer.ts';
import type { Endpoint } from './world.ts';

const LONGEST_REQUEST = 16_384;

/**
 * The cgminer API on 4028, shared by LuxOS and stock Antminers: one JSON command in, one reply out with a NUL at its
 * end, and the machine closes. Several commands joined with `+` answer as one object with an array for each.
 */
export function cgminerServer(host: Host, port: number): Server {
  return tcpServer(host, ['miner'], (socket, endpoint) => {
    const { miners } = host.world;
    const i = endpoint.index;
    const isUp = minerAnswers(miners, i) && host.world.deadMiners[i] === 0;
    const reloading = miners.state.busyUntil[i]! > host.siteNow();
    const axeos = miners.groups[miners.group[i]!]!.firmware === 'axeos';
    const fault = axeos ? 'refused' : isUp ? (reloading ? 'refused' : host.faults.onRequest(endpoint, port)) : 'silent';
    if (fault === 'refused') socket.resetAndDestroy();
    else if (fault === 'silent') keepSilent(socket);
    else readCommand(socket, (text) => reply(host, socket, endpoint, text, fault));
  });
}

function readCommand(socket: Socket, done: (text: string) => void): void {
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
  text: string,
  fault: 'garbled' | 'late' | undefined,
): void {
  const answer = answerTo(host, endpoint, text);
  if (fault === 'garbled') socket.end(`${garble(answer, garbleWay(host.world, endpoint))}\0`);
  else if (fault === 'late') setTimeout(() => socket.end(`${answer}\0`), host.faults.lateMs(endpoint)).unref();
  else socket.end(`${answer}\0`);
}

function answerTo(host: Host, endpoint: Endpoint, text: string): string {
  const group = host.world.miners.groups[host.world.miners.group[endpoint.index]!]!;
  const one = group.firmware === 'luxos' ? luxosReply : stockReply;
  const parsed = parseCommand(text);
  if (parsed === undefined) return JSON.stringify(one(host, endpoint, { name: '', parameter: '' }));
  const names = parsed.name.split('+');
  if (names.length === 1) return JSON.stringify(one(host, endpoint, parsed));
  const joined: Record<string, unknown> = {};
  for (const name of names) joined[name] = [one(host, endpoint, { name, parameter: parsed.parameter })];
  joined['id'] = 1;
  return JSON.stringify(joined);
}

function parseCommand(text: string): CgminerCommand | undefined {
  try {
    const { command, parameter } = JSON.parse(text) as { command?: unknown; parameter?: unknown };
    if (typeof command !== 'string') return undefined;
    const given = typeof parameter === 'string' || typeof parameter === 'number' ? String(parameter) : '';
    return { name: command, parameter: given };
  } catch {
    return undefined;
  }
}
