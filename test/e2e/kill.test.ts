import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Truth } from '../../sim/truth.ts';
import { intervalPage, type IntervalView } from '../../src/model/api.ts';
import { QUARTER } from '../../src/model/index.ts';
import {
  startServerProcess,
  startSimProcess,
  storeFile,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { seeded } from '../support/seeded.ts';
import { freePort, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** Processes are killed at any moment. What was booked stays booked, and the site goes on where it was. */

const LIMIT_MS = 240_000;
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function settings(offset: number, from: string): Promise<Settings> {
  const files = writeSmallSite();
  closers.push(() => files.remove());
  const clock = { epochSiteMs: Date.parse(from), epochUnixMs: Date.now() + 2_500, speed: 120 };
  return { files, clock, offset, port: await freePort() };
}

interface Ledger {
  readonly intervals: readonly Record<string, unknown>[];
  readonly lines: readonly Record<string, unknown>[];
  readonly commands: readonly { readonly id: string; readonly sent_ms: number; readonly mode: string }[];
}

/** The ledger as it lies on the disk. */
function ledger(one: Settings): Ledger {
  const database = new DatabaseSync(storeFile(one));
  try {
    const all = <T>(sql: string) => database.prepare(sql).all() as unknown as T[];
    return {
      intervals: all('select * from interval order by start_ms'),
      lines: all('select * from interval_line order by start_ms, line'),
      commands: all('select id, sent_ms, mode from command order by sent_ms'),
    };
  } finally {
    database.close();
  }
}

const told = async ({ url }: ServerProcess): Promise<readonly IntervalView[]> =>
  intervalPage.parse(await (await fetch(`${url}/api/v1/intervals?limit=500`)).json()).intervals;
const planned = async ({ url }: ServerProcess): Promise<boolean> =>
  ((await (await fetch(`${url}/healthz`)).json()) as { planned: boolean }).planned;

/** Keeps an eye on the emulated site, whatever becomes of the server. */
function watchSim(sim: () => SimProcess): Truth[] {
  const truths: Truth[] = [];
  const timer = setInterval(() => {
    const { child } = sim();
    if (!child.connected) return;
    sim()
      .truth()
      .then(
        (truth) => truths.push(truth),
        () => {},
      );
  }, 100);
  closers.push(() => clearInterval(timer));
  return truths;
}

test(
  'the server killed at three moments: the ledger stays whole, and curtailed machines stay curtailed',
  {
    timeout: LIMIT_MS,
  },
  async () => {
    const one = await settings(11_240, '2026-03-24T00:32:00Z');
    const sim = await startSimProcess(one);
    closers.push(() => sim.kill());
    let server = await startServerProcess(one);
    closers.push(() => server.kill());
    await until('all miners asleep', async () => (await sim.truth()).machines.sleeping === 60);
    await until('two booked intervals', async () => (await told(server)).length >= 2);
    const truths = watchSim(() => sim);
    const random = seeded(7);

    for (let round = 0; round < 3; round += 1) {
      const shown = await told(server);
      await pause(300 + 6_000 * random());
      await server.kill();
      const before = ledger(one);
      const starts = before.intervals.map((interval) => interval['start_ms'] as number);
      // Whatever anybody was told is on the disk.
      for (const { start } of shown) expect(starts).toContain(Date.parse(start));

      server = await startServerProcess(one);
      await until('a plan after the restart', () => planned(server));
      const next = await until('another interval', async () => {
        const now = await told(server);
        return now.length > before.intervals.length && now;
      });
      const after = ledger(one);
      expect(after.intervals.slice(0, before.intervals.length)).toEqual(before.intervals);
      expect(after.lines.slice(0, before.lines.length)).toEqual(before.lines);
      for (const interval of shown) expect(next).toContainEqual(interval);
      const begun = after.intervals.map((interval) => interval['start_ms'] as number);
      expect(begun).toEqual(begun.map((_, i) => begun[0]! + i * QUARTER));
      // Energy has no hole either: the counter went on while nobody read it.
      for (const interval of after.intervals.slice(1)) expect(interval['import_wh']).toBeGreaterThan(10_000);
      // All miners sleep as wanted. Whoever reads them first finds nothing to command; whoever does not, would.
      expect(after.commands.slice(before.commands.length)).toEqual([]);
    }
    expect(truths.length).toBeGreaterThan(50);
    expect(truths.every(({ machines }) => machines.sleeping === 60)).toBe(true);
  },
);

test(
  'the emulated site killed and started again: its counter never goes back, and intervals go on',
  {
    timeout: LIMIT_MS,
  },
  async () => {
    const one = await settings(11_260, '2026-03-24T00:40:00Z');
    let sim = await startSimProcess(one);
    closers.push(() => sim.kill());
    const server = await startServerProcess(one);
    closers.push(() => server.kill());
    const truths = watchSim(() => sim);
    await until('all miners asleep', async () => (await sim.truth()).machines.sleeping === 60);
    await until('a booked interval', async () => (await told(server)).length >= 1);
    const random = seeded(3);

    for (let round = 0; round < 2; round += 1) {
      await pause(200 + 2_500 * random());
      const before = truths.at(-1)!;
      await sim.kill();
      await pause(1_500);
      sim = await startSimProcess(one);
      const after = await sim.truth();
      expect(after.feederWh).toBeGreaterThan(before.feederWh);
      expect(after.machines.sleeping).toBe(60);
    }
    const count = (await told(server)).length;
    const intervals = await until('two more intervals', async () => {
      const now = await told(server);
      return now.length >= count + 2 && now;
    });
    for (const { importMwh } of intervals.slice(1)) expect(importMwh).toBeGreaterThan(0.01);
    const starts = intervals.map(({ start }) => Date.parse(start));
    expect(starts).toEqual(starts.map((_, i) => starts[0]! + i * QUARTER));
    for (const [i, truth] of truths.entries()) {
      if (i > 0 && truth.at >= truths[i - 1]!.at)
        expect(truth.feederWh).toBeGreaterThanOrEqual(truths[i - 1]!.feederWh);
    }
  },
);
