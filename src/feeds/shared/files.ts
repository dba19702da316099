import { Fault, SECOND, type Series, type SiteMs } from '../../model/index.ts';
import type { FeedHandle, FeedIo } from '../feed.ts';
import { told } from './rows.ts';

/** A look at a file's version costs nothing, and a new row is seen soon. */
export const LOOK_EVERY_MS = 2 * SECOND;

/** What the system says of a file that is not there or may not be read, as a fault; a bug of ours is thrown on. */
export async function fromDisk<T>(path: string, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (error instanceof Fault || typeof code !== 'string') throw error;
    throw new Fault('unreachable', `${path}: cannot be read (${code})`, { cause: error });
  }
}

/**
 * A feed of one file: parsed when its version changes, and told up to the moment. What is wrong with a file is told at
 * every look until the file changes.
 * @param parse looks counts how often this version was seen before: a file that is being written may end amid a row
 */
export function fileFeed(
  path: string,
  io: FeedIo,
  parse: (looks: number) => Promise<{ series: readonly Series[]; final: boolean }>,
): FeedHandle {
  let seen: { version: string; looks: number; final: boolean; outcome: readonly Series[] | Fault } | undefined;

  async function look(): Promise<readonly Series[] | Fault> {
    const version = await fromDisk(path, io.fileVersion(path));
    if (seen?.version === version && seen.final) return seen.outcome;
    const looks = seen?.version === version ? seen.looks + 1 : 0;
    try {
      const { series, final } = await parse(looks);
      seen = { version, looks, final, outcome: series };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // A file that could not be opened may be there in a moment, whatever its version.
      seen = { version, looks, final: error.kind === 'garbled' && looks > 0, outcome: error };
    }
    return seen.outcome;
  }

  return {
    everyMs: LOOK_EVERY_MS,
    async read() {
      const outcome = await look();
      if (outcome instanceof Fault) throw outcome;
      const now: SiteMs = io.siteNow();
      return outcome.map((series) => ({ ...series, points: told(series.name, series.points, now) }));
    },
    close() {},
  };
}
