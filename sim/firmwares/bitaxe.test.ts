import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bitaxe } from '../../src/drivers/bitaxe.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';

const POOLS = [
  { url: 'stratum+tcp://one.example:700', worker: 'site.1', password: 'x' },
  { url: 'stratum+tcp://two.example:701', worker: 'site.2', password: 'x' },
];

describe.each([
  { pause: false, offset: 22_650, version: 'v2.4.5' },
  { pause: true, offset: 22_670, version: 'v2.14.0' },
])('AxeOS $version', ({ pause, offset, version }) => {
  let t: Bench;
  beforeAll(async () => {
    t = await driverBench(bitaxe, 'bitaxe-gamma', offset, ({ ports }) => ({ port: ports.web }), { pause });
  });
  afterAll(() => t.close());
  const raw = (n: number, path: string, init?: RequestInit) =>
    fetch(`http://${t.address(n)}:${t.sim.ports.web}${path}`, init);

  test('is recognised from its page, and from what it says of itself', async () => {
    const seen = (banner: string, page?: string) => ({
      openPorts: [80],
      banners: new Map([[80, banner]]),
      pages: new Map(page === undefined ? [] : [['80/api/system/info', page]]),
    });
    expect(bitaxe.recognises(seen(await (await raw(1, '/')).text()))).toBe(true);
    const info = await (await raw(1, '/api/system/info')).text();
    expect(bitaxe.recognises(seen('', info))).toBe(true);
    expect(bitaxe.recognises(seen('<title>Another page</title>'))).toBe(false);
    expect(bitaxe.settingsFor!(seen('', info))).toEqual(pause ? { pause: true } : {});
    expect((await raw(1, '/api/nothing')).status).toBe(404);
  });

  test('one answer tells everything', async () => {
    const reading = await t.open(1).read();
    expect(reading).toMatchObject({
      model: 'Bitaxe Gamma',
      firmware: version,
      powerBasis: 'measured',
      mode: { kind: 'run', profile: 'default' },
      hostname: 'bitaxe',
      boards: [{ index: 0, chips: 1 }],
      errors: [],
    });
    expect(reading.hashrateThs).toBeCloseTo(1.2, 0);
    expect(reading.fansRpm).toHaveLength(pause ? 2 : 1);
    expect(reading.pools).toHaveLength(1);
  });

  test('two pools, then one; it is restarted for each and for nothing that is so already', async () => {
    const device = t.open(2);
    await device.setPools!(POOLS);
    t.pass(200);
    const two = await device.read();
    expect(two.pools?.map(({ url, worker }) => ({ url, worker }))).toEqual(
      POOLS.map(({ url, worker }) => ({ url, worker })),
    );
    expect(two.pool).toEqual({ url: POOLS[0]!.url, worker: 'site.1' });
    await device.setPools!(POOLS);
    t.pass(1);
    expect((await device.read()).uptimeS).toBeGreaterThan(60);
    await device.setPools!(POOLS.slice(1));
    t.pass(200);
    expect((await device.read()).pools).toMatchObject([{ url: POOLS[1]!.url, worker: 'site.2', active: true }]);
    await expect(device.setPools!([...POOLS, ...POOLS])).rejects.toMatchObject({ kind: 'unsupported' });
  });

  test('restarts', async () => {
    await t.open(3).reboot!();
    t.pass(1);
    await expect(t.open(3, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
  });

  test('sleeps where it can, and lights where it can', async () => {
    const device = t.open(4);
    if (!pause) {
      expect(device.sleep).toBeUndefined();
      await expect(device.locate!(true)).rejects.toMatchObject({ kind: 'unsupported' });
      return;
    }
    await device.sleep!();
    await device.sleep!();
    t.pass(20);
    expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, hashrateThs: 0 });
    await device.setPools!(POOLS);
    t.pass(20);
    expect(await device.read()).toMatchObject({ mode: { kind: 'sleep' }, pool: { url: POOLS[0]!.url } });
    await device.wake!();
    t.pass(60);
    expect((await device.read()).mode).toEqual({ kind: 'run', profile: 'default' });
    await device.locate!(true);
    await device.locate!(true);
    const again = await raw(4, '/api/system/identify', { method: 'POST' });
    expect(await again.json()).toEqual({ message: 'The device no longer says "Hi!".' });
    await device.locate!(false);
    expect(await (await raw(4, '/api/system/identify', { method: 'POST' })).text()).toContain('for 30 seconds');
  });
});
