import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { WallMs } from '../model/index.ts';

/** One-time links sign in the person who started the server; all times are on the wall clock. */
const LINK_MS = 15 * 60_000;
const SESSION_MS = 12 * 3_600_000;

export interface SessionInfo {
  readonly who: string;
  readonly role: 'admin';
}

export interface Access {
  /** A fresh token for a sign-in link: good once, and for a quarter of an hour. */
  issueLink(): string;
  /** Trades a link's token for a session token; undefined when it is wrong, used or too old. */
  signIn(token: string): string | undefined;
  session(token: string | undefined): SessionInfo | undefined;
  signOut(token: string): void;
}

/** Only digests are kept: a dump of memory shows no token. */
const digest = (token: string): Buffer => createHash('sha256').update(token).digest();

export function createAccess(wallNow: () => WallMs): Access {
  let links: { readonly hash: Buffer; readonly until: number }[] = [];
  const sessions = new Map<string, { readonly info: SessionInfo; readonly until: number }>();

  return {
    issueLink() {
      const token = randomBytes(24).toString('base64url');
      links.push({ hash: digest(token), until: wallNow() + LINK_MS });
      return token;
    },
    signIn(token) {
      const now = wallNow();
      const hash = digest(token);
      const found = links.find((link) => timingSafeEqual(link.hash, hash));
      links = links.filter((link) => link !== found && link.until > now);
      if (found === undefined || found.until <= now) return undefined;
      const session = randomBytes(32).toString('base64url');
      for (const [key, { until }] of sessions) if (until <= now) sessions.delete(key);
      sessions.set(digest(session).toString('hex'), { info: { who: 'owner', role: 'admin' }, until: now + SESSION_MS });
      return session;
    },
    session(token) {
      if (token === undefined) return undefined;
      const found = sessions.get(digest(token).toString('hex'));
      return found !== undefined && found.until > wallNow() ? found.info : undefined;
    },
    signOut(token) {
      sessions.delete(digest(token).toString('hex'));
    },
  };
}

/**
 * Names by which this server may be called. A page of elsewhere that rebinds its own name to 127.0.0.1 sends that
 * name as Host, and is refused.
 */
export function hostAllowed(host: string | undefined, port: number): boolean {
  if (host === undefined) return false;
  return [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host.toLowerCase());
}

/** A browser names the page a request comes from: only our own may ask. Programs send no Origin. */
export function originAllowed(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || (host !== undefined && origin.toLowerCase() === `http://${host.toLowerCase()}`);
}
