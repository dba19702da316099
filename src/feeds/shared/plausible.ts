import { Fault, type SeriesName } from '../../model/index.ts';
import { familyOf, ownUnit, toOwnUnit, unitsOf, type Family } from './units.ts';

interface Range {
  readonly min: number;
  readonly max: number;
  /** What to look at when a figure lies outside. */
  readonly remedy: string;
}

/**
 * Outside these no figure is believed, in the unit of the series and after conversion. They are wide: a figure
 * outside is another quantity, another unit or a slip, and to plan with it would be worse than to have none.
 *
 * - price: the widest caps of any market so far are -500 and 15,000 (Uri settled at 9,160.85 $/MWh in Houston)
 * - temperature: the coldest and hottest ever measured outdoors are -89 and 57 C; the highest dew point 35 C
 * - difficulty: above 1e12 since 2017 and about 1.5e14 in 2026; 1e18 is hashing 6,000 times today's
 * - BTC price: between 100 and ten million dollars since 2013
 * - fees: a day's mean has been between 0.01 and 15 BTC per block since 2013; satoshis would be a million times that
 * - system load: from an island's to twice that of the largest system there is
 * - generation: nobody makes less than nothing, and no site makes 10 GW
 * - block height: block 800,000 was in July 2023, and 3,000,000 is due about 2065
 * - requests: nobody makes less than none, and ten million a second are more than any site answers
 * - GPU: from a hundredth of a dollar to a hundred dollars an hour, for one GPU
 */
const RANGES: Readonly<Record<Family, Range>> = {
  priceUsdPerMwh: { min: -2_000, max: 20_000, remedy: 'is the declared unit right' },
  dayAheadUsdPerMwh: { min: -2_000, max: 20_000, remedy: 'is the declared unit right' },
  temperatureC: { min: -90, max: 60, remedy: 'is it in Fahrenheit or Kelvin' },
  dewPointC: { min: -90, max: 40, remedy: 'is it in Fahrenheit or Kelvin, or a relative humidity' },
  difficulty: { min: 1e12, max: 1e18, remedy: 'is it a hashrate, or another chain than main' },
  btcUsd: { min: 100, max: 1e7, remedy: 'is it another currency' },
  feesBtcPerBlock: { min: 1e-4, max: 50, remedy: 'is it in satoshis, or the fees of a whole day' },
  systemLoadMw: { min: 1, max: 3e6, remedy: 'is it the load of the whole power system' },
  availableMw: { min: 0, max: 10_000, remedy: 'is it in kW' },
  blockHeight: { min: 8e5, max: 3e6, remedy: 'is it another chain than main' },
  requestsPerSecond: { min: 0, max: 1e7, remedy: 'is it of a minute or a day' },
  gpuUsdPerHour: { min: 0.01, max: 100, remedy: 'is it in cents, or the price of a whole machine' },
};

export const rangeOf = (name: SeriesName): Range => RANGES[familyOf(name)];

/**
 * A figure as its source gave it, in the unit of the series.
 * @param place file and line, or address and path: where the figure stands
 * @throws Fault `garbled` when it is no number or cannot be what it is said to be
 */
export function figure(name: SeriesName, unit: string, raw: number, place: string): number {
  if (!Number.isFinite(raw)) throw new Fault('garbled', `${place}: found ${raw}, expected a number`);
  const value = toOwnUnit(name, unit, raw);
  const { min, max, remedy } = rangeOf(name);
  if (value >= min && value <= max) return value;
  const converted = unit === ownUnit(name) ? '' : `, which is ${value} ${ownUnit(name)}`;
  const units = unitsOf(name);
  const declare = units.length > 1 ? ` (declared ${unit}; known: ${units.join(', ')})` : '';
  throw new Fault(
    'garbled',
    `${place}: found ${raw}${converted}, expected ${name} between ${min} and ${max}: ${remedy}?${declare}`,
  );
}

/** Rows of a source that is asked again and again from which on its unit is doubted; see `suspectUnit`. */
export const ENOUGH_TO_DOUBT = 48;

/**
 * Doubts a unit that fits every single figure and yet cannot be right for all of them. The longest run of real
 * prices between -1 and 1 $/MWh in four years of HB_HOUSTON is 34 quarter-hours, hence 48 where a source is asked
 * again and again; a whole file of such prices is doubted from its fourth row.
 * @param values in the unit of the series
 * @throws Fault `garbled` with the unit that would fit
 */
export function suspectUnit(
  name: SeriesName,
  unit: string,
  values: readonly number[],
  place: string,
  atLeast: number,
): void {
  const nonZero = values.filter((value) => value !== 0);
  if (nonZero.length < atLeast) return;
  const middle = nonZero.toSorted((a, b) => a - b)[Math.floor(nonZero.length / 2)]!;
  const doubt = (why: string): never => {
    throw new Fault(
      'garbled',
      `${place}: ${why}. Declare the unit it is in (one of ${unitsOf(name).join(', ')}), or "sure: true" if ${unit} is right`,
    );
  };
  const family = familyOf(name);
  if (family === 'priceUsdPerMwh' || family === 'dayAheadUsdPerMwh') {
    if (unit === 'usd_per_mwh' && nonZero.every((value) => Math.abs(value) < 1))
      doubt(
        `all ${nonZero.length} prices lie below 1 $/MWh: is it in $/kWh (usd_per_kwh) or cents/kWh (cents_per_kwh)?`,
      );
    if (unit !== 'usd_per_mwh' && middle > 2_000)
      doubt(`the middle price is ${middle} $/MWh after conversion: is it in $/MWh already (usd_per_mwh)?`);
  }
  if (family === 'temperatureC' && unit === 'C' && middle > 45)
    doubt(`the middle temperature is ${middle} C: is it in Fahrenheit (F)?`);
}
