import type { z } from 'zod';
import type { HttpPort, SecretRef, Series, SiteMs, WallMs } from '../model/index.ts';

/** What a feed may know of the world. Paths are relative to the site file. */
export interface FeedIo {
  readonly http: HttpPort;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  /** The credential behind a reference. @throws Fault `unauthorised` naming the place when there is none. */
  secret(ref: SecretRef): string;
  readFile(path: string): Promise<string>;
  readBytes(path: string): Promise<Uint8Array>;
  listFiles(folder: string): Promise<readonly string[]>;
  /** Changes when the file does; a feed of files reads again only then. @throws Fault `unreachable` when it is not there. */
  fileVersion(path: string): Promise<string>;
}

/**
 * What the world costs. `read` returns whole series up to `now` and never a point after it: no look-ahead. It throws
 * `Fault` for what the world does wrong (a file that does not parse is `garbled`, with file, line and what was
 * expected) and never anything else.
 */
export interface FeedHandle {
  /** Wall milliseconds between two reads; absent: once a second (for what costs nothing to ask). */
  readonly everyMs?: number;
  read(signal?: AbortSignal): Promise<readonly Series[]>;
  close(): void;
}

export interface Feed<C extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly about: string;
  readonly config: C;
  /** In words: how long a value holds once the source is silent, for docs and the page. */
  readonly silence: string;
  open(target: { id: string; config: z.output<C> }, io: FeedIo): FeedHandle;
}

export function defineFeed<C extends z.ZodType>(feed: Feed<C>): Feed<C> {
  return feed;
}
