import { z } from 'zod';
import { Fault, HOUR, SECOND, secretRef, type Series, type SeriesName } from '../model/index.ts';
import { defineFeed } from './feed.ts';
import { baseUrl, below, everyMinutes, minutes } from './shared/live.ts';
import { memory } from './shared/memory.ts';
import { figure } from './shared/plausible.ts';
import { holdsFor, inOrder, type Row } from './shared/rows.ts';
import { openWeb, short, whereOf } from './shared/web.ts';

const config = z.strictObject({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  url: baseUrl('https://api.open-meteo.com').describe('with an apikey, https://customer-api.open-meteo.com'),
  apikey: secretRef.optional(),
  everyMinutes: everyMinutes(10),
  pastDays: z.number().int().min(0).max(60).default(2).describe('days before today to begin with'),
});

/** Variables of the service (open-meteo.com/en/docs, hourly parameters) and the series they are. */
const VARIABLES = { temperature_2m: 'temperatureC', dew_point_2m: 'dewPointC' } as const satisfies Record<
  string,
  SeriesName
>;
type Variable = keyof typeof VARIABLES;
/** A map: an object would also know "constructor". */
const UNITS: ReadonlyMap<string, string> = new Map([
  ['°C', 'C'],
  ['°F', 'F'],
]);

const values = z.array(z.number().nullable());
const replyShape = z.object({
  latitude: z.number(),
  longitude: z.number(),
  hourly_units: z.object({ time: z.literal('unixtime'), temperature_2m: z.string(), dew_point_2m: z.string() }),
  hourly: z.object({ time: z.array(z.number().int()).min(1), temperature_2m: values, dew_point_2m: values }),
});

/** The cell of the weather model may lie beside the place asked for; further off it is another place. */
const FARTHEST_DEGREES = 0.5;

export const openMeteo = defineFeed({
  name: 'open-meteo',
  about: 'Temperature and dew point by the hour for a place from Open-Meteo (weather models, not a station on site)',
  config,
  silence: 'a value holds for three hours',
  open({ config: settings }, io) {
    const web = openWeb(io);
    const { latitude, longitude } = settings;
    const keep = (name: SeriesName) =>
      memory({
        name,
        provenance: 'measured',
        source: `Open-Meteo weather models at ${latitude}, ${longitude} (CC BY 4.0)`,
        intervalMs: HOUR,
        holdsMs: holdsFor(HOUR),
        pace: 'regular',
        tellRestated: false,
      });
    const memories = { temperature_2m: keep('temperatureC'), dew_point_2m: keep('dewPointC') };
    const query = new URLSearchParams({
      latitude: String(latitude),
      longitude: String(longitude),
      hourly: Object.keys(VARIABLES).join(','),
      past_days: String(settings.pastDays),
      forecast_days: '1',
      timeformat: 'unixtime',
      timezone: 'GMT',
    });

    return {
      everyMs: minutes(settings.everyMinutes),
      async read(signal) {
        const whole = new URLSearchParams(query);
        if (settings.apikey !== undefined) whole.set('apikey', io.secret(settings.apikey));
        const request = { url: `${below(settings.url, '/v1/forecast')}?${whole.toString()}` };
        const reply = await web.json(request, replyShape, signal);
        const where = whereOf(request);
        if (
          Math.abs(reply.latitude - latitude) > FARTHEST_DEGREES ||
          Math.abs(reply.longitude - longitude) > FARTHEST_DEGREES
        )
          throw new Fault(
            'garbled',
            `${where}: weather of ${reply.latitude}, ${reply.longitude}, expected ${latitude}, ${longitude}`,
          );
        const now = io.siteNow();
        // Both are understood before either is kept.
        const read = (Object.keys(VARIABLES) as Variable[]).map(
          (name) => [name, rowsOf(reply, name, where, now)] as const,
        );
        for (const [name, rows] of read) {
          const { points, mended } = inOrder(rows, HOUR, 'ascending');
          memories[name].add(points, mended);
        }
        return Object.values(memories).map((one): Series => one.series(now));
      },
      close() {},
    };
  },
});

/** Hours that have begun; what is forecast beyond them is not told. */
function rowsOf(reply: z.output<typeof replyShape>, name: Variable, where: string, now: number): Row[] {
  const { time } = reply.hourly;
  const found = reply.hourly[name];
  const unit = UNITS.get(reply.hourly_units[name]);
  if (unit === undefined)
    throw new Fault(
      'garbled',
      `${where}: hourly_units.${name} is ${short(reply.hourly_units[name])}, expected °C or °F`,
    );
  if (found.length !== time.length)
    throw new Fault('garbled', `${where}: ${found.length} values of ${name} for ${time.length} times`);
  return time.flatMap((seconds, i) => {
    const start = seconds * SECOND;
    const place = `${where}, hourly.${name}[${i}]`;
    if (start % HOUR !== 0) throw new Fault('garbled', `${place}: time ${seconds} is not on the hour`);
    if (start > now) return [];
    const value = found[i];
    return [
      {
        start,
        place,
        value: value === null || value === undefined ? undefined : figure(VARIABLES[name], unit, value, place),
      },
    ];
  });
}
