import { afterAll, beforeAll, expect, test } from 'vitest';
import { luxos } from '../../src/drivers/luxos.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { at, cgminer } from '../small-site.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(luxos, 'antminer-s21', 21_140, ({ ports }) => ({ port: ports.cgminer }));
});
afterAll(() => t.close());

test('the driver reads and inspects it', async () => {
  const device = t.open(1);
  expect(await device.read()).toMatchObject({ powerBasis: 'measured', mode: { kind: 'run', profile: 'default' } });
  const slow = await device.inspect!();
  expect(slow).toMatchObject({ model: 'Antminer S21', firmware: '2025.4.8.220305-57b389c7' });
  expect(slow.points).toHaveLength(25);
  expect(slow.boards).toHaveLength(3);
  expect(slow.gaps).toBeUndefined();
});

test('sleep, wake, a profile, the light', async () => {
  const device = t.open(2);
  await device.sleep!();
  t.pass(20);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await device.setMode!('390MHz');
  t.pass(400);
  expect((await device.read()).mode).toEqual({ kind: 'run', profile: '390MHz' });
  await device.locate!(true);
  expect(at(await cgminer(t.sim, t.address(2), 'config'), 'CONFIG.0.RedLed')).toBe('blink');
  await device.locate!(false);
  expect(at(await cgminer(t.sim, t.address(2), 'config'), 'CONFIG.0.RedLed')).toBe('auto');
});

test('pools are replaced in order, and the one that is worked for cannot be removed', async () => {
  const device = t.open(3);
  expect(at(await cgminer(t.sim, t.address(3), 'removepool', '0'), 'STATUS.0.STATUS')).toBe('E');
  const pools = ['one', 'two'].map((n) => ({ url: `stratum+tcp://${n}.example:700`, worker: 'site.7', password: 'x' }));
  for (const wanted of [pools, pools.toReversed(), pools.slice(1)]) {
    await device.setPools!(wanted);
    const now = (await device.inspect!()).pools ?? [];
    expect(now.map(({ url }) => url)).toEqual(wanted.map(({ url }) => url));
  }
});

test('a session that somebody else holds is told as such; a reboot is one', async () => {
  const logon = await cgminer(t.sim, t.address(4), 'logon');
  await expect(t.open(4).sleep!()).rejects.toMatchObject({ kind: 'refused' });
  await cgminer(t.sim, t.address(4), 'logoff', at(logon, 'SESSION.0.SessionID') as string);
  await t.open(4, { timeoutMs: 200 }).reboot!();
  t.pass(1);
  await expect(t.open(4, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
});
