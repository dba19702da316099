/**
 * Randomness that is a function of the seed and of where and when it is asked for, never of a global generator:
 * two runs with one seed and the same commands are the same run.
 */

/** Mixes up to four integers into 32 bits (the finaliser of MurmurHash3, applied after each word). */
export function hash32(a: number, b = 0, c = 0, d = 0): number {
  let h = mix(a | 0);
  h = mix(h ^ (b | 0));
  h = mix(h ^ (c | 0));
  return mix(h ^ (d | 0)) >>> 0;
}

function mix(value: number): number {
  let h = (value + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Uniform in [0, 1), the same for the same arguments. */
export const unitAt = (a: number, b = 0, c = 0, d = 0): number => hash32(a, b, c, d) / 4294967296;

/** Between -1 and 1, bell-shaped (the sum of two uniforms): noise and spreads without tails. */
export function bellAt(a: number, b = 0, c = 0, d = 0): number {
  const h = hash32(a, b, c, d);
  return ((h & 0xffff) + (h >>> 16)) / 65535 - 1;
}

/** Words for `hash32`, so that draws made for one purpose never repeat those of another. */
export const PURPOSE = {
  spreadPower: 1,
  spreadHash: 2,
  spreadSleep: 3,
  reportBias: 4,
  wakeTime: 5,
  rampDown: 6,
  bootTime: 7,
  initialMode: 8,
  failure: 9,
  failurePhase: 10,
  noise: 11,
  request: 12,
  write: 13,
  garble: 14,
  hall: 15,
  meter: 16,
  identity: 17,
  gpu: 18,
  uptime: 19,
  lateness: 20,
  workMode: 21,
} as const;

/** A sequential generator (mulberry32) whose state is one integer, so that it can be saved and continued. */
export interface Sequence {
  state: number;
}

export function nextUnit(sequence: Sequence): number {
  sequence.state = (sequence.state + 0x6d2b79f5) | 0;
  let t = sequence.state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

/** Standard normal (Box-Muller). */
export function nextNormal(sequence: Sequence): number {
  const radius = Math.sqrt(-2 * Math.log(1 - nextUnit(sequence)));
  return radius * Math.cos(2 * Math.PI * nextUnit(sequence));
}

/** Exponential with the given mean: the gap between arrivals of a Poisson process. */
export const nextExponential = (sequence: Sequence, mean: number): number => -mean * Math.log(1 - nextUnit(sequence));

export const pick = <T>(sequence: Sequence, items: readonly T[]): T =>
  items[Math.min(items.length - 1, Math.floor(nextUnit(sequence) * items.length))]!;

/** `n` upper-case characters that look like part of a serial number. */
export function serialAt(n: number, a: number, b: number): string {
  const letters = '0123456789ABCDEFGHJKLMNPRSTUVWXYZ';
  let text = '';
  for (let i = 0; i < n; i += 1) text += letters[hash32(PURPOSE.identity, a, b, i) % letters.length];
  return text;
}

/** A locally administered MAC address. */
export function macAt(a: number, b: number): string {
  const hex = (hash32(PURPOSE.identity, a, b, 99).toString(16) + '0000000').slice(0, 8);
  return `02:55:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}`;
}
