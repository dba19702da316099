import { z } from 'zod';
import { Fault, type SiteMs, type WallMs } from '../../model/index.ts';
import type { ClusterIo } from '../cluster.ts';
import { wait, type KubeApi } from './kube-api.ts';

/** One event of a watch (meta/v1 WatchEvent). */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

const eventShape = z.object({
  type: z.enum(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR']),
  object: z.unknown(),
});
const versioned = z.object({ metadata: z.object({ resourceVersion: z.string().min(1) }) });
const identified = z.object({ metadata: z.object({ name: z.string(), namespace: z.string().nullish() }) });

/** An etcd value is 1.5 MiB at the most; what is longer and has no end of line is no event. */
const LONGEST_LINE = 8 * 1024 * 1024;

/**
 * Events out of bytes cut anywhere. What follows the last end of line is half an event: it is not known of, and comes
 * again when the watch is resumed. @throws Fault `garbled`
 */
export function watchParser(where: string): { add(bytes: Uint8Array): WatchEvent[] } {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let length = 0;
  return {
    add(bytes) {
      const lines = decoder.decode(bytes, { stream: true }).split('\n');
      parts.push(lines[0]!);
      length += lines[0]!.length;
      if (length > LONGEST_LINE) throw new Fault('garbled', `${where}: an event without an end`);
      if (lines.length === 1) return [];
      const whole = [parts.join(''), ...lines.slice(1, -1)];
      parts = [lines.at(-1)!];
      length = parts[0]!.length;
      return whole.filter((line) => line.trim() !== '').map((line) => eventIn(line, where));
    },
  };
}

/** Lets go of a reply whose words are of no use. */
async function discard(body: AsyncIterable<Uint8Array>): Promise<false> {
  await body[Symbol.asyncIterator]().return?.();
  return false;
}

function eventIn(line: string, where: string): WatchEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Fault('garbled', `${where}: an event that is no JSON`, { cause: error, bytes: line });
  }
  const parsed = eventShape.safeParse(value);
  if (!parsed.success) throw new Fault('garbled', `${where}: no event`, { bytes: line });
  return parsed.data;
}

/** Everything of one kind, as it was last known to be. */
export interface Known<T> {
  readonly items: ReadonlyMap<string, T>;
  /** When this was last known to be all of it. */
  readonly at: SiteMs;
}

export interface Watched<T> {
  /** From what is watched, or listed anew where the watch is broken, expired, or silent for too long. @throws Fault */
  read(signal: AbortSignal | undefined): Promise<Known<T>>;
  close(): void;
}

/** The server ends each watch after so long, and the next one says at once that it is still there. */
const PATIENCE_MS = 10_000;
const AGAIN_MS = 500;

/**
 * One kind of object, listed once and watched since. A watch is resumed where it ended; it is trusted only as long as
 * the server has been heard on it: events, bookmarks, its orderly end or the head of the next one.
 * @param query further selectors, beginning with `&`
 */
export function watched<S extends z.ZodType>(
  api: KubeApi,
  io: Pick<ClusterIo, 'siteNow' | 'wallNow'>,
  { path, query, shape, watchS }: { path: string; query: string; shape: S; watchS: number },
): Watched<z.output<S>> {
  const silentAfterMs = watchS * 1000 + PATIENCE_MS;
  const items = new Map<string, z.output<S>>();
  let version = '';
  let heard: { readonly site: SiteMs; readonly wall: WallMs } | undefined;
  let watching: AbortController | undefined;
  /** The connection broke, and the watch has not been taken up again. */
  let isBroken = false;
  let isClosed = false;

  const now = () => ({ site: io.siteNow(), wall: io.wallNow() });
  const isFresh = (): boolean =>
    watching !== undefined && !isBroken && heard !== undefined && io.wallNow() - heard.wall <= silentAfterMs;

  async function relist(signal: AbortSignal | undefined): Promise<void> {
    watching?.abort();
    watching = undefined;
    const begun = now();
    const listed = await api.list(path, shape, signal, query);
    items.clear();
    for (const item of listed.items) items.set(keyOf(item), item);
    version = listed.resourceVersion;
    heard = begun;
    if (api.stream === undefined || isClosed) return;
    watching = new AbortController();
    isBroken = false;
    void follow(watching, api.stream);
  }

  /** Until it cannot go on: then the next who reads lists anew. */
  async function follow(mine: AbortController, stream: NonNullable<KubeApi['stream']>): Promise<void> {
    try {
      while (!mine.signal.aborted && (await followOnce(mine, stream)));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    } finally {
      if (watching === mine) watching = undefined;
    }
  }

  /** @returns whether it may be resumed. @throws Fault where what came makes no sense */
  async function followOnce(mine: AbortController, stream: NonNullable<KubeApi['stream']>): Promise<boolean> {
    const begun = io.wallNow();
    try {
      const asked = `?watch=1&allowWatchBookmarks=true&timeoutSeconds=${watchS}&resourceVersion=${encodeURIComponent(version)}`;
      const { status, body } = await stream(path + asked + query, silentAfterMs, mine.signal);
      if (mine.signal.aborted || status !== 200) return await discard(body);
      heard = now();
      isBroken = false;
      const parser = watchParser(`Kubernetes watch ${path}`);
      for await (const bytes of body) {
        if (mine.signal.aborted) return false;
        for (const event of parser.add(bytes)) if (!take(event)) return false;
        heard = now();
      }
      if (mine.signal.aborted) return false;
      heard = now();
    } catch (error) {
      if (!(error instanceof Fault) || error.kind === 'garbled' || error.kind === 'unauthorised') throw error;
      // It is resumed as soon as it can be; whoever reads before that asks the server itself.
      if (!mine.signal.aborted) isBroken = true;
    }
    if (io.wallNow() - begun < AGAIN_MS) await wait(AGAIN_MS, mine.signal);
    return true;
  }

  /** @returns false where the watch has expired */
  function take({ type, object }: WatchEvent): boolean {
    // 410 Gone comes so, too: the history the watch would go on from is no more.
    if (type === 'ERROR') return false;
    const meta = versioned.safeParse(object);
    if (!meta.success) throw new Fault('garbled', `Kubernetes watch ${path}: ${type} without a version`);
    if (type === 'DELETED') items.delete(keyOf(object));
    else if (type !== 'BOOKMARK') {
      const parsed = shape.safeParse(object);
      if (!parsed.success)
        throw new Fault('garbled', `Kubernetes watch ${path}: ${parsed.error.issues[0]?.path.join('.')}`);
      items.set(keyOf(object), parsed.data);
    }
    version = meta.data.metadata.resourceVersion;
    return true;
  }

  function keyOf(item: unknown): string {
    const parsed = identified.safeParse(item);
    if (!parsed.success) throw new Fault('garbled', `Kubernetes ${path}: an object without a name`);
    const { name, namespace } = parsed.data.metadata;
    return `${namespace ?? ''}/${name}`;
  }

  return {
    async read(signal) {
      if (!isFresh()) await relist(signal);
      return { items: new Map(items), at: heard!.site };
    },
    close() {
      isClosed = true;
      watching?.abort();
      watching = undefined;
    },
  };
}
