import { describe, expect, test } from 'vitest';
import { feedIo, shapeOf, type Answer } from '../../test/support/feed-worlds.ts';
import { DAY, HOUR, MINUTE } from '../model/index.ts';
import { mempool } from './mempool.ts';
import { subsidySats } from './shared/chain.ts';

const NOW = Date.UTC(2026, 2, 23, 12, 0, 20);
const seconds = NOW / 1000;
const blocks = (over: object = {}) =>
  (shapeOf('mempool/blocks.json') as object[]).map((block) => ({ ...block, timestamp: seconds - 300, ...over }));
const prices = (over: object = {}) => ({ ...(shapeOf('mempool/prices.json') as object), time: seconds - 60, ...over });
const rewards = (over: object = {}) => ({ ...(shapeOf('mempool/reward-stats-144.json') as object), ...over });

function open(bodies: { blocks?: unknown; prices?: unknown; rewards?: unknown }, config: object = {}, now = () => NOW) {
  const asked: string[] = [];
  const answer = ({ url }: { url: string }): Answer => {
    asked.push(url);
    const body = url.endsWith('/prices')
      ? bodies.prices
      : url.includes('/reward-stats/')
        ? bodies.rewards
        : bodies.blocks;
    return body === undefined ? { status: 404, body: 'Cannot GET' } : { body };
  };
  const feed = mempool.open({ id: 'm', config: mempool.config.parse(config) }, feedIo({ now, answer }));
  return { feed, asked };
}

test('difficulty of the newest block, the dollar price, and the mean fees of 144 blocks', async () => {
  const { feed, asked } = open({ blocks: blocks(), prices: prices(), rewards: rewards() });
  const told = await feed.read();
  expect(Object.fromEntries(told.map(({ name, points }) => [name, points]))).toEqual({
    difficulty: [{ start: NOW - 20_000, value: 133_793_147_307_542.75 }],
    btcUsd: [{ start: NOW - 20_000, value: 70_412 }],
    feesBtcPerBlock: [{ start: NOW - 20_000, value: 3.42 / 144 }],
    blockHeight: [{ start: NOW - 20_000, value: 941_999 }],
  });
  expect(asked).toEqual([
    'https://mempool.space/api/v1/blocks',
    'https://mempool.space/api/v1/prices',
    'https://mempool.space/api/v1/mining/reward-stats/144',
    'https://mempool.space/api/v1/blocks',
  ]);
});

test('only what is wanted is asked, of an instance of your own', async () => {
  const { feed, asked } = open({ prices: prices() }, { url: 'http://10.0.0.5:8999/', series: ['btcUsd'] });
  expect((await feed.read()).map(({ name }) => name)).toEqual(['btcUsd']);
  expect(asked).toEqual(['http://10.0.0.5:8999/api/v1/prices']);
});

test('readings add up, one a minute, and the far end falls off', async () => {
  let now = NOW;
  const live = { blocks: blocks(), prices: prices(), rewards: rewards() };
  const { feed } = open(live, { series: ['btcUsd'] }, () => now);
  for (let i = 0; i < 5; i += 1) {
    await feed.read();
    now += 30_000;
    live.prices = prices({ time: now / 1000, USD: 70_000 + i });
  }
  const [series] = await feed.read();
  expect(series!.points.map(({ start }) => start)).toEqual([0, 1, 2].map((i) => NOW - 20_000 + i * MINUTE));
  now += 61 * DAY;
  live.prices = prices({ time: now / 1000 });
  expect((await feed.read())[0]!.points).toHaveLength(1);
});

describe('what cannot be right has no value, and the others have theirs', () => {
  test.each<[string, object, string, string]>([
    ['an instance without prices', { prices: prices({ USD: -1 }) }, 'btcUsd', 'this instance has no source of prices'],
    ['an old price', { prices: prices({ time: seconds - 2 * 3600 }) }, 'btcUsd', 'the price is 2 hours old'],
    ['a price in another currency', { prices: prices({ USD: 11_203_344 }) }, 'btcUsd', 'is it another currency?'],
    ['no such call', { prices: undefined }, 'btcUsd', '404; there is no such call'],
    [
      'a node that lags',
      { blocks: blocks({ timestamp: seconds - 4 * 3600 }) },
      'difficulty',
      'the newest block is 4 hours old',
    ],
    ['another chain', { blocks: blocks({ difficulty: 1 }) }, 'difficulty', 'or another chain than main?'],
    [
      'blocks that are not indexed',
      { rewards: rewards({ totalReward: '22342000000' }) },
      'feesBtcPerBlock',
      'the instance has not indexed them all',
    ],
    ['too few blocks', { rewards: rewards({ startBlock: 941_900 }) }, 'feesBtcPerBlock', 'has not indexed them all'],
    [
      'sums that are no numbers',
      { rewards: rewards({ totalFee: '3.42 BTC' }) },
      'feesBtcPerBlock',
      'totalFee: found "3.42 BTC"',
    ],
    [
      'no fees at all',
      { rewards: rewards({ totalReward: '45000000000', totalFee: '0' }) },
      'feesBtcPerBlock',
      'expected feesBtcPerBlock between',
    ],
  ])('%s', async (_, over, name, message) => {
    const { feed } = open({ blocks: blocks(), prices: prices(), rewards: rewards(), ...over });
    for (const series of await feed.read()) {
      // A height stands in the same answer as difficulty, and lags with it.
      if (series.name === 'blockHeight') continue;
      expect(series.points).toHaveLength(series.name === name ? 0 : 1);
      if (series.name === name) expect(series.mended).toEqual([expect.stringContaining(message)]);
    }
  });

  test('and when nothing is right there is nothing but the fault', async () => {
    const { feed } = open({ prices: prices({ time: (NOW - 2 * HOUR) / 1000 }) }, { series: ['btcUsd'] });
    await expect(feed.read()).rejects.toMatchObject({ kind: 'refused' });
  });
});

test.each([
  [0, 50e8],
  [209_999, 50e8],
  [210_000, 25e8],
  [839_999, 6.25e8],
  [840_000, 3.125e8],
  [1_050_000, 1.5625e8],
  [6_930_000, 0],
])('the subsidy of block %i is %i satoshis', (height, sats) => expect(subsidySats(height)).toBe(sats));
