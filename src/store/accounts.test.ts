import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Role } from '../model/api.ts';
import type { AccountStore, StoredSession, StoredToken } from './accounts.ts';
import { openStore, type Store } from './store.ts';

let folder: string;
let store: Store;
let accounts: AccountStore;
const file = () => join(folder, 'busbar.sqlite');
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-accounts-'));
  store = await openStore(file());
  accounts = store.accounts;
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const add = (name: string, role: Role) => accounts.add({ name, role, passwordHash: `hash of ${name}`, createdMs: 100 });
const session = (id: string, account: string | undefined, expiresMs = 1_000): StoredSession => ({
  id,
  digest: `digest ${id}`,
  account,
  createdMs: 100,
  usedMs: 200,
  expiresMs,
  address: '127.0.0.1',
  agent: 'a test',
});
const token = (id: string, account: string, name = id): StoredToken => ({
  id,
  digest: `digest ${id}`,
  account,
  name,
  role: 'viewer',
  tags: ['metrics'],
  createdMs: 100,
  expiresMs: 1_000,
  usedMs: undefined,
});

test('an account is added once, and found again as it was', async () => {
  expect(await accounts.count()).toBe(0);
  expect(await add('alice', 'admin')).toBe(true);
  expect(await add('alice', 'viewer')).toBe(false);
  expect(await accounts.find('alice')).toEqual({
    name: 'alice',
    role: 'admin',
    passwordHash: 'hash of alice',
    disabled: false,
    createdMs: 100,
    passwordMs: 100,
    failures: 0,
    failedMs: undefined,
    lockedUntilMs: undefined,
    signedInMs: undefined,
  });
  expect(await accounts.find('bob')).toBeUndefined();
  await expect(add('Bob', 'viewer')).rejects.toThrow(/constraint/i);
});

test('the last admin who can sign in cannot be demoted, disabled or removed; the last but one can', async () => {
  await add('alice', 'admin');
  await add('bob', 'operator');
  const tries = [
    () => accounts.setRole('alice', 'operator'),
    () => accounts.setDisabled('alice', true),
    () => accounts.remove('alice'),
  ];
  for (const attempt of tries) expect(await attempt()).toBe('last-admin');
  await accounts.setRole('bob', 'admin');
  expect(await accounts.setDisabled('bob', true)).toBe('done');
  for (const attempt of tries) expect(await attempt()).toBe('last-admin');
  await accounts.setDisabled('bob', false);
  expect(await accounts.setRole('alice', 'viewer')).toBe('done');
  expect(await accounts.remove('alice')).toBe('done');
  expect(await accounts.setRole('alice', 'viewer')).toBe('unknown');
});

test('a new password, another role, disabling and removing end the sessions of that account and of no other', async () => {
  const changes: (() => Promise<unknown>)[] = [
    () => accounts.setPassword('bob', 'new hash', 300),
    () => accounts.setRole('bob', 'operator'),
    () => accounts.setDisabled('bob', true),
    () => accounts.remove('bob'),
  ];
  await add('alice', 'admin');
  for (const change of changes) {
    await add('bob', 'viewer');
    await accounts.addSession(session('of-alice', 'alice'));
    await accounts.addSession(session('of-bob', 'bob'));
    await accounts.addSession(session('of-owner', undefined));
    await change();
    expect(await accounts.sessionByDigest('digest of-bob')).toBeUndefined();
    expect((await accounts.sessionByDigest('digest of-alice'))?.owner?.name).toBe('alice');
    expect((await accounts.sessionByDigest('digest of-owner'))?.owner).toBeUndefined();
    await accounts.endSessionsOf('alice');
    await accounts.endSessionsOf(undefined);
  }
});

test('sessions are ended one by one by their owner only, and outlive the process', async () => {
  await add('alice', 'admin');
  await add('bob', 'viewer');
  await accounts.addSession(session('one', 'alice'));
  await accounts.addSession(session('two', 'alice'));
  expect(await accounts.endSession('bob', 'one')).toBe(false);
  expect(await accounts.endSession(undefined, 'one')).toBe(false);
  expect(await accounts.endSession('alice', 'one')).toBe(true);
  await accounts.touchSession('two', 555);
  await store.close();
  store = await openStore(file());
  ({ accounts } = store);
  expect((await accounts.sessionByDigest('digest two'))?.session.usedMs).toBe(555);
  expect((await accounts.sessionsOf('alice')).map(({ id }) => id)).toEqual(['two']);
});

test('tokens: one name each, found with their owner, removed by the owner or by anybody who may', async () => {
  await add('alice', 'admin');
  await add('bob', 'viewer');
  expect(await accounts.addToken(token('t1', 'alice', 'ci'))).toBe(true);
  expect(await accounts.addToken(token('t2', 'alice', 'ci'))).toBe(false);
  expect(await accounts.addToken(token('t3', 'bob', 'ci'))).toBe(true);
  expect(await accounts.tokenById('t1')).toMatchObject({ token: token('t1', 'alice', 'ci'), owner: { name: 'alice' } });
  expect((await accounts.tokens()).map(({ id }) => id)).toEqual(['t1', 't3']);
  expect((await accounts.tokens('bob')).map(({ id }) => id)).toEqual(['t3']);
  await accounts.touchToken('t1', 700);
  expect((await accounts.tokenById('t1'))?.token.usedMs).toBe(700);
  expect(await accounts.removeToken('t1', 'bob')).toBeUndefined();
  expect((await accounts.removeToken('t1', 'alice'))?.name).toBe('ci');
  expect((await accounts.removeToken('t3'))?.account).toBe('bob');
  await accounts.addToken(token('t4', 'bob'));
  await accounts.remove('bob');
  expect(await accounts.tokenById('t4')).toBeUndefined();
});

test('failures and locks are kept, and end with a good sign-in or an admin', async () => {
  await add('alice', 'admin');
  await accounts.setFailures('alice', 10, 500, 900);
  expect(await accounts.find('alice')).toMatchObject({ failures: 10, failedMs: 500, lockedUntilMs: 900 });
  expect(await accounts.unlock('alice')).toBe(true);
  expect(await accounts.find('alice')).toMatchObject({ failures: 0, lockedUntilMs: undefined });
  await accounts.setFailures('alice', 3, 500, undefined);
  await accounts.signedIn('alice', 600);
  expect(await accounts.find('alice')).toMatchObject({ failures: 0, signedInMs: 600 });
  expect(await accounts.unlock('bob')).toBe(false);
});

test('the list counts what is good now, and shows no hash; pruning takes what has ended', async () => {
  await add('alice', 'admin');
  await accounts.addSession(session('old', 'alice', 400));
  await accounts.addSession(session('good', 'alice', 2_000));
  await accounts.addToken(token('t1', 'alice'));
  const [alice] = await accounts.list(500);
  expect(alice).toMatchObject({ name: 'alice', sessions: 1, tokens: 1 });
  expect(JSON.stringify(alice)).not.toContain('hash');
  await accounts.pruneAccess(500, 100, 1_001);
  expect((await accounts.sessionsOf('alice')).map(({ id }) => id)).toEqual(['good']);
  expect(await accounts.tokens()).toEqual([]);
});

test('a hash is renewed only where it is still the one that was checked', async () => {
  await add('alice', 'admin');
  await accounts.rehash('alice', 'hash of alice', 'stronger');
  expect((await accounts.find('alice'))?.passwordHash).toBe('stronger');
  await accounts.rehash('alice', 'hash of alice', 'late');
  expect((await accounts.find('alice'))?.passwordHash).toBe('stronger');
});
