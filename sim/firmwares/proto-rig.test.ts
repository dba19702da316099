import { afterAll, beforeAll, expect, test } from 'vitest';
import { protoRig } from '../../src/drivers/proto-rig.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(protoRig, 'proto-rig', 21_240, ({ ports }) => ({ port: ports.web }));
});
afterAll(() => t.close());

const open = (n: number) => t.open(n);
const get = (path: string, init?: RequestInit) => fetch(`http://${t.address(1)}:${t.sim.ports.web}${path}`, init);

test('its pages are recognised; what is not open wants a token', async () => {
  const pages = new Map([['80/api/v1/system', await (await get('/api/v1/system')).text()]]);
  expect(protoRig.recognises({ openPorts: [80], banners: new Map(), pages })).toBe(true);
  expect((await get('/api/v1/pools')).status).toBe(401);
  expect((await get('/api/v1/auth/login', { method: 'POST', body: '{"password":"wrong"}' })).status).toBe(401);
  await expect(t.open(1, { password: { env: 'RIG' } }, 'wrong').sleep!()).rejects.toMatchObject({
    kind: 'unauthorised',
  });
});

test('the driver reads and inspects it', async () => {
  const read = await open(2).read();
  expect(read).toMatchObject({ powerBasis: 'measured', mode: { kind: 'run', profile: 'default' } });
  expect(read.hashrateThs).toBeCloseTo(819, -2);
  const slow = await open(2).inspect!();
  expect(slow).toMatchObject({
    model: 'Proto Rig',
    firmware: '1.8.0',
    pools: [{ worker: 'site.one-0002', active: true }],
    errors: [],
  });
  expect(slow.boards).toHaveLength(3);
  expect(slow.gaps).toBeUndefined();
});

test('sleep, wake, limit, pools, light, reboot', async () => {
  const device = open(3);
  await device.sleep!();
  await device.sleep!();
  t.pass(30);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await device.wake!();
  t.pass(400);
  expect(await device.read()).toMatchObject({ mode: { kind: 'run' } });
  await device.setPowerLimit!(8_000);
  t.pass(90);
  const limited = await device.read();
  expect(limited.powerLimitW).toBe(8_000);
  expect(limited.powerW).toBeLessThan(9_000);
  await expect(device.setPowerLimit!(50_000)).rejects.toMatchObject({ kind: 'refused' });
  await device.setPools!([{ url: 'stratum+tcp://a.example:3333', worker: 'w.1', password: 'x' }]);
  expect((await device.inspect!()).pools).toMatchObject([{ url: 'stratum+tcp://a.example:3333', worker: 'w.1' }]);
  await device.locate!(true);
  await device.reboot!();
});
