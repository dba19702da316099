import { CsvError, parse } from 'csv-parse/sync';
import { z } from 'zod';
import { Fault, type Series } from '../model/index.ts';
import { defineFeed } from './feed.ts';
import { fileFeed, fromDisk } from './shared/files.ts';
import { seriesOfTable, tableShape, type TableRow } from './shared/table.ts';

const config = z.strictObject({
  ...tableShape,
  delimiter: z.enum([',', ';', '\t', '|']).default(','),
  decimal: z.enum(['.', ',']).default('.').describe('the decimal mark'),
  skipLines: z.number().int().min(0).default(0).describe('lines before the line of column names'),
});
type Config = z.output<typeof config>;

/** Any market, weather station or exporter that writes tables: the site file says what is in which column. */
export const csv = defineFeed({
  name: 'csv',
  about: 'Series from the columns of a CSV file, with units and time zone declared in the site file',
  config,
  silence: 'a value holds for two intervals (three hours for hourly and slower series)',
  open({ config: table }, io) {
    return fileFeed(table.path, io, async (looks) => {
      const text = await fromDisk(table.path, io.readFile(table.path));
      // A last row without its line end may still be under way: "12" of "12.34". It counts once the file stands still.
      const whole = looks > 0 || /\n\s*$/.test(text);
      return { series: parseTable(whole ? text : text.slice(0, text.lastIndexOf('\n') + 1), table), final: whole };
    });
  },
});

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** @throws Fault `garbled` with file, line, what was found and what was expected. */
export function parseTable(text: string, table: Config): readonly Series[] {
  const { path, delimiter, skipLines } = table;
  const body = withoutLines(text, skipLines);
  let parsed: readonly Parsed[];
  try {
    parsed = parse(body, {
      bom: true,
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as never;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = Number((error as { lines?: unknown }).lines ?? 0) + skipLines;
    throw new Fault('garbled', `${path}:${line}: not CSV (${error.message})`);
  }
  const [head, ...rows] = parsed;
  if (head === undefined)
    throw new Fault('garbled', `${path}:${skipLines + 1}: found nothing, expected a line of column names`);
  const names = head.record.map((name) => name.trim());
  const columns = new Map<string, number>();
  const { column: times, repeated } = table.time;
  for (const wanted of [
    times,
    ...(repeated === undefined ? [] : [repeated]),
    ...table.columns.map(({ column }) => column),
  ]) {
    const where = `${path}:${head.info.lines + skipLines}`;
    const at = names.indexOf(wanted);
    if (at < 0)
      throw new Fault(
        'garbled',
        `${where}: found no column "${wanted}", only ${names.slice(0, 20).join(', ').slice(0, 300)}`,
      );
    if (names.indexOf(wanted, at + 1) >= 0) throw new Fault('garbled', `${where}: found two columns "${wanted}"`);
    columns.set(wanted, at);
  }
  const tableRows = rows.map(({ record, info }): TableRow => {
    const place = `${path}:${info.lines + skipLines}`;
    if (record.length !== names.length)
      throw new Fault('garbled', `${place}: found ${record.length} columns, expected ${names.length}`);
    return { place, cell: (column) => record[columns.get(column)!]!.trim() };
  });
  return seriesOfTable(table, tableRows, (cell, place) => plainNumber(String(cell), place, table.decimal));
}

/** The text from line `count` on; line numbers of what is wrong are told in the whole file. */
function withoutLines(text: string, count: number): string {
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    const end = text.indexOf('\n', at);
    if (end < 0) return '';
    at = end + 1;
  }
  return text.slice(at);
}

const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function plainNumber(cell: string, place: string, decimal: '.' | ','): number {
  const text = decimal === ',' ? cell.replace(',', '.') : cell;
  if (PLAIN.test(text) && !(decimal === ',' && cell.includes('.'))) return Number(text);
  const remedy = cell.includes(',') && decimal === '.' ? '; a decimal comma is "decimal: \',\'"' : '';
  throw new Fault('garbled', `${place}: found "${cell.slice(0, 40)}", expected a number${remedy}`);
}
