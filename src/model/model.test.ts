import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CATALOGUE, nameplateW } from './catalogue.ts';
import { siteMs } from './clock.ts';
import { asFault, Fault, isTransient } from './fault.ts';
import { modeFromKey, modeKey } from './machine.ts';
import { fromMicroUsd, sumCovered, toMicroUsd } from './quantity.ts';
import { valueAt, type Series } from './series.ts';
import { addressesOf, machineId } from './site.ts';

describe('a sum over machines', () => {
  test('says how many it covers, and missing is not zero', () => {
    expect(sumCovered([1, undefined, 2, undefined])).toEqual({ value: 3, of: 2, total: 4 });
    expect(sumCovered([])).toEqual({ value: 0, of: 0, total: 0 });
  });
});

describe('a series', () => {
  const series: Series = {
    name: 'priceUsdPerMwh',
    provenance: 'measured',
    source: 'test',
    intervalMs: 10,
    holdsMs: 20,
    points: [100, 110, 130].map((start, i) => ({ start: siteMs(start), value: i })),
  };
  test('holds each value until the next, and knows its age', () => {
    expect(valueAt(series, siteMs(99))).toBeUndefined();
    expect(valueAt(series, siteMs(100))).toEqual({ value: 0, ageMs: 0, stale: false });
    expect(valueAt(series, siteMs(129))).toEqual({ value: 1, ageMs: 19, stale: false });
    expect(valueAt(series, siteMs(151))).toEqual({ value: 2, ageMs: 21, stale: true });
  });
  test('agrees with a plain search', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 500 }), { minLength: 1 }),
        fc.integer({ min: -5, max: 600 }),
        (starts, t) => {
          const points = starts.sort((a, b) => a - b).map((start) => ({ start: siteMs(start), value: start }));
          expect(valueAt({ ...series, points }, siteMs(t))?.value).toBe(
            points.findLast((point) => point.start <= t)?.value,
          );
        },
      ),
    );
  });
});

describe('addresses', () => {
  test('of a range, both ends included', () => {
    expect(addressesOf('10.0.0.254-10.0.1.1')).toEqual(['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1']);
    expect(addressesOf('10.0.0.7')).toEqual(['10.0.0.7']);
    expect(addressesOf('10.0.0.7-10.0.0.6')).toEqual([]);
    expect(addressesOf('255.255.255.254-255.255.255.255')).toHaveLength(2);
  });
  test('machines are numbered within their group', () => {
    expect(machineId('a-s21', 0)).toBe('a-s21-0001');
    expect(machineId('a-s21', 12_345)).toBe('a-s21-12346');
  });
});

test('a mode and its key are one', () => {
  for (const key of ['sleep', 'default', '490MHz']) expect(modeKey(modeFromKey(key))).toBe(key);
});

test('money is kept to the micro-dollar', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e12, max: 1e12 }), (micro) => {
      expect(toMicroUsd(fromMicroUsd(micro))).toBe(micro);
    }),
  );
});

test('only what may go away by itself is tried again soon', () => {
  expect(['unreachable', 'timeout', 'garbled'].every((kind) => isTransient(kind as never))).toBe(true);
  expect(['unauthorised', 'unsupported', 'refused'].some((kind) => isTransient(kind as never))).toBe(false);
});

test('a fault is the world; anything else is a bug and goes on', () => {
  const fault = new Fault('garbled', 'no', { bytes: 'x'.repeat(2_000) });
  expect(asFault(fault)).toBe(fault);
  expect(fault.bytes).toHaveLength(500);
  expect(() => asFault(new TypeError('bug'))).toThrow(TypeError);
});

test('every model of the catalogue has a nameplate, and its points rise', () => {
  for (const model of CATALOGUE.values()) {
    expect(nameplateW(model.id)).toBeGreaterThan(0);
    if (model.kind !== 'asic') continue;
    // A Bitaxe cannot sleep: it draws what it draws.
    if (model.id !== 'bitaxe-gamma') expect(model.sleepW).toBeLessThan(0.02 * model.nameplateW);
    const watts = model.points.map((point) => point.powerW);
    expect(watts).toEqual(watts.toSorted((a, b) => a - b));
  }
});
