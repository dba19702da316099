import type { ConvertHall, ConvertOption, ConvertResult } from '../../../src/model/convert-api.ts';
import { number, UNKNOWN, type Maybe } from '../format.ts';

/** Dollars in a unit that fits: `$1.57M`, `−$340k`, `$12`. */
export function shortMoney(usd: Maybe): string {
  if (usd === null || usd === undefined || !Number.isFinite(usd)) return UNKNOWN;
  const size = Math.abs(usd);
  const [value, digits, unit] =
    size >= 999.5e6
      ? [usd / 1e9, 2, 'bn']
      : size >= 9.95e6
        ? [usd / 1e6, 1, 'M']
        : size >= 0.995e6
          ? [usd / 1e6, 2, 'M']
          : size >= 995
            ? [usd / 1e3, 0, 'k']
            : [usd, 0, ''];
  const text = number(Math.abs(value), digits);
  return `${usd < 0 && /[1-9]/.test(text) ? '\u2212' : ''}$${text}${unit}`;
}

/** The same with a plus sign, for a gain. */
export const signedMoney = (usd: number): string => (usd > 0 ? `+${shortMoney(usd)}` : shortMoney(usd));

export function spanText(months: number | null): string {
  if (months === null) return 'never';
  return months < 24 ? `${months} months` : `${number(months / 12, 1)} years`;
}

/** `1.5M`, `100k`, `154.2`. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toFixed(2))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toFixed(1))}k`;
  return number(value, size < 10 && !Number.isInteger(value) ? 2 : size < 1000 && !Number.isInteger(value) ? 1 : 0);
}

export const hallOf = (result: ConvertResult, hallId: string): ConvertHall | undefined =>
  result.halls.find(({ id }) => id === hallId);
export const optionOf = (result: ConvertResult, hallId: string, optionId: string): ConvertOption | undefined =>
  hallOf(result, hallId)?.options.find(({ id }) => id === optionId);
