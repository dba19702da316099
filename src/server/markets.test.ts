import { expect, test } from 'vitest';
import { defineFeed, type FeedIo } from '../feeds/feed.ts';
import { Fault, HOUR, MINUTE, QUARTER, siteMs, valueAt, wallMs, type Series, type Site } from '../model/index.ts';
import { z } from 'zod';
import { openMarkets } from './markets.ts';
import { FEEDS } from './registry.ts';

/** A feed that tells what the test sets. */
interface Told {
  series: Series[];
  fault?: Fault;
  reads: number;
  closed: number;
  everyMs?: number;
}
const told = new Map<string, Told>();
const tellTale = defineFeed({
  name: 'tell-tale',
  about: 'Tells what a test sets, and nothing else',
  silence: 'as the test says',
  config: z.strictObject({ key: z.string() }),
  open: ({ config: { key } }) => {
    const mine = told.get(key)!;
    return {
      ...(mine.everyMs === undefined ? {} : { everyMs: mine.everyMs }),
      read: async () => {
        mine.reads += 1;
        if (mine.fault !== undefined) throw mine.fault;
        return mine.series;
      },
      close: () => void (mine.closed += 1),
    };
  },
});
(FEEDS as Map<string, unknown>).set('tell-tale', tellTale);

const NOW = Date.UTC(2026, 10, 22, 12);
const clock = { site: NOW, wall: 0 };
const io = { siteNow: () => siteMs(clock.site), wallNow: () => wallMs(clock.wall) } as FeedIo;
const price = (value: number, ageMs = 0): Series => ({
  name: 'priceUsdPerMwh',
  provenance: 'measured',
  source: 'a test',
  intervalMs: QUARTER,
  holdsMs: HOUR,
  points: [{ start: siteMs(clock.site - ageMs), value }],
});

function open(site: Partial<Site>, feeds: Readonly<Record<string, Partial<Told> & { whenSilent?: object }>>) {
  for (const [key, one] of Object.entries(feeds)) told.set(key, { series: [], reads: 0, closed: 0, ...one });
  const config = Object.entries(feeds).map(([id, { whenSilent }]) => ({
    id,
    feed: 'tell-tale',
    whenSilent: { values: {}, ...whenSilent },
    settings: { key: id },
  }));
  const full = {
    tariff: { kind: 'block-and-real-time', blockMw: 0, blockUsdPerMwh: 0 },
    feeds: config,
    ...site,
  } as Site;
  return { full, markets: openMarkets(full, io) };
}
const now = () => siteMs(clock.site);

test('the first feed counts, and the next one while it is stale or cannot be read', async () => {
  const { markets } = open({}, { first: { series: [price(10)] }, second: { series: [price(20)] } });
  await markets.readAll();
  expect(markets.value('priceUsdPerMwh', now())).toBe(10);
  told.get('first')!.series = [price(10, 2 * HOUR)];
  await markets.readAll();
  expect(markets.value('priceUsdPerMwh', now())).toBe(20);
});

test('a feed that fails keeps what it told, and says why it fails', async () => {
  const { markets } = open({}, { only: { series: [price(10)] } });
  await markets.readAll();
  told.get('only')!.fault = new Fault('unauthorised', 'env KEY: not set');
  await markets.readAll();
  expect(markets.value('priceUsdPerMwh', now())).toBe(10);
  expect([...markets.failures]).toEqual([['only', 'unauthorised: env KEY: not set']]);
  delete told.get('only')!.fault;
  await markets.readAll();
  expect(markets.failures.size).toBe(0);
});

test('a feed of the network is asked at its own pace', async () => {
  const { markets } = open({}, { slow: { series: [price(10)], everyMs: 60_000 }, quick: {} });
  for (let i = 0; i < 5; i += 1) {
    await markets.readAll();
    clock.wall += 20_000;
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(told.get('quick')!.reads).toBe(5);
  expect(told.get('slow')!.reads).toBe(2);
});

test('what the site file says of silence goes before what the feed says', async () => {
  const whenSilent = { holdMinutes: 20, values: { priceUsdPerMwh: 999 } };
  const { markets } = open({}, { only: { series: [price(10, 30 * MINUTE)], whenSilent } });
  await markets.readAll();
  const series = markets.series.get('priceUsdPerMwh')!;
  expect(valueAt(series, now())?.stale).toBe(true);
  expect(series.whenStale).toBe(999);
});

test('a fixed tariff needs no market; a real-time one carries what is added to every MWh', async () => {
  const fixed = open({ tariff: { kind: 'fixed', usdPerMwh: 320 } }, {}).markets;
  await fixed.readAll();
  expect(fixed.value('priceUsdPerMwh', now())).toBe(320);
  expect(fixed.value('priceUsdPerMwh', siteMs(NOW - 3 * HOUR))).toBe(320);
  const real = open({ tariff: { kind: 'real-time', adderUsdPerMwh: 9 } }, { only: { series: [price(-5)] } }).markets;
  await real.readAll();
  expect(real.value('priceUsdPerMwh', now())).toBe(4);
  expect(real.series.get('priceUsdPerMwh')!.source).toContain('$9/MWh of delivery');
});

test('day-ahead prices carry what is added too, and are those of days where the site stands; a fixed price has no use for them', async () => {
  const ahead: Series = { ...price(-5), name: 'dayAheadUsdPerMwh', intervalMs: HOUR };
  const tariff = { kind: 'real-time', adderUsdPerMwh: 9 } as const;
  const { markets } = open({ tariff, timezone: 'America/Chicago' }, { only: { series: [price(7), ahead] } });
  await markets.readAll();
  await markets.readAll();
  expect(markets.series.get('dayAheadUsdPerMwh')).toMatchObject({
    clearsIn: 'America/Chicago',
    points: [{ value: 4 }],
  });
  const fixed = open({ tariff: { kind: 'fixed', usdPerMwh: 320 } }, { only: { series: [price(7), ahead] } }).markets;
  await fixed.readAll();
  expect(fixed.series.has('dayAheadUsdPerMwh')).toBe(false);
});

test('a changed file keeps the feeds it left as they were, and closes those it took out', async () => {
  const { full, markets } = open({}, { stays: { series: [price(10)] }, goes: { series: [] } });
  await markets.readAll();
  markets.reload({ ...full, feeds: full.feeds.slice(0, 1) });
  expect(markets.value('priceUsdPerMwh', now())).toBe(10);
  expect([told.get('stays')!.closed, told.get('goes')!.closed]).toEqual([0, 1]);
});
