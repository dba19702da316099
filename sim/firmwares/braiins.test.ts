import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { braiins } from '../../src/drivers/braiins.ts';
import { driverBench, type Bench } from '../../test/support/driver-bench.ts';
import { select } from '../graphql.ts';
import { talk } from '../small-site.ts';

const pools = [{ url: 'stratum+tcp://other.example:700', worker: 'site.7', password: 'x' }];

describe.each([
  { api: 'rest', offset: 22_610, firmware: /25\.07/ },
  { api: 'graphql', offset: 22_620, firmware: /24\.09/ },
])('over $api', ({ api, offset, firmware }) => {
  let t: Bench;
  beforeAll(async () => {
    t = await driverBench(braiins, 'antminer-s19-xp', offset, ({ ports }) => ({ port: ports.web }), { api });
  });
  afterAll(() => t.close());
  const url = (n: number, path: string) => `http://${t.address(n)}:${t.sim.ports.web}${path}`;

  test('is recognised without credentials, and the API is found out', async () => {
    const { bytes } = await talk(t.address(1), t.sim.ports.cgminer, '{"command":"version"}');
    const seen = (banners: [number, string][], pages: [string, string][] = []) =>
      braiins.recognises({ openPorts: [80], banners: new Map(banners), pages: new Map(pages) });
    expect(seen([[4028, bytes.toString()]])).toBe(true);
    expect(seen([[80, await (await fetch(url(1, '/'))).text()]])).toBe(true);
    expect(seen([[80, '<title>Something else</title>']])).toBe(false);
    const version = await (await fetch(url(1, '/api/v1/version'))).text();
    expect(seen([], [['80/api/v1/version', version]])).toBe(api === 'rest');
    const pages = new Map([['80/api/v1/version', version]]);
    const settings = braiins.settingsFor!({ openPorts: [80], banners: new Map(), pages });
    expect(settings).toEqual(api === 'rest' ? { api } : {});
    expect(await t.open(1, { api: 'auto' }).read()).toEqual(await t.open(1).read());
  });

  test('tells the same on 4028', async () => {
    const tell = async (command: string) => {
      const { bytes } = await talk(t.address(2), t.sim.ports.cgminer, JSON.stringify({ command }));
      return JSON.parse(bytes.toString().replaceAll('\0', '')) as Record<string, readonly Record<string, unknown>[]>;
    };
    const now = await t.open(2).read();
    expect((await tell('summary'))['SUMMARY']![0]!['MHS 1m']).toBeCloseTo(now.hashrateThs! * 1e6, 0);
    expect((await tell('tunerstatus'))['TUNERSTATUS']).toMatchObject([
      { ApproximateMinerPowerConsumption: now.powerW, PowerLimit: now.powerLimitW },
    ]);
    expect((await tell('fans'))['FANS']!.map((fan) => fan['RPM'])).toEqual(now.fansRpm);
    expect((await tell('devs'))['DEVS']).toHaveLength(3);
    expect((await tell('temps'))['TEMPS']).toMatchObject([{ ID: 1 }, { ID: 2 }, { ID: 3 }]);
    expect((await tell('pools'))['POOLS']).toMatchObject([{ 'Stratum Active': true }]);
    expect((await tell('addpool'))['STATUS']).toMatchObject([{ STATUS: 'E', Code: 14 }]);
  });

  test('reads and inspects', async () => {
    const device = t.open(2);
    const now = await device.read();
    expect(now).toMatchObject({ powerBasis: 'measured', hashrateThs: expect.closeTo(140, -1) as number });
    expect(now.mode).toEqual({ kind: 'run', profile: api === 'rest' ? '3010W' : 'default' });
    expect(now.temperatureC).toBeGreaterThan(30);
    const slow = await device.inspect!();
    expect(slow).toMatchObject({ model: 'Antminer S19 XP', firmware: expect.stringMatching(firmware) as string });
    expect(slow.mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i);
    expect(slow.boards).toHaveLength(3);
    expect(slow.points?.length).toBe(api === 'rest' ? 7 : undefined);
    expect(slow.gaps).toBeUndefined();
  });

  test('sleep, wake, limit, pools, light and reboot', async () => {
    const device = t.open(3);
    await device.sleep!();
    t.pass(20);
    expect((await device.read()).mode).toEqual({ kind: 'sleep' });
    await device.setPools!(pools);
    t.pass(20);
    expect((await device.read()).mode).toEqual({ kind: 'sleep' });
    await device.sleep!();
    await device.wake!();
    t.pass(400);
    expect((await device.read()).mode?.kind).toBe('run');
    await device.setPowerLimit!(2000);
    t.pass(90);
    const limited = await device.read();
    expect(limited).toMatchObject({ powerLimitW: 2000 });
    expect(limited.powerW).toBeLessThan(2200);
    await device.setPools!(pools);
    await device.locate!(true);
    expect((await device.inspect!()).pools).toMatchObject([{ url: pools[0]!.url, worker: 'site.7' }]);
    await device.reboot!();
    t.pass(1);
    await expect(t.open(3, { timeoutMs: 100 }).read()).rejects.toMatchObject({ kind: 'timeout' });
  });

  test('a session that ended is begun anew', async () => {
    const device = t.open(4);
    await device.locate!(true);
    t.pass(3700);
    await device.locate!(false);
    expect((await device.read()).powerW).toBeGreaterThan(0);
  });

  test('another password is told as such, and nothing is carried out', async () => {
    const device = t.open(4, { password: { env: 'BOS' } }, 'wrong');
    await expect(device.sleep!()).rejects.toMatchObject({ kind: 'unauthorised' });
    t.pass(20);
    expect((await t.open(4).read()).mode?.kind).toBe('run');
  });
});

describe('REST alone', () => {
  let t: Bench;
  beforeAll(async () => {
    t = await driverBench(braiins, 'antminer-s19-xp', 22_630, ({ ports }) => ({ port: ports.web }), { api: 'rest' });
  });
  afterAll(() => t.close());
  const ask = (path: string, init?: RequestInit) =>
    fetch(`http://${t.address(1)}:${t.sim.ports.web}/api/v1${path}`, init);

  test('a token for everything, and a limit has bounds', async () => {
    expect((await ask('/miner/stats')).status).toBe(401);
    const login = await ask('/auth/login', { method: 'POST', body: '{"username":"root","password":"root"}' });
    const headers = { authorization: ((await login.json()) as { token: string }).token };
    expect((await ask('/miner/stats', { headers })).status).toBe(200);
    expect((await ask('/nothing', { headers })).status).toBe(404);
    await expect(t.open(1).setPowerLimit!(50)).rejects.toMatchObject({ kind: 'refused' });
  });

  test('a profile is the target it was tuned for', async () => {
    const device = t.open(2);
    await device.read();
    await device.inspect!();
    await device.setMode!('2107W');
    t.pass(90);
    expect(await device.read()).toMatchObject({ mode: { kind: 'run', profile: '2107W' }, powerLimitW: 2107 });
    await expect(device.setMode!('2106W')).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

test('a query is answered with what it asks, and with no more', () => {
  const tree = {
    a: {
      __typename: 'A',
      b: [
        { c: 1, d: 2 },
        { c: 3, d: 4 },
      ],
      e: null,
    },
    f: 5,
  };
  expect(select(tree, '{ a { b { c } x: __typename ... on A { e { y } } ... on B { z } } }')).toEqual({
    a: { b: [{ c: 1 }, { c: 3 }], x: 'A', e: null },
  });
  expect(select(tree, 'query ($n: Int!) { a(n: $n) { b { d } }, f }')).toEqual({
    a: { b: [{ d: 2 }, { d: 4 }] },
    f: 5,
  });
  expect(() => select(tree, '{ nothing }')).toThrow('Unknown field "nothing"');
  expect(() => select(tree, '{ a { e')).toThrow('unexpected end');
});
