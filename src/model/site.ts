import { z } from 'zod';
import { CATALOGUE } from './catalogue.ts';
import { WORK_CLASSES } from './work.ts';

/**
 * The site file's common part. What a driver, feed or cluster wants of its own stands under `settings` and is
 * declared by that file; `server/registry.ts` composes the two.
 */

const id = z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and dashes');
const settings = z.record(z.string(), z.unknown()).default({});
const ipv4 = z.ipv4('an IPv4 address');

/** Marginal cooling power per watt of IT at a wet-bulb temperature; linear between the points, held flat outside. */
const coolingPoint = z.strictObject({
  wetBulbC: z.number(),
  marginalW: z.number().min(0).max(2).describe('watts of cooling per further watt of IT'),
});

const hall = z.strictObject({
  id,
  name: z.string(),
  breakerMw: z.number().positive(),
  marginPct: z.number().min(0).max(50).default(3),
  cooling: z.strictObject({
    kind: z.enum(['air', 'hydro', 'chilled']),
    baseKw: z.number().min(0),
    marginal: z.array(coolingPoint).min(1),
  }),
  wakesPerMinute: z.number().positive().default(300).describe('machines that may be woken per minute of site time'),
});

/** More addresses than any site has; a larger range is a slip of the pen. */
const MOST_ADDRESSES = 262_144;

const addressRange = z
  .string()
  .refine(
    (range) => {
      const [first = '', last = first, ...more] = range.split('-');
      return more.length === 0 && ipv4.safeParse(first).success && ipv4.safeParse(last).success;
    },
    { error: 'expected an address or a range such as 10.0.1.1-10.0.1.240', abort: true },
  )
  .refine((range) => countOf(range) <= MOST_ADDRESSES, `a range of more than ${MOST_ADDRESSES} addresses`)
  .describe('first-last, both included');

const machineGroup = z.strictObject({
  id,
  kind: z.enum(['asic', 'gpu-server']),
  model: z.enum([...CATALOGUE.keys()] as [string, ...string[]]),
  driver: z.string(),
  hall: id,
  addresses: addressRange,
  settings,
});

const meter = z.strictObject({
  id,
  driver: z.string(),
  address: ipv4,
  measures: z.union([z.literal('connection'), z.strictObject({ hall: id })]),
  settings,
});

const workClass = z.strictObject({
  id,
  class: z.enum(WORK_CLASSES),
  line: z.enum(['ai', 'hpc']),
  gpu: z.string().describe('GPU part, as the catalogue names it'),
  match: z.strictObject({ partition: z.string(), qos: z.string() }),
  usdPerGpuHour: z.union([
    z.number().min(0),
    z.strictObject({ quote: z.string(), factor: z.number().positive().default(1) }),
  ]),
  committedGpus: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('GPUs a contract reserves; unserved demand below it is penalised'),
  penaltyUsdPerGpuHour: z.number().min(0).default(0),
  interruptUsdPerGpu: z
    .number()
    .min(0)
    .default(0)
    .describe('what putting one running GPU back in the queue costs: lost work, restore'),
});

const cluster = z.strictObject({
  id,
  driver: z.string(),
  hall: id,
  settings,
  classes: z.array(workClass).min(1),
});

const lease = z.strictObject({
  id,
  name: z.string(),
  chip: z.string(),
  chips: z.number().int().positive(),
  customer: z.string(),
  line: z.enum(['ai', 'hpc']),
  costUsdPerChipHour: z.number().min(0),
  revenueUsdPerChipHour: z.number().min(0),
});

export const siteSchema = z.strictObject({
  name: z.string(),
  timezone: z.string().default('UTC'),
  trust: z.enum(['shadow', 'auto']).default('shadow').describe('shadow plans and acts on nothing'),
  connection: z.strictObject({
    limitMw: z.number().positive(),
    marginPct: z.number().min(0).max(50).default(1),
    lossPct: z.number().min(0).max(20).default(1),
  }),
  tariff: z.strictObject({
    kind: z.literal('block-and-real-time'),
    blockMw: z.number().min(0),
    blockUsdPerMwh: z.number(),
  }),
  mining: z.strictObject({
    poolFeePct: z.number().min(0).max(10).default(1),
    stalePct: z.number().min(0).max(10).default(0.2),
    wakeUsdPerMachine: z.number().min(0).default(0.01),
    retuneUsdPerMachine: z
      .number()
      .min(0)
      .default(0.01)
      .describe('hash lost while a miner ramps to another operating point'),
    minimumOnMinutes: z.number().min(0).default(10),
    minimumOffMinutes: z.number().min(0).default(5),
  }),
  halls: z.array(hall).min(1),
  meters: z.array(meter),
  machines: z.array(machineGroup),
  clusters: z.array(cluster).default([]),
  leases: z.array(lease).default([]),
  feeds: z.array(z.strictObject({ id, feed: z.string(), settings })),
});

export type Site = z.infer<typeof siteSchema>;
export type Hall = Site['halls'][number];
export type Meter = Site['meters'][number];
export type ClusterConfig = Site['clusters'][number];
export type WorkClass = ClusterConfig['classes'][number];

const toNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toAddress = (n: number): string => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.');

function countOf(range: string): number {
  const [first = '', last = first] = range.split('-');
  return Math.max(0, toNumber(last) - toNumber(first) + 1);
}

/** Every address of `first-last` (both included) or of a single one. Empty when last is before first. */
export function addressesOf(range: string): string[] {
  const from = toNumber(range.split('-')[0] ?? '');
  return Array.from({ length: countOf(range) }, (_, i) => toAddress(from + i));
}

/** Machine id of the nth (from 0) address of a group: `a-s21-0001`. */
export const machineId = (groupId: string, index: number): string => `${groupId}-${String(index + 1).padStart(4, '0')}`;
