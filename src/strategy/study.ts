import { z } from 'zod';
import { OPTION_KINDS } from '../model/convert-api.ts';
import type { SeriesName } from '../model/index.ts';
import { ASSUMPTION_KEYS, DEFAULTS, type Assumption, type AssumptionKey } from './defaults.ts';
import { GPU_PARTS, NEW_ASICS, type GpuPart, type NewAsic } from './hardware.ts';

/** What a study may be told: everything has a default. Strict, so that a slip of the pen is an error and not a default. */

const amount = z.number();
const assumption = z.union([
  amount,
  z
    .strictObject({
      value: amount,
      low: amount.optional(),
      high: amount.optional(),
      source: z.string().min(1).optional(),
    })
    .refine(({ value, low = value, high = value }) => low <= value && value <= high, 'low <= value <= high'),
]);

const part = z.strictObject({
  usdPerGpu: z.number().positive().optional(),
  usdPerGpuHour: z.number().min(0).optional(),
  utilisationPct: z.number().min(0).max(100).optional(),
  mostGpus: z.number().int().positive().optional().describe('GPUs of this part there is a market for, in one hall'),
  source: z.string().min(1).optional(),
});
const asic = z.strictObject({ usdPerTh: z.number().positive(), source: z.string().min(1).optional() });

const partIds = GPU_PARTS.map(({ id }) => id) as [string, ...string[]];
const asicIds = NEW_ASICS.map(({ id }) => id) as [string, ...string[]];

const hall = z.strictObject({
  suitableSharePct: z.number().min(0).max(100).optional().describe('share of the hall that suits AI, once surveyed'),
  space: z
    .strictObject({ racks: z.number().int().positive(), kwPerRack: z.number().positive() })
    .optional()
    .describe("in place of the site file's: racks after the retrofit, and the power and cooling each can have"),
  uplinkGbps: z.number().min(0).optional().describe("in place of the site file's uplinks"),
  options: z.array(z.enum(OPTION_KINDS)).min(1).optional().describe('what may be done with this hall'),
});

export const studySchema = z.strictObject({
  name: z.string().min(1).optional(),
  start: z.iso
    .date()
    .optional()
    .describe('first day; the first of its month is taken. Absent: the month after the replay ends'),
  years: z.number().int().min(1).max(20).default(10),
  assumptions: z.partialRecord(z.enum(ASSUMPTION_KEYS as [AssumptionKey, ...AssumptionKey[]]), assumption).default({}),
  parts: z.partialRecord(z.enum(partIds), part).default({}),
  asics: z.partialRecord(z.enum(asicIds), asic).default({}),
  halls: z.record(z.string(), hall).default({}),
  options: z
    .array(z.enum(OPTION_KINDS))
    .min(1)
    .default([...OPTION_KINDS]),
  considerParts: z.array(z.enum(partIds)).default(partIds).describe('GPU parts a cloud may be made of'),
  buyUplinks: z.boolean().default(true).describe('false: the uplinks there are limit what AI a hall can host'),
  plan: z
    .strictObject({
      capexBudgetUsd: z.number().min(0).optional().describe('most that may be spent over the years; absent: no limit'),
      hallsAtOnce: z.number().int().min(1).default(1).describe('halls that may be in conversion at a time'),
      startEveryMonths: z.number().int().min(1).max(24).default(6),
      lastStartYear: z.number().min(0).default(4).describe('no conversion starts later than this'),
    })
    .prefault({}),
});

export type Study = z.infer<typeof studySchema>;
export type HallStudy = z.infer<typeof hall>;

export type Values = Readonly<Record<AssumptionKey, number>>;
export interface ResolvedAssumption extends Assumption {
  readonly key: AssumptionKey;
  readonly from: 'default' | 'recorded' | 'study';
}

/** What a study reckons with, once it, the recorded series and the defaults are laid over one another. */
export interface Inputs {
  readonly values: Values;
  readonly parts: readonly (GpuPart & { readonly mostGpus?: number | undefined })[];
  readonly asics: readonly NewAsic[];
}

/**
 * Lays the study over what was recorded over the defaults.
 * @param recorded means over the replayed period, by series: hashprice (where chain and price of bitcoin are there) and GPU rents.
 */
export function resolve(
  study: Study,
  recorded: { readonly hashprice: Told | undefined; readonly gpu: ReadonlyMap<SeriesName, Told> },
): { inputs: Inputs; assumptions: ResolvedAssumption[] } {
  const assumptions = ASSUMPTION_KEYS.map((key): ResolvedAssumption => {
    const preset: Assumption = DEFAULTS[key];
    const told = study.assumptions[key];
    if (told !== undefined) {
      const given = typeof told === 'number' ? { value: told } : told;
      const { value, low = Math.min(preset.low, value), high = Math.max(preset.high, value) } = given;
      const source = ('source' in given ? given.source : undefined) ?? 'told by the study';
      return { ...preset, key, value, low, high, source, from: 'study' };
    }
    if (key === 'hashpriceUsdPerPhDay' && recorded.hashprice !== undefined) {
      const { value, source } = recorded.hashprice;
      const low = (value * preset.low) / preset.value;
      const high = (value * preset.high) / preset.value;
      return { ...preset, key, value, low, high, source, basis: 'derived', from: 'recorded' };
    }
    return { ...preset, key, from: 'default' };
  });
  const values = Object.fromEntries(assumptions.map(({ key, value }) => [key, value])) as Record<AssumptionKey, number>;
  const parts = GPU_PARTS.filter(({ id }) => study.considerParts.includes(id)).map((preset) => {
    const quote = preset.series === undefined ? undefined : recorded.gpu.get(preset.series);
    const { utilisationPct, ...told } = study.parts[preset.id] ?? {};
    const utilisation =
      utilisationPct === undefined ? {} : { utilisationFactor: utilisationPct / values.gpuUtilisationPct };
    return {
      ...preset,
      ...(quote === undefined
        ? {}
        : { usdPerGpuHour: quote.value, source: `${quote.source}; price: ${preset.source}` }),
      ...(study.parts[preset.id] === undefined
        ? {}
        : { source: 'told by the study', ...withoutUndefined(told), ...utilisation }),
    };
  });
  const asics = NEW_ASICS.map((preset) => ({ ...preset, ...withoutUndefined(study.asics[preset.id] ?? {}) }));
  return { inputs: { values, parts, asics }, assumptions };
}

export interface Told {
  readonly value: number;
  readonly source: string;
}

function withoutUndefined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
