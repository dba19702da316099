import { describe, expect, test } from 'vitest';
import { feedIo, SECRET, shapeOf } from '../../test/support/feed-worlds.ts';
import { HOUR, isoUtc } from '../model/index.ts';
import { openMeteo } from './open-meteo.ts';

const AT = 1_774_224_000_000;
interface Reply {
  hourly: { time: number[]; temperature_2m: (number | null)[]; dew_point_2m: (number | null)[] };
  hourly_units: Record<string, string>;
}
const reply = (): Reply => shapeOf('open-meteo/forecast.json') as Reply;

function open(body: () => unknown, now: () => number = () => AT + 2.5 * HOUR, config: object = {}) {
  const asked: string[] = [];
  const io = feedIo({
    now,
    answer({ url }) {
      asked.push(url);
      return { body: body() };
    },
  });
  return {
    asked,
    feed: openMeteo.open(
      { id: 'w', config: openMeteo.config.parse({ latitude: 29.77, longitude: -95.33, ...config }) },
      io,
    ),
  };
}

test('the hours that have begun, and none that is forecast beyond; a missing one is bridged and said', async () => {
  let now = AT + 2.5 * HOUR;
  const { feed, asked } = open(reply, () => now);
  const [temperature, dew] = await feed.read();
  expect(temperature!.points.map(({ start, value }) => [isoUtc(start), value])).toEqual([
    ['2026-03-23T00:00:00Z', 21.4],
    ['2026-03-23T01:00:00Z', 20.9],
    ['2026-03-23T02:00:00Z', 20.1],
  ]);
  expect(dew!.points.map(({ value }) => value)).toEqual([17.2, 17]);
  now += HOUR;
  const [, later] = await feed.read();
  expect(later!.points.map(({ value }) => value)).toEqual([17.2, 17, 17, 16.6]);
  expect(later!.mended).toEqual([
    'dewPointC: an interval is missing from 2026-03-23T02:00:00Z; the value before is held',
  ]);
  expect(Object.fromEntries(new URL(asked[0]!).searchParams)).toEqual({
    latitude: '29.77',
    longitude: '-95.33',
    hourly: 'temperature_2m,dew_point_2m',
    past_days: '2',
    forecast_days: '1',
    timeformat: 'unixtime',
    timezone: 'GMT',
  });
});

test('a key is sent, Fahrenheit is converted', async () => {
  const inFahrenheit = () => ({
    ...reply(),
    hourly_units: { time: 'unixtime', temperature_2m: '°F', dew_point_2m: '°C' },
    hourly: { ...reply().hourly, temperature_2m: [77, 68, 59, 50] },
  });
  const { feed, asked } = open(inFahrenheit, undefined, {
    url: 'https://customer-api.open-meteo.com',
    apikey: { env: 'K' },
  });
  expect((await feed.read())[0]!.points.map(({ value }) => value)).toEqual([25, 20, 15]);
  expect(new URL(asked[0]!).searchParams.get('apikey')).toBe(SECRET);
});

test.each(['K', 'constructor', '__proto__', ''])('a unit "%s" is garbled, never guessed', async (unit) => {
  const { feed } = open(() => ({
    ...reply(),
    hourly_units: { time: 'unixtime', temperature_2m: unit, dew_point_2m: '°C' },
  }));
  await expect(feed.read()).rejects.toMatchObject({
    kind: 'garbled',
    message: expect.stringMatching(/expected °C or °F/),
  });
});

test('a model that changes its mind about the past is believed', async () => {
  let first = 21.4;
  const { feed } = open(() => ({
    ...reply(),
    hourly: { ...reply().hourly, temperature_2m: [first, 20.9, 20.1, 19.8] },
  }));
  await feed.read();
  first = 21.9;
  const [temperature] = await feed.read();
  expect(temperature!.points[0]!.value).toBe(21.9);
  expect(temperature!.mended).toBeUndefined();
});

describe('refused', () => {
  const hourly = (over: object) => ({ hourly: { ...reply().hourly, ...over } });
  test.each<[string, object, string]>([
    [
      'Kelvin',
      { hourly_units: { time: 'unixtime', temperature_2m: 'K', dew_point_2m: '°C' } },
      'hourly_units.temperature_2m is "K", expected °C or °F',
    ],
    [
      'times as text',
      { hourly_units: { time: 'iso8601', temperature_2m: '°C', dew_point_2m: '°C' } },
      'hourly_units.time: found "iso8601"',
    ],
    ['no units', { hourly_units: undefined }, 'hourly_units: found nothing'],
    ['lists of two lengths', hourly({ temperature_2m: [1, 2] }), '2 values of temperature_2m for 4 times'],
    ['text for a number', hourly({ temperature_2m: ['21', 1, 1, 1] }), 'hourly.temperature_2m[0]: found "21"'],
    [
      'a temperature out of this world',
      hourly({ temperature_2m: [294.5, 1, 1, 1] }),
      'hourly.temperature_2m[0]: found 294.5, expected temperatureC between -90 and 60',
    ],
    ['half hours', hourly({ time: [1774225800, 1774227600, 1774231200, 1774234800] }), 'is not on the hour'],
    ['hours out of order', hourly({ time: [1774227600, 1774224000, 1774231200, 1774234800] }), 'expected a time after'],
    ['another place', { latitude: 52.5 }, 'weather of 52.5, -95.3337, expected 29.77, -95.33'],
  ])('%s', async (_, over, message) => {
    await expect(open(() => ({ ...reply(), ...over })).feed.read()).rejects.toThrow(message);
  });
});
