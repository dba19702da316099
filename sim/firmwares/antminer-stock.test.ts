import { afterAll, beforeAll, expect, test } from 'vitest';
import { antminerStock } from '../../src/drivers/antminer-stock.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { at, cgminer } from '../small-site.ts';

let t: Bench;
beforeAll(async () => {
  t = await driverBench(antminerStock, 'antminer-s19j-pro', 21_130, ({ ports }) => ({
    port: ports.cgminer,
    webPort: ports.web,
  }));
});
afterAll(() => t.close());

test('the driver reads and inspects it', async () => {
  const device = t.open(1);
  expect(await device.read()).toMatchObject({ powerBasis: 'estimated', mode: { kind: 'run', profile: 'normal' } });
  const slow = await device.inspect!();
  expect(slow).toMatchObject({
    model: 'Antminer S19j Pro',
    hostname: 'Antminer',
    serial: expect.any(String) as string,
  });
  expect(slow.boards).toHaveLength(3);
  expect(slow.pools).toHaveLength(1);
  expect(slow.gaps).toBeUndefined();
});

test('sleep and wake are told by its configuration', async () => {
  const device = t.open(2);
  await device.sleep!();
  await device.sleep!();
  t.pass(60);
  expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
  await device.setMode!('default');
  t.pass(400);
  expect(await device.read()).toMatchObject({ mode: { kind: 'run', profile: 'normal' } });
});

test('pools change and its mode stays; twice the same is written once', async () => {
  const device = t.open(3);
  await device.setMode!('low');
  t.pass(400);
  const pools = ['one', 'two'].map((n) => ({ url: `stratum+tcp://${n}.example:700`, worker: 'site.7', password: 'x' }));
  await device.setPools!(pools);
  t.pass(400);
  const before = at(await cgminer(t.sim, t.address(3), 'pools'), 'POOLS') as { URL: string }[];
  expect(before.map(({ URL }) => URL)).toEqual(pools.map(({ url }) => url));
  expect((await device.read()).mode).toEqual({ kind: 'run', profile: 'low' });
  await device.setPools!(pools);
  t.pass(1);
  // A write would have reloaded it: 4028 would refuse for some seconds.
  expect((await device.read()).mode).toEqual({ kind: 'run', profile: 'low' });
});

test('the light blinks on both kinds of firmware, and a reboot is one', async () => {
  for (const n of [1, 2, 3, 4]) {
    const facts = () => t.sim.world.miners.state.locate[t.sim.world.byAddress.get(t.address(n))!.index];
    await t.open(n).locate!(true);
    expect(facts()).toBe(1);
    await t.open(n).locate!(false);
    expect(facts()).toBe(0);
  }
  await t.open(4).reboot!();
  t.pass(1);
  await expect(t.open(4, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
});

test('another password is told as such', async () => {
  await expect(t.open(1, { password: { env: 'AM' } }, 'wrong').read()).rejects.toMatchObject({ kind: 'unauthorised' });
});
