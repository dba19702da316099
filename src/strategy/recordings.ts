import { parse } from 'csv-parse/sync';
import { parseRecording } from '../feeds/recorded.ts';
import { MINUTE, siteMs, type Point, type Series } from '../model/index.ts';

const PRICE_HEADER = ['interval_start_utc', 'price_usd_per_mwh'];

/**
 * Reads one file of a series: a recording as the `recorded` feed takes it (`# series: ...`), or prices under the header
 * `interval_start_utc,price_usd_per_mwh`, whose interval is the most frequent step between its rows.
 * @throws Error with file and line, what was found and what was expected.
 */
export function readSeries(content: string, file: string): Series {
  const firstLine = content.slice(0, content.indexOf('\n')).trim();
  return firstLine.replaceAll(' ', '') === PRICE_HEADER.join(',')
    ? readPrices(content, file)
    : parseRecording(content, file);
}

function readPrices(content: string, file: string): Series {
  const points: Point[] = [];
  let rows: string[][];
  try {
    rows = parse(content, { skip_empty_lines: true, trim: true, relax_column_count: true });
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  for (const [index, row] of rows.slice(1).entries()) {
    const where = `${file}:${index + 2}`;
    const [time = '', price = ''] = row;
    const start = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(time) ? time : `${time}Z`);
    const value = Number(price);
    if (row.length !== 2)
      throw new Error(`${where}: found ${row.length} columns, expected "${PRICE_HEADER.join(',')}"`);
    if (Number.isNaN(start))
      throw new Error(`${where}: found "${time}", expected a UTC time such as 2025-01-01T00:15:00Z`);
    if (price === '' || !Number.isFinite(value))
      throw new Error(`${where}: found "${price}", expected a price in $/MWh`);
    const last = points.at(-1);
    if (last !== undefined && start <= last.start)
      throw new Error(`${where}: found ${time}, expected a time after the row before`);
    points.push({ start: siteMs(start), value });
  }
  if (points.length < 2) throw new Error(`${file}: found ${points.length} rows, expected at least two`);
  const intervalMs = usualStep(points);
  return {
    name: 'priceUsdPerMwh',
    provenance: 'measured',
    source: file.split('/').at(-1) ?? file,
    intervalMs,
    holdsMs: Math.max(intervalMs, 15 * MINUTE),
    points,
  };
}

function usualStep(points: readonly Point[]): number {
  const counts = new Map<number, number>();
  for (let i = 1; i < points.length; i++) {
    const step = points[i]!.start - points[i - 1]!.start;
    counts.set(step, (counts.get(step) ?? 0) + 1);
  }
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

/**
 * Joins series of one name, such as a year a file, in order of time; where two tell the same moment the first one holds.
 * @throws Error where their intervals differ.
 */
export function joinSeries(all: readonly Series[]): Series[] {
  return [...Map.groupBy(all, ({ name }) => name).values()].map((same) => {
    const [first, ...more] = same;
    if (more.length === 0) return first!;
    const other = more.find(({ intervalMs }) => intervalMs !== first!.intervalMs);
    if (other !== undefined)
      throw new Error(
        `${first!.source} and ${other.source} have intervals of ${first!.intervalMs / MINUTE} and ${other.intervalMs / MINUTE} minutes: replay one of them`,
      );
    const byStart = new Map(
      same.toReversed().flatMap(({ points }) => points.map((point) => [point.start, point] as const)),
    );
    const points = [...byStart.values()].sort((a, b) => a.start - b.start);
    return { ...first!, source: same.map(({ source }) => source).join(', '), points };
  });
}
