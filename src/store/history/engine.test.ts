import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, siteMs } from '../../model/index.ts';
import { openEngine, type HistoryEngine } from './engine.ts';
import { listLevel } from './files.ts';
import type { HistoryQuery, Retention, Sample } from './samples.ts';

const T0 = Date.UTC(2026, 10, 20);
const KEEP: Retention = { rawDays: 7, minuteDays: 90, quarterHourDays: undefined, diskBytes: 1e9 };
const folders: string[] = [];
const engines: HistoryEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close().catch(() => {});
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-history-'));
  folders.push(folder);
  return folder;
}
async function open(folder = newFolder(), retention = KEEP): Promise<HistoryEngine> {
  const engine = await openEngine(folder, retention, '128MB');
  engines.push(engine);
  return engine;
}

/** One machine's reading every half minute; its power is the number of the reading. */
const samples = (from: number, count: number, id = 'm1', more: Partial<Sample> = {}): Sample[] =>
  Array.from({ length: count }, (_, i) => ({
    id,
    at: siteMs(from + i * 30_000),
    powerW: i,
    energyWh: 1e12 + i,
    ...more,
  }));
const ask = (engine: HistoryEngine, more: Partial<HistoryQuery> = {}) =>
  engine.query({ id: 'm1', gauge: 'powerW', from: siteMs(T0), to: siteMs(T0 + 30 * DAY), bucketMs: 1, ...more });
const sum = (points: readonly { mean: number; samples: number }[]): number =>
  points.reduce((total, { mean, samples: n }) => total + mean * n, 0);
const count = (points: readonly { samples: number }[]): number => points.reduce((n, point) => n + point.samples, 0);

test('what was read is found at once, and the same after it was saved, closed and opened anew', async () => {
  const folder = newFolder();
  const engine = await open(folder);
  engine.add(samples(T0, 240));
  const before = await ask(engine);
  expect(before).toHaveLength(240);
  expect(before[7]).toEqual({ start: T0 + 7 * 30_000, mean: 7, min: 7, max: 7, samples: 1 });
  await engine.save(siteMs(T0 + 90 * MINUTE));
  expect(await ask(engine)).toEqual(before);
  await engine.save(siteMs(T0 + 3 * HOUR));
  expect(await ask(engine)).toEqual(before);
  await engine.close();
  expect(await ask(await open(folder))).toEqual(before);
});

test('minutes and quarter-hours hold the mean by samples, the extremes, and how many there were', async () => {
  const engine = await open();
  engine.add(samples(T0, 2880));
  await engine.save(siteMs(T0 + DAY + HOUR));
  const minutes = await ask(engine, { bucketMs: MINUTE });
  expect(minutes).toHaveLength(1440);
  expect(minutes[10]).toEqual({ start: T0 + 10 * MINUTE, mean: 20.5, min: 20, max: 21, samples: 2 });
  const quarters = await ask(engine, { bucketMs: 15 * MINUTE });
  expect(quarters).toHaveLength(96);
  expect(quarters[1]).toEqual({ start: T0 + 15 * MINUTE, mean: 44.5, min: 30, max: 59, samples: 30 });
});

test('what a machine did not say is not there, rather than zero', async () => {
  const engine = await open();
  engine.add([
    { id: 'm1', at: siteMs(T0), powerW: 100 },
    { id: 'm1', at: siteMs(T0 + 1000), powerW: undefined, hashrateThs: 5 },
  ]);
  await engine.save(siteMs(T0 + 2 * HOUR));
  expect(count(await ask(engine))).toBe(1);
  expect(await ask(engine, { bucketMs: MINUTE })).toEqual([{ start: T0, mean: 100, min: 100, max: 100, samples: 1 }]);
  expect(await ask(engine, { gauge: 'inMbps' })).toEqual([]);
});

test('an energy counter of years at 40 MW keeps its watt-hours', async () => {
  const engine = await open();
  engine.add([{ id: 'feeder', at: siteMs(T0), energyWh: 1_234_567_890_123 }]);
  await engine.save(siteMs(T0 + 2 * HOUR));
  const [point] = await ask(engine, { id: 'feeder', gauge: 'energyWh' });
  expect(point!.mean).toBe(1_234_567_890_123);
});

test('readings are kept for their days, minutes for theirs, quarter-hours for ever', async () => {
  const engine = await open(undefined, { ...KEEP, rawDays: 2, minuteDays: 4 });
  for (let day = 0; day < 8; day += 1) engine.add(samples(T0 + day * DAY, 4));
  await engine.save(siteMs(T0 + 8 * DAY));
  const oldest = Object.fromEntries(engine.usage().levels.map(({ level, oldest: day }) => [level, day]));
  expect(oldest).toEqual({ raw: '2026-11-26', minute: '2026-11-24', quarter: '2026-11-20' });
  // A day whose finer files are gone is told by the coarser ones.
  expect(count(await ask(engine))).toBe(32);
  expect(await ask(engine, { bucketMs: 15 * MINUTE })).toHaveLength(8);
});

test('past the disk budget the oldest readings go first, and it is counted', async () => {
  const engine = await open(undefined, { ...KEEP, diskBytes: 60_000 });
  for (let day = 0; day < 6; day += 1)
    for (const id of ['m1', 'm2', 'm3']) engine.add(samples(T0 + day * DAY, 1500, id, { temperatureC: day }));
  await engine.save(siteMs(T0 + 6 * DAY));
  const usage = engine.usage();
  expect(usage.trimmedDays).toBeGreaterThan(0);
  expect(usage.bytes).toBeLessThanOrEqual(60_000);
  expect(count(await ask(engine, { bucketMs: 15 * MINUTE }))).toBe(9000);
});

test('a late reading joins its hour after that was closed', async () => {
  const engine = await open();
  engine.add(samples(T0, 10));
  await engine.save(siteMs(T0 + 2 * HOUR));
  engine.add([{ id: 'm1', at: siteMs(T0 + 30 * MINUTE), powerW: 7 }]);
  await engine.save(siteMs(T0 + 2 * HOUR + MINUTE));
  expect(count(await ask(engine))).toBe(11);
  expect(count(await ask(engine, { bucketMs: MINUTE }))).toBe(11);
});

test('whatever a kill leaves half done is put right at the next start, and nothing is counted twice', async () => {
  const folder = newFolder();
  const engine = await open(folder);
  engine.add(samples(T0, 100));
  await engine.save(siteMs(T0 + 10 * MINUTE));
  const [piece] = listLevel(folder, 'raw');
  await engine.save(siteMs(T0 + 2 * HOUR));
  await engine.close();
  // Killed between making the whole hour and taking its pieces away, and in the midst of writing another.
  writeFileSync(piece!.path, 'whatever it was: the whole hour holds it');
  mkdirSync(join(folder, 'quarter', '2026-11'), { recursive: true });
  writeFileSync(join(folder, 'quarter', '2026-11', '20.parquet.new'), 'half a fi');
  const again = await open(folder);
  expect(count(await ask(again))).toBe(100);
  expect(readdirSync(join(folder, 'quarter', '2026-11'))).toEqual([]);
});

test('property: however readings are cut into savings, every level holds each of them once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ n: fc.integer({ min: 1, max: 60 }), ahead: fc.nat(90) }), { minLength: 1, maxLength: 6 }),
      async (steps) => {
        const engine = await open();
        let at = T0;
        let told = 0;
        let watts = 0;
        for (const { n, ahead } of steps) {
          const some = samples(at, n);
          engine.add(some);
          told += n;
          watts += some.reduce((total, { powerW }) => total + powerW!, 0);
          at += n * 30_000 + ahead * MINUTE;
          await engine.save(siteMs(at));
        }
        for (const bucketMs of [1, MINUTE, 15 * MINUTE, DAY]) {
          const points = await ask(engine, { bucketMs });
          expect(count(points)).toBe(told);
          expect(sum(points)).toBeCloseTo(watts, 3);
        }
      },
    ),
    { numRuns: 12 },
  );
});
