import { afterAll, beforeAll, expect, test } from 'vitest';
import { sealminer } from '../../src/drivers/sealminer.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { at, cgminer } from '../small-site.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(sealminer, 'sealminer-a2', 24_160, ({ ports }) => ({
    port: ports.web,
    rpcPort: ports.cgminer,
  }));
});
afterAll(() => t.close());

const web = (n: number, path: string, init?: RequestInit) =>
  fetch(`http://${t.address(n)}:${t.sim.ports.web}${path}`, init);
const login = async (n: number, password: string): Promise<string> => {
  const reply = await web(n, '/cgi-bin/login.php', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `username=seal&origin_pwd=${password}`,
  });
  return reply.headers.get('set-cookie')!.split(';')[0]!;
};

test('bdminer says what it is, and is recognised by it, as is its page', async () => {
  const version = await cgminer(t.sim, t.address(1), 'version');
  const seen = (port: number, text: string) => ({
    openPorts: [port],
    banners: new Map([[port, text]]),
    pages: new Map(),
  });
  expect(sealminer.recognises(seen(4028, JSON.stringify(version)))).toBe(true);
  expect(sealminer.recognises(seen(80, await (await web(1, '/')).text()))).toBe(true);
  expect(sealminer.recognises(seen(80, '<title>AxeOS</title>'))).toBe(false);
  const stats = await cgminer(t.sim, t.address(1), 'stats');
  expect(at(stats, 'STATS.0.Board Count')).toBe(3);
  expect(at(stats, 'STATS.0.PM State')).toBe('Running');
  expect(at(await cgminer(t.sim, t.address(1), 'gibberish'), 'STATUS.0.Code')).toBe(14);
});

test('its pages want a session that signed in', async () => {
  const pageOf = async (cookie: string) =>
    (await web(1, '/cgi-bin/get_system_info.php', { headers: { cookie } })).text();
  expect(await pageOf('')).toContain('origin_pwd');
  expect(await pageOf(await login(1, 'wrong'))).toContain('origin_pwd');
  expect(JSON.parse(await pageOf(await login(1, 'seal')))).toMatchObject({ miner_type: 'A2', led: 'off' });
  expect(await pageOf(await login(2, 'seal'))).toContain('origin_pwd');
  const device = t.open(1, { password: { env: 'X' } }, 'wrong');
  await expect(device.reboot!()).rejects.toMatchObject({ kind: 'unauthorised' });
  expect((await device.inspect!()).gaps).toMatchObject([{ part: 'identity', kind: 'unauthorised' }]);
});

test('the driver reads and inspects it', async () => {
  const device = t.open(2);
  const read = await device.read();
  expect(read).toMatchObject({ powerBasis: 'measured', mode: { kind: 'run', profile: 'default' }, powerLimitW: 3730 });
  expect(read.powerW).toBeGreaterThan(3_500);
  expect(read.hashrateThs).toBeCloseTo(226, -2);
  const slow = await device.inspect!();
  expect(slow).toMatchObject({
    model: 'SealMiner A2',
    firmware: '2025061201_A2',
    hostname: 'one-0002',
    pools: [{ worker: 'site.one-0002', active: true, alive: true }],
    errors: [],
  });
  expect(slow.boards).toHaveLength(3);
  expect(slow.fansRpm).toHaveLength(4);
  expect(slow.gaps).toBeUndefined();
});

test('sleep and wake, the limit, pools, lamp, restart', async () => {
  const device = t.open(3);
  await device.sleep!();
  await device.sleep!();
  t.pass(30);
  const asleep = await device.read();
  expect(asleep).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  expect(asleep.powerW).toBeLessThan(100);
  await device.setPowerLimit!(3_000);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, powerLimitW: 3_000 });
  await device.wake!();
  t.pass(400);
  const awake = await device.read();
  expect(awake).toMatchObject({ mode: { kind: 'run', profile: 'default' } });
  expect(awake.powerW).toBeLessThan(3_250);
  expect(awake.powerW).toBeGreaterThan(2_700);
  await device.wake!();
  await expect(device.setPowerLimit!(100)).rejects.toMatchObject({ kind: 'refused' });
  await device.locate!(true);
  await device.locate!(false);
  await device.setPools!([
    { url: 'stratum+tcp://a.example:3333', worker: 'w.1', password: 'x' },
    { url: 'stratum+tcp://b.example:443', worker: 'w.1', password: 'x' },
  ]);
  // It starts again to take them up.
  t.pass(600);
  expect((await device.inspect!()).pools).toMatchObject([
    { url: 'stratum+tcp://a.example:3333', worker: 'w.1' },
    { url: 'stratum+tcp://b.example:443' },
  ]);
});
