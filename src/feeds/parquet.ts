import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { z } from 'zod';
import { Fault, type Series } from '../model/index.ts';
import { defineFeed } from './feed.ts';
import { fileFeed, fromDisk } from './shared/files.ts';
import { short } from './shared/web.ts';
import { seriesOfTable, tableShape, type TableRow } from './shared/table.ts';

const config = z.strictObject(tableShape);
type Config = z.output<typeof config>;

/** The same mapping as `csv` over the columns of a Parquet file, as data platforms export them. */
export const parquet = defineFeed({
  name: 'parquet',
  about: 'Series from the columns of a Parquet file, with units and time zone declared in the site file',
  config,
  silence: 'a value holds for two intervals (three hours for hourly and slower series)',
  open({ config: table }, io) {
    return fileFeed(table.path, io, async () => ({
      series: await parseParquet(await fromDisk(table.path, io.readBytes(table.path)), table),
      final: true,
    }));
  },
});

/** Larger files are a data lake and no feed. */
const MOST_ROWS = 2_000_000;

/**
 * Timestamps count as UTC, and as wall-clock times where `format` is local; text and integers as `format` says.
 * @throws Fault `garbled` with file, row (the first is 1), what was found and what was expected
 */
export async function parseParquet(bytes: Uint8Array, table: Config): Promise<readonly Series[]> {
  const { path, time, columns } = table;
  const wanted = [
    time.column,
    ...(time.repeated === undefined ? [] : [time.repeated]),
    ...columns.map((c) => c.column),
  ];
  const rows = await readColumns(bytes, [...new Set(wanted)], path);
  const tableRows = rows.map((row, i): TableRow => ({ place: `${path}, row ${i + 1}`, cell: (column) => row[column] }));
  return seriesOfTable(table, tableRows, (cell, place) => {
    if (typeof cell === 'number' || typeof cell === 'bigint') return Number(cell);
    throw new Fault(
      'garbled',
      `${place}: found ${typeof cell === 'object' ? 'a structure' : short(cell)}, expected a number`,
    );
  });
}

async function readColumns(bytes: Uint8Array, wanted: string[], path: string): Promise<Record<string, unknown>[]> {
  const buffer = bytes.slice().buffer;
  const file = { byteLength: buffer.byteLength, slice: (start: number, end?: number) => buffer.slice(start, end) };
  try {
    const metadata = await parquetMetadataAsync(file);
    const names = parquetSchema(metadata).children.map(({ element }) => element.name);
    for (const name of wanted)
      if (!names.includes(name))
        throw new Fault(
          'garbled',
          `${path}: found no column "${name}", only ${names.slice(0, 20).join(', ').slice(0, 300)}`,
        );
    if (Number(metadata.num_rows) > MOST_ROWS)
      throw new Fault('garbled', `${path}: ${metadata.num_rows} rows, expected at most ${MOST_ROWS}`);
    return await parquetReadObjects({ file, metadata, columns: wanted, compressors });
  } catch (error) {
    if (error instanceof Fault) throw error;
    // The reader knows only errors of its input; whatever it throws, the file is not what it should be.
    throw new Fault('garbled', `${path}: not a Parquet file that can be read (${String(error).slice(0, 200)})`, {
      cause: error,
    });
  }
}
