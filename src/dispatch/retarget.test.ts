import { expect, test } from 'vitest';
import { HOUR, MINUTE, type Series, siteMs } from '../model/index.ts';
import { nextRetarget } from './retarget.ts';

const START = Date.UTC(2026, 2, 23);
const EPOCH = 466 * 2016;

/** Looked at every minute; a block every `spacingMinutes`, from `blocks` before the height it ends with. */
function heights(end: number, blocks: number, spacingMinutes: number): Series {
  const minutes = blocks * spacingMinutes;
  const points = Array.from({ length: minutes + 1 }, (_, i) => ({
    start: siteMs(START + i * MINUTE),
    value: end - blocks + Math.floor(i / spacingMinutes),
  }));
  return {
    name: 'blockHeight',
    provenance: 'measured',
    source: 'made',
    intervalMs: MINUTE,
    holdsMs: 6 * HOUR,
    points,
  };
}
const endOf = ({ points }: Series) => points.at(-1)!.start;

test('blocks a fifth faster than ten minutes raise difficulty by a quarter when the epoch is full', () => {
  const seen = heights(EPOCH + 2000, 1000, 8);
  const next = nextRetarget(seen, endOf(seen))!;
  expect(next.ratio).toBeCloseTo(1.25, 9);
  expect(next.at - endOf(seen)).toBeCloseTo(16 * 8 * MINUTE, 3);
});

test('the epoch before says nothing of this one', () => {
  const slow = heights(EPOCH, 500, 20);
  const fast = heights(EPOCH + 200, 200, 5);
  const later = fast.points.map(({ start, value }) => ({ start: siteMs(start + endOf(slow) - START), value }));
  const both = { ...slow, points: [...slow.points, ...later.slice(1)] };
  expect(nextRetarget(both, endOf(both))!.ratio).toBeCloseTo(2, 6);
});

test('a change is at most fourfold, and one that is due counts from now', () => {
  const rush = heights(EPOCH + 2015, 1900, 1);
  const at = siteMs(endOf(rush) + HOUR);
  expect(nextRetarget(rush, at)).toEqual({ at, ratio: 4 });
});

test('few blocks, none, or stale ones say nothing', () => {
  expect(nextRetarget(heights(EPOCH + 140, 139, 10), siteMs(START + 139 * 10 * MINUTE))).toBeUndefined();
  expect(nextRetarget({ ...heights(EPOCH, 1, 1), points: [] }, siteMs(START))).toBeUndefined();
  const seen = heights(EPOCH + 2000, 1000, 8);
  expect(nextRetarget(seen, siteMs(endOf(seen) + 7 * HOUR))).toBeUndefined();
});
