import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import {
  siteMs,
  type Command,
  type CommandStage,
  type Interval,
  type IntervalLine,
  type Plan,
  type SiteMs,
} from '../model/index.ts';
import { accountStore, type AccountStore } from './accounts.ts';
import { nodeSqliteDialect } from './kysely-sqlite.ts';
import { MIGRATIONS, type Tables } from './schema.ts';

/** Who or what did something, and why. Commands hang below it. */
export interface Act {
  readonly id: string;
  readonly at: SiteMs;
  readonly who: string;
  readonly what: string;
  readonly why: string;
}

export interface ActWithStages extends Act {
  readonly byStage: Readonly<Partial<Record<CommandStage, number>>>;
}

export interface Hold {
  readonly cohortId: string;
  readonly who: string;
  readonly why: string;
  readonly since: SiteMs;
}

/** One quarter-hour of what would have been; energy in Wh, money in micro-dollars. */
export interface ShadowRow {
  readonly start: SiteMs;
  readonly wouldImportWh: number | undefined;
  readonly wouldMarginMicroUsd: number | undefined;
}

/**
 * State and ledger in SQLite: WAL and synchronous=FULL, so that a row whose write has returned survives a kill -9.
 * Writes in hot paths are prepared raw statements; the rest goes through Kysely.
 */
export interface Store {
  /** People, their sessions and API tokens. */
  readonly accounts: AccountStore;
  /** Books an interval. One that is booked already stays as it is: the first writing is the ledger's. */
  bookInterval(interval: Interval): boolean;
  intervals(newest: number): Promise<readonly Interval[]>;
  /** Start of the newest interval booked. */
  lastBooked(): SiteMs | undefined;
  /** What a quarter-hour would have earned had the plan been carried out; the first writing stands. */
  bookShadow(shadow: ShadowRow): void;
  shadows(newest: number): Promise<readonly ShadowRow[]>;
  savePlan(plan: Plan): void;
  recordAct(act: Act): void;
  acts(newest: number): Promise<readonly ActWithStages[]>;
  actsById(ids: readonly string[]): Promise<readonly ActWithStages[]>;
  saveCommands(commands: readonly Command[]): void;
  holds(): Promise<readonly Hold[]>;
  setHold(hold: Hold): Promise<void>;
  clearHold(cohortId: string): Promise<boolean>;
  getMeta(key: string): string | undefined;
  setMeta(key: string, value: string): void;
  /** Forgets plans and commands older than a moment each; intervals and acts are kept. */
  prune(plansBefore: SiteMs, commandsBefore: SiteMs): void;
  close(): void;
}

export function openStore(file: string): Store {
  if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(file);
  database.exec(
    'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000',
  );
  migrate(database);
  const db = new Kysely<Tables>({ dialect: nodeSqliteDialect(database) });
  const transaction = <T>(work: () => T): T => {
    database.exec('begin immediate');
    try {
      const result = work();
      database.exec('commit');
      return result;
    } catch (error) {
      database.exec('rollback');
      throw error;
    }
  };
  return {
    ...intervalStore(database, db, transaction),
    ...activityStore(database, db, transaction),
    ...planStore(database),
    ...metaStore(database),
    accounts: accountStore(database, transaction),
    prune(plansBefore, commandsBefore) {
      transaction(() => {
        database.prepare('delete from plan where made_ms < ?').run(plansBefore);
        database.prepare('delete from command where sent_ms < ?').run(commandsBefore);
      });
    },
    close: () => database.close(),
  };
}

function migrate(database: DatabaseSync): void {
  database.exec(
    'create table if not exists migration (number integer primary key, at_ms integer not null default (unixepoch() * 1000)) strict',
  );
  const done = (database.prepare('select count(*) as n from migration').get() as { n: number }).n;
  if (done > MIGRATIONS.length) {
    throw new Error(
      `the store is of a newer Busbar (migration ${done}, this one knows ${MIGRATIONS.length}): update Busbar, or use another data folder`,
    );
  }
  for (const [i, sql] of MIGRATIONS.entries()) {
    if (i < done) continue;
    database.exec(`begin immediate; ${sql}; insert into migration (number) values (${i + 1}); commit`);
  }
}

type Transaction = <T>(work: () => T) => T;
const orNull = <T>(value: T | undefined): T | null => value ?? null;
const orUndefined = <T>(value: T | null): T | undefined => value ?? undefined;

function intervalStore(database: DatabaseSync, db: Kysely<Tables>, transaction: Transaction) {
  const insert = database.prepare(
    'insert into interval values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (start_ms) do nothing',
  );
  const insertLine = database.prepare('insert into interval_line values (?, ?, ?, ?, ?, ?, ?)');
  const last = database.prepare('select max(start_ms) as start from interval');
  const wh = (value: number | undefined) => (value === undefined ? null : Math.round(value));
  const insertShadow = database.prepare(
    'insert into shadow_interval values (?, ?, ?) on conflict (start_ms) do nothing',
  );
  return {
    bookShadow({ start, wouldImportWh, wouldMarginMicroUsd }: ShadowRow): void {
      insertShadow.run(start, wh(wouldImportWh), wh(wouldMarginMicroUsd));
    },
    async shadows(newest: number): Promise<readonly ShadowRow[]> {
      const rows = await db
        .selectFrom('shadow_interval')
        .selectAll()
        .orderBy('start_ms', 'desc')
        .limit(newest)
        .execute();
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
        return true;
      });
    },
    lastBooked(): SiteMs | undefined {
      const { start } = last.get() as { start: number | null };
      return start === null ? undefined : siteMs(start);
    },
    async intervals(newest: number): Promise<Interval[]> {
      const rows = await db.selectFrom('interval').selectAll().orderBy('start_ms', 'desc').limit(newest).execute();
      rows.reverse();
      const first = rows[0];
      if (first === undefined) return [];
      const lines = await db.selectFrom('interval_line').selectAll().where('start_ms', '>=', first.start_ms).execute();
      const byStart = Map.groupBy(lines, (line) => line.start_ms);
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
      }));
    },
  };
}

function activityStore(database: DatabaseSync, db: Kysely<Tables>, transaction: Transaction) {
  const insertAct = database.prepare('insert into act values (?, ?, ?, ?, ?)');
  const upsertCommand = database.prepare(
    `insert into command values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set
     stage = excluded.stage, attempts = excluded.attempts, fault = excluded.fault,
     acknowledged_ms = excluded.acknowledged_ms, power_ms = excluded.power_ms, meter_ms = excluded.meter_ms`,
  );
  async function withStages(rows: readonly Tables['act'][]): Promise<ActWithStages[]> {
    if (rows.length === 0) return [];
    const counts = await db
      .selectFrom('command')
      .select(['act_id', 'stage', (eb) => eb.fn.countAll<number>().as('n')])
      .where(
        'act_id',
        'in',
        rows.map((row) => row.id),
      )
      .groupBy(['act_id', 'stage'])
      .execute();
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
      insertAct.run(act.id, act.at, act.who, act.what, act.why);
    },
    async acts(newest: number): Promise<ActWithStages[]> {
      return withStages(
        await db.selectFrom('act').selectAll().orderBy('at_ms', 'desc').orderBy('id', 'desc').limit(newest).execute(),
      );
    },
    async actsById(ids: readonly string[]): Promise<ActWithStages[]> {
      return withStages(await db.selectFrom('act').selectAll().where('id', 'in', ids).execute());
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
    async holds(): Promise<Hold[]> {
      const rows = await db.selectFrom('hold').selectAll().execute();
      return rows.map((row) => ({ cohortId: row.cohort_id, who: row.who, why: row.why, since: siteMs(row.since_ms) }));
    },
    async setHold(hold: Hold): Promise<void> {
      const row = { cohort_id: hold.cohortId, who: hold.who, why: hold.why, since_ms: hold.since };
      await db
        .insertInto('hold')
        .values(row)
        .onConflict((c) => c.column('cohort_id').doUpdateSet(row))
        .execute();
    },
    async clearHold(cohortId: string): Promise<boolean> {
      const result = await db.deleteFrom('hold').where('cohort_id', '=', cohortId).executeTakeFirst();
      return result.numDeletedRows > 0n;
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
