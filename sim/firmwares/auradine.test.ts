import { afterAll, beforeAll, expect, test } from 'vitest';
import { auradine } from '../../src/drivers/auradine.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { at, cgminer } from '../small-site.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(auradine, 'auradine-at2880', 23_160, ({ ports }) => ({
    port: ports.webToo,
    rpcPort: ports.cgminer,
  }));
});
afterAll(() => t.close());

const web = async (n: number, path: string, body?: unknown, token = ''): Promise<[number, Record<string, unknown>]> => {
  const reply = await fetch(`http://${t.address(n)}:${t.sim.ports.webToo}/${path}`, {
    headers: { token },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return [reply.status, text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {}];
};
const login = async (n: number): Promise<string> => {
  const [, said] = await web(n, 'token', { command: 'token', user: 'admin', password: 'admin' });
  return String(at(said, 'Token.0.Token'));
};

test('gcminer says what it is, and is recognised by it', async () => {
  const version = await cgminer(t.sim, t.address(1), 'version');
  expect(at(version, 'VERSION.0.GCMiner')).toBe('1.4.2');
  expect(at(await cgminer(t.sim, t.address(1), 'devdetails'), 'DEVDETAILS.0.Model')).toBe('AT2880');
  const banners = new Map([[4028, JSON.stringify(version)]]);
  expect(auradine.recognises({ openPorts: [4028, 8080], banners, pages: new Map() })).toBe(true);
  expect(at(await cgminer(t.sim, t.address(1), 'gibberish'), 'STATUS.0.Code')).toBe(14);
});

test('its pages want a token, and only the password gives one', async () => {
  expect((await web(1, 'psu'))[0]).toBe(401);
  expect((await web(1, 'token', { command: 'token', user: 'admin', password: 'no' }))[0]).toBe(401);
  const token = await login(1);
  const [status, psu] = await web(1, 'psu', undefined, token);
  expect(status).toBe(200);
  expect(at(psu, 'PSU.0.PowerIn')).toMatch(/^\d+\.\d\dW$/);
  expect((await web(2, 'psu', undefined, token))[0]).toBe(401);
  expect((await web(1, 'nothing', undefined, token))[0]).toBe(404);
  await expect(t.open(1, { password: { env: 'X' } }, 'wrong').sleep!()).rejects.toMatchObject({ kind: 'unauthorised' });
});

test('the driver reads and inspects it', async () => {
  const device = t.open(2);
  const read = await device.read();
  expect(read).toMatchObject({ powerBasis: 'measured', mode: { kind: 'run', profile: 'normal' } });
  expect(read.powerW).toBeGreaterThan(3_900);
  expect(read.hashrateThs).toBeCloseTo(260, -2);
  expect(read.temperatureC).toBeGreaterThan(30);
  const slow = await device.inspect!();
  expect(slow).toMatchObject({
    model: 'AT2880',
    firmware: '2025-03.1',
    hostname: 'one-0002',
    pools: [{ worker: 'site.one-0002', active: true, alive: true }],
    errors: [],
  });
  expect(slow.boards).toHaveLength(3);
  expect(slow.boards![0]).toMatchObject({ index: 0, chips: expect.any(Number) as number });
  expect(slow.fansRpm).toHaveLength(4);
  expect(slow.gaps).toBeUndefined();
});

test('a token that ran out is fetched again', async () => {
  const device = t.open(4);
  await device.read();
  t.pass(3_700);
  expect(await device.read()).toMatchObject({ mode: { profile: 'normal' } });
});

test('sleep, wake, modes, limits, pools, lamp, restart', async () => {
  const device = t.open(3);
  await device.sleep!();
  await device.sleep!();
  t.pass(30);
  const asleep = await device.read();
  expect(asleep).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  expect(asleep.powerW).toBeLessThan(120);
  await device.setMode!('eco');
  t.pass(400);
  expect(await device.read()).toMatchObject({ mode: { profile: 'eco' } });
  await device.setPowerLimit!(2_500);
  t.pass(90);
  const limited = await device.read();
  expect(limited).toMatchObject({ mode: { profile: 'custom' }, powerLimitW: 2_500 });
  expect(limited.powerW).toBeLessThan(2_700);
  await expect(device.setPowerLimit!(100)).rejects.toMatchObject({ kind: 'refused' });
  await device.setMode!('default');
  t.pass(90);
  const normal = await device.read();
  expect(normal).toMatchObject({ mode: { profile: 'normal' } });
  expect(normal.powerLimitW).toBeUndefined();
  await device.setPools!([
    { url: 'stratum+tcp://a.example:3333', worker: 'w.1', password: 'x' },
    { url: 'stratum+tcp://b.example:443', worker: 'w.1', password: 'x' },
  ]);
  expect((await device.inspect!()).pools).toMatchObject([
    { url: 'stratum+tcp://a.example:3333', worker: 'w.1' },
    { url: 'stratum+tcp://b.example:443' },
  ]);
  await device.locate!(true);
  const token = await login(3);
  expect(at((await web(3, 'led', undefined, token))[1], 'LED.0.Code')).toBe(3);
  await device.locate!(false);
  expect(at((await web(3, 'led', undefined, token))[1], 'LED.0.Code')).toBe(2);
  await device.reboot!();
  t.pass(2);
  await expect(device.read()).rejects.toMatchObject({ name: 'Fault' });
});

test('a mode it does not know is refused and changes nothing', async () => {
  const token = await login(1);
  const [, said] = await web(1, 'mode', { command: 'mode', mode: 'warp' }, token);
  expect(at(said, 'STATUS.0.STATUS')).toBe('E');
  expect(at((await web(1, 'mode', undefined, token))[1], 'Mode.0.Mode')).toBe('normal');
});

test('fans that are told a percentage hold it', async () => {
  const token = await login(1);
  const [, said] = await web(1, 'fan', { command: 'fan', index: 1, percentage: 50 }, token);
  expect(at(said, 'STATUS.0.STATUS')).toBe('S');
  expect(at((await web(1, 'fan', undefined, token))[1], 'Fan.0')).toMatchObject({ ID: 1, Speed: 3_100, Max: 6_200 });
});
