import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concaveHull, curveOfSweep, type PowerCurvePoint, type SweepRow, workPointsOf } from './power-curve.ts';
import { siteParts } from './site.ts';

/** Limit in W, mean draw in W, seconds an epoch: ShuffleNet v2 on CIFAR-100, batches of 1,024, on an A40 (ml-energy/zeus, Apache-2.0). */
const A40 = [
  [100, 106.89, 27.13],
  [125, 118.99, 16.85],
  [150, 141.61, 11.09],
  [175, 160.71, 9.175],
  [200, 181.76, 8.8],
  [225, 201.1, 8.755],
  [250, 209.21, 8.605],
  [275, 216.88, 8.605],
  [300, 218.87, 8.525],
].map(([powerLimitW, powerW, secondsPerEpoch]): SweepRow => {
  return { powerLimitW: powerLimitW!, powerW: powerW!, secondsPerEpoch: secondsPerEpoch! };
});
const limits = (points: readonly { readonly powerLimitW: number }[]): number[] => points.map((one) => one.powerLimitW);
const point = (powerLimitW: number, powerW: number, throughputPct: number): PowerCurvePoint => ({
  powerLimitW,
  powerW,
  throughputPct,
});

describe('a sweep', () => {
  test('a real one: what draws more and does no more is no point of the curve', () => {
    const curve = curveOfSweep(A40);
    expect(limits(curve)).toEqual([100, 125, 150, 175, 200, 225, 250, 300]);
    expect(curve[0]).toEqual(point(100, 106.89, 31.42));
    expect(curve.at(-1)).toEqual(point(300, 218.87, 100));
    // 60 W less, and 7 % less done.
    expect(curve[3]).toEqual(point(175, 160.71, 92.92));
    // GPUs at 200 and at 300 W together do more than all of them at 225 or 250 W.
    expect(limits(concaveHull(curve))).toEqual([100, 125, 150, 175, 200, 300]);
  });

  test('runs at one limit are averaged, and noise at the top is none of the curve', () => {
    const rows = [
      { powerLimitW: 100, powerW: 90, secondsPerEpoch: 20 },
      { powerLimitW: 100, powerW: 94, secondsPerEpoch: 22 },
      { powerLimitW: 200, powerW: 150, secondsPerEpoch: 10 },
      { powerLimitW: 300, powerW: 149, secondsPerEpoch: 10.5 },
    ];
    expect(curveOfSweep(rows)).toEqual([point(100, 92, 47.62), point(200, 150, 100)]);
  });

  test('of any runs is one that a site file takes', () => {
    const row = fc.record({
      powerLimitW: fc.integer({ min: 1, max: 8 }).map((n) => n * 50),
      powerW: fc.double({ min: 20, max: 700, noNaN: true }),
      secondsPerEpoch: fc.double({ min: 1, max: 50, noNaN: true }),
    });
    const schema = siteParts.cluster.shape.classes.element.shape.powerCurve;
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (rows) => {
        const curve = curveOfSweep(rows);
        expect(curve.at(-1)!.throughputPct).toBe(100);
        if (curve.length > 1) expect(schema.safeParse(curve).error).toBeUndefined();
      }),
    );
  });
});

const anyCurve = fc
  .array(fc.record({ watts: fc.integer({ min: 1, max: 60 }), more: fc.integer({ min: 1, max: 20 }) }), {
    minLength: 2,
    maxLength: 8,
  })
  .map((steps) => {
    const all = steps.reduce((sum, { more }) => sum + more, 0);
    let [watts, done] = [100, 0];
    return steps.map((step, i) => {
      watts += step.watts;
      done += step.more;
      return point(100 * (i + 1), watts, (100 * done) / all);
    });
  });

test('no mix of two points does more than the hull at the same draw, and the hull is of such mixes', () => {
  fc.assert(
    fc.property(anyCurve, (curve) => {
      const hull = concaveHull(curve);
      expect(hull[0]).toBe(curve[0]);
      expect(hull.at(-1)).toBe(curve.at(-1));
      const onHull = (watts: number): number => {
        const above = hull.findIndex(({ powerW }) => powerW >= watts);
        const [a, b] = [hull[Math.max(0, above - 1)]!, hull[above]!];
        return a === b
          ? a.throughputPct
          : a.throughputPct + ((watts - a.powerW) * (b.throughputPct - a.throughputPct)) / (b.powerW - a.powerW);
      };
      for (const a of curve)
        for (const b of curve) {
          const mean = { powerW: (a.powerW + b.powerW) / 2, throughputPct: (a.throughputPct + b.throughputPct) / 2 };
          expect(onHull(mean.powerW)).toBeGreaterThanOrEqual(mean.throughputPct - 1e-9);
        }
    }),
  );
});

describe('what GPUs of a class can be run at', () => {
  const powerCurve = [point(150, 200, 60), point(250, 300, 80), point(300, 420, 92), point(400, 500, 100)];
  const of = (name: 'reserved' | 'on-demand' | 'preemptible' | 'batch', minThroughputPct?: number) =>
    workPointsOf(
      { class: name, powerCurve, throttle: minThroughputPct === undefined ? undefined : { minThroughputPct } },
      80,
    );

  test('work paid by what it does: all of the hull, and what is slow serves no contract', () => {
    expect(of('batch')).toEqual([
      { powerLimitW: 150, marginalW: 120, throughput: 0.6, paid: 0.6, serves: false },
      { powerLimitW: 250, marginalW: 220, throughput: 0.8, paid: 0.8, serves: false },
      { powerLimitW: 400, marginalW: 420, throughput: 1, paid: 1, serves: true },
    ]);
    expect(of('preemptible', 80)!.map(({ serves }) => serves)).toEqual([false, true, true]);
  });

  test('work paid by the hour: full power, or what its contract allows at full pay', () => {
    expect(limits(of('reserved')!)).toEqual([400]);
    expect(of('on-demand', 80)!.map(({ powerLimitW, paid, serves }) => [powerLimitW, paid, serves])).toEqual([
      [250, 1, true],
      [400, 1, true],
    ]);
    // Not on the hull of the whole curve, and the slowest that is allowed.
    expect(limits(of('reserved', 90)!)).toEqual([300, 400]);
  });

  test('nobody measured, or idle draw unknown: nothing', () => {
    expect(workPointsOf({ class: 'batch', powerCurve: undefined, throttle: undefined }, 80)).toBeUndefined();
    expect(workPointsOf({ class: 'batch', powerCurve, throttle: undefined }, undefined)).toBeUndefined();
  });
});

/** Recordings lie beside the project, or where this says. */
const RECORDED = process.env['SHARED_DATA_PATH'] ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'data');
const SWEEPS = join(RECORDED, 'gpu-power');

describe.skipIf(!existsSync(SWEEPS))('the recorded sweeps (left out where they are not there)', () => {
  test.each(['a40', 'p100', 'rtx6000', 'v100'])('every workload on %s has a curve that a site file takes', (gpu) => {
    const [head, ...lines] = readFileSync(join(SWEEPS, `summary_power_${gpu}.csv`), 'utf8')
      .trim()
      .split('\n');
    expect(head!.trim()).toBe('dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power');
    const workloads = Map.groupBy(
      lines.map((line) => line.trim().split(',')),
      (cells) => cells.slice(0, 4).join(','),
    );
    expect(workloads.size).toBeGreaterThan(20);
    const schema = siteParts.cluster.shape.classes.element.shape.powerCurve;
    const saved: number[] = [];
    for (const [workload, cells] of workloads) {
      const rows = cells.map(([, , , , limit, seconds, watts]): SweepRow => {
        return { powerLimitW: Number(limit), powerW: Number(watts), secondsPerEpoch: Number(seconds) };
      });
      const curve = curveOfSweep(rows);
      const hull = concaveHull(curve);
      expect(hull.length, workload).toBeGreaterThan(0);
      if (curve.length < 2) continue;
      expect(schema.safeParse(curve).error, workload).toBeUndefined();
      // Along the hull a further watt does less and less.
      const gains = hull
        .slice(1)
        .map((b, i) => (b.throughputPct - hull[i]!.throughputPct) / (b.powerW - hull[i]!.powerW));
      expect(
        gains.every((gain, i) => i === 0 || gain < gains[i - 1]!),
        workload,
      ).toBe(true);
      const eased = hull.find(({ throughputPct }) => throughputPct >= 90)!;
      saved.push(1 - eased.powerW / curve.at(-1)!.powerW);
    }
    // Giving up a tenth of the speed saves more than a tenth of the power on the usual workload.
    const median = saved.sort((a, b) => a - b)[Math.floor(saved.length / 2)]!;
    expect(median).toBeGreaterThan(0.1);
  });
});
