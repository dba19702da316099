import { describe, expect, test } from 'vitest';
import {
  HOUR,
  MINUTE,
  QUARTER,
  siteMs,
  type Commitment,
  type Interval,
  type Site,
  type WorkClass,
} from '../model/index.ts';
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

describe('the curtailment budget', () => {
  const workClass = { id: 'w', committedGpus: 100, curtailableGpuHoursPerMonth: 5_000 } as unknown as Commitment;
  const month = Date.UTC(2026, 5, 1, 5);
  const quarter = (at: number, unservedGpuHours: number | undefined, coverage = 1): Interval =>
    ({
      start: siteMs(at),
      durationMs: QUARTER,
      coverage,
      ...(unservedGpuHours === undefined ? {} : { served: [{ workClass: 'w', gpuHours: 0, unservedGpuHours }] }),
    }) as unknown as Interval;
  const day = Array.from({ length: 96 }, (_, i) => quarter(month + i * QUARTER, i < 40 ? 25 : 0));
  const at = siteMs(month + 24 * HOUR + 6 * MINUTE);
  const left = (before: readonly Interval[], observedMinutes = 6) => {
    const start = siteMs(month + 24 * HOUR);
    const unbooked = [{ start, observedMs: observedMinutes * MINUTE, served: { gpuHours: 5, unservedGpuHours: 10 } }];
    return createBilling(before).curtailment(site(undefined), workClass, at, unbooked)!;
  };

  test('is what was booked of this month, and what was seen since', () => {
    expect(left([quarter(month - QUARTER, 25), ...day])).toEqual({
      gpuHoursPerMonth: 5_000,
      leftGpuHours: 5_000 - 40 * 25 - 10,
      monthEndsAt: Date.UTC(2026, 6, 1, 5),
    });
  });

  test('counts time nobody saw as unserved in full', () => {
    const seen = left(day).leftGpuHours;
    expect(left(day.slice(0, -1)).leftGpuHours).toBeCloseTo(seen - 25, 9);
    expect(left([...day.slice(0, -1), quarter(month + 95 * QUARTER, undefined)]).leftGpuHours).toBeCloseTo(
      seen - 25,
      9,
    );
    expect(left([...day.slice(0, -1), quarter(month + 95 * QUARTER, 0, 0.5)]).leftGpuHours).toBeCloseTo(seen - 12.5, 9);
    expect(left(day, 3).leftGpuHours).toBeCloseTo(seen - 5, 9);
    expect(left([]).leftGpuHours).toBeCloseTo(5_000 - 2_400 - 10, 9);
  });

  test('is none without a contract that has one, and never less than used up', () => {
    const { curtailableGpuHoursPerMonth: _, ...plain } = workClass;
    expect(createBilling(day).curtailment(site(undefined), plain, at, [])).toBeUndefined();
    const late = siteMs(month + 20 * 24 * HOUR);
    expect(createBilling(day).curtailment(site(undefined), workClass, late, [])!.leftGpuHours).toBe(0);
  });
});

test('what is left of a deadline is what was not seen done since its term began', () => {
  const deadline = {
    gpuHours: 400,
    from: '2026-06-10T07:00:00-05:00',
    by: '2026-06-10T19:00:00-05:00',
    everyHours: 24,
    penaltyUsdPerGpuHour: 2,
  };
  const workClass = { id: 'w', deadline } as unknown as WorkClass;
  const served = (at: number, gpuHours: number) =>
    ({
      start: siteMs(at),
      durationMs: QUARTER,
      coverage: 1,
      served: [{ workClass: 'w', gpuHours, unservedGpuHours: 0 }],
    }) as unknown as Interval;
  const billing = createBilling([served(start - QUARTER, 100), served(start, 30), served(start + 2 * QUARTER, 20)]);
  const unbooked = [
    { start: siteMs(start + 3 * QUARTER), observedMs: MINUTE, served: { gpuHours: 5, unservedGpuHours: 0 } },
  ];
  expect(billing.deadline(workClass, siteMs(start + 3 * QUARTER + MINUTE), unbooked)).toEqual({
    gpuHours: 345,
    by: start + 12 * HOUR,
    penaltyUsdPerGpuHour: 2,
  });
  expect(billing.deadline(workClass, siteMs(start + 12 * HOUR), [])).toBeUndefined();
  expect(billing.deadline(workClass, siteMs(start - 1), [])).toBeUndefined();
  expect(billing.deadline(workClass, siteMs(start + 25 * HOUR), [])).toMatchObject({
    gpuHours: 400,
    by: start + 36 * HOUR,
  });
});

test('a counter that does not tell leaves the running interval unknown, never empty', () => {
  const facts = createBilling([]).demand(site({}), siteMs(start + MINUTE), () => undefined)!;
  expect(facts.runningWh).toBeUndefined();
  expect(facts.billedW).toBe(0);
});

test('work that is late at its deadline is owed for in the interval of the deadline, and in no other', () => {
  const deadline = {
    gpuHours: 100,
    from: new Date(start).toISOString(),
    by: new Date(start + HOUR).toISOString(),
    everyHours: 24,
    penaltyUsdPerGpuHour: 3,
  };
  const late = { clusters: [{ classes: [{ id: 'w', line: 'hpc', deadline }] }] } as unknown as Site;
  const quarter = (n: number, gpuHours: number): Interval =>
    ({
      start: siteMs(start + n * QUARTER),
      durationMs: QUARTER,
      coverage: 1,
      lines: [
        { line: 'ai', penalty: 7 },
        { line: 'hpc', penalty: 7 },
      ],
      served: [{ workClass: 'w', gpuHours, unservedGpuHours: 0 }],
    }) as unknown as Interval;
  const billing = createBilling([]);
  const penalties = [20, 20, 20, 20, 0].map((gpuHours, n) => {
    const interval = quarter(n, gpuHours);
    billing.booked(interval);
    return billing.withLateWork(late, interval).lines.map(({ penalty }) => penalty);
  });
  // Of 100 GPU-hours 80 were done: 20 at $3.
  expect(penalties).toEqual([
    [7, 7],
    [7, 7],
    [7, 7],
    [7, 60_000_007],
    [7, 7],
  ]);
});
