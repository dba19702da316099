import { DAY, HOUR, QUARTER, quarterStart, type DemandFacts } from '../model/index.ts';
import { awardsAt } from './awards.ts';
import { callsAt } from './calls.ts';
import type { Problem } from './problem.ts';

/** One interval of the tariff, as far as the horizon reaches into it. */
export interface DemandInterval {
  /** Index into `DemandMonths`. */
  readonly month: number;
  readonly start: number;
  /** Metered before the horizon begins. */
  readonly meteredWh: number;
  /** What is known of it, metered and planned together. */
  readonly hours: number;
  readonly steps: readonly number[];
}

/** A billing month that the horizon touches. */
export interface DemandMonth {
  readonly billedW: number;
  /**
   * $ per MW that the peak rises above what is billed. A higher peak serves the rest of the month, of which the horizon sees a part:
   * it has to earn that part of the charge. On the last day that is all of it.
   */
  readonly usdPerMw: number;
}

export interface Demand {
  readonly months: readonly DemandMonth[];
  readonly intervals: readonly DemandInterval[];
}

/** Of a month that has not begun. */
const MONTH_MS = 30 * DAY;

/** The demand charge over the horizon; undefined where the tariff has none. */
export function demandOf({ snapshot, forecast, steps }: Problem): Demand | undefined {
  const { demand } = snapshot.tariff;
  if (demand === undefined) return undefined;
  const last = forecast.steps.at(-1)!;
  const [from, to] = [forecast.steps[0]!.start, last.start + last.durationMs];
  const end = demand.monthEndsAt;
  const share = (seenMs: number, ofMs: number): number => Math.min(1, Math.max(0, seenMs) / Math.max(1, ofMs));
  const months: DemandMonth[] = [
    { billedW: demand.billedW, usdPerMw: demand.usdPerMw * share(Math.min(to, end) - from, end - from) },
    { billedW: 0, usdPerMw: demand.usdPerMw * share(to - end, MONTH_MS) },
  ];
  const byInterval = Map.groupBy(steps.keys(), (t) => intervalStart(forecast.steps[t]!.start, demand));
  const intervals = [...byInterval].map(([start, inside]): DemandInterval => {
    const elapsedHours = Math.max(0, from - start) / HOUR;
    const meteredWh = elapsedHours === 0 ? 0 : (demand.runningWh ?? demand.billedW * elapsedHours);
    const planned = inside.reduce((sum, t) => sum + steps[t]!.hours, 0);
    return { month: start < end ? 0 : 1, start, meteredWh, hours: elapsedHours + planned, steps: inside };
  });
  return { months, intervals };
}

const intervalStart = (t: number, { intervalMs }: DemandFacts): number => Math.floor(t / intervalMs) * intervalMs;

/** What the horizon adds to the charge when import is `importW` by step, in $. */
export function demandUsd({ months, intervals }: Demand, hours: readonly number[], importW: readonly number[]): number {
  const peaks = months.map(({ billedW }) => billedW);
  for (const interval of intervals) {
    const wh = interval.steps.reduce((sum, t) => sum + hours[t]! * importW[t]!, interval.meteredWh);
    peaks[interval.month] = Math.max(peaks[interval.month]!, wh / interval.hours);
  }
  return months.reduce((sum, { billedW, usdPerMw }, m) => sum + (usdPerMw * (peaks[m]! - billedW)) / 1e6, 0);
}

export interface CoincidentQuarter {
  readonly start: number;
  /** Expected $ for each MW of its average. */
  readonly usdPerMw: number;
  readonly steps: readonly number[];
}

/** Quarter-hours that may turn out to be the system's peak. */
export function coincidentQuarters({ snapshot, steps }: Problem): CoincidentQuarter[] {
  const usdPerMw = snapshot.tariff.coincidentUsdPerMw ?? 0;
  if (usdPerMw === 0) return [];
  const byQuarter = Map.groupBy(steps.keys(), (t) => quarterStart(steps[t]!.facts.start));
  return [...byQuarter].flatMap(([start, inside]): CoincidentQuarter[] => {
    const probability = Math.max(...inside.map((t) => steps[t]!.facts.coincidentProbability ?? 0));
    return probability > 0 ? [{ start, usdPerMw: probability * usdPerMw, steps: inside }] : [];
  });
}

/** The same as a price of energy in step `t`, in $/MWh: for who decides step by step. */
export function coincidentUsdPerMwh({ snapshot, steps }: Problem, t: number): number {
  const perMw = (snapshot.tariff.coincidentUsdPerMw ?? 0) * (steps[t]!.facts.coincidentProbability ?? 0);
  return (perMw * HOUR) / QUARTER;
}

/** All that a MW more can cost in charges on peaks, in calls of programs and in awards, in $/MW. */
export const peakChargesUsdPerMw = (problem: Problem): number =>
  [
    ...coincidentQuarters(problem),
    ...(demandOf(problem)?.months ?? []),
    ...problem.steps.flatMap((_, t) => [
      ...callsAt(problem, t).map(({ facts, hours }) => ({ usdPerMw: hours * facts.penaltyUsdPerMwh })),
      ...awardsAt(problem, t).map(({ facts, hours }) => ({
        usdPerMw: hours * (facts.usdPerMwHour + facts.shortfallUsdPerMwh),
      })),
    ]),
  ].reduce((sum, { usdPerMw }) => sum + usdPerMw, 0);

/** Expected charge of the coincident peaks when import is `importW` by step, in $. */
export const coincidentUsd = (problem: Problem, importW: readonly number[]): number =>
  coincidentQuarters(problem).reduce(
    (sum, { usdPerMw, steps }) =>
      sum +
      steps.reduce(
        (part, t) => part + (usdPerMw * importW[t]! * problem.steps[t]!.facts.durationMs) / QUARTER / 1e6,
        0,
      ),
    0,
  );
