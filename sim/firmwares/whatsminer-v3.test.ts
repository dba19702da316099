import { afterAll, beforeAll, expect, test } from 'vitest';
import { whatsminerV2 } from '../../src/drivers/whatsminer-v2.ts';
import { whatsminerV3 } from '../../src/drivers/whatsminer-v3.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { at, talk } from '../small-site.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(whatsminerV3, 'whatsminer-m60s', 21_110, ({ ports }) => ({ port: ports.whatsminer }));
});
afterAll(() => t.close());

function frame(command: object): Buffer {
  const body = Buffer.from(JSON.stringify(command));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}
async function raw(n: number, ...commands: object[]): Promise<unknown[]> {
  const { bytes } = await talk(t.address(n), t.sim.ports.whatsminer, Buffer.concat(commands.map(frame)), 100);
  const replies: unknown[] = [];
  for (let rest = bytes; rest.length >= 4; rest = rest.subarray(4 + rest.readUInt32LE(0)))
    replies.push(JSON.parse(rest.subarray(4, 4 + rest.readUInt32LE(0)).toString()));
  return replies;
}

test('frames, several on one connection; a filter tells less', async () => {
  const [info, both, nothing] = await raw(
    1,
    { cmd: 'get.device.info' },
    { cmd: 'get.miner.status', param: 'summary+pools' },
    { cmd: 'get.nothing' },
  );
  expect(at(info, 'msg.system.apiswitch')).toBe('1');
  expect(Object.keys(at(both, 'msg') as object)).toEqual(['summary', 'pools']);
  expect(nothing).toMatchObject({ code: -2 });
  const banners = new Map([[4433, JSON.stringify(info)]]);
  expect(whatsminerV3.recognises({ openPorts: [4433], banners, pages: new Map() })).toBe(true);
});

test('the older API still answers reads, and is not taken for the machine', async () => {
  const { bytes } = await talk(t.address(1), t.sim.ports.cgminer, '{"cmd":"get_version"}');
  expect(at(JSON.parse(bytes.toString()), 'Msg.fw_ver')).toBe('20251209.16.Rel2');
  const banners = new Map([
    [4028, bytes.toString()],
    [4433, '{"code":0}'],
  ]);
  expect(whatsminerV2.recognises({ openPorts: [4028, 4433], banners, pages: new Map() })).toBe(false);
});

test('a write without a token, or with one of another time, is denied', async () => {
  const replies = await raw(
    1,
    { cmd: 'set.miner.service', param: 'stop' },
    { cmd: 'set.miner.service', param: 'stop', ts: 1, token: 'abcdefgh', account: 'super' },
  );
  expect(replies).toMatchObject([{ code: -4 }, { code: -4 }]);
});

test('the driver reads and inspects it', async () => {
  const device = t.open(2);
  expect(await device.read()).toMatchObject({
    powerBasis: 'measured',
    hashrateThs: expect.closeTo(186, -1) as number,
    mode: { kind: 'run', profile: 'normal' },
  });
  const slow = await device.inspect!();
  expect(slow).toMatchObject({ model: 'M60S_VK30', firmware: '20251209.16.Rel2', hostname: 'WhatsMiner' });
  expect(slow.boards).toHaveLength(3);
  expect(slow.gaps).toBeUndefined();
});

test('sleep, wake, modes, limit, pools, light and reboot', async () => {
  const device = t.open(2);
  await device.sleep!();
  await device.sleep!();
  t.pass(20);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await device.wake!();
  t.pass(300);
  expect(await device.read()).toMatchObject({ mode: { kind: 'run', profile: 'normal' } });
  await device.setMode!('high');
  t.pass(90);
  const high = await device.read();
  expect(high.mode).toEqual({ kind: 'run', profile: 'high' });
  expect(high.powerW).toBeGreaterThan(3600);
  await device.setPowerLimit!(2000);
  t.pass(120);
  expect(await device.read()).toMatchObject({ powerLimitW: 2000 });
  await device.setPools!([{ url: 'stratum+tcp://other.example:700', worker: 'site.7', password: 'x' }]);
  await device.locate!(true);
  expect((await device.inspect!()).pools).toMatchObject([{ url: 'stratum+tcp://other.example:700', worker: 'site.7' }]);
  expect(at((await raw(2, { cmd: 'get.device.info' }))[0], 'msg.system.ledstatus')).toBe('manual');
  await device.reboot!();
  t.pass(1);
  await expect(t.open(2, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
});

test('another password is told as such', async () => {
  const password = { env: 'WM' };
  await expect(t.open(3, { password }, 'wrong').sleep!()).rejects.toMatchObject({
    kind: 'unauthorised',
    message: expect.stringContaining('password') as string,
  });
});
