import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isLoopback } from './hosts.ts';
import { digestOf, newLocalToken, sameDigest } from './credentials.ts';

/** The key of this machine's own command line: a token for this run, in a file only the server's user may read. */
export interface LocalToken {
  /** Writes it; called when the server listens. */
  write(): void;
  /** Whether a request carries it, and comes from this machine. */
  is(token: string, remoteAddress: string | undefined, localAddress: string | undefined): boolean;
  remove(): void;
}

export function createLocalToken(file: string | undefined): LocalToken {
  const token = newLocalToken();
  const digest = digestOf(token);
  return {
    write() {
      if (file === undefined) return;
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      // A new file, so that one that lay there open to others does not keep its mode.
      rmSync(file, { force: true });
      writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx' });
    },
    is(given, remoteAddress, localAddress) {
      if (file === undefined || !sameDigest(digestOf(given), digest) || remoteAddress === undefined) return false;
      return isLoopback(remoteAddress) || remoteAddress === localAddress;
    },
    remove() {
      if (file === undefined) return;
      try {
        if (readFileSync(file, 'utf8').trim() === token) rmSync(file);
      } catch {
        // Gone already, or the next server's.
      }
    },
  };
}
