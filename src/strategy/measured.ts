import { DAY, isoUtc, LINES, type Interval } from '../model/index.ts';
import type { ConvertResult } from '../model/convert-api.ts';

type Measured = NonNullable<ConvertResult['measured']>;

/**
 * What the site's own books say each line earned per MWh its machines drew, over the intervals that were booked. Only
 * intervals in which both money and energy of a line are known count, and the coverage tells how many those are.
 * @param modelUsdPerMwh what the study reckons for the first year, by line; undefined where it has no such line.
 */
export function measuredOf(intervals: readonly Interval[], modelUsdPerMwh: ReadonlyMap<string, number>): Measured {
  const first = intervals[0];
  const last = intervals.at(-1);
  const spanMs = first === undefined || last === undefined ? 0 : last.start + last.durationMs - first.start;
  const covered = intervals.reduce((total, { coverage, durationMs }) => total + coverage * durationMs, 0);
  return {
    from: first === undefined ? null : isoUtc(first.start),
    to: last === undefined ? null : isoUtc(last.start + last.durationMs),
    days: spanMs / DAY,
    intervals: intervals.length,
    coveragePct: spanMs === 0 ? null : (100 * covered) / spanMs,
    lines: LINES.filter((line) => line !== 'grid').map((line) => {
      const known = intervals.flatMap((interval) => {
        const found = interval.lines.find((one) => one.line === line);
        const { energyWh, revenue } = found ?? {};
        return energyWh === undefined || revenue === undefined ? [] : [{ mwh: energyWh / 1e6, usd: revenue / 1e6 }];
      });
      const mwh = known.reduce((total, one) => total + one.mwh, 0);
      const usd = known.reduce((total, one) => total + one.usd, 0);
      return {
        line,
        energyMwh: known.length === 0 ? null : mwh,
        usdPerMwh: known.length === 0 || mwh === 0 ? null : usd / mwh,
        coveragePct: intervals.length === 0 ? 0 : (100 * known.length) / intervals.length,
        modelUsdPerMwh: modelUsdPerMwh.get(line) ?? null,
      };
    }),
  };
}
