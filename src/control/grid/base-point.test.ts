import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  answerFrames,
  type BasePointCommand,
  type BasePointTelemetry,
  type RegisterOptions,
  createRegisters,
  MAP_VERSION,
  REGISTERS,
  STATUS,
  UNKNOWN_INT32,
  UNKNOWN_UINT16,
} from './base-point.ts';

const TELEMETRY: BasePointTelemetry = {
  importW: 38_200_400,
  availableUpW: 1_500_000,
  availableDownW: 30_000_000,
  rampWPerMinute: -2_000_000,
  status: STATUS.following,
  dataAgeMs: 1_040,
  demandedMostW: 40_000_000,
  demandedLeastW: undefined,
};

function bank(telemetry = TELEMETRY, more: Partial<RegisterOptions> = {}) {
  const told: BasePointCommand[] = [];
  const refused: string[] = [];
  const registers = createRegisters({
    mostW: 40e6,
    leastW: 0,
    telemetry: () => telemetry,
    told: (c) => told.push(c),
    refused: (why) => refused.push(why),
    ...more,
  });
  return { told, refused, registers };
}
const word = (...values: readonly number[]): number[] => values.flatMap((value) => [(value >> 8) & 0xff, value & 0xff]);
const pdu = (...bytes: readonly number[]): Buffer => Buffer.from(bytes);
const read = (at: number, count: number, code = 3): Buffer => pdu(code, ...word(at, count));
const write = (at: number, ...words: readonly number[]): Buffer =>
  pdu(16, ...word(at, words.length), 2 * words.length, ...word(...words));
const frame = (body: Buffer, unit = 1, id = 7): Buffer =>
  Buffer.concat([Buffer.from([...word(id, 0, body.length + 1), unit]), body]);

describe('the map', () => {
  test('a base point, enable and heartbeat come in one write, or enable and heartbeat alone', () => {
    const { told, registers } = bank();
    expect([...registers.answer(write(0, 0x0000, 0x3a98, 1, 9))]).toEqual([16, ...word(0, 4)]);
    expect(told).toEqual([{ basePointW: 15_000_000, enabled: true, heartbeat: 9 }]);
    expect([...registers.answer(pdu(6, ...word(3, 10)))]).toEqual([6, ...word(3, 10)]);
    expect(told[1]).toEqual({ basePointW: 15_000_000, enabled: true, heartbeat: 10 });
    expect([...registers.answer(read(0, 4))]).toEqual([3, 8, ...word(0, 0x3a98, 1, 10)]);
  });

  test('what stood before the process began stands still', () => {
    const initial = { basePointW: 15e6, enabled: true };
    const { told, registers } = bank(TELEMETRY, { initial });
    registers.answer(pdu(6, ...word(3, 1)));
    expect(told).toEqual([{ ...initial, heartbeat: 1 }]);
  });

  test('a base point below what the site lets the source command is refused where it is to be followed, and told', () => {
    const { told, refused, registers } = bank(TELEMETRY, { leastW: 10e6 });
    const below = [0, 9_999] as const;
    expect([...registers.answer(write(0, ...below, 1, 1))]).toEqual([0x90, 3]);
    expect(refused).toEqual(['9.999 MW: expected 10 to 40 MW']);
    // Written and not enabled it commands nothing; enabled, it would.
    expect([...registers.answer(write(0, ...below, 0, 2))]).toEqual([16, ...word(0, 4)]);
    expect([...registers.answer(pdu(6, ...word(2, 1)))]).toEqual([0x86, 3]);
    expect(told.map(({ enabled }) => enabled)).toEqual([false]);
    expect([...registers.answer(write(0, 0, 10_000, 1, 3))]).toEqual([16, ...word(0, 4)]);
    expect(refused).toHaveLength(2);
  });

  test('half a base point, a foreign enable and one above the connection are refused, and change nothing', () => {
    const { told, registers } = bank();
    const exception = (request: Buffer) => [...registers.answer(request)];
    expect(exception(pdu(6, ...word(0, 1)))).toEqual([0x86, 2]);
    expect(exception(write(1, 1, 1))).toEqual([0x90, 2]);
    expect(exception(write(2, 2))).toEqual([0x90, 3]);
    expect(exception(write(0, 0, 40_001))).toEqual([0x90, 3]);
    expect(exception(write(0, 0xffff, 0xffff))).toEqual([0x90, 3]);
    expect(exception(write(3, 1, 1))).toEqual([0x90, 2]);
    expect(exception(write(100, 1))).toEqual([0x90, 2]);
    expect(exception(read(4, 1))).toEqual([0x83, 2]);
    expect(exception(read(115, 2))).toEqual([0x83, 2]);
    expect(exception(read(0, 0))).toEqual([0x83, 3]);
    expect(exception(read(0, 126))).toEqual([0x83, 3]);
    expect(exception(pdu(1, 0, 0, 0, 1))).toEqual([0x81, 1]);
    expect(exception(pdu(16, 0, 0, 0, 2, 3, 0, 0))).toEqual([0x90, 3]);
    expect(told).toEqual([]);
    expect([...registers.answer(read(0, 4))]).toEqual([3, 8, ...word(0, 0, 0, 0)]);
  });

  test('telemetry reads the same by function 3 and 4, and what is unknown says so', () => {
    const { registers } = bank();
    const reply = registers.answer(read(100, 16, 4));
    const at = (register: number): number => 2 + 2 * (register - 100);
    expect(reply.readUInt16BE(at(REGISTERS.version))).toBe(MAP_VERSION);
    expect(reply.readInt32BE(at(REGISTERS.importKw))).toBe(38_200);
    expect(reply.readInt32BE(at(REGISTERS.availableUpKw))).toBe(1_500);
    expect(reply.readInt32BE(at(REGISTERS.rampKwPerMinute))).toBe(-2_000);
    expect(reply.readInt32BE(at(REGISTERS.demandedLeastKw))).toBe(UNKNOWN_INT32);
    expect(reply.readUInt16BE(at(REGISTERS.dataAgeTenths))).toBe(10);
    expect(registers.answer(read(100, 16, 3)).subarray(1)).toEqual(reply.subarray(1));
    const silent = bank({ ...TELEMETRY, importW: undefined, dataAgeMs: undefined }).registers.answer(read(100, 16));
    expect(silent.readInt32BE(at(REGISTERS.importKw))).toBe(UNKNOWN_INT32);
    expect(silent.readUInt16BE(at(REGISTERS.dataAgeTenths))).toBe(UNKNOWN_UINT16);
    const demanded = bank({ ...TELEMETRY, demandedMostW: Infinity }).registers.answer(read(110, 2));
    expect(demanded.readInt32BE(2)).toBe(UNKNOWN_INT32);
  });
});

describe('frames', () => {
  test('are answered one by one, however they are cut', () => {
    const stream = Buffer.concat([frame(read(3, 1), 1, 1), frame(read(0, 1), 9, 2), frame(write(3, 5), 1, 3)]);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const { registers } = bank();
        const edges = [0, ...cuts, stream.length].sort((a, b) => a - b);
        let rest: Buffer = Buffer.alloc(0);
        const replies: Buffer[] = [];
        for (let i = 1; i < edges.length; i += 1) {
          const answered = answerFrames(Buffer.concat([rest, stream.subarray(edges[i - 1], edges[i])]), 1, registers);
          expect(answered.broken).toBe(false);
          replies.push(...answered.replies);
          rest = answered.rest;
        }
        expect(replies.map((one) => one.readUInt16BE(0))).toEqual([1, 3]);
      }),
    );
  });

  test('what is no Modbus ends the connection', () => {
    const { registers } = bank();
    expect(answerFrames(Buffer.from('GET / HTTP/1.1\r\n'), 1, registers)).toMatchObject({ broken: true, replies: [] });
    expect(answerFrames(Buffer.from([0, 1, 0, 0, 0, 1, 1]), 1, registers).broken).toBe(true);
  });

  test('any bytes leave the registers sane: a base point within the connection, enable 0 or 1', () => {
    const wild = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 5 })
        .map((parts) =>
          Buffer.concat(
            parts.map((bytes) => frame(Buffer.from([[3, 4, 6, 16][bytes[0]! % 4]!, ...bytes.subarray(1)]))),
          ),
        ),
      fc
        .array(fc.tuple(fc.nat(5), fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 4 })), { maxLength: 6 })
        .map((writes) => Buffer.concat(writes.map(([at, words]) => frame(write(at, ...words))))),
    );
    fc.assert(
      fc.property(wild, (bytes) => {
        const { told, registers } = bank();
        const { replies, rest } = answerFrames(bytes, 1, registers);
        for (const reply of replies) expect(reply.length).toBeLessThanOrEqual(260);
        expect(rest.length).toBeLessThanOrEqual(bytes.length);
        for (const { basePointW } of told) expect(basePointW >= 0 && basePointW <= 40e6).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
