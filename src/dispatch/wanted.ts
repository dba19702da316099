import {
  DAY,
  type Forecast,
  HOUR,
  QUARTER,
  quarterStart,
  type SiteMs,
  siteMs,
  type WantedPoint,
  type WorkClassName,
} from '../model/index.ts';
import { countUntil, dayMeans, meanOver } from './forecast.ts';
import type { ForecastScore } from './score.ts';
import { LEADS_HOURS } from './score.ts';

/**
 * What is wanted beyond the usual counts for 1/e of the forecast after this long. Chosen, not measured: no recording of what a site's
 * customers want is at hand. The scores of a running site tell how far it errs.
 */
const PERSISTENCE_MS = 4 * HOUR;
/** Days that make the profile by hour of the week. */
const PROFILE_MS = 28 * DAY;
/** Less than each day of the week once says nothing of weeks: what is wanted is then held as it is now. */
const ENOUGH_MS = 7 * DAY;
/** The mean of its hour of the day counts as if an hour of the week had been seen for so long beside it. */
const PRIOR_MS = 2 * HOUR;
/** Of a quarter-hour seen for less than this nobody knows what was wanted in it. */
const SEEN_SHARE = 0.5;

/** A class of work whose GPUs are to be forecast. */
export interface WantedClass {
  readonly id: string;
  readonly className: WorkClassName;
  readonly hasDeadline: boolean;
  /** Running, queued and held. */
  readonly nowGpus: number;
  /** By quarter-hour, ascending; one that nobody saw is absent. */
  readonly history: readonly WantedPoint[];
}

export interface WantedForecaster {
  /**
   * The forecast with what classes are expected to want in its steps, from quarter-hours that ended before it was made, and what had to
   * be assumed, in a sentence. A class that is held as it is now gets no figure.
   */
  add(
    forecast: Forecast,
    classes: readonly WantedClass[],
  ): { readonly forecast: Forecast; readonly notes: readonly string[] };
  /**
   * GPUs expected `t`, by what was known at `at`; undefined where what is wanted now holds on: of work that waits in a queue until it is
   * served, and where less than seven days of the last 28 were seen.
   */
  expected(one: WantedClass, at: SiteMs): ((t: SiteMs) => number) | undefined;
}

/**
 * Who serves customers (reserved, on-demand) is asked for more at some hours of the week than at others: what they want beyond the usual
 * of the hour fades over hours. A queue of batch and preemptible work, or one with a deadline, does not go away unserved: what it holds
 * now is wanted until it is done.
 */
const waits = ({ className, hasDeadline }: WantedClass): boolean =>
  hasDeadline || className === 'batch' || className === 'preemptible';

/** @param timezone where the site stands: the hours of its week are those of its customers */
export function createWantedForecaster(timezone: string): WantedForecaster {
  const hourOfWeek = localHourOfWeek(timezone);
  const kept = new Map<
    string,
    { readonly end: number; readonly newest: number; readonly profile: Float64Array | undefined }
  >();

  function profileOf({ id, history }: WantedClass, at: SiteMs): Float64Array | undefined {
    // Renewed by the hour: quarter-hours of the running one are not yet in it.
    const end = countUntil(history, siteMs(Math.floor(at / HOUR) * HOUR - QUARTER));
    const newest = history[end - 1]?.start ?? 0;
    const known = kept.get(id);
    if (known?.end === end && known.newest === newest) return known.profile;
    const past = history.slice(countUntil(history, siteMs(at - PROFILE_MS - 1)), end);
    const profile = profileBy(hourOfWeek, past);
    kept.set(id, { end, newest, profile });
    return profile;
  }

  function expected(one: WantedClass, at: SiteMs): ((t: SiteMs) => number) | undefined {
    const profile = waits(one) ? undefined : profileOf(one, at);
    if (profile === undefined) return undefined;
    const beyond = one.nowGpus - profile[hourOfWeek(at)]!;
    return (t) => Math.max(0, profile[hourOfWeek(t)]! + beyond * Math.exp(-Math.max(0, t - at) / PERSISTENCE_MS));
  }

  return {
    expected,
    add(forecast, classes) {
      const { madeAt } = forecast;
      const curves = classes.map((one) => ({ one, curve: expected(one, madeAt) }));
      const told = curves.flatMap(({ one, curve }) => (curve === undefined ? [] : [[one.id, curve] as const]));
      const held = curves.filter(({ one, curve }) => curve === undefined && !waits(one)).map(({ one }) => one.id);
      const notes =
        held.length === 0
          ? []
          : [`GPUs wanted of ${held.join(', ')} are planned as now: less than 7 of the last 28 days of them were seen`];
      if (told.length === 0) return { forecast, notes };
      const steps = forecast.steps.map((step) => ({
        ...step,
        wantedGpus: Object.fromEntries(told.map(([id, curve]) => [id, meanOver(curve, step.start, step.durationMs)])),
      }));
      return { forecast: { ...forecast, steps }, notes };
    },
  };
}

/** Mean by local hour of the week, drawn to that of the hour of the day; undefined where too little was seen. */
function profileBy(hourOfWeek: (t: number) => number, past: readonly WantedPoint[]): Float64Array | undefined {
  const sum = new Float64Array(7 * 24);
  const ms = new Float64Array(7 * 24);
  for (const { start, gpus, coverage } of past) {
    const hour = hourOfWeek(start);
    sum[hour]! += gpus * coverage * QUARTER;
    ms[hour]! += coverage * QUARTER;
  }
  if (ms.reduce((all, one) => all + one, 0) < ENOUGH_MS) return undefined;
  const days = dayMeans(sum, ms);
  return sum.map((total, hour) => (total + PRIOR_MS * days[hour % 24]!) / (ms[hour]! + PRIOR_MS));
}

/** Quarter-hours of a year: kept, as asking a time zone is slow. */
const MOST_KEPT = 40_000;

/** Hours since Monday's midnight by the clocks of a time zone. */
function localHourOfWeek(timezone: string): (t: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    weekday: 'short',
    hour: 'numeric',
    hourCycle: 'h23',
  });
  const known = new Map<number, number>();
  return (t) => {
    const quarter = Math.floor(t / QUARTER);
    let hour = known.get(quarter);
    if (hour === undefined) {
      const parts = Object.fromEntries(format.formatToParts(t).map(({ type, value }) => [type, value]));
      const day = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(parts['weekday']!);
      if (known.size > MOST_KEPT) known.clear();
      known.set(quarter, (hour = day * 24 + Number(parts['hour'])));
    }
    return hour;
  };
}

/**
 * Forecasts of GPUs wanted as they would have been made by the hour, held against the quarter-hours that came: errors are in GPUs. Where
 * what is wanted now was held, the error is that of "nothing changes".
 * @param from first moment forecast from; `at` is now
 * @returns one score for each class and lead that had at least one comparison
 */
export function scoreWanted(
  timezone: string,
  classes: readonly Omit<WantedClass, 'nowGpus'>[],
  from: SiteMs,
  at: SiteMs,
): ForecastScore[] {
  return classes.flatMap((one) => {
    const forecaster = createWantedForecaster(timezone);
    const byStart = new Map(one.history.map((point) => [point.start as number, point]));
    const seen = (t: number): number | undefined => {
      const point = byStart.get(quarterStart(siteMs(t)));
      return point === undefined || point.coverage < SEEN_SHARE ? undefined : point.gpus;
    };
    const errors = LEADS_HOURS.map(() => ({ samples: 0, absolute: 0, signed: 0, persistence: 0 }));
    for (let made = Math.ceil(from / HOUR) * HOUR; made < at; made += HOUR) {
      const was = seen(made - QUARTER);
      if (was === undefined) continue;
      const curve = forecaster.expected({ ...one, nowGpus: was }, siteMs(made)) ?? (() => was);
      for (const [i, leadHours] of LEADS_HOURS.entries()) {
        const t = siteMs(made + leadHours * HOUR);
        const came = t + QUARTER <= at ? seen(t) : undefined;
        if (came === undefined) continue;
        const sum = errors[i]!;
        sum.samples += 1;
        sum.absolute += Math.abs(curve(t) - came);
        sum.signed += curve(t) - came;
        sum.persistence += Math.abs(was - came);
      }
    }
    return errors.flatMap(({ samples, absolute, signed, persistence }, i): ForecastScore[] =>
      samples === 0
        ? []
        : [
            {
              what: 'wantedGpus',
              workClass: one.id,
              leadHours: LEADS_HOURS[i]!,
              samples,
              meanAbsoluteError: absolute / samples,
              bias: signed / samples,
              persistenceError: persistence / samples,
            },
          ],
    );
  });
}
