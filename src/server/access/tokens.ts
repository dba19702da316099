import { isoUtc } from '../../model/index.ts';
import type { Role } from '../../model/api.ts';
import type { AccountStore, StoredToken } from '../../store/accounts.ts';
import { apiTokenId, digestOf, newApiToken, newId, sameDigest } from './credentials.ts';
import { lesser, type Signed } from './policy.ts';

const DAY_MS = 86_400_000;
const TOUCH_MS = 60_000;

export interface TokenWish {
  readonly account: string;
  readonly name: string;
  readonly role: Role;
  readonly tags: readonly string[] | undefined;
  readonly days: number;
}

export interface Tokens {
  /** The token, told this once, and what is kept of it; undefined where the account has one of that name. */
  make(wish: TokenWish): Promise<{ token: string; row: StoredToken } | undefined>;
  /** Whom a token stands for, or why it is not good. What is wrong is told only to who holds the whole token. */
  find(token: string): Promise<Signed | { readonly refusal: string }>;
}

export function createTokens(store: AccountStore, unixNow: () => number): Tokens {
  return {
    async make({ days, ...wish }) {
      const id = newId();
      const token = newApiToken(id);
      const nowMs = unixNow();
      const times = { createdMs: nowMs, expiresMs: nowMs + days * DAY_MS, usedMs: undefined };
      const row: StoredToken = { id, digest: digestOf(token), ...wish, ...times };
      return (await store.addToken(row)) ? { token, row } : undefined;
    },
    async find(text) {
      const id = apiTokenId(text);
      const found = id === undefined ? undefined : await store.tokenById(id);
      if (found === undefined || !sameDigest(found.token.digest, digestOf(text)))
        return { refusal: 'this token is not known here: it was revoked, or is of another server' };
      const { token, owner } = found;
      const nowMs = unixNow();
      if (nowMs >= token.expiresMs)
        return {
          refusal: `the token "${token.name}" expired at ${isoUtc(token.expiresMs)}: make another with "busbar tokens create" or on the page`,
        };
      if (owner.disabled) return { refusal: `the account "${owner.name}" of this token is disabled` };
      if (nowMs - (token.usedMs ?? 0) > TOUCH_MS) await store.touchToken(token.id, nowMs);
      return {
        person: {
          name: owner.name,
          role: lesser(owner.role, token.role),
          tenant: owner.tenant,
          via: 'token',
          token: token.name,
        },
        account: owner.name,
        sessionId: undefined,
        expiresMs: token.expiresMs,
        tags: token.tags,
      };
    },
  };
}
