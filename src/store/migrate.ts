import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MIGRATIONS } from './schema.ts';

/** The schema this Busbar writes: how many migrations there are. */
export const SCHEMA = MIGRATIONS.length;

const COPY = '.before-migration-';

/** Migrations a database has had; 0 for a new one. */
export function schemaOf(database: DatabaseSync): number {
  const table = database.prepare(`select 1 from sqlite_schema where type = 'table' and name = 'migration'`).get();
  if (table === undefined) return 0;
  return (database.prepare('select count(*) as n from migration').get() as { n: number }).n;
}

/**
 * Brings a database to today's schema in one transaction: a kill leaves the old one or the new one, whole. A database
 * that holds something is first copied beside itself, as `<file>.before-migration-<number of the first one>`; the newest
 * copy is kept.
 * @param file where the database lies; `:memory:` is not copied
 * @throws Error where the database is of a newer Busbar
 */
export function migrate(database: DatabaseSync, file: string, migrations: readonly string[] = MIGRATIONS): void {
  const done = schemaOf(database);
  if (done > migrations.length) {
    throw new Error(
      `the store is of a newer Busbar (migration ${done}, this one knows ${migrations.length}): update Busbar, or use another data folder`,
    );
  }
  if (done === migrations.length) return;
  if (done > 0 && file !== ':memory:') keepCopy(database, file, done + 1);
  database.exec('begin immediate');
  try {
    database.exec(
      'create table if not exists migration (number integer primary key, at_ms integer not null default (unixepoch() * 1000)) strict',
    );
    for (const [i, sql] of migrations.entries()) {
      if (i < done) continue;
      database.exec(sql);
      database.prepare('insert into migration (number) values (?)').run(i + 1);
    }
    database.exec('commit');
  } catch (error) {
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
}

function keepCopy(database: DatabaseSync, file: string, number: number): void {
  const name = `${basename(file)}${COPY}${number}`;
  const folder = dirname(file);
  copyDatabase(database, join(folder, name));
  for (const other of readdirSync(folder))
    if (other.startsWith(`${basename(file)}${COPY}`) && other !== name) rmSync(join(folder, other), { force: true });
}

/**
 * A compact copy of the database as it is at this moment, readable by its owner alone; whole and on disk, or not there.
 * Others may write meanwhile: in WAL mode a reader holds nobody up.
 */
export function copyDatabase(database: DatabaseSync, to: string): void {
  const unfinished = `${to}.new`;
  rmSync(unfinished, { force: true });
  // SQLite fills an empty file and keeps its mode.
  closeSync(openSync(unfinished, 'wx', 0o600));
  database.prepare('vacuum into ?').run(unfinished);
  const copy = new DatabaseSync(unfinished, { readOnly: true });
  try {
    mustBeWhole(copy, unfinished);
  } finally {
    copy.close();
  }
  sync(unfinished);
  renameSync(unfinished, to);
  sync(dirname(to));
}

/** @throws Error where pages of the database are damaged */
export function mustBeWhole(database: DatabaseSync, file: string): void {
  const found = database.prepare('pragma quick_check(1)').get() as { quick_check: string } | undefined;
  if (found?.quick_check !== 'ok') throw new Error(`${file} is damaged: ${found?.quick_check ?? 'no answer'}`);
}

/** What was written to a file or folder is on disk when this returns. */
export function sync(path: string): void {
  // Folders cannot be opened on Windows, where renames are made lasting by the file system.
  if (process.platform === 'win32' || !existsSync(path)) return;
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
