import { createServer, type Server, type Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Driver } from '../../src/drivers/driver.ts';
import { drivers } from '../../src/drivers/index.ts';
import { Fault, REAL_TIME, siteClock, type Reading } from '../../src/model/index.ts';
import { openWorld, type World } from '../../src/server/io.ts';
import { recordingsOf } from '../support/recordings.ts';
import { faultsOf } from '../support/sane.ts';

/**
 * Machines that do their worst over real sockets: every driver must be done within its own limit of time for each request, with a fault
 * or a sane reading, and without keeping what it was sent.
 */
const TIMEOUT_MS = 250;
/** Most requests one read may make, one after another; a device that makes more has no bound. */
const MOST_REQUESTS = 24;
const TEN_MB = 10 * 1024 * 1024;

const HTTP = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
const isHttp = (data: Buffer): boolean => /^[A-Z]+ \//.test(data.toString('latin1', 0, 16));
/** Bytes under a head that fits what was asked: what is hostile is the body, not the handshake. */
const headFor = (data: Buffer): string => (isHttp(data) ? `${HTTP}connection: close\r\n\r\n` : '');

const timers = new Set<NodeJS.Timeout>();
const every = (ms: number, socket: Socket, act: () => void): void => {
  const timer = setInterval(act, ms);
  timers.add(timer);
  socket.on('close', () => clearInterval(timer));
};

const BEHAVIOURS: Readonly<Record<string, (socket: Socket, data: Buffer) => void>> = {
  'ten megabytes of one text': (socket, data) =>
    void socket.end(`${headFor(data)}{"STATUS":[{"STATUS":"S"}],"x":"${'a'.repeat(TEN_MB)}"}`),
  'brackets ten thousand deep': (socket, data) => void socket.end(`${headFor(data)}${'['.repeat(10_000)}`),
  'a stream that never ends': (socket, data) => {
    socket.write(headFor(data));
    const chunk = Buffer.alloc(64 * 1024, 0x20);
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
  },
  'a byte now and then': (socket, data) => {
    const text = `${headFor(data)}{"STATUS":[{"STATUS":"S"}]}`;
    let at = 0;
    every(100, socket, () => void socket.write(text[at++ % text.length]!));
  },
  'half an answer': (socket, data) => void socket.end(`${headFor(data)}{"STATUS":[{"STATUS":"S","When":17602`),
  'a length that is not kept': (socket, data) =>
    void socket.end(
      isHttp(data) ? `${HTTP}content-length: 500\r\n\r\n{}` : Buffer.from([0xff, 0xff, 0xff, 0x7f, 0x7b, 0x7d]),
    ),
  'UTF-16': (socket, data) =>
    void socket.end(
      Buffer.concat([Buffer.from(headFor(data)), Buffer.from('\ufeff{"STATUS":[{"STATUS":"S"}]}', 'utf16le')]),
    ),
  'bytes of no encoding': (socket, data) =>
    void socket.end(
      Buffer.concat([Buffer.from(headFor(data)), Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167) % 256))]),
    ),
  'nothing at all': () => {},
  'the door in the face': (socket) => void socket.resetAndDestroy(),
};

interface Hostile {
  readonly tcp: Server;
  readonly port: number;
  close(): void;
}

/** The same port over TCP and UDP: a datagram is answered with garbage. */
async function startHostile(act: (socket: Socket, data: Buffer) => void): Promise<Hostile> {
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('data', (data) => act(socket, data));
  });
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const { port } = tcp.address() as { port: number };
  const udp = createSocket('udp4');
  udp.on('message', (_, { port: from, address }) =>
    udp.send(Buffer.from(Array.from({ length: 200 }, (__, i) => (i * 89) % 256)), from, address),
  );
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  return {
    tcp,
    port,
    close() {
      for (const socket of sockets) socket.destroy();
      tcp.close();
      udp.close();
    },
  };
}

/** Settings with every port at the hostile one's and little patience. */
function settingsFor(driver: Driver, port: number): unknown {
  const recorded = recordingsOf(driver.name)[0]!.recording.config as object;
  const filled = driver.config.parse(recorded) as Record<string, unknown>;
  const ports = Object.keys(filled).filter((key) => /port$/i.test(key));
  const settings: Record<string, unknown> = {
    ...filled,
    ...Object.fromEntries(ports.map((key) => [key, port])),
    timeoutMs: TIMEOUT_MS,
  };
  if ('scheme' in filled) settings['scheme'] = 'http';
  return driver.config.parse(settings);
}

let world: World;
const hostile = new Map<string, Hostile>();
beforeAll(async () => {
  const secrets = { resolve: () => 'secret', problem: () => undefined };
  world = openWorld(
    siteClock(REAL_TIME, () => Date.now()),
    '.',
    secrets,
  );
  for (const [name, act] of Object.entries(BEHAVIOURS)) hostile.set(name, await startHostile(act));
});
afterAll(async () => {
  for (const timer of timers) clearInterval(timer);
  for (const one of hostile.values()) one.close();
  await world.close();
});

describe.each(drivers.map((driver) => [driver.name, driver] as const))('%s', (_, driver) => {
  test.concurrent.each(Object.keys(BEHAVIOURS))('against %s', { timeout: 60_000 }, async (behaviour) => {
    const { port } = hostile.get(behaviour)!;
    const modelId = recordingsOf(driver.name)[0]!.recording.modelId;
    const device = driver.open({ address: '127.0.0.1', modelId, config: settingsFor(driver, port) }, world.drivers);
    for (const call of ['read', 'inspect'] as const) {
      const ask = device[call]?.bind(device);
      if (ask === undefined) continue;
      const started = performance.now();
      const outcome = await ask().catch((error: unknown) => error);
      const tookMs = performance.now() - started;
      if (outcome instanceof Fault) expect(outcome.bytes?.length ?? 0).toBeLessThanOrEqual(500);
      else expect(faultsOf(outcome as Reading, driver.name), call).toEqual([]);
      expect(tookMs, call).toBeLessThan(MOST_REQUESTS * TIMEOUT_MS + 4_000);
    }
    device.close();
  });
});

test('what machines sent is not kept', () => {
  globalThis.gc?.();
  // Hundreds of answers of ten megabytes went by.
  expect(process.memoryUsage().external).toBeLessThan(400 * 1024 * 1024);
});
