import { createSizing, withServing, type ServingNeed } from '../dispatch/serving.ts';
import type { WantedClass } from '../dispatch/wanted.ts';
import {
  isoUtc,
  pessimistic,
  QUARTER,
  quarterStart,
  siteMs,
  valueAt,
  type Forecast,
  type Series,
  type Serves,
  type Site,
  type SiteMs,
  type Snapshot,
  type WantedPoint,
} from '../model/index.ts';

/** What requests ask of the class of work that answers them. */
export interface Serving {
  /** The class as what is to be forecast: what its requests needed, in place of what its jobs did. */
  asWanted(one: WantedClass): WantedClass;
  /** Of what the forecast does not tell, requests hold on as now. */
  inSteps(forecast: Forecast): Forecast;
  inSnapshot(snapshot: Snapshot, forecast: Forecast): Snapshot;
  readonly notes: readonly string[];
}

export interface ServingSource {
  at(site: Pick<Site, 'clusters'>, series: Series | undefined, at: SiteMs): Serving;
}

/** Months of quarter-hours are sized again only where the class or the requests changed. */
export function createServing(): ServingSource {
  let kept: { readonly serves: string; readonly size: (requestsPerSecond: number) => number } | undefined;

  function sizing(serves: Serves): (requestsPerSecond: number) => number {
    const text = JSON.stringify(serves);
    if (kept?.serves !== text) kept = { serves: text, size: createSizing(serves) };
    return kept.size;
  }

  return {
    at(site, series, at) {
      const work = site.clusters.flatMap(({ classes }) => classes).find(({ serves }) => serves !== undefined);
      if (work?.serves === undefined) return NONE;
      const now = series && valueAt(series, at);
      const rate = now?.stale === true ? pessimistic(series!) : now?.value;
      if (rate === undefined)
        return { ...NONE, notes: [`GPUs of ${work.id} are planned by its jobs: no feed tells requestsPerSecond`] };
      const size = sizing(work.serves);
      const gpus = size(rate);
      const history = historyOf(series!, at, size);
      const needs = new Map<string, ServingNeed>([[work.id, { gpus, serves: work.serves }]]);
      const told =
        now?.stale === true
          ? [
              `requests of ${work.id} are not told since ${isoUtc(series!.points.at(-1)!.start)}: planned for ${rate} a second`,
            ]
          : [];
      return {
        asWanted: (one) =>
          one.id === work.id ? { ...one, className: 'on-demand', hasDeadline: false, nowGpus: gpus, history } : one,
        inSteps: (forecast) => ({
          ...forecast,
          steps: forecast.steps.map((step) => ({
            ...step,
            // Whole GPUs: a part of one answers nobody in time.
            wantedGpus: {
              ...step.wantedGpus,
              [work.id]: Math.max(work.serves!.minGpus, Math.ceil((step.wantedGpus?.[work.id] ?? gpus) - 1e-6)),
            },
          })),
        }),
        inSnapshot: (snapshot, forecast) => ({ ...snapshot, work: withServing(snapshot.work, needs, forecast) }),
        notes: told,
      };
    },
  };
}

const NONE: Serving = {
  asWanted: (one) => one,
  inSteps: (forecast) => forecast,
  inSnapshot: (snapshot) => snapshot,
  notes: [],
};

/** By quarter-hour: what its busiest interval needed, as latency is owed then, too. */
function historyOf(
  { points, intervalMs }: Series,
  at: SiteMs,
  size: (requestsPerSecond: number) => number,
): WantedPoint[] {
  const quarters = new Map<number, { most: number; ms: number }>();
  for (const { start, value } of points) {
    if (start > at) break;
    const end = start + intervalMs;
    for (let t = quarterStart(start); t < end; t = siteMs(t + QUARTER)) {
      const sum = quarters.get(t) ?? { most: 0, ms: 0 };
      quarters.set(t, {
        most: Math.max(sum.most, value),
        ms: sum.ms + Math.min(end, t + QUARTER) - Math.max(start, t),
      });
    }
  }
  return [...quarters].map(([start, { most, ms }]) => ({
    start: siteMs(start),
    gpus: size(most),
    coverage: Math.min(1, ms / QUARTER),
  }));
}
