import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStore, type Store } from '../../store/store.ts';
import { createSessions, SESSION_IDLE_MS, SESSION_MS } from './sessions.ts';
import { createSignIn } from './sign-in.ts';
import type { Passwords } from './passwords.ts';
import { createTokens } from './tokens.ts';

/** Sessions, tokens and sign-ins on a real store, with the clock in the test's hand and hashing made plain. */

let store: Store;
let now: number;
const clock = () => now;
beforeEach(async () => {
  store = await openStore(':memory:');
  now = 1_000_000;
  await store.accounts.add({ name: 'alice', role: 'operator', passwordHash: 'old:right', createdMs: now });
});
afterEach(() => store.close());

function plainPasswords() {
  const checks: string[] = [];
  const passwords: Passwords = {
    hash: async (password) => `new:${password}`,
    verify: async (hash, password) => {
      checks.push(password);
      return hash?.split(':')[1] === password;
    },
    outdated: (hash) => hash.startsWith('old:'),
  };
  return { passwords, checks };
}

test('a session ends when it has not been used for a shift, and after a week in any case', async () => {
  const sessions = createSessions(store.accounts, clock);
  const { token } = await sessions.start('alice', '127.0.0.1', 'a test');
  const began = now;
  while (now < began + SESSION_MS - SESSION_IDLE_MS) {
    now += SESSION_IDLE_MS - 1;
    expect(await sessions.find(token), `after ${(now - began) / 3_600_000} h`).toMatchObject({
      person: { name: 'alice', role: 'operator', via: 'session' },
    });
  }
  now = began + SESSION_MS;
  expect(await sessions.find(token)).toBeUndefined();
  const idle = await sessions.start('alice', '127.0.0.1', 'a test');
  now += SESSION_IDLE_MS;
  expect(await sessions.find(idle.token)).toBeUndefined();
});

test('wrong, empty and foreign tokens are nobody; the link is the owner', async () => {
  const sessions = createSessions(store.accounts, clock);
  const { token } = await sessions.start(undefined, '127.0.0.1', 'a test');
  expect(await sessions.find(token)).toMatchObject({ person: { name: 'owner', role: 'admin', via: 'link' } });
  for (const other of ['', 'bbs_', `${token}x`, token.slice(4), token.toUpperCase()])
    expect(await sessions.find(other), other).toBeUndefined();
});

test('a token may what its owner may now, and never more than its own role', async () => {
  const tokens = createTokens(store.accounts, clock);
  const wish = { account: 'alice', name: 'ci', role: 'operator', tags: undefined, days: 1 } as const;
  const { token } = (await tokens.make(wish))!;
  expect(await tokens.make(wish)).toBeUndefined();
  const role = async () => {
    const found = await tokens.find(token);
    return 'refusal' in found ? found.refusal : found.person.role;
  };
  expect(await role()).toBe('operator');
  await store.accounts.setRole('alice', 'viewer');
  expect(await role()).toBe('viewer');
  await store.accounts.setRole('alice', 'admin');
  expect(await role()).toBe('operator');
  await store.accounts.add({ name: 'bob', role: 'admin', passwordHash: 'x', createdMs: now });
  await store.accounts.setDisabled('alice', true);
  expect(await role()).toMatch(/disabled/);
  await store.accounts.setDisabled('alice', false);
  now += 86_400_000;
  expect(await role()).toMatch(/expired at 1970-01-02T00:16:40Z/);
});

test('a good sign-in under old parameters renews the hash, and the next needs none', async () => {
  const { passwords } = plainPasswords();
  const signIn = createSignIn(store.accounts, passwords, clock);
  expect(await signIn(' ALICE', 'right')).toEqual({ kind: 'good', name: 'alice', role: 'operator' });
  expect(await store.accounts.find('alice')).toMatchObject({ passwordHash: 'new:right', signedInMs: now });
  expect(await signIn('alice', 'right')).toMatchObject({ kind: 'good' });
});

test('a known and an unknown name cost the same work and lock alike, over a restart too', async () => {
  const { passwords, checks } = plainPasswords();
  const signIn = createSignIn(store.accounts, passwords, clock);
  for (const name of ['alice', 'nobody']) {
    checks.length = 0;
    for (let i = 0; i < 4; i += 1) expect(await signIn(name, 'wrong')).toMatchObject({ kind: 'wrong', lockedS: 0 });
    expect(await signIn(name, 'wrong')).toMatchObject({ kind: 'wrong', lockedS: 2 });
    expect(await signIn(name, 'right')).toEqual({ kind: 'locked', waitS: 2 });
    expect(checks).toHaveLength(5);
  }
  const later = createSignIn(store.accounts, passwords, clock);
  expect(await later('alice', 'right')).toEqual({ kind: 'locked', waitS: 2 });
  now += 2_000;
  expect(await later('alice', 'right')).toMatchObject({ kind: 'good' });
  expect(await store.accounts.find('alice')).toMatchObject({ failures: 0, lockedUntilMs: undefined });
});
