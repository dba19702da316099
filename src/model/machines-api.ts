import { z } from 'zod';
import { afterOutageView, machineRow } from './api.ts';
import { reason } from './reason.ts';

/** Shapes of the HTTP API about machines in depth, their pools, PDUs and cooling plant. `null` stands for "unknown". */

const time = z.iso.datetime().describe('site clock, UTC');
const unknown = <T extends z.ZodType>(type: T) => type.nullable().describe('null = unknown');
const number = unknown(z.number());
const words = unknown(z.string());

const poolEntry = z.object({
  url: z.string(),
  worker: z.string(),
  active: unknown(z.boolean()),
  alive: unknown(z.boolean()),
  acceptedShares: number,
  rejectedShares: number,
});

export const machineDetail = machineRow.extend({
  serial: words,
  mac: words,
  hostname: words,
  saysModel: words.describe('as the machine names itself'),
  uptimeS: number,
  efficiencyJPerTh: number,
  powerLimitW: number,
  fansRpm: unknown(z.array(number)),
  boards: unknown(
    z.array(
      z.object({
        index: z.number(),
        hashrateThs: number,
        temperatureC: number,
        chips: number,
        powerW: number,
        serial: words,
      }),
    ),
  ),
  pools: unknown(z.array(poolEntry)),
  acceptedShares: number,
  rejectedShares: number,
  errors: unknown(z.array(z.string())).describe('what the machine itself says is wrong'),
  points: unknown(z.array(z.object({ profile: z.string(), powerW: z.number(), hashrateThs: z.number() }))),
  gpus: unknown(
    z.array(
      z.object({
        index: z.number(),
        name: words,
        powerW: number,
        powerLimitW: number,
        utilisationPct: number,
        temperatureC: number,
        memoryUsedBytes: number,
        memoryTotalBytes: number,
        xid: number,
        job: words,
      }),
    ),
  ),
  tpus: unknown(
    z.array(
      z.object({
        index: z.number(),
        model: words,
        dutyCyclePct: number,
        memoryUsedBytes: number,
        memoryTotalBytes: number,
      }),
    ),
  ),
  gaps: z.array(z.object({ part: z.string(), kind: z.string(), message: z.string() })),
  inspectedAgeMs: number.describe('since identity, boards, pools and profiles were read'),
  stranger: words.describe('the pool or worker it was seen on that is not on the list'),
  moved: unknown(z.object({ was: z.string(), is: z.string(), nowAt: words })),
  can: z.array(z.string()).describe('what its driver can tell it'),
});
export type MachineDetail = z.infer<typeof machineDetail>;

const listedPool = z.object({ id: z.string(), url: z.string(), worker: z.string() });

export const poolsPage = z.object({
  at: time,
  listed: z.array(
    listedPool.extend({
      alive: unknown(z.boolean()),
      fault: words,
      connectMs: number,
      subscribeMs: number,
      authoriseMs: number,
      latencyMs: number,
      jobAgeMs: number,
      checkedAgeMs: number,
      machines: z.number().int().describe('miners that answer, are awake and work for it'),
    }),
  ),
  pending: unknown(z.object({ pools: z.array(listedPool), askedBy: words, askedAt: unknown(time) })).describe(
    'a list in the site file that is not in force yet',
  ),
  strangers: z.array(z.object({ machine: z.string(), seen: z.string() })),
  told: z.number().int().describe('miners that told their pools'),
  miners: z.number().int(),
});
export type PoolsPage = z.infer<typeof poolsPage>;

const poolPair = z.object({ url: z.string(), worker: z.string() });
export const poolPreviewRequest = z.strictObject({
  targets: z.array(z.string().min(1)).min(1).max(1_000).describe('machines, groups, halls, or "all"'),
});
export const poolPreview = z.object({
  id: z.string(),
  madeAt: time,
  machines: z.array(
    z.object({
      id: z.string(),
      canWrite: z.boolean(),
      same: unknown(z.boolean()),
      current: unknown(z.array(poolPair)),
      wanted: z.array(poolPair),
    }),
  ),
});
export type PoolPreviewView = z.infer<typeof poolPreview>;

export const poolApplyRequest = z.strictObject({ preview: z.string(), why: reason });
export const poolChange = z.object({
  id: z.string(),
  who: z.string(),
  why: z.string(),
  startedAt: time,
  endedAt: unknown(time),
  counts: z
    .record(z.string(), z.number().int())
    .describe('machines by stage: waiting, sent, acknowledged, seen, failed'),
  failed: z.array(z.object({ id: z.string(), why: z.string() })),
});
export type PoolChangeView = z.infer<typeof poolChange>;
export const poolApproveRequest = z.strictObject({ why: reason });
export const poolApproved = z.object({ state: z.enum(['asked', 'in-force']) });

export const outletRequest = z.strictObject({ on: z.boolean(), why: reason });
export const supplyRequest = z.strictObject({ celsius: z.number(), why: reason });
export const adoptRequest = z.strictObject({ why: reason });

export const plantPage = z.object({
  at: time,
  devices: z.array(
    z.object({
      id: z.string(),
      kind: z.enum(['pdu', 'cooling']),
      name: words,
      hallId: z.string(),
      address: z.string(),
      driver: z.string(),
      ageMs: number,
      fault: words,
      powerW: number,
      energyWh: number,
      outlets: unknown(
        z.array(
          z.object({
            index: z.number(),
            name: words,
            on: unknown(z.boolean()),
            powerW: number,
            feeds: words.describe('the machine on it'),
            afterOutage: afterOutageView,
          }),
        ),
      ),
      cooling: unknown(
        z.object({
          running: unknown(z.boolean()),
          supplyC: number,
          returnC: number,
          setPointC: number,
          flowLpm: number,
          pressureKpa: number,
          fanPct: number,
          pumpPct: number,
        }),
      ),
    }),
  ),
});
export type PlantPage = z.infer<typeof plantPage>;

const quantiles = z
  .object({ machines: z.number().int().describe('measured lately'), p50: z.number(), p99: z.number() })
  .nullable()
  .describe('null: never measured');

export const responseCurves = z.object({
  at: z.iso.datetime().describe('site clock, UTC'),
  curves: z.array(
    z.object({
      model: z.string(),
      firmware: z.string().describe('driver, and the version where machines tell it'),
      shedMs: quantiles.describe('site milliseconds from the acknowledgement of a sleep to the reading that shows it'),
      wakeMs: quantiles.describe('the same of a wake'),
      overshoot: quantiles.describe('the most drawn while waking, as a multiple of the draw five minutes later'),
    }),
  ),
  groups: z
    .array(
      z.object({
        group: z.string(),
        sleepSeconds: z
          .number()
          .nullable()
          .describe(
            'site seconds from whatever asks to machines seen asleep; null: unmeasured, or its machines fail to',
          ),
        sleepBasis: z
          .enum(['group', 'kind', 'declared'])
          .nullable()
          .describe(
            'measured of the group, of its models and firmware, or declared in the site file; null: unmeasured',
          ),
        wakeSeconds: z.number().nullable().describe('from the word to a machine that hashes; null: unmeasured'),
      }),
    )
    .describe('what plans go by'),
});
export type ResponseCurvesPage = z.infer<typeof responseCurves>;
