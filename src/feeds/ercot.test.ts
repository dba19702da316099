import { afterEach, describe, expect, test } from 'vitest';
import { ercotWorld, feedIo, SECRET, shapeOf, type Answer } from '../../test/support/feed-worlds.ts';
import { serve, type Asked, type TestServer } from '../../test/support/http-server.ts';
import { HOUR, isoUtc, MINUTE, QUARTER, type HttpRequest } from '../model/index.ts';
import { ercot } from './ercot.ts';

const at = (time: string): number => Date.parse(time);
type Cell = string | number | boolean;
const row = (
  day: string,
  hour: number,
  interval: number,
  price: number,
  again = false,
  point = 'HB_HOUSTON',
): Cell[] => [day, hour, interval, point, 'HU', price, again];
const page = (data: unknown, meta: object = {}): Answer => ({
  body: {
    ...(shapeOf('ercot/spp.json') as object),
    data,
    _meta: { totalRecords: 4, pageSize: 1000, totalPages: 1, currentPage: 1, ...meta },
  },
});
const settings = {
  settlementPoint: 'HB_HOUSTON',
  username: 'me@site.example',
  password: { env: 'P' },
  subscriptionKey: { env: 'K' },
};
const isToken = ({ url }: HttpRequest): boolean => url.includes('/token');

/** A feed in a world that answers prices with this. */
function reading(now: string, data: unknown, over: object = {}) {
  const asked: HttpRequest[] = [];
  const io = feedIo({
    now: () => at(now),
    answer(request) {
      asked.push(request);
      return isToken(request) ? { body: shapeOf('ercot/token.json') } : page(data);
    },
  });
  const feed = ercot.open({ id: 'e', config: ercot.config.parse({ ...settings, ...over }) }, io);
  return { read: () => feed.read(), asked };
}

describe('times', () => {
  test('hour-ending Central time to UTC', async () => {
    const { read } = reading('2026-03-23T06:05:00Z', (shapeOf('ercot/spp.json') as { data: unknown }).data);
    const [series] = await read();
    expect(series!.points.map(({ start, value }) => [isoUtc(start), value])).toEqual([
      ['2026-03-23T05:00:00Z', 24.31],
      ['2026-03-23T05:15:00Z', 23.9],
      ['2026-03-23T05:30:00Z', 23.05],
      ['2026-03-23T05:45:00Z', 22.87],
    ]);
    expect(series).toMatchObject({
      name: 'priceUsdPerMwh',
      provenance: 'measured',
      intervalMs: QUARTER,
      holdsMs: 45 * MINUTE,
    });
  });

  test('the 25 hours of an autumn day, the repeated one by its flag', async () => {
    const day = '2026-11-01';
    const rows = Array.from({ length: 24 }, (_, i) => i + 1).flatMap((hour) =>
      (hour === 2 ? [false, true] : [false]).flatMap((again) =>
        [1, 2, 3, 4].map((interval) => row(day, hour, interval, hour + interval / 10 + (again ? 100 : 0), again)),
      ),
    );
    const [series] = await reading('2026-11-02T07:00:00Z', rows).read();
    expect(series!.points).toHaveLength(100);
    expect(series!.points.map(({ start }) => start)).toEqual(
      Array.from({ length: 100 }, (_, i) => at('2026-11-01T05:00:00Z') + i * QUARTER),
    );
    expect(series!.points[4]!.value).toBeCloseTo(2.1);
    expect(series!.points[8]!.value).toBeCloseTo(102.1);
    expect(series!.mended).toBeUndefined();
  });

  test('the 23 hours of a spring day', async () => {
    const hours = Array.from({ length: 24 }, (_, i) => i + 1).filter((hour) => hour !== 3);
    const rows = hours.flatMap((hour) => [1, 2, 3, 4].map((interval) => row('2026-03-08', hour, interval, 20)));
    const [series] = await reading('2026-03-09T06:00:00Z', rows).read();
    expect(series!.points.map(({ start }) => start)).toEqual(
      Array.from({ length: 92 }, (_, i) => at('2026-03-08T06:00:00Z') + i * QUARTER),
    );
  });

  test.each<[string, Cell[], string]>([
    ['the hour that spring skips', row('2026-03-08', 3, 1, 20), '2026-03-08 02:00 in America/Chicago does not exist'],
    ['a flag where no hour is repeated', row('2026-03-09', 3, 1, 20, true), 'it happens once'],
    ['a price to come', row('2026-03-10', 1, 1, 20), 'which is still to come'],
    [
      'another settlement point',
      row('2026-03-09', 1, 1, 20, false, 'HB_WEST'),
      'found the price of "HB_WEST", expected that of HB_HOUSTON',
    ],
    ['no date', row('09/03/2026', 1, 1, 20), 'deliveryDate: found "09/03/2026"'],
    ['hour 25', row('2026-03-09', 25, 1, 20), 'deliveryHour: found 25'],
    ['a price of text', row('2026-03-09', 1, 1, '20' as never), 'settlementPointPrice: found "20"'],
    ['a price out of this world', row('2026-03-09', 1, 1, 25_000), 'found 25000, expected priceUsdPerMwh between'],
    ['a cell too few', row('2026-03-09', 1, 1, 20).slice(1), '6 cells for 7 fields'],
  ])('refused: %s', async (_, cells, message) => {
    await expect(reading('2026-03-09T20:00:00Z', [cells]).read()).rejects.toThrow(message);
  });

  test('two prices for one quarter-hour are refused, the same one twice is dropped', async () => {
    const twice = (price: number) =>
      reading('2026-03-09T20:00:00Z', [row('2026-03-09', 1, 1, 20), row('2026-03-09', 1, 1, price)]).read();
    await expect(twice(21)).rejects.toThrow('data[1]: found 21 for 2026-03-09T05:00:00Z, and 20 at');
    expect((await twice(20))[0]!.mended).toEqual([expect.stringContaining('stands there twice')]);
  });
});

test('a load zone is asked for its own price, and not the energy-weighted one of the same name', async () => {
  const { read, asked } = reading('2026-03-09T20:00:00Z', [row('2026-03-09', 1, 1, 20, false, 'LZ_HOUSTON')], {
    settlementPoint: 'LZ_HOUSTON',
  });
  await read();
  expect(new URL(asked.at(-1)!.url).searchParams.get('settlementPointType')).toBe('LZ');
});

test('ERCOT is asked only while a price is due; what is restated is said', async () => {
  let now = at('2026-03-23T06:05:00Z');
  let prices: Cell[][] = [];
  let count = 0;
  const quarters = (n: number) =>
    Array.from({ length: n }, (_, i) => row('2026-03-23', Math.floor(i / 4) + 1, (i % 4) + 1, 20 + i));
  const io = feedIo({
    now: () => now,
    answer(request) {
      if (isToken(request)) return { body: shapeOf('ercot/token.json') };
      count += 1;
      return page(prices);
    },
  });
  const feed = ercot.open({ id: 'e', config: ercot.config.parse(settings) }, io);
  prices = quarters(4);
  await feed.read();
  now += 5 * MINUTE;
  await feed.read();
  expect(count).toBe(1);
  now = at('2026-03-23T06:16:00Z');
  await feed.read();
  await feed.read();
  expect(count).toBe(3);
  prices = quarters(5).map((cells, i) => (i === 3 ? row('2026-03-23', 1, 4, 99) : cells));
  const [series] = await feed.read();
  expect(series!.points.map(({ value }) => value)).toEqual([20, 21, 22, 99, 24]);
  expect(series!.mended).toEqual(['2026-03-23T05:45:00Z: restated by the source, 23 before and 99 now']);
  now += HOUR;
  prices = [...prices, row('2026-03-23', 2, 4, 30)];
  const [bridged] = await feed.read();
  expect(bridged!.points.map(({ value }) => value)).toEqual([20, 21, 22, 99, 24, 24, 24, 30]);
  expect(bridged!.mended![0]).toContain('two intervals are missing from 2026-03-23T06:15:00Z');
});

describe('against a server', () => {
  let server: TestServer;
  afterEach(() => server.close());
  let wall = 0;
  const tokenPath = '/B2C/oauth2/v2.0/token';
  async function open(answer: (asked: Asked, tokens: number) => Answer | undefined, over: object = {}) {
    wall = 0;
    const tokens = () => server.asked.filter(({ path }) => path === tokenPath).length;
    server = await serve((asked) => answer(asked, tokens()));
    const base = feedIo({ now: () => at('2026-03-23T06:05:00Z') + wall, wall: () => wall });
    const urls = { url: `${server.url}/api/public-reports/`, tokenUrl: server.url + tokenPath };
    return ercot.open(
      { id: 'e', config: ercot.config.parse({ ...settings, ...urls, ...over }) },
      { ...base, http: server.http },
    );
  }
  const token = (n: number): Answer => ({
    body: { ...(shapeOf('ercot/token.json') as object), id_token: `token-${n}` },
  });
  const good = (asked: Asked): Answer =>
    ercotWorld(() => (shapeOf('ercot/spp.json') as { data: unknown[] }).data)({
      url: `http://x${asked.path}?${asked.query.toString()}`,
    } as HttpRequest);

  test('both credentials are sent, the token is asked for as documented, kept, and renewed before its hour is over', async () => {
    const feed = await open((asked, tokens) => (asked.path === tokenPath ? token(tokens) : good(asked)));
    await feed.read();
    const [first, second] = server.asked;
    expect(first!.method).toBe('POST');
    expect(Object.fromEntries(new URLSearchParams(first!.body))).toEqual({
      grant_type: 'password',
      username: 'me@site.example',
      password: SECRET,
      scope: 'openid fec253ea-0d06-4272-a5e6-b478baeecd70 offline_access',
      client_id: 'fec253ea-0d06-4272-a5e6-b478baeecd70',
      response_type: 'id_token',
    });
    expect(second!.path).toBe('/api/public-reports/np6-905-cd/spp_node_zone_hub');
    expect(Object.fromEntries(second!.query)).toEqual({
      settlementPoint: 'HB_HOUSTON',
      deliveryDateFrom: '2026-03-21',
      deliveryDateTo: '2026-03-23',
      size: '1000',
      page: '1',
    });
    expect(second!.headers).toMatchObject({ authorization: 'Bearer token-1', 'ocp-apim-subscription-key': SECRET });
    wall = 54 * MINUTE;
    await feed.read();
    expect(server.asked.at(-1)!.headers.authorization).toBe('Bearer token-1');
    wall = 56 * MINUTE;
    await feed.read();
    expect(server.asked.at(-1)!.headers.authorization).toBe('Bearer token-2');
  });

  test('a token that is refused is renewed once, and once only', async () => {
    let taken = 'Bearer token-2';
    const feed = await open((asked, tokens) => {
      if (asked.path === tokenPath) return token(tokens);
      return asked.headers.authorization === taken ? good(asked) : { status: 401, body: 'IDX10223: expired' };
    });
    expect((await feed.read())[0]!.points).toHaveLength(4);
    taken = 'none at all';
    wall = HOUR / 2;
    const before = server.asked.length;
    await expect(feed.read()).rejects.toMatchObject({ kind: 'unauthorised' });
    expect(server.asked.length - before).toBe(3);
  });

  test('a wrong password is told as such, without the password', async () => {
    const feed = await open(() => ({
      status: 400,
      body: {
        error: 'access_denied',
        error_description: `AADB2C90225: The username or password provided is invalid. ${SECRET}`,
      },
    }));
    const fault = await feed.read().catch((error: unknown) => error as Error);
    expect(fault).toMatchObject({
      kind: 'unauthorised',
      message: expect.stringContaining('does not know this user') as string,
    });
    expect((fault as Error).message).not.toContain(SECRET);
  });

  test('every page is read, and one that does not come is missed', async () => {
    const rows = (shapeOf('ercot/spp.json') as { data: unknown[] }).data;
    let lying = false;
    const feed = await open((asked, tokens) => {
      if (asked.path === tokenPath) return token(tokens);
      const number = Number(asked.query.get('page'));
      return page(rows.slice(number * 2 - 2, number * 2), { totalPages: 2, currentPage: lying ? 1 : number });
    });
    expect((await feed.read())[0]!.points).toHaveLength(4);
    lying = true;
    wall = HOUR / 2;
    await expect(feed.read()).rejects.toThrow('page 2: found page 1');
  });

  test('429 with Retry-After: nothing is asked until then', async () => {
    let throttled = true;
    const feed = await open((asked, tokens) => {
      if (asked.path === tokenPath) return token(tokens);
      return throttled
        ? { status: 429, headers: { 'retry-after': '42' }, body: shapeOf('ercot/throttled.json') }
        : good(asked);
    });
    await expect(feed.read()).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('429') as string,
    });
    const count = server.asked.length;
    throttled = false;
    wall = 41_000;
    await expect(feed.read()).rejects.toThrow('asked too often; not asked again for 1 s');
    expect(server.asked).toHaveLength(count);
    wall = 43_000;
    expect((await feed.read())[0]!.points).toHaveLength(4);
  });

  test('a server that never answers is given up with the reader', async () => {
    const feed = await open(() => undefined);
    const giveUp = new AbortController();
    const reading = feed.read(giveUp.signal);
    setTimeout(() => giveUp.abort(), 50);
    await expect(reading).rejects.toMatchObject({ kind: 'timeout' });
  });

  test('a flood is cut off', async () => {
    const feed = await open((asked, tokens) =>
      asked.path === tokenPath ? token(tokens) : { body: `{"data":"${'x'.repeat(1e7)}"}` },
    );
    await expect(feed.read()).rejects.toMatchObject({ kind: 'garbled' });
  });
});
