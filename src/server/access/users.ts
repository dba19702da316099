import type { z } from 'zod';
import type { Role, UserChange, userAdd } from '../../model/api.ts';
import type { AccountChange, AccountStore } from '../../store/accounts.ts';
import { ApiProblem } from '../problems.ts';
import type { Audit } from './audit.ts';
import { passwordProblem, type Passwords } from './passwords.ts';
import { foldName } from './sign-in.ts';

/** Names the record uses for others than people. */
const RESERVED = new Set(['busbar', 'guard', 'nobody', 'owner', 'planner', 'system']);
const NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/;
const NO_REASON = 'no reason given';

/** What admins do to accounts, with the rules. Throws ApiProblem. */
export interface Users {
  add(who: string, wish: z.output<typeof userAdd>): Promise<string>;
  change(who: string, name: string, change: UserChange): Promise<void>;
  remove(who: string, name: string): Promise<void>;
  /** @throws ApiProblem 400 where a password is too easily guessed */
  mustBeStrong(password: string, name: string): void;
}

/** @param tenants ids that the site file has now */
export function createUsers(
  store: AccountStore,
  passwords: Passwords,
  audit: Audit,
  unixNow: () => number,
  tenants: () => readonly string[],
): Users {
  function mustBeStrong(password: string, name: string): void {
    const problem = passwordProblem(password, name);
    if (problem !== undefined) throw new ApiProblem(400, 'Choose another password', problem);
  }
  /** A customer is somebody's customer, and nobody else is. */
  function mustBelong(role: Role, tenant: string | undefined): void {
    if (role !== 'customer') {
      if (tenant === undefined) return;
      throw new ApiProblem(400, 'Not of a tenant', `only a customer is of a tenant; ${role} sees the whole site`);
    }
    const known = tenants();
    if (tenant !== undefined && known.includes(tenant)) return;
    const said = tenant === undefined ? 'a customer needs its tenant' : `the site file has no tenant "${tenant}"`;
    const expected = known.length === 0 ? 'name it under tenants there first' : `expected one of ${known.join(', ')}`;
    throw new ApiProblem(400, 'Which tenant?', `${said}: ${expected}`);
  }
  const unknown = (name: string) => new ApiProblem(404, 'Not found', `nobody is called "${name}"`);

  return {
    mustBeStrong,
    async add(who, { name: typed, role, tenant, password, why }) {
      const name = foldName(typed);
      if (!NAME.test(name) || RESERVED.has(name)) {
        const rule = 'up to 64 letters a-z, digits and . _ @ -, not one of the names busbar itself has';
        throw new ApiProblem(400, 'Choose another name', `"${name}": ${rule}`);
      }
      mustBelong(role, tenant);
      mustBeStrong(password, name);
      const passwordHash = await passwords.hash(password);
      if (!(await store.add({ name, role, tenant, passwordHash, createdMs: unixNow() })))
        throw new ApiProblem(409, 'Taken', `somebody is called "${name}" already`);
      audit(who, `add account ${name} (${roleText(role, tenant)})`, why ?? NO_REASON);
      return name;
    },
    async change(who, typed, change) {
      const name = foldName(typed);
      if ('password' in change) {
        if ((await store.find(name)) === undefined) throw unknown(name);
        mustBeStrong(change.password, name);
      }
      const [what, outcome] = await apply(name, change);
      if (outcome === 'unknown') throw unknown(name);
      if (outcome === 'last-admin') throw lastAdmin(name);
      audit(who, what, change.why ?? NO_REASON);
    },
    async remove(who, typed) {
      const name = foldName(typed);
      const outcome = await store.remove(name);
      if (outcome === 'unknown') throw unknown(name);
      if (outcome === 'last-admin') throw lastAdmin(name);
      audit(who, `remove account ${name}`, NO_REASON);
    },
  };

  async function apply(name: string, change: UserChange): Promise<[string, AccountChange]> {
    if ('role' in change) {
      const { role, tenant } = change;
      mustBelong(role, tenant);
      return [`make ${name} ${roleText(role, tenant)}`, await store.setRole(name, role, tenant)];
    }
    if ('disabled' in change) {
      const what = `${change.disabled ? 'disable' : 'enable'} account ${name}`;
      return [what, await store.setDisabled(name, change.disabled)];
    }
    if ('unlock' in change) return [`unlock account ${name}`, (await store.unlock(name)) ? 'done' : 'unknown'];
    const done = await store.setPassword(name, await passwords.hash(change.password), unixNow());
    return [`set a new password for ${name}`, done ? 'done' : 'unknown'];
  }
}

const roleText = (role: Role, tenant: string | undefined): string =>
  tenant === undefined ? role : `${role} of ${tenant}`;

const lastAdmin = (name: string) =>
  new ApiProblem(409, 'The last admin', `${name} is the last admin who can sign in: make somebody else admin first`);
