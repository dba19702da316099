import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { testSim, type TestSim } from '../../sim/small-site.ts';
import { luxos } from '../drivers/luxos.ts';
import { modbusMeter } from '../drivers/modbus-meter.ts';
import { openDriverWorld, type DriverWorld } from '../drivers/wire/world.ts';
import { type GuardBrief, siteMs, wallMs } from '../model/index.ts';
import { readAudit } from '../control/guard-audit.ts';
import { openAuditFile } from './audit-file.ts';
import { createWatch, SERVER_SILENT_MS, STOP_WAITS_MS, type Watch } from './watch.ts';

/** The guard over the machines' real protocols: an emulated hall of miners and its meters. */
const OFFSET = 11_070;
let sim: TestSim;
let world: DriverWorld;
let watch: Watch;
let folder: string;
let nowMs = 10_000;

beforeEach(async () => {
  sim = await testSim(OFFSET);
  nowMs = 10_000;
  const wallNow = () => wallMs(nowMs);
  const io = { portOffset: OFFSET, wallNow, siteNow: () => siteMs(Date.now()), secret: () => 'root' };
  world = openDriverWorld(io);
  folder = mkdtempSync(join(tmpdir(), 'busbar-guard-'));
  const audit = openAuditFile(join(folder, 'audit.jsonl'), Date.now);
  // Waits pass in a moment of real time, in which answers come.
  const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, Math.min(ms, 60)));
  watch = createWatch({ io: world.io, audit, wallNow, pause });
});
afterEach(async () => {
  watch.close();
  await world.close();
  await sim.sim.close();
  rmSync(folder, { recursive: true });
});

function briefOf(limitW: number, over: Partial<GuardBrief> = {}): GuardBrief {
  const meter = (id: string, last: number, limits: string[]) => ({
    id,
    driver: 'modbus-meter',
    modelId: 'modbus-meter',
    address: `127.21.9.${last}`,
    config: modbusMeter.config.parse({ map: 'schneider-iem3000', port: 1502 }),
    limits,
  });
  const limit = (id: string, halls: string[]) => ({
    id,
    limitW,
    targetW: 0.97 * limitW,
    halls,
    lossFraction: 0.01,
    by: 'meter' as const,
  });
  return {
    kind: 'brief',
    site: 'test',
    madeAtUnixMs: 1,
    limits: [limit('hall m', ['m'])],
    halls: [{ id: 'm', fixedW: 1_000, coolingPerW: 0.12 }],
    meters: [meter('meter-m', 2, ['hall m'])],
    groups: [{ id: 'lux', driver: 'luxos', modelId: 'antminer-s21', config: luxos.config.parse({}), mayAct: true }],
    path: Array.from({ length: 6 }, (_, n) => ({
      id: `lux-${n + 1}`,
      group: 0,
      hall: 'm',
      address: `127.21.1.${n + 1}`,
      worstW: 4_000,
      freesW: 3_500,
      sleepW: 30,
    })),
    ...over,
  };
}

const hallW = (): number => sim.sim.truth().halls['m']!.totalW;
const asleep = (): number => sim.sim.truth().machines.sleeping;

async function seconds(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    nowMs += 1_000;
    sim.pass(1);
    // oxlint-disable-next-line no-await-in-loop
    await watch.second();
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((done) => setTimeout(done, 30));
  }
}

const said = (): string[] =>
  readAudit(readFileSync(join(folder, 'audit.jsonl'), 'utf8'))!.map(({ what, why }) => `${what}: ${why}`);

test('within limits it reads, and tells nobody anything', async () => {
  watch.follow(briefOf(1e6));
  await seconds(10);
  expect(watch.state()).toMatchObject({ noWakes: [], underway: 0, loads: [{ id: 'hall m', basis: 'meter' }] });
  expect(watch.state().loads[0]!.loadW).toBeCloseTo(hallW(), -4);
  expect(asleep()).toBe(0);
});

test('a hall above its limit is brought below it, seen at its meter and on record', async () => {
  await seconds(2);
  sim.pass(30);
  const before = hallW();
  watch.follow(briefOf(before - 6_000));
  await seconds(40);
  expect(hallW()).toBeLessThan(before - 6_000);
  expect(asleep()).toBeGreaterThanOrEqual(2);
  expect(asleep()).toBeLessThan(6);
  const [first, result] = said().filter((entry) => entry.includes('hall m at'));
  expect(first).toMatch(/^put \d lux to sleep: hall m at .* MW of .* \(by its meter\)$/);
  expect(result).toMatch(/^\d of \d machines seen asleep within/);
});

test('in shadow it writes to nobody, and says so', async () => {
  sim.pass(30);
  const { groups } = briefOf(1);
  watch.follow(briefOf(hallW() / 2, { groups: groups.map((group) => ({ ...group, mayAct: false })) }));
  await seconds(8);
  expect(asleep()).toBe(0);
  expect(watch.state().wouldShed).toBeGreaterThan(2);
  expect(said()[0]).toMatch(/^would put \d machines to sleep \(in shadow\)/);
});

test('a silent meter stops wakes at once and is bounded by what machines may draw', async () => {
  sim.pass(30);
  expect(hallW()).toBeLessThan(60_000);
  watch.follow(briefOf(60_000, { halls: [{ id: 'm', fixedW: 42_000, coolingPerW: 0.12 }] }));
  await seconds(1);
  sim.sim.inject({ target: 'meter-m', fault: 'silent', rate: 1 });
  await seconds(3);
  expect(watch.state().noWakes.join()).toContain('hall m');
  await seconds(40);
  expect(watch.state().loads[0]!.basis).toBe('worst-case');
  // Beside 42 kW that cannot be shed three of six at 4 kW with their cooling fit below 58.2 kW.
  expect(asleep()).toBe(3);
});

test('what wakes while a meter misses beats is added to its last answer; a server that begins anew has seen nobody wake', async () => {
  const beat = { kind: 'beat' as const, auditSeq: 0, stop: false, whole: false, asleep: [], awake: [] };
  const three = ['lux-1', 'lux-2', 'lux-3'];
  sim.pass(30);
  watch.follow(briefOf(1e6));
  // It has asked all six itself by then, and asks them again much later.
  await seconds(4);
  watch.hear({ ...beat, whole: true, asleep: three });
  await seconds(1);
  const { loadW } = watch.state().loads[0]!;
  sim.sim.inject({ target: 'meter-m', fault: 'silent', rate: 1 });
  watch.hear({ ...beat, whole: true, awake: three });
  await seconds(3);
  expect(watch.state().loads[0]).toMatchObject({ basis: 'held', loadW });
  watch.hear({ ...beat, asleep: three });
  watch.hear({ ...beat, awake: three });
  await seconds(1);
  expect(watch.state().loads[0]).toMatchObject({ basis: 'held' });
  expect(watch.state().loads[0]!.loadW).toBeCloseTo(loadW + 3 * (4_000 - 30) * 1.12 * 1.01, 3);
});

test('a machine that does not obey is named, and others go in its place', async () => {
  sim.pass(30);
  for (const last of [1, 2]) sim.sim.inject({ target: `lux-000${last}`, fault: 'refused', rate: 1 });
  const before = hallW();
  watch.follow(briefOf(before - 6_000));
  await seconds(80);
  expect(hallW()).toBeLessThan(before - 6_000);
  expect(watch.state().failed.map(({ id }) => id)).toEqual(expect.arrayContaining(['lux-1', 'lux-2']));
});

test('a safe stop of the server is its own to carry out, and after a while the guard does what is left of it', async () => {
  sim.pass(30);
  watch.follow(briefOf(1e6));
  const beat = { kind: 'beat' as const, auditSeq: 0, stop: true, whole: true, asleep: [], awake: [] };
  for (let n = 0; n < 10; n += 1) {
    watch.hear({ ...beat, whole: n === 0 });
    // oxlint-disable-next-line no-await-in-loop
    await seconds(1);
  }
  expect(asleep()).toBe(0);
  // What is told of the record begins after what this server has, and says so to whichever comes next.
  expect(watch.state().auditAfter).toBe(0);
  // It dies with the stop half done.
  await seconds(STOP_WAITS_MS / 1_000 + 15);
  expect(asleep()).toBe(6);
});

test('a stop at the guard puts everything to sleep, and the silence of the server is on record', async () => {
  sim.pass(30);
  watch.follow(briefOf(1e6));
  watch.stopAll('somebody: smoke in hall m');
  await seconds(1 + SERVER_SILENT_MS / 1_000 + 20);
  expect(asleep()).toBe(6);
  expect(watch.state()).toMatchObject({ stopped: 'somebody: smoke in hall m' });
  expect(said().join('\n')).toContain('guard alone: the server was silent');
});
