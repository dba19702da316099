import { connect } from 'node:http2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { braiins } from '../../src/drivers/braiins.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { decode, double, int, message, messagesAt, numberAt, str, textAt, type Decoded } from '../protobuf.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(braiins, 'antminer-s21', 13_040, ({ ports }) => ({ port: ports.web }));
});
afterAll(() => t.close());

interface Reply {
  readonly code: number;
  readonly words: string;
  readonly token: string | undefined;
  readonly said: Decoded;
}

/** One unary call, as any client of gRPC makes it. */
function call(n: number, path: string, request: Buffer = Buffer.alloc(0), token?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${t.address(n)}:${t.sim.ports.grpc}`);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': `/braiins.bos.${path}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(token === undefined ? {} : { authorization: token }),
    });
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(request.length, 1);
    const parts: Buffer[] = [];
    const told: Record<string, string | undefined> = {};
    const keep = (headers: Readonly<Record<string, unknown>>): void =>
      Object.entries(headers).forEach(([name, value]) => (told[name] = String(value)));
    stream.on('response', keep).on('trailers', keep).on('error', reject);
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      session.close();
      resolve({
        code: Number(told['grpc-status']),
        words: decodeURIComponent(told['grpc-message'] ?? ''),
        token: told['authorization'],
        said: decode(Buffer.concat(parts).subarray(5)),
      });
    });
    stream.end(Buffer.concat([prefix, request]));
  });
}

async function signedIn(n: number): Promise<(path: string, request?: Buffer) => Promise<Reply>> {
  const { token } = await call(n, 'v1.AuthenticationService/Login', Buffer.concat([str(1, 'root'), str(2, 'root')]));
  return (path, request) => call(n, `v1.${path}`, request, token);
}

test('numbers, texts and messages survive the wire', () => {
  const bytes = Buffer.concat([
    int(1, 300),
    int(2, 2 ** 50),
    double(3, 1.5),
    str(4, 'äö'),
    message(5, int(1, true)),
    int(6, 0),
  ]);
  const read = decode(bytes);
  expect([numberAt(read, 1), numberAt(read, 2), numberAt(read, 3), textAt(read, 4)]).toEqual([300, 2 ** 50, 1.5, 'äö']);
  expect(numberAt(messagesAt(read, 5)[0]!, 1)).toBe(1);
  expect(read.has(6)).toBe(false);
  expect(() => decode(bytes.subarray(0, -1))).toThrow(RangeError);
});

test('it says its version to anybody, and wants a session for the rest', async () => {
  expect(numberAt((await call(1, 'ApiVersionService/GetApiVersion')).said, 1)).toBe(1);
  expect(await call(1, 'v1.MinerService/GetMinerDetails')).toMatchObject({ code: 16 });
  expect(await call(1, 'v1.MinerService/MakeCoffee')).toMatchObject({ code: 12 });
  const wrong = Buffer.concat([str(1, 'root'), str(2, 'wrong')]);
  expect(await call(1, 'v1.AuthenticationService/Login', wrong)).toMatchObject({ code: 16, token: undefined });
});

test('it tells what its other APIs tell', async () => {
  const ask = await signedIn(2);
  const details = (await ask('MinerService/GetMinerDetails')).said;
  const slow = await t.open(2).inspect!();
  expect([textAt(details, 7), textAt(details, 16)]).toEqual([slow.mac, slow.serial]);
  expect(textAt(messagesAt(details, 5)[0]!, 1)).toBe(slow.firmware);
  const fast = await t.open(2).read();
  const power = messagesAt(messagesAt((await ask('MinerService/GetMinerStats')).said, 3)[0]!, 1)[0]!;
  expect(numberAt(power, 1)).toBe(fast.powerW);
  expect(messagesAt((await ask('MinerService/GetHashboards')).said, 1)).toHaveLength(3);
  expect(messagesAt((await ask('CoolingService/GetCoolingState')).said, 1).map((fan) => numberAt(fan, 2))).toEqual(
    slow.fansRpm,
  );
  const [group] = messagesAt((await ask('PoolService/GetPoolGroups')).said, 1);
  expect(messagesAt(group!, 4).map((pool) => textAt(pool, 2))).toEqual(slow.pools?.map((pool) => pool.url));
});

test('what it is told comes to pass: pause, watts, pools, lamp', async () => {
  const ask = await signedIn(3);
  expect((await ask('ActionsService/PauseMining')).code).toBe(0);
  t.pass(60);
  expect(await t.open(3).read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await ask('ActionsService/ResumeMining');
  t.pass(400);
  expect(await t.open(3).read()).toMatchObject({ mode: { kind: 'run' } });
  const target = (w: number): Buffer => Buffer.concat([int(1, 2), message(2, int(1, w))]);
  expect(await ask('PerformanceService/SetPowerTarget', target(90_000))).toMatchObject({ code: 3 });
  const limited = await ask('PerformanceService/SetPowerTarget', target(2_500));
  expect(numberAt(messagesAt(limited.said, 1)[0]!, 1)).toBe(2_500);
  t.pass(120);
  expect((await t.open(3).read()).powerW).toBeLessThan(2_700);
  const pool = message(5, str(2, 'stratum+tcp://new.example:4444'), str(3, 'acct.x'), str(4, 'x'));
  expect((await ask('PoolService/SetPoolGroups', message(2, str(2, 'default'), pool))).code).toBe(0);
  expect((await t.open(3).inspect!()).pools).toMatchObject([
    { url: 'stratum+tcp://new.example:4444', worker: 'acct.x' },
  ]);
  await ask('ActionsService/SetLocateDeviceStatus', int(1, true));
  expect(numberAt((await ask('ActionsService/GetLocateDeviceStatus')).said, 1)).toBe(1);
});
