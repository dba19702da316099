import { expect, test } from 'vitest';
import { wallMs } from '../model/index.ts';
import { createLanes } from './lanes.ts';
import { retryPauseMs } from './retry.ts';

test('one that is slow leaves its place to the next, and only so many may', () => {
  let now = 0;
  const lanes = createLanes(1, () => wallMs(now));
  const first = lanes.take();
  lanes.take();
  expect(lanes.free(2)).toBe(0);
  now = 399;
  expect(lanes.free(2)).toBe(0);
  now = 400;
  // There is room for one in the slow lane.
  expect(lanes.free(2)).toBe(1);
  const third = lanes.take();
  expect(lanes.free(2)).toBe(0);
  now = 2_000;
  expect(lanes.free(2)).toBe(0);
  first();
  expect(lanes.free(2)).toBe(1);
  third();
  expect(lanes.free(2)).toBe(2);
});

test('places that were left in any order are all free in the end', () => {
  const lanes = createLanes(0, () => wallMs(0));
  for (let round = 0; round < 1_000; round += 1) {
    const leave = Array.from({ length: 8 }, () => lanes.take());
    expect(lanes.free(8)).toBe(0);
    for (const one of round % 2 === 0 ? leave : leave.toReversed()) one();
    expect(lanes.free(8)).toBe(8);
  }
});

test('what takes a person is tried ever more seldom, what may mend itself soon', () => {
  expect([1, 2, 3, 4, 99].map((n) => retryPauseMs('timeout', n) / 1_000)).toEqual([2, 6, 20, 120, 120]);
  expect([1, 2, 3, 4, 99].map((n) => retryPauseMs('unauthorised', n) / 1_000)).toEqual([120, 120, 600, 3_600, 3_600]);
  expect([1, 2, 3, 99].map((n) => retryPauseMs('unsupported', n) / 1_000)).toEqual([120, 120, 3_600, 3_600]);
});
