import { z } from 'zod';

/** What the emulated site does beyond what a site file says. Every rate is stated here, none in the code. */

const pct = z.number().min(0).max(100);

const workLoad = z.strictObject({
  gpus: z.number().min(0).describe('GPUs of demand in steady state'),
  maxGpus: z.number().min(0).optional().describe('a customer with a reserved block keeps within it'),
  sizes: z.array(z.number().int().positive()).min(1).describe('GPUs of a job, drawn evenly; above 8 in whole nodes'),
  medianHours: z.number().positive().default(3),
  sigma: z.number().min(0).max(3).default(0.7).describe('of the log-normal job length'),
  diurnal: z.number().min(0).max(1).default(0).describe('swing of arrivals over the day, peak at 15:00 local'),
  queueJobs: z.number().int().min(0).default(30).describe('with so many jobs waiting, users go elsewhere'),
});

export const simSchema = z.strictObject({
  weather: z
    .strictObject({ folder: z.string().describe('holds temperature.csv and dew-point.csv') })
    .optional()
    .describe('without it: a constant 20 C, dew point 12 C'),
  pool: z
    .strictObject({
      url: z.string().default('stratum+tcp://stratum.pool.example:3333'),
      account: z.string().default('site'),
      jobSeconds: z.number().positive().default(30).describe('how often a pool gives new work'),
    })
    .prefault({})
    .describe('of miners whose site file names no pools: url and account'),
  awakePct: z.record(z.string(), pct).default({}).describe('by machine group: hashing when the run starts; else all'),
  reportBiasPct: z.number().default(-2).describe('mean error of the watts a miner reports'),
  failures: z
    .strictObject({
      repairHours: z.number().positive().default(6).describe('how long one failure lasts, in site time'),
      deadPct: pct.default(0.3).describe('answers nothing, draws nothing'),
      darkPct: pct.default(0.3).describe('answers nothing, still draws'),
      boardPct: pct.default(0.5).describe('one of three hashboards down'),
      hotPct: pct.default(0.3).describe('overheats and throttles itself'),
    })
    .prefault({}),
  requests: z
    .strictObject({
      garbledPct: pct.default(0.1),
      latePct: pct.default(0.08),
      refusedPct: pct.default(0.06),
      silentPct: pct.default(0.06),
      sentinelPct: pct.default(0.5).describe('DCGM answers with a sentinel on one field'),
      writeIgnoredPct: pct.default(0.1).describe('acknowledged but not carried out'),
      writeRefusedPct: pct.default(0.2),
    })
    .prefault({}),
  breakers: z
    .strictObject({
      pickup: z.number().min(1).max(2).default(1.05).describe('multiple of the rating at which the curve begins'),
      timeMultiplier: z.number().positive().default(1),
      recloseMinutes: z.number().positive().default(10),
    })
    .prefault({}),
  work: z.record(z.string(), workLoad).default({}).describe('by class of work of the site file'),
});

/** Nothing fails, and every request is answered and carried out. */
export const NO_TROUBLE = {
  failures: { deadPct: 0, darkPct: 0, boardPct: 0, hotPct: 0 },
  requests: {
    garbledPct: 0,
    latePct: 0,
    refusedPct: 0,
    silentPct: 0,
    sentinelPct: 0,
    writeIgnoredPct: 0,
    writeRefusedPct: 0,
  },
};

export type SimConfig = z.output<typeof simSchema>;
export type WorkLoad = z.output<typeof workLoad>;
