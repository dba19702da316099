import { DAY, HOUR, type SiteMs, siteMs } from '../model/index.ts';

/** Load of the power system by the hour, in MW; each point is the mean of the hour that begins at `start`. */
export interface LoadHistory {
  readonly points: readonly { readonly start: SiteMs; readonly mw: number }[];
}

export interface PeakRules {
  /** Calendar months, 1 to 12, each with one hour that counts: the one of the highest load. */
  readonly months: readonly number[];
  readonly timezone: string;
}

/** Probability that the hour beginning at each start is the peak of its month. Hours that are not there cannot be. */
export type PeakOutlook = ReadonlyMap<number, number>;

/** Days whose shape and errors the forecast learns from. */
const SHAPE_DAYS = 7;
const ERROR_DAYS = 21;
/** Of yesterday, the day before, and so on: demand follows the weather, and that changes slowly. */
const FADES = 0.6;
/** Hours just known whose level against the shape is carried forward. */
const LEVEL_HOURS = 3;
/** What one hour differs from its day's level, as a fraction of load: chosen, not measured. */
const HOUR_SIGMA = 0.008;
/** The level's error before there is enough history to measure it, and the least that is believed. */
const USUAL_SIGMA = 0.04;
const LEAST_SIGMA = 0.006;
const HORIZON_HOURS = 24;

/**
 * Tells, from loads that were known at a moment and nothing later, how likely each hour of the next day is the highest of its
 * calendar month. The load of an hour is forecast as the recent days' load at that hour, at today's level; the error of the level is
 * measured on the last three weeks by how far ahead it looks. An hour is the month's peak when it is above the highest so far, above
 * the other hours of its day, and above what the rest of the month may bring, taken from how daily peaks varied lately.
 */
export function createPeakForecast(history: LoadHistory, rules: PeakRules): (at: SiteMs) => PeakOutlook {
  const { points } = history;
  const local = localClock(rules.timezone);
  const first = points[0]?.start ?? 0;
  const mwAt = new Map(points.map(({ start, mw }) => [start as number, mw]));
  let made: { readonly hour: number; readonly outlook: PeakOutlook } | undefined;
  let season: { readonly day: number; readonly ratio: number } | undefined;

  /** What hour `t` was forecast to be when the last hour known was the one before `known`. */
  function forecast(t: number, known: number): number | undefined {
    const shape = shapeAt(t, known);
    if (shape === undefined) return undefined;
    let level = 0;
    let hours = 0;
    for (let back = 1; back <= LEVEL_HOURS; back += 1) {
      const past = known - back * HOUR;
      const was = mwAt.get(past);
      const expected = shapeAt(past, past);
      if (was === undefined || expected === undefined) continue;
      level += was / expected;
      hours += 1;
    }
    return hours === 0 ? shape : shape * (level / hours);
  }

  /** Load at that hour of the day on the days before that were known, the newest counting most. */
  function shapeAt(t: number, known: number): number | undefined {
    let sum = 0;
    let weights = 0;
    let weight = 1;
    for (let day = 1; day <= SHAPE_DAYS + 1; day += 1) {
      const past = t - day * DAY;
      if (past >= known) continue;
      const mw = mwAt.get(past);
      if (mw !== undefined) {
        sum += weight * mw;
        weights += weight;
      }
      weight *= FADES;
    }
    return weights === 0 ? undefined : sum / weights;
  }

  /** Root mean square of the relative error so many hours ahead, over the afternoons that can be peaks. */
  function sigmaAt(ahead: number, known: number): number {
    let squares = 0;
    let count = 0;
    for (let day = 1; day <= ERROR_DAYS; day += 1) {
      const from = known - day * DAY;
      const t = from + ahead * HOUR;
      const was = mwAt.get(t);
      const told = t < known && from > first ? forecast(t, from) : undefined;
      if (was === undefined || told === undefined) continue;
      squares += (told / was - 1) ** 2;
      count += 1;
    }
    return count < 5 ? USUAL_SIGMA : Math.max(LEAST_SIGMA, Math.sqrt(squares / count));
  }

  return (at) => {
    const hour = Math.floor(at / HOUR) * HOUR;
    if (made?.hour === hour) return made.outlook;
    const outlook = outlookAt(hour);
    made = { hour, outlook };
    return outlook;
  };

  function outlookAt(known: number): PeakOutlook {
    const outlook = new Map<number, number>();
    const coming = Array.from({ length: HORIZON_HOURS }, (_, ahead) => ({ start: known + ahead * HOUR, ahead }));
    const byDay = Map.groupBy(coming, ({ start }) => local(start).day);
    for (const [day, hours] of byDay) {
      const { month, daysLeft } = local(hours[0]!.start);
      if (!rules.months.includes(month)) continue;
      const told = hours.flatMap(({ start, ahead }) => {
        const mw = forecast(start, known);
        return mw === undefined ? [] : [{ start, mw, sigma: sigmaAt(ahead, known) }];
      });
      if (told.length === 0) continue;
      const highest = highestOfMonth(known, day);
      const later = laterPeaks(known, daysLeft);
      const sigma = told.reduce((best, one) => (one.mw > best.mw ? one : best)).sigma;
      for (const [start, probability] of ofDay(told, sigma, highest, later)) outlook.set(start, probability);
    }
    return outlook;
  }

  /** The highest load known of the calendar month of `day`, in MW; 0 before any. */
  function highestOfMonth(known: number, day: string): number {
    const month = day.slice(0, 7);
    let highest = 0;
    for (let t = known - HOUR; local(t).day.startsWith(month); t -= HOUR) highest = Math.max(highest, mwAt.get(t) ?? 0);
    return highest;
  }

  /** The highest of 24 hours, in MW; 0 where none is known. */
  function dayPeak(from: number): number {
    let peak = 0;
    for (let hour = 0; hour < 24; hour += 1) peak = Math.max(peak, mwAt.get(from + hour * HOUR) ?? 0);
    return peak;
  }

  /** How daily peaks of the rest of this month compared with those of the two weeks before, in years gone by: heat comes and goes. */
  function seasonRatio(known: number, daysLeft: number): number {
    const day = Math.floor(known / DAY);
    if (season?.day === day) return season.ratio;
    const ratios: number[] = [];
    for (let back = YEAR_MS; back <= SEASON_YEARS * YEAR_MS; back += YEAR_MS) {
      const then = known - back;
      if (then - 2 * SHAPE_DAYS * DAY < first) break;
      const was = meanPeak(then - 2 * SHAPE_DAYS * DAY, 2 * SHAPE_DAYS);
      const later = meanPeak(then + DAY, Math.max(1, daysLeft));
      if (was > 0 && later > 0) ratios.push(later / was);
    }
    const ratio = ratios.length === 0 ? 1 : ratios.reduce((sum, one) => sum + one, 0) / ratios.length;
    season = { day, ratio };
    return ratio;
  }

  function meanPeak(from: number, days: number): number {
    let sum = 0;
    for (let day = 0; day < days; day += 1) sum += dayPeak(from + day * DAY);
    return sum / days;
  }

  /** Daily peaks of the rest of the month, as lately and by the season: mean, spread, and how many that are not the same day twice. */
  function laterPeaks(known: number, daysLeft: number): { mean: number; sigma: number; days: number } {
    const peaks: number[] = [];
    for (let day = 1; day <= 2 * SHAPE_DAYS; day += 1) {
      const peak = dayPeak(known - day * DAY);
      if (peak > 0) peaks.push(peak);
    }
    if (peaks.length < 3) return { mean: 0, sigma: 1, days: 0 };
    const mean = peaks.reduce((sum, peak) => sum + peak, 0) / peaks.length;
    const spread = Math.sqrt(peaks.reduce((sum, peak) => sum + (peak - mean) ** 2, 0) / (peaks.length - 1));
    return {
      mean: mean * seasonRatio(known, daysLeft),
      sigma: Math.max(0.015 * mean, spread),
      days: daysLeft / PEAKS_ALIKE,
    };
  }
}

/** Hot days come in runs: so many of them bring one new chance of a higher peak. */
const PEAKS_ALIKE = 1.5;
/** Whole weeks, so that weekdays meet weekdays. */
const YEAR_MS = 364 * DAY;
const SEASON_YEARS = 4;
/** What the level of the weeks to come may differ by from what lately and the season tell, as a fraction of load. */
const DRIFT = 0.055;
/**
 * Without it, probabilities of the summer months of 2021-2024 summed to six a month on ERCOT's load, where one hour is the peak: of
 * hours called likelier than 3 in 10, one in ten was. It errs to the careful side, as a peak that is met costs a season of care.
 */
const CALIBRATION = 0.3;

/** Nodes of the error of a day's level, in sigmas, with their weights. */
const NODES = Array.from({ length: 17 }, (_, i) => -3.2 + 0.4 * i);
const WEIGHTS = normalised(NODES.map((z) => Math.exp(-z * z * 0.5)));
/** And of errors that decide less, coarser: of an hour alone, of the weeks to come. */
const HOUR_NODES = [-1.6, -0.8, 0, 0.8, 1.6];
const HOUR_WEIGHTS = normalised(HOUR_NODES.map((z) => Math.exp(-z * z * 0.5)));

function ofDay(
  hours: readonly { readonly start: number; readonly mw: number; readonly sigma: number }[],
  sigma: number,
  highestMw: number,
  later: { readonly mean: number; readonly sigma: number; readonly days: number },
): [number, number][] {
  const top = Math.max(...hours.map(({ mw }) => mw));
  const near = hours.filter(({ mw }) => mw > top * (1 - 6 * HOUR_SIGMA));
  return near.map(({ start, mw }) => {
    let probability = 0;
    for (const [i, z] of NODES.entries()) {
      const level = 1 + z * sigma;
      for (const [j, own] of HOUR_NODES.entries()) {
        const load = mw * (level + own * HOUR_SIGMA);
        if (load <= highestMw) continue;
        let chance = WEIGHTS[i]! * HOUR_WEIGHTS[j]! * staysHighest(load, later);
        for (const other of near)
          if (other.start !== start) chance *= below(load, other.mw * level, other.mw * HOUR_SIGMA);
        probability += chance;
      }
    }
    return [start, CALIBRATION * probability];
  });
}

/** Probability that no later day of the month goes above a load. */
function staysHighest(
  load: number,
  later: { readonly mean: number; readonly sigma: number; readonly days: number },
): number {
  if (later.days === 0) return 1;
  let probability = 0;
  for (const [j, z] of HOUR_NODES.entries())
    probability += HOUR_WEIGHTS[j]! * below(load, later.mean * (1 + z * DRIFT), later.sigma) ** later.days;
  return probability;
}

function normalised(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Probability that a normal quantity is below `x`: Abramowitz and Stegun 7.1.26, good to 1.5e-7. */
function below(x: number, mean: number, sigma: number): number {
  const z = (x - mean) / sigma / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * Math.abs(z));
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = Math.sign(z) * (1 - poly * Math.exp(-z * z));
  return (1 + erf) / 2;
}

interface LocalHour {
  /** `2025-08-18`. */
  readonly day: string;
  readonly month: number;
  /** Days of the month after this one. */
  readonly daysLeft: number;
}

/** Calendar of a time zone by the hour; what was worked out once is kept, as asking is slow. */
function localClock(timezone: string): (t: number) => LocalHour {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' });
  const known = new Map<number, LocalHour>();
  return (t) => {
    const found = known.get(t);
    if (found !== undefined) return found;
    const day = format.format(siteMs(t));
    const [year = 0, month = 0, date = 0] = day.split('-').map(Number);
    const made = { day, month, daysLeft: new Date(Date.UTC(year, month, 0)).getUTCDate() - date };
    known.set(t, made);
    return made;
  };
}
