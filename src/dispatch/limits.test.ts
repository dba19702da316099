import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { MINUTE, type Plan, type Snapshot } from '../model/index.ts';
import { bareHall, S19K, shortForecast } from './fixture.ts';
import { loadHighs } from './highs.ts';
import { buildLp } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

const int = (min: number, max: number) => fc.integer({ min, max });
const HALLS = ['a', 'b'];
const POINTS = S19K.filter((_, i) => i % 6 === 0);

const anyHall = fc.record({
  usableW: int(200_000, 3_000_000),
  fixedW: int(0, 400_000),
  silentW: int(0, 300_000),
  baseW: int(0, 100_000),
  coolingPerW: fc.double({ min: 0, max: 0.4, noNaN: true }),
  wakesPerMinute: int(1, 60),
});
const anyCohort = fc.record({
  hall: fc.constantFrom(...HALLS),
  asleep: int(0, 300),
  low: int(0, 100),
  middle: int(0, 200),
  high: int(0, 200),
  pinnedShare: fc.double({ min: 0, max: 0.5, noNaN: true }),
  held: fc.constantFrom(true, false, false, false, false),
});
const anyWork = fc.record({
  hall: fc.constantFrom(...HALLS),
  gpuModel: fc.constantFrom('x', 'y'),
  runningGpus: int(0, 300),
  queuedGpus: int(0, 300),
  committedGpus: int(0, 300),
  usdPerGpuHour: fc.double({ min: 0, max: 3, noNaN: true }),
  interruptUsdPerGpu: fc.constantFrom(0, 0.5),
});
const anySite = fc.record({
  halls: fc.tuple(anyHall, anyHall),
  cohorts: fc.array(anyCohort, { maxLength: 4 }),
  work: fc.array(anyWork, { maxLength: 4 }),
  usableW: int(800_000, 5_000_000),
  wakeUsdPerMachine: fc.constantFrom(0, 0.02),
  retuneUsdPerMachine: fc.constantFrom(0, 0.01),
  prices: fc.array(fc.double({ min: -100, max: 3000, noNaN: true }), { minLength: 1, maxLength: 6 }),
});
type AnySite = typeof anySite extends fc.Arbitrary<infer T> ? T : never;

function snapshotOf(site: AnySite): Snapshot {
  return {
    at: shortForecast([0]).madeAt,
    connection: { limitW: site.usableW, usableW: site.usableW, lossFraction: 0.01, importW: undefined },
    tariff: { blockW: 1e6, blockUsdPerMwh: 38 },
    mining: {
      keptFraction: 0.988,
      wakeUsdPerMachine: site.wakeUsdPerMachine,
      retuneUsdPerMachine: site.retuneUsdPerMachine,
    },
    halls: site.halls.map((h, i) => ({
      ...bareHall(HALLS[i]!),
      usableW: h.usableW,
      fixedW: h.fixedW,
      silent: { machines: 1, powerW: h.silentW },
      cooling: { baseW: h.baseW, marginal: [{ wetBulbC: 20, marginalW: h.coolingPerW }] },
      wakesPerMinute: h.wakesPerMinute,
    })),
    cohorts: site.cohorts.map((c, i) => ({
      id: `c${i}`,
      hallId: c.hall,
      modelId: 'antminer-s19k-pro',
      machines: c.asleep + c.low + c.middle + c.high,
      sleepW: 25,
      points: POINTS,
      now: { sleep: c.asleep, '190MHz': c.low, '490MHz': c.middle, '790MHz': c.high },
      pinned: Object.fromEntries(
        Object.entries({ sleep: c.asleep, '190MHz': c.low, '490MHz': c.middle, '790MHz': c.high }).map(([key, n]) => [
          key,
          Math.floor(n * c.pinnedShare),
        ]),
      ),
      held: c.held,
    })),
    work: site.work.map((w, i) => ({
      ...w,
      id: `w${i}`,
      hallId: w.hall,
      className: 'reserved',
      line: 'ai',
      heldGpus: 0,
      partGpus: 400,
      marginalWPerGpu: 550,
      penaltyUsdPerGpuHour: 1,
    })),
  };
}

const TOLERANCE_W = 10;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const wattsOf = (key: string): number => POINTS.find((p) => p.profile === key)?.powerW ?? 25;

/** The limits again, written from the plan and the snapshot alone: what of them each step breaks without saying so. */
function broken(snapshot: Snapshot, plan: Plan): string[] {
  const says = (name: string): boolean => plan.notes.some((note) => note.startsWith(`${name} is over its limit`));
  return plan.steps.flatMap((step, t) => {
    const halls = snapshot.halls.map((hall) => {
      const cohorts = snapshot.cohorts.filter((c) => c.hallId === hall.id);
      const work = snapshot.work.filter((w) => w.hallId === hall.id);
      const wakes = sum(
        cohorts.map((c) => {
          const before = plan.steps[t - 1]?.cohorts[c.id] ?? c.now;
          return Math.max(0, (before['sleep'] ?? 0) - (step.cohorts[c.id]!['sleep'] ?? 0));
        }),
      );
      const minersW = cohorts.flatMap((c) => Object.entries(step.cohorts[c.id]!).map(([key, n]) => n * wattsOf(key)));
      const itW = sum([hall.fixedW, hall.silent.powerW, ...minersW, ...work.map((w) => step.work[w.id]! * 550)]);
      const loadW = itW * (1 + hall.cooling.marginal[0]!.marginalW) + hall.cooling.baseW;
      const gpus = ['x', 'y'].map((part) => sum(work.filter((w) => w.gpuModel === part).map((w) => step.work[w.id]!)));
      // Cutting the first step to whole machines may leave the second one machine a cohort more to wake.
      const wakesAllowed = (hall.wakesPerMinute * step.durationMs) / MINUTE + (t === 1 ? cohorts.length : 1e-3);
      return {
        loadW,
        broken: [
          loadW > hall.usableW + TOLERANCE_W && !says(`hall ${hall.id}`) && `breaker ${hall.id} at ${t}`,
          wakes > wakesAllowed && `wakes ${hall.id} at ${t}: ${wakes}`,
          Math.max(...gpus) > 400.0001 && `part ${hall.id} at ${t}`,
        ],
      };
    });
    const importW = sum(halls.map((hall) => hall.loadW)) * 1.01;
    const { mining, ai, hpc } = step.linePowerW;
    return [
      ...halls.flatMap((hall) => hall.broken),
      importW > snapshot.connection.usableW + TOLERANCE_W && !says('the connection') && `connection at ${t}`,
      Math.abs(step.importW - importW) > TOLERANCE_W && `import at ${t}`,
      Math.abs(mining + ai + hpc + step.otherW - importW) > TOLERANCE_W && `lines at ${t}`,
      ...snapshot.cohorts.flatMap((c) => brokenCohort(c, plan, t)),
      ...snapshot.work.map((w) => {
        const gpus = step.work[w.id]!;
        const fits = gpus >= 0 && gpus <= w.runningGpus + w.queuedGpus + 1e-4 && (t > 0 || Number.isInteger(gpus));
        return !fits && `work ${w.id} at ${t}: ${gpus}`;
      }),
    ].filter((what) => what !== false);
  });
}

function brokenCohort(cohort: Snapshot['cohorts'][number], plan: Plan, t: number): (string | false)[] {
  const step = plan.steps[t]!;
  const counts = step.cohorts[cohort.id]!;
  const all = Object.values(counts);
  const kept = cohort.held ? cohort.now : step.start < plan.madeAt + 5 * MINUTE ? cohort.pinned : {};
  return [
    Math.abs(sum(all) - cohort.machines) > 1e-4 && `conservation ${cohort.id} at ${t}`,
    all.some((n) => n < 0 || (t === 0 && !Number.isInteger(n))) && `counts ${cohort.id} at ${t}`,
    Object.entries(kept).some(([key, n]) => (counts[key] ?? 0) < n - 1e-4) && `pinned or held ${cohort.id} at ${t}`,
  ];
}

test('every plan of either planner keeps every limit, or names the one that none can keep', () => {
  fc.assert(
    fc.property(anySite, (site) => {
      const snapshot = snapshotOf(site);
      const forecast = shortForecast(site.prices, 5);
      const plan = planWith(highs, snapshot, forecast);
      const greedy = planByMeritOrder(snapshot, forecast);
      expect(broken(snapshot, plan)).toEqual([]);
      expect(broken(snapshot, greedy)).toEqual([]);
      expect(plan.status).toBe(plan.notes.length > 0 ? 'limits-exceeded' : 'optimal');
      expect(greedy.status).toBe(plan.notes.length > 0 ? 'limits-exceeded' : 'merit-order');
      // The merit order's plan is one the solver could have chosen.
      const best = solve(highs, buildLp(pose(snapshot, forecast)), {}).objectiveUsd;
      expect(greedy.objectiveUsd).toBeLessThanOrEqual(best + 0.01);
      expect(plan.objectiveUsd).toBeLessThanOrEqual(best + 0.01);
    }),
    { numRuns: 150 },
  );
});
