import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Fault, type GridKind, siteMs, type SiteMs } from '../../model/index.ts';
import type { GridEvent, Span } from './law.ts';

/**
 * Events of OpenADR 3.1.0 (OpenAPI document and User Guide of the OpenADR Alliance) as events of the law. Followed are
 * IMPORT_CAPACITY_LIMIT, DISPATCH_SETPOINT, ALERT_GRID_EMERGENCY, ALERT_BLACK_START and, where the site file says what its levels
 * mean, SIMPLE. Other payloads are shown and not followed.
 */

const period = z.object({
  start: z.string().nullish(),
  duration: z.string().nullish(),
  randomizeStart: z.string().nullish(),
});
const payload = z.object({ type: z.string().max(128), values: z.array(z.unknown()).max(2_000) });
const interval = z.object({ id: z.number().optional(), intervalPeriod: period.nullish(), payloads: z.array(payload) });
const descriptor = z.object({ payloadType: z.string(), units: z.string().nullish() });
const oadrEvent = z.object({
  id: z.string().min(1).max(128),
  programID: z.string().max(128),
  modificationDateTime: z.string(),
  eventName: z.string().nullish(),
  duration: z.string().nullish(),
  priority: z.number().int().min(0).nullish(),
  payloadDescriptors: z.array(descriptor).nullish(),
  intervalPeriod: period.nullish(),
  intervals: z.array(interval).max(2_000).nullish(),
});
export type OadrEvent = z.infer<typeof oadrEvent>;
type Period = z.infer<typeof period>;

/** @throws Fault `garbled` where it is no event */
export function parseEvent(value: unknown): OadrEvent {
  const parsed = oadrEvent.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Fault('garbled', `event: ${issue?.path.join('.')}: ${issue?.message}`);
}

export interface EventTerms {
  /** Of events that name none. */
  readonly priority: number;
  readonly emergencyW: number;
  /** Import at levels 1, 2 and 3 of SIMPLE; undefined: not followed. */
  readonly simpleW: readonly [number, number, number] | undefined;
  /** What the site calls itself: with the event's id it draws where in a random start it begins, the same after every restart. */
  readonly venName: string;
  /** Units of payload types, as the program of the event describes them. */
  readonly programUnits: ReadonlyMap<string, string>;
}

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
/** `P9999Y` stands for infinity; nothing that is meant in years is another. */
const FOR_EVER_MS = 1_000 * 365 * DAY_MS;
const DURATION =
  /^(-?)P(?=\d|T\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** Milliseconds of an ISO 8601 duration, years of 365 and months of 30 days; infinite from a thousand years on. @throws Fault `garbled` */
export function durationMs(text: string): number {
  const parts = DURATION.exec(text);
  if (parts === null) throw new Fault('garbled', `"${text.slice(0, 40)}" is no duration such as PT1H`);
  const [years, months, weeks, days, hours, minutes, seconds] = parts.slice(2).map((part) => Number(part ?? 0));
  const allDays = years! * 365 + months! * 30 + weeks! * 7 + days!;
  const ms = allDays * DAY_MS + ((hours! * 60 + minutes!) * 60 + seconds!) * SECOND_MS;
  return (parts[1] === '-' ? -1 : 1) * (ms >= FOR_EVER_MS ? Infinity : ms);
}

/** The beginning of time says `at once` for the first interval, and for a later one `when the one before it ends`. */
const isAtOnce = (start: string): boolean => /^000[01]-0[01]-0[01]/.test(start);

function timeOf(text: string): SiteMs {
  const ms = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(ms))
    throw new Fault('garbled', `"${text.slice(0, 40)}" is no time such as 2026-03-23T20:00:00Z`);
  return siteMs(ms);
}

/** From 0 to 1, by who asks and what for. */
function drawOf(...of: readonly string[]): number {
  return createHash('sha256').update(JSON.stringify(of)).digest().readUInt32BE(0) / 0xffff_ffff;
}

interface Timed {
  readonly from: number;
  readonly until: number;
  readonly payloads: readonly z.infer<typeof payload>[];
}

/** When each interval is, by its own period, the event's, or the end of the one before it; random starts drawn. */
function timed(event: OadrEvent, venName: string): Timed[] {
  const whole = event.intervalPeriod;
  let shiftMs = shiftOf(whole, 0);
  let end: number | undefined;
  return (event.intervals ?? []).map(({ intervalPeriod: own, payloads }, i): Timed => {
    if (own?.randomizeStart != null) shiftMs = shiftOf(own, i);
    const from = startOf(own, i);
    const lastsMs = durationMs(own?.duration ?? whole?.duration ?? event.duration ?? 'P9999Y');
    end = from + Math.max(0, lastsMs);
    return { from, until: end, payloads };
  });

  function shiftOf(of: Period | null | undefined, i: number): number {
    const mostMs = Math.abs(durationMs(of?.randomizeStart ?? 'PT0S'));
    if (mostMs > DAY_MS) throw new Fault('garbled', 'a start is randomised by more than a day');
    return Math.round((2 * drawOf(venName, event.id, String(i)) - 1) * mostMs);
  }

  function startOf(own: Period | null | undefined, i: number): number {
    if (own?.start != null && !isAtOnce(own.start)) return timeOf(own.start) + shiftMs;
    if (end !== undefined) return end;
    const start = whole?.start;
    // What begins at once began when it was told: that does not change from one look to the next.
    if (start == null || isAtOnce(start)) return timeOf(event.modificationDateTime);
    return timeOf(start) + (i === 0 ? shiftMs : 0);
  }
}

/** Loops further ahead are unrolled when they come nearer. */
const AHEAD_MS = 3 * DAY_MS;
const MOST_SPANS = 2_000;

/** An event's duration cuts its intervals off, or has them repeat. @returns days of a loop that are over as well */
function lasting(
  all: readonly Timed[],
  event: OadrEvent,
  now: SiteMs,
): { readonly timed: Timed[]; readonly past: number } {
  const first = all[0];
  if (event.duration == null || first === undefined) return { timed: [...all], past: 0 };
  const lastsMs = durationMs(event.duration);
  const until = first.from + Math.max(0, lastsMs);
  const cycleMs = Math.max(...all.map((one) => one.until)) - first.from;
  const cut = (one: Timed): Timed[] => (one.from < until ? [{ ...one, until: Math.min(one.until, until) }] : []);
  if (lastsMs <= cycleMs || cycleMs <= 0) return { timed: all.flatMap(cut), past: 0 };
  if (all.length === 1) return { timed: [{ ...first, until }], past: 0 };
  const past = Math.max(0, Math.floor((now - first.from) / DAY_MS));
  const unrolled: Timed[] = [];
  const ends = Math.min(until, first.from + past * DAY_MS + AHEAD_MS);
  for (let byMs = Math.floor((past * DAY_MS) / cycleMs) * cycleMs; first.from + byMs < ends; byMs += cycleMs) {
    unrolled.push(...all.flatMap((one) => cut({ ...one, from: one.from + byMs, until: one.until + byMs })));
    if (unrolled.length > MOST_SPANS) throw new Fault('garbled', 'its intervals repeat too often to be followed');
  }
  return { timed: unrolled, past };
}

const W_PER: Readonly<Record<string, number>> = { W: 1, KW: 1e3, MW: 1e6, GW: 1e9 };

/** @throws Fault `garbled` where its times make no sense */
export function gridEvent(event: OadrEvent, terms: EventTerms, now: SiteMs): GridEvent {
  const ignored = new Set<string>();
  const { timed: spans, past } = lasting(timed(event, terms.venName), event, now);
  const units = new Map([
    ...terms.programUnits,
    ...(event.payloadDescriptors ?? []).flatMap(({ payloadType, units: given }): [string, string][] =>
      given == null ? [] : [[payloadType, given]],
    ),
  ]);
  const wattsPer = (type: string): number | undefined => {
    const given = units.get(type);
    // Without units the stricter of the usual ones is taken.
    const watts = W_PER[(given ?? 'KW').toUpperCase()];
    if (watts === undefined) ignored.add(`${type}: units "${given}" are not known, expected KW`);
    return watts;
  };
  const demanded = spans.flatMap(({ from, until, payloads }) =>
    payloads.flatMap(({ type, values }) => {
      const watts = values.map((value) => demandOf(type, value, terms, wattsPer, ignored));
      // Several values share the interval alike.
      const partMs = (until - from) / values.length;
      return watts.flatMap((one, i): Span[] => {
        if (one === undefined) return [];
        const start = siteMs(i === 0 ? from : from + i * partMs);
        const end = siteMs(i === values.length - 1 ? until : from + (i + 1) * partMs);
        return end > start ? [{ ...one, from: start, until: end }] : [];
      });
    }),
  );
  return {
    id: event.id,
    // Each day of a loop is told anew, and none is newer than the event told next; a double holds no finer part of a millisecond.
    revision: timeOf(event.modificationDateTime) + Math.min(4_095, past) / 4_096,
    priority: event.priority ?? terms.priority,
    spans: demanded,
    cancelled: false,
    ...(ignored.size === 0 ? {} : { ignored: [...ignored] }),
  };
}

type Asked = Pick<Span, 'kind' | 'importW'>;
const below = (kind: GridKind, most: number): Asked => ({ kind, importW: { least: 0, most } });

function demandOf(
  type: string,
  value: unknown,
  { emergencyW, simpleW }: EventTerms,
  wattsPer: (type: string) => number | undefined,
  ignored: Set<string>,
): Asked | undefined {
  const number = typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
  switch (type) {
    case 'ALERT_GRID_EMERGENCY':
    case 'ALERT_BLACK_START':
      return below('emergency', emergencyW);
    case 'SIMPLE': {
      if (number === 0) return undefined;
      if (simpleW === undefined) ignored.add('SIMPLE: the site file does not say what its levels mean (simpleMw)');
      const watts = number === undefined ? undefined : simpleW?.[number - 1];
      if (watts === undefined && simpleW !== undefined) ignored.add('SIMPLE: expected a level from 0 to 3');
      return watts === undefined ? undefined : below('cap', watts);
    }
    case 'IMPORT_CAPACITY_LIMIT':
    case 'DISPATCH_SETPOINT': {
      const unit = wattsPer(type);
      if (number === undefined) ignored.add(`${type}: expected a number, 0 or more`);
      if (number === undefined || unit === undefined) return undefined;
      const watts = number * unit;
      return type === 'IMPORT_CAPACITY_LIMIT'
        ? below('cap', watts)
        : { kind: 'set-point', importW: { least: watts, most: watts } };
    }
    default:
      ignored.add(`${type}: not followed`);
      return undefined;
  }
}
