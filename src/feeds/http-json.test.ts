import { describe, expect, test } from 'vitest';
import { feedIo, SECRET, shapeOf, type Answer } from '../../test/support/feed-worlds.ts';
import { HOUR, isoUtc, MINUTE, type HttpRequest } from '../model/index.ts';
import { httpJson } from './http-json.ts';
import { at } from './shared/path.ts';

const NOW = Date.UTC(2026, 2, 23, 17);
const rows = {
  series: 'priceUsdPerMwh',
  unit: 'cents_per_kwh',
  rows: 'data.prices',
  value: 'ctKwh',
  time: { at: 'from', format: 'local', zone: 'America/Chicago' },
  intervalMinutes: 60,
};
const one = { series: 'priceUsdPerMwh', unit: 'usd_per_mwh', value: 'now.price', intervalMinutes: 15 };
const parse = (mapping: object, over: object = {}) =>
  httpJson.config.safeParse({ url: 'https://p.example/v1', source: 'made up', mappings: [mapping], ...over });

function open(mapping: object, body: () => unknown, over: object = {}, now: () => number = () => NOW) {
  const asked: HttpRequest[] = [];
  const io = feedIo({
    now,
    answer(request): Answer {
      asked.push(request);
      return { body: body() };
    },
  });
  return { asked, feed: httpJson.open({ id: 'h', config: parse(mapping, over).data! }, io) };
}

test('rows with local times and text for numbers, up to now', async () => {
  const { feed } = open(
    rows,
    () => shapeOf('http-json/prices.json'),
    {},
    () => Date.parse('2026-03-23T15:30:00Z'),
  );
  const [series] = await feed.read();
  expect(series!.points.map(({ start, value }) => [isoUtc(start), value])).toEqual([
    ['2026-03-23T13:00:00Z', 31.2],
    ['2026-03-23T14:00:00Z', 29.5],
    ['2026-03-23T15:00:00Z', 24.1],
  ]);
  expect(series).toMatchObject({ source: 'made up', intervalMs: HOUR, holdsMs: 3 * HOUR });
});

test('lists of lists, newest first', async () => {
  const mapping = { ...rows, rows: '[1]', value: '[1]', time: { at: '[0]', format: 'unix_s' } };
  const hour = NOW / 1000;
  const { feed } = open(mapping, () => [
    { unit: 'ct' },
    [
      [hour, 3],
      [hour - 3600, 4],
    ],
  ]);
  const [series] = await feed.read();
  expect(series!.points.map(({ value }) => value)).toEqual([40, 30]);
  expect(series!.mended).toEqual([expect.stringContaining('not in order of time; sorted')]);
});

test('one figure, of now or with its time; headers, method and body are sent', async () => {
  let now = NOW + 7 * MINUTE;
  const headers = { 'x-api-key': { env: 'K' }, accept: 'application/vnd.p+json' };
  const { feed, asked } = open(
    one,
    () => ({ now: { price: 31.5 } }),
    { method: 'POST', headers, body: '{"zone":"N"}' },
    () => now,
  );
  expect((await feed.read())[0]!.points).toEqual([{ start: NOW, value: 31.5 }]);
  now += 10 * MINUTE;
  expect((await feed.read())[0]!.points).toHaveLength(2);
  expect(asked[0]).toMatchObject({
    method: 'POST',
    body: '{"zone":"N"}',
    headers: { 'x-api-key': SECRET, accept: 'application/vnd.p+json' },
  });
  const timed = open({ ...one, time: { at: 'now.at', format: 'iso_utc' } }, () => ({
    now: { price: 5, at: '2026-03-23T16:45:00Z' },
  }));
  expect((await timed.feed.read())[0]!.points).toEqual([{ start: NOW - 15 * MINUTE, value: 5 }]);
});

test('a price in $/kWh that is declared $/MWh is doubted as soon as there are enough of it', async () => {
  let now = NOW;
  const { feed } = open(
    one,
    () => ({ now: { price: 0.04 } }),
    {},
    () => now,
  );
  for (let i = 0; i < 47; i += 1, now += 15 * MINUTE) await feed.read();
  await expect(feed.read()).rejects.toThrow('is it in $/kWh (usd_per_kwh)');
});

describe('refused', () => {
  const reply = shapeOf('http-json/prices.json') as { data: { prices: object[] } };
  const first = (over: object) => ({ data: { prices: [{ ...reply.data.prices[0], ...over }] } });
  test.each<[string, object, unknown, string]>([
    ['a path that leads nowhere', rows, { data: { preise: [] } }, 'found no "data.prices": data is {"preise":[]}'],
    ['no list', rows, { data: { prices: {} } }, 'data.prices is {}, expected a list with at least one row'],
    ['an empty list', rows, { data: { prices: [] } }, 'expected a list with at least one row'],
    ['a row without its figure', rows, first({ ctKwh: undefined }), 'data.prices[0]: found no "ctKwh"'],
    ['nothing but empty figures', rows, first({ ctKwh: null }), 'no figure for priceUsdPerMwh'],
    ['words for a figure', rows, first({ ctKwh: 'n/a' }), 'data.prices[0], ctKwh: found "n/a", expected a number'],
    [
      'a figure out of this world',
      rows,
      first({ ctKwh: 31_000 }),
      'data.prices[0], ctKwh: found 31000, which is 310000 usd_per_mwh',
    ],
    ['no time', rows, first({ from: null }), 'data.prices[0]: found null, expected a time'],
    [
      'an hour that is not there',
      rows,
      first({ from: '2026-03-08 02:00' }),
      '2026-03-08 02:00 in America/Chicago does not exist',
    ],
    ['true for a figure', one, { now: { price: true } }, 'now.price: found true, expected a number'],
  ])('%s', async (_, mapping, body, message) => {
    await expect(open(mapping, () => body).feed.read()).rejects.toThrow(message);
  });

  test.each<[string, object, string]>([
    ['rows without a time', { ...rows, time: undefined }, 'rows want a time'],
    ['a path with wildcards', { ...rows, value: 'a[*].b' }, 'a path such as'],
    ['a unit of another series', { ...rows, unit: 'F' }, 'priceUsdPerMwh is never in F'],
  ])('in the site file: %s', (_, mapping, message) => {
    expect(JSON.stringify(parse(mapping).error?.issues)).toContain(message);
  });
});

test.each<[string, unknown]>([
  ['a.b[1].c', 5],
  ['list[-1]', 3],
  ['list[0]', 1],
  ['odd-name', 6],
])('the path %s', (path, expected) => {
  expect(at({ a: { b: [0, { c: 5 }] }, list: [1, 2, 3], 'odd-name': 6 }, path, 'x')).toBe(expected);
});
test.each(['a.toString', 'list[9]', 'list.length', 'a.b.c', '__proto__'])('the path %s leads nowhere', (path) => {
  expect(() => at({ a: { b: [0] }, list: [1] }, path, 'x')).toThrow(`x: found no "${path}"`);
});
