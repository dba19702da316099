import { expect, test } from 'vitest';
import { siteMs, valueAt, type Series, type SeriesName, type Site } from '../model/index.ts';
import { flowOf, hashpriceNow } from './flow.ts';
import type { Markets } from './markets.ts';
import type { Picture } from './picture.ts';

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

test('what a contract lets the site curtail is owed for once it is used up; a cluster that is silent may serve nothing', () => {
  const workClass = { id: 'w', line: 'ai', committedGpus: 100, penaltyUsdPerGpuHour: 2 };
  const site = { mining: {}, leases: [], contracts: [{ work: 'w', curtailment: { gpuHoursPerMonth: 50 } }] };
  const flow = (told: boolean, leftGpuHours: number | undefined, contracts: object[] = site.contracts) =>
    flowOf(
      { ...site, contracts } as unknown as Site,
      {
        at: AT,
        hashrateThs: { of: 0 },
        linePowerW: {},
        work: [
          {
            workClass,
            told,
            answers: told,
            runningGpus: 70,
            queuedGpus: 10,
            heldGpus: 5,
            pausedGpus: 5,
            usdPerGpuHour: 1,
          },
        ],
      } as unknown as Picture,
      { series: new Map(), value: () => undefined } as unknown as Markets,
      undefined,
      () => (leftGpuHours === undefined ? undefined : { gpuHoursPerMonth: 50, leftGpuHours, monthEndsAt: AT }),
    );
  expect(flow(true, 1).lines.ai.penaltyUsdPerHour).toBe(0);
  expect(flow(true, 0).lines.ai.penaltyUsdPerHour).toBe(40);
  expect(flow(true, undefined).lines.ai.penaltyUsdPerHour).toBe(40);
  expect(flow(true, 1).served).toEqual({ w: { gpus: 70, unservedGpus: 20 } });
  expect(flow(false, 1).served).toEqual({ w: { gpus: 0, unservedGpus: 100 } });
  expect(flow(true, undefined, []).served).toEqual({});
  // Nor is what it wants known, least of all nothing. What is paused is owed for, and is no work that a plan could start.
  expect(flow(true, 1).wanted).toEqual({ w: 85 });
  expect(flow(false, 1).wanted).toEqual({});
});
