import { expect, test } from 'vitest';
import type { Reconciler } from '../control/reconciler.ts';
import type { Picture } from './picture.ts';
import { createUnexplained } from './unexplained.ts';

const still = { inFlight: () => 0 } as Reconciler;
const moving = { inFlight: () => 500 } as Reconciler;
const picture = (meterW: number | undefined, machinesW: number): Picture =>
  ({
    halls: [
      {
        hall: { id: 'a', breakerMw: 10, cooling: { baseKw: 100 } },
        meterW,
        cooling: [{ heatW: Infinity, perW: 0.1 }],
        machinesW: { value: machinesW, of: 1, total: 1 },
        silent: [],
        byState: { starting: 0 },
      },
    ],
  }) as unknown as Picture;

test('what the meter shows beyond what is known is followed slowly', () => {
  const unexplained = createUnexplained(1000);
  expect(unexplained.hallW('a')).toBe(0);
  unexplained.look(picture(5.8e6, 5e6), still);
  expect(unexplained.hallW('a')).toBeCloseTo(0.2e6, 0);
  unexplained.look(picture(5.6e6, 5e6), still);
  expect(unexplained.hallW('a')).toBeGreaterThan(0.18e6);
  for (let i = 0; i < 300; i += 1) unexplained.look(picture(5.6e6, 5e6), still);
  expect(unexplained.hallW('a')).toBeLessThan(1);
});

test('machines that claim more than the meter leave no negative load', () => {
  const unexplained = createUnexplained(1000);
  unexplained.look(picture(4e6, 5e6), still);
  expect(unexplained.hallW('a')).toBe(0);
});

test('a hall that moves, or whose meter is silent, teaches nothing; a great gap is a fault and not a habit', () => {
  const unexplained = createUnexplained(1000);
  unexplained.look(picture(9e6, 5e6), moving);
  unexplained.look(picture(undefined, 5e6), still);
  expect(unexplained.hallW('a')).toBe(0);
  unexplained.look(picture(9e6, 1e6), still);
  expect(unexplained.hallW('a')).toBe(1e6);
});

test('on a plant in stages what is known costs the stages it fills', () => {
  const unexplained = createUnexplained(1000);
  const one = picture(6.4e6, 5e6);
  const cooling = [
    { heatW: 4e6, perW: 0.05 },
    { heatW: 4e6, perW: 0.4 },
  ];
  unexplained.look({ ...one, halls: one.halls.map((hall) => ({ ...hall, cooling })) }, still);
  // 5 MW take 0.2 and 0.4 MW of cooling, and the base is 0.1 MW.
  expect(unexplained.hallW('a')).toBeCloseTo(0.7e6, 0);
});
