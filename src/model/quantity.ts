/**
 * Missing is never zero: a sum over machines carries how many of them it covers, so that
 * "38.2 MW from 6,102 of 6,140 machines" can be said, and a partial sum never passes for a whole one.
 */
export interface Covered {
  readonly value: number;
  readonly of: number;
  readonly total: number;
}

export function sumCovered(values: Iterable<number | undefined>): Covered {
  let value = 0;
  let of = 0;
  let total = 0;
  for (const v of values) {
    total += 1;
    if (v === undefined) continue;
    value += v;
    of += 1;
  }
  return { value, of, total };
}

/** Money in the books is an integer number of micro-dollars. */
export type MicroUsd = number;
export const toMicroUsd = (usd: number): MicroUsd => Math.round(usd * 1e6);
export const fromMicroUsd = (micro: MicroUsd): number => micro / 1e6;

/** `38.2 MW`, `412 kW`, `3.4 kW`, `310 W`: in the unit a person would say it. */
export function powerText(watts: number): string {
  const size = Math.abs(watts);
  if (size >= 1e6) return `${(watts / 1e6).toFixed(1)} MW`;
  if (size >= 1e5) return `${(watts / 1e3).toFixed(0)} kW`;
  if (size >= 1e3) return `${(watts / 1e3).toFixed(1)} kW`;
  return `${watts.toFixed(0)} W`;
}
