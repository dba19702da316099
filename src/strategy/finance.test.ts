import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { irr, loanFlowsUsd, npvUsd, paybackMonths, sum } from './finance.ts';

const year = (first: number, ...later: number[]): number[] => [
  first,
  ...later.flatMap((flow) => [...Array.from({ length: 11 }, () => 0), flow]),
];

describe('present value', () => {
  test('by hand: -1000 at the end of month 1, 1210 two years later, at 10 %', () => {
    // 1.1^(-1/12) (-1000 + 1210 / 1.21) = 0
    expect(npvUsd(year(-1000, 0, 1210), 0.1)).toBeCloseTo(0, 9);
    expect(
      npvUsd(
        Array.from({ length: 12 }, (_, m) => (m === 11 ? 110 : 0)),
        0.1,
      ),
    ).toBeCloseTo(100, 9);
  });
  test('at no rate it is the sum', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1e6, max: 1e6 })), (flows) => {
        expect(Math.abs(npvUsd(flows, 0) - sum(flows))).toBeLessThan(1e-6);
      }),
    );
  });
});

describe('internal rate', () => {
  test('by hand', () => {
    expect(irr(year(-1000, 1100))).toBeCloseTo(0.1, 9);
    expect(irr(year(-1000, 0, 1440))).toBeCloseTo(0.2, 9);
    expect(irr(year(-1000, 500))).toBeCloseTo(-0.5, 9);
  });
  test('is undefined where it is not one number', () => {
    expect(irr([1, 2, 3])).toBeUndefined();
    expect(irr([-1, -2])).toBeUndefined();
    expect(irr([100, -230, 132])).toBeUndefined();
    expect(irr([])).toBeUndefined();
  });
  test('property: at it, the flows are worth nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1_000, max: 1_000_000 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 6, maxLength: 60 }),
        (spent, earned) => {
          const flows = [-spent, ...earned];
          const rate = irr(flows);
          const left = rate === undefined ? 0 : Math.abs(npvUsd(flows, rate));
          expect(left).toBeLessThan(1e-6 * (spent + sum(earned)));
        },
      ),
    );
  });
});

describe('payback', () => {
  test('by hand', () => {
    expect(paybackMonths([-100, 40, 40, 40])).toBe(4);
    expect(paybackMonths([-100, 100])).toBe(2);
    expect(paybackMonths([-100, 40])).toBeUndefined();
    expect(paybackMonths([10, 10])).toBeUndefined();
  });
  test('money that is lost again is not back', () => expect(paybackMonths([-10, 20, -30, 25])).toBe(4));
});

test('a loan by hand: 1000 at 12.68 % a year (1 % a month) over 12 months is 88.85 a month', () => {
  const flows = loanFlowsUsd([1000, ...Array.from({ length: 24 }, () => 0)], {
    share: 1,
    annualRate: 1.01 ** 12 - 1,
    termMonths: 12,
  });
  expect(flows[0]).toBeCloseTo(1000, 6);
  expect(flows[1]).toBeCloseTo(-88.849, 3);
  expect(flows[12]).toBeCloseTo(-88.849, 3);
  expect(flows[13]).toBeCloseTo(0, 6);
});

test('property: a loan is worth nothing at its own rate, also where the years end before its term', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 2, maxLength: 40 }),
      fc.double({ min: 0, max: 0.3, noNaN: true }),
      fc.integer({ min: 1, max: 60 }),
      (capex, annualRate, termMonths) => {
        // What is drawn in the last month can only be paid back in it.
        const flows = loanFlowsUsd([...capex, 0], { share: 0.7, annualRate, termMonths });
        expect(Math.abs(npvUsd(flows, annualRate))).toBeLessThan(1e-6 * (1 + sum(capex)));
      },
    ),
  );
});
