import { z } from 'zod';
import { COMMAND_STAGES } from './command.ts';
import { MACHINE_STATES } from './machine.ts';
import { PLAN_STATUS } from './plan.ts';
import { LINES, WORK_CLASSES } from './work.ts';

/**
 * Shapes of the HTTP API under /api/v1, of `--json` on the command line and of the event stream. One table for the
 * server, the pages, the command line, OpenAPI and the tests. Times are ISO 8601 UTC on the site clock. `null`
 * stands for "unknown": a missing figure is never 0.
 */

const time = z.iso.datetime().describe('site clock, UTC');
const unknown = <T extends z.ZodType>(type: T) => type.nullable().describe('null = unknown');
const line = z.enum(LINES);

/** A sum over machines, and how many of them it covers. */
export const covered = z.object({ value: z.number(), of: z.number().int(), total: z.number().int() });

export const alarm = z.object({
  id: z.string(),
  code: z.string(),
  severity: z.enum(['info', 'warning', 'critical']),
  subject: z.string().describe('what it is about: a machine, hall, feed, meter or the plan'),
  message: z.string(),
  meaning: z.string().describe('what it means and what to do, from the catalogue'),
  since: time,
});

export const nextChange = z.object({ at: time, deltaW: z.number(), why: z.string() });

export const overview = z.object({
  at: time,
  site: z.object({ name: z.string(), trust: z.enum(['shadow', 'auto']), emulated: z.boolean() }),
  clock: z.object({
    speed: z.number(),
    lagMs: z.number().describe('wall milliseconds the slowest loop is behind its cadence'),
    readEveryMs: z.number().describe('wall milliseconds between sweeps over all machines'),
    planEveryMs: z.number(),
  }),
  sentence: z.string().describe('the one sentence on top of the page'),
  connection: z.object({
    limitW: z.number(),
    importW: unknown(z.number()),
    ageMs: unknown(z.number()).describe('site milliseconds since the feeder meter answered'),
    blockW: z.number(),
    explainedW: unknown(z.number()).describe('what machines, cooling and losses explain of the import'),
    unknownW: unknown(z.number()).describe('import less what is explained'),
  }),
  halls: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      breakerW: z.number(),
      meterW: unknown(z.number()),
      meterAgeMs: unknown(z.number()),
      machinesW: covered.describe('machines of the hall, as they or their models say'),
      machines: z.number().int(),
      byState: z.record(z.enum(MACHINE_STATES), z.number().int()),
      hottestC: unknown(z.number()),
    }),
  ),
  machines: z.object({
    total: z.number().int(),
    answering: z.number().int(),
    byState: z.record(z.enum(MACHINE_STATES), z.number().int()),
  }),
  hashrateThs: covered,
  lines: z.array(
    z.object({
      line,
      powerW: unknown(z.number()),
      revenueUsdPerHour: unknown(z.number()),
      detail: z.string().describe('e.g. "1,204 PH/s at $33.10/PH/day"'),
    }),
  ),
  costUsdPerHour: z.number().nullable().describe('energy and leases; null = unknown'),
  marginUsdPerHour: z
    .number()
    .nullable()
    .describe('revenue of all lines less penalties, energy and leases; null = unknown'),
  today: z.object({
    marginUsd: unknown(z.number()),
    energyMwh: unknown(z.number()),
    intervals: z.number().int(),
    since: unknown(time),
  }),
  prices: z.array(
    z.object({
      name: z.string(),
      value: unknown(z.number()),
      unit: z.string(),
      ageMs: unknown(z.number()),
      stale: z.boolean(),
      provenance: z.enum(['measured', 'rounded', 'list']),
      source: z.string(),
    }),
  ),
  weather: z.object({ temperatureC: unknown(z.number()), wetBulbC: unknown(z.number()) }),
  work: z.array(
    z.object({
      id: z.string(),
      className: z.enum(WORK_CLASSES),
      line: z.enum(['ai', 'hpc']),
      gpuModel: z.string(),
      runningGpus: z.number().int(),
      queuedGpus: z.number().int(),
      heldGpus: z.number().int(),
      committedGpus: z.number().int(),
      usdPerGpuHour: unknown(z.number()),
    }),
  ),
  leases: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      chips: z.number().int(),
      revenueUsdPerHour: z.number(),
      costUsdPerHour: z.number(),
    }),
  ),
  cohorts: z.array(
    z.object({
      id: z.string(),
      hallId: z.string(),
      model: z.string(),
      machines: z.number().int(),
      answering: z.number().int(),
      modes: z.record(z.string(), z.number().int()).describe('machines by mode key as last seen'),
      planned: z.record(z.string(), z.number().int()).describe('machines by mode key as planned now'),
      breakEvenUsdPerMwh: unknown(z.number()).describe('power price at which the stock profile earns nothing'),
      held: z.object({ who: z.string(), why: z.string(), since: time }).nullable(),
    }),
  ),
  plan: z
    .object({
      id: z.string(),
      madeAt: time,
      solver: z.enum(['highs', 'merit-order']),
      steps: z.number().int(),
      status: z.enum(PLAN_STATUS),
      solveMs: z.number(),
      targetW: z.number().describe('import planned for now'),
      nextChange: nextChange.nullable(),
    })
    .nullable(),
  commands: z.object({
    inFlight: z.number().int(),
    byStage: z.partialRecord(z.enum(COMMAND_STAGES), z.number().int()).describe('of the newest batch'),
  }),
  alarms: z.array(alarm),
});
export type Overview = z.infer<typeof overview>;
export type Alarm = z.infer<typeof alarm>;

export const machineRow = z.object({
  id: z.string(),
  kind: z.enum(['asic', 'gpu-server', 'meter']),
  model: z.string(),
  hallId: z.string(),
  address: z.string(),
  driver: z.string(),
  state: z.enum(MACHINE_STATES),
  why: unknown(z.string()).describe('why it is in this state, in plain words'),
  mode: unknown(z.string()),
  wanted: unknown(z.string()).describe('mode the plan wants'),
  powerW: unknown(z.number()),
  powerBasis: unknown(z.enum(['measured', 'estimated'])),
  hashrateThs: unknown(z.number()),
  temperatureC: unknown(z.number()),
  firmware: unknown(z.string()),
  ageMs: unknown(z.number()).describe('site milliseconds since it last answered'),
});
export type MachineRow = z.infer<typeof machineRow>;

export const machinePage = z.object({
  at: time,
  total: z.number().int(),
  matching: z.number().int(),
  machines: z.array(machineRow),
  nextCursor: unknown(z.string()),
});
export type MachinePage = z.infer<typeof machinePage>;

const byLine = z.record(line, z.number());

export const planStep = z.object({
  start: time,
  minutes: z.number(),
  priceUsdPerMwh: z.number(),
  known: z.boolean(),
  importW: z.number(),
  linePowerW: byLine,
  otherW: z.number(),
  cohorts: z.record(z.string(), z.record(z.string(), z.number())),
  work: z.record(z.string(), z.number()),
  shadowUsdPerMwh: z.record(z.string(), z.number()),
});

export const plan = z.object({
  id: z.string(),
  madeAt: time,
  solver: z.enum(['highs', 'merit-order']),
  status: z.enum(PLAN_STATUS),
  solveMs: z.number(),
  objectiveUsd: z.number(),
  notes: z.array(z.string()),
  nextChange: nextChange.nullable(),
  steps: z.array(planStep),
});
export type PlanView = z.infer<typeof plan>;

export const interval = z.object({
  start: time,
  minutes: z.number(),
  importMwh: unknown(z.number()),
  plannedMwh: unknown(z.number()),
  coverage: z.number(),
  priceUsdPerMwh: unknown(z.number()),
  lines: z.array(
    z.object({
      line,
      energyMwh: unknown(z.number()),
      revenueUsd: unknown(z.number()),
      quantity: unknown(z.number()),
      quantityUnit: z.enum(['PHh', 'GPUh', 'MWh']),
      penaltyUsd: z.number(),
    }),
  ),
  unattributedMwh: unknown(z.number()),
  energyCostUsd: unknown(z.number()),
  leaseCostUsd: z.number(),
  marginUsd: unknown(z.number()),
  wakes: z.number().int(),
});
export type IntervalView = z.infer<typeof interval>;
export const intervalPage = z.object({ at: time, intervals: z.array(interval) });

/** One line of Activity: who or what did what, why, and how it went. */
export const activity = z.object({
  id: z.string(),
  at: time,
  who: z.string(),
  what: z.string(),
  why: z.string(),
  commands: z.number().int(),
  byStage: z.partialRecord(z.enum(COMMAND_STAGES), z.number().int()),
});
export type Activity = z.infer<typeof activity>;
export const activityPage = z.object({ at: time, activity: z.array(activity) });

/** The price past and forecast beside it, for the strip. */
export const seriesPage = z.object({
  name: z.string(),
  unit: z.string(),
  source: z.string(),
  provenance: z.enum(['measured', 'rounded', 'list']),
  points: z.array(z.object({ start: time, value: z.number() })),
});

export const session = z.object({
  signedIn: z.boolean(),
  who: unknown(z.string()),
  role: unknown(z.enum(['viewer', 'operator', 'admin'])),
});
export type Session = z.infer<typeof session>;

export const holdRequest = z.strictObject({ why: z.string().min(3).max(500) });

/** RFC 9457. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  instance: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof problem>;

/**
 * The event stream (`GET /api/v1/events`, text/event-stream): `overview` at once and then once a second at the most,
 * `plan` when a plan takes over, `interval` when one is booked, `activity` when something was done and again as its commands
 * get on. Each event's
 * data is the shape of the same name.
 */
export const EVENT_NAMES = ['overview', 'plan', 'interval', 'activity'] as const;
export type EventName = (typeof EVENT_NAMES)[number];
