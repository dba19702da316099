import { afterAll, beforeAll, expect, test } from 'vitest';
import { avalon } from '../../src/drivers/avalon.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { at, cgminer, talk } from '../small-site.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(avalon, 'avalon-a1566', 21_120, ({ ports }) => ({ port: ports.cgminer }));
});
afterAll(() => t.close());

const raw = (n: number, command: string, parameter?: string) => cgminer(t.sim, t.address(n), command, parameter);

test('version and stats have the shape of the firmware, and are recognised', async () => {
  expect(at(await raw(1, 'version'), 'VERSION.0.PROD')).toBe('AvalonMiner 15');
  expect(at(await raw(1, 'stats'), 'STATS.0.MM ID0')).toMatch(/PS\[0 1214 1316 \d+ \d+ 1320 \d+\]/);
  expect(at(await raw(1, 'litestats'), 'STATUS.0')).toMatchObject({ STATUS: 'E', Code: 14 });
  const { bytes } = await talk(t.address(1), t.sim.ports.cgminer, '{"command":"version"}');
  const banners = new Map([[4028, bytes.toString()]]);
  expect(avalon.recognises({ openPorts: [4028], banners, pages: new Map() })).toBe(true);
});

test('softoff says success as an info, softon says nothing, nonsense fails', async () => {
  expect(at(await raw(1, 'ascset', '0,softoff,1:1753434821'), 'STATUS.0.Msg')).toBe(
    'ASC 0 set info: success softoff:1753434821',
  );
  const wake = '{"command":"ascset","parameter":"0,softon,1:1753434821"}';
  expect((await talk(t.address(1), t.sim.ports.cgminer, wake)).bytes).toHaveLength(0);
  expect(at(await raw(1, 'ascset', '0,workmode,set,1'), 'STATUS.0.STATUS')).toBe('E');
  expect(at(await raw(1, 'ascset', '0,nonsense'), 'STATUS.0.Msg')).toBe('ASC 0 set failed: Unknown option: nonsense');
});

test('the driver reads and inspects it', async () => {
  const device = t.open(2);
  expect(await device.read()).toMatchObject({
    powerBasis: 'measured',
    hashrateThs: expect.closeTo(185, -1) as number,
    mode: { kind: 'run', profile: 'normal' },
  });
  const slow = await device.inspect!();
  expect(slow).toMatchObject({ model: 'AvalonMiner 15-194', firmware: '24102401_25462b2_9ddf522' });
  expect(slow.boards).toHaveLength(3);
  expect(slow.gaps).toBeUndefined();
});

test('sleep, wake, modes, pools, light and reboot', async () => {
  const device = t.open(2);
  await device.sleep!();
  await device.sleep!();
  t.pass(20);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await device.setMode!('high');
  t.pass(400);
  const high = await device.read();
  expect(high.mode).toEqual({ kind: 'run', profile: 'high' });
  expect(high.powerW).toBeGreaterThan(3600);
  await device.setMode!('default');
  t.pass(90);
  expect(await device.read()).toMatchObject({ mode: { profile: 'normal' } });
  await device.locate!(true);
  expect(at(await raw(2, 'stats'), 'STATS.0.MM ID0')).toContain('Led[1]');
  await device.setPools!([
    { url: 'stratum+tcp://one.example:700', worker: 'site.7', password: 'x' },
    { url: 'stratum+tcp://two.example:700', worker: 'site.7', password: 'x' },
  ]);
  // It starts again to use them.
  t.pass(1);
  await expect(t.open(2, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
  t.pass(400);
  expect((await device.inspect!()).pools).toMatchObject([
    { url: 'stratum+tcp://one.example:700' },
    { url: 'stratum+tcp://two.example:700' },
  ]);
  await device.setPools!([{ url: 'stratum+tcp://three.example:700', worker: 'site.7', password: 'x' }]);
  t.pass(400);
  expect((await device.inspect!()).pools).toMatchObject([{ url: 'stratum+tcp://three.example:700' }]);
});

test('another password of the web page is told as such', async () => {
  const pools = [{ url: 'stratum+tcp://one.example:700', worker: 'site.7', password: 'x' }];
  await expect(t.open(3, { password: { env: 'AV' } }, 'wrong').setPools!(pools)).rejects.toMatchObject({
    kind: 'unauthorised',
  });
});

test('a level is a mode, watts are a limit, and `restart` starts it again', async () => {
  expect(at(await raw(4, 'ascset', '0,worklevel,set,2900'), 'STATUS.0.Msg')).toBe('ASC 0 set OK');
  t.pass(90);
  const limited = await t.open(4).read();
  expect(limited).toMatchObject({ powerLimitW: 2900 });
  expect(limited.powerW).toBeLessThan(3000);
  expect(at(await raw(4, 'ascset', '0,worklevel,set,9'), 'STATUS.0.STATUS')).toBe('E');
  expect(await raw(4, 'restart')).toEqual({ STATUS: 'RESTART' });
  t.pass(1);
  await expect(t.open(4, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
});
