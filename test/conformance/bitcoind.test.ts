import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { httpPort } from '../../src/drivers/wire/http.ts';
import { bitcoind } from '../../src/feeds/bitcoind.ts';
import { MINUTE } from '../../src/model/index.ts';
import { feedIo, SECRET } from '../support/feed-worlds.ts';

/** The feed against a real node: bcoin on regtest, in memory and on loopback, with nobody to talk to. */
const NODE = process.env['BCOIN_PATH'];
/** Paid to a hash of zeros, which nobody can spend; an address of bcoin's regtest. */
const NOBODY = 'R9HC5WtHbpoa51NCUAz86XLCmGTbkf45NT';

/** A port that is free now, and below those outgoing connections take. */
async function freePort(from: number): Promise<number> {
  for (let port = from; port < from + 200; port += 1) {
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server
        .once('error', () => resolve(false))
        .listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port === port));
    });
    await new Promise((resolve) => {
      server.close(resolve);
    });
    if (free) return port;
  }
  throw new Error('no free port');
}

const NAMES = ['difficulty', 'blockHeight', 'feesBtcPerBlock'] as const;

describe.skipIf(NODE === undefined)('a Bitcoin node (left out where BCOIN_PATH is not set)', () => {
  const http = httpPort();
  let now = Date.UTC(2026, 2, 23, 12);
  let folder = '';
  let url = '';
  let node: ChildProcess;

  async function rpc(method: string, ...params: readonly unknown[]): Promise<unknown> {
    const headers = { authorization: `Basic ${Buffer.from(`x:${SECRET}`).toString('base64')}` };
    const { body } = await http.ask({
      method: 'POST',
      url,
      headers,
      timeoutMs: 20_000,
      body: JSON.stringify({ method, params, id: 1 }),
    });
    const { result, error } = JSON.parse(body) as { result: unknown; error: unknown };
    if (error !== null) throw new Error(JSON.stringify(error));
    return result;
  }
  const open = (over: object = {}) => {
    const login = { user: 'x', password: { env: 'RPC_PASSWORD' } };
    const config = bitcoind.config.parse({ url, login, chain: 'regtest', ...over });
    return bitcoind.open({ id: 'b', config }, { ...feedIo({ now: () => now, wall: () => now }), http });
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'busbar-bcoin-'));
    const port = await freePort(18_930);
    url = `http://127.0.0.1:${port}`;
    const options = [
      '--network=regtest',
      '--memory=true',
      `--prefix=${folder}`,
      `--http-port=${port}`,
      '--http-host=127.0.0.1',
      `--api-key=${SECRET}`,
    ];
    const alone = ['--listen=false', '--no-wallet', '--max-outbound=1', '--log-level=error'];
    node = spawn(process.execPath, [NODE!, ...options, ...alone], {
      env: { ...process.env, NODE_BACKEND: 'js' },
      stdio: 'ignore',
    });
    for (let i = 0; i < 200; i += 1) {
      try {
        await rpc('getblockchaininfo');
        return;
      } catch {
        await new Promise((resolve) => {
          setTimeout(resolve, 100);
        });
      }
    }
    throw new Error('the node does not answer');
  });
  afterAll(async () => {
    node.kill();
    await http.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a chain without a block has a difficulty and no fees, which are not zero but absent', async () => {
    const told = await open().read();
    const [difficulty, height, fees] = NAMES.map((name) => told.find((one) => one.name === name));
    expect(height!.points.map(({ value }) => value)).toEqual([0]);
    expect(difficulty!.points[0]!.value).toBeCloseTo(4.6565423739069247e-10, 20);
    expect(fees!.points).toEqual([]);
    expect(fees!.mended).toEqual([expect.stringContaining('the chain has no block yet')]);
  });

  test('blocks are read as they are mined, across a halving, and their fees are what the coinbase has beyond the subsidy', async () => {
    const feed = open();
    await rpc('generatetoaddress', 12, NOBODY);
    const named = async (name: (typeof NAMES)[number]) => (await feed.read()).find((one) => one.name === name)!;
    const fees = await named('feesBtcPerBlock');
    expect(fees.points).toEqual([{ start: now, value: 0 }]);
    expect(fees.source).toContain('regtest');
    await rpc('generatetoaddress', 160, NOBODY);
    now += MINUTE;
    expect((await named('feesBtcPerBlock')).points.map(({ value }) => value)).toEqual([0, 0]);
    expect((await named('difficulty')).points).toHaveLength(2);
    expect((await named('blockHeight')).points.map(({ value }) => value)).toEqual([12, 172]);
  });

  test('the site file says main and the node is on regtest: refused', async () => {
    await expect(open({ chain: 'main' }).read()).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('chain "regtest"') as string,
    });
  });

  test('a wrong password is unauthorised, a node that is gone unreachable', async () => {
    const config = bitcoind.config.parse({ url, login: { user: 'x', password: { env: 'P' } }, chain: 'regtest' });
    const io = { ...feedIo({ now: () => now, wall: () => now }), http, secret: () => 'wrong' };
    await expect(bitcoind.open({ id: 'b', config }, io).read()).rejects.toMatchObject({ kind: 'unauthorised' });
    node.kill();
    await new Promise((resolve) => {
      node.once('exit', resolve);
    });
    await expect(open().read()).rejects.toMatchObject({ kind: 'unreachable' });
  });
});
