import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CohortFacts, ModePoint } from '../model/index.ts';
import { cohort, S19K } from './fixture.ts';
import { modesOf } from './modes.ts';

const of = (points: readonly ModePoint[], change: Partial<CohortFacts> = {}): CohortFacts => ({
  ...cohort('a-x', 'antminer-s19k-pro', 10, S19K),
  points,
  ...change,
});
const keys = (facts: CohortFacts): string[] => modesOf(facts).map((mode) => mode.key);
const point = (profile: string, powerW: number, hashrateThs: number): ModePoint => ({ profile, powerW, hashrateThs });

/** Most hash a mix of modes gives for this power. */
function hashAt(modes: readonly { powerW: number; hashrateThs: number }[], powerW: number): number {
  let best = 0;
  for (const a of modes) {
    for (const b of modes) {
      if (a.powerW > powerW || b.powerW < powerW) continue;
      const share = a.powerW === b.powerW ? 0 : (powerW - a.powerW) / (b.powerW - a.powerW);
      best = Math.max(best, a.hashrateThs + share * (b.hashrateThs - a.hashrateThs));
    }
  }
  return best;
}

test('points below the mix of their neighbours are dropped', () => {
  expect(keys(of([point('low', 1000, 35), point('poor', 2000, 75), point('high', 3000, 120)]))).toEqual([
    'sleep',
    'high',
  ]);
  expect(keys(of([point('low', 1000, 60), point('worse', 1500, 55), point('high', 3000, 120)]))).toEqual([
    'sleep',
    'low',
    'high',
  ]);
});

test('the kept points of the S19k Pro give all but 0.3 % of the hash of all 25 at any power they reach', () => {
  const kept = modesOf(of(S19K));
  expect(kept.length).toBe(9);
  const all = [{ powerW: 25, hashrateThs: 0 }, ...S19K];
  for (let powerW = 300; powerW <= 4195; powerW += 55) {
    expect(hashAt(kept, powerW)).toBeGreaterThan(0.997 * hashAt(all, powerW));
  }
});

test('whatever the points, modes start asleep and hash per further watt falls', () => {
  const anyPoint = fc.record({
    powerW: fc.integer({ min: 0, max: 5000 }),
    hashrateThs: fc.integer({ min: 0, max: 300 }),
  });
  fc.assert(
    fc.property(fc.array(anyPoint, { maxLength: 25 }), (raw) => {
      const modes = modesOf(of(raw.map((p, i) => ({ ...p, profile: `p${i}` }))));
      expect(modes[0]!.key).toBe('sleep');
      const slopes = modes
        .slice(1)
        .map((mode, i) => (mode.hashrateThs - modes[i]!.hashrateThs) / (mode.powerW - modes[i]!.powerW));
      for (const [i, slope] of slopes.entries()) {
        expect(slope).toBeGreaterThan(0);
        expect(slope).toBeLessThanOrEqual((slopes[i - 1] ?? Infinity) + 1e-12);
      }
    }),
  );
});

test('modes of pinned and held machines are listed but not offered; one nobody lists draws nameplate', () => {
  const pinned = modesOf(of(S19K, { now: { '190MHz': 10 }, pinned: { '190MHz': 3 } }));
  expect(pinned.at(-1)).toEqual({ key: '190MHz', powerW: 784, hashrateThs: 39.2, offered: false });
  const held = modesOf(of([], { now: { strange: 10 }, held: true }));
  expect(held.at(-1)).toEqual({ key: 'strange', powerW: 2794, hashrateThs: 0, offered: false });
});
