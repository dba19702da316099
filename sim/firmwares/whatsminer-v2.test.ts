import { afterAll, beforeAll, expect, test } from 'vitest';
import { whatsminerV2 } from '../../src/drivers/whatsminer-v2.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { shadowHash } from '../md5-crypt.ts';
import { at, talk } from '../small-site.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(whatsminerV2, 'whatsminer-m50s', 21_100, ({ ports }) => ({ port: ports.cgminer }));
});
afterAll(() => t.close());

async function raw(n: number, command: object): Promise<unknown> {
  const { bytes } = await talk(t.address(n), t.sim.ports.cgminer, JSON.stringify(command));
  return JSON.parse(bytes.toString('utf8'));
}

test('both words for a command are taken, and what is none is declined in the manner of btminer', async () => {
  expect(at(await raw(1, { cmd: 'get_version' }), 'Msg.api_ver')).toBe('2.0.5');
  expect(at(await raw(1, { command: 'summary+devs' }), 'summary.0.SUMMARY.0.Power Mode')).toBe('Normal');
  expect(await raw(1, { command: 'version' })).toMatchObject({ STATUS: 'E', Code: 14 });
  const { bytes } = await talk(t.address(1), t.sim.ports.cgminer, '{"command":"version"}');
  expect(
    whatsminerV2.recognises({ openPorts: [4028], banners: new Map([[4028, bytes.toString()]]), pages: new Map() }),
  ).toBe(true);
});

test('a write in plain text or with another token does nothing', async () => {
  expect(await raw(1, { cmd: 'power_off' })).toMatchObject({ STATUS: 'E' });
  expect(await raw(1, { enc: 1, data: Buffer.alloc(32).toString('base64') })).toMatchObject({ STATUS: 'E', Code: 23 });
  expect(at(await raw(1, { cmd: 'status' }), 'Msg.mineroff')).toBe('false');
});

test('a token is 32 times free for half an hour', async () => {
  for (let n = 0; n < 32; n += 1) expect(await raw(4, { cmd: 'get_token' })).toMatchObject({ Code: 134 });
  expect(await raw(4, { cmd: 'get_token' })).toMatchObject({ STATUS: 'E', Code: 136 });
  t.pass(31 * 60);
  expect(await raw(4, { cmd: 'get_token' })).toMatchObject({ Code: 134 });
});

test('the driver reads and inspects it', async () => {
  const device = t.open(2);
  expect(await device.read()).toMatchObject({
    powerBasis: 'measured',
    mode: { kind: 'run', profile: 'normal' },
    hashrateThs: expect.closeTo(126, -1) as number,
  });
  const slow = await device.inspect!();
  expect(slow).toMatchObject({ model: 'M50S_VH20', hostname: 'WhatsMiner', firmware: expect.any(String) as string });
  expect(slow.boards).toHaveLength(3);
  expect(slow.gaps).toBeUndefined();
});

test('sleep, wake, modes, limit, pools, light and reboot', async () => {
  const device = t.open(2);
  await device.sleep!();
  await device.sleep!();
  t.pass(20);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  expect((await device.read()).powerW).toBeLessThan(60);
  await device.setMode!('low');
  t.pass(300);
  const low = await device.read();
  expect(low.mode).toEqual({ kind: 'run', profile: 'low' });
  expect(low.powerW).toBeLessThan(2900);
  await device.setMode!('normal');
  await device.setPowerLimit!(2000);
  t.pass(120);
  expect(await device.read()).toMatchObject({ powerLimitW: 2000, mode: { profile: 'normal' } });
  expect((await device.read()).powerW).toBeLessThan(2300);
  await device.setPools!([{ url: 'stratum+tcp://other.example:700', worker: 'site.7', password: 'x' }]);
  await device.locate!(true);
  expect((await device.inspect!()).pools).toMatchObject([{ url: 'stratum+tcp://other.example:700', worker: 'site.7' }]);
  expect(at(await raw(2, { cmd: 'get_miner_info' }), 'Msg.ledstat')).toBe('manual');
  await device.reboot!();
  t.pass(1);
  await expect(t.open(2, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
});

test('another password is told as such, and a kept token that ended is got again', async () => {
  const password = { env: 'WM' };
  await expect(t.open(3, { password }, 'wrong').sleep!()).rejects.toMatchObject({ kind: 'unauthorised' });
  const device = t.open(3, { password }, 'admin');
  await device.locate!(true);
  t.pass(29 * 60);
  await device.locate!(false);
  expect(at(await raw(3, { cmd: 'get_miner_info' }), 'Msg.ledstat')).toBe('auto');
});

test('the hash of the shadow file is that of openssl', () => {
  expect(shadowHash('password', 'xxxxxxxx')).toBe('UYCIxa628.9qXjpQCjM4a.');
});
