import { isDeepStrictEqual } from 'node:util';
import type { FeedHandle, FeedIo } from '../feeds/feed.ts';
import {
  asFault,
  DAY,
  MINUTE,
  QUARTER,
  quarterStart,
  siteMs,
  valueAt,
  type Series,
  type SeriesName,
  type Site,
  type SiteMs,
  type WallMs,
} from '../model/index.ts';
import { FEEDS } from './registry.ts';

/** A feed and what it said last. */
export interface MarketFeed {
  readonly config: Site['feeds'][number];
  readonly handle: FeedHandle;
  readonly silence: string;
  series: readonly Series[];
  readWall: WallMs | undefined;
  failure: string | undefined;
}

/** All series of all feeds, as last read. */
export interface Markets {
  readonly feeds: readonly MarketFeed[];
  readonly series: ReadonlyMap<SeriesName, Series>;
  /** Feeds that could not be read, with the reason. */
  readonly failures: ReadonlyMap<string, string>;
  /** Reads what is due. Feeds of the network are not waited for, but for the first time: up to five seconds. */
  readAll(): Promise<void>;
  /** The value in force; undefined once it is stale: money and heat are then unknown, and the plan has values of its own. */
  value(name: SeriesName, at: SiteMs): number | undefined;
  /** Follows a changed site file: a feed whose entry is as before keeps its connection and what it said. */
  reload(site: Site): void;
  close(): void;
}

const FIRST_READ_MS = 5_000;

export function openMarkets(site: Site, io: FeedIo): Markets {
  let current = site;
  let feeds: readonly MarketFeed[] = [];
  const underway = new Map<MarketFeed, Promise<void>>();
  const series = new Map<SeriesName, Series>();

  function open(config: MarketFeed['config']): MarketFeed {
    const plugin = FEEDS.get(config.feed);
    if (plugin === undefined) throw new Error(`${config.id}: the site was not checked`);
    const handle = plugin.open({ id: config.id, config: config.settings }, io);
    return { config, handle, silence: plugin.silence, series: [], readWall: undefined, failure: undefined };
  }

  function reload(next: Site): void {
    const before = feeds;
    current = next;
    feeds = next.feeds.map((config) => before.find((f) => isDeepStrictEqual(f.config, config)) ?? open(config));
    for (const gone of before) if (!feeds.includes(gone)) gone.handle.close();
    gather();
  }

  async function readOne(feed: MarketFeed): Promise<void> {
    try {
      feed.series = (await feed.handle.read()).map((one) => withSilence(one, feed.config.whenSilent));
      feed.failure = undefined;
    } catch (error) {
      const fault = asFault(error);
      feed.failure = `${fault.kind}: ${fault.message}`;
    }
    feed.readWall = io.wallNow();
  }

  function due({ handle: { everyMs }, readWall }: MarketFeed): boolean {
    return everyMs === undefined || readWall === undefined || io.wallNow() - readWall >= everyMs;
  }

  /** Where several feeds tell the same, the first of the file counts, and the next ones while it is stale. */
  function gather(): void {
    const now = io.siteNow();
    series.clear();
    const stale = (one: Series): boolean => valueAt(one, now)?.stale ?? true;
    for (const feed of feeds)
      for (const one of feed.series) {
        const told = series.get(one.name);
        if (told === undefined || (stale(told) && !stale(one))) series.set(one.name, one);
      }
    const price = priceOf(current.tariff, series.get('priceUsdPerMwh'), now);
    if (price !== undefined) series.set('priceUsdPerMwh', price);
    const ahead = series.get('dayAheadUsdPerMwh');
    // Who pays a fixed price has no use for that of the market.
    if (current.tariff.kind === 'fixed') series.delete('dayAheadUsdPerMwh');
    else if (ahead !== undefined)
      series.set('dayAheadUsdPerMwh', { ...priceOf(current.tariff, ahead, now)!, clearsIn: current.timezone });
  }

  reload(site);
  return {
    get feeds() {
      return feeds;
    },
    series,
    get failures() {
      return new Map(feeds.flatMap(({ config, failure }) => (failure === undefined ? [] : [[config.id, failure]])));
    },
    async readAll() {
      const waitFor: Promise<void>[] = [];
      for (const feed of feeds) {
        if (underway.has(feed) || !due(feed)) continue;
        const first = feed.readWall === undefined;
        const read = readOne(feed).finally(() => underway.delete(feed));
        underway.set(feed, read);
        if (feed.handle.everyMs === undefined) waitFor.push(read);
        else if (first) waitFor.push(Promise.race([read, pause(FIRST_READ_MS)]));
      }
      await Promise.all(waitFor);
      gather();
    },
    value(name, at) {
      const found = series.get(name);
      const inForce = found && valueAt(found, at);
      return inForce === undefined || inForce.stale ? undefined : inForce.value;
    },
    reload,
    close: () => feeds.forEach(({ handle }) => handle.close()),
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** What the site file says of a feed's silence goes before what the feed says itself. */
function withSilence(series: Series, { holdMinutes, values }: Site['feeds'][number]['whenSilent']): Series {
  const whenStale = values[series.name];
  if (holdMinutes === undefined && whenStale === undefined) return series;
  return {
    ...series,
    ...(holdMinutes === undefined ? {} : { holdsMs: holdMinutes * MINUTE }),
    ...(whenStale === undefined ? {} : { whenStale }),
  };
}

/** What a MWh costs this site: the market's price with what is added to it, or the fixed one of its tariff. */
function priceOf(tariff: Site['tariff'], market: Series | undefined, now: SiteMs): Series | undefined {
  if (tariff.kind === 'fixed') return fixedPrice(tariff.usdPerMwh, now);
  if (market === undefined || tariff.kind !== 'real-time' || tariff.adderUsdPerMwh === 0) return market;
  const { adderUsdPerMwh } = tariff;
  return {
    ...market,
    source: `${market.source}, with $${adderUsdPerMwh}/MWh of delivery`,
    ...(market.whenStale === undefined ? {} : { whenStale: market.whenStale + adderUsdPerMwh }),
    points: market.points.map(({ start, value }) => ({ start, value: value + adderUsdPerMwh })),
  };
}

function fixedPrice(usdPerMwh: number, now: SiteMs): Series {
  const end = quarterStart(now);
  const count = DAY / QUARTER;
  return {
    name: 'priceUsdPerMwh',
    provenance: 'list',
    source: 'the fixed tariff of the site file',
    intervalMs: QUARTER,
    holdsMs: 2 * QUARTER,
    points: Array.from({ length: count }, (_, i) => ({
      start: siteMs(end - (count - 1 - i) * QUARTER),
      value: usdPerMwh,
    })),
  };
}
