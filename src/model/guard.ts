import { z } from 'zod';

/**
 * What the server and the guard tell each other: lines of JSON over a local socket that only their owner may open. The guard keeps the
 * newest brief on disk, so that it guards after a restart without the server.
 */
const tripPoint = z.strictObject({ times: z.number().gt(1), seconds: z.number().positive() });
/** Seconds that a breaker bears a multiple of its rating, from its nameplate. */
export type TripPoint = z.output<typeof tripPoint>;

const address = z.strictObject({
  driver: z.string(),
  modelId: z.string(),
  /** As the driver takes it; credentials in it are references. */
  config: z.record(z.string(), z.unknown()),
});

const guardMeter = address.extend({ id: z.string(), address: z.string(), limits: z.array(z.string()) });

const guardLimit = z.strictObject({
  /** `connection`, `feeder <id>` or `hall <id>`. */
  id: z.string(),
  limitW: z.number().positive(),
  /** Where shedding ends: the limit less the site's margin. */
  targetW: z.number().positive(),
  halls: z.array(z.string()),
  /** Lost between the meters of the halls and this one, as a part of what they draw. */
  lossFraction: z.number().min(0),
  /** Who tells its load: a meter of its own, the meters of its halls, or nobody: then the guard cannot watch it. */
  by: z.enum(['meter', 'halls', 'nobody']),
  tripCurve: z.array(tripPoint).optional(),
});
export type GuardLimit = z.output<typeof guardLimit>;

const guardHall = z.strictObject({
  id: z.string(),
  /** What the guard cannot shed, at its worst: pumps and fans, servers, machines that cannot sleep. At the hall's meter. */
  fixedW: z.number().min(0),
  /** The most that cooling adds for each watt of machines, in any weather. */
  coolingPerW: z.number().min(0),
});
export type GuardHall = z.output<typeof guardHall>;

const sheddable = z.strictObject({
  id: z.string(),
  /** Its group, by its place in `groups`. */
  group: z.number().int().min(0),
  hall: z.string(),
  address: z.string(),
  /** At the most: the greater of nameplate and last seen. */
  worstW: z.number().min(0),
  /** What the machine itself gives up when it sleeps, as last seen. */
  freesW: z.number().min(0),
  sleepW: z.number().min(0),
});
export type Sheddable = z.output<typeof sheddable>;

const guardGroup = address.extend({
  id: z.string(),
  /** False: the site or the group is in shadow, and nothing is written to its machines. */
  mayAct: z.boolean(),
  /** In which its machines were measured to sleep; absent: not measured. */
  sleepMs: z.number().min(0).optional(),
});

export const guardBrief = z.strictObject({
  kind: z.literal('brief'),
  site: z.string(),
  madeAtUnixMs: z.number(),
  limits: z.array(guardLimit),
  halls: z.array(guardHall),
  meters: z.array(guardMeter),
  groups: z.array(guardGroup),
  /** Machines that can be put to sleep, in the order in which they are: what earns least per watt first. */
  path: z.array(sheddable),
});
export type GuardBrief = z.output<typeof guardBrief>;

/** Once a second, and what was read of machines since the last: `asleep` were read so after anything they were told. */
const serverBeat = z.strictObject({
  kind: z.literal('beat'),
  /** Guard's audit entries up to this number are in the site's own. */
  auditSeq: z.number().int().min(0),
  /** A safe stop is in force: all that can sleep sleeps. */
  stop: z.boolean(),
  /** True: `asleep` is all of them; else both lists are changes. */
  whole: z.boolean(),
  asleep: z.array(z.string()),
  awake: z.array(z.string()),
});
export type ServerBeat = z.output<typeof serverBeat>;

/** A person at the guard itself, who needs no server: everything that can sleep sleeps until somebody lets go. */
const stopAll = z.strictObject({ kind: z.literal('stop'), stop: z.boolean(), who: z.string(), why: z.string() });

const endGuard = z.strictObject({ kind: z.literal('end') });
export const toGuard = z.discriminatedUnion('kind', [guardBrief, serverBeat, stopAll, endGuard]);
export type ToGuard = z.output<typeof toGuard>;

const limitLoad = z.strictObject({
  id: z.string(),
  loadW: z.number(),
  limitW: z.number(),
  targetW: z.number(),
  /**
   * `meter` as told; `held` the last answer of a meter that missed a beat; `halls` the sum of their meters; `worst-case` where a hall
   * is known by no meter.
   */
  basis: z.enum(['meter', 'held', 'halls', 'worst-case']),
  ageMs: z.number().nullable(),
  /** How much of what its breaker bears is used up: it opens at 1. */
  heat: z.number(),
});
export type LimitLoad = z.output<typeof limitLoad>;

const auditLine = z.strictObject({
  seq: z.number().int().positive(),
  unixMs: z.number(),
  what: z.string(),
  why: z.string(),
  previous: z.string(),
  hash: z.string(),
});
/** What the guard did, each entry bound to the one before by its hash. */
export type GuardAuditLine = z.output<typeof auditLine>;

/** Once a second. */
export const guardState = z.strictObject({
  kind: z.literal('state'),
  version: z.string(),
  pid: z.number().int(),
  startedUnixMs: z.number(),
  /** Kept up by a supervisor of the system, and not by the server: it does not end with it. */
  service: z.boolean(),
  /** Of the brief it goes by; null: it has none. */
  briefMadeAtUnixMs: z.number().nullable(),
  loads: z.array(limitLoad),
  /** Why nobody may wake a machine or raise one; empty: they may. */
  noWakes: z.array(z.string()),
  /** Machines it told to sleep that are not seen asleep. */
  underway: z.number().int(),
  /** Machines that did not obey it lately, with the kind of fault. */
  failed: z.array(z.strictObject({ id: z.string(), why: z.string() })),
  /** What it would have shed, were the site not in shadow. */
  wouldShed: z.number().int(),
  /** Who stopped everything at the guard itself, and why; null: nobody. */
  stopped: z.string().nullable(),
  audit: z.array(auditLine),
  /** The entry before those of `audit`, as a server told it; null: none was heard. */
  auditAfter: z.number().nullable(),
});
export type GuardState = z.output<typeof guardState>;

/** `GET /api/v1/guard`. */
export const guardView = z.strictObject({
  /** `none`: this server was started without one, as in tests. */
  state: z.enum(['none', 'starting', 'watching', 'lost']),
  pid: z.number().int().nullable(),
  startedAt: z.string().nullable(),
  /** How long ago it was heard last, milliseconds. */
  heardMs: z.number().nullable(),
  restarts: z.number().int(),
  noWakes: z.array(z.string()),
  loads: z.array(limitLoad),
  underway: z.number().int(),
  failed: z.array(z.strictObject({ id: z.string(), why: z.string() })),
  wouldShed: z.number().int(),
  stopped: z.string().nullable(),
  /** Machines on its path, and what they draw. */
  path: z.strictObject({ machines: z.number().int(), mw: z.number() }),
});
export type GuardView = z.output<typeof guardView>;
