import { z } from 'zod';
import { Fault, MINUTE, type Point, type Provenance, type Series } from '../../model/index.ts';
import { figure, suspectUnit } from './plausible.ts';
import { bridgeGaps, holdsFor, inOrder, newest, type Row } from './rows.ts';
import { timeReader, timeShape, ZONE_IF_LOCAL, zoneIfLocal, type RawTime } from './times.ts';
import { eachSeriesOnce, figureShape, UNIT_FITS, unitFits } from './units.ts';
import { short } from './web.ts';

/** What a table of a file says of itself, in the site file; `csv` and `parquet` share it. */
export const tableShape = {
  path: z.string().min(1).describe('the file, relative to the site file'),
  time: z
    .strictObject({
      column: z.string().min(1).describe('the column of times'),
      ...timeShape,
      repeated: z
        .string()
        .optional()
        .describe('a column that is true, Y or 1 in the second of two equal hours in autumn; absent: told by order'),
    })
    .refine(zoneIfLocal, ZONE_IF_LOCAL),
  intervalMinutes: z.number().positive().max(44_640).describe('from one row to the next'),
  columns: z
    .array(
      z
        .strictObject({ column: z.string().min(1).describe('as the file names it'), ...figureShape })
        .refine(unitFits, UNIT_FITS),
    )
    .min(1)
    .refine(eachSeriesOnce, 'a series twice'),
  order: z
    .enum(['ascending', 'any'])
    .default('ascending')
    .describe('ascending: a step back in time is refused; any: rows are sorted'),
  source: z.string().min(1).describe('where the figures are from, for people'),
  provenance: z
    .enum(['measured', 'rounded', 'list'])
    .default('measured')
    .describe('measured: really happened; rounded: public figures written down; list: list prices'),
} as const;

const tableConfig = z.strictObject(tableShape);
type Table = z.output<typeof tableConfig>;

/** One row of a file, its cells by column; a cell left empty is undefined or null. */
export interface TableRow {
  readonly place: string;
  cell(column: string): unknown;
}

/** A file of so few rows is too short to doubt its unit. */
const FEW_ROWS = 4;

/**
 * A table as series, in order, mended where that is harmless and refused where it is not.
 * @param number reads a cell that is not empty
 * @throws Fault `garbled` with the place of what is wrong
 */
export function seriesOfTable(
  table: Table,
  rows: readonly TableRow[],
  number: (cell: unknown, place: string) => number,
): readonly Series[] {
  const intervalMs = table.intervalMinutes * MINUTE;
  const { time, path } = table;
  if (rows.length === 0) throw new Fault('garbled', `${path}: no rows, expected at least one`);
  const clock = timeReader({ ...time, intervalMs }, table.order === 'ascending');
  const starts = rows.map((row) => clock.read(timeOf(row, time.column), row.place, repeatedOf(row, time.repeated)));
  return table.columns.map(({ column, series: name, unit, sure }) => {
    const figures = rows.map((row, i): Row => {
      const cell = row.cell(column);
      const value = isEmpty(cell) ? undefined : figure(name, unit, number(cell, row.place), row.place);
      return { start: starts[i]!, value, place: row.place };
    });
    const ordered = inOrder(figures, intervalMs, table.order);
    if (ordered.points.length === 0) throw new Fault('garbled', `${path}: column "${column}" is empty in every row`);
    if (!sure) suspectUnit(name, unit, valuesOf(ordered.points), `${path}, column "${column}"`, FEW_ROWS);
    const { points, mended } = bridgeGaps(ordered.points, intervalMs, path);
    const said = newest([...clock.notes, ...ordered.mended, ...mended]);
    return {
      name,
      provenance: table.provenance satisfies Provenance,
      source: table.source,
      intervalMs,
      holdsMs: holdsFor(intervalMs),
      ...(said.length === 0 ? {} : { mended: said }),
      points,
    };
  });
}

const valuesOf = (points: readonly Point[]): number[] => points.map(({ value }) => value);
const isEmpty = (cell: unknown): boolean => cell === undefined || cell === null || cell === '';

function timeOf(row: TableRow, column: string): RawTime {
  const cell = row.cell(column);
  if (typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'bigint') return cell;
  if (cell instanceof Date && !Number.isNaN(cell.getTime())) return cell;
  throw new Fault('garbled', `${row.place}: column "${column}" holds no time`);
}

function repeatedOf(row: TableRow, column: string | undefined): boolean | undefined {
  if (column === undefined) return undefined;
  const cell = row.cell(column) ?? '';
  const said = (typeof cell === 'string' ? cell : short(cell)).trim().toLowerCase();
  if (['true', 'y', 'yes', '1'].includes(said)) return true;
  if (['false', 'n', 'no', '0', ''].includes(said)) return false;
  throw new Fault('garbled', `${row.place}: column "${column}": found "${said.slice(0, 20)}", expected true or false`);
}
