import { z } from 'zod';
import { CATALOGUE } from './catalogue.ts';
import { gridSignal } from './grid-signals.ts';
import { AFTER_OUTAGE } from './machine.ts';
import { secretRef } from './secret.ts';
import { serves } from './serving.ts';
import { SERIES } from './series.ts';
import type { BallastFacts } from './snapshot.ts';
import { tenant } from './tenants.ts';
import { TRUST } from './trust.ts';
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

const ascends = (points: readonly { readonly wetBulbC: number }[]): boolean =>
  points.every(({ wetBulbC }, i) => i === 0 || points[i - 1]!.wetBulbC < wetBulbC);

/** Part of a cooling plant; of all that a hall has, the one that takes fewest watts runs first. */
const coolingStage = z.strictObject({
  id,
  heatMw: z.number().positive().describe('IT heat it carries at design'),
  marginal: z
    .array(
      coolingPoint.extend({
        heatPct: z.number().min(0).max(100).default(100).describe('what is left of heatMw at this wet bulb'),
      }),
    )
    .min(1)
    .refine(ascends, 'expected points in the order of their wet bulb, coldest first')
    .describe('what it takes and carries, by weather'),
});

const tripCurve = z
  .array(
    z.strictObject({
      times: z.number().gt(1).describe('of the rating'),
      seconds: z.number().positive().describe('until it opens'),
    }),
  )
  .min(1)
  .optional()
  .describe(
    'how long it bears more than its rating, from its data sheet: the guard sheds before a tenth of it is used up; absent: 60 s at twice the rating, by I²t',
  );

const hall = z.strictObject({
  id,
  name: z.string().min(1),
  breakerMw: z
    .number({
      error: ({ input }) =>
        input === undefined ? 'a hall needs its breaker: expected breakerMw, what it may carry' : undefined,
    })
    .positive()
    .describe('what its breaker may carry'),
  marginPct: z.number().min(0).max(50).default(3).describe('kept free of it by every plan'),
  tripCurve,
  cooling: z
    .strictObject({
      kind: z.enum(['air', 'hydro', 'chilled']),
      baseKw: z.number().min(0).describe('what pumps, fans and lights draw with every machine off'),
      marginal: z
        .array(coolingPoint)
        .min(1)
        .optional()
        .describe('what cooling adds, by weather, whatever the load; either this or stages'),
      stages: z
        .array(coolingStage)
        .min(1)
        .optional()
        .describe('parts of a plant that runs the cheapest first; IT heat stays within what all of them carry'),
      frost: z
        .strictObject({
          belowC: z.number().min(-20).max(40).describe('what the loop may not fall below without heat'),
          keepMachines: z.number().int().positive().describe('miners kept running as its heaters while it is colder'),
        })
        .optional()
        .describe(
          'of a hydro loop, whose temperature a cooling plant of the hall tells; silent, it is taken for cold. An order is obeyed all the same',
        ),
    })
    .refine(({ kind, frost }) => frost === undefined || kind === 'hydro', {
      error: 'only a hydro loop can freeze: expected kind hydro, or no frost',
      path: ['frost'],
    })
    .refine(({ marginal, stages }) => marginal !== undefined || stages !== undefined, {
      error: 'cooling needs its curve: expected marginal, or stages',
      path: ['marginal'],
    })
    .refine(({ marginal, stages }) => marginal === undefined || stages === undefined, {
      error: 'expected either marginal or stages, not both',
      path: ['stages'],
    }),
  space: z
    .strictObject({ racks: z.number().int().positive(), kwPerRack: z.number().positive() })
    .optional()
    .describe('racks the hall has room for, and the power and cooling each can have; asked by conversion studies'),
  wakesPerMinute: z.number().positive().default(300).describe('machines that may be woken per minute of site time'),
});

const generator = z.strictObject({
  id,
  kind: z.enum(['solar', 'wind', 'gas']),
  capacityMw: z.number().positive().describe('the most it can make'),
  usdPerMwh: z.number().min(0).default(0).describe('fuel and wear of each MWh'),
  series: z
    .enum(['availableMw.solar', 'availableMw.wind', 'availableMw.gas'])
    .optional()
    .describe(
      'of the feeds, what it can make now; absent: nothing of sun and wind, all of gas. Silent, it is taken to make nothing',
    ),
});

/** An electrical node between halls and the connection: a transformer, a switchboard, a cable. */
const feeder = z.strictObject({
  id,
  ratingMw: z.number().positive().describe('what it may carry'),
  marginPct: z.number().min(0).max(50).default(3).describe('kept free of it by every plan'),
  tripCurve,
  halls: z.array(id).default([]).describe('halls that hang on it directly'),
  feeders: z.array(id).default([]).describe('feeders that hang on it, with all that hangs on them'),
});

/** More addresses than any site has; a larger range is a slip of the pen. */
const MOST_ADDRESSES = 262_144;

const addressRange = z
  .string()
  .refine(
    (range) => {
      return range.split(',').every((part) => {
        const [first = '', last = first, ...more] = part.trim().split('-');
        return more.length === 0 && ipv4.safeParse(first).success && ipv4.safeParse(last).success;
      });
    },
    { error: 'expected an address or a range such as 10.0.1.1-10.0.1.240, or several with commas', abort: true },
  )
  .refine((range) => countOf(range) <= MOST_ADDRESSES, `a range of more than ${MOST_ADDRESSES} addresses`)
  .describe('first-last, both included; several with commas, in the order machines are numbered');

const machineGroup = z.strictObject({
  id,
  kind: z.enum(['asic', 'gpu-server']),
  model: z.enum([...CATALOGUE.keys()] as [string, ...string[]]),
  driver: z.string(),
  hall: id,
  addresses: addressRange,
  points: z
    .array(
      z.strictObject({
        profile: z.string().min(1),
        powerW: z.number().positive().describe('of one machine'),
        hashrateThs: z.number().positive(),
      }),
    )
    .min(1)
    .optional()
    .describe(
      'what its miners can run at, by the names their firmware gives; machines that list their own points are believed, absent: the catalogue',
    ),
  sleepSeconds: z
    .number()
    .positive()
    .optional()
    .describe(
      'within which its miners are seen asleep, by your own tests: what awards go by until enough of them were seen to sleep here',
    ),
  owner: id.optional().describe('whose machines they are, of the list of owners; absent: the site itself'),
  managedBy: z
    .enum(['site', 'tenant'])
    .optional()
    .describe('whose operating system runs on its servers; a tenant’s is not entered: only BMC and PDU limit them'),
  pools: z
    .array(id)
    .min(1)
    .optional()
    .describe('of the list of pools, in order of preference; absent: all of them in the order of the list'),
  afterOutage: z
    .enum(AFTER_OUTAGE)
    .optional()
    .describe(
      'what its machines do when their supply comes back, armed in their firmware or BMC where the driver can; absent: as they are set',
    ),
  settings,
});

const meter = z.strictObject({
  id,
  driver: z.string(),
  address: ipv4,
  measures: z
    .union([z.literal('connection'), z.strictObject({ hall: id })])
    .describe('connection, or { hall: its id }'),
  settings,
});

/** How a hall reaches the world. Its port on the switch or router tells load and errors. */
const uplink = z.strictObject({
  id,
  name: z.string().optional(),
  hall: id,
  capacityMbps: z.number().positive().describe('what the line carries each way'),
  alarmPct: z.number().min(1).max(100).default(80).describe('load past which an alarm is raised'),
  driver: z.string(),
  address: ipv4,
  settings,
});

/**
 * A pool the site's miners may work for. Together these are the allow-list: nothing else is ever written to a machine,
 * and a machine seen on another pool or worker raises an alarm.
 */
const pool = z.strictObject({
  id,
  url: z
    .string()
    .regex(/^stratum2?\+(tcp|ssl|tls):\/\/[^\s/]+:\d{1,5}(\/\S*)?$/, 'such as stratum+tcp://stratum.pool.example:3333')
    .describe('as machines are given it'),
  worker: z
    .string()
    .min(1)
    .describe(
      'what machines call themselves; {machine} stands for the id of a machine, {address} for its last two numbers',
    ),
  password: secretRef.optional().describe('most pools ignore it; absent: "x"'),
  probe: z
    .strictObject({
      everySeconds: z.number().min(10).default(60),
      worker: z
        .string()
        .min(1)
        .optional()
        .describe('the probe signs in as this; absent: the worker with "probe" for the machine'),
      staleSeconds: z.number().positive().default(180).describe('a job older than this raises an alarm'),
    })
    .prefault({})
    .describe('how the site asks the pool itself whether it is alive'),
});

/** A PDU or a cooling plant: read as every machine is, and told through control alone. */
const plant = z.strictObject({
  id,
  kind: z.enum(['pdu', 'cooling']),
  name: z.string().optional(),
  hall: id,
  driver: z.string(),
  address: ipv4,
  feeds: z
    .strictObject({
      group: id.describe('the group of machines that hangs on its outlets'),
      first: z.number().int().positive().default(1).describe('which machine of the group hangs on outlet 1'),
      count: z.number().int().positive().describe('outlets in use, in order'),
    })
    .optional()
    .describe('for a PDU: what hangs on it'),
  carriesMw: z
    .number()
    .positive()
    .optional()
    .describe(
      'for a cooling plant: IT heat it carries when it runs; plants of a hall are started in their order; absent: all of its hall',
    ),
  afterOutage: z
    .enum(AFTER_OUTAGE)
    .optional()
    .describe(
      'for a PDU: what the outlets it feeds machines from do when its supply comes back; absent: as they are set',
    ),
  settings,
});

/** What a customer has signed for: GPUs of a class of work that are theirs before anybody else's. */
const contract = z.strictObject({
  id,
  customer: z.string().min(1),
  work: id.describe('the class of work it is served by'),
  committedGpus: z.number().int().positive(),
  penaltyUsdPerGpuHour: z
    .number()
    .min(0)
    .default(0)
    .describe('owed for each committed GPU-hour that was wanted and not served'),
  curtailment: z
    .strictObject({
      gpuHoursPerMonth: z
        .number()
        .positive()
        .describe('committed GPU-hours of a calendar month that may go unserved without penalty'),
    })
    .optional()
    .describe('what the customer lets the site curtail; its class of work must be served by this contract alone'),
  availability: z
    .array(
      z.strictObject({
        belowPct: z
          .number()
          .gt(0)
          .max(100)
          .describe(
            'of the committed GPU-hours of a calendar month; those nobody wanted or that may be curtailed count as available',
          ),
        creditUsd: z.number().positive().describe('owed for a month below it, in place of the credits before it'),
      }),
    )
    .min(1)
    .optional()
    .describe(
      'minimum availability, each step below the one before and dearer; its class of work must be served by this contract alone',
    ),
  from: z.iso.date().optional().describe('first day in force, in the time zone of the site'),
  until: z.iso.date().optional().describe('last day in force'),
});

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected a time such as 14:00');

/** Ancillary services sold ahead: MW held that can be shed when the grid calls. */
const award = z.strictObject({
  id,
  product: z
    .string()
    .min(1)
    .describe('what it is sold as, such as ERCOT ECRS (600 s) or PJM synchronized reserve (600 s)'),
  mw: z.number().positive().describe('held in reserve, at the machines: the cooling that follows them is not counted'),
  usdPerMwHour: z.number().min(0).describe('paid for each MW held for an hour'),
  shortfallUsdPerMwh: z.number().min(0).describe('owed for each MW that is not held, by the hour'),
  responseSeconds: z
    .number()
    .positive()
    .describe(
      'within which it must be shed; only groups count whose miners were seen to sleep so fast, or that say so by sleepSeconds until they were',
    ),
  from: z.iso.date().optional().describe('first day, in the time zone of the site'),
  until: z.iso.date().optional().describe('last day'),
  hours: z
    .strictObject({ from: timeOfDay, until: timeOfDay })
    .default({ from: '00:00', until: '24:00' })
    .describe('of each of these days, in the time zone of the site'),
});

/** Agreed with a utility or a grid operator: when called, import goes down to a firm level. */
const program = z.strictObject({
  id,
  product: z.string().min(1).describe('what was agreed to, such as ERCOT ERS (30 minutes) or an interruptible rate'),
  firmMw: z.number().min(0).describe('import that may go on while it is called'),
  noticeMinutes: z.number().min(0).default(0).describe('from a call until import must be down'),
  penaltyUsdPerMwh: z.number().min(0).describe('owed for import above the firm level while it is called'),
  calls: z
    .array(
      z.strictObject({
        at: z.iso.datetime({ offset: true }).describe('when it was called, such as 2026-08-12T16:05:00-05:00'),
        until: z.iso.datetime({ offset: true }).describe('when import may rise again'),
      }),
    )
    .default([])
    .describe('made so far; write a call down when it comes and `busbar reload`: the site plans at once'),
});

/** Longer than the books look back to count what was done. */
const LONGEST_DEADLINE_MS = 31 * 24 * 3_600_000;

const deadline = z
  .strictObject({
    gpuHours: z
      .number()
      .positive()
      .describe('to be done in all, running on any of its GPUs at any time before the deadline'),
    from: z.iso.datetime({ offset: true }).describe('what is done from then on counts'),
    by: z.iso.datetime({ offset: true }).describe('what is not done by then is late'),
    everyHours: z
      .number()
      .positive()
      .optional()
      .describe('the same again, each so long after the one before; absent: once'),
    penaltyUsdPerGpuHour: z.number().positive().describe('what each GPU-hour that is late costs'),
  })
  .refine(({ from, by }) => Date.parse(from) < Date.parse(by), { error: 'is not after from', path: ['by'] })
  .refine(({ from, by }) => Date.parse(by) - Date.parse(from) <= LONGEST_DEADLINE_MS, {
    error: 'expected at most 31 days after from: the books look back no further',
    path: ['by'],
  })
  .refine(
    ({ from, by, everyHours }) =>
      everyHours === undefined || everyHours * 3_600_000 >= Date.parse(by) - Date.parse(from),
    { error: 'expected at least the hours between from and by', path: ['everyHours'] },
  );

const curvePoint = z.strictObject({
  powerLimitW: z.number().positive().describe('limit set on the GPU'),
  powerW: z.number().positive().describe('what the working GPU then draws in the mean, idle draw included'),
  throughputPct: z.number().positive().max(100).describe('what it then does, of what it does at no limit'),
});

const powerCurve = z
  .array(curvePoint)
  .min(2)
  .superRefine((points, ctx) => {
    for (const [i, point] of points.entries()) {
      const below = points[i - 1];
      if (below === undefined) continue;
      for (const name of ['powerLimitW', 'powerW', 'throughputPct'] as const)
        if (point[name] <= below[name])
          ctx.addIssue({
            code: 'custom',
            path: [i, name],
            message: `expected more than the ${below[name]} of the point before it: limit, power and throughput rise together`,
          });
    }
    const last = points.length - 1;
    if (points[last]!.throughputPct !== 100)
      ctx.addIssue({
        code: 'custom',
        path: [last, 'throughputPct'],
        message: 'expected 100: the last point is the one that no limit slows down',
      });
  });

const workClass = z.strictObject({
  id,
  class: z.enum(WORK_CLASSES),
  line: z.enum(['ai', 'hpc']),
  uplinkMbpsPerGpu: z
    .number()
    .min(0)
    .default(0)
    .describe('what one working GPU moves over the uplink of its hall: inference serves the world, training hardly'),
  gpu: z.string().describe('GPU part, as the catalogue names it'),
  match: z.strictObject({ partition: z.string(), qos: z.string() }),
  role: id
    .optional()
    .describe('role of the nodes that it runs on, where its cluster has roles; absent: the one that has its partition'),
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
    .optional()
    .describe(
      'what putting one running GPU back in the queue costs: lost work, restore; absent: by the checkpoint, notice, restore and warm-up said here, 0 where none is',
    ),
  checkpoint: z
    .strictObject({
      intervalMinutes: z.number().positive().describe('between two checkpoints that its jobs keep by themselves'),
      seconds: z.number().min(0).describe('that keeping one takes'),
      sizeGb: z.number().positive().optional(),
    })
    .optional()
    .describe('absent: all work since the start of a job is taken for lost when it stops'),
  restoreSeconds: z.number().min(0).optional().describe('from its start until a job is where its checkpoint was'),
  warmUpSeconds: z.number().min(0).optional().describe('until it is as fast again as it was'),
  noticeSeconds: z
    .number()
    .min(0)
    .optional()
    .describe('that its jobs are promised before they stop; long enough for a checkpoint, one is kept first'),
  powerCurve: powerCurve
    .optional()
    .describe(
      'power limits as a sweep measured them on this work, ascending; absent: unmeasured, and then it runs at full power or not at all. `busbar power-curve` makes it of a sweep',
    ),
  powerCurveSource: z.string().min(1).optional().describe('who measured the curve, on what and when'),
  throttle: z
    .strictObject({
      minThroughputPct: z
        .number()
        .positive()
        .max(100)
        .describe(
          'reserved and on-demand work, paid by the hour, is never slowed below it; of other work, paid by what it does, GPUs slower than it serve no contract',
        ),
    })
    .optional()
    .describe('how far what is signed lets the site slow its GPUs down; absent: not at all'),
  serves: serves
    .optional()
    .describe(
      'it answers requests: the series requestsPerSecond of a feed says how many, and plans keep what the latency target needs; absent: it is wanted as its jobs ask',
    ),
  deadline: deadline.optional().describe('work that may run at any time before a deadline, when power is cheapest'),
  preemptible: z
    .boolean()
    .default(true)
    .describe(
      'false: what runs is never taken from its GPUs, unless a breaker, the connection or the uplink leaves no other way',
    ),
});

/** What nodes of a cluster are used for. */
const role = z.strictObject({
  id,
  partition: z
    .string()
    .min(1)
    .describe('where its nodes are: a partition of Slurm, a value of the label `busbar/role` of Kubernetes'),
  leastNodes: z.number().int().min(0).default(0).describe('that plans leave it'),
});

const moves = z.strictObject({
  drainMinutes: z
    .number()
    .min(0)
    .default(60)
    .describe('for jobs of a node to end by themselves; then those that may be interrupted are put back in the queue'),
  minutes: z.number().min(0).default(10).describe('from the end of its last job until a node works in its new role'),
  usdPerNode: z.number().min(0).default(0).describe('what a move costs beside idle GPUs: images, checks, people'),
});

const powerSaving = z.strictObject({
  bootMinutes: z.number().min(0).max(240).describe('from the word until a node that was off starts jobs'),
  wakeCostUsd: z
    .number()
    .min(0)
    .describe('what switching one node off and on costs, wear and the risk that it does not come back'),
  spareNodes: z.number().int().min(0).default(1).describe('idle nodes of each GPU model and role that stay on'),
  dwellMinutes: z
    .number()
    .min(10)
    .default(60)
    .describe('for which a node stays off or on before it is switched again; jobs that wait for it wait no longer'),
});

const cluster = z.strictObject({
  id,
  driver: z.string(),
  hall: id,
  settings,
  classes: z.array(workClass).min(1),
  roles: z
    .array(role)
    .min(2)
    .optional()
    .describe('what nodes can be moved between, by a plan or by hand; absent: they stay what they are'),
  moves: moves.prefault({}).describe('what it takes to move a node from one role to another'),
  powerSaving: powerSaving
    .optional()
    .describe(
      'idle nodes that the plan has no work for are switched off; absent: never. In auto only; else it is told',
    ),
});

const lease = z.strictObject({
  id,
  name: z.string(),
  chip: z.string(),
  chips: z.number().int().positive().describe('committed to: paid for whether used or not'),
  customer: z.string().describe('who they are sold on to, or serve'),
  line: z.enum(['ai', 'hpc']),
  costUsdPerChipHour: z.number().min(0),
  revenueUsdPerChipHour: z
    .number()
    .min(0)
    .describe('what the customer pays for each; 0 where they serve a class of work, which has a price of its own'),
  until: z.iso
    .date()
    .optional()
    .describe('last day they are committed to, in the time zone of the site; then they may lapse'),
  serves: id.optional().describe('class of work that they stand in for, wherever its own GPUs stand; absent: sold on'),
  gpusPerChip: z.number().positive().optional().describe("how many of that class's GPUs one chip stands for"),
  more: z
    .strictObject({
      chips: z.number().int().positive().describe('that can be had beyond those committed to'),
      costUsdPerChipHour: z.number().min(0),
      minimumHours: z.number().min(0).default(1).describe('for which a chip that was rented is paid at least'),
      rented: z
        .number()
        .int()
        .min(0)
        .default(0)
        .describe('of them, held now: whoever rents or gives back some writes it down here, as Busbar rents none'),
      rentedAt: z.iso
        .datetime({ offset: true })
        .optional()
        .describe('since when; absent: they may be given back at any time'),
    })
    .optional()
    .describe('chips on demand, for a lease that serves a class of work; plans propose when to rent them'),
});

/** A fixed price, the market's own, or a block bought ahead with the rest (and what is sold back) at the market's price. */
const tariff = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('block-and-real-time'),
    blockMw: z
      .number()
      .min(0)
      .describe('bought ahead for every hour; what is not used of it is sold at the market price'),
    blockUsdPerMwh: z.number(),
  }),
  z.strictObject({
    kind: z.literal('real-time'),
    adderUsdPerMwh: z.number().default(0).describe('delivery and fees on every MWh, on top of the market price'),
  }),
  z.strictObject({ kind: z.literal('fixed'), usdPerMwh: z.number() }),
]);

const charges = z
  .strictObject({
    demand: z
      .strictObject({
        usdPerKwMonth: z.number().min(0).describe('on the highest average of an interval of the month'),
        intervalMinutes: z.union([z.literal(15), z.literal(30), z.literal(60)]).default(15),
        ratchetMw: z.number().min(0).default(0).describe('billed every month, however little is drawn'),
      })
      .optional(),
    coincidentPeak: z
      .strictObject({
        usdPerKwYear: z
          .number()
          .min(0)
          .describe("on what is drawn in the hour of the power system's peak, an equal part for each of the months"),
        months: z
          .array(z.number().int().min(1).max(12))
          .min(1)
          .default([6, 7, 8, 9])
          .describe('calendar months with a peak that counts, such as the four of ERCOT'),
      })
      .optional(),
  })
  .prefault({});

const feed = z.strictObject({
  id,
  feed: z.string(),
  whenSilent: z
    .strictObject({
      holdMinutes: z
        .number()
        .positive()
        .optional()
        .describe("how long the last value is believed; absent: the feed's own"),
      values: z
        .partialRecord(z.enum(SERIES), z.number())
        .default({})
        .describe('planned with after that, by series; absent: the worst of the last day told'),
    })
    .prefault({}),
  settings,
});

/** Entries of the lists that a driver, feed or cluster completes with settings of its own. */
export const siteParts = { machine: machineGroup, meter, uplink, plant, cluster, feed };

export const siteSchema = z.strictObject({
  name: z.string().min(1).describe('as it stands on the page'),
  timezone: z
    .string()
    .refine(isTimezone, 'a time zone such as America/Chicago')
    .default('UTC')
    .describe('where the site stands: its days begin at midnight there'),
  trust: z
    .enum(TRUST)
    .default('auto')
    .describe(
      'the most a person may raise the site to; until somebody does it is in shadow: it plans and writes to nothing',
    ),
  connection: z.strictObject({
    limitMw: z.number().positive().describe('what may be drawn at the meter of the grid'),
    marginPct: z.number().min(0).max(50).default(1).describe('kept free of it by every plan'),
    tripCurve,
    lossPct: z.number().min(0).max(20).default(1).describe('lost in transformers and cables, of what the halls draw'),
    rampMwPerMinute: z
      .number()
      .positive()
      .optional()
      .describe('how fast the contract lets import change, up or down; absent: as fast as machines can'),
    exportLimitMw: z.number().positive().optional().describe('what may be fed into the grid; absent: nothing'),
    exportAdderUsdPerMwh: z
      .number()
      .min(0)
      .default(0)
      .describe('what a MWh fed in is paid less than a MWh drawn costs'),
  }),
  tariff,
  charges: charges.describe('what power costs beside its energy'),
  planning: z
    .strictObject({
      scenarios: z
        .union([z.literal(1), z.literal(3)])
        .default(1)
        .describe(
          '3: what is decided now is best on the mean of prices as forecast, low and high, by how forecasts erred lately',
        ),
    })
    .prefault({})
    .describe('how plans are made'),
  mining: z
    .strictObject({
      poolFeePct: z.number().min(0).max(10).default(1),
      stalePct: z.number().min(0).max(10).default(0.2).describe('shares that come too late to be paid'),
      wakeUsdPerMachine: z.number().min(0).default(0.01).describe('wear and lost minutes of one wake'),
      retuneUsdPerMachine: z
        .number()
        .min(0)
        .default(0.01)
        .describe('hash lost while a miner ramps to another operating point'),
      minimumOnMinutes: z.number().min(0).default(10).describe('a miner that was woken runs at least so long'),
      minimumOffMinutes: z
        .number()
        .min(0)
        .default(5)
        .describe('a miner that was put to sleep stays so at least so long'),
    })
    .prefault({}),
  ballast: z
    .strictObject({
      bandMw: z
        .number()
        .min(0)
        .describe('how far the load of AI and HPC may swing within a minute without miners moving against it'),
      swingPct: z
        .number()
        .positive()
        .max(100)
        .default(100)
        .describe(
          'of what working GPUs draw beyond idle ones: how much comes or goes within a minute at the most, as measured',
        ),
      groups: z
        .array(id)
        .min(1)
        .describe('groups of miners that shed and take up load within seconds; pinned and held ones do not count'),
    })
    .optional()
    .describe(
      'miners kept ready to move against swings of AI and HPC, so that the feeder keeps its band and ramp; absent: none',
    ),
  limits: z
    .strictObject({
      importMw: z.number().positive().optional().describe("the owner's own limit, where it is below the connection's"),
      orderAloneMw: z
        .number()
        .min(0)
        .optional()
        .describe('an order of a person that changes import by more takes a second person; absent: one is enough'),
      hottestC: z.number().min(20).max(150).optional().describe('a machine hotter than this raises an alarm'),
    })
    .prefault({}),
  tenants: z
    .array(tenant)
    .default([])
    .describe('customers with an account of their own here, each of whom sees and runs what is theirs alone'),
  owners: z.array(z.strictObject({ id, name: z.string().min(1) })).default([]),
  halls: z.array(hall).min(1),
  feeders: z
    .array(feeder)
    .default([])
    .describe('transformers, switchboards and cables between the connection and the halls, where they limit'),
  generation: z.array(generator).default([]),
  meters: z.array(meter),
  uplinks: z.array(uplink).default([]),
  plant: z.array(plant).default([]),
  pools: z.array(pool).default([]),
  machines: z.array(machineGroup),
  clusters: z.array(cluster).default([]),
  contracts: z.array(contract).default([]),
  awards: z.array(award).default([]),
  programs: z.array(program).default([]),
  gridSignals: z.array(gridSignal).default([]),
  leases: z.array(lease).default([]),
  feeds: z.array(feed),
  history: z
    .strictObject({
      rawDays: z.number().positive().default(7),
      minuteDays: z.number().positive().default(90),
      quarterHourDays: z.number().positive().optional().describe('absent: for ever'),
      diskGb: z
        .number()
        .positive()
        .default(20)
        .describe('past it the oldest raw rows go first, and an alarm is raised'),
    })
    .prefault({}),
  server: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('address listened at; beyond loopback only with tls'),
      names: z.array(z.string()).default([]).describe('host names people open it by, besides the address'),
      tls: z.strictObject({ certificate: z.string(), key: z.string() }).optional().describe('PEM files'),
    })
    .prefault({}),
});

export type Site = z.infer<typeof siteSchema>;
export type Hall = Site['halls'][number];
export type Feeder = Site['feeders'][number];
export type Uplink = Site['uplinks'][number];
export type Pool = Site['pools'][number];
export type PlantDevice = Site['plant'][number];
export type Contract = Site['contracts'][number];
export type Award = Site['awards'][number];
export type Lease = Site['leases'][number];
export type Meter = Site['meters'][number];
export type ClusterConfig = Site['clusters'][number];
export type WorkClass = ClusterConfig['classes'][number];
export type NodeRole = NonNullable<ClusterConfig['roles']>[number];

function isTimezone(name: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** Which swings miners must be ready for; undefined where the site keeps no ballast. The ramp of the contract is a band, too: what it lets through in a minute. */
export function ballastOf({ ballast, connection }: Pick<Site, 'ballast' | 'connection'>): BallastFacts | undefined {
  if (ballast === undefined) return undefined;
  const bandMw = Math.min(ballast.bandMw, connection.rampMwPerMinute ?? Number.POSITIVE_INFINITY);
  return {
    bandW: (bandMw * 1e6) / (1 + connection.lossPct / 100),
    swingFraction: ballast.swingPct / 100,
    cohorts: ballast.groups,
  };
}

/** What is bought ahead: nothing of a market's or a fixed price. */
export function blockOf(tariff: Site['tariff']): { readonly blockW: number; readonly blockUsdPerMwh: number } {
  if (tariff.kind !== 'block-and-real-time') return { blockW: 0, blockUsdPerMwh: 0 };
  return { blockW: tariff.blockMw * 1e6, blockUsdPerMwh: tariff.blockUsdPerMwh };
}

/** What each MW drawn in a coincident peak costs, in $: a year's charge in equal parts for its months. */
export function coincidentUsdPerMw({ coincidentPeak }: Site['charges']): number | undefined {
  if (coincidentPeak === undefined) return undefined;
  return (coincidentPeak.usdPerKwYear * 1000) / new Set(coincidentPeak.months).size;
}

const toNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toAddress = (n: number): string => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.');

const partsOf = (ranges: string): { readonly from: number; readonly count: number }[] =>
  ranges.split(',').map((part) => {
    const [first = '', last = first] = part.trim().split('-');
    return { from: toNumber(first), count: Math.max(0, toNumber(last) - toNumber(first) + 1) };
  });

const countOf = (ranges: string): number => partsOf(ranges).reduce((sum, { count }) => sum + count, 0);

/** Every address of `first-last` (both included), of a single one, or of several of them with commas between. */
export function addressesOf(ranges: string): string[] {
  return partsOf(ranges).flatMap(({ from, count }) => Array.from({ length: count }, (_, i) => toAddress(from + i)));
}

/** What a machine calls itself at a pool: `{machine}` is its id, `{address}` the last two numbers of its address. */
export const workerOf = (pattern: string, machine: { readonly id: string; readonly address: string }): string =>
  pattern.replaceAll('{machine}', machine.id).replaceAll('{address}', machine.address.split('.').slice(2).join('x'));

/** Machine id of the nth (from 0) address of a group: `a-s21-0001`. */
export const machineId = (groupId: string, index: number): string => `${groupId}-${String(index + 1).padStart(4, '0')}`;
