import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alikeW,
  averagePerW,
  betweenPerW,
  cooledW,
  coolingCurve,
  type CoolingFacts,
  coolingFacts,
  fitting,
  heatLimitW,
  marginalPerW,
  mostItW,
  worstCoolingCurve,
} from './cooling.ts';

/** Dry coolers that fail in the heat, spray that takes over, and chillers for the rest. */
const PLANT: CoolingFacts = {
  baseW: 50_000,
  stages: [
    { id: 'chillers', heatW: 3e6, marginal: [{ wetBulbC: 10, marginalW: 0.2 }] },
    {
      id: 'dry',
      heatW: 4e6,
      marginal: [
        { wetBulbC: 10, marginalW: 0.02 },
        { wetBulbC: 20, marginalW: 0.06, heatPct: 50 },
        { wetBulbC: 30, marginalW: 0.3, heatPct: 0 },
      ],
    },
  ],
};

test('at each wet bulb the thriftiest stage comes first, with what the weather leaves of it', () => {
  expect(coolingCurve(PLANT, 5)).toEqual([
    { heatW: 4e6, perW: 0.02 },
    { heatW: 3e6, perW: 0.2 },
  ]);
  expect(coolingCurve(PLANT, 15)).toEqual([
    { heatW: 3e6, perW: expect.closeTo(0.04, 9) },
    { heatW: 3e6, perW: 0.2 },
  ]);
  // Half as hot again, the dry coolers take more than the chillers do.
  expect(coolingCurve(PLANT, 28)).toEqual([
    { heatW: 3e6, perW: 0.2 },
    { heatW: expect.closeTo(0.4e6, 3), perW: expect.closeTo(0.252, 9) },
  ]);
  expect(coolingCurve(PLANT, 35)).toEqual([{ heatW: 3e6, perW: 0.2 }]);
  expect(heatLimitW(coolingCurve(PLANT, 25))).toBe(4e6);
});

test('stages that take as much are one segment; a plant that carries nothing still has a slope', () => {
  const stage = { heatW: 1e6, marginal: [{ wetBulbC: 10, marginalW: 0.1 }] };
  const twins = {
    baseW: 0,
    stages: [
      { ...stage, id: 'one' },
      { ...stage, id: 'two' },
    ],
  };
  expect(coolingCurve(twins, 20)).toEqual([{ heatW: 2e6, perW: 0.1 }]);
  const none = {
    baseW: 0,
    stages: [{ id: 'one', heatW: 1e6, marginal: [{ wetBulbC: 9, marginalW: 0.1, heatPct: 0 }] }],
  };
  expect(coolingCurve(none, 20)).toEqual([{ heatW: 0, perW: 0.1 }]);
  expect(cooledW(coolingCurve(none, 20), 100)).toBeCloseTo(110, 9);
});

test('one slope for any load is one segment without end', () => {
  const marginal = [
    { wetBulbC: 10, marginalW: 0.05 },
    { wetBulbC: 20, marginalW: 0.15 },
  ];
  expect(coolingCurve({ baseW: 9, marginal }, 15)).toEqual([{ heatW: Infinity, perW: 0.1 }]);
  expect(coolingCurve({ baseW: 9, marginal }, 0)).toEqual([{ heatW: Infinity, perW: 0.05 }]);
  expect(() => coolingCurve({ baseW: 9, marginal: [] }, 0)).toThrow('no points by wet bulb');
});

test('of a curve: watts, the next watt, the average, between two loads, until it turns dearer', () => {
  const curve = coolingCurve(PLANT, 5);
  expect(cooledW(curve, 5e6)).toBeCloseTo(5e6 + 0.08e6 + 0.2e6, 3);
  expect(cooledW(curve, 9e6)).toBeCloseTo(9e6 + 0.08e6 + 1e6, 3);
  expect([3e6, 4e6, 9e6].map((itW) => marginalPerW(curve, itW))).toEqual([0.02, 0.2, 0.2]);
  expect(averagePerW(curve, 5e6)).toBeCloseTo(0.28 / 5, 9);
  expect(averagePerW(curve, 0)).toBe(0.02);
  expect(betweenPerW(curve, 3e6, 5e6)).toBeCloseTo(0.11, 9);
  expect(betweenPerW(curve, 5e6, 3e6)).toBeCloseTo(0.11, 9);
  expect(betweenPerW(curve, 3e6, 3e6)).toBe(0.02);
  expect(alikeW(curve, 3e6)).toBe(1e6);
  expect(alikeW(curve, 4e6)).toBe(Infinity);
  // 0.1 MW on the dry coolers and the rest of the room on the chillers.
  expect(fitting(curve, 3.9e6, 1_000, 0.222e6)).toBeCloseTo(100 + 100, 6);
  expect(fitting(curve, 3.9e6, 1_000, 0.222e6 * 1.01, 1.01)).toBeCloseTo(200, 6);
});

test('in unknown weather the least heat and the dearest slope of any count', () => {
  expect(worstCoolingCurve(PLANT)).toEqual([{ heatW: 3e6, perW: 0.3 }]);
  expect(
    worstCoolingCurve({
      baseW: 0,
      marginal: [
        { wetBulbC: 1, marginalW: 0.1 },
        { wetBulbC: 2, marginalW: 0.2 },
      ],
    }),
  ).toEqual([{ heatW: Infinity, perW: 0.2 }]);
});

test('a site file tells heat in MW and the base in kW', () => {
  const marginal = [{ wetBulbC: 10, marginalW: 0.1, heatPct: 90 }];
  expect(coolingFacts({ kind: 'air', baseKw: 5, stages: [{ id: 'a', heatMw: 2, marginal }] })).toEqual({
    baseW: 5_000,
    stages: [{ id: 'a', heatW: 2e6, marginal }],
  });
});

describe('for any plant, weather and load', () => {
  const point = fc.record({
    marginalW: fc.integer({ min: 0, max: 2_000 }).map((n) => n / 1000),
    heatPct: fc.integer({ min: 0, max: 100 }),
  });
  const anyPlant = fc
    .array(
      fc.record({
        heatW: fc.integer({ min: 1, max: 5_000_000 }),
        points: fc.array(point, { minLength: 1, maxLength: 3 }),
      }),
      {
        minLength: 1,
        maxLength: 4,
      },
    )
    .map((stages): CoolingFacts => ({
      baseW: 0,
      stages: stages.map(({ heatW, points }, i) => ({
        id: `${i}`,
        heatW,
        marginal: points.map((one, k) => ({ ...one, wetBulbC: 10 * k })),
      })),
    }));
  const anyCurve = fc.tuple(anyPlant, fc.integer({ min: -5, max: 30 })).map(([plant, t]) => coolingCurve(plant, t));
  const anyW = fc.integer({ min: 0, max: 12_000_000 });

  test('slopes ascend, so that cooling is convex, and it never falls', () => {
    fc.assert(
      fc.property(anyCurve, anyW, anyW, fc.integer({ min: 0, max: 100 }), (curve, a, b, pct) => {
        for (const [k, { heatW, perW }] of curve.entries()) {
          expect(curve.length === 1 || heatW > 0).toBe(true);
          if (k > 0) expect(perW).toBeGreaterThan(curve[k - 1]!.perW);
        }
        const mix = (pct / 100) * a + (1 - pct / 100) * b;
        const chord = (pct / 100) * cooledW(curve, a) + (1 - pct / 100) * cooledW(curve, b);
        expect(cooledW(curve, mix)).toBeLessThanOrEqual(chord + 1e-3);
        if (a < b) expect(cooledW(curve, a)).toBeLessThan(cooledW(curve, b));
      }),
    );
  });

  test('the most IT power below a load is the inverse of the load of IT power', () => {
    fc.assert(
      fc.property(anyCurve, anyW, (curve, w) => {
        expect(Math.abs(mostItW(curve, cooledW(curve, w)) - w)).toBeLessThan(1e-3);
        expect(Math.abs(cooledW(curve, mostItW(curve, w)) - w)).toBeLessThan(1e-3);
      }),
    );
  });

  test('average, slope and chord are all of the same curve; the worst curve is above it', () => {
    fc.assert(
      fc.property(anyPlant, fc.integer({ min: -5, max: 30 }), anyW, anyW, (plant, t, a, b) => {
        const curve = coolingCurve(plant, t);
        expect(Math.abs(a * (1 + averagePerW(curve, a)) - cooledW(curve, a))).toBeLessThan(1e-3);
        if (Math.abs(b - a) >= 1)
          expect(
            Math.abs((b - a) * (1 + betweenPerW(curve, a, b)) - (cooledW(curve, b) - cooledW(curve, a))),
          ).toBeLessThan(1e-2);
        expect(marginalPerW(curve, a)).toBeGreaterThanOrEqual(averagePerW(curve, a) - 1e-9);
        const added = Math.min(b, alikeW(curve, a));
        expect(
          Math.abs(cooledW(curve, a + added) - cooledW(curve, a) - added * (1 + marginalPerW(curve, a))),
        ).toBeLessThan(1e-3);
        const worst = worstCoolingCurve(plant);
        expect(cooledW(worst, a)).toBeGreaterThanOrEqual(cooledW(curve, a) - 1e-3);
        expect(heatLimitW(worst)).toBeLessThanOrEqual(heatLimitW(curve) + 1e-3);
      }),
    );
  });
});
