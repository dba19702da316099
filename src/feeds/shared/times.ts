import { z } from 'zod';
import { DAY, Fault, HOUR, isoUtc, MINUTE, SECOND } from '../../model/index.ts';

/** How a source writes its times, and what a time marks. */
export const TIME_FORMATS = ['iso_utc', 'iso_offset', 'local', 'local_us', 'unix_s', 'unix_ms'] as const;
export type TimeFormat = (typeof TIME_FORMATS)[number];

const EXAMPLES: Readonly<Record<TimeFormat, string>> = {
  iso_utc: 'a UTC time such as 2026-03-23T22:45:00Z',
  iso_offset: 'a time with its offset such as 2026-03-23T17:45:00-05:00',
  local: 'a wall-clock time such as 2026-03-23 17:45',
  local_us: 'a wall-clock time such as 03/23/2026 17:45',
  unix_s: 'seconds since 1970 such as 1774305900',
  unix_ms: 'milliseconds since 1970 such as 1774305900000',
};

export const timeShape = {
  format: z
    .enum(TIME_FORMATS)
    .describe(
      'iso_utc (2026-03-23T22:45:00Z), iso_offset (2026-03-23T17:45:00-05:00), local (2026-03-23 17:45, wants zone), ' +
        'local_us (03/23/2026 17:45, wants zone), unix_s or unix_ms',
    ),
  zone: z.string().refine(isZone, 'a time zone such as America/Chicago').optional().describe('of local times'),
  marks: z
    .enum(['beginning', 'ending'])
    .default('beginning')
    .describe('which end of its interval a time marks; hour-ending tables mark the ending'),
} as const;

export const zoneIfLocal = (time: { format: TimeFormat; zone?: string | undefined }): boolean =>
  time.format.startsWith('local') === (time.zone !== undefined);

export const ZONE_IF_LOCAL = { path: ['zone'], error: 'local times want a zone, and the others have none' };

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const ISO = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?$/;
const US = /^(\d{1,2})\/(\d{1,2})\/(\d{4}) (\d{1,2}):(\d\d)(?::(\d\d))?$/;

/** Fields of a calendar as if they were UTC; undefined where no such day or hour exists. 24:00 is the next midnight. */
export function calendarMs(
  year: number,
  month: number,
  day: number,
  hour = 0,
  minute = 0,
  second = 0,
): number | undefined {
  const midnight = Date.UTC(year, month - 1, day);
  const back = new Date(midnight);
  const whole24 = hour === 24 && minute === 0 && second === 0;
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day) return undefined;
  if ((hour > 23 && !whole24) || minute > 59 || second > 59) return undefined;
  return midnight + hour * HOUR + minute * MINUTE + second * SECOND;
}

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** What a zone's clocks are ahead of UTC at a moment, in milliseconds. */
function offsetAt(ms: number, zone: string): number {
  // Clocks change on quarter-hours at the finest.
  const key = `${zone} ${Math.floor(ms / (15 * MINUTE))}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  let format = formats.get(zone);
  if (format === undefined) {
    const numeric = 'numeric' as const;
    const fields = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric };
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', ...fields });
    formats.set(zone, format);
  }
  const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const wall = Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second']);
  const offset = wall - Math.floor(ms / SECOND) * SECOND;
  if (offsets.size > 20_000) offsets.clear();
  offsets.set(key, offset);
  return offset;
}

/** What the wall clock of a zone shows at a moment, as if it were UTC. */
export const wallOf = (ms: number, zone: string): number => ms + offsetAt(ms, zone);

/** The moments at which a wall clock shows this: one, none in the hour skipped in spring, two in the one lived twice. */
export function momentsOf(wallMs: number, zone: string): readonly number[] {
  const around = [offsetAt(wallMs - DAY, zone), offsetAt(wallMs + DAY, zone)];
  const moments = [...new Set(around)].map((offset) => wallMs - offset).filter((ms) => wallOf(ms, zone) === wallMs);
  return moments.toSorted((a, b) => a - b);
}

/** A wall-clock time in words. */
export const wallText = (wallMs: number, zone: string): string =>
  `${isoUtc(wallMs).slice(0, 16).replace('T', ' ')} in ${zone}`;

export type RawTime = string | number | bigint | Date;

export interface TimeRule {
  readonly format: TimeFormat;
  readonly zone?: string | undefined;
  readonly marks: 'beginning' | 'ending';
  readonly intervalMs: number;
}

export interface TimeReader {
  /**
   * The beginning of the interval a row is about.
   * @param again whether the source says that this is the second of two equal hours; undefined where it does not say
   * @throws Fault `garbled` with the place, what was found and what was expected
   */
  read(raw: RawTime, place: string, again?: boolean): number;
  /** How hours that were lived twice were told apart, in sentences. */
  readonly notes: readonly string[];
}

/** Times before Bitcoin or after this century are times in another unit. */
const EARLIEST = Date.UTC(2009, 0, 1);
const LATEST = Date.UTC(2100, 0, 1);

/** @param inOrder whether rows come in order of time, so that an hour lived twice can be told by its order */
export function timeReader(rule: TimeRule, inOrder: boolean): TimeReader {
  const { format, zone, marks, intervalMs } = rule;
  const notes: string[] = [];
  let before = -Infinity;
  const refuse = (place: string, raw: RawTime, why = ''): never => {
    const found = raw instanceof Date ? 'a timestamp' : JSON.stringify(String(raw).slice(0, 40));
    throw new Fault('garbled', `${place}: found ${found}, expected ${EXAMPLES[format]}${why}`);
  };

  function resolve(wall: number, place: string, again: boolean | undefined): number {
    const moments = momentsOf(wall, zone!);
    const [first, second] = moments;
    if (first === undefined)
      throw new Fault(
        'garbled',
        `${place}: ${wallText(wall, zone!)} does not exist: the clocks go forward over it. Is the zone right?`,
      );
    if (second === undefined) {
      if (again === true)
        throw new Fault('garbled', `${place}: ${wallText(wall, zone!)} is marked as repeated and happens once`);
      return first;
    }
    if (again === undefined && !inOrder)
      throw new Fault(
        'garbled',
        `${place}: ${wallText(wall, zone!)} happens twice and rows are not in order of time; name the column that tells which`,
      );
    const chosen = (again ?? first <= before) ? second : first;
    const how = again === undefined ? 'by their order' : 'by their flag';
    const note = `${place}: the hour of ${wallText(wall, zone!).slice(0, 13)}:00 in ${zone} happens twice; told apart ${how}`;
    if (!notes.some((said) => said.split(': ')[1] === note.split(': ')[1])) notes.push(note);
    return chosen;
  }

  function moment(raw: RawTime, place: string, again: boolean | undefined): number {
    const shift = marks === 'ending' ? intervalMs : 0;
    if (format.startsWith('local')) return resolve(wallOfText(raw, place) - shift, place, again);
    if (raw instanceof Date) return raw.getTime() - shift;
    return (format.startsWith('unix') ? ofUnix(raw, place) : ofIso(raw, place)) - shift;
  }

  function wallOfText(raw: RawTime, place: string): number {
    if (raw instanceof Date) return raw.getTime();
    const text = String(raw).trim();
    if (format === 'local_us') {
      const [, month, day, year, hour, minute, second] = US.exec(text)?.map(Number) ?? refuse(place, raw);
      return whole(year!, month!, day!, hour!, minute!, second || 0, place, raw);
    }
    const match = ISO.exec(text) ?? refuse(place, raw);
    if (match[8] !== undefined) return refuse(place, raw, ', without an offset');
    const [, year, month, day, hour, minute, second] = match.map(Number);
    return whole(year!, month!, day!, hour!, minute!, second || 0, place, raw);
  }

  function whole(
    y: number,
    mo: number,
    d: number,
    h: number,
    mi: number,
    s: number,
    place: string,
    raw: RawTime,
  ): number {
    if (h === 24 && marks !== 'ending') return refuse(place, raw, ' (24:00 only marks an ending)');
    return calendarMs(y, mo, d, h, mi, s) ?? refuse(place, raw);
  }

  function ofIso(raw: RawTime, place: string): number {
    const match = ISO.exec(String(raw).trim()) ?? refuse(place, raw);
    const [, year, month, day, hour, minute, second] = match.map(Number);
    const offset = match[8];
    if (offset === undefined) return refuse(place, raw, '; a time without a zone is "format: local" with its zone');
    const utc = offset === 'Z' || /^[+-]00:?00$/.test(offset);
    if (format === 'iso_utc' && !utc) return refuse(place, raw);
    const minutes = utc ? 0 : Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
    const millis = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
    const wall = whole(year!, month!, day!, hour!, minute!, second || 0, place, raw) + millis;
    return wall - (offset.startsWith('-') ? -minutes : minutes) * MINUTE;
  }

  function ofUnix(raw: RawTime, place: string): number {
    const text = String(raw).trim();
    if (!/^\d+(\.\d+)?$/.test(text)) return refuse(place, raw);
    return Math.round(Number(text) * (format === 'unix_s' ? 1000 : 1));
  }

  return {
    notes,
    read(raw, place, again) {
      const start = moment(raw, place, again);
      if (!(start >= EARLIEST && start < LATEST))
        return refuse(place, raw, ', between 2009 and 2100 (seconds or milliseconds?)');
      before = Math.max(before, start);
      return start;
    },
  };
}
