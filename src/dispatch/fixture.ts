// Snapshots for the tests of this folder: the demo site's machines and work, and a bare site to build small cases on.
import {
  CATALOGUE,
  type CohortFacts,
  type Forecast,
  type ForecastStep,
  HOUR,
  type HallFacts,
  type ModePoint,
  MINUTE,
  siteMs,
  type Snapshot,
  type WorkFacts,
} from '../model/index.ts';
import { horizon } from './steps.ts';

export const AT = siteMs(Date.UTC(2026, 2, 23, 12));

/** W and TH/s of the 25 profiles a LuxOS S19k Pro reports. */
export const S19K: readonly ModePoint[] = [
  [784, 39.2],
  [879, 44.4],
  [978, 49.5],
  [1080, 54.7],
  [1188, 59.8],
  [1299, 65],
  [1414, 70.2],
  [1533, 75.3],
  [1657, 80.5],
  [1785, 85.7],
  [1916, 90.8],
  [2052, 96],
  [2192, 101.1],
  [2336, 106.3],
  [2485, 111.5],
  [2637, 116.6],
  [2794, 121.8],
  [2954, 127],
  [3119, 132.1],
  [3288, 137.3],
  [3461, 142.4],
  [3638, 147.6],
  [3820, 152.8],
  [4005, 157.9],
  [4195, 163.1],
].map(([powerW, hashrateThs], i) => ({
  profile: i === 16 ? 'default' : `${190 + 25 * i}MHz`,
  powerW: powerW!,
  hashrateThs: hashrateThs!,
}));

/** No S21 capture is at hand: the same ladder scaled to the S21's nameplate, for size rather than truth. */
const S21: readonly ModePoint[] = S19K.map(({ profile, powerW, hashrateThs }) => ({
  profile,
  powerW: Math.round((powerW * 3500) / 2794),
  hashrateThs: (hashrateThs * 200) / 121.8,
}));

const catalogued = (modelId: string): readonly ModePoint[] => {
  const model = CATALOGUE.get(modelId);
  return model?.kind === 'asic' ? model.points : [];
};

export function hall(id: string, breakerMw: number, marginals: readonly number[], baseW = 60_000): HallFacts {
  const marginal = marginals.map((marginalW, i) => ({ wetBulbC: [10, 20, 26][i]!, marginalW }));
  const cooling = { baseW, marginal };
  return {
    id,
    usableW: breakerMw * 0.97e6,
    cooling,
    fixedW: 0,
    silent: { machines: 0, powerW: 0 },
    wakesPerMinute: 400,
  };
}

export function cohort(id: string, modelId: string, machines: number, points: readonly ModePoint[]): CohortFacts {
  const running = points.find(({ profile }) => profile === 'default' || profile === 'normal') ?? points[0]!;
  const now = { [running.profile]: machines };
  return { id, hallId: id.slice(0, 1), modelId, machines, sleepW: 25, points, now, pinned: {}, held: false };
}

type WorkRow = readonly [
  className: WorkFacts['className'],
  gpuModel: string,
  demand: number,
  partGpus: number,
  marginalWPerGpu: number,
  usdPerGpuHour: number,
  interruptUsdPerGpu: number,
];

function work(id: string, [className, gpuModel, demand, partGpus, wPerGpu, usd, interrupt]: WorkRow): WorkFacts {
  const runningGpus = Math.floor(demand * 0.8);
  const reserved = className === 'reserved';
  return {
    id,
    hallId: 'e',
    className,
    line: className === 'batch' ? 'hpc' : 'ai',
    gpuModel,
    runningGpus,
    queuedGpus: demand - runningGpus,
    heldGpus: 0,
    partGpus,
    committedGpus: reserved ? demand : 0,
    marginalWPerGpu: wPerGpu,
    usdPerGpuHour: usd,
    penaltyUsdPerGpuHour: reserved ? 3 * usd : 0,
    interruptUsdPerGpu: interrupt,
  };
}

const AIR = [0.05, 0.08, 0.12];

/** The demo site at full strength: four cohorts, eight classes of work, five halls. */
export function demoSnapshot(): Snapshot {
  return {
    at: AT,
    connection: { limitW: 40e6, usableW: 39.6e6, lossFraction: 0.01, importW: undefined },
    tariff: { blockW: 30e6, blockUsdPerMwh: 38 },
    mining: { keptFraction: 0.988, wakeUsdPerMachine: 0.02, retuneUsdPerMachine: 0 },
    halls: [
      hall('a', 10.5, AIR),
      hall('b', 7, AIR),
      hall('c', 6, AIR),
      hall('d', 14, [0.03, 0.045, 0.07], 120_000),
      { ...hall('e', 8, [0.16, 0.22, 0.3], 90_000), fixedW: 1.5e6 },
    ],
    cohorts: [
      cohort('a-s21', 'antminer-s21', 2600, S21),
      cohort('b-s19j', 'antminer-s19j-pro', 2000, catalogued('antminer-s19j-pro')),
      cohort('c-s19k', 'antminer-s19k-pro', 1500, S19K),
      cohort('d-s21xp', 'antminer-s21-xp-hyd', 2400, catalogued('antminer-s21-xp-hyd')),
    ],
    work: [
      work('h100-reserved', ['reserved', 'h100', 1600, 2720, 550, 2.2, 4]),
      work('a100-reserved', ['reserved', 'a100', 480, 1040, 288, 1.25, 2]),
      work('h100-on-demand', ['on-demand', 'h100', 900, 2720, 550, 1.9, 2.5]),
      work('h100-preemptible', ['preemptible', 'h100', 600, 2720, 550, 1.14, 0.6]),
      work('a100-on-demand', ['on-demand', 'a100', 500, 1040, 288, 1.1, 1.5]),
      work('rtx4090-preemptible', ['preemptible', 'rtx4090', 400, 640, 368, 0.34, 0.1]),
      work('rtx4090-simulation', ['batch', 'rtx4090', 300, 640, 368, 0.25, 0.08]),
      work('rtxa6000-simulation', ['batch', 'rtxa6000', 380, 400, 248, 0.45, 0.1]),
    ],
  };
}

/** One hall without cooling or losses, nothing in it, limits far away. */
export function bareSnapshot(change: Partial<Snapshot> = {}): Snapshot {
  return {
    at: AT,
    connection: { limitW: 1e9, usableW: 1e9, lossFraction: 0, importW: undefined },
    tariff: { blockW: 0, blockUsdPerMwh: 0 },
    mining: { keptFraction: 1, wakeUsdPerMachine: 0, retuneUsdPerMachine: 0 },
    halls: [bareHall('a')],
    cohorts: [],
    work: [],
    ...change,
  };
}

export const bareHall = (id: string): HallFacts => ({
  id,
  usableW: 1e9,
  cooling: { baseW: 0, marginal: [{ wetBulbC: 0, marginalW: 0 }] },
  fixedW: 0,
  silent: { machines: 0, powerW: 0 },
  wakesPerMinute: 1e6,
});

type StepValues = Partial<Omit<ForecastStep, 'start' | 'durationMs'>>;
const USUAL = { wetBulbC: 18, hashpriceUsdPerPhDay: 40, known: false };

/** A forecast over the usual horizon; `values` gives each step's price and what else is not the usual. */
export const forecastOf = (
  values: (start: number, index: number) => StepValues & { priceUsdPerMwh: number },
): Forecast => ({
  madeAt: AT,
  steps: horizon(AT).map((span, i) => ({ ...span, ...USUAL, ...values(span.start, i) })),
});

/** A short forecast of equal steps with these prices. */
export const shortForecast = (prices: readonly number[], minutes = 15, values: StepValues = {}): Forecast => ({
  madeAt: AT,
  steps: prices.map((priceUsdPerMwh, i) => ({
    ...USUAL,
    ...values,
    start: siteMs(AT + i * minutes * MINUTE),
    durationMs: minutes * MINUTE,
    priceUsdPerMwh,
  })),
});

/** A day with a cheap night and a dear evening, and a little of everything between. */
export const demoForecast = (): Forecast =>
  forecastOf((start, i) => {
    const hour = (start / HOUR) % 24;
    const evening = hour >= 0 && hour < 2 ? 170 : 0;
    return {
      priceUsdPerMwh: 45 + 35 * Math.sin((hour / 24) * 2 * Math.PI) + evening + 7 * Math.sin(i * 1.7),
      wetBulbC: 18 + 5 * Math.sin((hour / 24) * 2 * Math.PI + 1),
      known: i < 3,
    };
  });
