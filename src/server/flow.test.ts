import { expect, test } from 'vitest';
import { siteMs, valueAt, type Series, type SeriesName } from '../model/index.ts';
import { hashpriceNow } from './flow.ts';
import type { Markets } from './markets.ts';

const AT = siteMs(Date.UTC(2026, 2, 24));
const one = (name: SeriesName, value: number, ageMs = 0): Series => ({
  name,
  provenance: 'measured',
  source: 'a test',
  intervalMs: 1000,
  holdsMs: 1000,
  points: [{ start: siteMs(AT - ageMs), value }],
});
function hashprice(...list: Series[]): number | undefined {
  const series = new Map(list.map((each) => [each.name, each]));
  const value = (name: SeriesName) => {
    const found = series.get(name);
    const now = found && valueAt(found, AT);
    return now?.stale === false ? now.value : undefined;
  };
  return hashpriceNow({ series, value } as unknown as Markets, AT);
}
const chain = [one('difficulty', 153.33e12), one('btcUsd', 96_532)] as const;

test('fees that nobody tells of leave the subsidy, fees that fell silent leave nothing known', () => {
  // The mean of November 2025: $39.58 a PH/s and day by the subsidy alone.
  expect(hashprice(...chain)).toBeCloseTo(39.58, 1);
  expect(hashprice(...chain, one('feesBtcPerBlock', 0.05))).toBeCloseTo(39.58 * (3.175 / 3.125), 1);
  expect(hashprice(...chain, one('feesBtcPerBlock', 0.05, 5000))).toBeUndefined();
  expect(hashprice(chain[0], one('btcUsd', 96_532, 5000))).toBeUndefined();
});
