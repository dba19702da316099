import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MIGRATIONS } from '../../src/store/schema.ts';
import { migrate, SCHEMA, schemaOf } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/store.ts';
import { ROOT } from '../support/site/small.ts';
import { seeded } from '../support/seeded.ts';

/** A ledger of the release before opens with today's store, and a kill while it is brought up leaves it whole. */

const RELEASED = readFileSync(join(import.meta.dirname, 'release-0.1.sql'), 'utf8');
let folder: string;
const file = () => join(folder, 'busbar.sqlite');
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-migrate-'));
  const database = new DatabaseSync(file());
  database.exec(RELEASED);
  database.close();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const TABLES = ['meta', 'interval', 'interval_line', 'plan', 'act', 'command', 'hold'];
function allRows(path: string): Record<string, unknown> {
  const database = new DatabaseSync(path);
  try {
    return Object.fromEntries(TABLES.map((table) => [table, database.prepare(`select * from ${table}`).all()]));
  } finally {
    database.close();
  }
}

test("every row of the release's ledger is found by today's store", async () => {
  const before = allRows(file());
  const store = await openStore(file());
  const [first, second] = await store.intervals(10);
  expect(first).toMatchObject({ importWh: 9_000_123, energyCost: 310_410_000, wakes: 3, planImportWh: 9_100_000 });
  expect(first!.lines).toHaveLength(4);
  expect(first!.lines.find(({ line }) => line === 'ai')).toMatchObject({ revenue: 98_765_432_109, penalty: 1_500_000 });
  expect(second).toMatchObject({ importWh: undefined, energyCost: undefined, coverage: 0.9921875, lines: [] });
  expect(await store.lastBooked()).toBe(1_774_306_800_000);
  expect(await store.acts(10)).toMatchObject([
    { id: 'hold-a-s21-1774306000000', who: 'owner', byStage: {} },
    { id: 'plan-1', byStage: { 'seen-at-meter': 1, failed: 1 } },
  ]);
  expect(await store.holds()).toEqual([{ cohortId: 'a-s21', who: 'owner', why: 'fans', since: 1_774_306_000_000 }]);
  expect(await store.getMeta('trust')).toBe('auto');
  expect(await store.getMeta('quoted')).toBe("it's; here");
  expect(await store.accounts.count()).toBe(0);
  expect(await store.shadows(10)).toEqual([]);
  await store.close();
  expect(allRows(file())).toEqual(before);
});

test('the database as it was is kept beside it, the newest only, and for its owner alone', async () => {
  const before = allRows(file());
  await (await openStore(file())).close();
  const copies = () => readdirSync(folder).filter((name) => name.includes('.before-migration-'));
  expect(copies()).toEqual(['busbar.sqlite.before-migration-2']);
  const copy = join(folder, 'busbar.sqlite.before-migration-2');
  expect(allRows(copy)).toEqual(before);
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  const kept = new DatabaseSync(copy);
  expect(schemaOf(kept)).toBe(1);
  kept.close();
  const database = new DatabaseSync(file());
  migrate(database, file(), [...MIGRATIONS, 'create table later (n integer) strict']);
  database.close();
  expect(copies()).toEqual([`busbar.sqlite.before-migration-${SCHEMA + 1}`]);
});

test('a new store has nothing to be kept, and one that is up to date is not copied', async () => {
  rmSync(file());
  await (await openStore(file())).close();
  await (await openStore(file())).close();
  expect(readdirSync(folder)).toEqual(['busbar.sqlite']);
});

test('a migration that fails undoes those before it', () => {
  const database = new DatabaseSync(file());
  expect(() => migrate(database, file(), [...MIGRATIONS, 'create table meta (n integer)'])).toThrow(/meta/);
  expect(schemaOf(database)).toBe(1);
  expect(database.prepare(`select name from sqlite_schema where name = 'account'`).all()).toEqual([]);
  database.close();
});

/** Work enough to be killed in the midst of. */
const LAST = `create table later (n integer primary key, text text) strict;
  insert into later with recursive t(n) as (select 1 union all select n + 1 from t where n < 300000)
    select n, hex(n * 7919) from t;
  create index later_text on later (text)`;

test('kill -9 while it is brought up leaves the old schema or the new one, whole', { timeout: 60_000 }, async () => {
  const before = allRows(file());
  const script = `
    import { DatabaseSync } from 'node:sqlite';
    import { migrate } from ${JSON.stringify(join(ROOT, 'src/store/migrate.ts'))};
    import { MIGRATIONS } from ${JSON.stringify(join(ROOT, 'src/store/schema.ts'))};
    const database = new DatabaseSync(${JSON.stringify(file())});
    process.stdout.write('go\\n');
    migrate(database, ${JSON.stringify(file())}, [...MIGRATIONS, ${JSON.stringify(LAST)}]);
    process.stdout.write('done\\n');`;
  const random = seeded(5);
  let killedWithin = 0;
  for (let round = 0; round < 8; round += 1) {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    const begun = new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        resolve();
      });
    });
    const gone = new Promise((resolve) => child.once('close', resolve));
    await begun;
    // The first moments are those of the copy.
    await pause(400 * random() ** 2);
    child.kill('SIGKILL');
    await gone;
    if (!said.includes('done')) killedWithin += 1;
    const database = new DatabaseSync(file());
    const has = (name: string) =>
      database.prepare('select 1 from sqlite_schema where name = ?').get(name) !== undefined;
    expect(database.prepare('pragma quick_check').all()).toEqual([{ quick_check: 'ok' }]);
    const isNew = schemaOf(database) === SCHEMA + 1;
    if (!isNew) expect(schemaOf(database)).toBe(1);
    expect([has('account'), has('shadow_interval'), has('later_text')]).toEqual([isNew, isNew, isNew]);
    database.close();
    expect(allRows(file())).toEqual(before);
    if (isNew) break;
  }
  expect(killedWithin).toBeGreaterThan(0);
  const database = new DatabaseSync(file());
  migrate(database, file(), [...MIGRATIONS, LAST]);
  expect(schemaOf(database)).toBe(SCHEMA + 1);
  database.close();
  expect(existsSync(`${file()}.before-migration-2.new`)).toBe(false);
});
