import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DAY, dayStart, HOUR, isoUtc, quarterStart, QUARTER, siteClock, siteMs } from './clock.ts';

test('site time runs at its speed from its epoch, and stands still before it', () => {
  let unix = 1_000;
  const clock = siteClock({ epochSiteMs: 50_000, epochUnixMs: 2_000, speed: 30 }, () => unix);
  expect(clock.now()).toBe(50_000);
  unix = 2_000;
  expect(clock.now()).toBe(50_000);
  unix = 2_100;
  expect(clock.now()).toBe(53_000);
  expect(clock.toWall(300_000)).toBe(10_000);
});

test('a quarter-hour contains its moment', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), (t) => {
      const start = quarterStart(siteMs(t));
      expect(start % QUARTER).toBe(0);
      expect(t - start).toBeGreaterThanOrEqual(0);
      expect(t - start).toBeLessThan(QUARTER);
    }),
  );
});

test('a local day starts at local midnight, on days when the clocks change too', () => {
  const start = (text: string, zone: string) => isoUtc(dayStart(siteMs(Date.parse(text)), zone));
  expect(start('2026-03-24T02:30:00Z', 'America/Chicago')).toBe('2026-03-23T05:00:00Z');
  expect(start('2026-03-24T02:30:00Z', 'UTC')).toBe('2026-03-24T00:00:00Z');
  expect(start('2026-03-24T05:00:00Z', 'America/Chicago')).toBe('2026-03-24T05:00:00Z');
  // 8 March 2026: Chicago goes from -6 to -5 at 08:00Z; 1 November back at 07:00Z.
  expect(start('2026-03-08T20:00:00Z', 'America/Chicago')).toBe('2026-03-08T06:00:00Z');
  expect(start('2026-11-01T20:00:00Z', 'America/Chicago')).toBe('2026-11-01T05:00:00Z');
  expect(start('2026-06-01T20:15:00Z', 'Asia/Kathmandu')).toBe('2026-06-01T18:15:00Z');
});

test('a local day is never longer than 25 hours and never in the future', () => {
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2028, 0) }), (t) => {
      const age = t - dayStart(siteMs(t), 'America/Chicago');
      expect(age).toBeGreaterThanOrEqual(0);
      expect(age).toBeLessThan(DAY + HOUR);
    }),
  );
});
