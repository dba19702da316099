import { expect, test } from 'vitest';
import { HOUR, siteMs } from './clock.ts';
import { leaseFacts, leasesHeld } from './leases.ts';
import type { Site } from './site.ts';

const lease = {
  id: 'pod',
  name: 'Pod',
  chip: 'tpu-v6e',
  chips: 10,
  customer: 'X',
  line: 'ai',
  costUsdPerChipHour: 1,
  revenueUsdPerChipHour: 2,
} as const;
const site = (change: object): Pick<Site, 'leases' | 'timezone'> => ({
  timezone: 'America/Chicago',
  leases: [{ ...lease, ...change }],
});
/** Midnight in Chicago after the last day of November. */
const DECEMBER = Date.UTC(2026, 11, 1, 6);
const serving = {
  revenueUsdPerChipHour: 0,
  serves: 'chat',
  gpusPerChip: 0.5,
  until: '2026-11-30',
  more: { chips: 8, costUsdPerChipHour: 3, minimumHours: 4, rented: 2, rentedAt: '2026-11-30T20:00:00-06:00' },
};

test('a lease that is only sold on is no decision, and is held for as long as the file names it', () => {
  expect(leaseFacts(site({}), siteMs(DECEMBER))).toEqual([]);
  expect(leasesHeld(site({}), siteMs(DECEMBER))).toMatchObject([
    { chips: 10, costUsdPerHour: 10, revenueUsdPerHour: 20 },
  ]);
});

test('committed chips are held through the last local day, and rented ones while the file says so', () => {
  const held = (at: number) => leasesHeld(site(serving), siteMs(at)).map((one) => ({ ...one, lease: undefined }));
  expect(held(DECEMBER - 1)).toEqual([{ lease: undefined, chips: 12, costUsdPerHour: 16, revenueUsdPerHour: 0 }]);
  expect(held(DECEMBER)).toEqual([{ lease: undefined, chips: 2, costUsdPerHour: 6, revenueUsdPerHour: 0 }]);
  expect(leaseFacts(site(serving), siteMs(DECEMBER - HOUR))).toEqual([
    {
      id: 'pod',
      chips: 10,
      costUsdPerChipHour: 1,
      soldUsdPerChipHour: 0,
      endsAt: DECEMBER,
      serves: { work: 'chat', gpusPerChip: 0.5 },
      more: { chips: 8, costUsdPerChipHour: 3, minimumMs: 4 * HOUR, rentedChips: 2, keptUntil: DECEMBER },
    },
  ]);
  expect(leaseFacts(site(serving), siteMs(DECEMBER))[0]!.chips).toBe(0);
  expect(leaseFacts(site({ until: '2026-11-30' }), siteMs(DECEMBER))).toEqual([]);
});
