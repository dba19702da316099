import { DAY, HOUR, MINUTE, QUARTER, type SiteMs, siteMs } from '../model/index.ts';

export interface Span {
  readonly start: SiteMs;
  readonly durationMs: number;
}

const FINE = 5 * MINUTE;
const roundUpTo = (t: number, unit: number): number => Math.ceil(t / unit) * unit;

/**
 * The uneven horizon from `at`: clock-aligned 5-minute steps, 12 to 14 of them, up to the quarter-hour at or past one
 * hour, then quarter-hours up to the one at or past 24 h. Steps touch, and none straddles a quarter-hour, because a
 * tariff interval must see one decision at a time.
 *
 * The first step is what is left of the running five minutes. Less than half of them is joined to the next five where
 * no quarter-hour begins between: the first step is what gets done until the next plan, and seconds are too short to
 * decide to wake anything for.
 */
export function horizon(at: SiteMs): Span[] {
  const running = Math.floor(at / FINE) * FINE;
  const boundary = running + FINE;
  const joined = boundary - at < FINE / 2 && boundary % QUARTER !== 0;
  const cell = joined ? boundary : running;
  const fineEnd = roundUpTo(cell + HOUR, QUARTER);
  const end = roundUpTo(cell + DAY, QUARTER);
  const spans: Span[] = [];
  let start: number = at;
  let next = cell + FINE;
  while (start < end) {
    spans.push({ start: siteMs(start), durationMs: next - start });
    start = next;
    next += start < fineEnd ? FINE : QUARTER;
  }
  return spans;
}

/** So far ahead, steps of such a length that begin at whole multiples of it. */
export interface HorizonPart {
  readonly untilMs: number;
  readonly stepMs: number;
}

/**
 * A horizon of other steps than the live one: a part begins where the one before ends, its first step reaches to the next whole
 * multiple of the part's length. Lengths are quarter-hours or whole multiples of them.
 */
export function horizonOf(at: SiteMs, parts: readonly HorizonPart[]): Span[] {
  const spans: Span[] = [];
  let start: number = at;
  for (const { untilMs, stepMs } of parts) {
    while (start < at + untilMs) {
      const next = (Math.floor(start / stepMs) + 1) * stepMs;
      spans.push({ start: siteMs(start), durationMs: next - start });
      start = next;
    }
  }
  return spans;
}
