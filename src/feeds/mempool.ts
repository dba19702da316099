import { z } from 'zod';
import { Fault, HOUR, SECOND, type SeriesName } from '../model/index.ts';
import { defineFeed, type FeedIo } from './feed.ts';
import { expectFresh, FEE_BLOCKS, SATS_PER_BTC, subsidySats } from './shared/chain.ts';
import { baseUrl, below, everyMinutes, minutes, readParts, sample, type Part } from './shared/live.ts';
import { memory } from './shared/memory.ts';
import { openWeb, whereOf } from './shared/web.ts';

const SERIES_HERE = ['difficulty', 'btcUsd', 'feesBtcPerBlock', 'blockHeight'] as const;

const config = z.strictObject({
  url: baseUrl('https://mempool.space'),
  everyMinutes: everyMinutes(1),
  series: z
    .array(z.enum(SERIES_HERE))
    .min(1)
    .default([...SERIES_HERE])
    .describe('which to take from here; leave out what your own node tells (feed bitcoind)'),
});
type Config = z.output<typeof config>;

/** Its shapes are those of the REST documentation, mempool.space/docs/api/rest. */
const blocksShape = z
  .array(z.object({ height: z.number().int().min(0), timestamp: z.number().positive(), difficulty: z.number() }))
  .min(1);
const pricesShape = z.object({ time: z.number().positive(), USD: z.number() });
/** Sums come as text, since they outgrow 32 bits; numbers are taken too. */
const sats = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]);
const rewardShape = z.object({
  startBlock: z.number().int().min(0),
  endBlock: z.number().int().min(0),
  totalReward: sats,
  totalFee: sats,
});

/** A price older than this is the last one of a ticker that died. */
const OLDEST_PRICE_MS = HOUR;

export const mempool = defineFeed({
  name: 'mempool',
  about:
    'Difficulty, block height, BTC price and mean fees of the last 144 blocks from mempool.space or an instance of your own',
  config,
  silence: 'difficulty, height and fees hold for six hours, the BTC price for one',
  open({ config: settings }, io) {
    const parts = partsOf(settings, io);
    return {
      everyMs: minutes(settings.everyMinutes),
      read: (signal) =>
        readParts(
          settings.series.map((name) => parts[name](signal)),
          () => io.siteNow(),
        ),
      close() {},
    };
  },
});

function partsOf(settings: Config, io: FeedIo): Record<(typeof SERIES_HERE)[number], (signal?: AbortSignal) => Part> {
  const web = openWeb(io);
  const intervalMs = minutes(settings.everyMinutes);
  const keep = (name: SeriesName, holdsMs: number) =>
    memory({
      name,
      provenance: 'measured',
      source: `mempool at ${new URL(settings.url).host}`,
      intervalMs,
      holdsMs: Math.max(holdsMs, 2 * intervalMs),
      pace: 'samples',
      tellRestated: false,
    });
  const difficulty = keep('difficulty', 6 * HOUR);
  const btcUsd = keep('btcUsd', HOUR);
  const fees = keep('feesBtcPerBlock', 6 * HOUR);
  const heights = keep('blockHeight', 6 * HOUR);
  const at = (path: string) => ({ url: below(settings.url, path) });

  async function newestBlock(signal?: AbortSignal) {
    const request = at('/api/v1/blocks');
    const where = whereOf(request);
    const blocks = await web.json(request, blocksShape, signal);
    const tip = blocks.reduce((a, b) => (b.height > a.height ? b : a));
    expectFresh('the newest block', tip.timestamp * SECOND, io.siteNow(), where);
    return { tip, where };
  }

  return {
    difficulty: (signal) => ({
      memory: difficulty,
      async read() {
        const { tip, where } = await newestBlock(signal);
        difficulty.add([sample('difficulty', tip.difficulty, where, io.siteNow(), intervalMs)]);
      },
    }),
    blockHeight: (signal) => ({
      memory: heights,
      async read() {
        const { tip, where } = await newestBlock(signal);
        heights.add([sample('blockHeight', tip.height, where, io.siteNow(), intervalMs)]);
      },
    }),
    btcUsd: (signal) => ({
      memory: btcUsd,
      async read() {
        const request = at('/api/v1/prices');
        const { time, USD } = await web.json(request, pricesShape, signal);
        const where = whereOf(request);
        if (USD < 0) throw new Fault('unsupported', `${where}: USD is ${USD}: this instance has no source of prices`);
        expectFresh('the price', time * SECOND, io.siteNow(), where, OLDEST_PRICE_MS);
        btcUsd.add([sample('btcUsd', USD, `${where}, USD`, io.siteNow(), intervalMs)]);
      },
    }),
    feesBtcPerBlock: (signal) => ({
      memory: fees,
      async read() {
        const request = at(`/api/v1/mining/reward-stats/${FEE_BLOCKS}`);
        const stats = await web.json(request, rewardShape, signal);
        const mean = meanFees(stats, whereOf(request));
        fees.add([sample('feesBtcPerBlock', mean, whereOf(request), io.siteNow(), intervalMs)]);
      },
    }),
  };
}

/**
 * Mean fees in BTC per block. An instance that has not indexed every block answers with smaller sums and says nothing
 * of it; what is no fee must be the subsidies of just these blocks, which tells it. Miners may claim a little less.
 */
function meanFees(stats: z.output<typeof rewardShape>, where: string): number {
  const { startBlock, endBlock, totalReward, totalFee } = stats;
  const blocks = endBlock - startBlock + 1;
  if (blocks < 1 || blocks > FEE_BLOCKS)
    throw new Fault('garbled', `${where}: found blocks ${startBlock} to ${endBlock}, expected ${FEE_BLOCKS} of them`);
  let subsidies = 0;
  for (let height = startBlock; height <= endBlock; height += 1) subsidies += subsidySats(height);
  const found = totalReward - totalFee;
  if (blocks < FEE_BLOCKS || Math.abs(found - subsidies) > subsidies * 1e-3)
    throw new Fault(
      'garbled',
      `${where}: rewards less fees of blocks ${startBlock} to ${endBlock} are ${found} sats, expected ${subsidies} ` +
        `for ${FEE_BLOCKS} blocks: the instance has not indexed them all`,
    );
  return totalFee / blocks / SATS_PER_BTC;
}
