/**
 * Two clocks, and the type system keeps them apart.
 *
 * The **site clock** may run fast (a replay of a recorded week): it drives prices, weather, the plan, meters and
 * accounting intervals. The **wall clock** is monotonic and drives timeouts, tokens, sessions and retries.
 * A branded number of one cannot be passed where the other is wanted.
 */

declare const site: unique symbol;
declare const wall: unique symbol;

/** Milliseconds since the Unix epoch on the site clock (UTC). */
export type SiteMs = number & { readonly [site]: true };
/** Milliseconds on a monotonic clock of this process; only differences mean anything. */
export type WallMs = number & { readonly [wall]: true };

/** Brands a number read from a store, a file or the wire as a site time. */
export const siteMs = (ms: number): SiteMs => ms as SiteMs;
export const wallMs = (ms: number): WallMs => ms as WallMs;

/**
 * How site time follows from Unix time: `site = epochSiteMs + (unix - epochUnixMs) * speed`, and it stands still at
 * `epochSiteMs` until `epochUnixMs` has come, so that a fast clock does not run while its processes start. One setting is handed to every process of a site, so that all agree to the millisecond.
 */
export interface ClockSetting {
  readonly epochSiteMs: number;
  readonly epochUnixMs: number;
  readonly speed: number;
}

/** The clock of a site that runs in real time. */
export const REAL_TIME: ClockSetting = { epochSiteMs: 0, epochUnixMs: 0, speed: 1 };

export interface SiteClock {
  readonly speed: number;
  now(): SiteMs;
  /** How long a span of site time lasts on the wall, in milliseconds. */
  toWall(siteSpanMs: number): number;
}

/** @param unixNow reads Unix time in ms; handed in, because no module reads a global clock. */
export function siteClock(setting: ClockSetting, unixNow: () => number): SiteClock {
  const { epochSiteMs, epochUnixMs, speed } = setting;
  return {
    speed,
    now: () => siteMs(epochSiteMs + Math.max(0, unixNow() - epochUnixMs) * speed),
    toWall: (siteSpanMs) => siteSpanMs / speed,
  };
}

export const SECOND = 1_000;
export const MINUTE = 60_000;
export const QUARTER = 15 * MINUTE;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Start of the clock-aligned quarter-hour that contains `t`. */
export const quarterStart = (t: SiteMs): SiteMs => siteMs(Math.floor(t / QUARTER) * QUARTER);

/** `2026-03-23T22:45:00Z`: seconds precision, as the API and the files write it. */
export const isoUtc = (t: number): string => new Date(t).toISOString().replace(/\.\d{3}Z$/, 'Z');

/** Start of the local day that contains `t`, in an IANA time zone; right on days when the clocks change, too. */
export function dayStart(t: SiteMs, timezone: string): SiteMs {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    hourCycle: 'h23',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const local = (ms: number): Record<string, number> =>
    Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const { day, hour = 0, minute = 0, second = 0 } = local(t);
  const guess = t - ((hour * 60 + minute) * 60 + second) * SECOND - (t % SECOND);
  // An hour may have been skipped or lived twice since midnight.
  const midnight = [guess - HOUR, guess, guess + HOUR].find((ms) => {
    const at = local(ms);
    return at['day'] === day && at['hour'] === 0 && at['minute'] === 0;
  });
  return siteMs(midnight ?? guess);
}

/** Start of the local calendar month after the one that contains `t`, in an IANA time zone. */
export function monthEnd(t: SiteMs, timezone: string): SiteMs {
  const { year, month } = localMonth(t, timezone);
  return localMidnight(Date.UTC(year, month, 1), timezone);
}

/** Start of the local calendar month that contains `t`. */
export function monthStart(t: SiteMs, timezone: string): SiteMs {
  const { year, month } = localMonth(t, timezone);
  return localMidnight(Date.UTC(year, month - 1, 1), timezone);
}

/** When a local calendar day, `2026-11-30`, is over. */
export function dateEnd(date: string, timezone: string): SiteMs {
  const [year = 0, month = 0, day = 0] = date.split('-').map(Number);
  return localMidnight(Date.UTC(year, month - 1, day + 1), timezone);
}

function localMonth(t: number, timezone: string): { year: number; month: number } {
  const [year = 0, month = 0] = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' })
    .format(t)
    .split('-')
    .map(Number);
  return { year, month };
}

/** Midnight of a local day, given as if it were UTC: no zone is more than 14 hours off, so its noon lies within the day. */
const localMidnight = (day: number, timezone: string): SiteMs => {
  const noon = [12, 0, 24].map((hours) => siteMs(day + hours * HOUR));
  const wanted = new Date(day).toISOString().slice(0, 10);
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' });
  const inside = noon.find((t) => format.format(t) === wanted) ?? noon[0]!;
  return dayStart(inside, timezone);
};
