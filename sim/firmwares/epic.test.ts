import { afterAll, beforeAll, expect, test } from 'vitest';
import { epic } from '../../src/drivers/epic.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(epic, 'antminer-s19j-pro', 21_200, ({ ports }) => ({ port: ports.cgminer }));
});
afterAll(() => t.close());

const get = (path: string, init?: RequestInit) => fetch(`http://${t.address(1)}:${t.sim.ports.cgminer}${path}`, init);

test('its pages are recognised, and a write wants the password in its body', async () => {
  const pages = new Map([['4028/capabilities', await (await get('/capabilities')).text()]]);
  expect(epic.recognises({ openPorts: [4028], banners: new Map(), pages })).toBe(true);
  const stop = await get('/miner', { method: 'POST', body: '{"param":"Stop","password":"wrong"}' });
  expect(await stop.json()).toEqual({ result: false, error: 'Invalid password' });
  await expect(t.open(1, { password: { env: 'X' } }, 'wrong').sleep!()).rejects.toMatchObject({ kind: 'unauthorised' });
});

test('the driver reads and inspects it', async () => {
  const device = t.open(2);
  const read = await device.read();
  expect(read).toMatchObject({
    powerBasis: 'measured',
    mode: { kind: 'run', profile: 'default' },
    pool: { worker: 'site.one-0002' },
  });
  expect(read.hashrateThs).toBeGreaterThan(90);
  expect(read.hashrateThs).toBeLessThan(115);
  const slow = await device.inspect!();
  expect(slow).toMatchObject({ model: 'Antminer S19j Pro', firmware: 'PowerPlay v1.14.0' });
  expect(slow.boards).toHaveLength(3);
  expect(slow.gaps).toBeUndefined();
});

test('sleep, wake, limit, pools, light, reboot', async () => {
  const device = t.open(3);
  await device.sleep!();
  await device.sleep!();
  t.pass(30);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await device.wake!();
  t.pass(400);
  const full = await device.read();
  expect(full.mode).toEqual({ kind: 'run', profile: 'default' });
  await device.setPowerLimit!(2_200);
  t.pass(90);
  const limited = await device.read();
  expect(limited.powerLimitW).toBe(2_200);
  expect(limited.powerW).toBeLessThan((full.powerW ?? 0) - 400);
  await device.setPools!([{ url: 'stratum+tcp://a.example:3333', worker: 'w.1', password: 'x' }]);
  expect((await device.inspect!()).pools).toMatchObject([{ url: 'stratum+tcp://a.example:3333', worker: 'w.1' }]);
  await device.locate!(true);
  await device.reboot!();
});
