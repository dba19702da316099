import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE, QUARTER, SECOND, siteMs, type Interval } from '../model/index.ts';
import { createBook, importBetween, marginOf } from './book.ts';
import type { Flow } from './flow.ts';

const START = Date.UTC(2026, 2, 23, 22, 45);
const at = (ms: number) => siteMs(START + ms);
const TARIFF = { blockW: 30e6, blockUsdPerMwh: 38 };
const price = () => 50;

const FLOW: Flow = {
  lines: {
    mining: { powerW: 30e6, revenueUsdPerHour: 2000, quantity: 1500, penaltyUsdPerHour: 0 },
    ai: { powerW: 4e6, revenueUsdPerHour: 6000, quantity: 3000, penaltyUsdPerHour: 10 },
    hpc: { powerW: 1e6, revenueUsdPerHour: 100, quantity: 400, penaltyUsdPerHour: 0 },
  },
  leaseCostUsdPerHour: 312,
  wanted: { chat: 40 },
  planImportW: 36e6,
};
const line = (interval: Interval, name: string) => interval.lines.find((one) => one.line === name)!;

/** A meter that counts a steady 36 MW, read every `step`. */
function feed(
  book: ReturnType<typeof createBook>,
  from: number,
  to: number,
  step = 30 * SECOND,
  flow: Flow | 'nobody looks' = FLOW,
) {
  for (let t = from; t <= to; t += step) {
    book.counter(at(t), 1e9 + (36e6 * t) / HOUR, 36e6);
    if (flow !== 'nobody looks') book.look(at(t), flow);
  }
}

test('a whole quarter-hour: energy from the counter, money by line', () => {
  const book = createBook(TARIFF);
  feed(book, 0, QUARTER + MINUTE);
  const [interval, ...more] = book.close(at(QUARTER + MINUTE), price);
  expect(more).toEqual([]);
  expect(interval).toMatchObject({
    start: START,
    durationMs: QUARTER,
    priceUsdPerMwh: 50,
    coverage: 1,
    planImportWh: 9e6,
  });
  expect(interval!.importWh).toBeCloseTo(9e6, 3);
  expect(interval!.energyCost).toBe((7.5 * 38 + 1.5 * 50) * 1e6);
  expect(line(interval!, 'mining')).toMatchObject({ energyWh: 7.5e6, revenue: 500e6, quantity: 375 });
  expect(line(interval!, 'ai').penalty).toBe(2.5e6);
  expect(interval!.unattributedWh).toBeCloseTo(9e6 - 8.75e6, 3);
  expect(interval!.leaseCost).toBe(78e6);
  expect(marginOf(interval!)).toBe(500e6 + 1500e6 + 25e6 + 0 - 360e6 - 78e6 - 2.5e6);
});

test('an interval is handed out once, and waits for a reading past its end', () => {
  const book = createBook(TARIFF);
  feed(book, 0, QUARTER - MINUTE);
  expect(book.close(at(QUARTER + MINUTE), price)).toEqual([]);
  feed(book, QUARTER + MINUTE, QUARTER + 2 * MINUTE);
  expect(book.close(at(QUARTER + 2 * MINUTE), price)).toHaveLength(1);
  expect(book.close(at(QUARTER + 2 * MINUTE), price)).toEqual([]);
});

test('a silent meter leaves energy and cost unknown, never zero', () => {
  const book = createBook(TARIFF);
  for (let t = 0; t <= QUARTER + 11 * MINUTE; t += MINUTE) book.look(at(t), FLOW);
  const [interval] = book.close(at(QUARTER + 11 * MINUTE), price);
  expect(interval).toMatchObject({ importWh: undefined, energyCost: undefined, unattributedWh: undefined });
  expect(line(interval!, 'grid').revenue).toBeUndefined();
  expect(line(interval!, 'mining').revenue).toBe(500e6);
  expect(marginOf(interval!)).toBeUndefined();
});

test('a counter that goes back was replaced: the interval is unknown, the next one is not', () => {
  const book = createBook(TARIFF);
  feed(book, 0, 5 * MINUTE);
  for (let t = 6 * MINUTE; t <= 2 * QUARTER + MINUTE; t += MINUTE) {
    book.counter(at(t), (36e6 * t) / HOUR, 36e6);
    book.look(at(t), FLOW);
  }
  const [broken, whole] = book.close(at(2 * QUARTER + MINUTE), price);
  expect(broken!.importWh).toBeUndefined();
  expect(whole!.importWh).toBeCloseTo(9e6, 0);
});

test('nobody watched: the meter still knows the energy, the rest is missing and not zero', () => {
  const book = createBook(TARIFF);
  feed(book, 0, QUARTER);
  feed(book, 3 * QUARTER + MINUTE, 3 * QUARTER + 2 * MINUTE);
  const closed = book.close(at(3 * QUARTER + 2 * MINUTE), price);
  expect(closed.map((one) => Math.round(one.importWh! / 1e3))).toEqual([9000, 9000, 9000]);
  expect(closed.map((one) => one.coverage)).toEqual([1, 0, 0]);
  expect(line(closed[1]!, 'mining')).toMatchObject({ energyWh: undefined, revenue: undefined, quantity: undefined });
});

test('half an interval watched is half covered', () => {
  const book = createBook(TARIFF);
  feed(book, 0, QUARTER / 2);
  feed(book, QUARTER / 2 + 30 * SECOND, QUARTER + MINUTE, 30 * SECOND, 'nobody looks');
  const [interval] = book.close(at(QUARTER + MINUTE), price);
  expect(interval!.coverage).toBeCloseTo(0.5, 2);
  expect(interval!.unattributedWh).toBeUndefined();
});

test('what a class wanted is the mean of what was seen, over a crash too, and absent where nobody saw', () => {
  const first = createBook(TARIFF);
  feed(first, 0, QUARTER / 3);
  const second = createBook(TARIFF, first.checkpoint());
  feed(second, QUARTER / 3, (2 * QUARTER) / 3, 30 * SECOND, { ...FLOW, wanted: { chat: 80 } });
  feed(second, (2 * QUARTER) / 3 + 30 * SECOND, 2 * QUARTER + MINUTE, 30 * SECOND, { ...FLOW, wanted: {} });
  // What a look saw holds until the next: of the first look that saw nothing the 30 s before it.
  const [half, none] = second.close(at(2 * QUARTER + MINUTE), price);
  expect(half!.wanted).toEqual([
    { workClass: 'chat', gpus: expect.closeTo((300 * 40 + 330 * 80) / 630, 6), coverage: 0.7 },
  ]);
  expect(none!.coverage).toBe(1);
  expect(none!.wanted).toBeUndefined();
});

describe('a crash', () => {
  test('at any moment loses no energy, books nothing twice, and restores what was added up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 200 }), (crashMinute, downMinutes) => {
        const first = createBook(TARIFF);
        feed(first, 0, crashMinute * MINUTE, MINUTE);
        const before = first.close(at(crashMinute * MINUTE), price);
        const saved = first.checkpoint();

        const last = before.at(-1)?.start;
        const second = createBook(TARIFF, saved, last);
        const back = crashMinute + downMinutes;
        feed(second, back * MINUTE, (back + 30) * MINUTE, MINUTE);
        const after = second.close(at((back + 30) * MINUTE), price);

        const all = [...before, ...after];
        expect(all.map((one) => one.start)).toEqual(all.map((_, i) => START + i * QUARTER));
        for (const one of all) expect(one.importWh).toBeCloseTo(9e6, 0);
        const watched = all.reduce((sum, one) => sum + one.coverage * QUARTER, 0);
        const could = all.length * QUARTER;
        expect(watched).toBeLessThanOrEqual(could);
        expect(watched).toBeGreaterThanOrEqual(could - Math.max(0, downMinutes + 1) * MINUTE - 1);
      }),
      { numRuns: 60 },
    );
  });

  test('a checkpoint that was not the last one books no interval twice', () => {
    const first = createBook(TARIFF);
    feed(first, 0, 10 * MINUTE);
    const saved = first.checkpoint();
    feed(first, 10 * MINUTE + 1, QUARTER + MINUTE);
    const [booked] = first.close(at(QUARTER + MINUTE), price);
    const second = createBook(TARIFF, saved, booked!.start);
    feed(second, QUARTER + 2 * MINUTE, 2 * QUARTER + MINUTE);
    expect(second.close(at(2 * QUARTER + MINUTE), price).map((one) => one.start)).toEqual([START + QUARTER]);
  });
});

test('energy of adjoining spans adds up, wherever they are cut', () => {
  const steps = fc.array(
    fc.record({ ms: fc.integer({ min: 1000, max: 600_000 }), wh: fc.integer({ min: 0, max: 1_000_000 }) }),
    { minLength: 3, maxLength: 40 },
  );
  fc.assert(
    fc.property(steps, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (list, share) => {
      let t = 0;
      let wh = 5e9;
      const readings = list.map((step) => ({ at: (t += step.ms), importWh: (wh += step.wh) }));
      const from = readings[0]!.at;
      const to = readings.at(-1)!.at;
      const cut = from + share * (to - from);
      const whole = importBetween(readings, from, to)!;
      expect(importBetween(readings, from, cut)! + importBetween(readings, cut, to)!).toBeCloseTo(whole, 3);
    }),
  );
});
