import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { siteMs } from '../../model/index.ts';
import { linkOrCopy } from '../../store/history/files.ts';
import { sync } from '../../store/migrate.ts';
import { openSqlite } from '../../store/sqlite.ts';
import type { Act } from '../../store/store.ts';
import { lockFolder } from '../lock.ts';
import {
  DATABASE,
  HISTORY,
  MANIFEST,
  readManifest,
  SECRETS,
  SITE_FILE,
  verifyBackup,
  type Manifest,
  type Progress,
} from './manifest.ts';

/**
 * A restore in three steps, each whole or not done: the backup is copied into `restoring.partial` and that renamed to
 * `restoring`; the next start, before it opens anything, moves the present data to `before-restore-<time>` and the
 * restored to its place; when that is written down, `restoring` goes there too. A kill at any moment and a start end in
 * the old data or the new, whole.
 */

const STAGED = 'restoring';
const RECORD = 'restore.json';

const recordShape = z.object({
  who: z.string().min(1),
  why: z.string().min(1),
  /** Site clock and wall clock of the moment it was asked for, Unix milliseconds. */
  siteMs: z.number(),
  wallMs: z.number(),
  from: z.string(),
});
export type RestoreRecord = z.infer<typeof recordShape>;

/** The act that stands in both ledgers: that which goes, and that which comes. */
export const actOf = ({ who, why, siteMs: at, wallMs, from }: RestoreRecord): Act => ({
  id: `restore-${wallMs}`,
  at: siteMs(at),
  who,
  what: `restore ${from}`,
  why,
});

/** Verifies a backup and copies it beside the data it is to replace. @throws Error naming the first bad file */
export function stageRestore(backup: string, dataFolder: string, record: RestoreRecord, progress: Progress): Manifest {
  const staged = join(dataFolder, STAGED);
  if (existsSync(staged)) throw new Error(`a restore is under way in ${dataFolder} already: start the server`);
  const manifest = verifyBackup(backup, progress);
  const partial = `${staged}.partial`;
  rmSync(partial, { recursive: true, force: true });
  try {
    mkdirSync(join(partial, HISTORY), { recursive: true, mode: 0o700 });
    const folders = new Set([partial, join(partial, HISTORY)]);
    for (const { path } of manifest.files) {
      const to = join(partial, path);
      // Files of history never change: a link serves as well. The database will.
      if (path.startsWith(`${HISTORY}/`)) linkOrCopy(join(backup, path), to);
      else copyFileSync(join(backup, path), to);
      sync(to);
      folders.add(dirname(to));
    }
    copyFileSync(join(backup, MANIFEST), join(partial, MANIFEST));
    writeFileSync(join(partial, RECORD), JSON.stringify(record), { mode: 0o600 });
    sync(join(partial, RECORD));
    for (const folder of folders) sync(folder);
    renameSync(partial, staged);
    sync(dataFolder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
  return manifest;
}

const asideOf = (dataFolder: string, { wallMs }: RestoreRecord): string =>
  join(dataFolder, `before-restore-${new Date(wallMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`);

/**
 * Puts staged data in its place, where there is any. Every step may have been done before; nothing may be open.
 * @param rename for tests: a kill between any two steps
 * @returns who asked for it and why, until `settleRestore` is called
 */
export function swapRestored(
  dataFolder: string,
  rename: (from: string, to: string) => void = renameSync,
): RestoreRecord | undefined {
  const staged = join(dataFolder, STAGED);
  rmSync(`${staged}.partial`, { recursive: true, force: true });
  if (!existsSync(staged)) return undefined;
  const record = recordShape.parse(JSON.parse(readFileSync(join(staged, RECORD), 'utf8')));
  const aside = asideOf(dataFolder, record);
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  const move = (from: string, to: string): void => {
    if (!existsSync(from)) return;
    rename(from, to);
    sync(dirname(from));
    sync(dirname(to));
  };
  // While the restored one waits, what lies in its place is the old one. The log of a database goes before the
  // database: left behind, it would be played into the restored one.
  for (const names of [[`${DATABASE}-shm`, `${DATABASE}-wal`, DATABASE], [HISTORY], [SECRETS]]) {
    const name = names.at(-1)!;
    if (!existsSync(join(staged, name))) continue;
    for (const one of names) move(join(dataFolder, one), join(aside, one));
    move(join(staged, name), join(dataFolder, name));
  }
  return record;
}

/** The restore is written down in the restored ledger: what is left of it goes to the data it replaced. */
export function settleRestore(dataFolder: string, record: RestoreRecord): string {
  const aside = asideOf(dataFolder, record);
  renameSync(join(dataFolder, STAGED), join(aside, 'restored-from'));
  sync(dataFolder);
  return aside;
}

export interface RestoreLook {
  readonly manifest: Manifest;
  /** Where the site file of the backup lies, where it holds one: it is never put in place by itself. */
  readonly siteFile: string | undefined;
}

/** What a backup is, without a look at its files. @throws Error in words where it cannot be restored */
export function lookAt(backup: string): RestoreLook {
  const manifest = readManifest(backup);
  const has = manifest.files.some(({ path }) => path === SITE_FILE);
  return { manifest, siteFile: has ? join(backup, SITE_FILE) : undefined };
}

/** Without a server. @returns where the data that was replaced lies */
export async function restoreOffline(
  backup: string,
  dataFolder: string,
  record: RestoreRecord,
  progress: Progress,
): Promise<{ manifest: Manifest; before: string }> {
  const release = await lockFolder(dataFolder);
  try {
    // One that a kill cut off is finished first: it was asked for.
    finishOffline(dataFolder);
    const manifest = stageRestore(backup, dataFolder, record, progress);
    return { manifest, before: finishOffline(dataFolder)! };
  } finally {
    release();
  }
}

function finishOffline(dataFolder: string): string | undefined {
  const record = swapRestored(dataFolder);
  if (record === undefined) return undefined;
  const store = openSqlite(join(dataFolder, DATABASE));
  store.recordAct(actOf(record));
  store.close();
  return settleRestore(dataFolder, record);
}
