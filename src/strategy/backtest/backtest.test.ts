import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadHighs } from '../../dispatch/highs.ts';
import { DAY, HOUR, siteMs, siteSchema, type Site, type SiteMs } from '../../model/index.ts';
import { walk, type Decide } from './engine.ts';
import { siteCase, wantedAt, type Running, type SiteCase } from './facts.ts';
import { coupledSite, JULY, JUNE, madeUpDemand, madeUpHistory, uncoupledSite } from './fixture.ts';
import { foresightPolicy } from './foresight.ts';
import { runBacktest } from './index.ts';
import { loadOf, type Ledger, type Load } from './ledger.ts';
import { rulePolicy } from './part.ts';
import { plannerPolicy } from './planned.ts';
import { truthOf, type Truth } from './truth.ts';
import { NO_GPU_PRICES, type WantedSeries } from './types.ts';
import { fillUp, likelyPeaks } from './yardsticks.ts';

const DAYS = { from: siteMs(JUNE + 9 * DAY), to: siteMs(JUNE + 11 * DAY) };
const HISTORY = madeUpHistory();

const SHORT = { from: DAYS.from, to: siteMs(DAYS.from + HOUR) };

interface Recorded {
  readonly ledger: Ledger;
  readonly profitUsd: number;
  readonly steps: { readonly at: SiteMs; readonly running: Running; readonly load: Load }[];
}

async function record(facts: SiteCase, truth: Truth, decide: Decide, period = DAYS): Promise<Recorded> {
  const steps: Recorded['steps'] = [];
  const onStep = (at: SiteMs, running: Running, load: Load): void => void steps.push({ at, running, load });
  const { ledger } = await walk({ facts, truth, ...period, onStep }, decide);
  return { ledger, profitUsd: ledger.outcome().profitUsd, steps };
}

describe('with nothing coupled', () => {
  test('the planner, the rule and foresight earn the same to the cent', async () => {
    const result = await runBacktest({ site: uncoupledSite(), history: HISTORY, ...DAYS });
    expect(result.outcomes.rule!.curtailedHours).toBeGreaterThan(1);
    expect(result.profitUsd).toBeCloseTo(result.ruleProfitUsd, 2);
    expect(result.foresightProfitUsd).toBeCloseTo(result.ruleProfitUsd, 2);
    expect(result.alwaysOnProfitUsd).toBeLessThan(result.ruleProfitUsd);
    expect(result.practiceProfitUsd).toBeNull();
    expect(result.coincidentPeak).toBeNull();
  });
});

describe('with everything coupled', () => {
  const facts = siteCase(coupledSite());
  // The month is whole, so that its peak is charged; two days of it are walked.
  const truthFor = (after?: number, wanted?: WantedSeries[]): Truth =>
    truthOf(facts, { ...madeUpHistory(after), wanted }, JUNE, JULY);

  test('what comes later changes nothing that was decided before', async () => {
    const moment = DAYS.from + DAY + HOUR / 2;
    const planner = async (truth: Truth) => plannerPolicy(await loadHighs(), facts, truth, { failures: [] });
    const policies: [(truth: Truth) => Promise<Decide> | Decide, Truth[]][] = [
      [planner, [truthFor(), truthFor(moment)]],
      [planner, [truthFor(undefined, [madeUpDemand()]), truthFor(undefined, [madeUpDemand(moment)])]],
      [(truth) => rulePolicy(facts, likelyPeaks(facts.site, truth)), [truthFor(), truthFor(moment)]],
    ];
    for (const [policy, truths] of policies) {
      const [one, other] = await Promise.all(truths.map(async (truth) => record(facts, truth, await policy(truth))));
      const before = (recorded: Recorded) =>
        recorded.steps.filter(({ at }) => at < moment).map(({ running }) => running);
      expect(before(one!).length).toBeGreaterThan(95);
      expect(before(other!)).toEqual(before(one!));
      expect(other!.steps).not.toEqual(one!.steps);
    }
  }, 60_000);

  test('demand follows its file: nobody serves more than is wanted, and what is wanted no more is no interruption', async () => {
    const truth = truthFor(undefined, [madeUpDemand()]);
    const interruptUsd: number[] = [];
    const { at } = truth.wanted.get('reserved')!;
    const policies: Decide[] = [
      plannerPolicy(await loadHighs(), facts, truth, { failures: [] }),
      foresightPolicy(await loadHighs(), facts, truth, { to: DAYS.to, failures: [] }),
      rulePolicy(facts, () => false),
    ];
    for (const policy of policies) {
      const { ledger, steps } = await record(facts, truth, policy);
      const served = steps.map(({ running }) => running.gpus['reserved']!);
      // Two in the morning, and ten.
      for (const [hours, gpus] of [
        [2, 30],
        [10, 60],
      ] as const)
        expect(served[steps.findIndex(({ at: t }) => t === DAYS.from + hours * HOUR)]).toBe(gpus);
      for (const [i, { at: t }] of steps.entries()) expect(served[i]).toBeLessThanOrEqual(at(t));
      interruptUsd.push(ledger.outcome().interruptUsd);
    }
    // Every morning 12 of batch give way at $1. What ends every evening interrupts nothing.
    expect(interruptUsd[2]).toBe(24);
    const notes = (
      await runBacktest({ site: coupledSite(), history: { ...HISTORY, wanted: [madeUpDemand()] }, ...SHORT })
    ).notes;
    expect(notes).toContainEqual(expect.stringMatching(/^demand for GPUs of batch is constant/));
  });

  test('no policy loads a breaker or the connection beyond what a plan may use, and machines stay whole', async () => {
    const truth = truthFor();
    const highs = await loadHighs();
    const policies: Decide[] = [
      plannerPolicy(highs, facts, truth, { failures: [] }),
      foresightPolicy(await loadHighs(), facts, truth, { to: DAYS.to, failures: [] }),
      rulePolicy(facts, () => false),
      ({ conditions, wanted, usdPerGpuHour }) => ({ running: fillUp(facts, conditions, wanted, usdPerGpuHour) }),
    ];
    const profits: number[] = [];
    for (const policy of policies) {
      const { steps, profitUsd } = await record(facts, truth, policy);
      profits.push(profitUsd);
      const tightest = Math.min(...steps.map(({ load }) => facts.halls[0]!.usableW - load.hallW[0]!));
      expect(tightest).toBeGreaterThanOrEqual(-1e-3);
      for (const { running, load } of steps) {
        expect(load.importW).toBeLessThanOrEqual(facts.usableW + 1e-3);
        for (const { id, machines } of facts.cohorts) {
          const counts = Object.values(running.cohorts[id]!);
          expect(counts.every((count) => Number.isInteger(count) && count >= 0)).toBe(true);
          expect(counts.reduce((sum, count) => sum + count, 0)).toBe(machines);
        }
      }
    }
    const [plan, foresight, rule, always] = profits;
    expect(plan).toBeLessThanOrEqual(foresight!);
    expect(always).toBeLessThanOrEqual(foresight!);
    expect(rule).toBeLessThanOrEqual(foresight!);
  });

  test('with a power curve of its work the planner slows GPUs where the breaker binds, and earns more', async () => {
    const input = coupledSite();
    const powerCurve = [
      { powerLimitW: 200, powerW: 190, throughputPct: 75 },
      { powerLimitW: 300, powerW: 270, throughputPct: 92 },
      { powerLimitW: 400, powerW: 340, throughputPct: 100 },
    ];
    const withCurve = (curve: typeof powerCurve): SiteCase => {
      const classes = input.clusters[0]!.classes.map((one) => ({ ...one, powerCurve: curve }));
      const halls = input.halls.map((hall) => ({ ...hall, breakerMw: 0.05 }));
      const clusters = [{ ...input.clusters[0]!, classes }];
      const machines = input.machines.filter(({ kind }) => kind === 'gpu-server');
      return siteCase(siteSchema.parse({ ...input, halls, clusters, machines }));
    };
    const day = { from: JUNE, to: siteMs(JUNE + DAY) };
    const planned = async (one: SiteCase): Promise<Recorded> => {
      const truth = truthOf(one, madeUpHistory(), day.from, day.to);
      const failures: string[] = [];
      const recorded = await record(one, truth, plannerPolicy(await loadHighs(), one, truth, { failures }), day);
      expect(failures).toEqual([]);
      return recorded;
    };
    const curved = withCurve(powerCurve);
    const slowed = await planned(curved);
    const full = await planned({ ...curved, work: curved.work.map((one) => ({ ...one, points: undefined })) });
    for (const { running, load } of slowed.steps) {
      // Reserved GPUs are paid by the hour and stay at full power; of the rest some run slower.
      expect(Object.keys(running.gpusAtLimitW!)).toEqual(['batch']);
      const { 400: fast = 0, ...slow } = running.gpusAtLimitW!['batch']!;
      expect(fast).toBeLessThan(32);
      expect(Object.keys(slow).length).toBeGreaterThan(0);
      expect(running.gpus['reserved']).toBe(48);
      expect(load.hallW[0]!).toBeLessThanOrEqual(curved.halls[0]!.usableW + 1e-3);
    }
    expect(slowed.profitUsd).toBeGreaterThan(full.profitUsd);
  });

  test('who fills up stays within a feeder too, and a planner may do no more', () => {
    const feeders = [{ id: 'f1', ratingMw: 0.5, marginPct: 10, halls: ['a'] }];
    const fed = siteCase(siteSchema.parse({ ...coupledSite(), feeders }));
    const load = (one: SiteCase): number => {
      const truth = truthOf(one, madeUpHistory(), JUNE, JULY);
      const [conditions, wanted] = [truth.at(JUNE), wantedAt(one, JUNE)];
      return loadOf(one, fillUp(one, conditions, wanted, truth.usdPerGpuHour(JUNE)), conditions.wetBulbC).importW;
    };
    expect(load(facts)).toBeGreaterThan(0.6e6);
    expect(load(fed)).toBeLessThanOrEqual(0.45e6);
    expect(load(fed)).toBeGreaterThan(0.44e6);
  });

  test('the planner sleeps through hours that are likely to be the peak, and says how many', async () => {
    const truth = truthFor();
    const { ledger, peakCurtailedHours } = await walk(
      { facts, truth, ...DAYS },
      plannerPolicy(await loadHighs(), facts, truth, { failures: [] }),
    );
    expect(peakCurtailedHours).toBeGreaterThan(0);
    expect(peakCurtailedHours).toBeLessThanOrEqual(ledger.outcome().curtailedHours);
  });
});

describe('with a plant in stages', () => {
  /** Dry coolers that carry the new miners on a cool night and nothing in the heat, and chillers for most of the rest. */
  const stages = [
    {
      id: 'dry',
      heatMw: 0.7,
      marginal: [
        { wetBulbC: 18, marginalW: 0.03 },
        { wetBulbC: 24, marginalW: 0.05, heatPct: 0 },
      ],
    },
    { id: 'chillers', heatMw: 0.6, marginal: [{ wetBulbC: 18, marginalW: 0.25 }] },
  ];
  const [hall] = uncoupledSite().halls;
  const staged = uncoupledSite({ halls: [{ ...hall!, cooling: { kind: 'air', baseKw: 5, stages } }] });
  const facts = siteCase(staged);
  const truth = truthOf(facts, HISTORY, JUNE, JULY);

  test('no policy runs more than it carries, and every watt of its cooling is paid', async () => {
    const policies: Decide[] = [
      plannerPolicy(await loadHighs(), facts, truth, { failures: [] }),
      foresightPolicy(await loadHighs(), facts, truth, { to: DAYS.to, failures: [] }),
      rulePolicy(facts, () => false),
      ({ conditions, wanted, usdPerGpuHour }) => ({ running: fillUp(facts, conditions, wanted, usdPerGpuHour) }),
    ];
    const profits: number[] = [];
    for (const policy of policies) {
      let energyUsd = 0;
      let fullest = 0;
      const onStep = (at: SiteMs, running: Running, load: Load): void => {
        const { wetBulbC, priceUsdPerMwh } = truth.at(at);
        const itW =
          200 * 25 +
          100 * 20 +
          3_475 * (running.cohorts['new']!['default'] ?? 0) +
          3_230 * (100 - (running.cohorts['old']!['sleep'] ?? 0));
        const dryW = 0.7e6 * Math.min(1, Math.max(0, (24 - wetBulbC) / 6));
        const dryPerW = 0.03 + 0.02 * Math.min(1, Math.max(0, (wetBulbC - 18) / 6));
        expect(itW).toBeLessThanOrEqual(dryW + 0.6e6 + 1e-3);
        fullest = Math.max(fullest, itW / (dryW + 0.6e6));
        const coolingW = Math.min(dryW, itW) * dryPerW + Math.max(0, itW - dryW) * 0.25;
        expect(load.importW).toBeCloseTo(itW + coolingW + 5_000, 3);
        expect(load.miningW).toBeCloseTo(itW + coolingW, 3);
        energyUsd += (load.importW / 1e6) * priceUsdPerMwh * 0.25;
      };
      const { ledger } = await walk({ facts, truth, ...DAYS, onStep }, policy);
      const outcome = ledger.outcome();
      expect(outcome.energyUsd).toBeCloseTo(energyUsd, 6);
      expect(outcome.profitUsd).toBeCloseTo(outcome.miningUsd - energyUsd, 6);
      expect(fullest).toBeGreaterThan(0.95);
      profits.push(outcome.profitUsd);
    }
    const [plan, foresight, rule, always] = profits;
    for (const profit of [plan, rule, always]) expect(profit).toBeLessThanOrEqual(foresight! + 0.01);
    // Who counts each stage at its own watts earns more than who takes the plant at its average.
    expect(plan).toBeGreaterThan(rule!);
  });
});

test('practice switches off in the late afternoon of days that look like a peak', () => {
  const facts = siteCase(coupledSite());
  const truth = truthOf(facts, HISTORY, JUNE, JULY);
  const likely = likelyPeaks(facts.site, truth);
  const hours = (day: number) =>
    Array.from({ length: 24 }, (_, hour) => hour).filter((hour) => likely(siteMs(JUNE + day * DAY + hour * HOUR)));
  expect(hours(5)).toEqual([16, 17]);
  // May is not charged.
  expect(hours(-3)).toEqual([]);
});

test('that a price of GPUs is held constant is told once', () => {
  const none = {
    ...HISTORY,
    series: HISTORY.series.filter(({ name }) => !name.startsWith('gpu')),
    warnings: [NO_GPU_PRICES],
  };
  const notes = (site: Site) => truthOf(siteCase(site), none, JUNE, JULY).notes.filter((note) => note.includes('GPU'));
  expect(notes(coupledSite())).toEqual([
    expect.stringMatching(/^no price of a100 was recorded: held constant at the list price of \$[\d.]+ per GPU-hour$/),
  ]);
  expect(notes(uncoupledSite())).toEqual([NO_GPU_PRICES]);
});

test('an empty period, and one without prices, are refused in words', async () => {
  const site = uncoupledSite();
  await expect(runBacktest({ site, history: HISTORY, from: JUNE, to: JUNE })).rejects.toThrow('nothing lies between');
  const history = { ...HISTORY, series: HISTORY.series.filter(({ name }) => name !== 'priceUsdPerMwh') };
  await expect(runBacktest({ site, history, ...DAYS })).rejects.toThrow('no priceUsdPerMwh is told');
});

const example = (...path: string[]): Site =>
  siteSchema.parse(parse(readFileSync(join(import.meta.dirname, '..', '..', '..', 'examples', ...path), 'utf8')));

test('a miner that cannot sleep goes on, and a fixed price stays what it is', async () => {
  const to = siteMs(DAYS.from + DAY);
  const { outcomes } = await runBacktest({ site: example('garage', 'site.yaml'), history: HISTORY, ...DAYS, to });
  expect(outcomes.plan!.hashPhHours).toBeCloseTo((24 * 1.2) / 1000, 9);
  expect(outcomes.plan!.energyUsd / outcomes.plan!.energyMwh).toBeCloseTo(320, 6);
  expect(outcomes.plan!.profitUsd).toBeCloseTo(outcomes.rule!.profitUsd, 2);
});

test('the example has more miners than its breakers carry, and everything that couples them', () => {
  const site = example('backtest-40mw.yaml');
  const { halls, cohorts, work } = siteCase(site);
  expect(cohorts.length).toBe(11);
  for (const [h, { usableW }] of halls.slice(0, 4).entries()) {
    const stockW = cohorts.reduce((sum, one) => sum + (one.hall === h ? one.machines * one.stock.powerW : 0), 0);
    expect(stockW).toBeGreaterThan(usableW);
  }
  expect(work.map(({ partGpus }) => partGpus)).toEqual([2560, 2560, 960, 960]);
  expect(Object.keys(site.charges)).toEqual(['demand', 'coincidentPeak']);
});
