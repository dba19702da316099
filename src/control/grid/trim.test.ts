import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { aimedAt, biasOf, isMoving, isOff, isSteady } from './trim.ts';

const POINT = { least: 20e6, most: 20e6 };

const CONNECTION_W = 40e6;

test('what a plan errs by is taken off the next aim, both ways', () => {
  expect(biasOf(20.3e6, 20e6, CONNECTION_W)).toBeCloseTo(0.3e6, 3);
  expect(biasOf(19.6e6, 20e6, CONNECTION_W)).toBeCloseTo(-0.4e6, 3);
  expect(aimedAt(POINT, 0.3e6)).toEqual({ least: 19.7e6, most: 19.7e6 });
});

test('a site far off its plan is broken, and is not chased', () => {
  expect(biasOf(22e6, 20e6, CONNECTION_W)).toBeCloseTo(2e6, 3);
  expect(biasOf(22.1e6, 20e6, CONNECTION_W)).toBeUndefined();
  expect(biasOf(17.9e6, 20e6, CONNECTION_W)).toBeUndefined();
});

test('a plan is made anew where import is off and models are why', () => {
  expect(isOff(20.3e6, POINT, 0.3e6, CONNECTION_W)).toBe(true);
  expect(isOff(20.1e6, POINT, 0.3e6, CONNECTION_W)).toBe(false);
  // Whole machines come no nearer, or the site has no more to give: its plan said as much.
  expect(isOff(20.3e6, POINT, 0, CONNECTION_W)).toBe(false);
});

test('machines on their way are waited for, but for a few', () => {
  expect(isMoving(90e3, CONNECTION_W)).toBe(false);
  expect(isMoving(110e3, CONNECTION_W)).toBe(true);
});

test('a site that follows with an error of its models comes to rest within the dead band', () => {
  fc.assert(
    fc.property(fc.double({ min: -0.08, max: 0.08, noNaN: true }), (error) => {
      let biasW = 0;
      let importW = 20e6;
      for (let plan = 0; plan < 8; plan += 1) {
        const planW = aimedAt(POINT, biasW).most;
        importW = planW * (1 + error);
        const next = biasOf(importW, planW, CONNECTION_W);
        if (next !== undefined && isOff(importW, POINT, next - biasW, CONNECTION_W)) biasW = next;
      }
      expect(Math.abs(importW - 20e6)).toBeLessThanOrEqual(0.005 * CONNECTION_W + 1);
    }),
  );
});

test('a base point beyond what the site can do winds nothing up: the next one it can follow is met at once', () => {
  fc.assert(
    fc.property(fc.double({ min: -0.05, max: 0.05, noNaN: true }), fc.integer({ min: 1, max: 50 }), (error, looks) => {
      const mostW = 30e6;
      const beyond = { least: 31e6, most: 31e6 };
      const planned = (biasW: number, point: typeof POINT) => Math.min(mostW, aimedAt(point, biasW).most);
      let biasW = 0;
      for (let look = 0; look < looks; look += 1) {
        const planW = planned(biasW, beyond);
        biasW = biasOf(planW * (1 + error), planW, CONNECTION_W) ?? biasW;
      }
      const next = { least: 29e6, most: 29e6 };
      const importW = planned(biasW, next) * (1 + error);
      expect(Math.abs(importW - 29e6)).toBeLessThanOrEqual(0.02 * CONNECTION_W);
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
