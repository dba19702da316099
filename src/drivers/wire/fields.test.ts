import fc from 'fast-check';
import { expect, test } from 'vitest';
import { amount, fields, list, macAddress, max, num, text } from './fields.ts';

test.each([
  [1051, 1051],
  ['18910.28', 18910.28],
  [' 47 ', 47],
  [0, 0],
  ['0', 0],
  [-3.5, -3.5],
])('num(%j) is %j', (value, expected) => expect(num(value)).toBe(expected));

test.each([undefined, null, '', '  ', 'nan', 'inf', 'N/A', '12 W', NaN, Infinity, true, [], {}, '9223372036854775794'])(
  'num(%j) is not there',
  (value) => expect(num(value)).toBeUndefined(),
);

test('a number near 2^63 is a mark for "none", on either side of zero', () => {
  expect([9.3e18, 2 ** 63, -(2 ** 63)].map(num)).toEqual([undefined, undefined, undefined]);
  expect(num(8.9e18)).toBe(8.9e18);
});

test('amount knows no value below zero', () => {
  expect([amount(-0.1), amount('-5'), amount(0), amount('7')]).toEqual([undefined, undefined, 0, 7]);
});

test('num of anything is finite or not there', () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(Number.isFinite(num(value) ?? 0)).toBe(true);
    }),
  );
});

test('text, fields and list take what fits and nothing else', () => {
  expect([text('a'), text(''), text(5)]).toEqual(['a', undefined, undefined]);
  expect([fields({ a: 1 }), fields([1]), fields(null), fields('x')]).toEqual([{ a: 1 }, {}, {}, {}]);
  expect([list([1, 2]), list({ 0: 'a', 1: 'b' }), list('x'), list(undefined)]).toEqual([[1, 2], ['a', 'b'], [], []]);
});

test('max passes over what is not there', () => {
  expect([max([undefined, 3, undefined, 5]), max([undefined]), max([]), max([-2, -7])]).toEqual([
    5,
    undefined,
    undefined,
    -2,
  ]);
});

test.each([
  ['02:55:2a:4C:a3:c5', '02:55:2a:4C:a3:c5'],
  ['02-55-2A-4C-A3-C5', '02-55-2A-4C-A3-C5'],
  ['02552a4ca3c5', '02:55:2a:4c:a3:c5'],
  ['02:nan:2a:4c:a3:c5', undefined],
  ['02:55:2a:4c:a3', undefined],
  ['00:00:00:00:00:00', undefined],
  [17, undefined],
])('the MAC %j is %j', (said, mac) => expect(macAddress(said)).toBe(mac));
