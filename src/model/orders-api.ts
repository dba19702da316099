import { z } from 'zod';
import { COMMAND_STAGES } from './command.ts';
import { reason } from './reason.ts';

/** Orders of a person to the whole site, in the form the API tells them; powers are watts at the connection. */

const siteTime = z.iso.datetime().describe('site clock, UTC');

/** Longer than any event of a grid; what is meant to last is in the site file. */
export const LONGEST_ORDER_MINUTES = 48 * 60;

export const orderPreviewRequest = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('curtail'),
    mw: z.number().positive().describe('by how much import goes down from what the feeder meter shows now'),
    minutes: z.number().positive().max(LONGEST_ORDER_MINUTES).describe('of site time, from when it is given'),
  }),
  z.strictObject({ kind: z.literal('stop') }),
]);
export type OrderPreviewRequest = z.infer<typeof orderPreviewRequest>;

const told = z.array(z.string()).describe('each in a sentence');

export const orderPreview = z.object({
  id: z.string(),
  kind: z.enum(['curtail', 'stop']),
  madeAt: siteTime,
  importW: z.number().nullable().describe('by the feeder meter, when it was made; null while it is silent'),
  firmW: z.number().nullable().describe('import that may go on; null: every miner sleeps'),
  thenW: z
    .number()
    .nullable()
    .describe('import that the plan comes to; null: a safe stop was asked for while nothing could be planned'),
  reached: z.boolean().describe('false: what may stop is not enough'),
  machines: z.array(z.object({ group: z.string(), count: z.number().int(), to: z.string() })),
  gpus: z.array(z.object({ work: z.string(), interrupted: z.number() })),
  skipped: told,
  usdPerHour: z
    .number()
    .nullable()
    .describe('what it costs while it lasts, by the plan; null where no optimal plan says'),
  responseSeconds: z.number().nullable().describe('in which the slowest group it needs was measured; null: unmeasured'),
  needsSecondPerson: z.boolean(),
  holdsSeconds: z.number().describe('how long it may be carried out'),
});
export type OrderPreviewView = z.infer<typeof orderPreview>;

export const orderApplyRequest = z.strictObject({ preview: z.string(), why: reason });
export const orderReleaseRequest = z.strictObject({ why: reason });

export const orderState = z.object({
  id: z.string(),
  kind: z.enum(['curtail', 'stop']),
  state: z.enum(['asked', 'in-force', 'over']),
  who: z.string(),
  approvedBy: z.string().nullable().describe('the second person, where the site asks for one'),
  why: z.string(),
  from: siteTime,
  until: siteTime.nullable().describe('null: until somebody releases it'),
  firmW: z.number().nullable(),
  beforeW: z.number().nullable().describe('import when it was asked for; null where the feeder meter was silent'),
  importW: z.number().nullable().describe('by the feeder meter now; null while it is silent'),
  deliveredW: z.number().nullable().describe('what import is down by now, by the meter'),
  machinesDownW: z
    .number()
    .nullable()
    .describe(
      'what machines that answer say they draw less, with their cooling and losses; one that fell silent counts as if it drew nothing',
    ),
  unexplainedW: z
    .number()
    .nullable()
    .describe('what the meter shows beyond that; below zero: machines say more than the meter confirms'),
  machines: z.object({
    wanted: z.number().int().describe('miners of which the plan wants a mode, sleep included'),
    seen: z.number().int().describe('of them seen in it'),
    failed: z.array(z.object({ id: z.string(), why: z.string() })),
    stages: z
      .partialRecord(z.enum(COMMAND_STAGES), z.number().int())
      .describe('the newest command of each miner that was told something since the order was given, by its stage'),
  }),
  ended: z.string().nullable().describe('by whom or what, and why'),
});
export type OrderState = z.infer<typeof orderState>;
export const ordersPage = z.object({ at: siteTime, orders: z.array(orderState) });
export type OrdersPage = z.infer<typeof ordersPage>;
