import type { z } from 'zod';
import type { Series, SiteMs } from '../model/index.ts';

export interface FeedIo {
  siteNow(): SiteMs;
  readFile(path: string): Promise<string>;
  listFiles(folder: string): Promise<readonly string[]>;
}

/** What the world costs. `read` returns whole series up to `now` and never a point after it: no look-ahead. */
export interface FeedHandle {
  read(signal?: AbortSignal): Promise<readonly Series[]>;
  close(): void;
}

export interface Feed<C extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly about: string;
  readonly config: C;
  open(target: { id: string; config: z.output<C> }, io: FeedIo): FeedHandle;
}

export function defineFeed<C extends z.ZodType>(feed: Feed<C>): Feed<C> {
  return feed;
}
