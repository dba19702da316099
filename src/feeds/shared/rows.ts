import { DAY, Fault, HOUR, isAhead, isoUtc, MINUTE, siteMs, type Point, type SeriesName } from '../../model/index.ts';

/** One figure of a source; a value that is undefined was left empty there. */
export interface Row {
  readonly start: number;
  readonly value: number | undefined;
  /** File and line, or address and index. */
  readonly place: string;
}

export interface Mended {
  readonly points: readonly Point[];
  readonly mended: readonly string[];
}

/** Longer lists of what was mended are cut to their newest. */
const MOST_MESSAGES = 50;
export const newest = (messages: readonly string[]): readonly string[] =>
  messages.length <= MOST_MESSAGES
    ? messages
    : [`${messages.length - MOST_MESSAGES} earlier ones not shown`, ...messages.slice(-MOST_MESSAGES)];

/** A local day is an hour shorter or longer when the clocks change. */
const slackMs = (intervalMs: number): number => (intervalMs >= DAY ? HOUR : 0);

/**
 * Rows to points: ascending and unique. Exact doubles are dropped with a message; empty values are left out.
 * @param order `ascending` refuses a step back; `any` sorts, for sources that have no order by nature
 * @throws Fault `garbled` for two figures for one time, a step back, and rows closer than their interval
 */
export function inOrder(rows: readonly Row[], intervalMs: number, order: 'ascending' | 'any'): Mended {
  const mended: string[] = [];
  const points: Point[] = [];
  const sorted = order === 'any' ? rows.toSorted((a, b) => a.start - b.start) : rows;
  if (order === 'any' && rows.some((row, i) => i > 0 && row.start < rows[i - 1]!.start))
    mended.push(`${rows[0]!.place}: rows are not in order of time; sorted`);
  let before: Row | undefined;
  for (const row of sorted) {
    const { start, value, place } = row;
    if (value === undefined) continue;
    if (before !== undefined) {
      const gap = start - before.start;
      if (gap < 0)
        throw new Fault('garbled', `${place}: found ${isoUtc(start)}, expected a time after ${isoUtc(before.start)}`);
      if (gap === 0) {
        if (value !== before.value)
          throw new Fault(
            'garbled',
            `${place}: found ${value} for ${isoUtc(start)}, and ${before.value} at ${before.place}`,
          );
        mended.push(`${place}: ${isoUtc(start)} stands there twice with the same figure; one dropped`);
        continue;
      }
      if (gap < intervalMs - slackMs(intervalMs))
        throw new Fault(
          'garbled',
          `${place}: found ${isoUtc(start)}, ${gap / MINUTE} minutes after the row before, expected intervals of ${intervalMs / MINUTE} minutes`,
        );
    }
    points.push({ start: siteMs(start), value });
    before = row;
  }
  return { points, mended };
}

/** A hole of so many intervals is bridged with the value before it; a longer one stays a hole. */
const MOST_HELD = 2;

/** Bridges short holes and names long ones. */
export function bridgeGaps(points: readonly Point[], intervalMs: number, what: string): Mended {
  const mended: string[] = [];
  const whole: Point[] = [];
  let before: Point | undefined;
  for (const point of points) {
    const missing = before === undefined ? 0 : Math.round((point.start - before.start) / intervalMs) - 1;
    if (before !== undefined && missing > 0) {
      const from = isoUtc(before.start + intervalMs);
      if (missing <= MOST_HELD) {
        for (let i = 1; i <= missing; i += 1)
          whole.push({ start: siteMs(before.start + i * intervalMs), value: before.value });
        mended.push(
          `${what}: ${missing === 1 ? 'an interval is' : 'two intervals are'} missing from ${from}; the value before is held`,
        );
      } else {
        mended.push(`${what}: ${missing} intervals are missing from ${from} to ${isoUtc(point.start)}; left as a gap`);
      }
    }
    whole.push(point);
    before = point;
  }
  return { points: whole, mended };
}

/** The points that have begun: nothing later is ever told. */
function begun(points: readonly Point[], now: number): readonly Point[] {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]!.start <= now) low = middle + 1;
    else high = middle;
  }
  return low === points.length ? points : points.slice(0, low);
}

/** What of a series is told at a moment: what has begun, and of prices that a market clears ahead all that it has published. */
export const told = (name: SeriesName, points: readonly Point[], now: number): readonly Point[] =>
  isAhead(name) ? points : begun(points, now);

/** How long a value is believed once nothing newer comes: two intervals, and never under three hours for slow series. */
export const holdsFor = (intervalMs: number): number =>
  intervalMs <= 15 * MINUTE ? 2 * intervalMs : Math.max(2 * intervalMs, 3 * HOUR);
