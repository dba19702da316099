import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { aimedAt, isSteady, trimmed } from './trim.ts';

const POINT = { least: 20e6, most: 20e6 };

test('what is left beside a base point is taken off the next aim, both ways', () => {
  expect(trimmed(0, 20.3e6, POINT, 40e6)).toBeCloseTo(0.3e6, 3);
  expect(trimmed(0.3e6, 19.6e6, POINT, 40e6)).toBeCloseTo(-0.1e6, 3);
  expect(trimmed(0.3e6, 20.1e6, POINT, 40e6)).toBeUndefined();
  expect(aimedAt(POINT, 0.3e6)).toEqual({ least: 19.7e6, most: 19.7e6 });
});

test('a site far off is on its way or broken, and is not chased; no bias grows without end', () => {
  expect(trimmed(0, 39e6, POINT, 40e6)).toBeUndefined();
  expect(trimmed(1e6, 21.9e6, POINT, 40e6)).toBe(2e6);
  expect(trimmed(2e6, 21.9e6, POINT, 40e6)).toBeUndefined();
});

test('a site that follows with an error of its models comes to rest within the dead band', () => {
  fc.assert(
    fc.property(fc.double({ min: -0.08, max: 0.08, noNaN: true }), (error) => {
      let biasW = 0;
      let importW = 20e6;
      for (let plan = 0; plan < 8; plan += 1) {
        importW = aimedAt(POINT, biasW).most * (1 + error);
        biasW = trimmed(biasW, importW, POINT, 40e6) ?? biasW;
      }
      expect(Math.abs(importW - 20e6)).toBeLessThanOrEqual(0.005 * 40e6 + 1);
    }),
  );
});

test('a limit is never aimed above', () => {
  fc.assert(
    fc.property(fc.integer({ min: -3e6, max: 3e6 }), fc.nat(40e6), (biasW, most) => {
      const aim = aimedAt({ least: 0, most }, biasW);
      expect(aim.most).toBeLessThanOrEqual(most);
      expect(aim.least).toBe(0);
    }),
  );
});

test('settled is what moves little between the halves of what was seen', () => {
  expect(
    isSteady(
      [1, 2, 3].map((mw) => mw * 1e6),
      40e6,
    ),
  ).toBe(false);
  expect(
    isSteady(
      [20, 20.05, 20, 20.02, 20.01, 20].map((mw) => mw * 1e6),
      40e6,
    ),
  ).toBe(true);
  expect(
    isSteady(
      [20, 20, 20, 19, 18, 17].map((mw) => mw * 1e6),
      40e6,
    ),
  ).toBe(false);
});
