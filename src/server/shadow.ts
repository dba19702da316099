import { createBook, marginOf } from '../books/book.ts';
import type { Flow } from '../books/flow.ts';
import { WORK_LINES } from '../books/flow.ts';
import {
  blockOf,
  leasesHeld,
  type Interval,
  type Plan,
  type PlanStep,
  type Site,
  type SiteClock,
  type SiteMs,
  type Snapshot,
} from '../model/index.ts';
import { hashpriceNow, keptFraction } from './flow.ts';
import type { Markets } from './markets.ts';

/**
 * What the plan would have earned, had it been carried out: kept in a book of its own, by the same rules as the real
 * one. The site is taken to reach each plan's first step at once, and what waking and moving cost is left out: both
 * flatter the plan a little.
 */
export interface ShadowBook {
  look(at: SiteMs, flow: Flow | undefined): void;
  close(now: SiteMs, priceUsdPerMwh: (start: SiteMs) => number | undefined): Interval[];
}

/** A pause longer than this is not bridged: nobody planned in it. */
const GAP_MS = 10 * 60_000;

export function createShadowBook(site: Site): ShadowBook {
  const book = createBook(blockOf(site.tariff));
  let before: { readonly at: SiteMs; readonly importW: number } | undefined;
  let countedWh = 0;
  return {
    look(at, flow) {
      if (before !== undefined && at > before.at && at - before.at <= GAP_MS)
        countedWh += (before.importW * (at - before.at)) / 3_600_000;
      const importW = flow?.planImportW;
      before = importW === undefined ? undefined : { at, importW };
      if (flow === undefined || importW === undefined) return;
      book.counter(at, countedWh, importW);
      book.look(at, flow);
    },
    close: (now, price) => book.close(now, price),
  };
}

const stepAt = (plan: Plan, at: SiteMs): PlanStep | undefined =>
  plan.steps.find(({ start, durationMs }) => start <= at && at < start + durationMs);

/** Rates of the plan's step in force; undefined where it has run out. @param snapshot the one the plan was made from */
export function plannedFlow(
  site: Site,
  snapshot: Snapshot,
  plan: Plan,
  at: SiteMs,
  hashpriceUsdPerPhDay: number | undefined,
): Flow | undefined {
  const step = stepAt(plan, at);
  if (step === undefined) return undefined;
  const phs = plannedThs(snapshot, step) / 1000;
  return {
    lines: {
      mining: {
        powerW: step.linePowerW.mining,
        quantity: phs,
        revenueUsdPerHour:
          hashpriceUsdPerPhDay === undefined ? undefined : (phs * hashpriceUsdPerPhDay * keptFraction(site)) / 24,
        penaltyUsdPerHour: 0,
      },
      ai: plannedWork(site, snapshot, step, 'ai'),
      hpc: plannedWork(site, snapshot, step, 'hpc'),
    },
    leaseCostUsdPerHour: leasesHeld(site, at).reduce((sum, { costUsdPerHour }) => sum + costUsdPerHour, 0),
    planImportW: step.importW,
  };
}

function plannedThs(snapshot: Snapshot, step: PlanStep): number {
  let ths = 0;
  for (const { id, points } of snapshot.cohorts)
    for (const [profile, machines] of Object.entries(step.cohorts[id] ?? {}))
      ths += machines * (points.find((point) => point.profile === profile)?.hashrateThs ?? 0);
  return ths;
}

function plannedWork(site: Site, snapshot: Snapshot, step: PlanStep, line: 'ai' | 'hpc'): Flow['lines']['ai'] {
  const leased = leasesHeld(site, step.start)
    .filter(({ lease }) => lease.line === line)
    .reduce((sum, { revenueUsdPerHour }) => sum + revenueUsdPerHour, 0);
  let quantity = 0;
  let revenueUsdPerHour = leased;
  // What the plan would have used of a curtailment budget is not counted: every unserved hour is taken as owed.
  let penaltyUsdPerHour = 0;
  for (const work of snapshot.work) {
    if (work.line !== line) continue;
    const gpus = step.work[work.id] ?? 0;
    const wanted = Math.min(work.committedGpus, work.runningGpus + work.queuedGpus + work.heldGpus);
    quantity += gpus;
    revenueUsdPerHour += gpus * work.usdPerGpuHour;
    // The step that runs counts on leased chips that are held, and on no proposal.
    const leased = (snapshot.leases ?? [])
      .filter(({ serves }) => serves?.work === work.id)
      .reduce((sum, { id }) => sum + (step.leases?.[id]?.gpus ?? 0), 0);
    penaltyUsdPerHour += Math.max(0, wanted - gpus - leased) * work.penaltyUsdPerGpuHour;
  }
  return { powerW: step.linePowerW[line], quantity, revenueUsdPerHour, penaltyUsdPerHour };
}

/** What a quarter-hour would have earned beside what it did, where both are known. */
export interface ShadowInterval {
  readonly start: SiteMs;
  readonly wouldImportWh: number | undefined;
  readonly wouldMarginMicroUsd: number | undefined;
  readonly wouldRevenueMicroUsd: Readonly<Record<string, number | undefined>>;
}

export const shadowOf = (interval: Interval): ShadowInterval => ({
  start: interval.start,
  wouldImportWh: interval.importWh,
  wouldMarginMicroUsd: marginOf(interval),
  wouldRevenueMicroUsd: Object.fromEntries(
    interval.lines
      .filter(({ line }) => line === 'grid' || WORK_LINES.includes(line))
      .map(({ line, revenue }) => [line, revenue]),
  ),
});

/** What the running step of a plan earns each hour, power at its price; undefined where hash has no price. @param snapshot the one it was made from */
export function rateNow(
  { site, markets, clock }: { readonly site: Site; readonly markets: Markets; readonly clock: SiteClock },
  snapshot: Snapshot,
  plan: Plan,
): number | undefined {
  const step = plan.steps[0];
  const hashprice = hashpriceNow(markets, clock.now());
  const flow = step && plannedFlow(site, snapshot, plan, step.start, hashprice);
  if (step === undefined || flow === undefined) return undefined;
  let usdPerHour = -((step.importW - (step.exportW ?? 0)) / 1e6) * step.priceUsdPerMwh;
  for (const { revenueUsdPerHour, penaltyUsdPerHour } of Object.values(flow.lines)) {
    if (revenueUsdPerHour === undefined) return undefined;
    usdPerHour += revenueUsdPerHour - penaltyUsdPerHour;
  }
  return usdPerHour;
}
