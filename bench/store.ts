import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { siteMs, type Command } from '../src/model/index.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import { openSqlite } from '../src/store/sqlite.ts';
import { openStore, type Act } from '../src/store/store.ts';

const ACTS = 5_000;
const COMMANDS = 10_000;
const ROUNDS = 5;
const AT = siteMs(Date.UTC(2026, 2, 23, 22, 45));

const act = (n: number): Act => ({
  id: `act-${n}`,
  at: AT,
  who: 'planner',
  what: '2 machines of a-s21 to sleep',
  why: 'five-minute plan; price $95.10/MWh',
});
const command = (n: number): Command => ({
  id: `command-${n}`,
  batchId: `act-${n % ACTS}`,
  target: `m-${n}`,
  action: 'sleep',
  mode: 'sleep',
  who: 'planner',
  why: 'five-minute plan',
  stage: 'sent',
  attempts: 1,
  fault: undefined,
  sentAt: AT,
  acknowledgedAt: undefined,
  seenInPowerAt: undefined,
  seenAtMeterAt: undefined,
});
const acts = Array.from({ length: ACTS }, (_, n) => act(n));
const commands = Array.from({ length: COMMANDS }, (_, n) => command(n));

interface Round {
  /** Until everything is on disk. */
  readonly onDiskMs: number;
  /** Until the caller goes on. */
  readonly callMs: number;
  /** Longest the event loop was held. */
  readonly heldMs: number;
}

/** @param save hands everything over; resolves when it is on disk */
async function measured(save: () => Promise<void>): Promise<Round> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await pause(50);
  delay.enable();
  delay.reset();
  // It measures from one of its own ticks to the next, so that there must have been one.
  await pause(10);
  const started = performance.now();
  const done = save();
  const callMs = performance.now() - started;
  await done;
  const onDiskMs = performance.now() - started;
  await pause(20);
  delay.disable();
  return { onDiskMs, callMs, heldMs: delay.max / 1e6 };
}

/** Today's store: queued, written by its thread. */
async function threaded(folder: string): Promise<Round> {
  const store = await openStore(join(folder, 'busbar.sqlite'));
  try {
    return await measured(async () => {
      for (const one of acts) store.recordAct(one);
      store.saveCommands(commands);
      await store.flush();
    });
  } finally {
    await store.close();
  }
}

/** The same database asked on the event loop: each act a commit of its own. */
async function onLoop(folder: string): Promise<Round> {
  const store = openSqlite(join(folder, 'busbar.sqlite'));
  try {
    return await measured(async () => {
      for (const one of acts) store.recordAct(one);
      store.saveCommands(commands);
    });
  } finally {
    store.close();
  }
}

/** The yardstick: the same rows by bare prepared statements in one transaction. */
async function bare(folder: string): Promise<Round> {
  const database = new DatabaseSync(join(folder, 'bare.sqlite'));
  database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on');
  for (const sql of MIGRATIONS) database.exec(sql);
  const insertAct = database.prepare('insert into act values (?, ?, ?, ?, ?)');
  const insertCommand = database.prepare('insert into command values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  try {
    return await measured(async () => {
      database.exec('begin');
      for (const { id, at, who, what, why } of acts) insertAct.run(id, at, who, what, why);
      for (const c of commands)
        insertCommand.run(c.id, c.batchId, c.target, c.action, 'sleep', c.stage, 1, null, c.sentAt, null, null, null);
      database.exec('commit');
    });
  } finally {
    database.close();
  }
}

const WAYS = { threaded, onLoop, bare } as const;

export async function storeBench(): Promise<Record<string, unknown>> {
  const rounds: Record<keyof typeof WAYS, Round[]> = { threaded: [], onLoop: [], bare: [] };
  // In turn, so that a slow minute of the machine falls on all of them.
  for (let n = 0; n < ROUNDS; n += 1)
    for (const way of ['threaded', 'onLoop', 'bare'] as const) {
      const folder = mkdtempSync(join(tmpdir(), 'busbar-bench-'));
      try {
        rounds[way].push(await WAYS[way](folder));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  const median = (way: keyof typeof WAYS, what: keyof Round): number => {
    const sorted = rounds[way].map((round) => round[what]).toSorted((a, b) => a - b);
    return Math.round(sorted[Math.floor(sorted.length / 2)]! * 10) / 10;
  };
  const onDiskMs = median('threaded', 'onDiskMs');
  const bareMs = median('bare', 'onDiskMs');
  return {
    acts: ACTS,
    commands: COMMANDS,
    rounds: ROUNDS,
    cores: cpus().length,
    eventLoopHeldMs: median('threaded', 'heldMs'),
    callMs: median('threaded', 'callMs'),
    onDiskMs,
    onLoopHeldMs: median('onLoop', 'heldMs'),
    onLoopMs: median('onLoop', 'onDiskMs'),
    bareMs,
    onDiskOverBare: Math.round((onDiskMs / bareMs) * 100) / 100,
  };
}
