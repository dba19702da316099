import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { MINUTE, siteMs } from '../src/model/index.ts';
import { openHistory } from '../src/store/history/history.ts';
import type { Sample } from '../src/store/history/samples.ts';

/** The demo's machines, read every half minute for half an hour. */
const MACHINES = 9_100;
const SWEEPS = 60;
const T0 = Date.UTC(2026, 2, 23, 22);
const KEEP = { rawDays: 7, minuteDays: 90, quarterHourDays: undefined, diskBytes: 20e9 };

const sweep = (n: number): Sample[] =>
  Array.from({ length: MACHINES }, (_, i) => ({
    id: `m-${String(i).padStart(5, '0')}`,
    at: siteMs(T0 + n * 30_000 + (i % 4_000)),
    powerW: 3_400 + ((i * 7 + n * 13) % 200),
    hashrateThs: 195 + ((i + n) % 10),
    temperatureC: 60 + (i % 15),
    mode: 'default',
  }));

/** Ingest as the server does it: handed over sweep by sweep, saved once a minute, closed into hours. */
async function ingest(folder: string) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const history = openHistory(folder, KEEP);
  await history.usage();
  delay.enable();
  await pause(10);
  const started = performance.now();
  const cpu = process.cpuUsage();
  for (let n = 0; n < SWEEPS; n += 1) {
    history.add(sweep(n));
    if (n % 2 === 1) await history.save(siteMs(T0 + n * 30_000));
  }
  await history.save(siteMs(T0 + 120 * MINUTE));
  const tookMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  await pause(20);
  delay.disable();
  const asked = performance.now();
  const points = await history.query({
    id: 'm-04711',
    gauge: 'powerW',
    from: siteMs(T0),
    to: siteMs(T0 + 120 * MINUTE),
    bucketMs: MINUTE,
  });
  const queryMs = performance.now() - asked;
  if (points.length !== SWEEPS / 2) throw new Error(`${points.length} minutes came back`);
  const { bytes } = await history.usage();
  await history.close();
  return { tookMs, cpuMs: (user + system) / 1000, heldMs: delay.max / 1e6, queryMs, bytes };
}

/** The same rows put into one table and one Parquet file by the same engine, with nothing around it. */
async function bare(folder: string) {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '1GB' });
  const db = await instance.connect();
  const started = performance.now();
  await db.run(
    'create table t (id varchar, at_ms bigint, power_w float, hashrate_ths float, temperature_c float, mode varchar)',
  );
  const appender = await db.createAppender('t');
  for (let n = 0; n < SWEEPS; n += 1)
    for (const sample of sweep(n)) {
      appender.appendVarchar(sample.id);
      appender.appendBigInt(BigInt(sample.at));
      appender.appendFloat(sample.powerW!);
      appender.appendFloat(sample.hashrateThs!);
      appender.appendFloat(sample.temperatureC!);
      appender.appendVarchar(sample.mode!);
      appender.endRow();
    }
  appender.closeSync();
  const file = join(folder, 'bare.parquet');
  await db.run(`copy (select * from t order by id, at_ms) to '${file}' (format parquet, compression zstd)`);
  const tookMs = performance.now() - started;
  db.closeSync();
  instance.closeSync();
  return { tookMs, bytes: statSync(file).size };
}

export async function historyBench(): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-bench-history-'));
  try {
    const history = await ingest(join(folder, 'history'));
    const yardstick = await bare(folder);
    const rows = MACHINES * SWEEPS;
    return {
      about: `${rows.toLocaleString('en-US')} readings: half an hour of ${MACHINES.toLocaleString('en-US')} machines`,
      rowsPerSecond: Math.round(rows / (history.tookMs / 1000)),
      timesFasterThanLife: Math.round((SWEEPS * 30_000) / history.tookMs),
      tookMs: Math.round(history.tookMs),
      cpuMs: Math.round(history.cpuMs),
      eventLoopHeldMs: Math.round(history.heldMs),
      queryOneMachineMs: Math.round(history.queryMs),
      bytesPerReading: Number((history.bytes / rows).toFixed(2)),
      files: readdirSync(join(folder, 'history'), { recursive: true }).length,
      yardstick: 'the same rows appended to one DuckDB table and copied to one Parquet file',
      yardstickMs: Math.round(yardstick.tookMs),
      ratio: Number((history.tookMs / yardstick.tookMs).toFixed(2)),
      cores: cpus().length,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
