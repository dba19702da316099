import { expect, test } from 'vitest';
import { breakEvenUsdPerMwh, btcPerPhDay, dewPointC, hashpriceUsdPerPhDay, wetBulbC } from './economics.ts';

// Difficulty, $ per BTC, and subsidy-only yield of dated days.
test.each([
  ['2025-03-03', 110.57e12, 86_350, 5.68547e-4, 49.09],
  ['2025-11-03', 155.97e12, 106_935, 4.03054e-4, 43.1],
  ['November 2025', 153.33e12, 96_532, 4.09993e-4, 39.58],
])('hash on %s is worth what was published less fees', (_, difficulty, btcUsd, btc, usd) => {
  expect(btcPerPhDay(difficulty, 0)).toBeCloseTo(btc, 9);
  expect(hashpriceUsdPerPhDay({ difficulty, btcUsd, feesBtcPerBlock: 0 })).toBeCloseTo(usd, 2);
});

test('fees add in proportion to the subsidy', () => {
  expect(btcPerPhDay(1e14, 0.3125) / btcPerPhDay(1e14, 0)).toBeCloseTo(1.1, 12);
});

test('15 J/TH at $39.82/PH/day grosses $111 a MWh; fees and cooling lower it', () => {
  expect(breakEvenUsdPerMwh(39.82, 1, 15, 1)).toBeCloseTo(110.6, 1);
  expect(breakEvenUsdPerMwh(39.82, 0.99, 15, 1.1)).toBeCloseTo((110.611 * 0.99) / 1.1, 2);
});

test.each([
  [20, 50, 13.7],
  [30, 50, 22.3],
])('wet bulb of %d C at %d %% is %d C (Stull 2011)', (temperature, humidity, wetBulb) => {
  expect(wetBulbC(temperature, dewPointC(temperature, humidity))).toBeCloseTo(wetBulb, 1);
});

test('a dew point above the temperature counts as saturated air', () => {
  expect(wetBulbC(20, 25)).toBe(wetBulbC(20, 20));
});
