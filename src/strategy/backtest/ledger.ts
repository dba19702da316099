import { hallLoadW, undecidedW } from '../../dispatch/problem.ts';
import { usdPerThHour } from '../../dispatch/economics.ts';
import {
  availabilityCredits,
  availabilityMonth,
  creditUsd,
  plannedInterruptUsdPerGpu,
  averagePerW,
  blockOf,
  coolingCurve,
  deadlineTermAt,
  HOUR,
  MINUTE,
  monthEnd,
  monthStart,
  siteMs,
  type AvailabilityCredit,
  type DeadlineFacts,
  type Site,
  type SiteMs,
} from '../../model/index.ts';
import { sumOverGpus, type Running, type SiteCase, type Wanted } from './facts.ts';
import type { Conditions, PeakHour } from './truth.ts';
import { OUTCOME_FIGURES, type Outcome } from './types.ts';

/** Power and hash of a step as it was carried out, in the weather there was. */
export interface Load {
  readonly importW: number;
  readonly hallW: readonly number[];
  /** What miners drew of `importW`, cooling and losses with it. */
  readonly miningW: number;
  readonly hashrateThs: number;
}

/** A load with its money: what mining brought less what all energy of the step cost, in $. */
export interface Booked extends Load {
  readonly marginUsd: number;
}

/** @throws Error for a mode no point of its cohort describes. */
export function loadOf(facts: SiteCase, running: Running, wetBulbC: number): Load {
  const itW = facts.halls.map(() => 0);
  let hashrateThs = 0;
  for (const cohort of facts.cohorts) {
    for (const [key, machines] of Object.entries(running.cohorts[cohort.id]!)) {
      if (machines === 0) continue;
      const point = key === 'sleep' ? undefined : cohort.points.find(({ profile }) => profile === key);
      if (key !== 'sleep' && point === undefined) throw new Error(`${cohort.id} has no operating point ${key}`);
      itW[cohort.hall]! += machines * (point?.powerW ?? cohort.sleepW);
      hashrateThs += machines * (point?.hashrateThs ?? 0);
    }
  }
  const minersItW = [...itW];
  for (const work of facts.work) itW[work.hall]! += sumOverGpus(work, running, ({ marginalW }) => marginalW);
  const cooling = facts.halls.map((hall) => coolingCurve(hall.cooling, wetBulbC));
  const hallW = facts.halls.map((hall, h) => hallLoadW(hall, cooling[h]!, itW[h]!));
  // Whoever is in a hall bears its cooling alike.
  const minersW = minersItW.reduce(
    (sum, watts, h) => sum + watts * (1 + averagePerW(cooling[h]!, undecidedW(facts.halls[h]!) + itW[h]!)),
    0,
  );
  const withLosses = 1 + facts.lossFraction;
  return {
    importW: hallW.reduce((sum, watts) => sum + watts, 0) * withLosses,
    hallW,
    miningW: minersW * withLosses,
    hashrateThs,
  };
}

/** One realised step. */
export interface Step {
  readonly start: SiteMs;
  readonly durationMs: number;
  readonly before: Running;
  readonly running: Running;
  readonly conditions: Conditions;
  readonly wanted: readonly Wanted[];
  readonly usdPerGpuHour: readonly number[];
  readonly curtailedHours: number;
}

type Figure = Exclude<(typeof OUTCOME_FIGURES)[number], 'profitUsd'>;
const FIGURES = OUTCOME_FIGURES.filter((name): name is Figure => name !== 'profitUsd');
type Sums = Record<Figure, number>;
const noSums = (): Sums => Object.fromEntries(FIGURES.map((name) => [name, 0])) as Sums;

const profitOf = (sums: Sums): number =>
  sums.miningUsd +
  sums.workUsd -
  sums.energyUsd -
  sums.penaltyUsd -
  sums.interruptUsd -
  sums.wakeUsd -
  sums.retuneUsd -
  sums.demandUsd -
  sums.coincidentUsd;

/** Money of one policy over a period, by calendar month. */
export interface Ledger {
  /** @returns the step's load and money, as they were booked */
  book(step: Step): Booked;
  /** Highest average of a whole or running tariff interval of the month of `t` so far, or its ratchet, in W. */
  billedW(t: SiteMs): number;
  /** Imported since the running tariff interval began, in Wh. */
  runningWh(t: SiteMs): number;
  /** Reserved GPU-hours of the month of `t` that went unserved so far, by class of work. */
  unservedGpuHours(t: SiteMs): readonly number[];
  /** What is to be done by deadlines, by class of work; undefined where none runs, or it began before the first step. */
  deadlines(t: SiteMs): readonly (DeadlineFacts | undefined)[];
  /** Mean import over an hour that was booked, in MW. */
  importMw(hour: SiteMs): number;
  miningMw(hour: SiteMs): number;
  outcome(): Outcome;
  /** Profit in $ by start of month, charges of the month in it. */
  monthsUsd(): ReadonlyMap<SiteMs, number>;
}

/** What a ledger has to know of the charges. */
export interface Charges {
  readonly peaks: readonly PeakHour[];
  readonly coincidentUsdPerMw: number;
  /** Of a calendar month, how much lies within the period: so much of its demand charge is its own. */
  shareOf(month: Month): number;
}

/** Shares of calendar months in a period, `to` excluded. */
export const sharesWithin =
  (from: SiteMs, to: SiteMs) =>
  ({ start, end }: Month): number =>
    Math.max(0, Math.min(to, end) - Math.max(from, start)) / (end - start);

/**
 * Books realised steps. The demand charge falls due for each calendar month, on the highest average of a tariff interval, and of a month that the
 * period holds in part for that part; a coincident peak on the mean import of its hour.
 */
export function createLedger(facts: SiteCase, charges: Charges): Ledger {
  const { site } = facts;
  const block = blockOf(site.tariff);
  const { demand } = site.charges;
  const intervalMs = (demand?.intervalMinutes ?? 15) * MINUTE;
  const calendar = monthCalendar(site);
  const monthOf = (t: SiteMs): SiteMs => calendar(t).start;
  const months = new Map<SiteMs, Sums>();
  /** Wh imported by tariff interval, and Wh of import and of miners by hour that may be charged. */
  let interval = { start: Number.NEGATIVE_INFINITY, wh: 0 };
  const unserved = new Map<SiteMs, number[]>();
  /** Of the month that was asked of last, by contract: asking a time zone is slow. */
  const credits = new Map<string, { readonly month: SiteMs; readonly credits: readonly AvailabilityCredit[] }>();
  /** Of the term that runs, by class of work. */
  const done = facts.work.map(() => ({ from: Number.NaN, gpuHours: 0 }));
  let began = Number.POSITIVE_INFINITY;
  const peakW = new Map<SiteMs, number>();
  const hours = new Map<number, { importWh: number; miningWh: number }>(
    charges.peaks.map(({ start }) => [start, { importWh: 0, miningWh: 0 }]),
  );

  const sumsAt = (t: SiteMs): Sums => {
    const month = monthOf(t);
    let sums = months.get(month);
    if (sums === undefined) months.set(month, (sums = noSums()));
    return sums;
  };

  const unservedAt = (t: SiteMs): number[] => {
    const month = monthOf(t);
    let gpuHours = unserved.get(month);
    if (gpuHours === undefined) unserved.set(month, (gpuHours = facts.work.map(() => 0)));
    return gpuHours;
  };

  const deadlineAt = (i: number, t: SiteMs): DeadlineFacts | undefined => {
    const term = deadlineTermAt(facts.work[i]!.config, t);
    // What was done of it before the first step nobody knows.
    if (term === undefined || term.from < Math.min(began, t)) return undefined;
    const gpuHours = done[i]!.from === term.from ? done[i]!.gpuHours : 0;
    const { by, penaltyUsdPerGpuHour } = term;
    return { gpuHours: Math.max(0, term.gpuHours - gpuHours), by, penaltyUsdPerGpuHour };
  };

  /** Work done until the deadline counts; at the deadline what is late is owed for. @param gpus by what they do, a slow one a part of one */
  function bookDeadline(sums: Sums, i: number, { start, durationMs }: Step, gpus: number): void {
    const before = deadlineAt(i, start);
    if (before === undefined) return;
    const { from } = deadlineTermAt(facts.work[i]!.config, start)!;
    if (done[i]!.from !== from) done[i] = { from, gpuHours: 0 };
    done[i]!.gpuHours += (gpus * Math.min(durationMs, before.by - start)) / HOUR;
    if (start + durationMs < before.by) return;
    sums.penaltyUsd += deadlineAt(i, start)!.gpuHours * before.penaltyUsdPerGpuHour;
  }

  /** Of what a month before the period missed of it nobody knows: it is taken for nothing. */
  function creditsAt(
    { availability, curtailableGpuHoursPerMonth = 0 }: Wanted,
    t: SiteMs,
  ): readonly AvailabilityCredit[] {
    if (availability === undefined) return [];
    const known = credits.get(availability.id);
    if (known?.month === monthOf(t)) return known.credits;
    const month = availabilityMonth(availability, t, site.timezone);
    const made = month === undefined ? [] : availabilityCredits(availability, month, curtailableGpuHoursPerMonth);
    credits.set(availability.id, { month: monthOf(t), credits: made });
    return made;
  }

  function bookMoves(sums: Sums, { before, running }: Step): void {
    for (const { id } of facts.cohorts) {
      const was = before.cohorts[id]!;
      const now = running.cohorts[id]!;
      sums.wakes += Math.max(0, (was['sleep'] ?? 0) - (now['sleep'] ?? 0));
      for (const [key, machines] of Object.entries(now)) {
        if (key === 'sleep') continue;
        sums.retuneUsd += Math.max(0, machines - (was[key] ?? 0)) * site.mining.retuneUsdPerMachine;
      }
    }
  }

  function bookWork(sums: Sums, step: Step, stepHours: number): void {
    const { start, before, running, wanted, usdPerGpuHour } = step;
    const soFar = unservedAt(start);
    for (const [i, work] of facts.work.entries()) {
      const { id, config } = work;
      const gpus = running.gpus[id]!;
      const { committedGpus, demandGpus, penaltyUsdPerGpuHour, curtailableGpuHoursPerMonth = 0 } = wanted[i]!;
      const owed = creditsAt(wanted[i]!, start);
      bookDeadline(
        sums,
        i,
        step,
        sumOverGpus(work, running, ({ throughput }) => throughput),
      );
      sums.gpuHours += gpus * stepHours;
      sums.workUsd += sumOverGpus(work, running, ({ paid }) => paid) * stepHours * usdPerGpuHour[i]!;
      const serving = sumOverGpus(work, running, ({ serves }) => Number(serves));
      const short = Math.max(0, Math.min(committedGpus, demandGpus) - serving) * stepHours;
      const already = soFar[i]!;
      soFar[i] = already + short;
      const over = (gpuHours: number): number => Math.max(0, gpuHours - curtailableGpuHoursPerMonth);
      sums.penaltyUsd += (over(soFar[i]) - over(already)) * penaltyUsdPerGpuHour;
      sums.penaltyUsd += creditUsd(owed, soFar[i]) - creditUsd(owed, already);
      // Work nobody wants any more ends by itself.
      const stopped = Math.max(0, Math.min(before.gpus[id]!, demandGpus) - gpus);
      sums.interruptUsd += stopped * plannedInterruptUsdPerGpu(config, usdPerGpuHour[i]!);
    }
  }

  function bookPeaks(start: SiteMs, wh: number, miningWh: number): void {
    const running = Math.floor(start / intervalMs) * intervalMs;
    if (interval.start !== running) interval = { start: running, wh: 0 };
    interval.wh += wh;
    const month = monthOf(siteMs(running));
    const averageW = (interval.wh * HOUR) / intervalMs;
    peakW.set(month, Math.max(peakW.get(month) ?? 0, averageW));
    const hour = hours.get(Math.floor(start / HOUR) * HOUR);
    if (hour === undefined) return;
    hour.importWh += wh;
    hour.miningWh += miningWh;
  }

  const ratchetW = (demand?.ratchetMw ?? 0) * 1e6;
  const billedW = (month: SiteMs): number => Math.max(ratchetW, peakW.get(month) ?? 0);

  /** Sums of each month with its charges in them. */
  function charged(): Map<SiteMs, Sums> {
    const all = new Map([...months].map(([month, sums]) => [month, { ...sums }]));
    for (const [month, sums] of all) {
      sums.demandUsd = (billedW(month) / 1000) * (demand?.usdPerKwMonth ?? 0) * charges.shareOf(calendar(month));
      sums.wakeUsd = sums.wakes * site.mining.wakeUsdPerMachine;
    }
    for (const { month, start } of charges.peaks) {
      const sums = all.get(month);
      if (sums !== undefined) sums.coincidentUsd += (hours.get(start)!.importWh / 1e6) * charges.coincidentUsdPerMw;
    }
    return all;
  }

  return {
    book(step) {
      const { start, conditions } = step;
      const stepHours = step.durationMs / HOUR;
      began = Math.min(began, start);
      const load = loadOf(facts, step.running, conditions.wetBulbC);
      const sums = sumsAt(start);
      const wh = load.importW * stepHours;
      sums.energyMwh += wh / 1e6;
      const energyUsd =
        ((load.importW - block.blockW) * conditions.priceUsdPerMwh + block.blockW * block.blockUsdPerMwh) *
        (stepHours / 1e6);
      const miningUsd =
        load.hashrateThs * stepHours * usdPerThHour(conditions.hashpriceUsdPerPhDay, facts.keptFraction);
      sums.energyUsd += energyUsd;
      sums.hashPhHours += (load.hashrateThs / 1000) * stepHours;
      sums.miningUsd += miningUsd;
      sums.curtailedHours += step.curtailedHours;
      bookMoves(sums, step);
      bookWork(sums, step, stepHours);
      bookPeaks(start, wh, load.miningW * stepHours);
      return { ...load, marginUsd: miningUsd - energyUsd };
    },
    billedW: (t) => billedW(monthOf(t)),
    unservedGpuHours: (t) => unservedAt(t),
    deadlines: (t) => facts.work.map((_, i) => deadlineAt(i, t)),
    runningWh: (t) => (interval.start === Math.floor(t / intervalMs) * intervalMs ? interval.wh : 0),
    importMw: (hour) => (hours.get(hour)?.importWh ?? 0) / 1e6,
    miningMw: (hour) => (hours.get(hour)?.miningWh ?? 0) / 1e6,
    outcome() {
      const total = noSums();
      for (const sums of charged().values()) for (const name of FIGURES) total[name] += sums[name];
      return { profitUsd: profitOf(total), ...total };
    },
    monthsUsd: () => new Map([...charged()].map(([month, sums]) => [month, profitOf(sums)])),
  };
}

/** A calendar month of the site's time zone, `end` excluded. */
export interface Month {
  readonly start: SiteMs;
  readonly end: SiteMs;
}

/** The calendar month of a moment; the last one is kept, as asking a time zone is slow. */
export function monthCalendar({ timezone }: Pick<Site, 'timezone'>): (t: SiteMs) => Month {
  let known: Month | undefined;
  return (t) => {
    if (known === undefined || t < known.start || t >= known.end)
      known = { start: monthStart(t, timezone), end: monthEnd(t, timezone) };
    return known;
  };
}
