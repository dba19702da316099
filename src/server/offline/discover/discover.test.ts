import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Fault, siteMs, wallMs, type HttpRequest, type TcpRequest } from '../../../model/index.ts';
import type { DriverIo } from '../../../drivers/driver.ts';
import { httpPort } from '../../../drivers/wire/http.ts';
import { tcpPort } from '../../../drivers/wire/tcp.ts';
import { discover, type DiscoverOptions } from './discover.ts';
import { fragmentOf, fragmentYaml } from './fragment.ts';
import type { FoundMachine } from './found.ts';
import { readOnly } from './read-only.ts';
import { countOf, merged, parseTarget } from './targets.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

describe('what is looked at', () => {
  test.each([
    ['10.0.0.0/16', 65_534],
    ['10.0.0.0/24', 254],
    ['10.0.0.5/32', 1],
    ['10.0.0.5', 1],
    ['10.0.1.1-10.0.2.50', 306],
  ])('%s is %i addresses', (target, n) => expect(countOf([parseTarget(target)])).toBe(n));

  test.each(['10.0.0.0/8', '10.0.0.300', '10.0.0.9-10.0.0.1', 'hall-a', '10.0.0.0/40', '1.2.3.4-5-6'])(
    '%s is told to be wrong',
    (target) => expect(() => parseTarget(target)).toThrow(/:/),
  );

  test('overlaps are looked at once', () => {
    expect(countOf(merged(['10.0.0.0/24', '10.0.0.100-10.0.1.10', '10.0.0.7'].map(parseTarget)))).toBe(266);
  });
});

const none = async (): Promise<never> => {
  throw new Fault('unsupported', 'not here');
};
function ioOf(tcp: DriverIo['tcp'], http: DriverIo['http']): DriverIo {
  return {
    tcp,
    http,
    modbus: { readHolding: none },
    snmp: { get: none, walk: none, set: none },
    bacnet: { read: none, write: none },
    program: { run: none },
    secret: () => 'secret',
    siteNow: () => siteMs(0),
    unixNow: () => 0,
    wallNow: () => wallMs(0),
  };
}

describe('discovery only reads', () => {
  const sent: string[] = [];
  const io = ioOf(
    {
      async ask<T>({ name, read }: TcpRequest<T>): Promise<T> {
        sent.push(name);
        return read(Buffer.from('{}'));
      },
    },
    {
      ask: async ({ method, url }: HttpRequest) => (
        sent.push(`${method} ${url}`),
        { status: 200, headers: {}, body: '{}' }
      ),
    },
  );
  const guarded = readOnly(io, { tryDefaults: false });
  const tcp = (data: string | Buffer) =>
    guarded.tcp.ask({ host: 'h', port: 4028, data, name: 'x', timeoutMs: 1, complete: () => true, read: String });
  const http = (request: Partial<HttpRequest>) =>
    guarded.http.ask({ method: 'GET', url: 'http://h/x', timeoutMs: 1, ...request });

  test.each([
    '{"command":"version"}',
    '{"command":"summary+stats"}',
    '{"cmd":"get_version"}',
    '{"command":"tunerstatus"}',
    Buffer.concat([Buffer.from([26, 0, 0, 0]), Buffer.from('{"cmd":"get.device.info"}')]),
  ])('%j goes out', async (data) => expect(await tcp(data)).toBeDefined());

  test.each([
    '{"command":"restart"}',
    '{"command":"summary+quit"}',
    '{"command":"logon"}',
    '{"command":"addpool","parameter":"x"}',
    '{"cmd":"get_token"}',
    '{"enc":1,"data":"x"}',
    '{"cmd":"set.miner.service","param":"stop","token":"x"}',
    'GET / HTTP/1.0',
  ])('%j does not', async (data) => {
    sent.length = 0;
    await expect(tcp(data)).rejects.toMatchObject({ kind: 'refused' });
    expect(sent).toEqual([]);
  });

  test.each<[string, Partial<HttpRequest>, string]>([
    ['a write', { method: 'POST', body: '{}' }, 'refused'],
    ['a write by GET', { url: 'http://h/cgi-bin/reboot.cgi' }, 'refused'],
    ['a reset by GET', { url: 'http://h/cgi-bin/reset_conf.cgi' }, 'refused'],
    ['a mutation', { method: 'POST', url: 'http://h/graphql', body: '{"query":"mutation{stop}"}' }, 'refused'],
    ['a digest password', { digest: { username: 'root', password: 'root' } }, 'unauthorised'],
    ['a bearer token', { headers: { Authorization: 'Bearer x' } }, 'unauthorised'],
    ['a sign-in to LuCI', { method: 'POST', url: 'http://h/cgi-bin/luci', body: 'luci_username=root' }, 'unauthorised'],
    ['a sign-in', { method: 'POST', url: 'http://h/api/v1/auth/login', body: '{}' }, 'unauthorised'],
  ])('%s does not go out', async (_, request, kind) => {
    sent.length = 0;
    await expect(http(request)).rejects.toMatchObject({ kind });
    expect(sent).toEqual([]);
  });

  test('a read whose name holds the word of a write does', async () => {
    await http({ url: 'http://h/api/v1/autotune/presets' });
    expect(sent.at(-1)).toMatch(/presets/);
  });

  test('a question in GraphQL does', async () => {
    await http({ method: 'POST', url: 'http://h/graphql', body: '{"query":"{bosminer{info}}"}' });
    expect(sent.at(-1)).toMatch(/graphql/);
  });
});

/** Addresses of 127.31.0.0/24: a LuxOS miner at .1 and .3, something unknown at .2, nobody at the others. */
async function network(): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const version =
    '{"STATUS":[{"STATUS":"S","Code":22,"Msg":"LUXminer versions"}],"VERSION":[{"API":"3.7","LUXminer":"2025.4","Type":"Antminer S19k Pro"}],"id":1}\0';
  const refusal = '{"STATUS":[{"STATUS":"E","Code":14,"Msg":"Invalid command"}],"id":1}\0';
  const answer = (socket: Socket): void => {
    const host = socket.localAddress?.split('.').at(-1);
    socket.on('error', () => {});
    socket.once('data', (data) => {
      asked.push(String(data));
      if (host === '2') return void socket.end('220 strange machine ready\r\n');
      return void socket.end(String(data).includes('"version"') ? version : refusal);
    });
  };
  let port = 0;
  for (const last of [1, 2, 3]) {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(port, `127.31.0.${last}`, resolve));
    port = (server.address() as { port: number }).port;
    closers.push(() => server.close());
  }
  return { port, asked };
}

async function run(more: Partial<DiscoverOptions> = {}) {
  const { port, asked } = await network();
  const http = httpPort({ oneShot: true });
  closers.push(() => void http.close());
  const tcp = tcpPort();
  const io = ioOf({ ask: (request) => tcp.ask({ ...request, port }) }, { ask: none });
  const result = await discover({
    targets: ['127.31.0.0/26'],
    hall: 'hall-a',
    tryDefaults: false,
    addressesPerSecond: 5_000,
    atOnce: 50,
    connectMs: 500,
    answerMs: 500,
    io,
    // Nobody listens on any port but that of the API.
    portOf: (standard) => (standard === 4028 ? port : 1),
    now: () => performance.now(),
    onProgress() {},
    ...more,
  });
  return { result, asked };
}

test('finds what is known, keeps the bytes of what is not, and writes a fragment that fits', async () => {
  const { result, asked } = await run();
  expect(result).toMatchObject({ addresses: 62, done: 62, found: 2 });
  expect(result.machines.map(({ address, driver, modelId }) => [address, driver, modelId])).toEqual([
    ['127.31.0.1', 'luxos', 'antminer-s19k-pro'],
    ['127.31.0.3', 'luxos', 'antminer-s19k-pro'],
  ]);
  expect(result.unrecognised).toMatchObject([
    { address: '127.31.0.2', answers: [{ text: '220 strange machine ready\r\n' }] },
  ]);
  expect(Buffer.from(result.unrecognised[0]!.answers[0]!.base64, 'base64').toString()).toMatch(/^220 strange/);
  expect(result.fragment.groups).toEqual([
    {
      id: 'antminer-s19k-pro',
      kind: 'asic',
      model: 'antminer-s19k-pro',
      driver: 'luxos',
      hall: 'hall-a',
      addresses: '127.31.0.1, 127.31.0.3',
    },
  ]);
  // Nothing but questions: any other word would change a machine.
  for (const text of asked)
    expect(text).toMatch(/version|summary|stats|config|profiles|fans|devs|pools|events|power|temps|GET |get/);
});

test('interrupted, it goes on where it stopped and finds the rest', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-discover-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const stateFile = join(folder, 'state.json');
  const stop = new AbortController();
  stop.abort();
  const first = await run({ stateFile, signal: stop.signal });
  expect(first.result.done).toBeLessThan(62);
  const second = await run({ stateFile });
  expect(second.result).toMatchObject({ done: 62, found: 2 });
  await expect(run({ stateFile, targets: ['127.32.0.0/28'] })).rejects.toThrow(/another scan/);
});

test('a fragment names what the catalogue does not know beside what it does', () => {
  const machine = (address: string, model: string | null, modelId: string | null): FoundMachine => ({
    address,
    driver: 'luxos',
    kind: 'asic',
    settings: {},
    model,
    modelId,
    firmware: null,
    serial: null,
    mac: null,
    hashrateThs: null,
    powerW: null,
    pool: null,
    worker: null,
    notes: [],
  });
  const yaml = fragmentYaml(
    fragmentOf(
      [
        machine('10.0.0.9', 'Antminer S21', 'antminer-s21'),
        machine('10.0.0.10', 'Antminer S21', 'antminer-s21'),
        machine('10.0.0.11', 'Antminer Z99', null),
      ],
      'a',
    ),
  );
  expect(yaml).toContain('addresses: 10.0.0.9-10.0.0.10');
  expect(yaml).toMatch(/# .*luxos, Antminer Z99: 10.0.0.11/);
});
