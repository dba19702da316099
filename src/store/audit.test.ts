import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { siteMs, type Command } from '../model/index.ts';
import { verifyAudit } from './audit.ts';
import { MIGRATIONS } from './schema.ts';
import { openSqlite, type SqliteStore } from './sqlite.ts';
import { openStore } from './store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const file = () => join(folder, 'busbar.sqlite');

const act = (n: number) => ({
  id: `act-${n}`,
  at: siteMs(1_000 * n),
  who: 'ada',
  what: `curtail ${n} MW`,
  why: 'heat',
});
const command = (n: number, stage: Command['stage'], fault?: Command['fault']): Command => ({
  id: `c-${n}`,
  batchId: 'act-1',
  target: `m-${n}`,
  action: 'sleep',
  mode: 'sleep',
  who: 'ada',
  why: 'heat',
  stage,
  attempts: 1,
  fault,
  sentAt: siteMs(2_000),
  acknowledgedAt: undefined,
  seenInPowerAt: undefined,
  seenAtMeterAt: undefined,
});

function withStore(acts: number, work: (store: SqliteStore) => void = () => {}): void {
  const store = openSqlite(file());
  for (let n = 1; n <= acts; n += 1) store.recordAct(act(n));
  work(store);
  store.close();
}
function verified(heads: readonly string[] = []) {
  const database = new DatabaseSync(file());
  try {
    return verifyAudit(database, heads);
  } finally {
    database.close();
  }
}
/** As somebody does who has the file and no scruples. */
function tampered(...statements: string[]): void {
  const database = new DatabaseSync(file());
  database.exec('drop trigger audit_is_not_changed; drop trigger audit_is_not_cut; pragma foreign_keys = off');
  for (const statement of statements) database.exec(statement);
  database.close();
}

test('a record that nobody touched is whole, across restarts', () => {
  withStore(3);
  const first = verified();
  expect(first).toMatchObject({ entries: 3, broken: [] });
  withStore(0, (store) => store.recordAct(act(4)));
  expect(verified([first.head!])).toMatchObject({ entries: 4, headAtMs: 4_000, broken: [] });
});

test('the database refuses to change or delete an entry', () => {
  withStore(2, ({ database }) => {
    expect(() => database.exec(`update audit set body = 'x'`)).toThrow(/only added to/);
    expect(() => database.exec('delete from audit where seq = 2')).toThrow(/only added to/);
  });
});

describe('found, whoever did it', () => {
  test.each([
    [
      'an entry rewritten',
      [`update audit set body = replace(body, 'ada', 'bob') where seq = 2`],
      /entry 2 is not what/,
    ],
    ['an entry moved in time', ['update audit set at_ms = 9 where seq = 2'], /entry 2 is not what was written/],
    ['an entry taken out', ['delete from audit where seq = 2', `delete from act where id = 'act-2'`], /entries 2 to 2/],
    ['an act rewritten', [`update act set who = 'bob' where id = 'act-3'`], /act act-3 was changed.*by ada/],
    ['an act deleted', [`delete from act where id = 'act-3'`], /act act-3 of entry 3 is gone/],
    ['an act slipped in', [`insert into act values ('x', 1, 'bob', 'nothing', 'no')`], /act x is not in the chain/],
    [
      'two entries swapped',
      [
        'update audit set seq = -2 where seq = 2',
        'update audit set seq = 2 where seq = 3',
        'update audit set seq = 3 where seq = -2',
      ],
      /entry 2 does not follow/,
    ],
  ])('%s', (_, statements, words) => {
    withStore(4);
    tampered(...statements);
    expect(verified().broken.join('\n')).toMatch(words);
  });
});

test('an end cut off shows against a head kept elsewhere, and only then', () => {
  withStore(4);
  const { head } = verified();
  tampered('delete from audit where seq = 4', `delete from act where id = 'act-4'`);
  expect(verified().broken).toEqual([]);
  expect(verified([head!]).broken).toEqual([expect.stringContaining('cut off or written anew')]);
});

test('any byte changed in any entry is found', () => {
  withStore(5);
  const columns = ['at_ms', 'act_id', 'body', 'previous', 'hash'] as const;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.constantFrom(...columns), (seq, column) => {
      const database = new DatabaseSync(file());
      try {
        database.exec('drop trigger if exists audit_is_not_changed; begin');
        database.prepare(`update audit set ${column} = ${column} || '1' where seq = ?`).run(seq);
        expect(verifyAudit(database).broken).not.toEqual([]);
      } finally {
        database.exec('rollback');
        database.close();
      }
    }),
    { numRuns: 25 },
  );
});

test('what came of an act is told once, and again when it is not the same any more', () => {
  withStore(1, (store) => {
    store.saveCommands([command(1, 'seen-in-power'), command(2, 'failed', 'timeout'), command(3, 'failed', 'refused')]);
    store.recordResult('act-1', siteMs(3_000));
    store.recordResult('act-1', siteMs(4_000));
    store.saveCommands([command(1, 'seen-at-meter')]);
    store.recordResult('act-1', siteMs(5_000));
    const bodies = store.database.prepare('select at_ms, body from audit where seq > 1').all();
    expect(bodies).toEqual([
      {
        at_ms: 3_000,
        body: '{"kind":"result","byStage":{"failed":2,"seen-in-power":1},"faults":{"refused":1,"timeout":1}}',
      },
      {
        at_ms: 5_000,
        body: '{"kind":"result","byStage":{"failed":2,"seen-at-meter":1},"faults":{"refused":1,"timeout":1}}',
      },
    ]);
  });
  expect(verified()).toMatchObject({ entries: 3, broken: [] });
});

test('acts of before there was a chain begin it', async () => {
  const old = new DatabaseSync(file());
  const before = MIGRATIONS.findIndex((sql) => sql.includes('create table audit'));
  old.exec('create table migration (number integer primary key, at_ms integer not null default 0) strict');
  for (let i = 0; i < before; i += 1) {
    old.exec(MIGRATIONS[i]!);
    old.prepare('insert into migration (number) values (?)').run(i + 1);
  }
  old.exec(`insert into act values ('b', 2, 'ada', 'second', 'y'), ('a', 1, 'ada', 'first', 'y')`);
  old.close();
  const store = await openStore(file());
  expect(await store.auditHead()).toMatchObject({ entries: 2, at: 2 });
  store.recordAct(act(7));
  expect(await store.auditHead()).toMatchObject({ entries: 3, at: 7_000 });
  await store.close();
  expect(verified()).toMatchObject({ entries: 3, broken: [] });
});
