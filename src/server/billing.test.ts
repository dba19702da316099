import { expect, test } from 'vitest';
import { HOUR, MINUTE, QUARTER, siteMs, type Interval, type Site } from '../model/index.ts';
import { createBilling } from './billing.ts';

const start = Date.UTC(2026, 5, 10, 12);
const site = (demand: object | undefined): Site =>
  ({
    timezone: 'America/Chicago',
    charges: demand === undefined ? {} : { demand: { intervalMinutes: 15, ratchetMw: 0, usdPerKwMonth: 9, ...demand } },
  }) as unknown as Site;
const booked = (at: number, importWh: number | undefined): Interval =>
  ({ start: siteMs(at), durationMs: QUARTER, importWh }) as unknown as Interval;

test('the highest interval of the running month is what is billed, and a month ends at local midnight', () => {
  const billing = createBilling([booked(Date.UTC(2026, 4, 31, 12), 9e6), booked(start - QUARTER, 2e6)]);
  billing.booked(booked(start, 3e6));
  billing.booked(booked(start + QUARTER, undefined));
  const at = siteMs(start + 2 * QUARTER);
  expect(billing.demand(site({}), at, () => 0)).toEqual({
    usdPerMw: 9_000,
    intervalMs: QUARTER,
    billedW: 12e6,
    monthEndsAt: Date.UTC(2026, 6, 1, 5),
    runningWh: 0,
  });
  expect(billing.demand(site({ ratchetMw: 20 }), at, () => 0)!.billedW).toBe(20e6);
  expect(billing.demand(site(undefined), at, () => 0)).toBeUndefined();
});

test('an interval longer than a quarter-hour is what was booked of it and what the counter tells since', () => {
  const billing = createBilling([booked(start - HOUR, 2e6), booked(start - HOUR + QUARTER, 4e6), booked(start, 3e6)]);
  const half = site({ intervalMinutes: 30 });
  const asked: number[] = [];
  const facts = billing.demand(half, siteMs(start + QUARTER + 4 * MINUTE), (from) => (asked.push(from), 5e5))!;
  expect(facts).toMatchObject({ billedW: 12e6, runningWh: 3.5e6 });
  expect(asked).toEqual([start + QUARTER]);
});

test('a counter that does not tell leaves the running interval unknown, never empty', () => {
  const facts = createBilling([]).demand(site({}), siteMs(start + MINUTE), () => undefined)!;
  expect(facts.runningWh).toBeUndefined();
  expect(facts.billedW).toBe(0);
});
