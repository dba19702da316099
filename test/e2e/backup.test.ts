import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityPage, intervalPage, jobView, type IntervalView } from '../../src/model/api.ts';
import { keepAlive, type Kept } from '../../src/cli/keep-alive.ts';
import { readManifest, verifyBackup } from '../../src/server/offline/manifest.ts';
import { startSimProcess, type Settings, type SimProcess } from '../support/site/processes.ts';
import { freePort, ROOT, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** A backup of the running site is taken over by the running site, and the machines never notice. */

const LIMIT_MS = 120_000;
let settings: Settings;
let data: string;
let sim: SimProcess;
let server: Kept;
let url: string;
let starts = 0;

beforeAll(async () => {
  const files = writeSmallSite();
  const clock = { epochSiteMs: Date.parse('2026-03-24T00:40:00Z'), epochUnixMs: Date.now() + 2_000, speed: 120 };
  settings = { files, clock, offset: 11_800, port: await freePort() };
  data = join(files.folder, 'data');
  sim = await startSimProcess(settings);
  url = `http://127.0.0.1:${settings.port}`;
  const args = ['--site', files.site, '--data', data, '--port', String(settings.port), '--emulated'];
  const more = ['--clock', JSON.stringify(clock), '--port-offset', String(settings.offset), '--log', 'error'];
  server = keepAlive('the server', join(ROOT, 'src/server/main.ts'), [...args, ...more], () => (starts += 1));
  await server.ready;
}, LIMIT_MS);
afterAll(async () => {
  await server?.stop();
  await sim?.kill();
  settings?.files.remove();
});

/** The command line of this machine; none while no server runs. */
const token = (): string => {
  const file = join(data, 'local-token');
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
};

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}
function busbar(...args: readonly string[]): Promise<Ran> {
  const env = { ...process.env, BUSBAR_TOKEN: token(), BUSBAR_URL: url };
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'src/cli/main.ts'), ...args], { env }, (error, out, err) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), out, err }),
    );
  });
}
const get = async (path: string): Promise<unknown> =>
  (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token()}` } })).json();
const intervals = async (): Promise<readonly IntervalView[]> =>
  intervalPage.parse(await get('/api/v1/intervals?limit=500')).intervals;
const acts = async () => activityPage.parse(await get('/api/v1/activity?limit=200')).activity;
const startsOf = (file: string): readonly number[] => {
  const database = new DatabaseSync(file);
  try {
    const rows = database.prepare('select start_ms from interval order by start_ms').all();
    return (rows as { start_ms: number }[]).map(({ start_ms }) => start_ms);
  } finally {
    database.close();
  }
};

let backup: string;

test('busbar backup on a running site: whole, verified, and the site runs on', { timeout: LIMIT_MS }, async () => {
  await until('all miners asleep', async () => (await sim.truth()).machines.sleeping === 60);
  await until('two intervals', async () => (await intervals()).length >= 2);
  const told = await intervals();
  const { status, out, err } = await busbar('backup', '--json', '--keep', '3', '--why', 'before the change');
  expect(err).toBe('');
  expect(status).toBe(0);
  const { path, bytes } = JSON.parse(out) as { path: string; bytes: number };
  backup = path;
  expect(path).toMatch(/data\/backups\/busbar-small-site-emulated-\d{8}T\d{6}Z$/);
  const manifest = verifyBackup(path, () => {});
  expect(manifest.files.reduce((sum, file) => sum + file.bytes, 0)).toBe(bytes);
  expect(manifest.files.map((file) => file.path)).toEqual(expect.arrayContaining(['busbar.sqlite', 'site.yaml']));
  expect(manifest.files.some((file) => /^history\/raw\/.*\.parquet$/.test(file.path))).toBe(true);
  // Whatever anybody was told before is in it.
  const kept = startsOf(join(path, 'busbar.sqlite'));
  for (const { start } of told) expect(kept).toContain(Date.parse(start));
  expect((await acts()).find(({ what }) => what === `back up to ${path}`)).toMatchObject({ why: 'before the change' });
  const count = (await intervals()).length;
  await until('another interval', async () => (await intervals()).length > count);
});

test('what lies in the data folder is for its owner alone', () => {
  expect(statSync(data).mode & 0o777).toBe(0o700);
  for (const entry of readdirSync(data, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!existsSync(path)) continue;
    expect([path, statSync(path).mode & 0o077]).toEqual([path, 0]);
  }
});

test('a damaged backup is refused and nothing happens; a look changes nothing', { timeout: LIMIT_MS }, async () => {
  const { out, status } = await busbar('restore', backup, '--dry-run');
  expect(status).toBe(0);
  expect(out).toContain('nothing was changed');
  const victim = join(backup, readManifest(backup).files.find((file) => file.path === 'site.yaml')!.path);
  const good = readFileSync(victim);
  writeFileSync(victim, Buffer.from(good).fill(0x20, 10, 20));
  const refused = await busbar('restore', backup, '--why', 'a test of ours');
  expect(refused.status).toBe(1);
  expect(refused.err).toMatch(/site\.yaml is not as it was backed up/);
  writeFileSync(victim, good);
  expect((await busbar('restore', join(backup, 'history'), '--why', 'a test of ours')).err).toMatch(/is no backup/);
  expect((await busbar('restore', backup)).err).toMatch(/say why/);
  expect(readdirSync(data).filter((name) => /restor/.test(name))).toEqual([]);
  expect(starts).toBe(0);
});

test('another backup or restore is not begun while one runs', async () => {
  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token()}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const [one, two] = await Promise.all([post('/api/v1/backups', {}), post('/api/v1/backups', {})]);
  expect([one.status, two.status].toSorted((a, b) => a - b)).toEqual([202, 409]);
  const { id } = (await (one.status === 202 ? one : two).json()) as { id: string };
  const done = await until('the backup', async () => {
    const job = jobView.parse(await get(`/api/v1/backups/${id}`));
    return job.state !== 'running' && job;
  });
  expect(done).toMatchObject({ state: 'done', error: null, kind: 'backup' });
  expect((await post('/api/v1/backups', { to: 'no/whole/path' })).status).toBe(400);
  rmSync(done.path!, { recursive: true });
});

test(
  'busbar restore on the running site: as it was then, what came after is kept aside, machines sleep on',
  { timeout: LIMIT_MS },
  async () => {
    const then = startsOf(join(backup, 'busbar.sqlite'));
    const before = await intervals();
    expect(before.length).toBeGreaterThan(then.length);
    const commandsSeen = async () => (await sim.truth()).machines.sleeping;
    const watched: number[] = [];
    const timer = setInterval(() => void commandsSeen().then((n) => watched.push(n)), 100);
    const { status, err, out } = await busbar('restore', backup, '--why', 'the change was wrong');
    expect(err).toBe('');
    expect(status).toBe(0);
    expect(out).toContain('is restored');
    await until('the server back', () => starts === 1);
    const after = await until('the ledger', async () => {
      const now = await intervals();
      return now.length > 0 && now;
    });
    await pause(2_000);
    clearInterval(timer);
    expect(watched.length).toBeGreaterThan(10);
    expect(watched.every((n) => n === 60)).toBe(true);
    for (const start of then) expect(after.map((interval) => Date.parse(interval.start))).toContain(start);
    const [act] = (await acts()).filter(({ what }) => what === `restore ${backup}`);
    expect(act).toMatchObject({ why: 'the change was wrong' });
    // Nothing between the backup and the restore is in the books now; it is in what was kept.
    expect((await acts()).some(({ what }) => what.startsWith('back up to'))).toBe(false);
    const [aside] = readdirSync(data).filter((name) => name.startsWith('before-restore-'));
    const kept = startsOf(join(data, aside!, 'busbar.sqlite'));
    for (const { start } of before) expect(kept).toContain(Date.parse(start));
    expect(existsSync(join(data, aside!, 'restored-from', 'manifest.json'))).toBe(true);
    expect(readdirSync(data).filter((name) => name.startsWith('restoring'))).toEqual([]);
  },
);

test('without a server the data folder is locked against one that runs', { timeout: LIMIT_MS }, async () => {
  const { status, err } = await busbar('backup', '--data', data);
  expect(status).toBe(1);
  expect(err).toMatch(/is in use by Busbar process \d+/);
  await server.stop();
  const { out } = await busbar('backup', '--data', data, '--site', settings.files.site, '--json');
  const { path } = JSON.parse(out) as { path: string };
  verifyBackup(path, () => {});
  const restored = await busbar('restore', path, '--data', data, '--why', 'a test of ours', '--json');
  expect(JSON.parse(restored.out)).toMatchObject({
    restored: true,
    before: expect.stringContaining('before-restore-'),
  });
});
