import { z } from 'zod';
import {
  HOUR,
  MINUTE,
  QUARTER,
  quarterStart,
  siteMs,
  toMicroUsd,
  type Interval,
  type IntervalLine,
  type SiteMs,
} from '../model/index.ts';
import { WORK_LINES, type Flow, type WorkLine } from './flow.ts';
import { settle, type BlockTariff } from './tariff.ts';

/** Longest span between two looks that still counts as observed. */
const GAP_MS = 5 * MINUTE;
/** How long after its end an interval waits for a meter that is silent. */
const PATIENCE_MS = 10 * MINUTE;

const lineSum = z.object({
  energyWh: z.number(),
  revenueUsd: z.number(),
  quantityHours: z.number(),
  penaltyUsd: z.number(),
  /** Observed time for which each rate was known. */
  powerMs: z.number(),
  revenueMs: z.number(),
});
const servedSum = z.object({ gpuHours: z.number(), unservedGpuHours: z.number() });
const wantedSum = z.object({ gpuMs: z.number(), ms: z.number() });
const quarterSum = z.object({
  observedMs: z.number(),
  lines: z.object({ mining: lineSum, ai: lineSum, hpc: lineSum }),
  leaseCostUsd: z.number(),
  planWh: z.number(),
  planMs: z.number(),
  wakes: z.number(),
  /** By class of work; absent in a checkpoint of a release that did not count it. */
  served: z.record(z.string(), servedSum).default({}),
  wanted: z.record(z.string(), wantedSum).default({}),
});
const counterReading = z.object({ at: z.number(), importWh: z.number(), powerW: z.number().optional() });
const state = z.object({
  quarters: z.array(z.tuple([z.number(), quarterSum])),
  counters: z.array(counterReading),
  next: z.number().optional(),
});

type QuarterSum = z.infer<typeof quarterSum>;
type CounterReading = z.infer<typeof counterReading>;

const emptyLine = () => ({ energyWh: 0, revenueUsd: 0, quantityHours: 0, penaltyUsd: 0, powerMs: 0, revenueMs: 0 });
const emptyQuarter = (): QuarterSum => ({
  observedMs: 0,
  lines: { mining: emptyLine(), ai: emptyLine(), hpc: emptyLine() },
  leaseCostUsd: 0,
  planWh: 0,
  planMs: 0,
  wakes: 0,
  served: {},
  wanted: {},
});

/**
 * Turns what flows into quarter-hours of the books. Energy comes from the meter's counter, cut at the quarter
 * by interpolation between the readings around it, so that a pause of ours loses no energy; what only we could have
 * seen in that pause (hash, GPU-hours) is missing, and the interval's coverage says so.
 */
export interface Book {
  /** A reading of the connection's import counter. */
  counter(at: SiteMs, importWh: number, powerW: number | undefined): void;
  /** What flows from now on; what flowed since the last look is added up. */
  look(at: SiteMs, flow: Flow): void;
  woke(at: SiteMs, machines: number): void;
  /** Closed intervals that can be booked, oldest first; each is handed out once. */
  close(now: SiteMs, priceUsdPerMwh: (start: SiteMs) => number | undefined): Interval[];
  /** Metered since a moment of the interval that runs, up to the newest reading; undefined where the counter does not tell. */
  metered(from: SiteMs): number | undefined;
  /** The tariff changed; intervals not yet closed are settled by the new one. */
  retariff(tariff: BlockTariff): void;
  /** What was seen of a class of work in quarter-hours not yet booked. */
  unbooked(workClass: string): readonly UnbookedQuarter[];
  /** Everything not yet booked, to be restored after a crash. */
  checkpoint(): string;
}

export interface UnbookedQuarter {
  readonly start: SiteMs;
  readonly observedMs: number;
  /** Undefined where nothing was counted. */
  readonly served: { readonly gpuHours: number; readonly unservedGpuHours: number } | undefined;
}

export function createBook(initial: BlockTariff, saved?: string, lastBooked?: SiteMs): Book {
  let tariff = initial;
  const restored = saved === undefined ? undefined : state.parse(JSON.parse(saved));
  const quarters = new Map<number, QuarterSum>(restored?.quarters);
  let counters: CounterReading[] = restored?.counters ?? [];
  let next: number | undefined = lastBooked === undefined ? restored?.next : lastBooked + QUARTER;
  let before: { at: SiteMs; flow: Flow } | undefined;

  const quarter = (start: number): QuarterSum => {
    const sum = quarters.get(start) ?? emptyQuarter();
    quarters.set(start, sum);
    return sum;
  };

  return {
    counter(at, importWh, powerW) {
      const last = counters.at(-1);
      if (last !== undefined && at <= last.at) return;
      counters.push({ at, importWh, ...(powerW === undefined ? {} : { powerW }) });
      next ??= quarterStart(at);
    },
    look(at, flow) {
      next ??= quarterStart(at);
      const from = before;
      before = { at, flow };
      if (from === undefined || at <= from.at || at - from.at > GAP_MS) return;
      for (let t: number = from.at; t < at;) {
        const start = quarterStart(siteMs(t));
        const end = Math.min(at, start + QUARTER);
        add(quarter(start), from.flow, end - t);
        t = end;
      }
    },
    woke(at, machines) {
      quarter(quarterStart(at)).wakes += machines;
    },
    close(now, price) {
      const closed: Interval[] = [];
      while (next !== undefined && now >= next + QUARTER) {
        const end = next + QUARTER;
        const newest = counters.at(-1);
        const waiting = newest === undefined || newest.at < end;
        if (waiting && now < end + PATIENCE_MS) break;
        const start = siteMs(next);
        closed.push(toInterval(start, quarters.get(next) ?? emptyQuarter(), counters, tariff, price(start)));
        quarters.delete(next);
        next = end;
        // The last reading before the new start is still needed to cut there.
        const keep = counters.findLastIndex((reading) => reading.at <= end);
        if (keep > 0) counters = counters.slice(keep);
      }
      return closed;
    },
    metered(from) {
      const newest = counters.at(-1);
      return newest === undefined || newest.at < from ? undefined : importBetween(counters, from, newest.at);
    },
    unbooked: (workClass) =>
      [...quarters].map(([start, { observedMs, served }]) => ({
        start: siteMs(start),
        observedMs,
        served: served[workClass],
      })),
    retariff(next) {
      tariff = next;
    },
    checkpoint: () => JSON.stringify({ quarters: [...quarters], counters: thin(counters, next), next }),
  };
}

/** A checkpoint needs the readings around the next cut and the newest one, not every second between. */
function thin(counters: readonly CounterReading[], next: number | undefined): CounterReading[] {
  if (counters.length <= 4) return [...counters];
  const cut = counters.findIndex((reading) => next !== undefined && reading.at > next);
  const around = new Set([0, Math.max(0, cut - 1), Math.max(0, cut), counters.length - 1]);
  return counters.filter((_, i) => around.has(i));
}

function add(sum: QuarterSum, flow: Flow, ms: number): void {
  const hours = ms / HOUR;
  sum.observedMs += ms;
  sum.leaseCostUsd += flow.leaseCostUsdPerHour * hours;
  if (flow.planImportW !== undefined) {
    sum.planWh += flow.planImportW * hours;
    sum.planMs += ms;
  }
  for (const [workClass, { gpus, unservedGpus }] of Object.entries(flow.served ?? {})) {
    const into = (sum.served[workClass] ??= { gpuHours: 0, unservedGpuHours: 0 });
    into.gpuHours += gpus * hours;
    into.unservedGpuHours += unservedGpus * hours;
  }
  for (const [workClass, gpus] of Object.entries(flow.wanted ?? {})) {
    const into = (sum.wanted[workClass] ??= { gpuMs: 0, ms: 0 });
    into.gpuMs += gpus * ms;
    into.ms += ms;
  }
  for (const line of WORK_LINES) {
    const into = sum.lines[line];
    const { powerW, revenueUsdPerHour, quantity, penaltyUsdPerHour } = flow.lines[line];
    into.penaltyUsd += penaltyUsdPerHour * hours;
    if (powerW !== undefined) {
      into.energyWh += powerW * hours;
      into.powerMs += ms;
    }
    if (revenueUsdPerHour !== undefined && quantity !== undefined) {
      into.revenueUsd += revenueUsdPerHour * hours;
      into.quantityHours += quantity * hours;
      into.revenueMs += ms;
    }
  }
}

/**
 * The counter at a moment, by interpolation; `exact` is false where the readings around it are far apart. Just
 * before the first reading ever it is drawn back by the power read with it.
 */
function counterAt(counters: readonly CounterReading[], t: number): { wh: number; exact: boolean } | undefined {
  const after = counters.findIndex((reading) => reading.at >= t);
  const right = counters[after];
  if (right === undefined) return undefined;
  if (right.at === t) return { wh: right.importWh, exact: true };
  const left = counters[after - 1];
  if (left === undefined) {
    if (right.powerW === undefined || right.at - t > GAP_MS) return undefined;
    return { wh: right.importWh - (right.powerW * (right.at - t)) / HOUR, exact: true };
  }
  // A counter that went back was reset or replaced: what lies between is unknown.
  if (right.importWh < left.importWh) return undefined;
  const share = (t - left.at) / (right.at - left.at);
  return { wh: left.importWh + share * (right.importWh - left.importWh), exact: right.at - left.at <= GAP_MS };
}

/** Metered import between two moments; undefined when the counter was reset inside, or does not reach. */
export function importBetween(counters: readonly CounterReading[], from: number, to: number): number | undefined {
  const first = counterAt(counters, from);
  const last = counterAt(counters, to);
  if (first === undefined || last === undefined) return undefined;
  const inside = counters.filter((reading) => reading.at > from && reading.at < to);
  const path = [first.wh, ...inside.map((reading) => reading.importWh), last.wh];
  return path.every((wh, i) => i === 0 || wh >= path[i - 1]!) ? last.wh - first.wh : undefined;
}

function toInterval(
  start: SiteMs,
  sum: QuarterSum,
  counters: readonly CounterReading[],
  tariff: BlockTariff,
  price: number | undefined,
): Interval {
  const importWh = importBetween(counters, start, start + QUARTER);
  const settled =
    importWh === undefined || price === undefined ? undefined : settle(tariff, importWh, QUARTER / HOUR, price);
  const lines: IntervalLine[] = WORK_LINES.map((line) => workLine(line, sum));
  lines.push({
    line: 'grid',
    energyWh: settled === undefined ? undefined : settled.soldMwh * 1e6,
    revenue: settled?.gridRevenue,
    quantity: settled?.soldMwh,
    quantityUnit: 'MWh',
    penalty: 0,
  });
  const served = Object.entries(sum.served).map(([workClass, hours]) => ({ workClass, ...hours }));
  const wanted = Object.entries(sum.wanted).map(([workClass, { gpuMs, ms }]) => ({
    workClass,
    gpus: gpuMs / ms,
    coverage: Math.min(1, ms / QUARTER),
  }));
  const attributed = WORK_LINES.map((line) => (sum.lines[line].powerMs > 0 ? sum.lines[line].energyWh : undefined));
  const known = importWh !== undefined && sum.observedMs >= 0.9 * QUARTER && attributed.every((wh) => wh !== undefined);
  return {
    start,
    durationMs: QUARTER,
    importWh,
    coverage: Math.min(1, sum.observedMs / QUARTER),
    priceUsdPerMwh: price,
    lines,
    unattributedWh: known ? importWh - attributed.reduce((total, wh) => total + (wh ?? 0), 0) : undefined,
    energyCost: settled?.energyCost,
    leaseCost: toMicroUsd(sum.leaseCostUsd),
    planImportWh: sum.planMs > 0 ? (sum.planWh * QUARTER) / sum.planMs : undefined,
    wakes: sum.wakes,
    ...(served.length === 0 ? {} : { served }),
    ...(wanted.length === 0 ? {} : { wanted }),
  };
}

function workLine(line: WorkLine, sum: QuarterSum): IntervalLine {
  const { energyWh, revenueUsd, quantityHours, penaltyUsd, powerMs, revenueMs } = sum.lines[line];
  return {
    line,
    energyWh: powerMs > 0 ? energyWh : undefined,
    revenue: revenueMs > 0 ? toMicroUsd(revenueUsd) : undefined,
    quantity: revenueMs > 0 ? quantityHours : undefined,
    quantityUnit: line === 'mining' ? 'PHh' : 'GPUh',
    penalty: toMicroUsd(penaltyUsd),
  };
}

/** Revenue less energy, leases and penalties; undefined while any part of it is. */
export function marginOf(interval: Interval): number | undefined {
  if (interval.energyCost === undefined) return undefined;
  let margin = -interval.energyCost - interval.leaseCost;
  for (const line of interval.lines) {
    if (line.revenue === undefined) return undefined;
    margin += line.revenue - line.penalty;
  }
  return margin;
}
