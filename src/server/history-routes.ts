import { z } from 'zod';
import * as shapes from '../model/api.ts';
import { DAY, isoUtc, siteMs } from '../model/index.ts';
import { GAUGE_NAMES } from '../store/history/samples.ts';
import { ApiProblem } from './problems.ts';
import type { App } from './routes.ts';
import type { Runtime } from './runtime.ts';

const UNITS = {
  powerW: 'W',
  hashrateThs: 'TH/s',
  temperatureC: 'C',
  utilisationPct: '%',
  inMbps: 'Mbit/s',
  outMbps: 'Mbit/s',
  energyWh: 'Wh',
} as const;
const gauge = z.enum([...GAUGE_NAMES, 'energyWh']);

/** What machines, meters and uplinks told, over time. */
export function historyRoutes(app: App, runtime: Runtime): void {
  app.get(
    '/api/v1/history',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['history'],
        summary: 'What history keeps, and the room it takes',
        response: { 200: shapes.historyUsage },
      },
    },
    async () => {
      const { budgetBytes, bytes, levels, trimmedDays, unsaved } = await runtime.history.usage();
      const { rawDays, minuteDays, quarterHourDays } = runtime.site.history;
      const days = { raw: rawDays, minute: minuteDays, quarter: quarterHourDays ?? null };
      return {
        at: isoUtc(runtime.clock.now()),
        budgetBytes,
        bytes,
        trimmedDays,
        unsaved,
        levels: levels.map(({ level, oldest, ...rest }) => ({
          level,
          ...rest,
          keepDays: days[level],
          oldest: oldest ?? null,
        })),
      };
    },
  );

  app.get(
    '/api/v1/history/:id',
    {
      config: { needs: 'viewer' },
      schema: {
        tags: ['history'],
        summary: 'One figure of a machine, meter or uplink over time',
        params: z.object({ id: z.string() }),
        querystring: z.object({
          gauge: gauge.default('powerW'),
          from: z.iso.datetime().optional().describe('site time; absent: a day before `to`'),
          to: z.iso.datetime().optional().describe('site time; absent: now'),
          points: z.coerce.number().int().min(1).max(5_000).default(500).describe('at the most about so many'),
        }),
        response: { 200: shapes.historyPage },
      },
    },
    async ({ params: { id }, query }) => {
      const known =
        runtime.fleet.byId(id) !== undefined ||
        runtime.site.meters.some((meter) => meter.id === id) ||
        runtime.site.uplinks.some((uplink) => uplink.id === id);
      if (!known) throw new ApiProblem(404, 'Not found', `no machine, meter or uplink "${id}"`);
      const to = query.to === undefined ? runtime.clock.now() : siteMs(Date.parse(query.to));
      const from = query.from === undefined ? siteMs(to - DAY) : siteMs(Date.parse(query.from));
      if (from >= to) throw new ApiProblem(400, 'The request is not what was expected', '`from` must lie before `to`');
      const bucketMs = bucketFor((to - from) / query.points);
      const points = await runtime.history.query({ id, gauge: query.gauge, from, to, bucketMs });
      return {
        id,
        gauge: query.gauge,
        unit: UNITS[query.gauge],
        bucketMs,
        from: isoUtc(from),
        to: isoUtc(to),
        points: points.map(({ start, ...rest }) => ({ start: isoUtc(start), ...rest })),
      };
    },
  );
}

/** Whole seconds, minutes or quarter-hours, so that buckets fall where the stored ones do. */
function bucketFor(ms: number): number {
  const steps = [1_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 6 * 3_600_000];
  return steps.find((step) => step >= ms) ?? Math.ceil(ms / DAY) * DAY;
}
