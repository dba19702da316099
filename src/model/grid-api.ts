import { z } from 'zod';
import { STALE_POLICIES } from './grid-signals.ts';

/** `GET /api/v1/grid`, and what a person may do about an event. Powers are watts at the connection. */

const siteTime = z.iso.datetime().describe('site clock, UTC');

export const gridSourceView = z.object({
  id: z.string(),
  kind: z.enum(['openadr', 'base-point', 'webhook']),
  state: z.enum(['live', 'waiting', 'stale']).describe('waiting: not heard since the start, and not yet stale'),
  ageSeconds: z.number().nullable().describe('since its last sign of life; null: none since the start'),
  staleAfterSeconds: z.number(),
  policy: z.enum(STALE_POLICIES),
  safeLimitW: z.number().nullable(),
  priority: z.number().int(),
  problem: z.string().nullable(),
  clockAheadSeconds: z.number().nullable().describe('of the clock of a VTN against ours; null where it tells none'),
});

export const gridEventView = z.object({
  source: z.string(),
  event: z.string(),
  state: z
    .enum(['in-force', 'to-come', 'overruled', 'opted-out', 'not-followed', 'over'])
    .describe('overruled: in force, and what others demand leaves nothing of it to follow'),
  kind: z.enum(['cap', 'set-point', 'emergency']).nullable().describe('of the span that runs or comes next'),
  leastW: z.number().nullable().describe('import at least; null where nothing is asked for'),
  mostW: z.number().nullable().describe('import at most'),
  from: siteTime.nullable(),
  until: siteTime.nullable().describe('null: until it is told otherwise'),
  priority: z.number().int(),
  beforeW: z.number().nullable().describe('import when it came into force; null where the meter was silent'),
  deliveredW: z.number().nullable().describe('what import is down by since, by the feeder meter; below zero it is up'),
  ignored: z.array(z.string()).describe('asked for in it and not followed'),
});

export const gridView = z.object({
  at: siteTime,
  follows: z.boolean().describe('false in shadow: shown, planned for, and nothing is written'),
  importW: z.number().nullable().describe('by the feeder meter; null while it is silent'),
  demanded: z
    .object({
      leastW: z.number(),
      mostW: z.number(),
      by: z.array(z.object({ source: z.string(), event: z.string() })).describe('strongest first'),
    })
    .nullable()
    .describe('null: nothing is demanded now'),
  missW: z.number().nullable().describe('import above what is demanded; below its floor negative; null where unknown'),
  planW: z.number().nullable().describe('import that the plan comes to now'),
  sources: z.array(gridSourceView),
  events: z.array(gridEventView),
});
export type GridView = z.infer<typeof gridView>;
export type GridEventRow = z.infer<typeof gridEventView>;

export const gridOptRequest = z.strictObject({ why: z.string().min(3).max(500) });
export const webhookTaken = z.object({ taken: z.string().describe('id of the message') });
