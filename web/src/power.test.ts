import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { powerBar } from './power.ts';

const MW = 1e6;
const line = (name: 'mining' | 'ai' | 'hpc' | 'grid', powerW: number | null) => ({
  line: name,
  powerW,
  revenueUsdPerHour: null,
  detail: '',
});
const typicalLines = [line('mining', 31 * MW), line('ai', 5.6 * MW), line('hpc', 0.3 * MW), line('grid', 0)];
const typical = {
  limitW: 40 * MW,
  blockW: 30 * MW,
  importW: 38.4 * MW,
  ageMs: 900,
  explainedW: 38 * MW,
  unknownW: 0.4 * MW,
};
const watts = (bar: ReturnType<typeof powerBar>) =>
  Object.fromEntries(bar!.segments.map((s) => [s.key, Math.round(s.watts / 1e4) / 100]));

test('a typical state is split into lines, other, unknown and room', () => {
  const bar = powerBar(typical, typicalLines);
  expect(watts(bar)).toEqual({ mining: 31, ai: 5.6, hpc: 0.3, other: 1.1, unknown: 0.4, room: 1.6 });
  expect(bar!.blockAt).toBe(0.75);
  expect(bar!.overLimit).toBe(false);
});

test('below the block, what is not used is sold', () => {
  const bar = powerBar({ ...typical, importW: 8 * MW, explainedW: 8 * MW, unknownW: 0 }, [
    line('mining', 1 * MW),
    line('ai', 6 * MW),
    line('hpc', 0),
  ]);
  expect(watts(bar)).toEqual({ mining: 1, ai: 6, other: 1, sold: 22, room: 10 });
});

test('an unknown import makes no bar', () => {
  expect(powerBar({ ...typical, importW: null, unknownW: null }, typicalLines)).toBeUndefined();
});

test('a line that is unknown is named and its draw stays in the unknown part', () => {
  const bar = powerBar({ ...typical, explainedW: null, unknownW: null }, [
    line('mining', 31 * MW),
    line('ai', null),
    line('hpc', 0),
  ]);
  expect(watts(bar)).toEqual({ mining: 31, unknown: 7.4, room: 1.6 });
  expect(bar!.silentLines).toEqual(['ai']);
});

test('machines that claim more than the meter saw are reported as excess', () => {
  const bar = powerBar({ ...typical, explainedW: 39 * MW, unknownW: -0.6 * MW }, typicalLines);
  expect(Math.round(bar!.excessW)).toBe(600_000);
  expect(bar!.segments.some((s) => s.key === 'unknown')).toBe(false);
});

test('above the limit the bar grows and the limit mark moves in', () => {
  const bar = powerBar({ ...typical, importW: 42 * MW, unknownW: 4 * MW }, typicalLines);
  expect(bar!.overLimit).toBe(true);
  expect(bar!.limitAt).toBeCloseTo(40 / 42, 6);
});

test('parts always lie side by side within the bar', () => {
  const anyW = fc.double({ min: 0, max: 60 * MW, noNaN: true });
  const maybeW = fc.option(anyW);
  fc.assert(
    fc.property(anyW, maybeW, maybeW, maybeW, maybeW, maybeW, (importW, explainedW, unknownW, mining, ai, hpc) => {
      const bar = powerBar({ ...typical, importW, explainedW, unknownW }, [
        line('mining', mining),
        line('ai', ai),
        line('hpc', hpc),
      ]);
      let at = 0;
      for (const segment of bar!.segments) {
        expect(segment.from).toBeCloseTo(at, 6);
        expect(segment.share).toBeGreaterThan(0);
        at += segment.share;
      }
      expect(at).toBeLessThanOrEqual(1 + 1e-6);
    }),
  );
});
