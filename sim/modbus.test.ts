import { afterAll, beforeAll, expect, test } from 'vitest';
import { talk, testSim, type TestSim } from './small-site.ts';

let t: TestSim;
beforeAll(async () => {
  t = await testSim(21_040);
});
afterAll(() => t.sim.close());

function frame(unit: number, code: number, at: number, count: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(77, 0);
  bytes.writeUInt16BE(6, 4);
  bytes[6] = unit;
  bytes[7] = code;
  bytes.writeUInt16BE(at, 8);
  bytes.writeUInt16BE(count, 10);
  return bytes;
}
const ask = async (host: string, bytes: Buffer): Promise<Buffer> =>
  (await talk(host, t.sim.ports.modbus, bytes, 150)).bytes;

test('active power is a float32 in kW, within the noise of the true power', async () => {
  t.pass(30);
  const { halls, feederW } = t.sim.truth();
  const reply = await ask('127.21.9.2', frame(1, 3, 0x0bf3, 2));
  expect(reply.readUInt16BE(0)).toBe(77);
  expect(reply.subarray(6, 9)).toEqual(Buffer.from([1, 3, 4]));
  expect(reply.readFloatBE(9) / (halls['m']!.totalW / 1000)).toBeCloseTo(1, 2);
  const feeder = (await ask('127.21.9.1', frame(1, 3, 0x0bf3, 2))).readFloatBE(9);
  expect(feeder / (feederW / 1000)).toBeCloseTo(1, 2);
});

test('energy import is an int64 in Wh and the integral of true power', async () => {
  const read = async (): Promise<bigint> => (await ask('127.21.9.2', frame(1, 3, 0x0c83, 4))).readBigInt64BE(9);
  const before = await read();
  expect(before).toBe(BigInt(Math.floor(t.sim.truth().halls['m']!.energyWh)));
  t.pass(3600);
  const grown = Number((await read()) - before);
  expect(grown / t.sim.truth().halls['m']!.totalW).toBeCloseTo(1, 1);
  expect((await ask('127.21.9.2', frame(1, 3, 0x0c87, 4))).readBigInt64BE(9)).toBe(0n);
});

test('another unit id is met with silence, an address outside the map with exception 2', async () => {
  expect(await ask('127.21.9.2', frame(2, 3, 0x0bf3, 2))).toHaveLength(0);
  expect((await ask('127.21.9.2', frame(1, 3, 0x1000, 2))).subarray(7)).toEqual(Buffer.from([0x83, 2]));
  expect((await ask('127.21.9.2', frame(1, 6, 0x0bf3, 2))).subarray(7)).toEqual(Buffer.from([0x86, 1]));
});

test('two requests in one segment get two answers', async () => {
  const both = Buffer.concat([frame(1, 3, 0x0bf3, 2), frame(1, 3, 0x0c83, 4)]);
  expect(await ask('127.21.9.3', both)).toHaveLength(13 + 17);
});
