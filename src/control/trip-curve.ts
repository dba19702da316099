import type { TripPoint } from '../model/index.ts';

/**
 * How long a breaker bears more than its rating, as seconds by multiples of the rating. Without a nameplate's own curve a cautious one:
 * IEC 60947-2 (table 6) asks of an inverse-time release no trip at 1.05 times its setting and a trip at 1.30 within 2 h (1 h up to 63 A), which
 * bounds it from one side alone: I^2 t beyond the rating is taken to be constant at what gives 60 s at twice the rating.
 */
const I2T_S = 180;

/** Seconds until it opens at a steady multiple of its rating; Infinity at or below it. */
export function tripSeconds(times: number, curve?: readonly TripPoint[]): number {
  if (times <= 1) return Infinity;
  if (curve === undefined || curve.length === 0) return I2T_S / (times * times - 1);
  const points = curve.toSorted((a, b) => a.times - b.times);
  const first = points[0]!;
  const end = points.at(-1)!;
  // Between its rating and its first point it is told nothing: as quick as there.
  if (times <= first.times) return first.seconds;
  if (times >= end.times) return end.seconds * (end.times / times) ** 2;
  const upper = points.findIndex((point) => point.times >= times);
  const [a, b] = [points[upper - 1]!, points[upper]!];
  // Curves are drawn on logarithmic scales, and straight between points there.
  const part = Math.log(times / a.times) / Math.log(b.times / a.times);
  return Math.exp(Math.log(a.seconds) + part * Math.log(b.seconds / a.seconds));
}

/** What a breaker gathered cools off in about so long, once it is at its rating or below. */
const COOLS_S = 300;

/** How much of what a breaker bears is used up after `seconds` more at a multiple of its rating: it opens at 1. */
export function burnt(before: number, times: number, seconds: number, curve?: readonly TripPoint[]): number {
  return times > 1 ? before + seconds / tripSeconds(times, curve) : Math.max(0, before - seconds / COOLS_S);
}
