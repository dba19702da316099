import { describe, expect, test } from 'vitest';
import {
  HOUR,
  MINUTE,
  QUARTER,
  siteMs,
  type Commitment,
  type Contract,
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
  const late = {
    timezone: 'America/Chicago',
    contracts: [],
    clusters: [{ classes: [{ id: 'w', line: 'hpc', deadline }] }],
  } as unknown as Site;
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
    return billing.withDue(late, interval).lines.map(({ penalty }) => penalty);
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

describe('minimum availability', () => {
  const month = Date.UTC(2026, 5, 1, 5);
  const monthEndsAt = Date.UTC(2026, 6, 1, 5);
  // 100 GPUs for 720 hours: 72 GPU-hours are a thousandth, 720 a hundredth.
  const contract = {
    id: 'x',
    work: 'w',
    customer: 'X',
    committedGpus: 100,
    penaltyUsdPerGpuHour: 0,
    availability: [
      { belowPct: 99.9, creditUsd: 1_000 },
      { belowPct: 99, creditUsd: 5_000 },
    ],
  } as const satisfies Contract;
  // Of four days these are as much of the same.
  const short: Partial<Contract> = {
    until: '2026-06-04',
    availability: [
      { belowPct: 99.25, creditUsd: 1_000 },
      { belowPct: 92.5, creditUsd: 5_000 },
    ],
  };
  const QUARTERS = 4 * 96;
  const siteOf = (change: Partial<Contract> = {}) =>
    ({
      timezone: 'America/Chicago',
      charges: {},
      contracts: [{ ...contract, ...short, ...change }],
      clusters: [{ classes: [{ id: 'w', line: 'ai' }] }],
    }) as unknown as Site;
  const quarter = (n: number, unservedGpuHours: number | undefined, coverage = 1): Interval =>
    ({
      start: siteMs(month + n * QUARTER),
      durationMs: QUARTER,
      coverage,
      lines: [{ line: 'ai', penalty: 7 }],
      ...(unservedGpuHours === undefined ? {} : { served: [{ workClass: 'w', gpuHours: 0, unservedGpuHours }] }),
    }) as unknown as Interval;
  /** Its days and another, all served but for what is told by quarter-hour. */
  const monthOf = (missed: Readonly<Record<number, number | undefined>>): Interval[] =>
    Array.from({ length: QUARTERS + 96 }, (_, n) => quarter(n, n in missed ? missed[n] : 0));
  /** What fell due, in $ by quarter-hour, each interval booked by a process of its own where `restarts`. */
  const dueOf = (intervals: readonly Interval[], at: Site = siteOf(), restarts = false): Record<number, number> => {
    let billing = createBilling([]);
    const due: Record<number, number> = {};
    for (const [n, interval] of intervals.entries()) {
      if (restarts && n % 100 === 99) billing = createBilling(intervals.slice(0, n));
      billing.booked(interval);
      const usd = (billing.withDue(at, interval).lines[0]!.penalty - 7) / 1e6;
      if (usd !== 0) due[(interval.start - month) / QUARTER] = usd;
    }
    return due;
  };

  test('a credit falls due in the interval in which it can no longer be turned away, once, over restarts too', () => {
    const intervals = monthOf({ 10: 25, 20: 25, 30: 22, 98: 0.1, 99: 25, 190: 25, 250: 700, 300: 25, 390: 90 });
    expect(dueOf(intervals)).toEqual({ 98: 1_000, 250: 4_000 });
    expect(dueOf(intervals, siteOf(), true)).toEqual({ 98: 1_000, 250: 4_000 });
    expect(dueOf(monthOf({ 100: 72 }))).toEqual({});
    expect(dueOf(monthOf({ 100: 2_000 }))).toEqual({ 100: 5_000 });
  });

  test('what the customer lets the site curtail is not missed', () => {
    const curtailment = { gpuHoursPerMonth: 100 };
    expect(dueOf(monthOf({ 100: 72, 200: 100, 300: 1 }), siteOf({ curtailment }))).toEqual({ 300: 1_000 });
  });

  test('time of which nobody knows counts as missed when the month ends, and not before', () => {
    const unknown = Object.fromEntries([150, 151, 152].map((n) => [n, undefined]));
    expect(dueOf(monthOf(unknown))).toEqual({ [QUARTERS - 1]: 1_000 });
    expect(dueOf(monthOf({ 150: undefined, 151: undefined }))).toEqual({});
    expect(dueOf(monthOf({ ...unknown, 200: 80 }))).toEqual({ 200: 1_000 });
  });

  test('of time before the class was ever counted nothing is owed', () => {
    expect(dueOf(monthOf({}).slice(200))).toEqual({});
    expect(dueOf(monthOf(Object.fromEntries(Array.from({ length: 480 }, (_, n) => [n, undefined]))))).toEqual({});
  });

  test('a contract that ends or begins within the month is held to its own days', () => {
    // Of one day 18 GPU-hours.
    const until = '2026-06-01';
    expect(dueOf(monthOf({ 50: 25 }), siteOf({ until }))).toEqual({ 50: 1_000 });
    expect(dueOf(monthOf({ 90: undefined }), siteOf({ until }))).toEqual({ 95: 1_000 });
    const from = '2026-06-03';
    expect(dueOf(monthOf({ 191: 90 }), siteOf({ from }))).toEqual({});
    expect(dueOf(monthOf({ 192: 40 }), siteOf({ from }))).toEqual({ 192: 1_000 });
  });

  describe('what a plan may still miss', () => {
    const at = siteMs(month + 24 * HOUR);
    const facts = (before: readonly Interval[], change: Partial<Contract> = {}) => {
      const signed = { ...contract, ...change };
      const workClass = { id: 'w', committedGpus: 100, availability: signed } as unknown as Commitment;
      return createBilling(before).availability(siteOf(change), workClass, at, []);
    };
    const day = (missed: Readonly<Record<number, number | undefined>>) => monthOf(missed).slice(0, 96);
    const left = (before: readonly Interval[], change: Partial<Contract> = {}) =>
      facts(before, change)!.credits.map(({ leftGpuHours }) => leftGpuHours);

    test('is what the month allows less what was missed and a quarter-hour of all of it', () => {
      expect(facts(day({ 3: 10 }))).toEqual({
        monthEndsAt,
        credits: [
          { usd: 1_000, leftGpuHours: expect.closeTo(72 - 10 - 25), nextGpuHours: expect.closeTo(74.4 - 25) },
          { usd: 4_000, leftGpuHours: expect.closeTo(720 - 10 - 25), nextGpuHours: expect.closeTo(744 - 25) },
        ],
      });
      expect(left(day({ 3: 10 }), { curtailment: { gpuHoursPerMonth: 50 } })[0]).toBeCloseTo(72 + 50 - 10 - 25);
      expect(facts(day({}), { until: '2026-06-30' })!.credits[0]!.nextGpuHours).toBeUndefined();
    });

    test('is nothing where time is unknown, and only what is known makes a credit lost', () => {
      expect(left(day({ 3: 10, 4: undefined }))[0]).toBeCloseTo(72 - 10 - 25 - 25);
      expect(left([])).toEqual([0, 0]);
      expect(left(day({ 3: 73 }))).toEqual([undefined, expect.closeTo(720 - 73 - 25)]);
      expect(left(day({ 3: 2_000 }))).toEqual([undefined, undefined]);
    });
  });

  test('is none without a contract that promises one', () => {
    const workClass = { id: 'w', committedGpus: 100 } as unknown as Commitment;
    expect(createBilling([]).availability(siteOf(), workClass, siteMs(start), [])).toBeUndefined();
  });
});
