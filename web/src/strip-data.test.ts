import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { IntervalView, PlanView } from '../../src/model/api.ts';
import { rowAt, stripColumns, stripRows, stripWindow } from './strip-data.ts';

const NOW = Date.parse('2026-03-23T22:40:00Z');
const QUARTER = 900_000;
const iso = (t: number) => new Date(t).toISOString();

function interval(start: number, change: Partial<IntervalView> = {}): IntervalView {
  const line = (name: 'mining' | 'ai' | 'hpc', energyMwh: number | null) => ({
    line: name,
    energyMwh,
    revenueUsd: null,
    quantity: null,
    quantityUnit: 'MWh' as const,
    penaltyUsd: 0,
  });
  return {
    start: iso(start),
    minutes: 15,
    importMwh: 9.6,
    plannedMwh: 9.7,
    coverage: 1,
    priceUsdPerMwh: 34,
    lines: [line('mining', 7.75), line('ai', 1.4), line('hpc', null)],
    unattributedMwh: 0.35,
    energyCostUsd: 300,
    leaseCostUsd: 78,
    marginUsd: 700,
    wakes: 0,
    ...change,
  };
}

function step(start: number, minutes: number, known = false): PlanView['steps'][number] {
  return {
    start: iso(start),
    minutes,
    priceUsdPerMwh: 939,
    known,
    importW: 12e6,
    linePowerW: { mining: 5e6, ai: 5.6e6, hpc: 0.3e6, grid: 18e6 },
    otherW: 1.1e6,
    cohorts: {},
    work: {},
    shadowUsdPerMwh: {},
  };
}
const plan = (steps: PlanView['steps']): PlanView => ({
  id: 'p1',
  madeAt: iso(NOW),
  solver: 'highs',
  status: 'optimal',
  solveMs: 300,
  objectiveUsd: 1,
  notes: [],
  nextChange: null,
  why: null,
  steps,
});

test('the window is a day wide and shows the past there is, between 3 and 12 hours', () => {
  const hours = (w: { from: number }) => (NOW - w.from) / 3_600_000;
  const none = stripWindow(NOW, []);
  expect(none.to - none.from).toBe(24 * 3_600_000);
  expect(hours(none)).toBeCloseTo(3 + 10 / 60, 5);
  expect(hours(stripWindow(NOW, [interval(NOW - 30 * QUARTER)]))).toBeCloseTo(7.667, 2);
  expect(hours(stripWindow(NOW, [interval(NOW - 90 * QUARTER)]))).toBeCloseTo(12 + 10 / 60, 5);
});

test('energy of a booked quarter-hour becomes mean power, and an unknown line stays unknown', () => {
  const start = Date.parse('2026-03-23T22:15:00Z');
  const rows = stripRows(stripWindow(NOW, []), [interval(start)], null, [], []);
  expect(rows.find((r) => r.start === start)).toMatchObject({
    kind: 'booked',
    mining: 31,
    ai: 5.6,
    hpc: null,
    importMw: 38.4,
    plannedMw: 38.8,
  });
});

test('quarter-hours nobody booked are gaps that still carry the price', () => {
  const window = stripWindow(NOW, []);
  const rows = stripRows(window, [], null, [], [{ at: window.from - 1, value: 21 }]);
  const past = rows.filter((r) => r.start < NOW);
  expect(past).toHaveLength(13);
  expect(past.every((r) => r.kind === 'gap' && r.mining === null && r.price === 21)).toBe(true);
});

test('what this page saw fills the quarter-hour that is not booked yet', () => {
  const sample = { at: NOW - 120_000, mining: 30, ai: 5, hpc: 0.2, other: 1, importMw: 36.5, plannedMw: 37 };
  const rows = stripRows(stripWindow(NOW, []), [], null, [sample], []).filter(
    (r) => r.start >= NOW - 10 * 60_000 && r.start < NOW,
  );
  expect(rows.map((r) => r.kind)).toEqual(['gap', 'live']);
  expect(rows[1]!.mining).toBe(30);
});

test('the plan begins at now, drops what is over, and says where the price is a forecast', () => {
  const window = stripWindow(NOW, []);
  const rows = stripRows(
    window,
    [],
    plan([step(NOW - QUARTER, 15), step(NOW - 60_000, 15, true), step(NOW + 14 * 60_000, 60)]),
    [],
    [],
  );
  const ahead = rows.filter((r) => r.start >= NOW);
  expect(ahead.map((r) => r.kind)).toEqual(['planned', 'planned', 'gap']);
  expect(ahead[0]).toMatchObject({ start: NOW, priceKnown: true, plannedMw: 12 });
  expect(ahead[1]).toMatchObject({ priceKnown: false, price: 939 });
});

test('stacked columns are running sums, one longer than the rows, and break at gaps', () => {
  const start = Date.parse('2026-03-23T22:15:00Z');
  const window = stripWindow(NOW, []);
  const rows = stripRows(window, [interval(start)], null, [], []);
  const columns = stripColumns(rows, window.to);
  const i = rows.findIndex((r) => r.start === start);
  expect(columns.x).toHaveLength(rows.length + 1);
  expect(columns.tops.mining[i]).toBe(31);
  expect(columns.tops.other[i]).toBeCloseTo(38, 6);
  expect(columns.tops.mining[i - 1]).toBeNull();
});

test('rows ascend for any mix of booked, seen and planned', () => {
  const offsets = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 40 });
  fc.assert(
    fc.property(offsets, fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 30 }), (quarters, lengths) => {
      const base = Math.floor(NOW / QUARTER) * QUARTER;
      let at = NOW - 7 * 60_000;
      const steps = lengths.map((minutes) => {
        const made = step(at, minutes);
        at += minutes * 60_000;
        return made;
      });
      const intervals = quarters.map((q) => interval(base - q * QUARTER));
      const window = stripWindow(NOW, intervals);
      const rows = stripRows(window, intervals, plan(steps), [], []);
      for (let i = 1; i < rows.length; i++) expect(rows[i]!.start).toBeGreaterThan(rows[i - 1]!.start);
      expect(rows[0]!.start).toBe(window.from);
    }),
    { numRuns: 50 },
  );
});

test('the row in force', () => {
  const rows = stripRows(stripWindow(NOW, []), [], null, [], []);
  expect(rowAt(rows, rows[2]!.start + 1)).toBe(2);
  expect(rowAt(rows, rows[0]!.start - 1)).toBeUndefined();
});
