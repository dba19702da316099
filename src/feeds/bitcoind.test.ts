import { afterEach, describe, expect, test } from 'vitest';
import { feedIo, SECRET, shapeOf, type Answer } from '../../test/support/feed-worlds.ts';
import { serve, type TestServer } from '../../test/support/http-server.ts';
import { Fault, MINUTE } from '../model/index.ts';
import { bitcoind } from './bitcoind.ts';

interface Call {
  readonly method: string;
  readonly params: readonly unknown[];
}
type Result = { result: unknown } | { code: number; message: string };

const TIP = 941_999;
let now = Date.UTC(2026, 2, 23, 12);
const info = () => ({ ...(shapeOf('bitcoind/getblockchaininfo.json') as object), mediantime: now / 1000 - 3000 });
const hashOf = (height: number, fork = 0) => (height * 10 + fork).toString(16).padStart(64, '0');

/** Bitcoin Core as it answers: errors with status 500 or 404 and a JSON body. */
function core(node: {
  tip: number;
  fork: number;
  forkedAt: number;
  calls: Call[];
  wrong?: (call: Call) => Result | undefined;
}) {
  const hash = (height: number) => hashOf(height, height >= node.forkedAt ? node.fork : 0);
  return ({ body }: { body: string }): Answer => {
    const { id, method, params } = JSON.parse(body) as Call & { id: number };
    node.calls.push({ method, params });
    const height = Number(params[0]);
    const normal: Record<string, () => unknown> = {
      getblockchaininfo: () => ({ ...info(), blocks: node.tip, headers: node.tip }),
      getblockhash: () => hash(height),
      getblockstats: () => ({
        height,
        blockhash: hash(height),
        totalfee: 2_000_000 + (height >= node.forkedAt ? node.fork * 144_000 : 0),
      }),
    };
    const given: Result = node.wrong?.({ method, params }) ?? { result: normal[method]!() };
    if ('code' in given)
      return { status: given.code === -32_601 ? 404 : 500, body: { result: null, error: given, id } };
    return { body: { ...given, error: null, id } };
  };
}
const node = (over: object = {}) => ({ tip: TIP, fork: 0, forkedAt: Infinity, calls: [] as Call[], ...over });

describe('against a server', () => {
  let server: TestServer;
  afterEach(() => server.close());
  const files: Record<string, string> = {};
  async function open(
    answer: (asked: { body: string; headers: { authorization?: string } }) => Answer | undefined,
    over: object = {},
  ) {
    server = await serve((asked) => answer(asked as never));
    const io = { ...feedIo({ now: () => now, files }), http: server.http };
    const login = { user: 'busbar', password: { env: 'P' } };
    return bitcoind.open({ id: 'b', config: bitcoind.config.parse({ url: server.url, login, ...over }) }, io);
  }

  test('difficulty and the mean of 144 blocks; then only new blocks are asked', async () => {
    const it = node();
    const feed = await open(core(it));
    const [difficulty, , fees] = await feed.read();
    expect(difficulty!.points).toEqual([{ start: now, value: 133_793_147_307_542.75 }]);
    expect(fees!.points).toEqual([{ start: now, value: 0.02 }]);
    expect(server.asked[0]!.headers.authorization).toBe(`Basic ${Buffer.from(`busbar:${SECRET}`).toString('base64')}`);
    const stats = () => it.calls.filter(({ method }) => method === 'getblockstats').map(({ params }) => params[0]);
    expect(stats()).toHaveLength(144);
    expect(Math.min(...(stats() as number[]))).toBe(TIP - 143);
    it.calls.length = 0;
    it.tip += 2;
    now += MINUTE;
    await feed.read();
    expect(stats()).toEqual([TIP + 1, TIP + 2]);
    expect(it.calls).toHaveLength(4);
  });

  test('blocks that were replaced are asked again', async () => {
    const it = node();
    const feed = await open(core(it));
    await feed.read();
    it.fork = 1;
    it.forkedAt = TIP - 1;
    it.tip = TIP + 1;
    it.calls.length = 0;
    now += MINUTE;
    const [, , fees] = await feed.read();
    expect(it.calls.filter(({ method }) => method === 'getblockstats').map(({ params }) => params[0])).toEqual([
      TIP - 1,
      TIP,
      TIP + 1,
    ]);
    expect(fees!.points.at(-1)!.value).toBeCloseTo(0.02 + (3 * 144_000) / 144 / 1e8, 12);
  });

  test('a node without getblockstats: fees are what the coinbase pays beyond the subsidy', async () => {
    const verbosities: unknown[] = [];
    const it = node({
      wrong: ({ method, params }: Call): Result | undefined => {
        if (method === 'getblockstats') return { code: -32_601, message: 'Method not found: getblockstats.' };
        if (method !== 'getblock') return undefined;
        verbosities.push(params.slice(1));
        if (params[1] === 2) return { code: -3, message: 'Param #1 must be a boolean.' };
        const height = Number.parseInt(String(params[0]), 16) / 10;
        const block = shapeOf('bitcoind/getblock-bcoin.json') as { tx: { vin: object[] }[] };
        return {
          result: {
            ...block,
            height,
            tx: [
              { ...block.tx[0], vout: [{ value: 3.1 }, { value: 0.0451 }] },
              { vin: [{}], vout: [{ value: 7 }] },
            ],
          },
        };
      },
    });
    const [, , fees] = await (await open(core(it))).read();
    expect(fees!.points[0]!.value).toBeCloseTo(3.1451 - 3.125, 8);
    expect(verbosities).toHaveLength(288);
  });

  test.each<[string, (call: Call) => Result | undefined, string, string]>([
    [
      'is starting',
      () => ({ code: -28, message: 'Loading block index…' }),
      'unreachable',
      'the node is starting (Loading block index…)',
    ],
    [
      'is no Bitcoin node',
      () => ({ code: -32_601, message: 'Method not found' }),
      'unsupported',
      'getblockchaininfo: the node has no such method',
    ],
    [
      'is on another chain',
      () => ({ result: { ...info(), chain: 'test' } }),
      'refused',
      'the node is on chain "test", the site file says "main"',
    ],
    [
      'catches up',
      () => ({ result: { ...info(), initialblockdownload: true, headers: 941_999, blocks: 5 } }),
      'refused',
      'still catching up (block 5 of 941999)',
    ],
    [
      'hangs behind',
      () => ({ result: { ...info(), mediantime: now / 1000 - 86_400 } }),
      'refused',
      'the newest block is 23 hours old',
    ],
    [
      'has a clock of its own',
      () => ({ result: { ...info(), mediantime: now / 1000 + 86_400 } }),
      'garbled',
      'dated 25 hours ahead',
    ],
    ['counts in text', () => ({ result: { ...info(), difficulty: '1e14' } }), 'garbled', 'difficulty: found "1e14"'],
  ])('a node that %s', async (_, wrong, kind, message) => {
    const fault = await (await open(core(node({ wrong })))).read().catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({ kind, message: expect.stringContaining(message) as string });
  });

  test('a difficulty out of this world: no difficulty, and the fees all the same', async () => {
    const wrong = ({ method }: Call) =>
      method === 'getblockchaininfo' ? { result: { ...info(), difficulty: 700e18 } } : undefined;
    const [difficulty, , fees] = await (await open(core(node({ wrong })))).read();
    expect(difficulty!.points).toEqual([]);
    expect(difficulty!.mended).toEqual([expect.stringContaining('expected difficulty between')]);
    expect(fees!.points).toHaveLength(1);
  });

  test('a block that is pruned: no fees, and the difficulty all the same', async () => {
    const wrong = ({ method }: Call) =>
      method === 'getblockstats' ? { code: -1, message: 'Block not available (pruned data)' } : undefined;
    const [difficulty, , fees] = await (await open(core(node({ wrong })))).read();
    expect(difficulty!.points).toHaveLength(1);
    expect(fees!.points).toEqual([]);
    expect(fees!.mended).toEqual([expect.stringContaining('error -1, Block not available (pruned data)')]);
  });

  test('the cookie is read again when the node has written another', async () => {
    const it = node();
    let wanted = '__cookie__:one';
    const answer = core(it);
    const feed = await open(
      ({ body, headers }) =>
        headers.authorization === `Basic ${Buffer.from(wanted).toString('base64')}`
          ? answer({ body })
          : { status: 401 },
      { login: { cookieFile: '.cookie' }, fees: false },
    );
    await expect(feed.read()).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringContaining('.cookie: cannot be read') as string,
    });
    files['.cookie'] = '__cookie__:one\n';
    expect(await feed.read()).toHaveLength(2);
    wanted = '__cookie__:two';
    await expect(feed.read()).rejects.toMatchObject({ kind: 'unauthorised' });
    files['.cookie'] = '__cookie__:two';
    expect(await feed.read()).toHaveLength(2);
    files['.cookie'] = 'no cookie';
    wanted = 'other';
    await expect(feed.read()).rejects.toThrow('not a cookie of a node');
  });

  test('who is not let in at all is told so', async () => {
    const feed = await open(() => ({ status: 403, body: '' }));
    await expect(feed.read()).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringContaining('rpcallowip') as string,
    });
  });
});
