import { afterAll, describe, expect, test } from 'vitest';
import { feedIo, SECRET, shapeOf, type Answer } from '../../test/support/feed-worlds.ts';
import { serve } from '../../test/support/http-server.ts';
import { MINUTE } from '../model/index.ts';
import { quoteOf, vast } from './vast.ts';

interface Offer {
  readonly id: number;
  readonly gpu_name: string;
  readonly num_gpus: number;
  readonly gpu_ram: number;
  readonly dph_total: number;
  readonly rentable?: boolean;
}
const offers = (...prices: readonly number[]): Offer[] =>
  prices.map((price, id) => ({ id, gpu_name: 'H100 SXM', num_gpus: 8, gpu_ram: 81_559, dph_total: price * 8 }));
const h100 = { series: 'gpuUsdPerHour.h100' as const, names: ['H100 SXM'] };
const rules = { percentile: 50, minimumOffers: 5 };
const quote = (list: readonly Offer[], over: object = {}, gpu: object = {}) =>
  quoteOf(list, { ...h100, ...gpu }, { ...rules, ...over }, 'vast');

describe('the price of one GPU', () => {
  test('is the median of what offers cost by GPU, the 0.50 one left out as an outlier', () => {
    const { offers: list } = shapeOf('vast/offers.json') as { offers: Offer[] };
    expect(quote(list)).toEqual({ usdPerHour: 2.2, dropped: 1, of: 6 });
  });

  test.each([
    [50, 3],
    [25, 2],
    [10, 1.4],
    [99, 4.96],
  ])('percentile %i of 1 to 5 is %f', (percentile, expected) => {
    expect(quote(offers(5, 1, 4, 2, 3), { percentile }).usdPerHour).toBeCloseTo(expected, 9);
  });

  test('other names, smaller memory and what cannot be rented do not count', () => {
    const [first, ...rest] = offers(2, 2, 2, 2, 2, 9, 9, 9);
    const list = [
      first!,
      ...rest.slice(0, 4),
      { ...rest[4]!, gpu_name: 'H100 PCIE' },
      { ...rest[5]!, gpu_ram: 40_960 },
      { ...rest[6]!, rentable: false },
    ];
    expect(quote(list, {}, { minimumGb: 75 })).toMatchObject({ usdPerHour: 2, of: 5 });
  });

  test.each<[string, readonly Offer[], string]>([
    ['no offers', [], '0 offers, fewer than 5'],
    ['too few', offers(2, 2, 2, 2), '4 offers, fewer than 5'],
    ['too few that agree', offers(0.1, 0.1, 2, 9, 20), '1 offers near their median, fewer than 5'],
    ['a price of nothing', offers(2, 2, 2, 2, 0), 'offer 4 costs 0 $/h for 8 GPUs'],
    ['as many as were asked for', offers(...Array.from({ length: 5000 }, () => 2)), 'the list was cut'],
  ])('is not told for %s', (_, list, message) => expect(() => quote(list)).toThrow(message));
});

describe('against a server', async () => {
  let answer: (name: string) => Answer = () => ({ body: { offers: [] } });
  const server = await serve(({ body }) =>
    answer((JSON.parse(body) as { gpu_name: { in: string[] } }).gpu_name.in[0]!),
  );
  afterAll(() => server.close());
  let now = Date.UTC(2026, 2, 23);
  const gpus = [
    { series: 'gpuUsdPerHour.h100', names: ['H100 SXM'] },
    { series: 'gpuUsdPerHour.rtx4090', names: ['RTX 4090'] },
  ];
  const config = vast.config.parse({ url: server.url, apikey: { env: 'KEY' }, gpus });
  const feed = vast.open({ id: 'v', config }, { ...feedIo({ now: () => now, wall: () => now }), http: server.http });
  const named = (name: string, ...prices: readonly number[]): Answer => ({
    body: { offers: offers(...prices).map((offer) => ({ ...offer, gpu_name: name })) },
  });

  test('models are asked one by one; one with too few offers has no value, and says why', async () => {
    answer = (name) => (name === 'H100 SXM' ? named(name, 2, 2.1, 2.2, 2.3, 2.4, 0.5) : named(name, 0.4));
    const [h, rtx] = await feed.read();
    expect(server.asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /api/v0/bundles/',
      'POST /api/v0/bundles/',
    ]);
    expect(server.asked[0]!.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(JSON.parse(server.asked[0]!.body)).toMatchObject({
      rentable: { eq: true },
      verified: { eq: true },
      type: 'on-demand',
    });
    expect(h!.points).toEqual([{ start: now, value: 2.2 }]);
    expect(h!.mended).toEqual([expect.stringContaining('1 of 6 offers are over 3 times off the median')]);
    expect(rtx!.points).toEqual([]);
    expect(rtx!.mended).toEqual([expect.stringContaining('1 offers, fewer than 5: too few to be a price')]);
  });

  test('a market that dries up keeps its last price, which ages; one that comes back goes on', async () => {
    now += 5 * MINUTE;
    answer = (name) => (name === 'H100 SXM' ? named(name, 3) : named(name, 0.4, 0.4, 0.4, 0.4, 0.4));
    const [h, rtx] = await feed.read();
    expect(h!.points.map(({ value }) => value)).toEqual([2.2]);
    expect(rtx!.points.map(({ value }) => value)).toEqual([0.4]);
    expect(rtx!.mended).toBeUndefined();
    now += 5 * MINUTE;
    answer = () => ({ status: 401, body: { success: false, error: 'auth_error', msg: 'Invalid user key' } });
    await expect(feed.read()).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringContaining('Invalid user key') as string,
    });
  });
});
