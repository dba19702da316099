import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  siteMs,
  type Command,
  type CommandStage,
  type Interval,
  type IntervalLine,
  type Plan,
  type SiteMs,
} from '../model/index.ts';
import { accountStore, type AccountStore, type Sync } from './accounts.ts';
import { auditWriter, chainOldActs } from './audit.ts';
import { rowsOf, sql } from './kysely-sqlite.ts';
import { migrate, mustBeWhole } from './migrate.ts';
import type { Answer, Op, Outcome } from './queue.ts';
import type { Tables } from './schema.ts';
import type { Act, ActWithStages, AuditHead, Hold, Ledger, ShadowRow } from './store.ts';

/**
 * The store within its thread: WAL and synchronous=FULL, so that what is committed survives a kill -9 and a power cut.
 * Writes in hot paths are prepared raw statements; Kysely writes and types the rest.
 */
export interface SqliteStore extends Sync<Ledger> {
  readonly accounts: Sync<AccountStore>;
  readonly database: DatabaseSync;
  /** Does writes in order, in one transaction: all of them, or none and why the disk did not take them. */
  write(ops: readonly Op[]): Outcome;
  /** Answers each by itself. */
  read(ops: readonly Op[]): Outcome;
  close(): void;
}

/** @throws Error, with the remedy, where the file is damaged, no database, or of a newer Busbar */
export function openSqlite(file: string): SqliteStore {
  const database = openDatabase(file);
  const transaction = transactionsOf(database);
  const store = {
    ...intervalStore(database, transaction),
    ...activityStore(database, transaction),
    ...planStore(database),
    ...metaStore(database),
    accounts: accountStore(database, transaction),
    wakesSince(from: SiteMs): { target: string; at: SiteMs }[] {
      return database
        .prepare(
          `select target, acknowledged_ms as at from command
           where action = 'wake' and acknowledged_ms >= ? order by acknowledged_ms`,
        )
        .all(from) as { target: string; at: SiteMs }[];
    },
    prune(plansBefore: SiteMs, commandsBefore: SiteMs): void {
      transaction(() => {
        database.prepare('delete from plan where made_ms < ?').run(plansBefore);
        database.prepare('delete from command where sent_ms < ?').run(commandsBefore);
      });
    },
    flush(): void {},
  };
  const call = ({ name, args }: Op): unknown => {
    const [first, second] = name.split('.');
    const room = (second === undefined ? store : store.accounts) as unknown as Record<
      string,
      (...a: unknown[]) => unknown
    >;
    return room[second ?? first!]!(...args);
  };
  return {
    ...store,
    database,
    write(ops) {
      try {
        return { answers: transaction(() => ops.map((op) => answer(() => call(op)))) };
      } catch (error) {
        if (!isOfTheWorld(error)) throw error;
        return { failure: wordsOf(error) };
      }
    },
    read(ops) {
      const tolerant = (op: Op): Answer => {
        try {
          return answer(() => call(op));
        } catch (error) {
          return { failure: wordsOf(error) };
        }
      };
      return { answers: ops.map(tolerant) };
    },
    close: () => database.close(),
  };
}

/** What a call gave, or the bug it met. @throws what the world did: a full disk, a broken file */
function answer(work: () => unknown): Answer {
  try {
    return { value: work() };
  } catch (error) {
    if (isOfTheWorld(error)) throw error;
    return { bug: error instanceof Error ? error : new Error(String(error)) };
  }
}

/**
 * Primary result codes that a disk, another process or the memory is at fault for, https://sqlite.org/rescode.html:
 * PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB. The others, such as
 * CONSTRAINT, are bugs of ours.
 */
const OF_THE_WORLD: ReadonlySet<number> = new Set([3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26]);
const codeOf = (error: unknown): number | undefined => (error as { errcode?: number }).errcode;
function isOfTheWorld(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && OF_THE_WORLD.has(code & 0xff);
}
const wordsOf = (error: unknown): string => {
  const { errstr, message } = error as { errstr?: string; message: string };
  return errstr === undefined || message.includes(errstr) ? message : `${message} (${errstr})`;
};

/** Busy is told soon: the queue keeps the writes and tries again. */
const BUSY_MS = 1_000;

function openDatabase(file: string): DatabaseSync {
  if (file !== ':memory:') makeFile(file);
  const database = new DatabaseSync(file);
  try {
    database.exec(
      `pragma busy_timeout = ${BUSY_MS}; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on`,
    );
    mustBeWhole(database, file);
    migrate(database, file);
    chainOldActs(database);
    return database;
  } catch (error) {
    database.close();
    if (!isOfTheWorld(error) && !(error as Error).message.includes('is damaged')) throw error;
    const remedy = `stop Busbar and put a backup in its place: busbar restore BACKUP --data ${dirname(file)}`;
    const damaged = [11, 26].includes((codeOf(error) ?? 11) & 0xff);
    throw new Error(`${file} cannot be opened: ${wordsOf(error)}${damaged ? `; ${remedy}` : ''}`, { cause: error });
  }
}

/** For its owner alone, and so are the files SQLite lays beside it: they take its mode. */
function makeFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (existsSync(file)) chmodSync(file, 0o600);
  else closeSync(openSync(file, 'a', 0o600));
}

/** A transaction; within another, one that is undone by itself. */
function transactionsOf(database: DatabaseSync): Transaction {
  return (work) => {
    const within = database.isTransaction;
    database.exec(within ? 'savepoint one' : 'begin immediate');
    try {
      const result = work();
      database.exec(within ? 'release one' : 'commit');
      return result;
    } catch (error) {
      // A full disk may have ended it already.
      if (database.isTransaction) database.exec(within ? 'rollback to one; release one' : 'rollback');
      throw error;
    }
  };
}

type Transaction = <T>(work: () => T) => T;
const orNull = <T>(value: T | undefined): T | null => value ?? null;
const orUndefined = <T>(value: T | null): T | undefined => value ?? undefined;

function intervalStore(database: DatabaseSync, transaction: Transaction) {
  const insert = database.prepare(
    'insert into interval values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (start_ms) do nothing',
  );
  const insertLine = database.prepare('insert into interval_line values (?, ?, ?, ?, ?, ?, ?)');
  const insertServed = database.prepare('insert into interval_served values (?, ?, ?, ?)');
  const last = database.prepare('select max(start_ms) as start from interval');
  const wh = (value: number | undefined) => (value === undefined ? null : Math.round(value));
  const insertShadow = database.prepare(
    'insert into shadow_interval values (?, ?, ?) on conflict (start_ms) do nothing',
  );
  return {
    bookShadow({ start, wouldImportWh, wouldMarginMicroUsd }: ShadowRow): void {
      insertShadow.run(start, wh(wouldImportWh), wh(wouldMarginMicroUsd));
    },
    shadows(newest: number): ShadowRow[] {
      const rows = rowsOf(
        database,
        sql.selectFrom('shadow_interval').selectAll().orderBy('start_ms', 'desc').limit(newest),
      );
      return rows.toReversed().map((row) => ({
        start: siteMs(row.start_ms),
        wouldImportWh: orUndefined(row.would_import_wh),
        wouldMarginMicroUsd: orUndefined(row.would_margin_microusd),
      }));
    },
    bookInterval(interval: Interval): boolean {
      return transaction(() => {
        const { changes } = insert.run(
          interval.start,
          interval.durationMs,
          wh(interval.importWh),
          interval.coverage,
          orNull(interval.priceUsdPerMwh),
          wh(interval.unattributedWh),
          orNull(interval.energyCost),
          interval.leaseCost,
          wh(interval.planImportWh),
          interval.wakes,
        );
        if (changes === 0) return false;
        for (const line of interval.lines) {
          insertLine.run(
            interval.start,
            line.line,
            wh(line.energyWh),
            orNull(line.revenue),
            orNull(line.quantity),
            line.quantityUnit,
            line.penalty,
          );
        }
        for (const { workClass, gpuHours, unservedGpuHours } of interval.served ?? [])
          insertServed.run(interval.start, workClass, gpuHours, unservedGpuHours);
        return true;
      });
    },
    lastBooked(): SiteMs | undefined {
      const { start } = last.get() as { start: number | null };
      return start === null ? undefined : siteMs(start);
    },
    intervals(newest: number): Interval[] {
      const rows = rowsOf(
        database,
        sql.selectFrom('interval').selectAll().orderBy('start_ms', 'desc').limit(newest),
      ).toReversed();
      const first = rows[0];
      if (first === undefined) return [];
      const lines = rowsOf(
        database,
        sql.selectFrom('interval_line').selectAll().where('start_ms', '>=', first.start_ms),
      );
      const byStart = Map.groupBy(lines, (line) => line.start_ms);
      const servedRows = rowsOf(
        database,
        sql.selectFrom('interval_served').selectAll().where('start_ms', '>=', first.start_ms),
      );
      const servedByStart = Map.groupBy(servedRows, (row) => row.start_ms);
      return rows.map((row) => ({
        start: siteMs(row.start_ms),
        durationMs: row.duration_ms,
        importWh: orUndefined(row.import_wh),
        coverage: row.coverage,
        priceUsdPerMwh: orUndefined(row.price_usd_per_mwh),
        unattributedWh: orUndefined(row.unattributed_wh),
        energyCost: orUndefined(row.energy_cost_microusd),
        leaseCost: row.lease_cost_microusd,
        planImportWh: orUndefined(row.plan_import_wh),
        wakes: row.wakes,
        lines: (byStart.get(row.start_ms) ?? []).map((line) => ({
          line: line.line as IntervalLine['line'],
          energyWh: orUndefined(line.energy_wh),
          revenue: orUndefined(line.revenue_microusd),
          quantity: orUndefined(line.quantity),
          quantityUnit: line.quantity_unit as IntervalLine['quantityUnit'],
          penalty: line.penalty_microusd,
        })),
        ...servedOf(servedByStart.get(row.start_ms)),
      }));
    },
  };
}

const servedOf = (rows: readonly Tables['interval_served'][] | undefined): Pick<Interval, 'served'> =>
  rows === undefined
    ? {}
    : {
        served: rows.map((row) => ({
          workClass: row.work_class,
          gpuHours: row.gpu_hours,
          unservedGpuHours: row.unserved_gpu_hours,
        })),
      };

function activityStore(database: DatabaseSync, transaction: Transaction) {
  const insertAct = database.prepare('insert into act values (?, ?, ?, ?, ?) on conflict (id) do nothing');
  const sameAct = database.prepare('select 1 from act where id = ? and at_ms = ? and who = ? and what = ? and why = ?');
  const chain = auditWriter(database);
  const lastResult = database.prepare(
    `select body from audit where act_id = ? and body like '{"kind":"result"%' order by seq desc limit 1`,
  );
  const outcomes = database.prepare(
    'select stage, fault, count(*) as n from command where act_id = ? group by 1, 2 order by 1, 2',
  );
  const upsertCommand = database.prepare(
    `insert into command values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set
     stage = excluded.stage, attempts = excluded.attempts, fault = excluded.fault,
     acknowledged_ms = excluded.acknowledged_ms, power_ms = excluded.power_ms, meter_ms = excluded.meter_ms`,
  );
  const upsertHold = database.prepare(
    `insert into hold values (?, ?, ?, ?) on conflict (cohort_id) do update set
     who = excluded.who, why = excluded.why, since_ms = excluded.since_ms`,
  );
  function withStages(rows: readonly Tables['act'][]): ActWithStages[] {
    if (rows.length === 0) return [];
    const ids = rows.map((row) => row.id);
    const counts = rowsOf(
      database,
      sql
        .selectFrom('command')
        .select(['act_id', 'stage', (eb) => eb.fn.countAll<number>().as('n')])
        .where('act_id', 'in', ids)
        .groupBy(['act_id', 'stage']),
    );
    const byAct = Map.groupBy(counts, (count) => count.act_id);
    return rows.map((row) => ({
      id: row.id,
      at: siteMs(row.at_ms),
      who: row.who,
      what: row.what,
      why: row.why,
      byStage: Object.fromEntries((byAct.get(row.id) ?? []).map((c) => [c.stage as CommandStage, c.n])),
    }));
  }

  return {
    recordAct(act: Act): void {
      const row = [act.id, act.at, act.who, act.what, act.why] as const;
      if (insertAct.run(...row).changes === 1) {
        chain(act.id, act.at, { kind: 'act', who: act.who, what: act.what, why: act.why });
        return;
      }
      // Written again after the thread died between doing it and saying so: the same act, or a bug.
      if (sameAct.get(...row) === undefined) throw new Error(`act ${act.id} is kept already, and differs`);
    },
    recordResult(actId: string, at: SiteMs): void {
      const byStage: Record<string, number> = {};
      const faults: Record<string, number> = {};
      for (const { stage, fault, n } of outcomes.all(actId) as { stage: string; fault: string | null; n: number }[]) {
        byStage[stage] = (byStage[stage] ?? 0) + n;
        if (stage === 'failed' && fault !== null) faults[fault] = (faults[fault] ?? 0) + n;
      }
      const body = { kind: 'result', byStage, faults } as const;
      // What came of it is told once, and again only where it is not the same any more.
      const told = lastResult.get(actId) as { body: string } | undefined;
      if (told?.body !== JSON.stringify(body)) chain(actId, at, body);
    },
    auditHead(): AuditHead {
      const row = database.prepare('select seq, at_ms, hash from audit order by seq desc limit 1').get() as
        | Pick<Tables['audit'], 'seq' | 'at_ms' | 'hash'>
        | undefined;
      return { entries: row?.seq ?? 0, head: row?.hash, at: row === undefined ? undefined : siteMs(row.at_ms) };
    },
    acts(newest: number): ActWithStages[] {
      const query = sql.selectFrom('act').selectAll().orderBy('at_ms', 'desc').orderBy('id', 'desc').limit(newest);
      return withStages(rowsOf(database, query));
    },
    actsById(ids: readonly string[]): ActWithStages[] {
      return withStages(rowsOf(database, sql.selectFrom('act').selectAll().where('id', 'in', ids)));
    },
    saveCommands(commands: readonly Command[]): void {
      if (commands.length === 0) return;
      transaction(() => {
        for (const c of commands) {
          upsertCommand.run(
            c.id,
            c.batchId,
            c.target,
            c.action,
            orNull(c.mode),
            c.stage,
            c.attempts,
            orNull(c.fault),
            c.sentAt,
            orNull(c.acknowledgedAt),
            orNull(c.seenInPowerAt),
            orNull(c.seenAtMeterAt),
          );
        }
      });
    },
    holds(): Hold[] {
      const rows = rowsOf(database, sql.selectFrom('hold').selectAll());
      return rows.map((row) => ({ cohortId: row.cohort_id, who: row.who, why: row.why, since: siteMs(row.since_ms) }));
    },
    setHold(hold: Hold): void {
      upsertHold.run(hold.cohortId, hold.who, hold.why, hold.since);
    },
    clearHold(cohortId: string): boolean {
      return database.prepare('delete from hold where cohort_id = ?').run(cohortId).changes === 1;
    },
  };
}

function planStore(database: DatabaseSync) {
  const insert = database.prepare('insert or replace into plan values (?, ?, ?)');
  return {
    savePlan(plan: Plan): void {
      insert.run(plan.id, plan.madeAt, JSON.stringify(plan));
    },
  };
}

function metaStore(database: DatabaseSync) {
  const get = database.prepare('select value from meta where key = ?');
  const set = database.prepare('insert into meta values (?, ?) on conflict (key) do update set value = excluded.value');
  return {
    getMeta: (key: string): string | undefined => (get.get(key) as { value: string } | undefined)?.value,
    setMeta(key: string, value: string): void {
      set.run(key, value);
    },
  };
}
