import type { Highs } from 'highs';
import { cpus } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createWarmStart, useBasis, type WarmStart } from '../src/dispatch/basis.ts';
import { cohort, demoSnapshot, forecastOf, S19K } from '../src/dispatch/fixture.ts';
import { loadHighs } from '../src/dispatch/highs.ts';
import { buildLp } from '../src/dispatch/lp.ts';
import { planWith } from '../src/dispatch/plan.ts';
import { pose } from '../src/dispatch/problem.ts';
import { horizon } from '../src/dispatch/steps.ts';
import {
  CATALOGUE,
  type CohortFacts,
  type Forecast,
  HOUR,
  MINUTE,
  type Plan,
  siteMs,
  type Snapshot,
} from '../src/model/index.ts';

const SIZES = [20, 40, 60];
/** Cohorts that share a hall and its breaker. */
const COHORTS_PER_HALL = 4;
/** Warm re-plans that a figure is the median of. */
const WARM_REPLANS = 15;
/** Re-plans before those: a planner that has run for an hour has its code compiled. */
const UNCOUNTED_REPLANS = 12;
/** Re-plans between two looks at the memory. */
const USUAL_REPLANS = 200;
const MODELS = ['antminer-s19k-pro', 'antminer-s19j-pro', 'antminer-s21-xp-hyd'] as const;

const log = (line: string): void => console.error(line);
const round = (value: number, digits = 1): number => Math.round(value * 10 ** digits) / 10 ** digits;
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** The demo site's work, and so many cohorts of its models, four to a hall behind a breaker that holds most of them. */
function siteOf(cohorts: number): Snapshot {
  const demo = demoSnapshot();
  const gpuHall = demo.halls.at(-1)!;
  const miners = Array.from({ length: cohorts }, (_, n): CohortFacts => {
    const model = MODELS[n % MODELS.length]!;
    const found = CATALOGUE.get(model);
    const points = model === 'antminer-s19k-pro' ? S19K : found?.kind === 'asic' ? found.points : [];
    const machines = 300 + 37 * (n % 11);
    const asleep = 20 * (n % 4);
    const one = { ...cohort(`c${n}`, model, machines, points), hallId: `h${Math.floor(n / COHORTS_PER_HALL)}` };
    const [running] = Object.keys(one.now);
    return { ...one, now: { sleep: asleep, [running!]: machines - asleep }, pinned: { sleep: asleep / 4 } };
  });
  const stockW = ({ machines, points, now }: CohortFacts): number =>
    machines * (points.find(({ profile }) => profile in now)?.powerW ?? 0);
  const halls = Array.from({ length: Math.ceil(cohorts / COHORTS_PER_HALL) }, (_, h) => {
    const fullW = miners.filter(({ hallId }) => hallId === `h${h}`).reduce((sum, one) => sum + stockW(one), 0);
    return { ...demo.halls[h % 4]!, id: `h${h}`, usableW: fullW * (0.85 + 0.1 * (h % 3)) };
  });
  const usableW = 0.95 * (halls.reduce((sum, hall) => sum + hall.usableW, 0) + gpuHall.usableW);
  return {
    ...demo,
    connection: { ...demo.connection, limitW: usableW / 0.99, usableW },
    tariff: { blockW: 0.7 * usableW, blockUsdPerMwh: 38 },
    halls: [...halls, gpuHall],
    cohorts: miners,
  };
}

/** What is forecast at `at`: a day with a cheap night and a dear evening, each forecast a little off the last one. */
function forecastAt(at: number, replan: number): Forecast {
  const shape = forecastOf((_, i) => ({ priceUsdPerMwh: 0, known: i < 3 })).steps[0]!;
  return {
    madeAt: siteMs(at),
    steps: horizon(siteMs(at)).map((span, i) => {
      const hour = (span.start / HOUR) % 24;
      const day = Math.sin((hour / 24) * 2 * Math.PI);
      const evening = hour < 2 ? 170 : 0;
      const news = 3 * Math.sin(replan * 2.3 + i * 0.11) + 7 * Math.sin((span.start / MINUTE) * 0.11);
      const wetBulbC = 18 + 5 * Math.sin((hour / 24) * 2 * Math.PI + 1);
      return { ...shape, ...span, priceUsdPerMwh: 45 + 35 * day + evening + news, wetBulbC, known: i < 3 };
    }),
  };
}

/** The site five minutes later, where everybody did what the plan's first step said. */
function after(snapshot: Snapshot, { steps: [first] }: Plan): Snapshot {
  return {
    ...snapshot,
    at: siteMs(snapshot.at + 5 * MINUTE),
    cohorts: snapshot.cohorts.map((one) => ({ ...one, now: first!.cohorts[one.id]!, pinned: {} })),
    work: snapshot.work.map((one) => {
      const demandGpus = one.runningGpus + one.queuedGpus;
      return { ...one, runningGpus: first!.work[one.id]!, queuedGpus: demandGpus - first!.work[one.id]! };
    }),
  };
}

interface Bare {
  /** HiGHS by itself: it is handed the matrix and the basis, and runs. */
  readonly ms: number;
  /** Of that its simplex alone. */
  readonly runMs: number;
}

/** The yardstick: HiGHS with the same matrix from the same basis; nothing is built, and nothing made of the answer. */
function bare(highs: Highs, snapshot: Snapshot, forecast: Forecast, warm: WarmStart): Bare {
  const { model, offsetUsd } = buildLp(pose(snapshot, forecast));
  const data = model.data(highs, offsetUsd);
  const started = performance.now();
  return highs.withModel(data, (solver) => {
    solver.options.set({ output_flag: false, solver: 'simplex' });
    useBasis(highs, warm, model, solver);
    const ready = performance.now();
    solver.run();
    const ended = performance.now();
    return { ms: ended - started, runMs: ended - ready };
  });
}

function timed(highs: Highs, snapshot: Snapshot, forecast: Forecast, warm?: WarmStart): { plan: Plan; ms: number } {
  const started = performance.now();
  const plan = planWith(highs, snapshot, forecast, warm === undefined ? {} : { warm });
  return { plan, ms: performance.now() - started };
}

function measured(highs: Highs, cohorts: number): Record<string, unknown> {
  let snapshot = siteOf(cohorts);
  let forecast = forecastAt(snapshot.at, 0);
  const { model } = buildLp(pose(snapshot, forecast));
  // The first run of all compiles the code; what is asked for is a cold start of the solver.
  timed(highs, snapshot, forecast);
  const colds = Array.from({ length: 3 }, () => timed(highs, snapshot, forecast).ms);
  const warm = createWarmStart();
  let { plan } = timed(highs, snapshot, forecast, warm);
  const warms: number[] = [];
  const bares: Bare[] = [];
  for (let replan = 1; replan <= UNCOUNTED_REPLANS + WARM_REPLANS; replan += 1) {
    snapshot = after(snapshot, plan);
    forecast = forecastAt(snapshot.at, replan);
    const alone = bare(highs, snapshot, forecast, warm);
    const again = timed(highs, snapshot, forecast, warm);
    plan = again.plan;
    if (plan.status !== 'optimal') throw new Error(`re-plan ${replan} of ${cohorts} cohorts is ${plan.status}`);
    if (replan <= UNCOUNTED_REPLANS) continue;
    bares.push(alone);
    warms.push(again.ms);
  }
  const warmMs = median(warms);
  const bareWarmMs = median(bares.map(({ ms }) => ms));
  const simplexMs = median(bares.map(({ runMs }) => runMs));
  log(
    `${cohorts} cohorts: cold ${round(median(colds))} ms, warm ${round(warmMs)} ms, bare ${round(bareWarmMs)} ms, of it simplex ${round(simplexMs)} ms`,
  );
  const three = threeScenarios(highs, snapshot, forecast);
  return {
    cohorts,
    steps: forecast.steps.length,
    columns: model.columns().seriesOf.length,
    rows: model.rows().seriesOf.length,
    coldMs: round(median(colds)),
    warmMs: round(warmMs),
    bareWarmMs: round(bareWarmMs),
    ratio: round(warmMs / bareWarmMs, 2),
    simplexMs: round(simplexMs),
    ratioToSimplex: round(warmMs / simplexMs, 2),
    threeScenarios: three,
  };
}

/** The same site planned on three ways prices may go: from nothing, and again from that basis. */
function threeScenarios(highs: Highs, snapshot: Snapshot, forecast: Forecast): Record<string, number> {
  const apart = (usdPerMwh: number) => ({
    probability: 0.3,
    forecast: {
      ...forecast,
      steps: forecast.steps.map((step) =>
        step.known ? step : { ...step, priceUsdPerMwh: step.priceUsdPerMwh + usdPerMwh },
      ),
    },
  });
  const scenarios = [apart(-15), apart(25)];
  const warm = createWarmStart();
  const ms = (options: { warm?: WarmStart }): number => {
    const started = performance.now();
    planWith(highs, snapshot, forecast, { ...options, scenarios });
    return round(performance.now() - started);
  };
  return { coldMs: ms({ warm }), warmMs: median([ms({ warm }), ms({ warm }), ms({ warm })]) };
}

interface Memory {
  readonly heapMb: number;
  readonly rssMb: number;
}

/** Node hides it unless a flag asks, and without it the heap is whatever was not yet worth collecting. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
const collect = collector();

function memory(): Memory {
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapMb: round(heapUsed / 1e6), rssMb: round(rss / 1e6) };
}

/** Memory while a site of the smallest size is planned again and again; flat after the first plans, or something leaks. */
function memoryOver(highs: Highs, replans: number): Record<string, unknown> {
  const warm = createWarmStart();
  let snapshot = siteOf(SIZES[0]!);
  let before: Memory | undefined;
  const warmUp = Math.min(20, replans);
  for (let replan = -warmUp; replan < replans; replan += 1) {
    if (replan === 0) before = memory();
    const { plan } = timed(highs, snapshot, forecastAt(snapshot.at, replan), warm);
    snapshot = after(snapshot, plan);
    if (replan > 0 && replan % 100 === 0) log(`${replan} re-plans: ${JSON.stringify(memory())}`);
  }
  return { replans, before, after: memory() };
}

/**
 * Planning of 20, 40 and 60 cohorts over a day: from nothing, and five minutes later from the last basis, beside HiGHS
 * alone on the same matrix from the same basis; then the memory over many re-plans (`--replans N`).
 * @throws Error where a plan is not optimal, or N is not a count.
 */
export async function planBench(args: readonly string[]): Promise<Record<string, unknown>> {
  const at = args.indexOf('--replans');
  const replans = at < 0 ? USUAL_REPLANS : Number(args[at + 1]);
  if (!Number.isInteger(replans) || replans < 1) throw new Error('--replans wants a count');
  const highs = await loadHighs();
  const cases = SIZES.map((cohorts) => measured(highs, cohorts));
  return { cores: cpus().length, warmReplans: WARM_REPLANS, cases, memory: memoryOver(highs, replans) };
}
