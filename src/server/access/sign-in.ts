import type { Role } from '../../model/api.ts';
import type { Account, AccountStore } from '../../store/accounts.ts';
import { afterFailure, createStrangers, waitS, type Failures } from './lock-out.ts';
import type { Passwords } from './passwords.ts';

export type SignInResult =
  | { readonly kind: 'good'; readonly name: string; readonly role: Role }
  /** `known`: an account of that name exists. For the record only: the caller is told the same either way. */
  | { readonly kind: 'wrong'; readonly known: boolean; readonly lockedS: number }
  /** Not looked at. */
  | { readonly kind: 'locked'; readonly waitS: number };

/** Names are folded, so that nobody can be somebody else in capitals. */
export const foldName = (name: string): string => name.normalize('NFKC').trim().toLowerCase();

/**
 * Signs in by name and password. A name nobody has, a wrong password and a disabled account get the same answer after
 * the same work, and lock in the same way.
 */
export function createSignIn(store: AccountStore, passwords: Passwords, unixNow: () => number) {
  const strangers = createStrangers();
  /** One try for a name at a time: many at once must not all be looked at before the first failure counts. */
  const queues = new Map<string, Promise<unknown>>();

  async function attempt(name: string, password: string): Promise<SignInResult> {
    const account = await store.find(name);
    const before: Failures = account ?? strangers.get(name);
    const wait = waitS(before, unixNow());
    if (wait > 0) return { kind: 'locked', waitS: wait };
    const right = await passwords.verify(account?.passwordHash, password);
    if (right && account?.disabled === false) {
      await store.signedIn(name, unixNow());
      await renew(account, password);
      return { kind: 'good', name, role: account.role };
    }
    const after = afterFailure(before, unixNow());
    if (account === undefined) strangers.set(name, after);
    else await store.setFailures(name, after.failures, unixNow(), after.lockedUntilMs);
    return { kind: 'wrong', known: account !== undefined, lockedS: waitS(after, unixNow()) };
  }

  async function renew(account: Account, password: string): Promise<void> {
    if (!passwords.outdated(account.passwordHash)) return;
    await store.rehash(account.name, account.passwordHash, await passwords.hash(password));
  }

  return function signIn(typed: string, password: string): Promise<SignInResult> {
    const name = foldName(typed);
    const turn = (queues.get(name) ?? Promise.resolve()).catch(() => {}).then(() => attempt(name, password));
    queues.set(name, turn);
    const forget = () => {
      if (queues.get(name) === turn) queues.delete(name);
    };
    turn.then(forget, forget);
    return turn;
  };
}
