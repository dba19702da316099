import type { ConvertResult } from '../model/convert-api.ts';
import { DEFAULTS, ASSUMPTION_KEYS, type AssumptionKey } from './defaults.ts';
import { fleetOf, type HallCase } from './hall.ts';
import type { Action } from './flows.ts';
import { hallMonths } from './mining.ts';
import { GPU_PARTS } from './hardware.ts';
import { needOfCloud, needOfColocation, retrofit, type Need } from './limits.ts';
import { describe, value, type Option } from './options.ts';
import { flatReplay } from './replay.ts';
import type { Values } from './study.ts';
import { createWorld } from './world.ts';

/**
 * Deals and figures that were made public, put through the same code as a study: each is told by its inputs (rent per
 * kW and month, GPU-hours, hashprice) and must come out at its revenue per MW and year.
 */
interface Case {
  readonly name: string;
  readonly inputs: string;
  readonly publishedUsdPerMwYear: number;
  readonly publishedUsdPerMwh: number | null;
  readonly source: string;
  readonly values: Partial<Record<AssumptionKey, number>>;
  readonly kind: 'mining' | 'colocation' | 'cloud';
}

/** $/kW/month of a lease told by its sum, its years and its MW of critical IT. */
const rent = (totalUsd: number, years: number, mw: number): number => totalUsd / (years * 12) / (mw * 1000);

const lease = (name: string, totalUsd: number, years: number, mw: number, published: number, source: string): Case => ({
  name,
  inputs: `$${(totalUsd / 1e9).toFixed(1)}bn over ${years} years on ${mw} MW of critical IT: $${rent(totalUsd, years, mw).toFixed(1)}/kW/month, all rented, power passed through`,
  publishedUsdPerMwYear: published,
  publishedUsdPerMwh: null,
  source,
  values: { coloRentUsdPerKwMonth: rent(totalUsd, years, mw) },
  kind: 'colocation',
});

const CASES: readonly Case[] = [
  {
    name: 'Mining, 15 J/TH',
    inputs: '15 J/TH at $39.82/PH/day, every hour, no fees',
    publishedUsdPerMwYear: 0.97e6,
    publishedUsdPerMwh: 111,
    source: 'Hashprice: Luxor Hashrate Index, mean of November 2025',
    values: { hashpriceUsdPerPhDay: 39.82 },
    kind: 'mining',
  },
  lease('Core Scientific / CoreWeave', 3.5e9, 12, 200, 1.46e6, 'Core Scientific, 3 June 2024'),
  lease('TeraWulf / Fluidstack', 3.7e9, 10, 200, 1.85e6, 'TeraWulf, 14 August 2025'),
  // "over $1bn a year on average": the sum is that of 15 years at $1.0bn.
  lease(
    'Galaxy Helios / CoreWeave',
    15e9,
    15,
    526,
    1.9e6,
    'Galaxy, 15 August 2025: over $1bn a year on average, 133 + 260 + 133 MW',
  ),
  lease('Hut 8 / Fluidstack', 7.0e9, 15, 245, 1.9e6, 'Hut 8, 17 December 2025'),
  {
    name: 'IREN / Microsoft, GPU cloud',
    inputs:
      '76,000 GB300 in 200 MW of IT (2,632 W each), $9.7bn over 5 years, take or pay: $2.914/GPU-h, every hour sold',
    publishedUsdPerMwYear: 9.7e6,
    publishedUsdPerMwh: 1107,
    source: 'IREN, 3 November 2025',
    values: { gpuUtilisationPct: 100 },
    kind: 'cloud',
  },
];

/** A hall of 1 MW of IT without cooling, so that a MW of the model is a MW of critical IT as it is published. */
const hall: HallCase = {
  id: 'check',
  name: 'check',
  cooling: 'chilled',
  curve: [{ wetBulbC: 20, marginalW: 0 }],
  aiCurve: [{ wetBulbC: 20, marginalW: 0 }],
  baseMw: 0,
  usableMw: 200,
  fleet: fleetOf({ sleepW: 0, points: [{ profile: 'all', powerW: 1e6, hashrateThs: 1e6 / 15 }] }, 200),
  fleetNames: ['15 J/TH'],
  gpusToday: [],
  space: undefined,
  uplinkGbps: undefined,
  blockMw: 0,
  suitableSharePct: 100,
  options: undefined,
};

const YEARS = 2;

export function publishedCases(): ConvertResult['published'] {
  return CASES.map((one) => {
    const preset = Object.fromEntries(ASSUMPTION_KEYS.map((key) => [key, DEFAULTS[key].value])) as Record<
      AssumptionKey,
      number
    >;
    const values: Values = {
      ...preset,
      hashpriceDriftPctPerYear: 0,
      halvingFactor: 1,
      miningUptimePct: 100,
      powerDriftPctPerYear: 0,
      gpuRentDriftPctPerYear: 0,
      coloMonths: 0,
      coloRampMonths: 1,
      coloOccupancyPct: 100,
      cloudMonths: 0,
      cloudRampMonths: 1,
      ...one.values,
    };
    const facts = {
      replay: flatReplay(0),
      tariff: { kind: 'fixed', usdPerMwh: 0 } as const,
      lossFraction: 0,
      keptFraction: 1,
      start: { year: 2025, month: 0 },
      months: YEARS * 12,
      partsToday: new Map(),
    };
    const world = createWorld(facts, values);
    const months = hallMonths(world, hall, 20);
    const option: Option = {
      id: one.kind,
      label: one.name,
      action: actionOf(one, values),
      feasible: true,
      reasons: [],
    };
    const valued = value(world, months, option)!;
    const { aiFullYear, miningFirstYear } = describe(world, months, valued, valued);
    const year = one.kind === 'mining' ? miningFirstYear! : aiFullYear!;
    return {
      name: one.name,
      inputs: one.inputs,
      publishedUsdPerMwYear: one.publishedUsdPerMwYear,
      modelUsdPerMwYear: year.revenueUsd,
      publishedUsdPerMwh: one.publishedUsdPerMwh,
      modelUsdPerMwh: year.usdPerMwh,
      source: one.source,
    };
  });
}

function actionOf({ kind }: Case, values: Values): Action {
  if (kind === 'mining') return { kind: 'keep' };
  const fit = (need: Need) => retrofit(hall, need, values, 20, true);
  if (kind === 'colocation') return { kind, retrofit: fit(needOfColocation(values)) };
  const preset = GPU_PARTS.find(({ id }) => id === 'gb300')!;
  const part = { ...preset, usdPerGpuHour: 9.7e9 / (5 * 8760 * 76_000), nameplateW: 200e6 / 76_000 };
  return { kind: 'cloud', part, retrofit: fit(needOfCloud(part, values)) };
}
