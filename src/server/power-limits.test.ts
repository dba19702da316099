import { expect, test } from 'vitest';
import { bareHall, bareSnapshot, shortForecast } from '../dispatch/fixture.ts';
import { loadHighs } from '../dispatch/highs.ts';
import { planWith } from '../dispatch/plan.ts';
import { siteSchema, type Site, type Snapshot } from '../model/index.ts';
import { powerLimitNotes, withPowerLimits } from './power-limits.ts';

const highs = await loadHighs();

/** Draw of an A100 at its limits, idle draw (62 W) included. */
const powerCurve = [
  { powerLimitW: 200, powerW: 182, throughputPct: 75 },
  { powerLimitW: 400, powerW: 342, throughputPct: 100 },
];
const classesOf = (change: object): Pick<Site, 'clusters'> => {
  const match = { partition: 'a100', qos: 'batch' };
  const workClass = { id: 'batch', class: 'batch', line: 'hpc', gpu: 'a100', match, usdPerGpuHour: 1, ...change };
  return { clusters: siteSchema.shape.clusters.parse([{ id: 's', driver: 'slurm', hall: 'a', classes: [workClass] }]) };
};
/** 100 A100 in a hall that carries half of what they would draw. */
const snapshot: Snapshot = bareSnapshot({
  halls: [{ ...bareHall('a'), usableW: 14_000 }],
  work: [
    {
      id: 'batch',
      hallId: 'a',
      className: 'batch',
      line: 'hpc',
      gpuModel: 'a100',
      runningGpus: 100,
      queuedGpus: 0,
      heldGpus: 0,
      partGpus: 100,
      committedGpus: 0,
      marginalWPerGpu: 280,
      usdPerGpuHour: 1,
      penaltyUsdPerGpuHour: 0,
      interruptUsdPerGpu: 0,
    },
  ],
});
const plan = (facts: Snapshot, price = 20) => planWith(highs, facts, shortForecast([price], 60));

test('what power limits would earn more is told, and that nobody sets them', () => {
  const limited = withPowerLimits(snapshot, classesOf({ powerCurve }))!;
  const [plain, other] = [plan(snapshot), plan(limited)];
  expect(plain.steps[0]!.gpusAtLimitW).toBeUndefined();
  expect(plain.steps[0]!.work).toEqual({ batch: 50 });
  // 88 GPUs at 120 W and 12 at 280 W draw 13.9 kW and do the work of 78.
  expect(powerLimitNotes(plain, other)).toEqual([
    'with power limits on GPUs the next day would earn $28.00 more (batch now 88 at 200 W, 12 at 400 W); not carried out: control sets no power limits of GPUs yet',
  ]);
});

test('nothing is told where nothing is gained, or nothing is known', () => {
  expect(withPowerLimits(snapshot, classesOf({}))).toBeUndefined();
  // Work paid by the hour keeps its speed, if nothing else was agreed.
  expect(withPowerLimits(snapshot, classesOf({ powerCurve, class: 'on-demand' }))).toBeUndefined();
  const limited = withPowerLimits(snapshot, classesOf({ powerCurve }))!;
  const wide = (facts: Snapshot): Snapshot => ({ ...facts, halls: [bareHall('a')] });
  expect(powerLimitNotes(plan(wide(snapshot)), plan(wide(limited)))).toEqual([]);
  expect(powerLimitNotes({ ...plan(snapshot), status: 'merit-order' }, plan(limited))).toEqual([]);
});
