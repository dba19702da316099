import { afterAll, beforeAll, expect, test } from 'vitest';
import { request } from 'undici';
import { modeKeyOf } from './antminer.ts';
import { md5, parseDigest, responseOf } from './digest.ts';
import { at, cgminer, talk, testSim, type TestSim } from './small-site.ts';

let t: TestSim;
beforeAll(async () => {
  t = await testSim(13_010);
});
afterAll(() => t.sim.close());

const url = (host: string, page: string): string => `http://${host}:${t.sim.ports.web}${page}`;

/** A digest client of the test's own. */
function client(host: string, password = 'root') {
  let fields: Record<string, string> | undefined;
  let count = 0;
  const once = async (method: 'GET' | 'POST', page: string, body?: string, nc?: number) => {
    const headers: Record<string, string> = {};
    if (fields !== undefined) {
      count = nc ?? count + 1;
      const mine: Record<string, string> = {
        ...fields,
        nc: count.toString(16).padStart(8, '0'),
        cnonce: 'c0ffee',
        qop: 'auth',
      };
      const response = responseOf(md5(`root:${mine['realm']}:${password}`), method, page, mine);
      headers['authorization'] =
        `Digest username="root", realm="${mine['realm']}", nonce="${mine['nonce']}", uri="${page}", ` +
        `qop=auth, nc=${mine['nc']}, cnonce="${mine['cnonce']}", response="${response}"`;
    }
    const reply = await request(url(host, page), { method, headers, body: body ?? null });
    const challenge = parseDigest(reply.headers['www-authenticate'] as string | undefined);
    if (challenge !== undefined) [fields, count] = [challenge, 0];
    return { status: reply.statusCode, text: await reply.body.text(), challenge };
  };
  return {
    once,
    async json(method: 'GET' | 'POST', page: string, body?: string): Promise<Record<string, unknown>> {
      let reply = await once(method, page, body);
      if (reply.status === 401) reply = await once(method, page, body);
      expect(reply.status).toBe(200);
      return JSON.parse(reply.text) as Record<string, unknown>;
    },
  };
}

test('digest: challenge, answer, nonce reuse with a growing count, stale on a count used twice', async () => {
  const c = client('127.21.3.1');
  const first = await c.once('GET', '/cgi-bin/get_system_info.cgi');
  expect(first).toMatchObject({ status: 401, challenge: { realm: 'antMiner Configuration', qop: 'auth' } });
  expect((await c.once('GET', '/cgi-bin/get_system_info.cgi')).status).toBe(200);
  expect((await c.once('GET', '/cgi-bin/summary.cgi')).status).toBe(200);
  const again = await c.once('GET', '/cgi-bin/summary.cgi', undefined, 2);
  expect(again).toMatchObject({ status: 401, challenge: { stale: 'true' } });
  expect((await c.once('GET', '/cgi-bin/summary.cgi')).status).toBe(200);
});

test('digest: a wrong password is refused and not called stale; a nonce ages', async () => {
  const wrong = client('127.21.3.1', 'admin');
  await wrong.once('GET', '/cgi-bin/stats.cgi');
  const refused = await wrong.once('GET', '/cgi-bin/stats.cgi');
  expect(refused.status).toBe(401);
  expect(refused.challenge).not.toHaveProperty('stale');
  const c = client('127.21.3.1');
  await c.json('GET', '/cgi-bin/stats.cgi');
  t.pass(301);
  expect(await c.once('GET', '/cgi-bin/stats.cgi')).toMatchObject({ status: 401, challenge: { stale: 'true' } });
});

test('the pages have the shape of the firmware, and no watts', async () => {
  const c = client('127.21.3.2');
  expect(await c.json('GET', '/cgi-bin/get_system_info.cgi')).toMatchObject({ minertype: 'Antminer S19j Pro' });
  expect(at(await c.json('GET', '/cgi-bin/summary.cgi'), 'SUMMARY.0.rate_unit')).toBe('GH/s');
  const stats = await c.json('GET', '/cgi-bin/stats.cgi');
  expect(at(stats, 'STATS.0.chain_num')).toBe(3);
  expect(JSON.stringify([stats, await cgminer(t.sim, '127.21.3.2', 'stats')])).not.toMatch(/watt|"power"/i);
  expect(at(await cgminer(t.sim, '127.21.3.2', 'restart'), 'STATUS.0.STATUS')).toBe('E');
});

test('sleep, low and normal through the configuration; the reload refuses 4028 for some seconds', async () => {
  const host = '127.21.3.3';
  const c = client(host);
  const endpoint = t.sim.world.byAddress.get(host)!;
  const key = modeKeyOf(endpoint.number, t.sim.world.seed);
  const power = (): number => t.sim.world.miners.state.powerW[endpoint.index]!;
  const write = async (mode: number): Promise<void> => {
    const conf = await c.json('GET', '/cgi-bin/get_miner_conf.cgi');
    expect(conf).toHaveProperty(key);
    const reply = await c.json('POST', '/cgi-bin/set_miner_conf.cgi', JSON.stringify({ ...conf, [key]: mode }));
    expect(reply).toEqual({ stats: 'success', code: 'M000', msg: 'OK!' });
  };
  await write(1);
  t.pass(1);
  expect((await talk(host, t.sim.ports.cgminer, '{"command":"summary"}')).end).toBe('reset');
  t.pass(30);
  expect(at(await cgminer(t.sim, host, 'summary'), 'SUMMARY.0.GHS 5s')).toBe(0);
  expect(power()).toBeLessThan(30);
  await write(3);
  t.pass(300);
  expect(Number((await c.json('GET', '/cgi-bin/get_miner_conf.cgi'))[key])).toBe(3);
  expect(power()).toBeGreaterThan(2000);
  expect(power()).toBeLessThan(2400);
  await write(0);
  t.pass(300);
  expect(power()).toBeGreaterThan(2900);
});

test('older firmware passes over the key of newer; `miner-mode` is what the page writes on both', async () => {
  const hosts = Array.from({ length: 4 }, (_, n) => `127.21.3.${n + 1}`);
  const keyOf = (host: string) => modeKeyOf(t.sim.world.byAddress.get(host)!.number, t.sim.world.seed);
  const powerOf = (host: string) => t.sim.world.miners.state.powerW[t.sim.world.byAddress.get(host)!.index]!;
  const older = hosts.find((host) => keyOf(host) === 'miner-mode');
  const newer = hosts.find((host) => keyOf(host) === 'bitmain-work-mode');
  await client(older!).json('POST', '/cgi-bin/set_miner_conf.cgi', JSON.stringify({ 'bitmain-work-mode': 1 }));
  await client(newer!).json('POST', '/cgi-bin/set_miner_conf.cgi', JSON.stringify({ 'miner-mode': 1 }));
  t.pass(400);
  expect(powerOf(older!)).toBeGreaterThan(2900);
  expect(powerOf(newer!)).toBeLessThan(100);
});

test('LuxOS machines have no CGI pages here', async () => {
  expect((await talk('127.21.1.1', t.sim.ports.web, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')).end).toBe('reset');
});

test('asked with `new_api`, 4028 tells its boards as the page does; the page names the model', async () => {
  const host = '127.21.3.1';
  const { bytes } = await talk(host, t.sim.ports.cgminer, '{"command":"stats","new_api":true}');
  const told = JSON.parse(bytes.toString().replace(/\0$/, '')) as unknown;
  expect(at(told, 'STATS.0.chain.length')).toBe(3);
  expect(at(told, 'STATS.0.chain.1')).toMatchObject({ index: 1, asic_num: expect.any(Number) as number });
  expect(await client(host).json('GET', '/cgi-bin/miner_type.cgi')).toMatchObject({
    miner_type: expect.stringContaining('Antminer') as string,
    subtype: expect.stringContaining('AML') as string,
  });
});
