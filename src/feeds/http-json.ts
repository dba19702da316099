import { z } from 'zod';
import { Fault, MINUTE, secretRef, siteMs, type SecretRef } from '../model/index.ts';
import { defineFeed, type FeedIo } from './feed.ts';
import { everyMinutes, minutes, readParts, type Part } from './shared/live.ts';
import { memory, type Memory } from './shared/memory.ts';
import { at, PATH } from './shared/path.ts';
import { ENOUGH_TO_DOUBT, figure, suspectUnit } from './shared/plausible.ts';
import { holdsFor, inOrder, type Row, told } from './shared/rows.ts';
import { timeReader, timeShape, ZONE_IF_LOCAL, zoneIfLocal, type RawTime } from './shared/times.ts';
import { eachSeriesOnce, figureShape, UNIT_FITS, unitFits } from './shared/units.ts';
import { expectOk, openWeb, parseJson, short, whereOf, type WebRequest } from './shared/web.ts';

const path = z.string().regex(PATH, 'a path such as data.prices[0].usd');

const mapping = z
  .strictObject({
    ...figureShape,
    value: path.describe('where the figure is; with rows, within one row'),
    rows: path.optional().describe('where the list of rows is; absent: the reply tells one figure, that of now'),
    time: z
      .strictObject({ at: path.describe('where a row has its time'), ...timeShape })
      .refine(zoneIfLocal, ZONE_IF_LOCAL)
      .optional()
      .describe('of rows; without rows, of the one figure'),
    order: z
      .enum(['ascending', 'any'])
      .default('any')
      .describe('ascending: a step back in time is refused; any: sorted'),
    intervalMinutes: z.number().positive().max(44_640).describe('what one figure covers'),
    holdMinutes: z.number().positive().optional().describe('absent: two intervals, three hours for hourly and slower'),
  })
  .refine(unitFits, UNIT_FITS)
  .refine(({ rows, time }) => rows === undefined || time !== undefined, { path: ['time'], error: 'rows want a time' });

const config = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'an http or https address' }),
  method: z.enum(['GET', 'POST']).default('GET'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]+$/, 'the name of a header'), z.union([z.string(), secretRef]))
    .default({})
    .describe('text, or where a credential lies: { env: NAME }'),
  body: z.string().optional().describe('sent as it is'),
  everyMinutes: everyMinutes(5),
  source: z.string().min(1).describe('where the figures are from, for people'),
  provenance: z.enum(['measured', 'rounded', 'list']).default('measured'),
  mappings: z.array(mapping).min(1).refine(eachSeriesOnce, 'a series twice'),
});
type Config = z.output<typeof config>;
type Mapping = Config['mappings'][number];

/** Any service that answers with JSON: the site file says what stands where, and in which unit and time. */
export const httpJson = defineFeed({
  name: 'http-json',
  about: 'Series from the JSON of any HTTP service, with paths, units and times declared in the site file',
  config,
  silence: 'a value holds for two intervals (three hours for hourly and slower series), or as the site file says',
  open({ config: settings }, io) {
    const web = openWeb(io);
    const memories = settings.mappings.map((one) => memoryOf(one, settings));
    return {
      everyMs: minutes(settings.everyMinutes),
      async read(signal) {
        const request: WebRequest = {
          method: settings.method,
          url: settings.url,
          headers: headersOf(settings.headers, io),
          ...(settings.body === undefined ? {} : { body: settings.body }),
        };
        const where = whereOf(request);
        const reply = await web.ask(request, signal);
        expectOk(reply, where);
        const json = parseJson(reply, where);
        const parts = settings.mappings.map((one, i): Part => ({
          memory: memories[i]!,
          read: async () => take(one, json, where, memories[i]!, io),
        }));
        return readParts(parts, () => io.siteNow());
      },
      close() {},
    };
  },
});

function memoryOf(one: Mapping, { source, provenance }: Config): Memory {
  const intervalMs = one.intervalMinutes * MINUTE;
  const holdsMs = one.holdMinutes === undefined ? holdsFor(intervalMs) : Math.max(one.holdMinutes * MINUTE, intervalMs);
  const pace = one.rows === undefined ? 'samples' : 'regular';
  return memory({ name: one.series, provenance, source, intervalMs, holdsMs, pace, tellRestated: pace === 'regular' });
}

const headersOf = (headers: Config['headers'], io: FeedIo): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : io.secret(value satisfies SecretRef),
    ]),
  );

/** Takes what one mapping asks for from a reply. @throws Fault `garbled` with the path. */
function take(one: Mapping, json: unknown, where: string, into: Memory, io: FeedIo): void {
  const intervalMs = one.intervalMinutes * MINUTE;
  const now = io.siteNow();
  const clock = one.time === undefined ? undefined : timeReader({ ...one.time, intervalMs }, one.order === 'ascending');
  const rowOf = (row: unknown, place: string): Row => {
    const found = at(row, one.value, place);
    const value =
      found === null
        ? undefined
        : figure(one.series, one.unit, numberOf(found, `${place}, ${one.value}`), `${place}, ${one.value}`);
    const start =
      clock === undefined
        ? Math.floor(now / intervalMs) * intervalMs
        : clock.read(timeOf(at(row, one.time!.at, place), place), place);
    return { start, value, place };
  };
  const rows =
    one.rows === undefined
      ? [rowOf(json, where)]
      : listAt(json, one.rows, where).map((row, i) => rowOf(row, `${where}, ${one.rows}[${i}]`));
  if (rows.every(({ value }) => value === undefined))
    throw new Fault('garbled', `${where}: no figure for ${one.series}, expected at least one`);
  const { points, mended } = inOrder(rows, intervalMs, one.order);
  const news = told(
    one.series,
    points.map(({ start, value }) => ({ start: siteMs(start), value })),
    now,
  );
  const together = [...into.values, ...news.map(({ value }) => value)];
  if (!one.sure) suspectUnit(one.series, one.unit, together, where, ENOUGH_TO_DOUBT);
  into.add(news, [...(clock?.notes ?? []), ...mended]);
}

function listAt(json: unknown, rows: string, where: string): readonly unknown[] {
  const found = at(json, rows, where);
  if (Array.isArray(found) && found.length > 0) return found;
  throw new Fault('garbled', `${where}: ${rows} is ${short(found)}, expected a list with at least one row`);
}

/** Some services write numbers as text. */
function numberOf(found: unknown, place: string): number {
  if (typeof found === 'number') return found;
  if (typeof found === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(found)) return Number(found);
  throw new Fault('garbled', `${place}: found ${short(found)}, expected a number`);
}

function timeOf(found: unknown, place: string): RawTime {
  if (typeof found === 'string' || typeof found === 'number') return found;
  throw new Fault('garbled', `${place}: found ${short(found)}, expected a time`);
}
