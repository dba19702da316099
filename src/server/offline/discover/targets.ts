/** Which addresses are looked at: `10.0.0.0/16`, `10.0.1.1-10.0.2.50`, `10.0.0.7`, several of them. */

export interface Range {
  readonly first: number;
  readonly last: number;
}

export class TargetError extends Error {}

const ADDRESS = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
/** A larger range is a slip of the pen, and an hour of ARP requests. */
const SHORTEST_PREFIX = 12;

export function toNumber(address: string): number {
  const parts = ADDRESS.exec(address)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255))
    throw new TargetError(`${address}: expected an IPv4 address such as 10.0.0.7`);
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

export const toAddress = (n: number): string => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.');

/** @throws TargetError with what was expected */
export function parseTarget(text: string): Range {
  const cidr = /^(.+)\/(\d{1,2})$/.exec(text);
  if (cidr !== null) {
    const prefix = Number(cidr[2]);
    if (prefix > 32) throw new TargetError(`${text}: a prefix of 0 to 32`);
    if (prefix < SHORTEST_PREFIX)
      throw new TargetError(`${text}: more than a /${SHORTEST_PREFIX}; name the nets there are`);
    const size = 2 ** (32 - prefix);
    const base = Math.floor(toNumber(cidr[1]!) / size) * size;
    // The first and last address of a net are its own and the broadcast's.
    return size <= 2 ? { first: base, last: base + size - 1 } : { first: base + 1, last: base + size - 2 };
  }
  const [from = '', to = from, ...more] = text.split('-');
  if (more.length > 0) throw new TargetError(`${text}: expected first-last, such as 10.0.1.1-10.0.1.240`);
  const range = { first: toNumber(from), last: toNumber(to) };
  if (range.last < range.first) throw new TargetError(`${text}: the last address is before the first`);
  if (range.last - range.first >= 2 ** (32 - SHORTEST_PREFIX))
    throw new TargetError(`${text}: more than a /${SHORTEST_PREFIX}`);
  return range;
}

/** Overlaps are looked at once. */
export function merged(ranges: readonly Range[]): Range[] {
  const sorted = ranges.toSorted((a, b) => a.first - b.first);
  const out: Range[] = [];
  for (const range of sorted) {
    const before = out.at(-1);
    if (before !== undefined && range.first <= before.last + 1)
      out[out.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    else out.push(range);
  }
  return out;
}

export const countOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
