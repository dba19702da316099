import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE, siteMs } from '../model/index.ts';
import { budgetReached, createCustomerBook, monthOf, statementOf, type CustomerFlow } from './customers.ts';

const at = (text: string) => siteMs(Date.parse(text));
const UNMEASURED = { gpus: 0, powerW: 0 };
const flow = (gpus: number, usdPerGpuHour: number | undefined, more: Partial<CustomerFlow> = {}): CustomerFlow => ({
  told: ['training'],
  work: [{ account: 'acme', workClass: 'training', gpus, measured: UNMEASURED, usdPerGpuHour }],
  credits: [],
  ...more,
});
const ACME = new Set(['acme']);

/** A look each minute, the flow as it is for that minute. */
function run(
  book: ReturnType<typeof createCustomerBook>,
  from: string,
  minutes: number,
  of: (i: number) => CustomerFlow,
): void {
  for (let i = 0; i <= minutes; i += 1) book.look(siteMs(at(from) + i * MINUTE), of(i));
}

test('GPU-hours and money are counted at the price of the moment, in whole micro-dollars', () => {
  const book = createCustomerBook('UTC');
  run(book, '2026-11-26T10:00:00Z', 60, (i) => flow(8, i < 30 ? 2 : 3));
  const { lines, usage, total } = statementOf(book.month('2026-11'), ACME);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ account: 'acme', workClass: 'training', amount: 20_000_000 });
  expect(lines[0]!.gpuHours).toBeCloseTo(8, 9);
  expect(lines[0]!.usdPerGpuHour).toBeCloseTo(2.5, 9);
  expect([usage, total]).toEqual([20_000_000, 20_000_000]);
});

test('what GPUs drew is told with the hours it was measured for, and never taken for nothing', () => {
  const work = (measured: { gpus: number; powerW: number }) =>
    flow(8, 2, { work: [{ account: 'acme', workClass: 'training', gpus: 8, measured, usdPerGpuHour: 2 }] });
  const book = createCustomerBook('UTC');
  run(book, '2026-11-26T10:00:00Z', 60, () => work(UNMEASURED));
  expect(statementOf(book.month('2026-11'), ACME).lines[0]).toMatchObject({ gpuWh: undefined, measuredGpuHours: 0 });
  run(book, '2026-11-26T12:00:00Z', 60, (i) => work(i < 30 ? { gpus: 8, powerW: 4_000 } : { gpus: 4, powerW: 2_000 }));
  const again = createCustomerBook('UTC', book.checkpoint());
  const [line] = statementOf(again.month('2026-11'), ACME).lines;
  expect(line!.gpuWh).toBeCloseTo(3_000, 6);
  expect([line!.gpuHours, line!.measuredGpuHours]).toEqual([expect.closeTo(16, 6), expect.closeTo(6, 6)]);
});

test('a month ends at midnight where the site stands, and hours fall into their own', () => {
  const book = createCustomerBook('America/Chicago');
  // Midnight of 1 December in Chicago is 06:00 UTC.
  run(book, '2026-12-01T05:30:00Z', 60, () => flow(2, 1));
  expect(monthOf(at('2026-12-01T05:59:00Z'), 'America/Chicago')).toBe('2026-11');
  for (const month of ['2026-11', '2026-12'])
    expect(statementOf(book.month(month), ACME).lines[0]!.gpuHours).toBeCloseTo(1, 9);
  expect(Object.keys(book.month('2026-12')!.days)).toEqual(['2026-12-01']);
  expect(book.months()).toEqual(['2026-12', '2026-11']);
});

test('a pause, a silent cluster and an unknown price are unknown, and not zero', () => {
  const book = createCustomerBook('UTC');
  book.look(at('2026-11-26T10:00:00Z'), flow(8, 2));
  // Nobody looked for an hour: of it nothing is known.
  book.look(at('2026-11-26T11:00:00Z'), { told: [], work: [], credits: [] });
  book.look(at('2026-11-26T11:01:00Z'), flow(60, undefined));
  book.look(at('2026-11-26T11:02:00Z'), flow(60, undefined));
  const month = book.month('2026-11')!;
  expect(month.observedMs['training']).toBe(MINUTE);
  const [line] = statementOf(month, ACME).lines;
  expect(line).toMatchObject({ amount: 0, usdPerGpuHour: undefined });
  expect(line!.unpricedGpuHours).toBeCloseTo(1, 9);
});

test('a statement is of its accounts alone, and credits come off it', () => {
  const book = createCustomerBook('UTC');
  const credits = [
    { contract: 'c1', customer: 'acme', gpus: 4, penaltyUsdPerGpuHour: 5 },
    { contract: 'c2', customer: 'other', gpus: 9, penaltyUsdPerGpuHour: 9 },
  ];
  const work = [
    { account: 'acme', workClass: 'training', gpus: 10, measured: UNMEASURED, usdPerGpuHour: 3 },
    { account: 'other', workClass: 'training', gpus: 100, measured: UNMEASURED, usdPerGpuHour: 3 },
  ];
  run(book, '2026-11-26T10:00:00Z', 60, () => flow(0, 0, { work, credits }));
  const statement = statementOf(book.month('2026-11'), ACME);
  expect(statement.credits).toMatchObject([{ contract: 'c1', amount: 20_000_000 }]);
  expect([statement.usage, statement.total]).toEqual([30_000_000, 10_000_000]);
  expect(statement.lines.map(({ account }) => account)).toEqual(['acme']);
});

test('all of it outlives a restart, and an alert is told once a month', () => {
  const book = createCustomerBook('UTC');
  run(book, '2026-11-26T10:00:00Z', 10, () => flow(6, 1));
  expect(book.alert('2026-11', 'acme/all', 50)).toBe(true);
  book.energy('2026-11', 'acme', { wh: 1_200, starts: 3, measuredStarts: 2 });
  const again = createCustomerBook('UTC', book.checkpoint());
  expect(again.month('2026-11')).toEqual(book.month('2026-11'));
  expect(again.alert('2026-11', 'acme/all', 50)).toBe(false);
  expect(again.alert('2026-11', 'acme/all', 80)).toBe(true);
  expect(again.alert('2026-12', 'acme/all', 50)).toBe(true);
});

test('the highest percentage reached is told, and none below the first', () => {
  const budget = { usdPerMonth: 1_000, alertPct: [50, 80, 100] };
  expect([0, 499, 500, 799, 800, 1_000, 4_000].map((usd) => budgetReached(budget, usd))).toEqual([
    undefined,
    undefined,
    50,
    50,
    80,
    100,
    100,
  ]);
});

test('however time is cut into looks, the same is counted', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 60 }), (gaps) => {
      const book = createCustomerBook('UTC');
      let t = at('2026-11-30T22:00:00Z');
      book.look(t, flow(3, 2));
      for (const gap of gaps) {
        t = siteMs(t + gap * 1_000);
        book.look(t, flow(3, 2));
      }
      const hours = gaps.reduce((sum, gap) => sum + gap, 0) / (HOUR / 1_000);
      const usage = book.months().reduce((sum, month) => sum + statementOf(book.month(month), ACME).usage, 0);
      expect(Math.abs(usage - hours * 6e6)).toBeLessThan(2);
    }),
  );
});

describe('minimum availability', () => {
  const credits = [{ missableGpuHours: 3, usd: 500 }];
  const terms = { promisedPct: 99, committedGpuHours: 300, elapsedGpuHours: 30, credits };
  const promised = (missedGpus: number): Partial<CustomerFlow> => ({
    promised: [{ contract: 'c1', customer: 'acme', committedGpus: 10, missedGpus }],
  });
  const MONTH = '2026-11';
  const lineOf = (book: ReturnType<typeof createCustomerBook>, isOver = false) =>
    statementOf(book.month(MONTH), ACME, isOver).availability[0];

  test('stands in the statement against what was promised, and its credit comes off, once', () => {
    const book = createCustomerBook('UTC');
    run(book, '2026-11-26T10:00:00Z', 180, (i) => flow(8, 2, promised(i < 60 ? 3 : 0)));
    book.promise(MONTH, 'c1', 'acme', terms);
    expect(lineOf(book)).toMatchObject({ contract: 'c1', promisedPct: 99, missableGpuHours: 3, amount: 0 });
    expect(lineOf(book)!.availabilityPct).toBeCloseTo(90, 6);
    expect(lineOf(book)!.unknownGpuHours).toBeCloseTo(0, 6);
    const before = statementOf(book.month(MONTH), ACME).total;
    run(book, '2026-11-26T13:00:00Z', 60, () => flow(0, 0, promised(1)));
    for (let n = 0; n < 3; n += 1) book.promise(MONTH, 'c1', 'acme', { ...terms, elapsedGpuHours: 40 });
    expect(lineOf(book)!.amount).toBe(500_000_000);
    expect(statementOf(book.month(MONTH), ACME).total).toBe(before - 500_000_000);
    expect(statementOf(book.month(MONTH), new Set(['other'])).availability).toEqual([]);
    const again = createCustomerBook('UTC', book.checkpoint());
    again.promise(MONTH, 'c1', 'acme', { ...terms, elapsedGpuHours: 40 });
    expect(lineOf(again)).toEqual(lineOf(book));
  });

  test('is unknown where what nobody saw could be more than may be missed, and no credit for it falls due', () => {
    const book = createCustomerBook('UTC');
    run(book, '2026-11-26T10:00:00Z', 60, () => flow(8, 2, promised(1)));
    const at = (elapsedGpuHours: number, isOver = false) => {
      book.promise(MONTH, 'c1', 'acme', { ...terms, elapsedGpuHours });
      return lineOf(book, isOver)!;
    };
    // Ten GPU-hours were seen and one of them missed.
    expect(at(11.9).availabilityPct).toBeCloseTo(90, 6);
    expect(at(12.1)).toMatchObject({ availabilityPct: undefined, amount: 0 });
    expect(at(12.1).unknownGpuHours).toBeCloseTo(2.1, 6);
    // A month that is over counts whole.
    expect(at(11, true).unknownGpuHours).toBeCloseTo(290, 6);
    expect(at(11, true).availabilityPct).toBeUndefined();
    const nothing = createCustomerBook('UTC');
    nothing.promise(MONTH, 'c1', 'acme', { ...terms, elapsedGpuHours: 0 });
    expect(lineOf(nothing)!.availabilityPct).toBeUndefined();
  });

  test('what was kept by a release that did not count it is read', () => {
    const old = JSON.parse(createCustomerBook('UTC').checkpoint()) as { months: Record<string, object> };
    old.months[MONTH] = { observedMs: {}, lines: {}, days: {}, credits: {}, energy: {}, alerted: {} };
    expect(createCustomerBook('UTC', JSON.stringify(old)).month(MONTH)!.availability).toEqual({});
  });
});
