import type { FeedHandle, FeedIo } from '../feeds/feed.ts';
import { Fault, valueAt, type Series, type SeriesName, type Site, type SiteMs } from '../model/index.ts';
import { FEEDS } from './registry.ts';

/** All series of all feeds, as last read. */
export interface Markets {
  readonly series: ReadonlyMap<SeriesName, Series>;
  /** Feeds that could not be read, with the reason. */
  readonly failures: ReadonlyMap<string, string>;
  readAll(): Promise<void>;
  value(name: SeriesName, at: SiteMs): number | undefined;
  close(): void;
}

export function openMarkets(site: Site, io: FeedIo): Markets {
  const handles = site.feeds.map((feed): { id: string; handle: FeedHandle } => {
    const plugin = FEEDS.get(feed.feed);
    if (plugin === undefined) throw new Error(`${feed.id}: the site was not checked`);
    return { id: feed.id, handle: plugin.open({ id: feed.id, config: feed.settings }, io) };
  });
  const series = new Map<SeriesName, Series>();
  const failures = new Map<string, string>();
  return {
    series,
    failures,
    async readAll() {
      for (const { id, handle } of handles) {
        try {
          for (const one of await handle.read()) series.set(one.name, one);
          failures.delete(id);
        } catch (error) {
          // A recording that does not parse is a mistake of a file, not a bug: the message has file and line.
          if (!(error instanceof Error)) throw error;
          failures.set(id, error instanceof Fault ? `${error.kind}: ${error.message}` : error.message);
        }
      }
    },
    value(name, at) {
      const found = series.get(name);
      return found === undefined ? undefined : valueAt(found, at)?.value;
    },
    close: () => handles.forEach(({ handle }) => handle.close()),
  };
}
