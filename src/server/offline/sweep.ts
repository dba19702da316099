import { CsvError, parse } from 'csv-parse/sync';
import { curveOfSweep, type PowerCurvePoint, type SweepRow } from '../../model/index.ts';

const COLUMNS = ['power_limit_w', 'power_w', 'seconds_per_epoch'] as const;

/**
 * Reads a sweep: `power_limit_w,power_w,seconds_per_epoch`, a row for each run of the same piece of work.
 * @throws Error with file and line, what was found and what was expected
 */
export function readSweep(text: string, file: string): SweepRow[] {
  let lines: { readonly record: readonly string[]; readonly info: { readonly lines: number } }[];
  try {
    lines = parse(text, {
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as never;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new Error(`${file}: not CSV (${error.message})`, { cause: error });
  }
  const [head, ...rows] = lines;
  const header = COLUMNS.join(',');
  if (head?.record.join(',') !== header)
    throw new Error(`${file}:1: found "${head?.record.join(',') ?? ''}", expected the header "${header}"`);
  return rows.map(({ record, info }): SweepRow => {
    const where = `${file}:${info.lines}`;
    if (record.length !== COLUMNS.length)
      throw new Error(`${where}: found ${record.length} columns, expected ${COLUMNS.length}`);
    const [powerLimitW, powerW, secondsPerEpoch] = record.map((cell, i) => {
      const value = Number(cell);
      if (cell === '' || !Number.isFinite(value) || value <= 0)
        throw new Error(`${where}: found "${cell}" as ${COLUMNS[i]}, expected a number above 0`);
      return value;
    });
    return { powerLimitW: powerLimitW!, powerW: powerW!, secondsPerEpoch: secondsPerEpoch! };
  });
}

/** The curve of a sweep as a part of a site file, for the class of work it was measured on. @throws Error where no limit slowed it down */
export function curveYaml(rows: readonly SweepRow[], file: string): string {
  const curve = curveOfSweep(rows);
  if (curve.length < 2)
    throw new Error(`${file}: found no limit that slows the work down and saves power, expected at least one`);
  return ['powerCurve:', ...curve.map(pointYaml), ''].join('\n');
}

const pointYaml = ({ powerLimitW, powerW, throughputPct }: PowerCurvePoint): string =>
  `  - { powerLimitW: ${powerLimitW}, powerW: ${powerW}, throughputPct: ${throughputPct} }`;
