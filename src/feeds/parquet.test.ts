import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Fault, isoUtc, QUARTER } from '../model/index.ts';
import { parquet, parseParquet } from './parquet.ts';

const settings = {
  path: 'p.parquet',
  time: { column: 't', format: 'iso_utc' } as object,
  intervalMinutes: 15,
  columns: [{ column: 'price', series: 'priceUsdPerMwh', unit: 'usd_per_mwh' }],
  source: 'somewhere',
};
type Table = Parameters<typeof parseParquet>[1];
const tableOf = (over: object = {}): Table => parquet.config.parse({ ...settings, ...over });

let folder = '';
let db: DuckDBConnection;
let written = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'busbar-parquet-'));
  db = await (await DuckDBInstance.create(':memory:')).connect();
});
afterAll(async () => {
  db.closeSync();
  await rm(folder, { recursive: true });
});
/** A file as a data platform writes it, from a query. */
async function write(query: string, options = 'compression snappy'): Promise<Uint8Array> {
  written += 1;
  const path = join(folder, `${written}.parquet`);
  await db.run(`copy (${query}) to '${path}' (format parquet, ${options})`);
  return readFile(path);
}

const QUARTERS = `select i, timestamp '2026-03-23 00:00:00' + i * interval 15 minute as t, 30.0::double + i as price from range(8) r(i)`;
const AT = Date.UTC(2026, 2, 23);

describe('times', () => {
  test.each<[string, string, object, string]>([
    ['timestamps', `select t, price from (${QUARTERS})`, {}, '2026-03-23T00:00:00Z'],
    ['timestamps with a zone', `select t::timestamptz as t, price from (${QUARTERS})`, {}, '2026-03-23T00:00:00Z'],
    ['nanoseconds', `select t::timestamp_ns as t, price from (${QUARTERS})`, {}, '2026-03-23T00:00:00Z'],
    [
      'local timestamps',
      `select t, price from (${QUARTERS})`,
      { format: 'local', zone: 'America/Chicago' },
      '2026-03-23T05:00:00Z',
    ],
    ['text', `select strftime(t, '%Y-%m-%dT%H:%M:%SZ') as t, price from (${QUARTERS})`, {}, '2026-03-23T00:00:00Z'],
    ['seconds', `select epoch(t)::bigint as t, price from (${QUARTERS})`, { format: 'unix_s' }, '2026-03-23T00:00:00Z'],
    ['endings', `select t, price from (${QUARTERS})`, { marks: 'ending' }, '2026-03-22T23:45:00Z'],
  ])('%s', async (_, query, time, first) => {
    const table = tableOf({ time: { column: 't', format: 'iso_utc', ...time } });
    const [series] = await parseParquet(await write(query), table);
    expect(series!.points).toHaveLength(8);
    expect(isoUtc(series!.points[0]!.start)).toBe(first);
    expect(series!.points.map(({ value }) => value)).toEqual([30, 31, 32, 33, 34, 35, 36, 37]);
  });
});

test.each(['uncompressed', 'snappy', 'gzip', 'zstd', 'lz4', 'brotli'])('compressed with %s', async (codec) => {
  const [series] = await parseParquet(
    await write(`select t, price from (${QUARTERS})`, `compression ${codec}`),
    tableOf(),
  );
  expect(series!.points).toHaveLength(8);
});

test('numbers of any kind, and missing ones', async () => {
  const bytes = await write(
    `select t, (price / 1000)::decimal(10, 5) as price, i::bigint as whole, case when i = 3 then null else price end as holes from (${QUARTERS})`,
  );
  const columns = (column: string, unit = 'usd_per_mwh') => ({ columns: [{ column, series: 'priceUsdPerMwh', unit }] });
  const [decimal] = await parseParquet(bytes, tableOf(columns('price', 'usd_per_kwh')));
  expect(decimal!.points[1]!.value).toBeCloseTo(31, 9);
  const [whole] = await parseParquet(bytes, tableOf(columns('whole')));
  expect(whole!.points.at(-1)!.value).toBe(7);
  const [holes] = await parseParquet(bytes, tableOf(columns('holes')));
  expect(holes!.points[3]!.value).toBe(32);
  expect(holes!.mended).toEqual([expect.stringContaining('an interval is missing from 2026-03-23T00:45:00Z')]);
});

test.each<[string, string, object, string]>([
  ['an unknown column', 'select 1 as a', {}, 'p.parquet: found no column "t", only a'],
  [
    'text for a number',
    `select t, 'x' as price from (${QUARTERS})`,
    {},
    'p.parquet, row 1: found "x", expected a number',
  ],
  ['no time', `select true as t, price from (${QUARTERS})`, {}, 'p.parquet, row 1: column "t" holds no time'],
  ['a wrong unit', `select t, price / 1000 as price from (${QUARTERS})`, {}, 'is it in $/kWh'],
  ['no rows', `select t, price from (${QUARTERS}) where false`, {}, 'p.parquet: no rows'],
])('%s is refused', async (_, query, over, message) => {
  await expect(parseParquet(await write(query), tableOf(over))).rejects.toThrow(message);
});

test('what is written comes back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: 1, max: 9000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      async (values) => {
        const rows = values.map(
          (value, i) =>
            `(timestamp '${isoUtc(AT + i * QUARTER)
              .slice(0, 19)
              .replace('T', ' ')}', '${value}'::double)`,
        );
        const [series] = await parseParquet(
          await write(`select * from (values ${rows.join(',')}) v(t, price)`),
          tableOf(),
        );
        expect(series!.points).toEqual(values.map((value, i) => ({ start: AT + i * QUARTER, value })));
      },
    ),
    { numRuns: 10 },
  );
});

test('whatever is done to the bytes of a file, it ends in series or in a fault', async () => {
  const good = await write(`select t, price from (${QUARTERS})`);
  const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(good.length)),
      async (changes, cut) => {
        const bytes = Uint8Array.from(good);
        for (const [at, by] of changes) bytes[at] = by;
        try {
          const [series] = await parseParquet(cut === null ? bytes : bytes.slice(0, cut), tableOf());
          for (const { value } of series!.points) expect(value >= -2000 && value <= 20_000).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      },
    ),
    { numRuns: 400 },
  );
});
