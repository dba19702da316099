import { z } from 'zod';
import { SERIES, type SeriesName } from '../../model/index.ts';

/** `gpuUsdPerHour.h100` and its siblings share a unit and a plausible range. */
export type Family<S extends string = SeriesName> = S extends `${infer Head}.${string}` ? Head : S;

export const familyOf = (name: SeriesName): Family => name.split('.')[0] as Family;

type Convert = (value: number) => number;
const same: Convert = (value) => value;
const celsius: Record<string, Convert> = { C: same, F: (value) => ((value - 32) * 5) / 9 };

const energy: Record<string, Convert> = {
  usd_per_mwh: same,
  usd_per_kwh: (value) => value * 1000,
  cents_per_kwh: (value) => value * 10,
};

/** What a source may say its figures are in, by series; the first is the unit of the series itself. */
const UNITS: Readonly<Record<Family, Readonly<Record<string, Convert>>>> = {
  priceUsdPerMwh: energy,
  dayAheadUsdPerMwh: energy,
  temperatureC: celsius,
  dewPointC: celsius,
  difficulty: { difficulty: same },
  btcUsd: { usd_per_btc: same },
  feesBtcPerBlock: { btc_per_block: same, sats_per_block: (value) => value / 1e8 },
  systemLoadMw: { mw: same, gw: (value) => value * 1000 },
  availableMw: { mw: same, kw: (value) => value / 1000 },
  blockHeight: { blocks: same },
  requestsPerSecond: { per_second: same, per_minute: (value) => value / 60 },
  gpuUsdPerHour: { usd_per_hour: same, cents_per_hour: (value) => value / 100 },
};

export const unitsOf = (name: SeriesName): readonly string[] => Object.keys(UNITS[familyOf(name)]);

/** The unit of the series itself. */
export const ownUnit = (name: SeriesName): string => unitsOf(name)[0]!;

/** @throws Error (a bug of ours) for a unit the series does not know: the site file was checked. */
export function toOwnUnit(name: SeriesName, unit: string, value: number): number {
  const convert = UNITS[familyOf(name)][unit];
  if (convert === undefined) throw new Error(`${name} knows no unit ${unit}`);
  // Fifteen digits: 3.12 cents are 31.2 $/MWh and not 31.200000000000003.
  return convert === same ? value : Number(convert(value).toPrecision(15));
}

const allUnits = [...new Set(Object.values(UNITS).flatMap((units) => Object.keys(units)))];

/** What every mapping of a source's figures to a series says. */
export const figureShape = {
  series: z.enum(SERIES).describe('the series these figures are'),
  unit: z
    .enum(allUnits as [string, ...string[]])
    .describe('what the source gives its figures in; they are converted. Never guessed'),
  sure: z
    .boolean()
    .default(false)
    .describe('the unit is right although the figures look like another one; switches that suspicion off'),
} as const;

/** A mapping whose unit its series does not have is a mistake of the site file. */
export function unitFits(mapping: { series: SeriesName; unit: string }): boolean {
  return unitsOf(mapping.series).includes(mapping.unit);
}

export const UNIT_FITS = {
  path: ['unit'],
  error: ({ input }: { input?: unknown }) => {
    const { series, unit } = input as { series: SeriesName; unit: string };
    return `${series} is never in ${unit}: one of ${unitsOf(series).join(', ')}`;
  },
};

/** Two mappings of one series would overwrite each other. */
export const eachSeriesOnce = (mappings: readonly { series: SeriesName }[]): boolean =>
  new Set(mappings.map(({ series }) => series)).size === mappings.length;
