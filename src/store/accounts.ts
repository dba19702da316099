import type { DatabaseSync } from 'node:sqlite';
import type { Role } from '../model/api.ts';
import type { Tables } from './schema.ts';

/** All times here are Unix milliseconds: sessions outlive the process, and must not age faster on a fast site clock. */
export interface Account {
  /** Folded: lower case. */
  readonly name: string;
  readonly role: Role;
  /** Of a customer, and of nobody else. */
  readonly tenant: string | undefined;
  /** An argon2id hash in PHC form. */
  readonly passwordHash: string;
  readonly disabled: boolean;
  readonly createdMs: number;
  readonly passwordMs: number;
  /** Failed sign-ins since the last good one. */
  readonly failures: number;
  readonly failedMs: number | undefined;
  readonly lockedUntilMs: number | undefined;
  readonly signedInMs: number | undefined;
}

export interface AccountSummary extends Omit<Account, 'passwordHash'> {
  readonly sessions: number;
  readonly tokens: number;
}

export interface StoredSession {
  readonly id: string;
  /** SHA-256 of the session's token: what is stored opens nothing. */
  readonly digest: string;
  /** undefined: signed in by the link, by possession of the machine. */
  readonly account: string | undefined;
  readonly createdMs: number;
  readonly usedMs: number;
  readonly expiresMs: number;
  readonly address: string;
  readonly agent: string;
}

export interface StoredToken {
  readonly id: string;
  readonly digest: string;
  readonly account: string;
  readonly name: string;
  readonly role: Role;
  readonly tags: readonly string[] | undefined;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly usedMs: number | undefined;
}

export type AccountChange = 'done' | 'unknown' | 'last-admin';

/** People, their sessions and API tokens. Each call is one transaction. */
export interface AccountStore {
  /** How many accounts can sign in: those that are not disabled. */
  count(): Promise<number>;
  list(nowMs: number): Promise<readonly AccountSummary[]>;
  find(name: string): Promise<Account | undefined>;
  /** False where the name is taken. */
  add(
    account: Pick<Account, 'name' | 'role' | 'passwordHash' | 'createdMs'> & { readonly tenant?: string | undefined },
  ): Promise<boolean>;
  /** Also ends all sessions of the account, and opens its lock. False where there is no such account. */
  setPassword(name: string, passwordHash: string, nowMs: number): Promise<boolean>;
  /** The same password under newer parameters: ends nothing. Only where `oldHash` is still the one kept. */
  rehash(name: string, oldHash: string, passwordHash: string): Promise<void>;
  /** Ends all sessions of the account. The last admin that can sign in stays one. */
  setRole(name: string, role: Role, tenant?: string): Promise<AccountChange>;
  /** Disabling ends all sessions; tokens rest until the account is enabled again. */
  setDisabled(name: string, disabled: boolean): Promise<AccountChange>;
  /** With its sessions and tokens. */
  remove(name: string): Promise<AccountChange>;
  setFailures(name: string, failures: number, failedMs: number, lockedUntilMs: number | undefined): Promise<void>;
  signedIn(name: string, nowMs: number): Promise<void>;
  unlock(name: string): Promise<boolean>;

  addSession(session: StoredSession): Promise<void>;
  sessionByDigest(digest: string): Promise<{ session: StoredSession; owner: Account | undefined } | undefined>;
  touchSession(id: string, nowMs: number): Promise<void>;
  sessionsOf(account: string | undefined): Promise<readonly StoredSession[]>;
  /** False where the account has no such session. */
  endSession(account: string | undefined, id: string): Promise<boolean>;
  /** How many there were. */
  endSessionsOf(account: string | undefined): Promise<number>;

  /** False where the account has one of that name. */
  addToken(token: StoredToken): Promise<boolean>;
  tokenById(id: string): Promise<{ token: StoredToken; owner: Account } | undefined>;
  touchToken(id: string, nowMs: number): Promise<void>;
  /** Of one account, or of all. */
  tokens(account?: string): Promise<readonly StoredToken[]>;
  /** What was removed; `account` undefined: whoever owns it. */
  removeToken(id: string, account?: string): Promise<StoredToken | undefined>;
  /** Forgets sessions that ended or were last used before `idleBefore`, and tokens that ended before `tokensBefore`. */
  pruneAccess(nowMs: number, idleBeforeMs: number, tokensBeforeMs: number): Promise<void>;
}

/** The same, each call answered at once: what the thread of the store does. */
export type Sync<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => Promise<infer R> ? (...args: A) => R : T[K];
};

type Transaction = <T>(work: () => T) => T;
const orUndefined = <T>(value: T | null): T | undefined => value ?? undefined;

const toAccount = (row: Tables['account']): Account => ({
  name: row.name,
  role: row.role as Role,
  tenant: orUndefined(row.tenant),
  passwordHash: row.password_hash,
  disabled: row.disabled === 1,
  createdMs: row.created_ms,
  passwordMs: row.password_ms,
  failures: row.failures,
  failedMs: orUndefined(row.failed_ms),
  lockedUntilMs: orUndefined(row.locked_until_ms),
  signedInMs: orUndefined(row.signed_in_ms),
});

const toSession = (row: Tables['access_session']): StoredSession => ({
  id: row.id,
  digest: row.digest,
  account: orUndefined(row.account),
  createdMs: row.created_ms,
  usedMs: row.used_ms,
  expiresMs: row.expires_ms,
  address: row.address,
  agent: row.agent,
});

const toToken = (row: Tables['api_token']): StoredToken => ({
  id: row.id,
  digest: row.digest,
  account: row.account,
  name: row.name,
  role: row.role as Role,
  tags: row.tags === null ? undefined : (JSON.parse(row.tags) as string[]),
  createdMs: row.created_ms,
  expiresMs: row.expires_ms,
  usedMs: orUndefined(row.used_ms),
});

/** Prepared raw statements: a session is looked up at every request. */
export function accountStore(database: DatabaseSync, transaction: Transaction): Sync<AccountStore> {
  return {
    ...peopleStore(database, transaction),
    ...sessionStore(database),
    ...tokenStore(database),
    pruneAccess: (nowMs, idleBeforeMs, tokensBeforeMs) =>
      transaction(() => {
        database.prepare('delete from access_session where expires_ms <= ? or used_ms <= ?').run(nowMs, idleBeforeMs);
        database.prepare('delete from api_token where expires_ms < ?').run(tokensBeforeMs);
      }),
  };
}

function peopleStore(database: DatabaseSync, transaction: Transaction) {
  const find = database.prepare('select * from account where name = ?');
  const otherAdmins = database.prepare(
    `select count(*) as n from account where role = 'admin' and disabled = 0 and name <> ?`,
  );
  const endSessions = database.prepare('delete from access_session where account = ?');
  const byName = (name: string) => find.get(name) as Tables['account'] | undefined;

  /** Does what would leave no admin only where there is another. */
  const change = (name: string, losesAdmin: boolean, work: () => void): AccountChange =>
    transaction(() => {
      const row = byName(name);
      if (row === undefined) return 'unknown';
      const isAdmin = row.role === 'admin' && row.disabled === 0;
      if (isAdmin && losesAdmin && (otherAdmins.get(name) as { n: number }).n === 0) return 'last-admin';
      work();
      return 'done';
    });

  return {
    count: () => (database.prepare('select count(*) as n from account where disabled = 0').get() as { n: number }).n,
    list(nowMs: number) {
      const rows = database
        .prepare(
          `select a.*,
             (select count(*) from access_session s where s.account = a.name and s.expires_ms > :now) as sessions,
             (select count(*) from api_token t where t.account = a.name and t.expires_ms > :now) as tokens
           from account a order by a.name`,
        )
        .all({ now: nowMs }) as (Tables['account'] & { sessions: number; tokens: number })[];
      return rows.map((row) => {
        const { passwordHash: _, ...account } = toAccount(row);
        return { ...account, sessions: row.sessions, tokens: row.tokens };
      });
    },
    find(name: string) {
      const row = byName(name);
      return row === undefined ? undefined : toAccount(row);
    },
    add({ name, role, tenant, passwordHash, createdMs }: Parameters<AccountStore['add']>[0]) {
      const { changes } = database
        .prepare(
          `insert into account (name, role, tenant, password_hash, disabled, created_ms, password_ms, failures)
           values (?, ?, ?, ?, 0, ?, ?, 0) on conflict (name) do nothing`,
        )
        .run(name, role, tenant ?? null, passwordHash, createdMs, createdMs);
      return changes === 1;
    },
    setPassword: (name: string, passwordHash: string, nowMs: number) =>
      transaction(() => {
        endSessions.run(name);
        const { changes } = database
          .prepare(
            'update account set password_hash = ?, password_ms = ?, failures = 0, locked_until_ms = null where name = ?',
          )
          .run(passwordHash, nowMs, name);
        return changes === 1;
      }),
    rehash(name: string, oldHash: string, passwordHash: string) {
      database
        .prepare('update account set password_hash = ? where name = ? and password_hash = ?')
        .run(passwordHash, name, oldHash);
    },
    setRole: (name: string, role: Role, tenant?: string) =>
      change(name, role !== 'admin', () => {
        database.prepare('update account set role = ?, tenant = ? where name = ?').run(role, tenant ?? null, name);
        endSessions.run(name);
      }),
    setDisabled: (name: string, disabled: boolean) =>
      change(name, disabled, () => {
        database.prepare('update account set disabled = ? where name = ?').run(disabled ? 1 : 0, name);
        endSessions.run(name);
      }),
    remove: (name: string) =>
      change(name, true, () => void database.prepare('delete from account where name = ?').run(name)),
    setFailures(name: string, failures: number, failedMs: number, lockedUntilMs: number | undefined) {
      database
        .prepare('update account set failures = ?, failed_ms = ?, locked_until_ms = ? where name = ?')
        .run(failures, failedMs, lockedUntilMs ?? null, name);
    },
    signedIn(name: string, nowMs: number) {
      database
        .prepare('update account set failures = 0, locked_until_ms = null, signed_in_ms = ? where name = ?')
        .run(nowMs, name);
    },
    unlock(name: string) {
      const { changes } = database
        .prepare('update account set failures = 0, locked_until_ms = null where name = ?')
        .run(name);
      return changes === 1;
    },
  };
}

function sessionStore(database: DatabaseSync) {
  const find = database.prepare('select * from access_session where digest = ?');
  const owner = database.prepare('select * from account where name = ?');
  const touch = database.prepare('update access_session set used_ms = ? where id = ?');
  return {
    addSession(s: StoredSession) {
      database
        .prepare('insert into access_session values (?, ?, ?, ?, ?, ?, ?, ?)')
        .run(s.id, s.digest, s.account ?? null, s.createdMs, s.usedMs, s.expiresMs, s.address, s.agent);
    },
    sessionByDigest(digest: string) {
      const row = find.get(digest) as Tables['access_session'] | undefined;
      if (row === undefined) return undefined;
      const account = row.account === null ? undefined : (owner.get(row.account) as Tables['account'] | undefined);
      return { session: toSession(row), owner: account === undefined ? undefined : toAccount(account) };
    },
    touchSession(id: string, nowMs: number) {
      touch.run(nowMs, id);
    },
    sessionsOf(account: string | undefined) {
      const rows = database
        .prepare('select * from access_session where account is ? order by used_ms desc, id')
        .all(account ?? null);
      return (rows as unknown as Tables['access_session'][]).map(toSession);
    },
    endSession(account: string | undefined, id: string) {
      const { changes } = database
        .prepare('delete from access_session where account is ? and id = ?')
        .run(account ?? null, id);
      return changes === 1;
    },
    endSessionsOf(account: string | undefined) {
      return Number(database.prepare('delete from access_session where account is ?').run(account ?? null).changes);
    },
  };
}

function tokenStore(database: DatabaseSync) {
  const find = database.prepare('select * from api_token where id = ?');
  const owner = database.prepare('select * from account where name = ?');
  const touch = database.prepare('update api_token set used_ms = ? where id = ?');
  return {
    addToken(t: StoredToken) {
      const tags = t.tags === undefined ? null : JSON.stringify(t.tags);
      const { changes } = database
        .prepare('insert into api_token values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (account, name) do nothing')
        .run(t.id, t.digest, t.account, t.name, t.role, tags, t.createdMs, t.expiresMs, t.usedMs ?? null);
      return changes === 1;
    },
    tokenById(id: string) {
      const row = find.get(id) as Tables['api_token'] | undefined;
      if (row === undefined) return undefined;
      return { token: toToken(row), owner: toAccount(owner.get(row.account) as unknown as Tables['account']) };
    },
    touchToken(id: string, nowMs: number) {
      touch.run(nowMs, id);
    },
    tokens(account?: string) {
      const rows = database
        .prepare('select * from api_token where ?1 is null or account = ?1 order by account, name')
        .all(account ?? null);
      return (rows as unknown as Tables['api_token'][]).map(toToken);
    },
    removeToken(id: string, account?: string) {
      const row = database
        .prepare('delete from api_token where id = ?1 and (?2 is null or account = ?2) returning *')
        .get(id, account ?? null) as Tables['api_token'] | undefined;
      return row === undefined ? undefined : toToken(row);
    },
  };
}
