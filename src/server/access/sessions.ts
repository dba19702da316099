import type { Account, AccountStore, StoredSession } from '../../store/accounts.ts';
import { digestOf, newId, newSessionToken } from './credentials.ts';
import type { Signed } from './policy.ts';

/**
 * Sessions are kept as digests in the store and survive a restart, so their times are Unix milliseconds: the monotonic
 * clock means nothing to the next process.
 */
export const SESSION_MS = 7 * 86_400_000;
/** A shift in the control room. An open page counts as use. */
export const SESSION_IDLE_MS = 12 * 3_600_000;
/** Use is written down at most this often: each write waits for the disk. */
const TOUCH_MS = 60_000;
/** The person whose proof is the machine itself. */
export const OWNER = 'owner';

export interface Sessions {
  /** @param account undefined: by the link */
  start(account: string | undefined, address: string, agent: string): Promise<{ token: string; expiresMs: number }>;
  /** Whom a token stands for; undefined where it is unknown, ended, too old, or its account is disabled. */
  find(token: string): Promise<Signed | undefined>;
}

export function createSessions(store: AccountStore, unixNow: () => number): Sessions {
  return {
    async start(account, address, agent) {
      const token = newSessionToken();
      const nowMs = unixNow();
      const expiresMs = nowMs + SESSION_MS;
      const times = { createdMs: nowMs, usedMs: nowMs, expiresMs };
      const about = { address, agent: agent.slice(0, 200) };
      await store.addSession({ id: newId(), digest: digestOf(token), account, ...times, ...about });
      return { token, expiresMs };
    },
    async find(token) {
      if (!token.startsWith('bbs_')) return undefined;
      const found = await store.sessionByDigest(digestOf(token));
      const nowMs = unixNow();
      if (found === undefined || !good(found.session, found.owner, nowMs)) return undefined;
      const { session, owner } = found;
      if (nowMs - session.usedMs > TOUCH_MS) await store.touchSession(session.id, nowMs);
      return {
        person:
          owner === undefined
            ? { name: OWNER, role: 'admin', via: 'link' }
            : { name: owner.name, role: owner.role, tenant: owner.tenant, via: 'session' },
        account: owner?.name,
        sessionId: session.id,
        expiresMs: session.expiresMs,
        tags: undefined,
      };
    },
  };
}

function good(session: StoredSession, owner: Account | undefined, nowMs: number): boolean {
  if (nowMs >= session.expiresMs || nowMs - session.usedMs >= SESSION_IDLE_MS) return false;
  return session.account === undefined || owner?.disabled === false;
}
