import { DAY, type Forecast, HOUR, QUARTER, type SiteMs, siteMs } from '../model/index.ts';

/** Load of the power system by the hour, in MW; each point is the mean of the hour that begins at `start`. */
export interface LoadHistory {
  readonly points: readonly { readonly start: SiteMs; readonly mw: number }[];
}

export interface PeakRules {
  /** Calendar months, 1 to 12, each with one hour that counts: the one of the highest load. */
  readonly months: readonly number[];
  readonly timezone: string;
}

/** Probability that the hour beginning at each start is the peak of its month. Nothing is known of hours that are not there. */
export type PeakOutlook = ReadonlyMap<number, number>;

/** Past days whose course from the same hour on tells today's; the newest count most. */
const DAYS_ALIKE = 28;
const FADES = 0.93;
/** With fewer of them nothing is told. */
const LEAST_DAYS = 5;
/** Hours over which the growth just seen is taken: a day that climbs faster goes on to a higher peak. */
const GROWTH_HOURS = 2;
/** Added to the squares of growths, so that a month in which all days grew alike does not make one of another kind absurd. */
const GROWTH_RIDGE = 2e-6;
/** Days differ more from what they were alike to than those differed among each other: chosen, not measured. */
const WIDER = 1.1;
/** What any forecast misses of an hour, as a fraction of load: chosen, not measured. */
const HOUR_SIGMA = 0.003;
/** Load older than this says nothing about the hour that begins. */
const OLDEST_KNOWN_HOURS = 24;
const HORIZON_HOURS = 24;
/** Days from whose peaks the peaks of later days are told. */
const PEAK_DAYS = 14;

/**
 * Tells, from loads that were known at a moment and nothing later, how likely each hour of the next day is the highest of its
 * calendar month. Each of the last four weeks' days gives one course the load may take from here: how it went on from the same hour,
 * as far as growth before that hour did not tell it, on today's load and growth. An hour is the month's peak in so far as courses have
 * it above the highest so far and above the other hours of its day, and the rest of the month stays below, which is taken from how
 * daily peaks varied lately and from the season in years gone by.
 */
export function createPeakForecast(history: LoadHistory, rules: PeakRules): (at: SiteMs) => PeakOutlook {
  const { points } = history;
  const local = localClock(rules.timezone);
  const first = points[0]?.start ?? 0;
  const mwAt = new Map(points.map(({ start, mw }) => [start as number, mw]));
  let made: { readonly hour: number; readonly outlook: PeakOutlook } | undefined;
  let season: { readonly day: number; readonly ratio: number } | undefined;

  return (at) => {
    const hour = Math.floor(at / HOUR) * HOUR;
    if (made?.hour === hour) return made.outlook;
    const outlook = outlookAt(hour);
    made = { hour, outlook };
    return outlook;
  };

  function outlookAt(now: number): PeakOutlook {
    const outlook = new Map<number, number>();
    const charged = ({ month }: LocalHour): boolean => rules.months.includes(month);
    if (!charged(local(now)) && !charged(local(now + (HORIZON_HOURS - 1) * HOUR))) return outlook;
    const courses = coursesFrom(now);
    if (courses === undefined) return outlook;
    const { start, mw, weights } = courses;
    const hours = mw[0]!.map((_, i) => start + i * HOUR);
    const byDay = Map.groupBy(hours.keys(), (i) => local(hours[i]!).day);
    for (const [day, ofDay] of byDay) {
      const { month, daysLeft } = local(hours[ofDay[0]!]!);
      if (!rules.months.includes(month)) continue;
      for (const i of ofDay) if (hours[i]! >= now) outlook.set(hours[i]!, 0);
      const highest = highestOfMonth(start, day);
      const later = laterPeaks(start, daysLeft);
      // Hours of the same month that come before this day compete too.
      const from = hours.findIndex((t) => local(t).day.startsWith(day.slice(0, 7)));
      for (const [c, course] of mw.entries()) {
        let top = from;
        for (let i = from; i <= ofDay.at(-1)!; i += 1) if (course[i]! > course[top]!) top = i;
        if (top < ofDay[0]! || hours[top]! < now) continue;
        for (const [n, z] of HOUR_NODES.entries()) {
          const load = course[top]! * (1 + z * HOUR_SIGMA);
          if (load <= highest) continue;
          const chance = CALIBRATION * weights[c]! * HOUR_WEIGHTS[n]! * staysHighest(load, later);
          outlook.set(hours[top]!, outlook.get(hours[top]!)! + chance);
        }
      }
    }
    return outlook;
  }
  /**
   * Courses of the load from the hour after the newest known one to the end of the horizon, in MW, with their weights; undefined where
   * too little is known.
   */
  function coursesFrom(
    now: number,
  ): { readonly start: number; readonly mw: readonly number[][]; readonly weights: readonly number[] } | undefined {
    let start = now;
    while (growthBefore(start) === undefined) {
      start -= HOUR;
      if (now - start > OLDEST_KNOWN_HOURS * HOUR) return undefined;
    }
    const length = (now - start) / HOUR + HORIZON_HOURS;
    const days: { weight: number; readonly growth: number; readonly course: number[] }[] = [];
    for (let day = 1; day <= DAYS_ALIKE; day += 1) {
      const from = start - day * DAY;
      const level = mwAt.get(from - HOUR);
      const growth = growthBefore(from);
      // Of yesterday not all is known yet that the horizon asks for.
      const course = Array.from({ length }, (_, i) => {
        const t = from + i * HOUR;
        return (t < start ? (mwAt.get(t) ?? Number.NaN) : Number.NaN) / (level ?? Number.NaN);
      });
      if (growth === undefined || course.some(Number.isNaN)) continue;
      days.push({ weight: FADES ** day, growth, course });
    }
    if (days.length < LEAST_DAYS) return undefined;
    const whole = days.reduce((sum, { weight }) => sum + weight, 0);
    for (const day of days) day.weight /= whole;
    const mean = (of: (day: (typeof days)[number]) => number): number =>
      days.reduce((sum, day) => sum + day.weight * of(day), 0);
    const usualGrowth = mean(({ growth }) => growth);
    const spread = mean(({ growth }) => (growth - usualGrowth) ** 2) + GROWTH_RIDGE;
    const level = mwAt.get(start - HOUR)!;
    const more = growthBefore(start)! - usualGrowth;
    const mw = days.map((): number[] => []);
    for (let i = 0; i < length; i += 1) {
      const usual = mean(({ course }) => course[i]!);
      const slope = mean(({ course, growth }) => (growth - usualGrowth) * (course[i]! - usual)) / spread;
      for (const [d, { course, growth }] of days.entries()) {
        const missed = course[i]! - usual - slope * (growth - usualGrowth);
        mw[d]!.push(level * (usual + slope * more + WIDER * missed));
      }
    }
    return { start, mw, weights: days.map(({ weight }) => weight) };
  }

  /** How load grew up to the last hour before `start`, as a ratio; undefined where it is not known. */
  function growthBefore(start: number): number | undefined {
    const was = mwAt.get(start - (1 + GROWTH_HOURS) * HOUR);
    const is = mwAt.get(start - HOUR);
    return was === undefined || is === undefined ? undefined : is / was;
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
      if (then - PEAK_DAYS * DAY < first) break;
      const was = meanPeak(then - PEAK_DAYS * DAY, PEAK_DAYS);
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
    for (let day = 1; day <= PEAK_DAYS; day += 1) {
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
 * Without it, probabilities of the summer months of 2021-2025 summed to 2.5 a month on ERCOT's load, where one hour is the peak. It
 * stays on the careful side of one, as a peak that is met costs a season of care.
 */
const CALIBRATION = 0.5;

/** Nodes of errors in sigmas, with their weights: of an hour, and of the weeks to come. */
const HOUR_NODES = [-1.6, -0.8, 0, 0.8, 1.6];
const HOUR_WEIGHTS = normalised(HOUR_NODES.map((z) => Math.exp(-z * z * 0.5)));

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

/** Steps with the probability that a peak falls into one of their quarter-hours: of each hour's, a quarter. */
export function withOutlook(forecast: Forecast, outlook: PeakOutlook): Forecast {
  if (outlook.size === 0) return forecast;
  return {
    ...forecast,
    steps: forecast.steps.map((step) => {
      let sum = 0;
      const quarters = Math.max(1, Math.round(step.durationMs / QUARTER));
      for (let i = 0; i < quarters; i += 1)
        sum += outlook.get(Math.floor((step.start + i * QUARTER) / HOUR) * HOUR) ?? 0;
      return sum === 0 ? step : { ...step, coincidentProbability: sum / quarters / 4 };
    }),
  };
}

/** Load of whole hours that are over, from readings of any length that none is missing of. */
export function hourlyLoad(
  points: readonly { readonly start: SiteMs; readonly value: number }[],
  intervalMs: number,
  at: SiteMs,
): LoadHistory {
  const inAnHour = Math.max(1, Math.round(HOUR / intervalMs));
  const hours = Map.groupBy(points, ({ start }) => Math.floor(start / HOUR) * HOUR);
  return {
    points: [...hours].flatMap(([start, readings]) =>
      start + HOUR > at || readings.length < inAnHour
        ? []
        : [{ start: siteMs(start), mw: readings.reduce((sum, { value }) => sum + value, 0) / readings.length }],
    ),
  };
}
