import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { migrate } from './migrate.ts';
import { MIGRATIONS } from './schema.ts';

test('accounts, sessions and tokens of before customers are kept, and still end with their account', () => {
  const database = new DatabaseSync(':memory:');
  database.exec('pragma foreign_keys = on');
  const before = MIGRATIONS.findIndex((sql) => sql.includes('account_of_2'));
  migrate(database, ':memory:', MIGRATIONS.slice(0, before));
  database.exec(`
    insert into account (name, role, password_hash, disabled, created_ms, password_ms, failures) values ('ann', 'admin', 'x', 0, 1, 2, 3);
    insert into access_session values ('s', 'd', 'ann', 1, 2, 3, 'a', 'b');
    insert into api_token values ('t', 'e', 'ann', 'ci', 'viewer', null, 1, 2, 3);
  `);
  migrate(database, ':memory:');
  expect(database.prepare('select name, role, failures, tenant from account').all()).toEqual([
    { name: 'ann', role: 'admin', failures: 3, tenant: null },
  ]);
  expect(database.prepare('select count(*) as n from api_token, access_session').get()).toEqual({ n: 1 });
  expect(database.prepare('pragma foreign_key_check').all()).toEqual([]);
  // A customer has a tenant, and nobody else has: no slip can make a customer see the whole site.
  expect(() => database.exec("update account set role = 'customer'")).toThrow(/CHECK/);
  expect(() => database.exec("update account set tenant = 'acme'")).toThrow(/CHECK/);
  database.exec("delete from account where name = 'ann'");
  expect(database.prepare('select count(*) as n from api_token').get()).toEqual({ n: 0 });
  expect(database.prepare('select count(*) as n from access_session').get()).toEqual({ n: 0 });
});
