import { z } from 'zod';
import { Fault, HOUR, SECOND, secretRef, type SiteMs } from '../model/index.ts';
import { defineFeed, type FeedIo } from './feed.ts';
import { bitcoinRpc, type Rpc } from './shared/bitcoin-rpc.ts';
import { FEE_BLOCKS, SATS_PER_BTC, expectFresh, subsidySats } from './shared/chain.ts';
import { baseUrl, everyMinutes, minutes, readParts, sample } from './shared/live.ts';
import { memory, type Memory } from './shared/memory.ts';
import { openWeb } from './shared/web.ts';

const config = z.strictObject({
  url: baseUrl('http://127.0.0.1:8332'),
  login: z
    .union([
      z.strictObject({ cookieFile: z.string().min(1) }),
      z.strictObject({ user: z.string().min(1), password: secretRef }),
    ])
    .describe('the cookie a node writes at each start (.cookie in its data folder), or a user of rpcauth'),
  chain: z
    .enum(['main', 'regtest'])
    .default('main')
    .describe('refused when the node is on another; regtest is for trials, its difficulty and fees are no market'),
  everyMinutes: everyMinutes(1),
  fees: z.boolean().default(true).describe('whether to take the fees of the last 144 blocks from here'),
});
type Config = z.output<typeof config>;

/** Fields as Bitcoin Core's help of getblockchaininfo, getblockstats and getblock names them; bcoin lacks some. */
const infoShape = z.object({
  chain: z.string(),
  blocks: z.number().int().min(0),
  headers: z.number().int().min(0).optional(),
  difficulty: z.number().positive(),
  mediantime: z.number().positive(),
  initialblockdownload: z.boolean().optional(),
});
type Info = z.output<typeof infoShape>;
const hashShape = z.string().regex(/^[0-9a-f]{64}$/);
const statsShape = z.object({ blockhash: hashShape, height: z.number().int(), totalfee: z.number().int().min(0) });
const blockShape = z.object({
  height: z.number().int(),
  tx: z
    .array(z.object({ vin: z.array(z.looseObject({})), vout: z.array(z.object({ value: z.number().min(0) })) }))
    .min(1),
});

/** The median of the last eleven blocks' times is about an hour behind. */
const MEDIAN_LAG_MS = HOUR;
/** Calls under way at once while the first 144 blocks are read. */
const AT_ONCE = 4;
const HALVING = { main: 210_000, regtest: 150 } as const;

/** A node of one's own: nobody else learns what the site asks, and nobody else can be down. */
export const bitcoind = defineFeed({
  name: 'bitcoind',
  about:
    'Difficulty, block height and mean fees of the last 144 blocks from a Bitcoin node of your own (Bitcoin Core, bcoin)',
  config,
  silence: 'difficulty, height and fees hold for six hours',
  open({ config: settings }, io) {
    const rpc = bitcoinRpc(settings.url, settings.login, openWeb(io), io);
    const intervalMs = minutes(settings.everyMinutes);
    const common = {
      provenance: 'measured',
      source: `Bitcoin node at ${new URL(settings.url).host}${settings.chain === 'main' ? '' : ` (${settings.chain})`}`,
      intervalMs,
      holdsMs: Math.max(6 * HOUR, 2 * intervalMs),
      pace: 'samples',
      tellRestated: false,
    } as const;
    const difficulty = memory({ name: 'difficulty', ...common });
    const fees = memory({ name: 'feesBtcPerBlock', ...common });
    const heights = memory({ name: 'blockHeight', ...common });
    const feesOf = feeReader(rpc, settings.chain);
    return {
      everyMs: intervalMs,
      async read(signal) {
        const info = await rpc.call('getblockchaininfo', [], infoShape, signal);
        expectInStep(info, settings, io);
        const add = (to: Memory, name: SeriesHere, value: number) =>
          to.add([sampleOn(settings.chain, name, value, io.siteNow(), intervalMs)]);
        const parts = [
          { memory: difficulty, read: async () => add(difficulty, 'difficulty', info.difficulty) },
          { memory: heights, read: async () => add(heights, 'blockHeight', info.blocks) },
        ];
        const read = async () => add(fees, 'feesBtcPerBlock', await feesOf(info.blocks, signal));
        if (settings.fees) parts.push({ memory: fees, read });
        return readParts(parts, () => io.siteNow());
      },
      close() {},
    };
  },
});

type SeriesHere = 'difficulty' | 'feesBtcPerBlock' | 'blockHeight';

/** The figures of a trial chain lie far outside any plausible range, and are told as they are. */
function sampleOn(chain: Config['chain'], name: SeriesHere, value: number, now: SiteMs, ms: number) {
  if (chain === 'main') return sample(name, value, `the node's ${name}`, now, ms);
  return { start: (Math.floor(now / ms) * ms) as SiteMs, value };
}

function expectInStep(info: Info, { chain, url }: Config, io: FeedIo): void {
  if (info.chain !== chain)
    throw new Fault('refused', `${url}: the node is on chain "${info.chain}", the site file says "${chain}"`);
  if (chain !== 'main') return;
  if (info.initialblockdownload === true)
    throw new Fault(
      'refused',
      `${url}: the node is still catching up (block ${info.blocks} of ${info.headers ?? 'unknown'})`,
    );
  expectFresh('the newest block', info.mediantime * SECOND + MEDIAN_LAG_MS, io.siteNow(), url);
}

/**
 * Mean fees of the last blocks in BTC per block. Blocks are kept by height and only new ones are asked; when the
 * newest known is no longer in the chain, those it replaced are asked again.
 */
function feeReader(rpc: Rpc, chain: Config['chain']): (tip: number, signal?: AbortSignal) => Promise<number> {
  const known = new Map<number, { hash: string; sats: number }>();
  let hasStats = true;
  const hashAt = (height: number, signal?: AbortSignal) => rpc.call('getblockhash', [height], hashShape, signal);

  async function dropReplaced(tip: number, signal?: AbortSignal): Promise<void> {
    for (const height of [...known.keys()].toSorted((a, b) => b - a)) {
      if (height <= tip && (await hashAt(height, signal)) === known.get(height)!.hash) return;
      known.delete(height);
    }
  }

  async function fromStats(height: number, signal?: AbortSignal): Promise<{ hash: string; sats: number }> {
    const wanted = ['blockhash', 'height', 'totalfee'];
    const stats = await rpc.call('getblockstats', [height, wanted], statsShape, signal);
    if (stats.height !== height)
      throw new Fault('garbled', `getblockstats: found block ${stats.height}, expected ${height}`);
    return { hash: stats.blockhash, sats: stats.totalfee };
  }

  /** What the coinbase pays out beyond the subsidy; for nodes without getblockstats. */
  async function fromCoinbase(height: number, signal?: AbortSignal): Promise<{ hash: string; sats: number }> {
    const hash = await hashAt(height, signal);
    const block = await wholeBlock(hash, signal);
    const [coinbase] = block.tx;
    if (block.height !== height || !('coinbase' in (coinbase?.vin[0] ?? {})))
      throw new Fault('garbled', `getblock ${hash}: not block ${height} with its coinbase first`);
    const paid = coinbase!.vout.reduce((sum, { value }) => sum + Math.round(value * SATS_PER_BTC), 0);
    const sats = paid - subsidySats(height, HALVING[chain]);
    if (sats < 0)
      throw new Fault(
        'garbled',
        `getblock ${hash}: pays out ${-sats} sats less than its subsidy: its fees cannot be told`,
      );
    return { hash, sats };
  }

  /** Bitcoin Core wants verbosity 2 as a number; bcoin takes two booleans and refuses the number (-3, a wrong type). */
  async function wholeBlock(hash: string, signal?: AbortSignal) {
    try {
      return await rpc.call('getblock', [hash, 2], blockShape, signal);
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== 'refused') throw error;
      return rpc.call('getblock', [hash, true, true], blockShape, signal);
    }
  }

  async function learn(height: number, signal?: AbortSignal): Promise<void> {
    if (hasStats) {
      try {
        known.set(height, await fromStats(height, signal));
        return;
      } catch (error) {
        if (!(error instanceof Fault) || error.kind !== 'unsupported') throw error;
        hasStats = false;
      }
    }
    known.set(height, await fromCoinbase(height, signal));
  }

  return async (tip, signal) => {
    await dropReplaced(tip, signal);
    // The first block's coins cannot be spent, and nodes have no figures of it.
    const first = Math.max(1, tip - FEE_BLOCKS + 1);
    const wanted = Array.from({ length: Math.max(0, tip - first + 1) }, (_, i) => first + i);
    for (const height of known.keys()) if (height < first) known.delete(height);
    if (wanted.length < FEE_BLOCKS && chain === 'main')
      throw new Fault('refused', `the node has ${tip} blocks, expected at least ${FEE_BLOCKS}`);
    if (wanted.length === 0) throw new Fault('refused', 'the chain has no block yet whose fees could be told');
    const unknown = wanted.filter((height) => !known.has(height));
    for (let i = 0; i < unknown.length; i += AT_ONCE)
      await Promise.all(unknown.slice(i, i + AT_ONCE).map((height) => learn(height, signal)));
    const total = wanted.reduce((sum, height) => sum + known.get(height)!.sats, 0);
    return total / wanted.length / SATS_PER_BTC;
  };
}
