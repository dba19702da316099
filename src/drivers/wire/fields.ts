/**
 * Reading loosely typed replies without ever inventing a value: what is absent, not a number or a sentinel
 * comes out as `undefined`, never as 0.
 */

/** DCGM and some firmware mark "no value" with numbers near 2^63. */
const SENTINEL = 9e18;

export function num(value: unknown): number | undefined {
  if (typeof value === 'string' && value.trim() === '') return undefined;
  const n = typeof value === 'string' ? Number(value) : value;
  return typeof n === 'number' && Number.isFinite(n) && Math.abs(n) < SENTINEL ? n : undefined;
}

/** A quantity that cannot be below zero (watts drawn, hashrate, a counter): a negative one is nonsense, so not there. */
export function amount(value: unknown): number | undefined {
  const n = num(value);
  return n !== undefined && n >= 0 ? n : undefined;
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** A list; firmware sometimes sends lists shaped like dicts. */
export function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

/** The largest of the values that are there. */
export function max(values: Iterable<number | undefined>): number | undefined {
  let largest: number | undefined;
  for (const value of values) if (value !== undefined && (largest === undefined || value > largest)) largest = value;
  return largest;
}

/** What lies at a path of keys in a JSON value; undefined where any step is not there. */
export function dig(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Readonly<Record<string | number, unknown>>)[key];
  }
  return found;
}

/** Boards that are numbered from 1 on the wire, from 0. @param place in its list, where the number is none */
export function boardIndex(id: unknown, place: number): number {
  const n = num(id);
  return n !== undefined && Number.isInteger(n) && n >= 1 ? n - 1 : place;
}

/** A MAC as it was told, with colons where it had no marks; a damaged one is another machine's or nobody's, one of zeros none. */
export function macAddress(value: unknown): string | undefined {
  const said = text(value)?.trim();
  if (said === undefined || !/^[\da-f]{2}(?:[:-]?[\da-f]{2}){5}$/i.test(said) || !/[1-9a-f]/i.test(said))
    return undefined;
  return said.length === 12 ? said.replaceAll(/(..)(?!$)/g, '$1:') : said;
}
