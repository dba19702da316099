import type { ServerResponse } from 'node:http';

/** A stream may outlive what opened it by so much at the most, where nothing told us. */
const CHECK_MS = 15_000;
/** One person's windows; more is somebody taking the room of all. */
const MOST_EACH = 32;

/** Open event streams, each with how to ask whether it may still be. */
export interface Streams {
  /** False where this person has too many already. */
  watch(response: ServerResponse, key: string, stillAllowed: () => Promise<boolean>): boolean;
  /** Ends those that may not be any more: called when any credential or account changed. */
  recheck(): Promise<void>;
  close(): void;
}

export function createStreams(): Streams {
  const open = new Map<ServerResponse, { readonly key: string; readonly stillAllowed: () => Promise<boolean> }>();
  async function recheck(): Promise<void> {
    for (const [response, { stillAllowed }] of open) {
      // What cannot be asked is not allowed: the page comes back by itself when it can.
      if (!(await stillAllowed().catch(() => false))) response.end();
    }
  }
  const timer = setInterval(() => void recheck(), CHECK_MS);
  timer.unref();
  return {
    watch(response, key, stillAllowed) {
      if ([...open.values()].filter((one) => one.key === key).length >= MOST_EACH) return false;
      open.set(response, { key, stillAllowed });
      response.on('close', () => open.delete(response));
      return true;
    },
    recheck,
    close: () => clearInterval(timer),
  };
}
