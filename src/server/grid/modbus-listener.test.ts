import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { selfSigned } from '../../../test/access/certificate.ts';
import { freePort } from '../../../test/support/site/small.ts';
import { until } from '../../../test/support/site/until.ts';
import { type BasePointCommand, createRegisters } from '../../control/grid/base-point.ts';
import { type BasePointSource, gridSignal } from '../../model/index.ts';
import { listenModbus, type ModbusListener } from './modbus-listener.ts';

let folder: string;
let server: { certificate: string; key: string };
let controller: { certificate: string; key: string };
let stranger: { certificate: string; key: string };
let listener: ModbusListener | undefined;
const told: BasePointCommand[] = [];
const problems: (string | undefined)[] = [];
const sockets: Socket[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-modbus-'));
  server = selfSigned(folder, 'server');
  controller = selfSigned(folder, 'controller');
  stranger = selfSigned(folder, 'stranger');
});
afterEach(() => {
  listener?.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  told.length = 0;
  problems.length = 0;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tls = { certificate: 'server.crt', key: 'server.key', clientCa: 'controller.crt' };
async function listen(more: object = {}): Promise<BasePointSource> {
  const stale = { seconds: 10, policy: 'hold' };
  const source = gridSignal.parse({ id: 'iso', kind: 'base-point', port: await freePort(), stale, ...more });
  if (source.kind !== 'base-point') throw new Error('not a base point');
  const telemetry = () => {
    throw new Error('nobody asked for it');
  };
  const registers = createRegisters({
    mostW: 40e6,
    leastW: 0,
    telemetry,
    told: (command) => told.push(command),
    refused: () => {},
  });
  const path = (file: string) => join(folder, file);
  problems.length = 0;
  listener = listenModbus(source, registers, path, pino({ level: 'silent' }), (why) => problems.push(why));
  await until('a word of the listener', () => problems.length > 0);
  return source;
}

/** Writes heartbeat 5; the answer, or how the connection ended. */
function beat(socket: Socket): Promise<string> {
  sockets.push(socket);
  return new Promise((resolve) => {
    socket.on('data', (reply: Buffer) => resolve(reply.toString('hex')));
    socket.on('error', () => resolve('refused'));
    socket.on('close', () => resolve('closed'));
    socket.write(Buffer.from('000100000006010600030005', 'hex'));
  });
}
const secure = ({ port }: BasePointSource, own?: { certificate: string; key: string }): Socket =>
  connectTls({
    host: '127.0.0.1',
    port,
    ca: server.certificate,
    ...(own === undefined ? {} : { cert: own.certificate, key: own.key }),
  });

test('on loopback a controller writes in the clear', async () => {
  const { port } = await listen();
  expect(await beat(connectTcp({ host: '127.0.0.1', port }))).toBe('000100000006010600030005');
  expect(told).toEqual([{ basePointW: 0, enabled: false, heartbeat: 5 }]);
});

test('with TLS only a controller whose certificate is signed by the right hand is spoken to', async () => {
  const source = await listen({ tls });
  expect(await beat(secure(source, controller))).toBe('000100000006010600030005');
  for (const socket of [secure(source), secure(source, stranger), connectTcp({ host: '127.0.0.1', port: source.port })])
    expect(await beat(socket)).toMatch(/refused|closed/);
  expect(told).toHaveLength(1);
});

test('plain Modbus beyond loopback is never served, and a port that is taken is told', async () => {
  await expect(listen({ host: '0.0.0.0' })).rejects.toThrow(/plain Modbus beyond loopback/);
  const { port } = await listen();
  const first = listener;
  await listen({ port });
  expect(problems.at(-1)).toMatch(/EADDRINUSE/);
  first?.close();
});

test('what is no Modbus ends the connection', async () => {
  const { port } = await listen();
  const socket = connectTcp({ host: '127.0.0.1', port });
  sockets.push(socket);
  const ended = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\n\r\n');
  await ended;
  expect(told).toEqual([]);
});
