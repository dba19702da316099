import { z } from 'zod';

/** A class of work that answers requests: how many of its GPUs are wanted follows from them, and not from a queue. */
export const serves = z
  .strictObject({
    requestsPerSecondPerGpu: z
      .number()
      .positive()
      .describe('that one GPU sustains, as measured on this very model at serviceMs'),
    serviceMs: z
      .number()
      .positive()
      .describe('from the first token read to the last written at that load, in the mean, as measured'),
    latencyTargetMs: z
      .number()
      .positive()
      .describe('within which a request of mean length is answered, waiting included'),
    withinPct: z.number().min(50).max(99.9).default(95).describe('of requests that keep to the target'),
    headroomPct: z.number().min(0).max(300).default(10).describe('more requests than are told, to be ready for'),
    minGpus: z.number().int().min(0).default(1).describe('kept however few requests come'),
    gpusPerReplica: z.number().int().positive().default(1).describe('that hold the model once'),
    kbPerRequest: z.number().min(0).default(0).describe('over the uplink, both ways together, in kilobytes of 1,000'),
  })
  .refine(({ serviceMs, latencyTargetMs }) => latencyTargetMs > serviceMs, {
    error: 'expected more than serviceMs: no number of GPUs answers sooner than one of them works',
    path: ['latencyTargetMs'],
  });

export type Serves = z.infer<typeof serves>;
