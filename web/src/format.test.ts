import { describe, expect, test } from 'vitest';
import {
  age,
  calendarDay,
  clockTime,
  hashrate,
  inUnitOf,
  money,
  moneyPerHour,
  number,
  power,
  powerChange,
  price,
  quote,
  span,
} from './format.ts';

describe('power', () => {
  test.each([
    [38_400_000, '38.4 MW'],
    [812_000, '812 kW'],
    [999_400, '999 kW'],
    [999_600, '1.0 MW'],
    [999.6, '1 kW'],
    [25, '25 W'],
    [0, '0 W'],
    [-6_000_000, '\u22126.0 MW'],
    [null, 'unknown'],
    [undefined, 'unknown'],
    [Number.NaN, 'unknown'],
  ])('%s is %s', (watts, text) => expect(power(watts)).toBe(text));

  test('a change carries its sign, and nothing carries none', () => {
    expect(powerChange(1_200_000)).toBe('+1.2 MW');
    expect(powerChange(-1_200_000)).toBe('\u22121.2 MW');
    expect(powerChange(0)).toBe('0 W');
    expect(powerChange(null)).toBe('unknown');
  });

  test('figures that share a unit are said in that of the largest', () => {
    expect(inUnitOf(40e6, 38_400_000)).toBe('38.4');
    expect(inUnitOf(3600, 512)).toBe('0.5');
    expect(inUnitOf(40e6, null)).toBe('unknown');
  });
});

describe('money', () => {
  test.each([
    [1234, '$1,234/h'],
    [-12, '\u2212$12/h'],
    [3.516, '$3.52/h'],
    [9.996, '$10/h'],
    [0, '$0/h'],
    [null, 'unknown'],
  ])('%s an hour is %s', (usd, text) => expect(moneyPerHour(usd)).toBe(text));

  test('a loss that rounds to nothing has no sign', () => {
    expect(money(-0.2)).toBe('$0');
    expect(money(-12)).toBe('\u2212$12');
    expect(number(-0.04, 1)).toBe('0.0');
  });

  test.each([
    [34.1, '$34.10'],
    [939.26, '$939'],
    [99.999, '$100'],
    [-7.5, '\u2212$7.50'],
    [undefined, 'unknown'],
  ])('a price of %s is %s', (usd, text) => expect(price(usd)).toBe(text));

  test('quotes take digits that fit', () => {
    expect(quote(67_500, '$')).toBe('$67,500');
    expect(quote(2.2, '$/GPU-h')).toBe('$2.20');
    expect(quote(144.4e12, '')).toBe('144.4 T');
    expect(quote(0.0182, 'BTC')).toBe('0.0182');
    expect(quote(null, '$')).toBe('unknown');
  });
});

describe('time', () => {
  test.each([
    [12_000, '12 s'],
    [99_000, '99 s'],
    [240_000, '4 min'],
    [3 * 3_600_000 + 720_000, '3.2 h'],
    [60 * 3_600_000, '2.5 d'],
    [-5, '0 s'],
    [null, 'unknown'],
  ])('%s ms is %s', (ms, text) => expect(age(ms)).toBe(text));

  test('technical spans', () => {
    expect([140, 412.4, 999.9, 2300, 250_000, null].map(span)).toEqual([
      '140 ms',
      '412 ms',
      '1.0 s',
      '2.3 s',
      '4 min',
      'unknown',
    ]);
  });

  test('site times are written in UTC', () => {
    expect(clockTime('2026-03-23T22:45:10Z')).toBe('22:45');
    expect(clockTime('2026-03-23T22:45:10Z', true)).toBe('22:45:10');
    expect(clockTime('never')).toBe('unknown');
    expect(calendarDay('2026-03-23T23:59:59Z')).toBe('Mon 23 Mar');
  });
});

test('hashrate picks its unit', () => {
  expect(hashrate(1_204_000)).toBe('1.20 EH/s');
  expect(hashrate(804_000)).toBe('804 PH/s');
  expect(hashrate(200)).toBe('200 TH/s');
  expect(hashrate(null)).toBe('unknown');
});
