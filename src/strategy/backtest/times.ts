import { DAY, HOUR, isoUtc, MINUTE } from '../../model/index.ts';

const TIME = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.0+)?)?(Z|[+-]\d\d:?\d\d)?$/;

/** A moment in ms since the epoch; without Z or offset it is UTC. Undefined where it is no time, such as 30 February. */
export function utcMoment(text: string): number | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6] ?? 0)];
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  const back = new Date(ms);
  // The round trip catches 30 February, which Date.UTC takes for 2 March, and years below 100.
  const isReal =
    back.getUTCFullYear() === year && back.getUTCMonth() === month - 1 && back.getUTCDate() === day && hour < 24;
  if (!isReal || minute > 59 || second > 59) return undefined;
  const offset = match[7];
  if (offset === undefined || offset === 'Z') return ms;
  const [hours, minutes] = [Number(offset.slice(1, 3)), Number(offset.slice(-2))];
  if (hours > 14 || minutes > 59) return undefined;
  return ms - (offset.startsWith('-') ? -1 : 1) * (hours * HOUR + minutes * MINUTE);
}

/** Midnight of a day `2025-01-31`, UTC, in ms since the epoch; a time is taken where it is midnight. */
export function utcDay(text: string): number | undefined {
  const ms = utcMoment(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text);
  return ms === undefined || ms % DAY !== 0 ? undefined : ms;
}

/**
 * Whether a local hour from `ms` on may be the one that clocks live twice or skip: on a Sunday in spring or autumn, by
 * night. Only to say in words what a doubled or missing hour may be.
 */
export function mayBeClockChange(ms: number): boolean {
  const at = new Date(ms);
  return at.getUTCDay() === 0 && at.getUTCHours() <= 3 && [2, 3, 8, 9, 10].includes(at.getUTCMonth());
}

/** `15 minutes`, `1 hour`, `1 day`. */
export function spanText(ms: number): string {
  const [size, unit] = ms % DAY === 0 ? [DAY, 'day'] : ms % HOUR === 0 ? [HOUR, 'hour'] : [MINUTE, 'minute'];
  const count = Number((ms / size).toFixed(2));
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** First and last of what is missing between two starts. */
export function missingText(before: number, after: number, intervalMs: number): string {
  const count = Math.round((after - before) / intervalMs) - 1;
  const first = isoUtc(before + intervalMs);
  return count === 1 ? `${first} is missing` : `${first} to ${isoUtc(after - intervalMs)} (${count}) are missing`;
}
