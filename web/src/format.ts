/**
 * How figures are written on the page. Unknown is a word, never 0; negative figures carry the real minus sign;
 * digits are fixed per magnitude, so that a figure that moves keeps its width.
 */

export type Maybe = number | null | undefined;

export const UNKNOWN = 'unknown';
const MINUS = '\u2212';

const formats = new Map<number, Intl.NumberFormat>();

function numberFormat(decimals: number): Intl.NumberFormat {
  let format = formats.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat('en-US', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format;
}

/** True for a figure that is there. */
export const known = (value: Maybe): value is number => value !== null && value !== undefined && Number.isFinite(value);

/** `1,234.5`; a value that rounds to nothing has no sign. */
export function number(value: Maybe, decimals = 0): string {
  if (!known(value)) return UNKNOWN;
  const text = numberFormat(decimals).format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** Watts as `38.4 MW`, `812 kW`, `25 W`. */
export function power(watts: Maybe): string {
  if (!known(watts)) return UNKNOWN;
  const size = Math.abs(watts);
  if (size >= 999_500) return `${number(watts / 1e6, 1)} MW`;
  if (size >= 999.5) return `${number(watts / 1e3)} kW`;
  return `${number(watts)} W`;
}

/** The unit a power of this size is said in, for figures that share one: a garage's are kilowatts. */
export function powerUnit(watts: number): { readonly unit: 'MW' | 'kW' | 'W'; readonly watts: number } {
  if (watts >= 999_500) return { unit: 'MW', watts: 1e6 };
  return watts >= 999.5 ? { unit: 'kW', watts: 1e3 } : { unit: 'W', watts: 1 };
}

/** Watts in the unit of `scale`, for places where the unit stands beside it: `38.4`. */
export const inUnitOf = (scale: number, watts: Maybe, decimals = 1): string =>
  known(watts) ? number(watts / powerUnit(scale).watts, decimals) : UNKNOWN;

/** A change in power with its sign: `+1.2 MW`, `−6.0 MW`. */
export function powerChange(watts: Maybe): string {
  const text = power(watts);
  return known(watts) && watts > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** Dollars as `$1,234`, `−$12`, `$2.20`. */
export function money(usd: Maybe, decimals = 0): string {
  if (!known(usd)) return UNKNOWN;
  const text = number(Math.abs(usd), decimals);
  return usd < 0 && /[1-9]/.test(text) ? `${MINUS}$${text}` : `$${text}`;
}

/** Dollars per hour: `$1,234/h`; cents below ten dollars. */
export function moneyPerHour(usd: Maybe): string {
  if (!known(usd)) return UNKNOWN;
  return `${money(usd, Math.abs(usd) < 9.995 && usd !== 0 ? 2 : 0)}/h`;
}

/** A power price without its unit: `$34.12`, `$939`, `−$7.50`. */
export const price = (usdPerMwh: Maybe): string =>
  known(usdPerMwh) ? money(usdPerMwh, Math.abs(usdPerMwh) < 99.995 ? 2 : 0) : UNKNOWN;

/** A span in its largest fitting unit: `12 s`, `4 min`, `3.2 h`, `2.5 d`. */
export function age(ms: Maybe): string {
  if (!known(ms)) return UNKNOWN;
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 99.5) return `${Math.round(minutes)} min`;
  const hours = minutes / 60;
  return hours < 48 ? `${number(hours, 1)} h` : `${number(hours / 24, 1)} d`;
}

/** A short technical span: `412 ms`, `2.3 s`. */
export function span(ms: Maybe): string {
  if (!known(ms)) return UNKNOWN;
  if (ms < 999.5) return `${number(ms)} ms`;
  return ms < 99_950 ? `${number(ms / 1000, 1)} s` : age(ms);
}

/** `22:45:10` or `22:45`, UTC. */
export function clockTime(time: number | string, seconds = false): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? UNKNOWN : date.toISOString().slice(11, seconds ? 19 : 16);
}

/** `Mon 23 Mar`, UTC. */
export function calendarDay(time: number | string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  return date
    .toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' })
    .replace(',', '');
}

/** Terahash per second in the unit that fits: `1,204 PH/s`, `1.32 EH/s`, `200 TH/s`. */
export function hashrate(ths: Maybe): string {
  if (!known(ths)) return UNKNOWN;
  if (ths >= 1e7) return `${number(ths / 1e6, 1)} EH/s`;
  if (ths >= 1e6) return `${number(ths / 1e6, 2)} EH/s`;
  return ths >= 1e4 ? `${number(ths / 1e3)} PH/s` : `${number(ths)} TH/s`;
}

/** A quoted figure of any unit, with digits that fit its size: `$34.12`, `144.4 T`, `0.0182`. */
export function quote(value: Maybe, unit: string): string {
  if (!known(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (unit.startsWith('$') || unit.toUpperCase().startsWith('USD')) return money(value, size < 1000 ? 2 : 0);
  if (size >= 1e12) return `${number(value / 1e12, 1)} T`;
  if (size >= 1000) return number(value);
  return number(value, size >= 1 || size === 0 ? 1 : 4);
}

/** Halls named by a letter are written large; longer names stay as the site file has them. */
export const hallWord = (id: string): string => (id.length <= 2 ? id.toUpperCase() : id);
