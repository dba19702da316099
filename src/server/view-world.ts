import { marginOf } from '../books/book.ts';
import type { Overview } from '../model/api.ts';
import {
  dayStart,
  fromMicroUsd,
  isoUtc,
  pessimistic,
  valueAt,
  type Plan,
  type Series,
  type SiteMs,
} from '../model/index.ts';
import { wallNow } from './io.ts';
import type { Picture } from './picture.ts';
import type { Runtime } from './runtime.ts';

/** What the page shows of the world outside: feeds, uplinks, and what acting would have earned. */

export function feedViews({ markets }: Runtime): Overview['feeds'] {
  return markets.feeds.map(({ config, silence, series, readWall, failure }) => ({
    id: config.id,
    feed: config.feed,
    tells: series.map(({ name }) => name),
    readAgoMs: readWall === undefined ? null : Math.round(wallNow() - readWall),
    failure: failure ?? null,
    silence: silenceText(config.whenSilent, silence),
    mended: series.flatMap(({ mended = [] }) => mended),
  }));
}

function silenceText({ holdMinutes, values }: Runtime['site']['feeds'][number]['whenSilent'], own: string): string {
  const hold = holdMinutes === undefined ? own : `a value holds for ${holdMinutes} minutes`;
  const told = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  const then =
    told.length === 0 ? 'the worst of the last day told' : `${told.join(', ')}, else the worst of the last day told`;
  return `${hold}; then it is planned with ${then}`;
}

/** The value that stands in for a stale series, or null while the last one told still holds. */
export function plannedWith(series: Series, at: SiteMs): number | null {
  return valueAt(series, at)?.stale === true ? (pessimistic(series) ?? null) : null;
}

export function uplinkViews({ uplinks }: Runtime, picture: Picture, plan: Plan | undefined): Overview['uplinks'] {
  const step = plan?.steps.find(({ start, durationMs }) => start <= picture.at && picture.at < start + durationMs);
  return uplinks.list.map(({ uplink, link, readWall, inMbps, outMbps }) => ({
    id: uplink.id,
    name: uplink.name ?? uplink.id,
    hallId: uplink.hall,
    capacityMbps: uplink.capacityMbps,
    up: link?.up ?? null,
    inMbps: inMbps ?? null,
    outMbps: outMbps ?? null,
    plannedMbps: picture.work.reduce(
      (sum, { hallId, workClass }) =>
        hallId === uplink.hall ? sum + (step?.work[workClass.id] ?? 0) * workClass.uplinkMbpsPerGpu : sum,
      0,
    ),
    ageMs: readWall === undefined ? null : Math.round(wallNow() - readWall),
  }));
}

/** The running day in shadow: quarter-hours for which both what was and what would have been are known. */
export async function shadowToday(runtime: Runtime): Promise<Overview['shadow']> {
  if (runtime.people.trust() !== 'shadow') return null;
  const midnight = dayStart(runtime.clock.now(), runtime.site.timezone);
  const [would, booked] = await Promise.all([runtime.store.shadows(100), runtime.store.intervals(100)]);
  const was = new Map(booked.map((interval) => [interval.start, marginOf(interval)]));
  const both = would.flatMap(({ start, wouldMarginMicroUsd }) => {
    const margin = was.get(start);
    return start < midnight || wouldMarginMicroUsd === undefined || margin === undefined
      ? []
      : [{ start, would: wouldMarginMicroUsd, margin }];
  });
  const [first] = both;
  if (first === undefined) return null;
  const sum = (key: 'would' | 'margin'): number => fromMicroUsd(both.reduce((total, one) => total + one[key], 0));
  return { since: isoUtc(first.start), intervals: both.length, wouldMarginUsd: sum('would'), marginUsd: sum('margin') };
}
