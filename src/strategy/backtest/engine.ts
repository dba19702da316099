import {
  availabilityFacts,
  MINUTE,
  QUARTER,
  siteMs,
  type AvailabilityFacts,
  type CurtailmentFacts,
  type DemandFacts,
  type SiteMs,
} from '../../model/index.ts';
import { demandedAt, snapshotAt, wantedAt, type Running, type SiteCase, type Wanted } from './facts.ts';
import type { Snapshot } from '../../model/index.ts';
import { createLedger, monthCalendar, sharesWithin, type Ledger, type Load, type Month } from './ledger.ts';
import type { Conditions, Truth } from './truth.ts';
import { breakEvenOf, fillUp } from './yardsticks.ts';

/** Length of a step: decisions are made by the quarter-hour, as power is settled. */
export const STEP_MS = QUARTER;

/** The site at the start of a step, as whoever decides finds it. */
export interface Now {
  readonly at: SiteMs;
  readonly before: Running;
  /** Weather and network as they are, and the price of the quarter-hour that begins: all three can be known at its start. */
  readonly conditions: Conditions;
  readonly wanted: readonly Wanted[];
  readonly usdPerGpuHour: readonly number[];
  /** For a planner. */
  snapshot(): Snapshot;
}

export interface Decided {
  readonly running: Running;
  /** What a MWh was taken to cost besides its price, because of a likely coincident peak; absent: nothing. */
  readonly peakUsdPerMwh?: number;
}

export type Decide = (now: Now) => Decided;

/** Money of one step, as far as it tells where a policy earns. */
export interface StepMoney {
  readonly priceUsdPerMwh: number;
  /** What the decision took a MWh to cost besides its price. */
  readonly peakUsdPerMwh: number;
  /** What mining brought, less energy. */
  readonly marginUsd: number;
}

/** A policy's way through a period. */
export interface Walk {
  readonly ledger: Ledger;
  /** By quarter-hour. */
  readonly steps: readonly StepMoney[];
  /** Hours slept because of a likely peak, weighed as `Outcome.curtailedHours` is. */
  readonly peakCurtailedHours: number;
}

export interface Walking {
  readonly facts: SiteCase;
  readonly truth: Truth;
  /** Start of a quarter-hour. */
  readonly from: SiteMs;
  readonly to: SiteMs;
  /** Told of each step as it was booked. */
  readonly onStep?: ((at: SiteMs, running: Running, load: Load) => void) | undefined;
  /** Share of the period that is done, 0 to 1, once a day. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/**
 * Walks a policy through a period: every quarter-hour it decides, what it decided is carried out, and money is booked on the price and
 * weather that really came. All machines run what fits as the period begins, so that no policy starts with a wake to pay.
 * @throws Error where the history lacks a price or what hash is worth
 */
export async function walk({ facts, truth, from, to, onStep, onProgress }: Walking, decide: Decide): Promise<Walk> {
  const shareOf = sharesWithin(from, to);
  const ledger = createLedger(facts, { ...truth, shareOf });
  const dwell = createDwell(facts);
  const monthOf = monthCalendar(facts.site);
  const coincidentUsdPerMw = truth.peaks.length > 0 ? truth.coincidentUsdPerMw : undefined;
  let signed = wantedAt(facts, from);
  let wanted = demandedAt(facts, signed, truth.wanted, from);
  let running = fillUp(facts, truth.at(from), wanted, truth.usdPerGpuHour(from));
  let importW: number | undefined;
  let peakCurtailedHours = 0;
  const steps: StepMoney[] = [];
  const stepHours = STEP_MS / (60 * MINUTE);
  for (let t = from; t < to; t = siteMs(t + STEP_MS)) {
    const at = t;
    const before = running;
    const conditions = truth.at(at);
    const usdPerGpuHour = truth.usdPerGpuHour(at);
    // Contracts begin and end at midnight; midnights of all time zones are whole quarter-hours, and most are whole hours.
    if ((at - from) % (60 * MINUTE) === 0) signed = wantedAt(facts, at);
    wanted = demandedAt(facts, signed, truth.wanted, at);
    const askedFor = wanted;
    const feederW = importW;
    const decided = decide({
      at,
      before,
      conditions,
      wanted: askedFor,
      usdPerGpuHour,
      snapshot: () =>
        snapshotAt(facts, {
          at,
          running: before,
          pinned: dwell.pinned(at, before),
          importW: feederW,
          demand: demandAt(facts, ledger, at, monthOf(at), shareOf(monthOf(at))),
          coincidentUsdPerMw,
          wanted: askedFor,
          deadlines: ledger.deadlines(at),
          curtailment: curtailmentAt(askedFor, ledger, at, monthOf(at).end),
          availability: availabilityFactsAt(facts, askedFor, ledger, at),
          usdPerGpuHour,
        }),
    });
    running = decided.running;
    const curtailed = curtailedShare(facts, conditions, decided, fillUp(facts, conditions, wanted, usdPerGpuHour));
    const load = ledger.book({
      start: at,
      durationMs: STEP_MS,
      before,
      running,
      conditions,
      wanted,
      usdPerGpuHour,
      curtailedHours: curtailed.share * stepHours,
    });
    peakCurtailedHours += curtailed.byPeak * stepHours;
    const { peakUsdPerMwh = 0 } = decided;
    steps.push({ priceUsdPerMwh: conditions.priceUsdPerMwh, peakUsdPerMwh, marginUsd: load.marginUsd });
    importW = load.importW;
    dwell.moved(at, before, running);
    onStep?.(at, running, load);
    if ((at - from) % (24 * 60 * MINUTE) !== 0) continue;
    onProgress?.((at - from) / (to - from));
    // A year takes minutes: who waits for it may want to print, or to end it.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { ledger, steps, peakCurtailedHours };
}

function curtailmentAt(
  wanted: readonly Wanted[],
  ledger: Ledger,
  at: SiteMs,
  monthEndsAt: SiteMs,
): (CurtailmentFacts | undefined)[] {
  const unserved = ledger.unservedGpuHours(at);
  return wanted.map(({ curtailableGpuHoursPerMonth: gpuHoursPerMonth }, i) =>
    gpuHoursPerMonth === undefined
      ? undefined
      : { gpuHoursPerMonth, leftGpuHours: Math.max(0, gpuHoursPerMonth - unserved[i]!), monthEndsAt },
  );
}

function availabilityFactsAt(
  { site: { timezone } }: SiteCase,
  wanted: readonly Wanted[],
  ledger: Ledger,
  at: SiteMs,
): (AvailabilityFacts | undefined)[] {
  if (wanted.every(({ availability }) => availability === undefined)) return wanted.map(() => undefined);
  const unserved = ledger.unservedGpuHours(at);
  return wanted.map(({ availability }, i) =>
    // Of a period that is walked step by step all is known.
    availabilityFacts(timezone, availability, at, (from) => ({ ms: at - from, unservedGpuHours: unserved[i]! })),
  );
}

function demandAt(
  { site }: SiteCase,
  ledger: Ledger,
  at: SiteMs,
  { end: monthEndsAt }: Month,
  share: number,
): DemandFacts | undefined {
  const { demand } = site.charges;
  if (demand === undefined) return undefined;
  return {
    usdPerMw: demand.usdPerKwMonth * 1000 * share,
    intervalMs: demand.intervalMinutes * MINUTE,
    billedW: ledger.billedW(at),
    monthEndsAt,
    runningWh: ledger.runningWh(at),
  };
}

/** Machines of a cohort that run, in whatever mode. */
const awakeOf = (running: Running, id: string): number =>
  Object.entries(running.cohorts[id]!).reduce((sum, [key, machines]) => sum + (key === 'sleep' ? 0 : machines), 0);

/** Of the miners that could run, by their power at stock: the share asleep, and the share that a likely peak sent there. */
function curtailedShare(
  facts: SiteCase,
  conditions: Conditions,
  { running, peakUsdPerMwh = 0 }: Decided,
  couldRun: Running,
): { share: number; byPeak: number } {
  let couldW = 0;
  let runsW = 0;
  let byPeakW = 0;
  for (const cohort of facts.cohorts) {
    const could = awakeOf(couldRun, cohort.id);
    const runs = awakeOf(running, cohort.id);
    couldW += could * cohort.stock.powerW;
    runsW += runs * cohort.stock.powerW;
    const breakEven = breakEvenOf(facts, cohort, conditions);
    const { priceUsdPerMwh } = conditions;
    if (priceUsdPerMwh >= breakEven || priceUsdPerMwh + peakUsdPerMwh < breakEven) continue;
    byPeakW += Math.max(0, could - runs) * cohort.stock.powerW;
  }
  if (couldW === 0) return { share: 0, byPeak: 0 };
  const share = Math.max(0, couldW - runsW) / couldW;
  return { share, byPeak: Math.min(share, byPeakW / couldW) };
}

/** Which machines a minimum time keeps where they are. */
function createDwell({ site, cohorts }: SiteCase) {
  const onMs = site.mining.minimumOnMinutes * MINUTE;
  const offMs = site.mining.minimumOffMinutes * MINUTE;
  const keeps = Math.max(onMs, offMs);
  const moves = new Map<string, { at: SiteMs; asleep: number }[]>();
  return {
    moved(at: SiteMs, before: Running, running: Running): void {
      for (const { id } of cohorts) {
        const asleep = (running.cohorts[id]!['sleep'] ?? 0) - (before.cohorts[id]!['sleep'] ?? 0);
        const recent = (moves.get(id) ?? []).filter((move) => at - move.at < keeps);
        moves.set(id, asleep === 0 ? recent : [...recent, { at, asleep }]);
      }
    },
    pinned(at: SiteMs, running: Running): Record<string, Record<string, number>> {
      const pinned: Record<string, Record<string, number>> = {};
      for (const { id, points } of cohorts) {
        const now = running.cohorts[id]!;
        const kept: Record<string, number> = {};
        let woken = 0;
        let slept = 0;
        for (const move of moves.get(id) ?? []) {
          if (move.asleep > 0 && at - move.at < offMs) slept += move.asleep;
          if (move.asleep < 0 && at - move.at < onMs) woken -= move.asleep;
        }
        if (slept > 0) kept['sleep'] = Math.min(slept, now['sleep'] ?? 0);
        for (const { profile } of points.toReversed()) {
          const here = Math.min(woken, now[profile] ?? 0);
          if (here > 0) kept[profile] = here;
          woken -= here;
        }
        pinned[id] = kept;
      }
      return pinned;
    },
  };
}
