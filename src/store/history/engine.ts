import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { DAY, HOUR, siteMs, type SiteMs } from '../../model/index.ts';
import {
  dayOf,
  dayStartMs,
  hourOf,
  linkAll,
  listLevel,
  piecePath,
  place,
  quarterPath,
  sizeOf,
  tidy,
  wholePath,
  type Piece,
} from './files.ts';
import {
  BUCKET_MS,
  GAUGE_NAMES,
  GAUGES,
  LEVELS,
  type HistoryPoint,
  type HistoryQuery,
  type HistoryUsage,
  type Level,
  type LevelUsage,
  type Retention,
  type Sample,
} from './samples.ts';

/**
 * Telemetry history in DuckDB over Parquet files (layout in files.ts). New readings stand in memory until they are
 * saved, once a minute: a kill loses that minute of gauges, and no energy, as meters count on. Runs in a worker.
 */
export interface HistoryEngine {
  add(samples: readonly Sample[]): void;
  /** Puts what is in memory on disk, closes hours and days that are over, and keeps to the retention. */
  save(now: SiteMs): Promise<void>;
  query(query: HistoryQuery): Promise<HistoryPoint[]>;
  /** Saves, and links every file of that moment below another folder. */
  snapshot(to: string): Promise<void>;
  usage(): HistoryUsage;
  close(): Promise<void>;
}

/** Some hours of ten thousand machines. */
const MOST_UNSAVED = 4_000_000;

const RAW_COLUMNS = `id varchar not null, at_ms bigint not null, ${Object.values(GAUGES)
  .map((column) => `${column} float`)
  .join(', ')}, energy_wh double, mode varchar`;

/** Minutes from readings, or quarter-hours from minutes: means weigh by samples, extremes and counters stay what they are. */
const FROM_RAW = Object.values(GAUGES)
  .map(
    (c) =>
      `count(${c})::integer as ${c}_n, avg(${c})::float as ${c}_mean, min(${c}) as ${c}_min, max(${c}) as ${c}_max`,
  )
  .join(', ');
const FROM_MINUTES = Object.values(GAUGES)
  .map(
    (c) =>
      `sum(${c}_n)::integer as ${c}_n, (sum(${c}_mean * ${c}_n) / nullif(sum(${c}_n), 0))::float as ${c}_mean, min(${c}_min) as ${c}_min, max(${c}_max) as ${c}_max`,
  )
  .join(', ');
const WRITE = '(format parquet, compression zstd, row_group_size 20000)';

export async function openEngine(folder: string, retention: Retention, memory = '256MB'): Promise<HistoryEngine> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let next = tidy(folder);
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: memory,
    threads: '1',
    temp_directory: `${folder}/spill`,
  });
  const db = await instance.connect();
  await db.run(`create table fresh (${RAW_COLUMNS})`);
  let pending: Sample[] = [];
  let unsaved = 0;
  let trimmedDays = 0;
  /** One at a time: a query must not see a table half emptied. */
  let tail: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = tail.then(work);
    tail = result.catch(() => {});
    return result;
  };

  async function takeIn(): Promise<void> {
    if (pending.length === 0) return;
    const samples = pending;
    pending = [];
    await append(db, samples);
  }

  async function savePieces(): Promise<void> {
    await takeIn();
    const reader = await db.runAndReadAll(`select distinct at_ms // ${HOUR} from fresh order by 1`);
    for (const [number] of reader.getRowsJS()) {
      const start = Number(number) * HOUR;
      const n = next;
      next += 1;
      await place(piecePath(folder, dayOf(start), hourOf(start), n), (path) =>
        copy(db, `select * from fresh where at_ms // ${HOUR} = ${Number(number)} order by id, at_ms`, path),
      );
      await db.run(`delete from fresh where at_ms // ${HOUR} = ${Number(number)}`);
    }
    unsaved = 0;
  }

  /** Hours before the one that runs become one file each, with its minutes beside it. */
  async function closeHours(now: SiteMs): Promise<void> {
    const open = new Map<string, Piece[]>();
    for (const piece of listLevel(folder, 'raw')) {
      if (dayStartMs(piece.day) + (piece.hour + 1) * HOUR > now) continue;
      const key = `${piece.day} ${piece.hour}`;
      open.set(key, [...(open.get(key) ?? []), piece]);
    }
    for (const pieces of open.values()) if (pieces.some(({ whole }) => !whole)) await closeHour(pieces);
  }

  async function closeHour(pieces: readonly Piece[]): Promise<void> {
    const { day, hour } = pieces[0]!;
    const upTo = Math.max(...pieces.map((piece) => piece.upTo));
    const from = `read_parquet([${pieces.map(({ path }) => quoted(path)).join(', ')}])`;
    const before = listLevel(folder, 'minute').filter((piece) => piece.day === day && piece.hour === hour);
    // Minutes first: while the pieces stand, nothing is lost by a kill between the two.
    await place(wholePath(folder, 'minute', day, hour, upTo), (path) =>
      copy(db, rollUp(from, FROM_RAW, BUCKET_MS.minute), path),
    );
    await place(wholePath(folder, 'raw', day, hour, upTo), (path) =>
      copy(db, `select * from ${from} order by id, at_ms`, path),
    );
    for (const { path } of [...pieces, ...before])
      if (!path.endsWith(`.${upTo}.parquet`)) rmSync(path, { force: true });
  }

  /** Days before the one that runs get their quarter-hours. */
  async function closeDays(now: SiteMs): Promise<void> {
    const today = dayOf(now);
    const done = new Set(listLevel(folder, 'quarter').map(({ day }) => day));
    const minutes = listLevel(folder, 'minute');
    for (const day of new Set(minutes.map((piece) => piece.day))) {
      if (day >= today || done.has(day)) continue;
      const paths = minutes.filter((piece) => piece.day === day).map(({ path }) => quoted(path));
      await place(quarterPath(folder, day), (path) =>
        copy(db, rollUp(`read_parquet([${paths.join(', ')}])`, FROM_MINUTES, BUCKET_MS.quarter), path),
      );
    }
  }

  function forget(now: SiteMs): void {
    const days: Readonly<Record<Level, number | undefined>> = {
      raw: retention.rawDays,
      minute: retention.minuteDays,
      quarter: retention.quarterHourDays,
    };
    for (const level of LEVELS) {
      const keep = days[level];
      if (keep === undefined) continue;
      for (const { path, day } of listLevel(folder, level))
        if (dayStartMs(day) + DAY <= now - keep * DAY) removeFile(path);
    }
    keepBudget(now);
  }

  /** The oldest readings go first, then the oldest minutes; the running day and quarter-hours stay. */
  function keepBudget(now: SiteMs): void {
    const today = dayOf(now);
    let bytes = total(usageOf(folder));
    for (const level of ['raw', 'minute'] as const) {
      const all = listLevel(folder, level);
      for (const day of new Set(all.map((piece) => piece.day))) {
        if (bytes <= retention.diskBytes) return;
        if (day >= today) break;
        for (const { path } of all.filter((piece) => piece.day === day)) {
          bytes -= sizeOf(path);
          removeFile(path);
        }
        trimmedDays += 1;
      }
    }
  }

  return {
    add(samples) {
      // A disk that takes nothing must not fill the memory: what cannot be kept is given up, newest first.
      if (unsaved > MOST_UNSAVED) return;
      for (const sample of samples) pending.push(sample);
      unsaved += samples.length;
    },
    save: (now) =>
      inTurn(async () => {
        await savePieces();
        await closeHours(now);
        await closeDays(now);
        forget(now);
      }),
    query: (query) =>
      inTurn(async () => {
        await takeIn();
        return runQuery(db, folder, query);
      }),
    snapshot: (to) =>
      inTurn(async () => {
        await savePieces();
        linkAll(folder, to);
      }),
    usage: () => {
      const levels = usageOf(folder);
      return { budgetBytes: retention.diskBytes, bytes: total(levels), levels, trimmedDays, unsaved };
    },
    close: () =>
      inTurn(async () => {
        await savePieces();
        db.closeSync();
        instance.closeSync();
      }),
  };
}

const total = (levels: readonly LevelUsage[]): number => levels.reduce((sum, { bytes }) => sum + bytes, 0);

function usageOf(folder: string): LevelUsage[] {
  return LEVELS.map((level) => {
    const all = listLevel(folder, level);
    const bytes = all.reduce((sum, { path }) => sum + sizeOf(path), 0);
    return { level, bytes, files: all.length, oldest: all[0]?.day };
  });
}

function removeFile(path: string): void {
  rmSync(path, { force: true });
  // The folder of a day goes with its last file.
  try {
    rmSync(dirname(path), { recursive: false });
  } catch {
    // Other files of the day are still there.
  }
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const copy = async (db: DuckDBConnection, select: string, path: string): Promise<void> => {
  await db.run(`copy (${select}) to ${quoted(path)} ${WRITE}`);
};

const rollUp = (from: string, gauges: string, bucketMs: number): string =>
  `select id, (at_ms // ${bucketMs}) * ${bucketMs} as at_ms, ${gauges}, min(energy_wh) as energy_wh, last(mode order by at_ms) as mode
   from ${from} group by 1, 2 order by 1, 2`;

async function append(db: DuckDBConnection, samples: readonly Sample[]): Promise<void> {
  const appender = await db.createAppender('fresh');
  for (const sample of samples) {
    appender.appendVarchar(sample.id);
    appender.appendBigInt(BigInt(Math.round(sample.at)));
    for (const gauge of GAUGE_NAMES) {
      const value = sample[gauge];
      if (value === undefined) appender.appendNull();
      else appender.appendFloat(value);
    }
    if (sample.energyWh === undefined) appender.appendNull();
    else appender.appendDouble(sample.energyWh);
    if (sample.mode === undefined) appender.appendNull();
    else appender.appendVarchar(sample.mode);
    appender.endRow();
  }
  appender.closeSync();
}

/** Each day from the coarsest files that are fine enough, and from coarser ones where the finer are gone. */
async function runQuery(db: DuckDBConnection, folder: string, query: HistoryQuery): Promise<HistoryPoint[]> {
  const sources: string[] = [];
  const within = `id = ${quoted(query.id)} and at_ms >= ${query.from} and at_ms < ${query.to}`;
  for (const { level, paths } of chooseFiles(folder, query)) {
    if (paths.length === 0) continue;
    const from = `read_parquet([${paths.map(quoted).join(', ')}], union_by_name = true)`;
    sources.push(`select at_ms, ${valuesOf(query.gauge, level)} from ${from} where ${within}`);
  }
  sources.push(`select at_ms, ${valuesOf(query.gauge, 'raw')} from fresh where ${within}`);
  const bucketMs = Math.max(1, Math.round(query.bucketMs));
  const reader = await db.runAndReadAll(
    `select (at_ms // ${bucketMs}) * ${bucketMs} as start, sum(mean * n) / sum(n), min(low), max(high), sum(n)
     from (${sources.join(' union all ')}) where n > 0 group by 1 order by 1`,
  );
  return reader.getRowsJS().map(([start, mean, min, max, samples]) => ({
    start: siteMs(Number(start)),
    mean: Number(mean),
    min: Number(min),
    max: Number(max),
    samples: Number(samples),
  }));
}

function valuesOf(gauge: HistoryQuery['gauge'], level: Level): string {
  if (gauge === 'energyWh')
    return 'energy_wh as mean, energy_wh as low, energy_wh as high, (energy_wh is not null)::integer as n';
  const c = GAUGES[gauge];
  if (level === 'raw')
    return `${c}::double as mean, ${c}::double as low, ${c}::double as high, (${c} is not null)::integer as n`;
  return `${c}_mean::double as mean, ${c}_min::double as low, ${c}_max::double as high, ${c}_n as n`;
}

function chooseFiles(folder: string, { from, to, bucketMs }: HistoryQuery): { level: Level; paths: string[] }[] {
  const chosen: Record<Level, string[]> = { raw: [], minute: [], quarter: [] };
  const touches = ({ day, hour }: Piece): boolean => {
    const start = dayStartMs(day) + Math.max(0, hour) * HOUR;
    return start < to && start + (hour < 0 ? DAY : HOUR) > from;
  };
  const files = Object.fromEntries(LEVELS.map((level) => [level, listLevel(folder, level).filter(touches)])) as Record<
    Level,
    Piece[]
  >;
  const days = new Set(LEVELS.flatMap((level) => files[level].map(({ day }) => day)));
  for (const day of days) {
    const of = (level: Level): Piece[] => files[level].filter((piece) => piece.day === day);
    if (
      of('quarter').length > 0 &&
      (bucketMs >= BUCKET_MS.quarter || (of('minute').length === 0 && of('raw').length === 0))
    ) {
      chosen.quarter.push(...of('quarter').map(({ path }) => path));
      continue;
    }
    for (let hour = 0; hour < 24; hour += 1) {
      const raw = of('raw').filter((piece) => piece.hour === hour);
      const minute = of('minute').filter((piece) => piece.hour === hour);
      // An hour that still has loose pieces is not wholly in its minutes.
      const closed = raw.every(({ whole }) => whole);
      if (minute.length > 0 && closed && (bucketMs >= BUCKET_MS.minute || raw.length === 0)) {
        chosen.minute.push(...minute.map(({ path }) => path));
      } else chosen.raw.push(...raw.map(({ path }) => path));
    }
  }
  return LEVELS.map((level) => ({ level, paths: chosen[level] }));
}
