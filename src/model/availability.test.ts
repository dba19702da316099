import { expect, test } from 'vitest';
import { availabilityCredits, availabilityMonth, committedGpuHours, creditUsd } from './availability.ts';
import type { AvailabilityContract } from './availability.ts';
import { HOUR, siteMs } from './clock.ts';

const CHICAGO = 'America/Chicago';
const at = (time: string) => siteMs(Date.parse(time));
const contract = {
  committedGpus: 100,
  availability: [
    { belowPct: 99.5, creditUsd: 1_000 },
    { belowPct: 95, creditUsd: 4_000 },
  ],
} as AvailabilityContract;

test('a month is the part of it in which the contract is in force, at the midnights of the site', () => {
  const month = (from: string | undefined, until: string | undefined, t: string) => {
    const part = availabilityMonth({ from, until }, at(t), CHICAGO);
    return part && [new Date(part.from).toISOString(), new Date(part.until).toISOString()];
  };
  expect(month(undefined, undefined, '2026-04-10T12:00Z')).toEqual([
    '2026-04-01T05:00:00.000Z',
    '2026-05-01T05:00:00.000Z',
  ]);
  expect(month('2026-03-08', '2026-03-09', '2026-03-20T12:00Z')).toEqual([
    '2026-03-08T06:00:00.000Z',
    '2026-03-10T05:00:00.000Z',
  ]);
  expect(month('2026-05-01', undefined, '2026-05-20T12:00Z')![0]).toBe('2026-05-01T05:00:00.000Z');
  expect(month('2026-05-02', undefined, '2026-04-10T12:00Z')).toBeUndefined();
  expect(month(undefined, '2026-03-31', '2026-04-10T12:00Z')).toBeUndefined();
  const auckland = availabilityMonth(
    { from: '2026-01-15', until: '2026-01-15' },
    at('2026-01-20T12:00Z'),
    'Pacific/Auckland',
  );
  expect(auckland).toEqual({ from: at('2026-01-14T11:00Z'), until: at('2026-01-15T11:00Z') });
});

test('the hour that March lacks is not committed', () => {
  const hours = (t: string) => committedGpuHours(contract, availabilityMonth({}, at(t), CHICAGO)!) / 100;
  expect(hours('2026-03-10T12:00Z')).toBe(31 * 24 - 1);
  expect(hours('2026-11-10T12:00Z')).toBe(30 * 24 + 1);
});

test('the credit of a month is that of the lowest step it is below, and exactly on a step is not below it', () => {
  // 100 hours of 100 GPUs: 50 GPU-hours are half a percent, 500 five.
  const month = { from: siteMs(0), until: siteMs(100 * HOUR) };
  const due = (unserved: number, curtailable = 0) =>
    creditUsd(availabilityCredits(contract, month, curtailable), unserved);
  expect([0, 50, 50.1, 500, 500.1, 9_000].map((missed) => due(missed))).toEqual([0, 0, 1_000, 1_000, 4_000, 4_000]);
  // What the customer lets the site curtail is not missed.
  expect([70, 70.1, 520, 520.1].map((missed) => due(missed, 20))).toEqual([0, 1_000, 1_000, 4_000]);
});
