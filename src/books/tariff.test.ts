import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settle } from './tariff.ts';

const BLOCK = { blockW: 30e6, blockUsdPerMwh: 38 };

test('above the block the rest is bought at real time', () => {
  // A quarter-hour at 40 MW: 7.5 MWh of block and 2.5 MWh bought.
  expect(settle(BLOCK, 10e6, 0.25, 100)).toEqual({
    energyCost: (7.5 * 38 + 2.5 * 100) * 1e6,
    gridRevenue: 0,
    soldMwh: 0,
  });
});

test('below the block the unused part is sold, and the block is paid all the same', () => {
  expect(settle(BLOCK, 1e6, 0.25, 939)).toEqual({
    energyCost: 7.5 * 38 * 1e6,
    gridRevenue: 6.5 * 939 * 1e6,
    soldMwh: 6.5,
  });
});

test('a negative price makes the unused part cost money', () => {
  expect(settle(BLOCK, 0, 1, -10).gridRevenue).toBe(-300e6);
});

test('one watt-hour more costs its real-time price on either side of the block', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 15_000_000 }),
      fc.double({ min: -250, max: 5000, noNaN: true }),
      (wh, price) => {
        const net = (importWh: number) => {
          const { energyCost, gridRevenue } = settle(BLOCK, importWh, 0.25, price);
          return energyCost - gridRevenue;
        };
        expect(net(wh + 1_000_000) - net(wh)).toBeCloseTo(price * 1e6, -1);
      },
    ),
  );
});
