import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { QUARTER, siteMs, type Command, type Interval } from '../model/index.ts';
import { StoreFailure } from './queue.ts';
import { openSqlite } from './sqlite.ts';
import { openStore } from './store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const file = () => join(folder, 'busbar.sqlite');

const START = Date.UTC(2026, 2, 23, 22, 45);
const interval = (n: number, importWh: number | undefined = 9_000_000): Interval => ({
  start: siteMs(START + n * QUARTER),
  durationMs: QUARTER,
  importWh,
  coverage: 1,
  priceUsdPerMwh: 34.49,
  unattributedWh: undefined,
  energyCost: importWh === undefined ? undefined : 360_000_000,
  leaseCost: 78_080_000,
  planImportWh: 9_100_000,
  wakes: 3,
  lines: [
    { line: 'grid', energyWh: 0, revenue: 0, quantity: 0, quantityUnit: 'MWh', penalty: 0 },
    { line: 'mining', energyWh: undefined, revenue: undefined, quantity: undefined, quantityUnit: 'PHh', penalty: 0 },
  ],
});
const command = (id: string, stage: Command['stage']): Command => ({
  id,
  batchId: 'act-1',
  target: `m-${id}`,
  action: 'sleep',
  mode: 'sleep',
  who: 'planner',
  why: 'price',
  stage,
  attempts: 1,
  fault: undefined,
  sentAt: siteMs(START),
  acknowledgedAt: undefined,
  seenInPowerAt: undefined,
  seenAtMeterAt: undefined,
});

test('an interval comes back as it was booked, unknown figures still unknown', async () => {
  const store = await openStore(file());
  await store.bookInterval(interval(0));
  const served = [{ workClass: 'h100-reserved', gpuHours: 399.5, unservedGpuHours: 0.5 }];
  const wanted = [{ workClass: 'h100-reserved', gpus: 1600.5, coverage: 0.75 }];
  await store.bookInterval({ ...interval(1), importWh: undefined, energyCost: undefined, served, wanted });
  await store.close();
  const again = await openStore(file());
  expect(await again.intervals(10)).toEqual([
    interval(0),
    { ...interval(1), importWh: undefined, energyCost: undefined, served, wanted },
  ]);
  expect(await again.lastBooked()).toBe(START + QUARTER);
  await again.close();
});

test('the first writing of an interval stands', async () => {
  const store = await openStore(file());
  expect(await store.bookInterval(interval(0))).toBe(true);
  expect(await store.bookInterval(interval(0, 1))).toBe(false);
  expect((await store.intervals(1))[0]!.importWh).toBe(9_000_000);
  await store.close();
});

test('acts carry the stages of their commands; an act without who, what or why is refused', async () => {
  const store = await openStore(file());
  const act = { id: 'act-1', at: siteMs(START), who: 'planner', what: '2 machines to sleep', why: 'price' };
  store.recordAct(act);
  store.saveCommands([command('a', 'sent'), command('b', 'sent')]);
  store.saveCommands([command('a', 'seen-in-power')]);
  expect(await store.acts(5)).toEqual([{ ...act, byStage: { sent: 1, 'seen-in-power': 1 } }]);
  await store.close();
  const inside = openSqlite(file());
  for (const missing of ['who', 'what', 'why']) {
    expect(() => inside.recordAct({ ...act, id: missing, [missing]: '' })).toThrow(/CHECK/);
  }
  inside.close();
});

test('holds are set, replaced and cleared', async () => {
  const store = await openStore(file());
  const hold = { cohortId: 'a-s21', who: 'owner', why: 'fans', since: siteMs(START) };
  await store.setHold(hold);
  await store.setHold({ ...hold, why: 'still fans' });
  expect(await store.holds()).toEqual([{ ...hold, why: 'still fans' }]);
  expect(await store.clearHold('a-s21')).toBe(true);
  expect(await store.clearHold('a-s21')).toBe(false);
  await store.close();
});

test('a store of a newer Busbar is refused in words', async () => {
  await (await openStore(file())).close();
  const database = new DatabaseSync(file());
  database.exec('insert into migration (number) values (99)');
  database.close();
  await expect(openStore(file())).rejects.toThrow(/newer Busbar/);
});

test('money and energy are integers, kept to the unit', async () => {
  const store = await openStore(file());
  await store.bookInterval({ ...interval(0), importWh: 9_007_199_254.6, energyCost: 123_456_789_012 });
  await store.close();
  const database = new DatabaseSync(file());
  expect(
    database.prepare('select import_wh, energy_cost_microusd, typeof(energy_cost_microusd) as t from interval').get(),
  ).toEqual({
    import_wh: 9_007_199_255,
    energy_cost_microusd: 123_456_789_012,
    t: 'integer',
  });
  database.close();
});

test('kill -9 while booking loses no interval whose booking was acknowledged', async () => {
  const script = `
    import { openStore } from ${JSON.stringify(new URL('./store.ts', import.meta.url).href)};
    const store = await openStore(${JSON.stringify(file())});
    const base = ${JSON.stringify(interval(0))};
    for (let n = 0; ; n += 1) {
      await store.bookInterval({ ...base, start: base.start + n * ${QUARTER} });
      process.stdout.write(n + '\\n');
    }`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.split('\n').length > 25) child.kill('SIGKILL');
    });
    child.on('exit', () => resolve());
  });
  const acknowledged = Number(said.trimEnd().split('\n').at(-1));
  expect(acknowledged).toBeGreaterThan(20);
  const store = await openStore(file());
  const booked = await store.intervals(10_000);
  expect(booked.length).toBeGreaterThanOrEqual(acknowledged);
  expect(booked.map((one) => one.start)).toEqual(booked.map((_, n) => START + n * QUARTER));
  expect(booked.every((one) => one.lines.length === 2)).toBe(true);
  await store.close();
});

test('wakes that were acknowledged are told again, oldest first', async () => {
  const store = await openStore(file());
  store.recordAct({ id: 'act-1', at: siteMs(START), who: 'planner', what: 'x', why: 'y' });
  const woken = (id: string, offset: number) => ({
    ...command(id, 'acknowledged'),
    action: 'wake' as const,
    acknowledgedAt: siteMs(START + offset),
  });
  store.saveCommands([woken('late', 9), woken('early', 3), woken('before', -1), command('asleep', 'acknowledged')]);
  store.saveCommands([{ ...woken('sent', 5), acknowledgedAt: undefined }]);
  expect((await store.wakesSince(siteMs(START))).map(({ target, at }) => [target, at - START])).toEqual([
    ['m-early', 3],
    ['m-late', 9],
  ]);
  await store.close();
});

test('old plans and commands are forgotten, intervals and acts are not', async () => {
  const store = await openStore(file());
  store.recordAct({ id: 'act-1', at: siteMs(START), who: 'planner', what: 'x', why: 'y' });
  store.saveCommands([command('a', 'sent'), { ...command('b', 'sent'), sentAt: siteMs(START + 10) }]);
  await store.bookInterval(interval(0));
  store.prune(siteMs(START + 5), siteMs(START + 5));
  expect(await store.acts(5)).toMatchObject([{ id: 'act-1', byStage: { sent: 1 } }]);
  expect(await store.intervals(5)).toHaveLength(1);
  await store.close();
});

test('a write that a full disk refuses leaves nothing of its transaction, and goes well when there is room', () => {
  const inside = openSqlite(file());
  const { database } = inside;
  const pages = (database.prepare('pragma page_count').get() as { page_count: number }).page_count;
  database.exec(`pragma max_page_count = ${pages}`);
  const act = (n: number) => ({ id: `act-${n}`, at: siteMs(START), who: 'x', what: 'y', why: 'z'.repeat(2_000) });
  const ops = Array.from({ length: 50 }, (_, n) => ({ name: 'recordAct', args: [act(n)] }));
  expect(inside.write(ops)).toEqual({ failure: 'database or disk is full' });
  expect(inside.acts(100)).toEqual([]);
  database.exec('pragma max_page_count = 100000');
  expect('answers' in inside.write(ops)).toBe(true);
  expect(inside.acts(100)).toHaveLength(50);
  inside.close();
});

test('a bug within a transaction undoes itself alone; the same act twice is one, another of its id is a bug', () => {
  const inside = openSqlite(file());
  const act = { id: 'act-1', at: siteMs(START), who: 'planner', what: 'x', why: 'y' };
  const outcome = inside.write([
    { name: 'recordAct', args: [act] },
    { name: 'saveCommands', args: [[command('a', 'sent'), { ...command('b', 'sent'), batchId: 'no such act' }]] },
    { name: 'recordAct', args: [act] },
    { name: 'recordAct', args: [{ ...act, why: 'another' }] },
  ]);
  expect(outcome).toMatchObject({ answers: [{}, { bug: { message: expect.stringMatching(/FOREIGN KEY/) } }, {}, {}] });
  expect('answers' in outcome && 'bug' in outcome.answers[3]!).toBe(true);
  expect(inside.acts(5)).toEqual([{ ...act, byStage: {} }]);
  inside.close();
});

test('while another program holds the file, writes wait and are tried again; nothing is lost or out of order', async () => {
  const store = await openStore(file());
  const act = (n: number) => ({ id: `act-${n}`, at: siteMs(START + n), who: 'x', what: 'y', why: 'z' });
  store.recordAct(act(1));
  await store.flush();
  const other = new DatabaseSync(file());
  other.exec('begin immediate');
  for (let n = 2; n < 20; n += 1) store.recordAct(act(n));
  store.saveCommands([{ ...command('a', 'sent'), batchId: 'act-19' }]);
  const booked = store.bookInterval(interval(0));
  await expect(store.accounts.add({ name: 'a', role: 'admin', passwordHash: 'x', createdMs: 0 })).rejects.toThrow(
    StoreFailure,
  );
  expect(store.problem()).toMatch(/locked/);
  expect(await store.acts(50)).toHaveLength(1);
  other.exec('rollback');
  other.close();
  expect(await booked).toBe(true);
  expect(await store.acts(50)).toHaveLength(19);
  expect(store.problem()).toBeUndefined();
  await store.close();
});

test('a damaged database is refused with the remedy', async () => {
  const store = await openStore(file());
  for (let n = 0; n < 50; n += 1) await store.bookInterval(interval(n));
  await store.close();
  const bytes = readFileSync(file());
  writeFileSync(file(), 'this is no database, whatever its name says; '.repeat(200));
  await expect(openStore(file())).rejects.toThrow(/cannot be opened.*busbar restore/);
  bytes.fill(0xa5, 8_192, 16_384);
  writeFileSync(file(), bytes);
  await expect(openStore(file())).rejects.toThrow(/is damaged[^]*busbar restore/);
});

test('the file and what SQLite lays beside it are for their owner alone', async () => {
  const store = await openStore(join(folder, 'new', 'busbar.sqlite'));
  store.setMeta('a', 'b');
  await store.flush();
  expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(join(folder, 'new')))
    expect([name, statSync(join(folder, 'new', name)).mode & 0o777]).toEqual([name, 0o600]);
  await store.close();
});
