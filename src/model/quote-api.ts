import { z } from 'zod';

/** What a job would cost and when it would run, as the API tells it. */

const number = (most: number) => z.coerce.number().int().max(most);

export const quoteQuery = z.object({
  class: z.string().describe('id of a class of work in the site file'),
  gpus: number(100_000).min(1),
  minutes: number(525_600).min(1).describe('limit of time'),
  by: z.iso.datetime({ offset: true }).optional().describe('site clock: when it should be done'),
});

export const quoteOption = z.object({
  workClass: z.string(),
  isInterruptible: z.boolean().describe('it may be put back in the queue while it runs'),
  startsAt: z.iso.datetime().nullable().describe('site clock; null: not within the plan'),
  endsAt: z.iso.datetime().nullable().describe('null: beyond the plan'),
  isInTime: z.boolean().nullable().describe('done by the time asked for; null: none was, or its end is not known'),
  cost: z.number().int().nullable().describe('in micro-dollars, at the price of now; null: no price is known'),
  expectedLoss: z
    .number()
    .int()
    .nullable()
    .describe('in micro-dollars, on top: what interrupts are expected to cost; null: nobody knows how often they come'),
  interruptsPerDay: z
    .number()
    .nullable()
    .describe('as jobs of the class that the cluster still tells of were put back'),
  energyKwh: z.number().nullable().describe('of its GPUs alone: host and cooling are not counted'),
  powerSource: z
    .enum(['measured', 'nominal'])
    .nullable()
    .describe('of a working GPU: the power curve of the class, or the catalogue'),
  why: z.string(),
});
export type QuoteOption = z.infer<typeof quoteOption>;

export const quoteView = z.object({
  asked: quoteOption,
  interruptible: quoteOption
    .nullable()
    .describe('the cheapest class of the same GPUs that may be interrupted; null: none'),
  planMadeAt: z.iso.datetime(),
});
