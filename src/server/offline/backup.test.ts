import { spawn } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seeded } from '../../../test/support/seeded.ts';
import { siteMs } from '../../model/index.ts';
import { SCHEMA } from '../../store/migrate.ts';
import { openSqlite } from '../../store/sqlite.ts';
import { backUpOffline, type Backup } from './backup.ts';
import { readManifest, verifyBackup, type Manifest } from './manifest.ts';
import { restoreOffline, settleRestore, stageRestore, swapRestored, type RestoreRecord } from './restore.ts';

let folder: string;
let data: string;
const backups = () => join(folder, 'backups');
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-backup-'));
  data = join(folder, 'data');
  fill(data, 'old', 20);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const quiet = () => {};
const dayFile = (n: number) => join('history', 'raw', '2026-11-22', `${String(n % 24).padStart(2, '0')}-${n}.parquet`);

/** A data folder in which every file says of which state it is. */
function fill(at: string, state: string, files: number, fileBytes = 1_000): void {
  mkdirSync(join(at, 'history', 'raw', '2026-11-22'), { recursive: true, mode: 0o700 });
  const store = openSqlite(join(at, 'busbar.sqlite'));
  store.setMeta('state', state);
  store.recordAct({ id: `act of ${state}`, at: siteMs(1), who: 'a test', what: 'fills', why: 'x'.repeat(fileBytes) });
  store.close();
  for (let n = 1; n <= files; n += 1)
    writeFileSync(join(at, dayFile(n)), Buffer.alloc(fileBytes, `${state} ${n} `), { mode: 0o600 });
  writeFileSync(join(at, 'secrets.vault'), `encrypted ${state}`, { mode: 0o600 });
}

/** Of which state a data folder is. @throws where its parts are of several */
function stateOf(at: string, files: number): string {
  const store = openSqlite(join(at, 'busbar.sqlite'));
  const state = store.getMeta('state')!;
  expect(store.acts(5).map(({ id }) => id)).toContain(`act of ${state}`);
  store.close();
  const history = readdirSync(join(at, 'history', 'raw', '2026-11-22'));
  expect(history).toHaveLength(files);
  for (let n = 1; n <= files; n += 1)
    expect(readFileSync(join(at, dayFile(n)), 'utf8').startsWith(`${state} ${n} `)).toBe(true);
  expect(readFileSync(join(at, 'secrets.vault'), 'utf8')).toBe(`encrypted ${state}`);
  return state;
}

const backUp = (now = '2026-11-22T10:00:00.000Z', keep?: number): Promise<Backup> => {
  const site = { siteFile: undefined, site: 'Yard 2 (MW)', version: '9.9.9' };
  return backUpOffline({ dataFolder: data, to: backups(), ...site, now: new Date(now), keep }, quiet);
};
const record = (from: string, wallMs = 1_700_000_000_000): RestoreRecord => ({
  who: 'alice',
  why: 'a disk died',
  siteMs: 5_000,
  wallMs,
  from,
});

test('a backup holds everything under its name, with size and checksum of each file, and the key of nothing', async () => {
  const { path, bytes, files } = await backUp();
  expect(path).toBe(join(backups(), 'busbar-yard-2-mw-20261122T100000Z'));
  const manifest = verifyBackup(path, quiet);
  expect(manifest).toMatchObject({ format: 1, busbar: '9.9.9', schema: SCHEMA, site: 'Yard 2 (MW)' });
  expect(manifest.createdAt).toBe('2026-11-22T10:00:00.000Z');
  expect(manifest.secrets).toMatch(/key .* is in no backup/);
  expect(manifest.files.map((file) => file.path)).toEqual(
    ['busbar.sqlite', ...Array.from({ length: 20 }, (_, i) => dayFile(i + 1)), 'secrets.vault'].toSorted(),
  );
  expect([bytes, files]).toEqual([manifest.files.reduce((sum, file) => sum + file.bytes, 0), 22]);
  expect(stateOf(path, 20)).toBe('old');
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const { mode } = statSync(join(entry.parentPath, entry.name));
    expect([entry.name, mode & 0o777]).toEqual([entry.name, entry.isDirectory() ? 0o700 : 0o600]);
  }
  expect(readdirSync(data).toSorted()).toEqual(['busbar.sqlite', 'history', 'secrets.vault']);
});

test('only so many are kept, of this site alone, and what a kill left goes with the next', async () => {
  mkdirSync(join(backups(), 'busbar-yard-2-mw-20261101T000000Z.partial'), { recursive: true });
  mkdirSync(join(backups(), 'busbar-other-20261101T000000Z'), { recursive: true });
  await backUp('2026-11-20T10:00:00Z', 2);
  await backUp('2026-11-21T10:00:00Z', 2);
  const { removed } = await backUp('2026-11-22T10:00:00Z', 2);
  expect(removed).toEqual([join(backups(), 'busbar-yard-2-mw-20261120T100000Z')]);
  expect(readdirSync(backups()).toSorted()).toEqual([
    'busbar-other-20261101T000000Z',
    'busbar-yard-2-mw-20261121T100000Z',
    'busbar-yard-2-mw-20261122T100000Z',
  ]);
});

test('the first bad file is named, and nothing is touched', async () => {
  const { path } = await backUp();
  const spoil: readonly [string, (file: string) => void, RegExp][] = [
    [dayFile(3), (file) => rmSync(file), /is missing/],
    [dayFile(3), (file) => truncateSync(file, 10), /10 bytes in place of 1000/],
    ['busbar.sqlite', (file) => appendFileSync(file, 'x'), /bytes in place of/],
    ['secrets.vault', (file) => writeFileSync(file, 'encrypted odd'), /SHA-256 differs/],
    ['manifest.json', (file) => writeFileSync(file, '{"format":1'), /is damaged/],
    ['manifest.json', (file) => rmSync(file), /is no backup/],
  ];
  for (const [name, damage, why] of spoil) {
    const copy = join(folder, 'spoilt');
    cpSync(path, copy, { recursive: true });
    rmSync(join(copy, name));
    cpSync(join(path, name), join(copy, name));
    damage(join(copy, name));
    await expect(restoreOffline(copy, data, record(copy), quiet)).rejects.toThrow(why);
    await expect(restoreOffline(copy, data, record(copy), quiet)).rejects.toThrow(name);
    rmSync(copy, { recursive: true });
  }
  expect(stateOf(data, 20)).toBe('old');
  expect(readdirSync(data).toSorted()).toEqual(['busbar.sqlite', 'history', 'secrets.vault']);
});

test('a backup of a newer Busbar, or one whose paths lead elsewhere, is refused', async () => {
  const { path } = await backUp();
  const file = join(path, 'manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  writeFileSync(file, JSON.stringify({ ...manifest, schema: SCHEMA + 1 }));
  expect(() => readManifest(path)).toThrow(/made by Busbar 9\.9\.9 .*update Busbar/);
  for (const bad of ['../outside', '/etc/passwd', 'history/../../outside', 'history/./x']) {
    writeFileSync(file, JSON.stringify({ ...manifest, files: [{ ...manifest.files[0], path: bad }] }));
    expect(() => readManifest(path), bad).toThrow(/is damaged/);
  }
});

test('a restore puts everything back, keeps what it replaced, and is written down with who and why', async () => {
  const { path } = await backUp();
  rmSync(join(data, 'history'), { recursive: true });
  fill(data, 'new', 7);
  const { before } = await restoreOffline(path, data, record(path), quiet);
  expect(stateOf(data, 20)).toBe('old');
  expect(stateOf(before, 7)).toBe('new');
  const store = openSqlite(join(data, 'busbar.sqlite'));
  expect(store.acts(1)).toMatchObject([{ who: 'alice', what: `restore ${path}`, why: 'a disk died', at: 5_000 }]);
  store.close();
  expect(readdirSync(data).toSorted()).toEqual([
    'before-restore-20231114T221320Z',
    'busbar.sqlite',
    'history',
    'secrets.vault',
  ]);
  // Files of history are links: what becomes of the restored ones must not reach the backup.
  rmSync(join(data, 'history'), { recursive: true });
  verifyBackup(path, quiet);
});

test('secrets stay where the backup has none', async () => {
  rmSync(join(data, 'secrets.vault'));
  const { path } = await backUp();
  expect(readManifest(path).secrets).toBe('none were kept');
  writeFileSync(join(data, 'secrets.vault'), 'made later');
  await restoreOffline(path, data, record(path), quiet);
  expect(readFileSync(join(data, 'secrets.vault'), 'utf8')).toBe('made later');
});

test('cut off between any two steps of the swap, the next start ends it: new data in place, the old aside, both whole', async () => {
  const { path } = await backUp();
  rmSync(data, { recursive: true });
  fill(data, 'new', 7);
  const wal = join(data, 'busbar.sqlite-wal');
  stageRestore(path, data, record(path), quiet);
  writeFileSync(wal, 'what a killed server left: it must never be played into the restored database');
  let steps = 0;
  for (let cut = 0; ; cut += 1) {
    const at = join(folder, `cut-${cut}`);
    cpSync(data, at, { recursive: true, preserveTimestamps: true });
    steps = 0;
    const rename = (from: string, to: string) => {
      if (steps === cut) throw new Error('killed');
      steps += 1;
      renameSync(from, to);
    };
    let cutOff = false;
    try {
      swapRestored(at, rename);
    } catch (error) {
      expect(error).toMatchObject({ message: 'killed' });
      cutOff = true;
    }
    const asked = swapRestored(at)!;
    // Killed before it was written down: the next start is told again.
    expect(swapRestored(at)).toEqual(asked);
    const before = settleRestore(at, asked);
    expect(swapRestored(at)).toBeUndefined();
    expect(existsSync(join(at, 'busbar.sqlite-wal'))).toBe(false);
    expect(readFileSync(join(before, 'busbar.sqlite-wal'), 'utf8')).toMatch(/never be played/);
    rmSync(join(before, 'busbar.sqlite-wal'));
    expect(stateOf(at, 20)).toBe('old');
    expect(stateOf(before, 7)).toBe('new');
    rmSync(at, { recursive: true });
    if (!cutOff) break;
  }
  expect(steps).toBe(7);
});

/** Starts a script, and kills it a while after it said that it begins. @returns whether it was done before */
async function killedAfter(ms: number, script: string): Promise<boolean> {
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
  await pause(ms);
  child.kill('SIGKILL');
  await gone;
  return said.includes('done');
}
const from = (name: string) => JSON.stringify(join(import.meta.dirname, name));
const FILES = 60;
const FILE_BYTES = 400_000;

test(
  'kill -9 in a backup leaves a whole one or a .partial, which the next one removes',
  { timeout: 60_000 },
  async () => {
    rmSync(data, { recursive: true });
    fill(data, 'old', FILES, FILE_BYTES);
    const script = `
    import { backUpOffline } from ${from('backup.ts')};
    process.stdout.write('go\\n');
    await backUpOffline({ dataFolder: ${JSON.stringify(data)}, to: ${JSON.stringify(backups())}, siteFile: undefined,
      site: 'yard', version: '1', now: new Date(), keep: undefined }, () => {});
    process.stdout.write('done\\n');`;
    const random = seeded(11);
    let cutOff = 0;
    for (let round = 0; round < 6; round += 1) {
      if (!(await killedAfter(round === 0 ? 0 : 90 * random(), script))) cutOff += 1;
      const partial: string[] = [];
      for (const name of existsSync(backups()) ? readdirSync(backups()) : []) {
        if (name.endsWith('.partial')) partial.push(name);
        else verifyBackup(join(backups(), name), quiet);
      }
      expect(partial.length).toBeLessThanOrEqual(1);
      expect(stateOf(data, FILES)).toBe('old');
    }
    expect(cutOff).toBeGreaterThan(0);
    const last = await backUpOffline(
      { dataFolder: data, to: backups(), siteFile: undefined, site: 'yard', version: '1', now: new Date(), keep: 1 },
      quiet,
    );
    expect(readdirSync(backups()).map((name) => join(backups(), name))).toEqual([last.path]);
    expect(existsSync(join(data, 'history.links.partial'))).toBe(false);
  },
);

test('kill -9 in a restore and a start end in the old data or the new, whole', { timeout: 60_000 }, async () => {
  rmSync(data, { recursive: true });
  fill(data, 'old', FILES, FILE_BYTES);
  const { path } = await backUp();
  const random = seeded(23);
  const ends: string[] = [];
  for (let round = 0; round < 8; round += 1) {
    rmSync(data, { recursive: true });
    fill(data, 'new', 7);
    const script = `
      import { restoreOffline } from ${from('restore.ts')};
      process.stdout.write('go\\n');
      await restoreOffline(${JSON.stringify(path)}, ${JSON.stringify(data)}, ${JSON.stringify(record(path))}, () => {});
      process.stdout.write('done\\n');`;
    const done = await killedAfter(round === 0 ? 0 : 240 * random(), script);
    // What a start does, before it opens anything.
    const asked = swapRestored(data);
    if (asked !== undefined) settleRestore(data, asked);
    const state = readFileSync(join(data, 'secrets.vault'), 'utf8').slice('encrypted '.length);
    expect(stateOf(data, state === 'old' ? FILES : 7)).toBe(state);
    ends.push(`${state}${done ? ', done' : ''}`);
    if (done) expect(state).toBe('old');
    expect(readdirSync(data).filter((name) => name.startsWith('restoring'))).toEqual([]);
  }
  expect(ends.some((end) => !end.endsWith('done'))).toBe(true);
  expect(ends).toContain('new');
});
