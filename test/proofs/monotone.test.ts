import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadHighs } from '../../src/dispatch/highs.ts';
import { buildLp } from '../../src/dispatch/lp.ts';
import { nameTexts } from '../../src/dispatch/model-builder.ts';
import { solve } from '../../src/dispatch/plan.ts';
import { pose } from '../../src/dispatch/problem.ts';
import { type AnySite, anySite, forecastOfSite, snapshotOf } from '../support/random-site.ts';

/**
 * Which way a best plan moves when one number does. Each holds for any pair of best plans, however many ties there
 * are: were it not so, the one would earn more under the other's numbers than that one does.
 */
const highs = await loadHighs();
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

interface Best {
  readonly objectiveUsd: number;
  /** Drawn less fed in. */
  readonly importMw: readonly number[];
  readonly exportMw: readonly number[];
  readonly energyMwh: number;
  readonly hashThHours: number;
  /** Highest average of an interval of the tariff above what is billed, of the months the horizon touches. */
  readonly aboveBilledMw: number;
}

function best(site: AnySite): Best {
  const problem = pose(snapshotOf(site), forecastOfSite(site));
  const program = buildLp(problem);
  const { solution, objectiveUsd } = solve(highs, program, {});
  const at = (column: number): number => solution.colValue[column]!;
  const exportMw = problem.steps.map((_, t) =>
    program.columns.exportMw === undefined ? 0 : at(program.columns.exportMw[t]!),
  );
  const importMw = program.columns.importMw.map((column, t) => at(column) - exportMw[t]!);
  const energyMwh = sum(importMw.map((mw, t) => mw * problem.steps[t]!.hours));
  const hashThHours = sum(
    problem.steps.flatMap(({ hours }, t) =>
      problem.cohorts.flatMap(({ modes }, g) =>
        modes.map(({ hashrateThs }, m) => hours * hashrateThs * at(program.columns.machines[t]![g]![m]!)),
      ),
    ),
  );
  const charged = nameTexts(program.model.columns()).flatMap((name, i) =>
    name.startsWith('demand-charge:above') ? [i] : [],
  );
  return { objectiveUsd, importMw, exportMw, energyMwh, hashThHours, aboveBilledMw: sum(charged.map(at)) };
}

/** Both solutions are best to within this many $, so that what they are told apart by is blurred by as much. */
const blurUsd = (a: Best, b: Best): number => 1e-6 * (10 + Math.abs(a.objectiveUsd) + Math.abs(b.objectiveUsd));
const RUNS = { numRuns: 120 };

const anyStep = fc.double({ min: 0, max: 0.999, noNaN: true });
const rise = fc.constantFrom(1, 7.5, 60, 900);

test('a dearer step never imports more', () => {
  fc.assert(
    fc.property(anySite, anyStep, rise, (site, which, usd) => {
      const t = Math.floor(which * site.steps.length);
      const steps = site.steps.map((step, s) =>
        s === t ? { ...step, priceUsdPerMwh: step.priceUsdPerMwh + usd } : step,
      );
      const [cheap, dear] = [best(site), best({ ...site, steps })];
      const blurMw = blurUsd(cheap, dear) / (usd * (site.minutes / 60));
      expect(dear.importMw[t]!).toBeLessThanOrEqual(cheap.importMw[t]! + blurMw);
      // What is fed in is paid more.
      const fedInUsd = usd * (site.minutes / 60) * dear.exportMw[t]!;
      expect(dear.objectiveUsd).toBeLessThanOrEqual(
        cheap.objectiveUsd + blockUsd(site, usd) + fedInUsd + blurUsd(cheap, dear),
      );
    }),
    RUNS,
  );
});

/** What the block earns more where one step is dearer, in $: it is sold at the price of the step. */
const blockUsd = (site: AnySite, usd: number): number =>
  (snapshotOf(site).tariff.blockW / 1e6) * usd * (site.minutes / 60);

test('dearer by the same at every step, energy never rises', () => {
  fc.assert(
    fc.property(anySite, rise, (site, usd) => {
      const steps = site.steps.map((step) => ({ ...step, priceUsdPerMwh: step.priceUsdPerMwh + usd }));
      const [cheap, dear] = [best(site), best({ ...site, steps })];
      expect(dear.energyMwh).toBeLessThanOrEqual(cheap.energyMwh + blurUsd(cheap, dear) / usd);
    }),
    RUNS,
  );
});

test('hash worth more, never less of it', () => {
  fc.assert(
    fc.property(anySite, fc.constantFrom(1, 10, 50), (site, usdPerPhDay) => {
      const hashpriceUsdPerPhDay = site.hashpriceUsdPerPhDay + usdPerPhDay;
      const [low, high] = [best(site), best({ ...site, hashpriceUsdPerPhDay })];
      const usdPerThHour = (usdPerPhDay * snapshotOf(site).mining.keptFraction) / 24_000;
      expect(high.hashThHours).toBeGreaterThanOrEqual(low.hashThHours - blurUsd(low, high) / usdPerThHour);
      expect(high.objectiveUsd).toBeGreaterThanOrEqual(low.objectiveUsd - 1e-6);
    }),
    RUNS,
  );
});

const WIDER: Readonly<Record<string, (site: AnySite) => AnySite>> = {
  connection: (site) => ({ ...site, usableW: site.usableW + 250_000 }),
  breakers: (site) => ({ ...site, halls: changed(site, (hall) => ({ ...hall, usableW: hall.usableW + 100_000 })) }),
  feeders: (site) => ({
    ...site,
    feederW: site.feederW && [site.feederW[0] + 100_000, site.feederW[1] + 250_000],
  }),
  // A stage dearer than all others, so that what these carry is cooled as before.
  heat: (site) => ({
    ...site,
    halls: changed(site, (hall) => ({
      ...hall,
      stages: hall.stages && [...hall.stages, { heatW: 400_000, coldPerW: 0.6, hotPerW: 0.6, hotPct: 100 }],
    })),
  }),
  calls: (site) => ({ ...site, calls: site.calls.map((call) => ({ ...call, firmW: call.firmW + 200_000 })) }),
  generation: (site) => ({
    ...site,
    generation: site.generation.map((one) => ({ ...one, capacityW: one.capacityW + 200_000 })),
  }),
  feedIn: (site) => ({ ...site, exportLimitW: site.exportLimitW && site.exportLimitW + 200_000 }),
  wakes: (site) => ({
    ...site,
    halls: changed(site, (hall) => ({ ...hall, wakesPerMinute: hall.wakesPerMinute + 5 })),
  }),
  uplinks: (site) => ({ ...site, halls: changed(site, (hall) => ({ ...hall, uplinkMbps: undefined })) }),
  ramp: (site) => ({
    ...site,
    rampWPerMinute: site.rampWPerMinute === undefined ? undefined : site.rampWPerMinute + 50_000,
  }),
  times: (site) => ({ ...site, minimumOnMinutes: 0, minimumOffMinutes: 0 }),
  band: (site) => ({ ...site, ballast: undefined }),
  budgets: (site) => ({
    ...site,
    work: site.work.map((one) => ({
      ...one,
      curtailment: one.curtailment && { ...one.curtailment, leftGpuHours: one.curtailment.leftGpuHours + 100 },
    })),
  }),
  availabilities: (site) => ({
    ...site,
    work: site.work.map((one) => ({
      ...one,
      availability: one.availability && {
        ...one.availability,
        leftGpuHours: one.availability.leftGpuHours === undefined ? undefined : one.availability.leftGpuHours + 100,
        nextGpuHours: one.availability.nextGpuHours + 100,
      },
    })),
  }),
};
/** Few sites make more than they draw, and few have steps as short as the times: here all of them do. */
const START: Readonly<Record<string, (site: AnySite) => AnySite>> = {
  feedIn: (site) => ({
    ...site,
    exportLimitW: 100_000,
    generation: [{ capacityW: 5_000_000, usdPerMwh: 35, isTold: false }],
  }),
  times: (site) => ({ ...site, minutes: 5, minimumOnMinutes: 20, minimumOffMinutes: 20 }),
};

/** Without what gives way at a price far above any money: in sums as large as those, what others earn is blurred away. */
const calm = anySite.map((site): AnySite => ({
  ...site,
  ballast: undefined,
  work: site.work.map((one) => ({ ...one, preemptible: true })),
}));
function changed(site: AnySite, change: (hall: AnySite['halls'][0]) => AnySite['halls'][0]): AnySite['halls'] {
  return [change(site.halls[0]), change(site.halls[1])];
}

test.each(Object.keys(WIDER))('wider, the %s never lower what is earned', (what) => {
  let better = 0;
  fc.assert(
    fc.property(what === 'band' ? anySite : calm, (any) => {
      const site = START[what]?.(any) ?? any;
      // Where the connection cannot be kept, what can be made has to be, at whatever it costs.
      // What no stage carries and is there all the same is cooled at the dearest.
      if (what === 'generation' || what === 'heat')
        fc.pre(pose(snapshotOf(site), forecastOfSite(site)).exceeded.length === 0);
      const [narrow, wide] = [best(site), best(WIDER[what]!(site))];
      expect(wide.objectiveUsd).toBeGreaterThanOrEqual(narrow.objectiveUsd - blurUsd(narrow, wide));
      if (wide.objectiveUsd > narrow.objectiveUsd + blurUsd(narrow, wide)) better += 1;
    }),
    RUNS,
  );
  // Had it bound nowhere, nothing would be shown.
  expect(better).toBeGreaterThan(0);
});

test('the higher the charge, the peak of the month is never higher', () => {
  let lower = 0;
  fc.assert(
    fc.property(anySite, fc.constantFrom(100, 2_000, 20_000), (site, usdPerMw) => {
      const steps = site.steps.length * site.minutes;
      const demand: NonNullable<AnySite['demand']> = {
        usdPerMw: 500,
        intervalMs: 900_000,
        billedW: 0,
        runningWh: 0,
        ...site.demand,
        // One month, or a lower peak of one could pay for a higher one of the other.
        monthEndsInQuarters: Math.ceil(steps / 15) + 10,
      };
      const charged = (more: number): AnySite => ({ ...site, demand: { ...demand, usdPerMw: demand.usdPerMw + more } });
      const [low, high] = [best(charged(0)), best(charged(usdPerMw))];
      const share = steps / (demand.monthEndsInQuarters * 15);
      const blurMw = blurUsd(low, high) / (usdPerMw * share);
      expect(high.aboveBilledMw).toBeLessThanOrEqual(low.aboveBilledMw + blurMw);
      if (high.aboveBilledMw < low.aboveBilledMw - blurMw) lower += 1;
    }),
    RUNS,
  );
  expect(lower).toBeGreaterThan(0);
});
