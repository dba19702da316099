import type { WallMs } from '../../model/index.ts';
import { digestOf, newSecret, sameDigest } from './credentials.ts';

/** One-time links sign in whoever sees the console of the server; they live on the monotonic clock, and in memory only. */
export const LINK_MS = 15 * 60_000;

export interface Links {
  /** A fresh token for a sign-in link: good once, and for a quarter of an hour. */
  issue(): string;
  /** Whether it was good; it is not any more. */
  redeem(token: string): boolean;
}

export function createLinks(wallNow: () => WallMs): Links {
  let links: { readonly digest: string; readonly until: number }[] = [];
  return {
    issue() {
      const token = newSecret();
      links.push({ digest: digestOf(token), until: wallNow() + LINK_MS });
      return token;
    },
    redeem(token) {
      const now = wallNow();
      const digest = digestOf(token);
      const found = links.find((link) => sameDigest(link.digest, digest));
      links = links.filter((link) => link !== found && link.until > now);
      return found !== undefined && found.until > now;
    },
  };
}
