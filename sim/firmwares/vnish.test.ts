import { afterAll, beforeAll, expect, test } from 'vitest';
import { vnish } from '../../src/drivers/vnish.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(vnish, 'antminer-s21-pro', 21_160, ({ ports }) => ({ port: ports.web }));
});
afterAll(() => t.close());

const get = (path: string, init?: RequestInit) => fetch(`http://${t.address(1)}:${t.sim.ports.web}${path}`, init);

test('its pages have the shape of the firmware, and are recognised', async () => {
  const info = await (await get('/api/v1/info')).text();
  expect(vnish.recognises({ openPorts: [80], banners: new Map(), pages: new Map([['80/api/v1/info', info]]) })).toBe(
    true,
  );
  expect(
    vnish.recognises({ openPorts: [80], banners: new Map([[80, await (await get('/')).text()]]), pages: new Map() }),
  ).toBe(true);
  const { miner } = (await (await get('/api/v1/summary')).json()) as { miner: Record<string, unknown> };
  expect(miner['miner_type']).toMatch(/^Antminer S21 Pro \(Vnish /);
  expect((miner['hr_realtime'] as number) / 1000).toBeCloseTo(miner['instant_hashrate'] as number, 1);
});

test('a write wants the token that the password gives', async () => {
  expect((await get('/api/v1/mining/stop', { method: 'POST' })).status).toBe(401);
  expect((await get('/api/v1/unlock', { method: 'POST', body: '{"pw":"wrong"}' })).status).toBe(401);
  const { token } = (await (await get('/api/v1/unlock', { method: 'POST', body: '{"pw":"admin"}' })).json()) as {
    token: string;
  };
  const led = await get('/api/v1/find-miner', {
    method: 'POST',
    headers: { authorization: token },
    body: '{"on":true}',
  });
  expect(await led.json()).toEqual({ on: true });
  await expect(t.open(1, { password: { env: 'X' } }, 'wrong').sleep!()).rejects.toMatchObject({ kind: 'unauthorised' });
});

test('the driver reads and inspects it', async () => {
  const device = t.open(2);
  const read = await device.read();
  expect(read).toMatchObject({ powerBasis: 'measured', mode: { kind: 'run', profile: '3510' } });
  expect(read.hashrateThs).toBeCloseTo(234, -2);
  const slow = await device.inspect!();
  expect(slow).toMatchObject({
    model: 'Antminer S21 Pro',
    firmware: '1.2.6',
    pools: [{ worker: 'site.one-0002', active: true }],
  });
  expect(slow.boards).toHaveLength(3);
  expect(slow.points).toHaveLength(8);
  expect(slow.gaps).toBeUndefined();
});

test('sleep, wake, presets, limits, pools, light', async () => {
  const device = t.open(3);
  await device.sleep!();
  await device.sleep!();
  t.pass(30);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await device.wake!();
  t.pass(400);
  expect(await device.read()).toMatchObject({ mode: { profile: '3510' } });
  await device.setPowerLimit!(2_700);
  t.pass(90);
  const limited = await device.read();
  expect(limited.mode).toEqual({ kind: 'run', profile: '2630' });
  expect(limited.powerW).toBeLessThan(2_900);
  await expect(device.setPowerLimit!(500)).rejects.toMatchObject({ kind: 'refused' });
  await expect(device.setMode!('9999')).rejects.toMatchObject({ kind: 'unsupported' });
  await device.setPools!([
    { url: 'stratum+tcp://a.example:3333', worker: 'w.1', password: 'x' },
    { url: 'stratum+tcp://b.example:443', worker: 'w.1', password: 'x' },
  ]);
  expect((await device.inspect!()).pools).toMatchObject([
    { url: 'stratum+tcp://a.example:3333', worker: 'w.1' },
    { url: 'stratum+tcp://b.example:443' },
  ]);
  await device.locate!(true);
  await device.reboot!();
});
