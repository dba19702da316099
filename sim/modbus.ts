import type { Server, Socket } from 'node:net';
import { keepSilent, tcpServer, type Host } from './net.ts';
import { PURPOSE, bellAt } from './random.ts';
import type { Endpoint, World } from './world.ts';

/**
 * Modbus TCP meters with the register map of Schneider's iEM3000 (big-endian, addresses from 0): currents A at 0x0BB7,
 * phase voltages V at 0x0BD3, active power kW float32 by phase at 0x0BED and in total at 0x0BF3, power factor at 0x0C0B,
 * frequency Hz at 0x0C25, energy int64 Wh: import at 0x0C83, export at 0x0C87 (always 0: nothing is generated here).
 * Functions 3 and 4; a unit id other than 1 is met with silence, an address outside the map with exception 2.
 */
const UNIT = 1;
const FUNCTIONS = [3, 4];
const VOLTS = 277.1;

interface Values {
  readonly powerKw: number;
  readonly importWh: number;
}

/** Registers of the map: start and words of each value, in order. */
const MAP: readonly { readonly at: number; readonly words: 2 | 4; value(v: Values): number }[] = [
  ...[0, 1, 2].map((phase) => ({
    at: 0x0bb7 + 2 * phase,
    words: 2 as const,
    value: (v: Values) => (v.powerKw * 1000) / 3 / VOLTS,
  })),
  ...[0, 1, 2].map((phase) => ({ at: 0x0bd3 + 2 * phase, words: 2 as const, value: () => VOLTS })),
  ...[0, 1, 2].map((phase) => ({ at: 0x0bed + 2 * phase, words: 2 as const, value: (v: Values) => v.powerKw / 3 })),
  { at: 0x0bf3, words: 2, value: (v) => v.powerKw },
  { at: 0x0c0b, words: 2, value: () => 0.98 },
  { at: 0x0c25, words: 2, value: () => 60 },
  { at: 0x0c83, words: 4, value: (v) => v.importWh },
  { at: 0x0c87, words: 4, value: () => 0 },
];
const WORDS = new Map(
  MAP.flatMap((entry) => Array.from({ length: entry.words }, (_, i) => [entry.at + i, entry] as const)),
);

export function modbusServer(host: Host, port: number): Server {
  return tcpServer(host, ['meter'], (socket, endpoint) => {
    let pending = Buffer.alloc(0);
    socket.on('data', (part: Buffer) => {
      pending = Buffer.concat([pending, part]);
      while (pending.length >= 6) {
        const length = 6 + pending.readUInt16BE(4);
        if (length > 260 || pending.readUInt16BE(2) !== 0) {
          socket.destroy();
          return;
        }
        if (pending.length < length) return;
        answer(host, socket, endpoint, port, pending.subarray(0, length));
        pending = pending.subarray(length);
      }
    });
  });
}

function answer(host: Host, socket: Socket, endpoint: Endpoint, port: number, frame: Buffer): void {
  if (frame.length < 12 || frame[6] !== UNIT) return;
  const fault = host.faults.onRequest(endpoint, port);
  if (fault === 'silent') return keepSilent(socket);
  if (fault === 'refused') return void socket.resetAndDestroy();
  const reply = replyTo(frame, valuesOf(host.world, endpoint));
  // A garbled frame claims more bytes than it carries.
  if (fault === 'garbled') reply.writeUInt16BE(reply.length + 7, 4);
  if (fault === 'late') setTimeout(() => socket.write(reply), host.faults.lateMs(endpoint)).unref();
  else socket.write(reply);
}

/** One Modbus TCP answer. @param frame a whole request, header included */
function replyTo(frame: Buffer, values: Values): Buffer {
  const code = frame[7]!;
  const at = frame.readUInt16BE(8);
  const count = frame.readUInt16BE(10);
  if (!FUNCTIONS.includes(code)) return wrap(frame, Buffer.from([code | 0x80, 1]));
  if (count < 1 || count > 125) return wrap(frame, Buffer.from([code | 0x80, 3]));
  const body = Buffer.alloc(2 + 2 * count);
  body[0] = code;
  body[1] = 2 * count;
  for (let i = 0; i < count; i += 1) {
    const entry = WORDS.get(at + i);
    if (entry === undefined) return wrap(frame, Buffer.from([code | 0x80, 2]));
    const word = Buffer.alloc(8);
    if (entry.words === 2) word.writeFloatBE(entry.value(values));
    else word.writeBigInt64BE(BigInt(Math.floor(entry.value(values))));
    word.copy(body, 2 + 2 * i, 2 * (at + i - entry.at), 2 * (at + i - entry.at) + 2);
  }
  return wrap(frame, body);
}

function wrap(frame: Buffer, body: Buffer): Buffer {
  const header = Buffer.from(frame.subarray(0, 7));
  header.writeUInt16BE(body.length + 1, 4);
  return Buffer.concat([header, body]);
}

/** Power with 0.2 % of noise; the counter is the integral of true power. */
function valuesOf(world: World, endpoint: Endpoint): Values {
  const noise =
    1 + 0.002 * bellAt(world.seed, PURPOSE.meter, endpoint.number, Math.round(world.state.t / world.stepMs));
  if (endpoint.hall < 0) {
    const { feeder } = world.state;
    return { powerKw: (feeder.powerW * noise) / 1000, importWh: feeder.energyWh };
  }
  const { itW, coolingW, energyWh } = world.halls[endpoint.hall]!.state;
  return { powerKw: ((itW + coolingW) * noise) / 1000, importWh: energyWh };
}
