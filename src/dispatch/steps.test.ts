import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, QUARTER, siteMs } from '../model/index.ts';
import { horizon } from './steps.ts';

const anyTime = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2030, 0, 1) });

test('steps touch, start now, cover a day, and none straddles a quarter-hour', () => {
  fc.assert(
    fc.property(anyTime, (at) => {
      const steps = horizon(siteMs(at));
      expect(steps[0]!.start).toBe(at);
      for (const [i, step] of steps.entries()) {
        expect(step.durationMs).toBeGreaterThan(0);
        const end = step.start + step.durationMs;
        expect(Math.floor(step.start / QUARTER)).toBe(Math.floor((end - 1) / QUARTER));
        const next = steps[i + 1]?.start ?? end;
        expect(next).toBe(end);
      }
      const last = steps.at(-1)!;
      const span = last.start + last.durationMs - at;
      expect(span).toBeGreaterThan(DAY - 5 * MINUTE);
      expect(span).toBeLessThan(DAY + QUARTER + 2.5 * MINUTE);
    }),
  );
});

test('12 to 14 fine steps end on a quarter-hour about an hour ahead, quarter-hours follow', () => {
  fc.assert(
    fc.property(anyTime, (at) => {
      const steps = horizon(siteMs(at));
      const fine = steps.filter((step) => step.durationMs < QUARTER);
      expect(fine.length).toBeGreaterThanOrEqual(12);
      expect(fine.length).toBeLessThanOrEqual(14);
      const fineEnd = fine.at(-1)!.start + fine.at(-1)!.durationMs;
      expect(fineEnd % QUARTER).toBe(0);
      expect(fineEnd - at).toBeGreaterThan(HOUR - 5 * MINUTE);
      expect(steps.slice(fine.length).every((step) => step.durationMs === QUARTER && step.start % QUARTER === 0)).toBe(
        true,
      );
    }),
  );
});

test('the first step is the rest of the running five minutes; a short rest joins the next unless a quarter begins', () => {
  const first = (minute: number, second: number): number =>
    horizon(siteMs(Date.UTC(2026, 2, 23, 12, minute, second)))[0]!.durationMs / 1000;
  expect(first(0, 0)).toBe(300);
  expect(first(2, 0)).toBe(180);
  expect(first(4, 50)).toBe(310);
  expect(first(14, 50)).toBe(10);
});
