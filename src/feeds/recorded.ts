import { z } from 'zod';
import {
  Fault,
  isoUtc,
  MINUTE,
  SERIES,
  siteMs,
  type Point,
  type Provenance,
  type Series,
  type SeriesName,
} from '../model/index.ts';
import { defineFeed } from './feed.ts';
import { fromDisk } from './shared/files.ts';

const config = z.strictObject({
  folder: z.string().describe('folder of recorded series, relative to the site file'),
});

/** Every recording states what it is before its first row. */
const header = z.object({
  series: z.enum(SERIES),
  interval_minutes: z.coerce.number().positive(),
  provenance: z.enum(['measured', 'rounded', 'list']),
  source: z.string().min(1),
});

/** Past two intervals (and never under three hours for slow series) the newest value is called stale. */
const holdsFor = (intervalMs: number): number =>
  intervalMs <= 15 * MINUTE ? 2 * intervalMs : Math.max(2 * intervalMs, 180 * MINUTE);

/**
 * Series that really happened, replayed on the site clock: a read hands out the points that have begun and none
 * after. A settlement price is taken as known from the start of its interval, as the dispatch price nearly is.
 */
export const recorded = defineFeed({
  name: 'recorded',
  about: 'Replays recorded series (prices, weather, network, GPU quotes) from CSV files on the site clock',
  config,
  silence: 'a value holds for two intervals (three hours for hourly and slower series)',
  open({ config: { folder } }, io) {
    let loaded: Promise<readonly Series[]> | undefined;

    async function load(): Promise<readonly Series[]> {
      const names = (await fromDisk(folder, io.listFiles(folder))).filter((name) => name.endsWith('.csv')).sort();
      if (names.length === 0) throw new Fault('garbled', `${folder}: no .csv files`);
      return Promise.all(
        names.map(async (name) => {
          const path = `${folder}/${name}`;
          return parseRecording(await fromDisk(path, io.readFile(path)), path);
        }),
      );
    }

    return {
      async read() {
        // What could not be read is tried again: the file may be mended.
        loaded ??= load().catch((error: unknown) => {
          loaded = undefined;
          throw error;
        });
        const now = io.siteNow();
        return (await loaded).map((series) => upTo(series, now));
      },
      close() {},
    };
  },
});

function upTo(series: Series, now: number): Series {
  const { points } = series;
  let count = points.length;
  while (count > 0 && points[count - 1]!.start > now) count -= 1;
  return count === points.length ? series : { ...series, points: points.slice(0, count) };
}

/**
 * Parses one recording: `# key: value` lines, then `start_utc,value`, then rows in ascending order.
 * @throws Fault `garbled` naming file, line, what was found and what was expected.
 */
export function parseRecording(content: string, file: string): Series {
  const meta: Record<string, string> = {};
  const lineOf: Record<string, number> = {};
  const points: Point[] = [];
  const lines = content.split(/\r?\n/);
  let sawColumns = false;
  for (const [index, raw] of lines.entries()) {
    const where = `${file}:${index + 1}`;
    const line = raw.trim();
    if (line === '') continue;
    if (line.startsWith('#')) {
      const [key = '', ...rest] = line.slice(1).split(':');
      meta[key.trim()] = rest.join(':').trim();
      lineOf[key.trim()] = index + 1;
    } else if (!sawColumns) {
      if (line !== 'start_utc,value')
        throw new Fault('garbled', `${where}: found "${line}", expected the columns "start_utc,value"`);
      sawColumns = true;
    } else {
      points.push(parseRow(line, where, points.at(-1)));
    }
  }
  const parsed = header.safeParse(meta);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => {
      const key = String(path[0]);
      const found = meta[key] === undefined ? `no "# ${key}: ..."` : `"${key}: ${meta[key]}"`;
      return `${file}:${lineOf[key] ?? 1}: found ${found}, expected ${EXPECTED[key] ?? message}`;
    });
    throw new Fault('garbled', problems.join('; '));
  }
  if (points.length === 0) throw new Fault('garbled', `${file}:${lines.length}: found no rows, expected at least one`);
  const intervalMs = parsed.data.interval_minutes * MINUTE;
  const name: SeriesName = parsed.data.series;
  const provenance: Provenance = parsed.data.provenance;
  return { name, provenance, source: parsed.data.source, intervalMs, holdsMs: holdsFor(intervalMs), points };
}

/** In words, what each key of the header must hold. */
const EXPECTED: Readonly<Record<string, string>> = {
  series: `one of ${SERIES.join(', ')}`,
  interval_minutes: 'the length of an interval in minutes',
  provenance: 'measured, rounded or list',
  source: 'where the figures are from',
};

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

function parseRow(line: string, where: string, before: Point | undefined): Point {
  const [time = '', number = '', ...more] = line.split(',');
  if (more.length > 0) throw new Fault('garbled', `${where}: found ${more.length + 2} columns, expected 2`);
  const start = Date.parse(time);
  // The round trip catches 30 February, which Date.parse takes for 2 March.
  if (!UTC.test(time) || Number.isNaN(start) || isoUtc(start) !== time)
    throw new Fault('garbled', `${where}: found "${time}", expected a UTC time such as 2026-03-23T22:45:00Z`);
  const value = Number(number);
  if (number.trim() === '' || !Number.isFinite(value))
    throw new Fault('garbled', `${where}: found "${number}", expected a number`);
  if (before !== undefined && start <= before.start) {
    throw new Fault('garbled', `${where}: found ${time}, expected a time after ${isoUtc(before.start)}`);
  }
  return { start: siteMs(start), value };
}
