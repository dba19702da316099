import { z } from 'zod';
import { COMMAND_STAGES } from './command.ts';
import { AFTER_OUTAGE, MACHINE_STATES } from './machine.ts';
import { PLAN_STATUS } from './plan.ts';
import { reason } from './reason.ts';
import { TRUST } from './trust.ts';
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

export const ARM_WORDS = ['armed', 'not-armed', 'cannot', 'not-asked'] as const;
export type ArmWord = (typeof ARM_WORDS)[number];

/** What a machine or an outlet does when its supply comes back with nobody there to tell it. */
export const afterOutageView = z.object({
  wanted: z.enum(AFTER_OUTAGE).nullable().describe('as the site file has it; null: it asks nothing'),
  is: unknown(z.enum(AFTER_OUTAGE)).describe('what it is set to, as it tells; null = unknown'),
  state: z
    .enum(ARM_WORDS)
    .describe('armed: it is set to what is wanted, or always does it; cannot: nothing can be armed on it'),
  why: z.string().nullable(),
});
export type AfterOutageView = z.infer<typeof afterOutageView>;

export const overview = z.object({
  at: time,
  site: z.object({
    name: z.string(),
    trust: z.enum(TRUST).describe('shadow plans and writes to nothing; suggest asks a person; auto acts by itself'),
    mostTrust: z.enum(TRUST).describe('what the site file lets a person raise it to'),
    emulated: z.boolean(),
  }),
  shadow: z
    .object({
      since: time,
      intervals: z.number().int().describe('quarter-hours of today for which both figures are known'),
      wouldMarginUsd: z.number().describe('had the plan been carried out'),
      marginUsd: z.number().describe('as it was'),
    })
    .nullable()
    .describe('in shadow, and once a quarter-hour is booked: what acting would have earned'),
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
  uplinks: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      hallId: z.string(),
      capacityMbps: z.number(),
      up: unknown(z.boolean()),
      inMbps: unknown(z.number()),
      outMbps: unknown(z.number()),
      plannedMbps: z.number().describe('what the work planned now in its hall moves'),
      ageMs: unknown(z.number()),
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
      plannedWith: unknown(z.number()).describe('the pessimistic value that stands in once it is stale'),
    }),
  ),
  feeds: z.array(
    z.object({
      id: z.string(),
      feed: z.string(),
      tells: z.array(z.string()).describe('series it gave'),
      readAgoMs: unknown(z.number()).describe('wall milliseconds since it was last asked'),
      failure: unknown(z.string()),
      silence: z.string().describe('what happens when it falls silent'),
      mended: z.array(z.string()),
    }),
  ),
  weather: z.object({ temperatureC: unknown(z.number()), wetBulbC: unknown(z.number()) }),
  work: z.array(
    z.object({
      id: z.string(),
      className: z.enum(WORK_CLASSES),
      line: z.enum(['ai', 'hpc']),
      gpuModel: z.string(),
      runningGpus: unknown(z.number().int()),
      queuedGpus: unknown(z.number().int()),
      heldGpus: unknown(z.number().int()),
      pausedGpus: unknown(z.number().int()).describe('they keep their GPUs and do no work'),
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
      trust: z.enum(TRUST).describe('its own, at the most that of the site'),
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
    skipped: z
      .record(z.string(), z.number().int())
      .describe('machines that are not in the mode wanted of them, by why: failed, unproven, wake-rate, no-room, ...'),
  }),
  afterOutage: z
    .record(z.enum(ARM_WORDS), z.number().int())
    .describe('machines by whether what they do after an outage is armed'),
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
  owner: z.string().nullable().describe('whose it is; null: the site itself'),
  state: z.enum(MACHINE_STATES),
  why: unknown(z.string()).describe('why it is in this state, in plain words'),
  mode: unknown(z.string()),
  wanted: unknown(z.string()).describe('mode the plan wants'),
  skipped: z
    .object({ reason: z.string(), words: z.string() })
    .nullable()
    .describe('why it is not in the mode wanted of it; null where it is'),
  powerW: unknown(z.number()),
  powerBasis: unknown(z.enum(['measured', 'estimated'])),
  hashrateThs: unknown(z.number()),
  temperatureC: unknown(z.number()),
  firmware: unknown(z.string()),
  afterOutage: afterOutageView,
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
  exportW: z.number().optional(),
  generationW: z.record(z.string(), z.number()).optional(),
  linePowerW: byLine,
  otherW: z.number(),
  cohorts: z.record(z.string(), z.record(z.string(), z.number())),
  work: z.record(z.string(), z.number()),
  gpusAtLimitW: z
    .record(z.string(), z.record(z.string(), z.number()))
    .optional()
    .describe('of these, by power limit in W, those of each class whose work was measured at several'),
  reserveW: z.record(z.string(), z.number()).optional(),
  leases: z
    .record(z.string(), z.object({ chips: z.number(), moreChips: z.number(), gpus: z.number() }))
    .optional()
    .describe('leased chips; those beyond what is held, after the first step, are a proposal'),
  shadowUsdPerMwh: z.record(z.string(), z.number()),
});

const planWhy = z.object({
  limits: z
    .array(
      z.object({
        key: z.string(),
        usdPerHour: z.number().describe('what one unit more would earn'),
        unit: z.enum(['MW', 'wake', 'Gbit/s', 'GPU', 'GPU-hour', 'chip']),
        sentence: z.string(),
      }),
    )
    .describe('limits that bind in the step that runs, dearest first'),
  cohorts: z.array(
    z.object({
      cohort: z.string(),
      mode: z.string(),
      leavesAboveUsdPerMwh: unknown(z.number()).describe('above this market price it goes to the mode `below`'),
      below: unknown(z.string()),
      leavesBelowUsdPerMwh: unknown(z.number()).describe('below this market price it goes to the mode `above`'),
      above: unknown(z.string()),
    }),
  ),
  work: z
    .array(
      z.object({
        work: z.string(),
        limitW: unknown(z.number()).describe('the power limit most of its GPUs work at; null: most do not work'),
        leavesAboveUsdPerMwh: unknown(z.number()).describe(
          'above this market price they go to the limit `belowW`, or stop where there is none',
        ),
        belowW: unknown(z.number()),
        leavesBelowUsdPerMwh: unknown(z.number()).describe('below this market price they go to the limit `aboveW`'),
        aboveW: unknown(z.number()),
      }),
    )
    .optional()
    .describe('classes of work that were measured at several power limits'),
  changes: z.array(z.string()).describe('one sentence for each change against what runs, the largest first'),
});

export const plan = z.object({
  id: z.string(),
  madeAt: time,
  solver: z.enum(['highs', 'merit-order']),
  status: z.enum(PLAN_STATUS),
  solveMs: z.number(),
  objectiveUsd: z.number(),
  notes: z.array(z.string()),
  proposals: z
    .array(z.string())
    .optional()
    .describe('what a person would have to rent, give back or let lapse; Busbar does none of it'),
  nextChange: nextChange.nullable(),
  why: unknown(planWhy),
  steps: z.array(planStep),
});
export type PlanView = z.infer<typeof plan>;

export const forecastScores = z.object({
  from: time.describe('the first forecast that counts'),
  at: time,
  scores: z.array(
    z.object({
      what: z.enum(['priceUsdPerMwh', 'wetBulbC', 'hashpriceUsdPerPhDay', 'wantedGpus']),
      workClass: z.string().optional().describe('of `wantedGpus`: which class of work'),
      leadHours: z.number().describe('hours ahead'),
      samples: z.number().int(),
      meanAbsoluteError: z.number().describe('in the unit of what was forecast'),
      bias: z.number().describe('mean of forecast less what came'),
      persistenceError: z.number().describe('the same error, had it said that nothing changes'),
    }),
  ),
});
export type ForecastScoresView = z.infer<typeof forecastScores>;

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
/** Where the audit log ends: kept elsewhere, it proves later that nothing before it was changed. */
export const auditHead = z.object({
  entries: z.number().int(),
  head: z.string().nullable().describe('hash of the newest entry; null while nothing was written'),
  at: time.nullable().describe('when it was made'),
});

export const activityPage = z.object({ at: time, activity: z.array(activity) });

/** The price past and forecast beside it, for the strip. */
export const seriesPage = z.object({
  name: z.string(),
  unit: z.string(),
  source: z.string(),
  provenance: z.enum(['measured', 'rounded', 'list']),
  points: z.array(z.object({ start: time, value: z.number() })),
});

/** From the least on; each but the customer may do what those before it may. A customer may use what is open to customers by name, and there what is their tenant's own. */
export const ROLES = ['customer', 'viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];
const role = z.enum(ROLES);

export const session = z.object({
  signedIn: z.boolean(),
  who: unknown(z.string()),
  role: unknown(role),
  via: z
    .enum(['session', 'token', 'link'])
    .nullable()
    .describe('link: by possession of the machine that runs the server, which is an admin without an account'),
  tenant: z.string().nullable().describe('of the site file, for a customer'),
  expiresAt: z.iso.datetime().nullable().describe('when the credential ends at the latest; wall clock'),
  readsNeedSignIn: z.boolean().describe('false on the emulated demo, where anybody on this machine may look'),
  accounts: z.boolean().describe('whether anybody can sign in by name and password yet'),
});
export type Session = z.infer<typeof session>;

/** A change and why; `POST /api/v1/site/reload`. */
export const reloadRequest = z.strictObject({
  why: reason,
  onlyLook: z.boolean().default(false).describe('tell what would change and change nothing'),
});
export const siteChange = z.object({
  kind: z.enum(['added', 'removed', 'changed']),
  path: z.string(),
  before: z.unknown(),
  after: z.unknown(),
  needsRestart: z.boolean(),
  text: z.string(),
});
export const reloadResult = z.object({ applied: z.boolean(), changes: z.array(siteChange) });
export type ReloadResult = z.infer<typeof reloadResult>;

/** What history keeps: every reading, minutes, quarter-hours. */
export const historyUsage = z.object({
  at: time,
  budgetBytes: z.number(),
  bytes: z.number(),
  trimmedDays: z.number().int().describe('days given up early because the budget was full, since the start'),
  unsaved: z.number().int().describe('readings in memory, not yet on disk'),
  levels: z.array(
    z.object({
      level: z.enum(['raw', 'minute', 'quarter']),
      bytes: z.number(),
      files: z.number().int(),
      keepDays: unknown(z.number()).describe('null = for ever'),
      oldest: unknown(z.string()),
    }),
  ),
});
export type HistoryUsageView = z.infer<typeof historyUsage>;

export const historyPage = z.object({
  id: z.string(),
  gauge: z.string(),
  unit: z.string(),
  bucketMs: z.number(),
  from: time,
  to: time,
  points: z.array(
    z.object({ start: time, mean: z.number(), min: z.number(), max: z.number(), samples: z.number().int() }),
  ),
});

/** Quarter-hours in shadow: what was, and what acting would have made of it. */
export const shadowPage = z.object({
  at: time,
  intervals: z.array(
    z.object({
      start: time,
      importMwh: unknown(z.number()),
      marginUsd: unknown(z.number()),
      wouldImportMwh: unknown(z.number()),
      wouldMarginUsd: unknown(z.number()),
    }),
  ),
});

export const holdRequest = z.strictObject({ why: reason });

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

/**
 * Access: accounts, sessions and API tokens. Times are on the wall clock, which a fast site clock does not hurry.
 */
const wallTime = z.iso.datetime().describe('wall clock, UTC');
/** Longer ones are refused unread: hashing them is work. */
const anyPassword = z.string().min(1).max(512);
const accountName = z.string().min(1).max(64);
const because = reason.optional().describe('why, for the record');

export const signInRequest = z.strictObject({
  name: accountName,
  password: anyPassword,
  as: z.enum(['cookie', 'bearer']).default('cookie').describe('bearer: the token is in the answer, for programs'),
});
export const signedIn = z.object({
  who: z.string(),
  role,
  expiresAt: wallTime,
  token: z.string().optional().describe('only where asked for as bearer; shown once'),
});
export type SignedIn = z.infer<typeof signedIn>;

export const passwordChange = z.strictObject({ current: anyPassword, next: anyPassword });

export const sessionRow = z.object({
  id: z.string(),
  createdAt: wallTime,
  usedAt: wallTime,
  expiresAt: wallTime,
  address: z.string(),
  agent: z.string().describe('the program, as it calls itself'),
  current: z.boolean().describe('the one that asks'),
});
export const sessionList = z.object({ sessions: z.array(sessionRow) });
export type SessionRow = z.infer<typeof sessionRow>;

export const tokenRequest = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[\w .:/@-]+$/, 'letters, digits, blanks and .:/@-_'),
  role: role.default('viewer').describe('the most it may do; never more than its owner may at that moment'),
  tags: z.array(z.string()).min(1).max(20).nullable().default(null).describe('routes it is for, by tag; null = all'),
  days: z.number().int().min(1).max(365).default(90),
});
export type TokenRequest = z.input<typeof tokenRequest>;
export const tokenRow = z.object({
  id: z.string(),
  owner: z.string(),
  name: z.string(),
  role,
  tags: z.array(z.string()).nullable(),
  createdAt: wallTime,
  expiresAt: wallTime,
  usedAt: wallTime.nullable(),
  expired: z.boolean(),
});
export const tokenList = z.object({
  tokens: z.array(tokenRow),
  tags: z.array(z.string()).describe('tags there are to choose from'),
});
export const tokenMade = z.object({ token: z.string().describe('shown once'), row: tokenRow });
export type TokenRow = z.infer<typeof tokenRow>;
export type TokenMade = z.infer<typeof tokenMade>;

export const userRow = z.object({
  name: z.string(),
  role,
  tenant: z.string().nullable().describe('whose the account is, for a customer'),
  disabled: z.boolean(),
  createdAt: wallTime,
  passwordAt: wallTime.describe('when the password was set'),
  signedInAt: wallTime.nullable(),
  failures: z.number().int().describe('failed sign-ins since the last good one'),
  lockedUntil: wallTime.nullable(),
  sessions: z.number().int(),
  tokens: z.number().int(),
});
export const userList = z.object({ users: z.array(userRow) });
export type UserRow = z.infer<typeof userRow>;
const ofTenant = z
  .string()
  .min(1)
  .optional()
  .describe('id of a tenant of the site file: for a customer, and for nobody else');
export const userAdd = z.strictObject({
  name: accountName,
  role,
  tenant: ofTenant,
  password: anyPassword,
  why: because,
});
/** One change at a time, so that each stands in the record by itself. */
export const userChange = z.union([
  z.strictObject({ role, tenant: ofTenant, why: because }),
  z.strictObject({ disabled: z.boolean(), why: because }),
  z.strictObject({ password: anyPassword, why: because }),
  z.strictObject({ unlock: z.literal(true), why: because }),
]);
export type UserChange = z.infer<typeof userChange>;

/** Backups and restores of the running site. Paths are those of the server's machine. */
export const backupRequest = z.strictObject({
  to: z.string().min(1).optional().describe('a folder; absent: `backups` in the data folder'),
  keep: z.number().int().min(1).max(1_000).optional().describe('remove older backups of this site beyond so many'),
  why: because,
});
export const restoreRequest = z.strictObject({
  path: z.string().min(1).describe('folder of the backup'),
  why: reason.describe('why, for the record'),
  onlyLook: z.boolean().default(false).describe('verify, and change nothing'),
});
export const jobStarted = z.object({ id: z.string() });
export const jobView = z.object({
  id: z.string(),
  kind: z.enum(['backup', 'restore']),
  who: z.string(),
  startedAt: wallTime,
  state: z.enum(['running', 'done', 'failed']).describe('a restore that is done: the server starts again now'),
  doneBytes: z.number().int(),
  totalBytes: z.number().int().nullable(),
  path: z.string().nullable().describe('the backup, once it is whole'),
  error: z.string().nullable(),
});
export type JobView = z.infer<typeof jobView>;
