import * as fc from 'fast-check';
import { bareHall, S19K, shortForecast } from '../../src/dispatch/fixture.ts';
import {
  type CoolingFacts,
  type Forecast,
  HOUR,
  MINUTE,
  QUARTER,
  siteMs,
  type Snapshot,
  type TariffFacts,
  type WorkPoint,
} from '../../src/model/index.ts';

// A property that fails is made smaller plan by plan: that ends in time to say by what it failed.
fc.configureGlobal({ interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true });

/** Small random sites with everything a plan can be coupled by, each of it at some of them. */

const int = (min: number, max: number) => fc.integer({ min, max });
const some = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const HALLS = ['a', 'b'];
export const POINTS = S19K.filter((_, i) => i % 6 === 0);
export const GPU_W = 550;
export const PART_GPUS = 400;
/** Power limits of a GPU, as a sweep might have measured them: draw beyond idle in W, and throughput. */
export const LIMITS = [
  [250, 180, 0.6],
  [400, 320, 0.85],
  [700, GPU_W, 1],
] as const;

const pointsOf = (limits: string): readonly WorkPoint[] | undefined =>
  limits === 'unmeasured'
    ? undefined
    : LIMITS.map(([powerLimitW, marginalW, throughput]) => ({
        powerLimitW,
        marginalW,
        throughput,
        paid: limits === 'by output' ? throughput : 1,
        serves: throughput > 0.8,
      })).filter(({ serves }) => serves || limits === 'by output');

const anyStage = fc.record({
  heatW: int(100_000, 1_500_000),
  coldPerW: int(0, 300).map((thousandths) => thousandths / 1000),
  hotPerW: int(0, 500).map((thousandths) => thousandths / 1000),
  hotPct: fc.constantFrom(100, 60, 0),
});
const anyHall = fc.record({
  usableW: int(200_000, 3_000_000),
  fixedW: int(0, 400_000),
  silentW: int(0, 300_000),
  baseW: int(0, 100_000),
  coolingPerW: some(0, 0.4),
  stages: fc.option(fc.array(anyStage, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 2 }),
  wakesPerMinute: int(1, 60),
  uplinkMbps: fc.constantFrom(undefined, undefined, 203, 1_001),
});
const anyCohort = fc.record({
  hall: fc.constantFrom(...HALLS),
  asleep: int(0, 300),
  low: int(0, 100),
  middle: int(0, 200),
  high: int(0, 200),
  pinnedShare: some(0, 0.5),
  held: fc.constantFrom(true, false, false, false, false),
  responseSeconds: fc.constantFrom(undefined, 20, 300),
  wakeSeconds: fc.constantFrom(undefined, 30, 600),
});
const anyWork = fc.record({
  hall: fc.constantFrom(...HALLS),
  gpuModel: fc.constantFrom('x', 'y'),
  runningGpus: int(0, 300),
  queuedGpus: int(0, 300),
  /** What will be wanted, as a share of what is wanted now, by step; the last holds on. Empty: as much as now. */
  wantedShares: fc.array(some(0, 2), { maxLength: 3 }),
  committedGpus: int(0, 300),
  usdPerGpuHour: some(0, 3),
  interruptUsdPerGpu: fc.constantFrom(0, 0.5),
  uplinkMbpsPerGpu: fc.constantFrom(0, 5),
  deadline: fc.option(
    fc.record({ gpuHours: int(0, 500), byMinutes: int(1, 150), penaltyUsdPerGpuHour: fc.constantFrom(0.2, 2) }),
    { nil: undefined },
  ),
  preemptible: fc.constantFrom(true, true, true, false),
  limits: fc.constantFrom('unmeasured', 'unmeasured', 'by output', 'by the hour'),
  curtailment: fc.option(
    fc.record({ leftGpuHours: int(0, 200), gpuHoursPerMonth: int(200, 300), monthEndsInQuarters: int(1, 40) }),
    { nil: undefined },
  ),
  availability: fc.option(
    fc.record({
      usd: int(1, 400),
      leftGpuHours: fc.option(int(0, 150), { nil: undefined, freq: 6 }),
      nextGpuHours: int(0, 100),
      monthEndsInQuarters: int(1, 40),
    }),
    { nil: undefined },
  ),
});
const anyLease = fc.record({
  chips: int(1, 60),
  costUsdPerChipHour: some(0, 3),
  soldUsdPerChipHour: some(0, 4),
  endsInMinutes: fc.option(int(0, 60), { nil: undefined }),
  serves: fc.option(fc.record({ work: int(0, 3), gpusPerChip: fc.constantFrom(1, 2.5, 8) }), {
    nil: undefined,
    freq: 3,
  }),
  more: fc.option(
    fc.record({
      chips: int(1, 60),
      costUsdPerChipHour: some(0, 12),
      minimumMinutes: fc.constantFrom(0, 12, 35, 180),
      rentedShare: some(0, 1),
      keptForMinutes: fc.option(int(-10, 60), { nil: undefined }),
    }),
    { nil: undefined, freq: 3 },
  ),
});
const anyAward = fc.record({
  awardedW: int(50_000, 2_000_000),
  usdPerMwHour: int(0, 80),
  shortfallUsdPerMwh: int(0, 600),
  responseSeconds: fc.constantFrom(30, 600),
  fromMinutes: int(0, 30),
  minutes: int(5, 120),
});
const anyCall = fc.record({
  firmW: int(0, 3_000_000),
  penaltyUsdPerMwh: fc.constantFrom(20, 300, 5_000),
  fromMinutes: int(-30, 60),
  minutes: int(1, 90),
});
const anyGenerator = fc.record({
  capacityW: int(0, 4_000_000),
  usdPerMwh: fc.constantFrom(0, 35, 120),
  isTold: fc.boolean(),
});
const anyDemand = fc.record({
  usdPerMw: int(0, 12_000),
  intervalMs: fc.constantFrom(QUARTER, 2 * QUARTER, HOUR),
  billedW: int(0, 2_000_000),
  monthEndsInQuarters: int(1, 2_000),
  runningWh: fc.constantFrom(undefined, 0, 100_000),
});

/** Parts of a random site, so that a property can change one of them. Powers are W, times minutes. */
export const anySite = fc.record({
  halls: fc.tuple(anyHall, anyHall),
  cohorts: fc.array(anyCohort, { minLength: 1, maxLength: 4 }),
  work: fc.array(anyWork, { maxLength: 4 }),
  usableW: int(800_000, 5_000_000),
  /** Of feeders over the first hall, and over both. */
  feederW: fc.option(fc.tuple(int(300_000, 3_000_000), int(600_000, 5_000_000)), { nil: undefined }),
  importW: fc.option(int(0, 4_000_000), { nil: undefined }),
  rampWPerMinute: fc.option(int(20_000, 500_000), { nil: undefined }),
  leases: fc.array(anyLease, { maxLength: 2 }),
  awards: fc.array(anyAward, { maxLength: 3 }),
  calls: fc.array(anyCall, { maxLength: 2 }),
  generation: fc.array(anyGenerator, { maxLength: 2 }),
  exportLimitW: fc.option(int(20_000, 600_000), { nil: undefined, freq: 2 }),
  exportAdderUsdPerMwh: fc.constantFrom(1, 12),
  demand: fc.option(anyDemand, { nil: undefined }),
  coincidentUsdPerMw: fc.constantFrom(undefined, 16_000),
  ballast: fc.option(fc.record({ bandW: int(0, 100_000), swingFraction: some(0.1, 1) }), { nil: undefined }),
  wakeUsdPerMachine: fc.constantFrom(0, 0.02),
  retuneUsdPerMachine: fc.constantFrom(0, 0.01),
  minimumOnMinutes: fc.constantFrom(0, 0, 10, 20),
  minimumOffMinutes: fc.constantFrom(0, 0, 10, 20),
  minutes: fc.constantFrom(5, 15),
  steps: fc.array(
    fc.record({
      priceUsdPerMwh: fc.oneof({ weight: 3, arbitrary: some(-100, 3000) }, { weight: 1, arbitrary: int(-250, 0) }),
      wetBulbC: int(10, 26),
      /** Undefined where nobody tells. */
      solarMw: fc.option(some(0, 4), { nil: undefined }),
      coincidentProbability: fc.constantFrom(0, 0, 0, 0.002, 0.4),
    }),
    { minLength: 1, maxLength: 7 },
  ),
  hashpriceUsdPerPhDay: int(20, 120),
});
export type AnySite = typeof anySite extends fc.Arbitrary<infer T> ? T : never;

const coolingOf = ({ baseW, coolingPerW, stages }: AnySite['halls'][number]): CoolingFacts => ({
  baseW,
  ...(stages === undefined
    ? {
        marginal: [
          { wetBulbC: 10, marginalW: coolingPerW / 2 },
          { wetBulbC: 26, marginalW: coolingPerW },
        ],
      }
    : {
        stages: stages.map(({ heatW, coldPerW, hotPerW, hotPct }, k) => ({
          id: `s${k}`,
          heatW,
          marginal: [
            { wetBulbC: 10, marginalW: coldPerW },
            { wetBulbC: 26, marginalW: hotPerW, heatPct: hotPct },
          ],
        })),
      }),
});

function tariffOf({ demand, coincidentUsdPerMw }: AnySite, at: number): TariffFacts {
  const tariff = { blockW: 1e6, blockUsdPerMwh: 38, coincidentUsdPerMw };
  if (demand === undefined) return tariff;
  const { monthEndsInQuarters, ...facts } = demand;
  return { ...tariff, demand: { ...facts, monthEndsAt: siteMs(at + monthEndsInQuarters * QUARTER) } };
}

export function snapshotOf(site: AnySite): Snapshot {
  const { usableW, importW, rampWPerMinute, exportLimitW, exportAdderUsdPerMwh } = site;
  const at = shortForecast([0]).madeAt;
  return {
    at,
    connection: {
      limitW: usableW,
      usableW,
      lossFraction: 0.01,
      importW,
      rampWPerMinute,
      exportLimitW,
      exportAdderUsdPerMwh,
    },
    generation: site.generation.map(({ capacityW, usdPerMwh, isTold }, i) => ({
      id: `g${i}`,
      capacityW,
      usdPerMwh,
      series: isTold ? 'availableMw.solar' : undefined,
      untoldW: isTold ? 0 : capacityW,
    })),
    tariff: tariffOf(site, at),
    mining: {
      keptFraction: 0.988,
      wakeUsdPerMachine: site.wakeUsdPerMachine,
      retuneUsdPerMachine: site.retuneUsdPerMachine,
      minimumOnMs: site.minimumOnMinutes * MINUTE,
      minimumOffMs: site.minimumOffMinutes * MINUTE,
    },
    ballast: site.ballast && { ...site.ballast, cohorts: ['c0', 'c1'] },
    halls: site.halls.map((h, i) => ({
      ...bareHall(HALLS[i]!),
      usableW: h.usableW,
      fixedW: h.fixedW,
      silent: { machines: 1, powerW: h.silentW },
      cooling: coolingOf(h),
      wakesPerMinute: h.wakesPerMinute,
      uplinkMbps: h.uplinkMbps,
    })),
    ...(site.feederW === undefined
      ? {}
      : {
          feeders: [
            { id: 'one', usableW: site.feederW[0], hallIds: ['a'] },
            { id: 'both', usableW: site.feederW[1], hallIds: ['a', 'b'] },
          ],
        }),
    awards: site.awards.map(({ fromMinutes, minutes, ...award }, i) => {
      const from = siteMs(at + fromMinutes * MINUTE);
      return { ...award, id: `k${i}`, spans: [{ from, until: siteMs(from + minutes * MINUTE) }] };
    }),
    leases: site.leases.map(({ endsInMinutes, serves, more, soldUsdPerChipHour, ...lease }, i) => ({
      ...lease,
      id: `l${i}`,
      endsAt: endsInMinutes === undefined ? undefined : siteMs(at + endsInMinutes * MINUTE),
      soldUsdPerChipHour: serves === undefined ? soldUsdPerChipHour : 0,
      serves: serves && { work: `w${serves.work}`, gpusPerChip: serves.gpusPerChip },
      more: serves &&
        more && {
          chips: more.chips,
          costUsdPerChipHour: more.costUsdPerChipHour,
          minimumMs: more.minimumMinutes * MINUTE,
          rentedChips: Math.floor(more.chips * more.rentedShare),
          keptUntil: more.keptForMinutes === undefined ? undefined : siteMs(at + more.keptForMinutes * MINUTE),
        },
    })),
    programCalls: site.calls.map(({ fromMinutes, minutes, ...call }, i) => {
      const from = siteMs(at + fromMinutes * MINUTE);
      return { ...call, id: `p${i}`, from, until: siteMs(from + minutes * MINUTE) };
    }),
    cohorts: site.cohorts.map((c, i) => {
      const now = { sleep: c.asleep, '190MHz': c.low, '490MHz': c.middle, '790MHz': c.high };
      return {
        id: `c${i}`,
        hallId: c.hall,
        modelId: 'antminer-s19k-pro',
        machines: c.asleep + c.low + c.middle + c.high,
        sleepW: 25,
        points: POINTS,
        now,
        pinned: Object.fromEntries(Object.entries(now).map(([key, n]) => [key, Math.floor(n * c.pinnedShare)])),
        held: c.held,
        responseSeconds: c.responseSeconds,
        wakeSeconds: c.wakeSeconds,
      };
    }),
    work: site.work.map(({ curtailment, availability, deadline, limits, ...w }, i) => ({
      ...w,
      points: pointsOf(limits),
      deadline: deadline && {
        gpuHours: deadline.gpuHours,
        by: siteMs(at + deadline.byMinutes * MINUTE),
        penaltyUsdPerGpuHour: deadline.penaltyUsdPerGpuHour,
      },
      curtailment: curtailment && {
        gpuHoursPerMonth: curtailment.gpuHoursPerMonth,
        leftGpuHours: curtailment.leftGpuHours,
        monthEndsAt: siteMs(at + curtailment.monthEndsInQuarters * QUARTER),
      },
      availability: availability && {
        monthEndsAt: siteMs(at + availability.monthEndsInQuarters * QUARTER),
        credits: [availability, { ...availability, leftGpuHours: availability.nextGpuHours + 100 }],
      },
      id: `w${i}`,
      hallId: w.hall,
      className: 'reserved',
      line: 'ai',
      heldGpus: 0,
      partGpus: PART_GPUS,
      marginalWPerGpu: GPU_W,
      penaltyUsdPerGpuHour: 1,
    })),
  };
}

export function forecastOfSite({ steps, minutes, hashpriceUsdPerPhDay, work }: AnySite): Forecast {
  const wantedGpus = (t: number): Record<string, number> =>
    Object.fromEntries(
      work.flatMap(({ runningGpus, queuedGpus, wantedShares }, i) =>
        wantedShares.length === 0
          ? []
          : [[`w${i}`, (runningGpus + queuedGpus) * wantedShares[Math.min(t, wantedShares.length - 1)]!]],
      ),
    );
  const plain = shortForecast(
    steps.map(({ priceUsdPerMwh }) => priceUsdPerMwh),
    minutes,
    { hashpriceUsdPerPhDay },
  );
  return {
    ...plain,
    steps: plain.steps.map((step, t) => {
      const { solarMw, ...values } = steps[t]!;
      return {
        ...step,
        ...values,
        wantedGpus: wantedGpus(t),
        availableMw: solarMw === undefined ? {} : { 'availableMw.solar': solarMw },
      };
    }),
  };
}
