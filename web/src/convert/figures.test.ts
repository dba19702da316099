import { expect, test } from 'vitest';
import { compact, shortMoney, signedMoney, spanText } from './figures.ts';

test('money in the unit that fits, unknown as a word', () => {
  expect([1_570_000, -339_600, 12, 34_600_000, 1_200_000_000, -0.2, null].map(shortMoney)).toEqual([
    '$1.57M',
    '\u2212$340k',
    '$12',
    '$34.6M',
    '$1.20bn',
    '$0',
    'unknown',
  ]);
  expect([1000, -1000, 0].map(signedMoney)).toEqual(['+$1k', '\u2212$1k', '$0']);
});

test('a span of months, and never', () => {
  expect([7, 23, 90, null].map(spanText)).toEqual(['7 months', '23 months', '7.5 years', 'never']);
});

test('figures short enough for an axis', () => {
  expect([13_000_000, 150_000, 154.2, 0.65, 12, 2632].map(compact)).toEqual([
    '13M',
    '150k',
    '154.2',
    '0.65',
    '12',
    '2,632',
  ]);
});
