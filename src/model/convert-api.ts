import { z } from 'zod';

/**
 * Shapes of a conversion study: what `POST /api/v1/convert` and `busbar convert --json` give. Money in $, powers in MW,
 * rates in % a year. `null` stands for unknown, undefined or never; a missing figure is never 0.
 */

const orNull = <T extends z.ZodType>(type: T) => type.nullable();
const usd = z.number();
const time = z.iso.datetime();

export const OPTION_KINDS = ['keep', 'refit', 'colocation', 'cloud', 'power-down'] as const;

export const convertAssumption = z.object({
  key: z.string(),
  label: z.string(),
  unit: z.string(),
  group: z.string(),
  value: z.number(),
  low: z.number(),
  high: z.number(),
  basis: z.enum(['published', 'derived', 'assumed']),
  from: z.enum(['default', 'recorded', 'study']),
  source: z.string(),
});

export const convertYear = z.object({
  year: z.number().int().describe('year of the study, from 1'),
  miningUsd: usd,
  aiUsd: usd,
  blockUsd: usd.describe('gain or loss of the block bought ahead against real time'),
  energyUsd: usd.describe('at real time, what tenants pay themselves left out'),
  opexUsd: usd,
  ebitdaUsd: usd,
  capexUsd: usd,
  salvageUsd: usd,
  cashUsd: usd,
  monthsCashUsd: z.array(usd),
});

export const convertOption = z.object({
  id: z.string(),
  kind: z.enum(OPTION_KINDS),
  label: z.string(),
  feasible: z.boolean(),
  reasons: z.array(z.string()).describe('why not, or what to know'),
  limits: z.array(z.object({ what: z.string(), allowsMw: orNull(z.number()), binding: z.boolean(), note: z.string() })),
  aiItMw: z.number(),
  gpus: orNull(z.number().int()),
  displacedPct: z.number().describe("share of today's mining that gives way"),
  monthsToConvert: z.number().int(),
  capexUsd: usd.describe('until it works; machines bought anew at the end of their life come on top'),
  capexParts: z.object({ shellUsd: usd, hardwareUsd: usd, coolingUsd: usd, uplinkUsd: usd }),
  npvUsd: usd.describe('before financing and taxes'),
  irrPct: orNull(z.number()),
  paybackMonths: orNull(z.number()),
  versusKeep: z.object({ npvUsd: usd, irrPct: orNull(z.number()), paybackMonths: orNull(z.number()) }),
  equity: z.object({ npvUsd: usd, irrPct: orNull(z.number()) }).describe('after the loan'),
  perMwYear: z
    .object({ revenueUsd: usd, costUsd: usd, ebitdaUsd: usd })
    .describe('mean over the years, per MW the hall may draw'),
  aiFullYear: orNull(z.object({ revenueUsd: usd, costUsd: usd, ebitdaUsd: usd, usdPerMwh: usd })).describe(
    'the first fully rented year, per MW of AI IT',
  ),
  miningFirstYear: orNull(z.object({ revenueUsd: usd, usdPerMwh: usd, runPct: z.number() })).describe(
    'the first year, per MW of mining IT',
  ),
  years: z.array(convertYear),
});

export const convertHall = z.object({
  id: z.string(),
  name: z.string(),
  today: z.string(),
  cooling: z.string(),
  usableMw: z.number(),
  miningItMw: z.number(),
  joulePerTh: orNull(z.number()),
  gpus: z.number().int(),
  options: z.array(convertOption),
  bestId: z.string(),
});

export const convertResult = z.object({
  study: z.object({
    name: orNull(z.string()),
    site: z.string(),
    start: z.iso.date(),
    years: z.number().int(),
    discountPct: z.number(),
  }),
  conclusion: z.object({
    sentence: z.string(),
    because: z.string(),
    hangsOn: z.string(),
    plan: z.string(),
  }),
  notes: z.array(z.object({ loud: z.boolean(), text: z.string() })),
  replay: z.object({
    source: z.string(),
    from: time,
    to: time,
    intervalMinutes: z.number(),
    intervals: z.number().int(),
    coveragePct: z.number(),
    gaps: z.array(z.object({ from: time, to: time, intervals: z.number().int() })),
    seasonal: z.boolean(),
    weatherCoveragePct: z.number(),
    meanUsdPerMwh: z.number(),
    lowestUsdPerMwh: z.number(),
    highestUsdPerMwh: z.number(),
  }),
  assumptions: z.array(convertAssumption),
  hardware: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      kind: z.enum(['asic', 'gpu']),
      facts: z.string(),
      source: z.string(),
      caveat: orNull(z.string()),
    }),
  ),
  halls: z.array(convertHall),
  ranking: z.array(
    z.object({
      hallId: z.string(),
      optionId: z.string(),
      gainUsd: usd,
      paybackMonths: orNull(z.number()),
      because: z.string(),
    }),
  ),
  breakEven: z.array(
    z.object({
      hallId: z.string(),
      optionId: z.string(),
      input: z.enum(['rent', 'hashprice', 'power', 'utilisation']),
      label: z.string(),
      unit: z.string(),
      base: z.number(),
      x: z.array(z.number()),
      aiNpvUsd: z.array(usd),
      keepNpvUsd: z.array(usd),
      crossings: z.array(z.number()).describe('where AI equals mining; empty when it does nowhere in the range'),
    }),
  ),
  tornado: z.array(
    z.object({
      hallId: z.string(),
      optionId: z.string(),
      baseUsd: usd,
      bars: z.array(
        z.object({
          key: z.string(),
          label: z.string(),
          unit: z.string(),
          low: z.number(),
          high: z.number(),
          atLowUsd: usd,
          atHighUsd: usd,
        }),
      ),
    }),
  ),
  plan: z.object({
    status: z.enum(['optimal', 'best found', 'none found', 'infeasible']),
    method: z.string(),
    capexBudgetUsd: orNull(usd),
    hallsAtOnce: z.number().int(),
    connectionMw: z.number(),
    npvUsd: orNull(usd),
    keepNpvUsd: orNull(usd),
    gainUsd: orNull(usd),
    boundGainUsd: orNull(usd).describe('no plan gains more; the gain itself where the search ended'),
    capexUsd: orNull(usd),
    steps: z.array(
      z.object({
        hallId: z.string(),
        optionId: z.string(),
        label: z.string(),
        startMonth: z.number().int(),
        doneMonth: z.number().int(),
        rentedMonth: z.number().int().describe('when the last customer has moved in'),
        start: z.iso.date(),
        capexUsd: usd,
        gainUsd: usd,
      }),
    ),
    years: z.array(
      z.object({
        year: z.number().int(),
        firmMw: z.number(),
        miningMw: z.number(),
        curtailedMw: z
          .number()
          .describe('mining that the connection has no room for in the hottest hours, mean of the months'),
        cashUsd: usd,
      }),
    ),
  }),
  measured: orNull(
    z.object({
      from: orNull(time),
      to: orNull(time),
      days: z.number(),
      intervals: z.number().int(),
      coveragePct: orNull(z.number()),
      lines: z.array(
        z.object({
          line: z.string(),
          usdPerMwh: orNull(z.number()),
          energyMwh: orNull(z.number()),
          coveragePct: z.number(),
          modelUsdPerMwh: orNull(z.number()),
        }),
      ),
    }),
  ).describe("the site's own books beside the model; null where no ledger was asked"),
  published: z.array(
    z.object({
      name: z.string(),
      inputs: z.string(),
      publishedUsdPerMwYear: usd,
      modelUsdPerMwYear: usd,
      publishedUsdPerMwh: orNull(usd),
      modelUsdPerMwh: usd,
      source: z.string(),
    }),
  ),
});

export type ConvertResult = z.infer<typeof convertResult>;
export type ConvertOption = z.infer<typeof convertOption>;
export type ConvertHall = z.infer<typeof convertHall>;
export type ConvertAssumption = z.infer<typeof convertAssumption>;
