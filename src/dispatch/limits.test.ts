import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  anySite,
  forecastOfSite,
  GPU_W,
  LIMITS,
  PART_GPUS,
  POINTS,
  snapshotOf,
} from '../../test/support/random-site.ts';
import {
  byWetBulb,
  type CoolingFacts,
  type Forecast,
  HOUR,
  type LeaseFacts,
  MINUTE,
  type Plan,
  type Snapshot,
} from '../model/index.ts';
import { constraints } from './constraints/index.ts';
import { loadHighs } from './highs.ts';
import { buildLp, type LinearProgram } from './lp.ts';
import { planByMeritOrder } from './merit-order.ts';
import { nameTexts } from './model-builder.ts';
import { planWith, solve } from './plan.ts';
import { pose } from './problem.ts';

const highs = await loadHighs();

const TOLERANCE_W = 10;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const wattsOf = (key: string): number => POINTS.find((p) => p.profile === key)?.powerW ?? 25;

interface Running {
  readonly heatW: number;
  readonly perW: number;
}

/** What each stage carries and takes at a wet bulb, the thriftiest first. */
const plantOf = ({ marginal, stages }: CoolingFacts, wetBulbC: number): Running[] =>
  (stages ?? [{ heatW: Infinity, marginal: marginal! }])
    .map((stage) => ({
      heatW:
        (stage.heatW *
          byWetBulb<{ wetBulbC: number; heatPct?: number | undefined }>(
            stage.marginal,
            wetBulbC,
            (p) => p.heatPct ?? 100,
          )) /
        100,
      perW: byWetBulb(stage.marginal, wetBulbC, (p) => p.marginalW),
    }))
    .sort((a, b) => a.perW - b.perW);

/** Heat beyond all stages is the last one's that can carry any. */
function coolingW(plant: readonly Running[], itW: number): number {
  const able = plant.filter(({ heatW }) => heatW > 0);
  let rest = itW;
  let watts = 0;
  for (const { heatW, perW } of able) {
    watts += Math.min(rest, heatW) * perW;
    rest -= Math.min(rest, heatW);
  }
  return watts + rest * (able.at(-1) ?? plant.at(-1)!).perW;
}

/** Of the GPUs of a class, by power limit or all at full power. */
const gpusW = (id: string, { work, gpusAtLimitW }: Plan['steps'][number]): number =>
  gpusAtLimitW?.[id] === undefined
    ? work[id]! * GPU_W
    : sum(Object.entries(gpusAtLimitW[id]).map(([limit, n]) => n * LIMITS.find(([w]) => String(w) === limit)![1]));

/** The limits again, written from the plan and the snapshot alone: what of them each step breaks without saying so. */
function broken(snapshot: Snapshot, forecast: Forecast, plan: Plan): string[] {
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
      const itW = sum([hall.fixedW, hall.silent.powerW, ...minersW, ...work.map((w) => gpusW(w.id, step))]);
      const plant = plantOf(hall.cooling, forecast.steps[t]!.wetBulbC);
      const loadW = itW + coolingW(plant, itW) + hall.cooling.baseW;
      const gpus = ['x', 'y'].map((part) => sum(work.filter((w) => w.gpuModel === part).map((w) => step.work[w.id]!)));
      const uplinkMbps = sum(work.map((w) => step.work[w.id]! * (w.uplinkMbpsPerGpu ?? 0)));
      // Cutting the first step to whole machines may leave the second one machine a cohort more to wake.
      const wakesAllowed = (hall.wakesPerMinute * step.durationMs) / MINUTE + (t === 1 ? cohorts.length : 1e-3);
      return {
        loadW,
        broken: [
          loadW > hall.usableW + TOLERANCE_W && !says(`hall ${hall.id}`) && `breaker ${hall.id} at ${t}`,
          itW > sum(plant.map(({ heatW }) => heatW)) + TOLERANCE_W &&
            !says(`the cooling of hall ${hall.id}`) &&
            `cooling ${hall.id} at ${t}`,
          wakes > wakesAllowed && `wakes ${hall.id} at ${t}: ${wakes}`,
          Math.max(...gpus) > PART_GPUS + 1e-4 && `part ${hall.id} at ${t}`,
          uplinkMbps > (hall.uplinkMbps ?? Infinity) + 1e-3 && `uplink ${hall.id} at ${t}: ${uplinkMbps}`,
        ],
      };
    });
    const loadW = sum(halls.map((hall) => hall.loadW)) * 1.01;
    const netW = loadW - sum(Object.values(step.generationW ?? {}));
    const importW = Math.max(0, netW);
    const exportLimitW = snapshot.connection.exportLimitW ?? 0;
    const generators = snapshot.generation!.map(({ id, capacityW, series, untoldW }) => {
      const toldMw = series && forecast.steps[t]!.availableMw![series];
      const most = toldMw === undefined ? untoldW : Math.min(capacityW, toldMw * 1e6);
      const watts = step.generationW![id]!;
      return (watts < 0 || watts > most + TOLERANCE_W) && `generator ${id} at ${t}: ${watts} of ${most}`;
    });
    const feeders = (snapshot.feeders ?? []).map(({ id, usableW, hallIds }) => {
      const below = sum(snapshot.halls.map((hall, h) => (hallIds.includes(hall.id) ? halls[h]!.loadW : 0))) * 1.01;
      return below > usableW + TOLERANCE_W && !says(`feeder ${id}`) && `feeder ${id} at ${t}`;
    });
    const shedW = (seconds: number): number =>
      sum(
        snapshot.cohorts.flatMap((c) => {
          if (c.held || c.responseSeconds === undefined || c.responseSeconds > seconds) return [];
          const stays = step.start < plan.madeAt + 5 * MINUTE ? c.pinned : {};
          return Object.entries(step.cohorts[c.id]!).map(([key, n]) => (n - (stays[key] ?? 0)) * (wattsOf(key) - 25));
        }),
      );
    const reserves = Object.entries(step.reserveW ?? {}).map(([id, watts]) => ({
      ...snapshot.awards!.find((award) => award.id === id)!,
      watts,
    }));
    const awards = reserves.map(({ id, watts, awardedW, responseSeconds }) => {
      const together = sum(reserves.map((one) => (one.responseSeconds <= responseSeconds ? one.watts : 0)));
      const isBroken = watts < 0 || watts > awardedW || together > shedW(responseSeconds) + TOLERANCE_W;
      return isBroken && `award ${id} at ${t}: ${watts} of ${shedW(responseSeconds)}`;
    });
    const { mining, ai, hpc } = step.linePowerW;
    return [
      ...halls.flatMap((hall) => hall.broken),
      ...feeders,
      ...awards,
      ...generators,
      netW < -exportLimitW - TOLERANCE_W && `export at ${t}: ${-netW}`,
      Math.abs((step.exportW ?? 0) - Math.max(0, -netW)) > TOLERANCE_W && `fed in at ${t}`,
      importW > snapshot.connection.usableW + TOLERANCE_W && !says('the connection') && `connection at ${t}`,
      Math.abs(step.importW - importW) > TOLERANCE_W && `import at ${t}`,
      Math.abs(mining + ai + hpc + step.otherW - loadW) > TOLERANCE_W && `lines at ${t}`,
      ...snapshot.cohorts.flatMap((c) => brokenCohort(c, plan, t)),
      ...(snapshot.leases ?? []).flatMap((one) => brokenLease(one, snapshot, plan, t)),
      ...snapshot.work.map((w) => {
        const gpus = step.work[w.id]!;
        const told = t === 0 ? undefined : forecast.steps[t]!.wantedGpus?.[w.id];
        const wanted = told ?? w.runningGpus + w.queuedGpus;
        const leased = sum(
          (snapshot.leases ?? []).map((one) => (one.serves?.work === w.id ? step.leases![one.id]!.gpus : 0)),
        );
        const fits = gpus >= 0 && gpus + leased <= wanted + 1e-4 && (t > 0 || Number.isInteger(gpus));
        const at = Object.values(step.gpusAtLimitW?.[w.id] ?? {});
        const isWhole = w.points === undefined || (at.every((n) => n > 0) && Math.abs(sum(at) - gpus) < 1e-4);
        const isCut = t > 0 || at.every(Number.isInteger);
        return !(fits && isWhole && isCut) && `work ${w.id} at ${t}: ${gpus}`;
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

/** Chips that are held or can be had, none rented now by a plan, those rented kept, those that lapsed gone, and GPUs that they can stand for. */
function brokenLease(lease: LeaseFacts, { work }: Snapshot, plan: Plan, t: number): (string | false)[] {
  const of = (s: number) => plan.steps[s]!.leases![lease.id]!;
  const { start } = plan.steps[t]!;
  const { chips, moreChips, gpus } = of(t);
  const { more, serves, endsAt = Infinity } = lease;
  const isPriced = work.some(({ id }) => id === serves?.work);
  const lately = plan.steps.flatMap((step, s) =>
    s > 0 && s <= t && step.start > start - (more?.minimumMs ?? 0)
      ? [Math.max(0, of(s).moreChips - of(s - 1).moreChips)]
      : [],
  );
  const kept = more !== undefined && start < (more.keptUntil ?? 0) ? more.rentedChips : 0;
  return [
    (chips < -1e-4 || chips > lease.chips + 1e-4) && `chips of ${lease.id} at ${t}`,
    start < endsAt && Math.abs(chips - lease.chips) > 1e-4 && `committed chips of ${lease.id} at ${t}`,
    t > 0 && chips > of(t - 1).chips + 1e-4 && `lapsed chips of ${lease.id} at ${t}`,
    (moreChips < 0 || moreChips > (more?.chips ?? 0) + 1e-4) && `rented chips of ${lease.id} at ${t}`,
    t === 0 && moreChips !== (more?.rentedChips ?? 0) && `chips of ${lease.id} rented now`,
    (more?.minimumMs ?? 0) > 0 && sum(lately) + kept > moreChips + 1e-3 && `minimum time of ${lease.id} at ${t}`,
    gpus > (isPriced ? serves!.gpusPerChip : 0) * (chips + moreChips) + 1e-3 && `capacity of ${lease.id} at ${t}`,
  ];
}

/** What a step-by-step plan may have to break, or that gives way only at a price that is no money. */
const PRICED = ['ballast', 'ramp', 'minimum-times', 'non-preemptible'];

/** What cutting the first step to whole machines and GPUs may move of one cohort: an operating point or two. */
const CUT_MACHINES = 2;

/**
 * Minimum times, from the plan alone: of the machines that run, at least as many as were woken lately, and of those that
 * sleep as many as were put to sleep. Held cohorts are a person's.
 */
function brokenTimes({ mining, cohorts }: Snapshot, plan: Plan): string[] {
  return cohorts
    .filter(({ held }) => !held)
    .flatMap(({ id, now, machines }) => {
      const asleep = plan.steps.map((step) => step.cohorts[id]!['sleep'] ?? 0);
      const woken = asleep.map((n, t) => (asleep[t - 1] ?? now['sleep'] ?? 0) - n);
      return plan.steps.flatMap(({ start }, t) => {
        const lately = (ms: number, sign: number): number =>
          sum(woken.map((n, s) => (s <= t && plan.steps[s]!.start > start - ms ? Math.max(0, sign * n) : 0)));
        return [
          lately(mining.minimumOnMs ?? 0, 1) > machines - asleep[t]! + CUT_MACHINES && `on ${id} at ${t}`,
          lately(mining.minimumOffMs ?? 0, -1) > asleep[t]! + CUT_MACHINES && `off ${id} at ${t}`,
        ].filter((what) => what !== false);
      });
    });
}

/** By how much import by step outruns the ramp of the contract, in all, in MW. */
function rampExcessMw(
  { connection: { rampWPerMinute, importW } }: Snapshot,
  forecast: Forecast,
  mw: readonly number[],
) {
  if (rampWPerMinute === undefined) return 0;
  return sum(
    mw.map((now, t) => {
      const before = t === 0 ? (importW === undefined ? now : importW / 1e6) : mw[t - 1]!;
      return Math.max(0, Math.abs(now - before) - (rampWPerMinute * forecast.steps[t]!.durationMs) / MINUTE / 1e6);
    }),
  );
}

/** The least of that excess that any decision leaves, whatever it costs. */
function leastExcessMw({ model, staged }: LinearProgram): number {
  nameTexts(model.columns()).forEach((name, i) => model.price(i, name.startsWith('ramp:over') ? -1 : 0));
  return -solve(highs, { model, staged, offsetUsd: 0 }, {}).objectiveUsd;
}

/** As money is counted: a GPU of the first step that is cut to a whole one is not what an availability is lost by. */
function withCutGpu(snapshot: Snapshot, { steps }: Forecast): Snapshot {
  const cut = (left: number | undefined) => (left === undefined ? undefined : left + steps[0]!.durationMs / HOUR);
  const work = snapshot.work.map(({ availability, ...one }) => ({
    ...one,
    availability: availability && {
      ...availability,
      credits: availability.credits.map(({ usd, leftGpuHours, nextGpuHours }) => ({
        usd,
        leftGpuHours: cut(leftGpuHours),
        nextGpuHours: cut(nextGpuHours),
      })),
    },
  }));
  return { ...snapshot, work };
}

test(
  'every plan of either planner keeps every limit, or names the one that none can keep',
  { timeout: 120_000 },
  () => {
    fc.assert(
      fc.property(anySite, (site) => {
        const snapshot = snapshotOf(site);
        const forecast = forecastOfSite(site);
        const plan = planWith(highs, snapshot, forecast);
        const greedy = planByMeritOrder(snapshot, forecast);
        expect(broken(snapshot, forecast, plan)).toEqual([]);
        expect(brokenTimes(snapshot, plan)).toEqual([]);
        expect(broken(snapshot, forecast, greedy)).toEqual([]);
        // A machine that was woken stops where a limit falls below it; one that was put to sleep can always sleep on.
        expect(brokenTimes(snapshot, greedy).filter((what) => what.startsWith('off'))).toEqual([]);
        // An availability that is not kept is money, and no limit.
        const exceeded = plan.notes.some((note) => !note.startsWith('the availability promised'));
        expect(plan.status).toBe(exceeded ? 'limits-exceeded' : 'optimal');
        expect(greedy.status).toBe(exceeded ? 'limits-exceeded' : 'merit-order');
        // Step by step it may run into what only who looks ahead avoids; beside these, its plan is one the solver could
        // have chosen.
        const free = constraints.filter(({ name }) => !PRICED.includes(name));
        const best = solve(highs, buildLp(pose(withCutGpu(snapshot, forecast), forecast), free), {}).objectiveUsd;
        expect(greedy.objectiveUsd).toBeLessThanOrEqual(best + 0.01);
        expect(plan.objectiveUsd).toBeLessThanOrEqual(best + 0.01);
      }),
      { numRuns: 250 },
    );
  },
);

test(
  'import outruns the ramp of the contract only where physical limits leave no other way',
  { timeout: 120_000 },
  () => {
    let ramped = 0;
    fc.assert(
      fc.property(anySite, fc.integer({ min: 20_000, max: 500_000 }), (site, rampWPerMinute) => {
        // Work that may not be interrupted goes before this contract.
        const work = site.work.map((one) => ({ ...one, preemptible: true }));
        const snapshot = snapshotOf({ ...site, ballast: undefined, work, rampWPerMinute });
        const forecast = forecastOfSite(site);
        const program = buildLp(pose(snapshot, forecast));
        const { solution } = solve(highs, program, {});
        const { exportMw } = program.columns;
        const importMw = program.columns.importMw.map(
          (column, t) => solution.colValue[column]! - (exportMw === undefined ? 0 : solution.colValue[exportMw[t]!]!),
        );
        const excessMw = rampExcessMw(snapshot, forecast, importMw);
        expect(excessMw).toBeLessThanOrEqual(leastExcessMw(program) + 1e-5);
        if (excessMw > 0) ramped += 1;
        // In whole machines the first step draws no more than in fractions: half a machine would outrun it, too.
        const [first] = planWith(highs, snapshot, forecast).steps;
        expect(first!.importW - (first!.exportW ?? 0)).toBeLessThanOrEqual(importMw[0]! * 1e6 + TOLERANCE_W);
      }),
      { numRuns: 150 },
    );
    expect(ramped).toBeGreaterThan(0);
  },
);

test('work that may not be interrupted loses GPUs only where physical limits leave no other way', () => {
  let lost = 0;
  let kept = 0;
  fc.assert(
    fc.property(anySite, (site) => {
      const work = site.work.map((one) => ({ ...one, preemptible: false }));
      const snapshot = snapshotOf({ ...site, work });
      const forecast = forecastOfSite(site);
      const program = buildLp(pose(snapshot, forecast));
      const taken = (colValue: Float64Array | readonly number[]): number =>
        sum(
          nameTexts(program.model.columns()).map((name, i) => (name.startsWith('non-preemptible') ? colValue[i]! : 0)),
        );
      const planned = taken(solve(highs, program, {}).solution.colValue);
      nameTexts(program.model.columns()).forEach((name, i) =>
        program.model.price(i, name.startsWith('non-preemptible') ? -1 : 0),
      );
      const least = taken(solve(highs, program, {}).solution.colValue);
      // The solver's noise, of a thousandth of a GPU.
      expect(planned).toBeLessThanOrEqual(least + 1e-4);
      if (planned > 1e-4) lost += 1;
      else kept += 1;
      // The merit order slows no GPU down so that others may go on.
      const isSlowed = snapshot.work.some(({ points }) => points !== undefined);
      const greedy = isSlowed ? [] : [planByMeritOrder(snapshot, forecast)];
      for (const plan of [planWith(highs, snapshot, forecast), ...greedy])
        for (const { id, runningGpus } of snapshot.work)
          if (planned <= 1e-4) expect(plan.steps[0]!.work[id]).toBeGreaterThanOrEqual(runningGpus);
    }),
    { numRuns: 100 },
  );
  expect(lost).toBeGreaterThan(0);
  expect(kept).toBeGreaterThan(0);
});
