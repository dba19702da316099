import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { linkAll, linkOrCopy } from '../../store/history/files.ts';
import { copyDatabase, schemaOf, sync } from '../../store/migrate.ts';
import { lockFolder } from '../lock.ts';
import {
  createManifest,
  DATABASE,
  HISTORY,
  MANIFEST,
  SECRETS,
  sha256Of,
  SITE_FILE,
  sizeOf,
  totalBytes,
  type BackedUpFile,
  type Progress,
} from './manifest.ts';

/** Everything a backup is made of. */
export interface BackupPlan {
  /** Folder the backup becomes a folder of. */
  readonly to: string;
  readonly dataFolder: string;
  /** Links to the files of history, made at one moment; gone afterwards. */
  readonly links: string;
  readonly siteFile: string | undefined;
  readonly site: string;
  readonly version: string;
  readonly createdAt: Date;
  /** Older backups of the same site kept beside this one, itself included; undefined keeps all. */
  readonly keep: number | undefined;
}

export interface Backup {
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
  /** Paths of older ones that were removed. */
  readonly removed: readonly string[];
}

const PARTIAL = '.partial';
const slugOf = (site: string): string =>
  site
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 40) || 'site';

export const linksIn = (dataFolder: string): string => join(dataFolder, `${HISTORY}.links${PARTIAL}`);

/**
 * Writes a backup as `busbar-<site>-<UTC time>` below a folder. Until it is whole and on disk its name ends in
 * `.partial`; what a kill left of an earlier one goes first. The database is copied by a reader of its own, which in WAL
 * mode holds up no writer. Takes as long as the disk does: on a running site, in a thread of its own.
 * @throws Error where a disk does not take or give it
 */
export function writeBackup(plan: BackupPlan, progress: Progress): Backup {
  const { to, dataFolder, links, createdAt } = plan;
  const prefix = `busbar-${slugOf(plan.site)}-`;
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(to))
    if (name.startsWith(prefix) && name.endsWith(PARTIAL)) rmSync(join(to, name), { recursive: true, force: true });
  const path = freePath(join(to, `${prefix}${createdAt.toISOString().replaceAll(/[-:]|\.\d+/g, '')}`));
  const partial = `${path}${PARTIAL}`;
  mkdirSync(partial, { mode: 0o700 });
  try {
    const expected =
      (sizeOf(join(dataFolder, DATABASE)) ?? 0) + filesBelow(links).reduce((n, file) => n + (sizeOf(file) ?? 0), 0);
    progress(0, expected);
    const schema = backUpDatabase(join(dataFolder, DATABASE), join(partial, DATABASE));
    for (const file of filesBelow(links)) linkOrCopy(file, join(partial, HISTORY, relative(links, file)));
    copyPrivate(join(dataFolder, SECRETS), join(partial, SECRETS));
    if (plan.siteFile !== undefined) copyPrivate(plan.siteFile, join(partial, SITE_FILE));
    const files = listed(partial, progress);
    const about = { busbar: plan.version, schema, site: plan.site, createdAt: createdAt.toISOString(), files };
    const manifest = createManifest(about);
    writeFileSync(join(partial, MANIFEST), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o600 });
    for (const folder of new Set(filesBelow(partial).map((file) => join(file, '..')))) sync(folder);
    sync(join(partial, MANIFEST));
    renameSync(partial, path);
    sync(to);
    const bytes = totalBytes(manifest);
    return { path, bytes, files: files.length, removed: plan.keep === undefined ? [] : prune(to, prefix, plan.keep) };
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  } finally {
    rmSync(links, { recursive: true, force: true });
  }
}

/** @returns the schema of the copy */
function backUpDatabase(file: string, to: string): number {
  if (!existsSync(file)) throw new Error(`${file} is not there: nothing was ever run in this data folder`);
  const database = new DatabaseSync(file, { timeout: 5_000 });
  try {
    copyDatabase(database, to);
  } finally {
    database.close();
  }
  const copy = new DatabaseSync(to, { readOnly: true });
  try {
    return schemaOf(copy);
  } finally {
    copy.close();
  }
}

function copyPrivate(from: string, to: string): void {
  if (!existsSync(from)) return;
  copyFileSync(from, to);
  chmodSync(to, 0o600);
  sync(to);
}

function listed(folder: string, progress: Progress): BackedUpFile[] {
  const paths = filesBelow(folder).toSorted();
  const total = paths.reduce((sum, path) => sum + (sizeOf(path) ?? 0), 0);
  let done = 0;
  return paths.map((path) => {
    const bytes = sizeOf(path) ?? 0;
    const sha256 = sha256Of(path, (n) => progress(done + n, total));
    done += bytes;
    return { path: relative(folder, path).replaceAll('\\', '/'), bytes, sha256 };
  });
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Two backups within one second have each a name. */
function freePath(path: string): string {
  for (let n = 1; ; n += 1) {
    const candidate = n === 1 ? path : `${path}-${n}`;
    if (!existsSync(candidate)) return candidate;
  }
}

/** The oldest go: only folders of the same site that are backups. One that is half removed is a `.partial`. */
function prune(to: string, prefix: string, keep: number): string[] {
  const time = /^\d{8}T\d{6}Z(-\d+)?$/;
  const backups = readdirSync(to)
    .filter((name) => name.startsWith(prefix) && time.test(name.slice(prefix.length)))
    .filter((name) => existsSync(join(to, name, MANIFEST)))
    .toSorted();
  const gone = backups.slice(0, Math.max(0, backups.length - keep)).map((name) => join(to, name));
  for (const path of gone) {
    renameSync(path, `${path}${PARTIAL}`);
    rmSync(`${path}${PARTIAL}`, { recursive: true, force: true });
  }
  return gone;
}

export interface OfflineBackup {
  readonly dataFolder: string;
  readonly to: string;
  readonly siteFile: string | undefined;
  readonly site: string;
  readonly version: string;
  readonly now: Date;
  readonly keep: number | undefined;
}

/** Without a server: takes the lock of the data folder, so that none is started meanwhile. */
export async function backUpOffline(options: OfflineBackup, progress: Progress): Promise<Backup> {
  const { dataFolder, now, ...rest } = options;
  if (!existsSync(join(dataFolder, DATABASE))) throw new Error(`${dataFolder} holds no ledger of Busbar`);
  const release = await lockFolder(dataFolder);
  try {
    const links = linksIn(dataFolder);
    rmSync(links, { recursive: true, force: true });
    linkAll(join(dataFolder, HISTORY), links);
    return writeBackup({ ...rest, dataFolder, links, createdAt: now }, progress);
  } finally {
    release();
  }
}
