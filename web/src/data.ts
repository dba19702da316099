import { QueryClient, useQuery } from '@tanstack/react-query';
import { createContext, useContext, useSyncExternalStore } from 'react';
import type { z } from 'zod';
import type {
  Activity,
  ForecastScoresView,
  IntervalView,
  Overview,
  PlanView,
  Session,
  activityPage,
  intervalPage,
  seriesPage,
} from '../../src/model/api.ts';
import type { NodesPage } from '../../src/model/nodes-api.ts';
import type { JobsPage } from '../../src/model/jobs-api.ts';
import type { OrdersPage } from '../../src/model/orders-api.ts';
import type { SuggestionsPage } from '../../src/model/trust-api.ts';
import { ApiError, api } from './http.ts';
import type { Link, Live } from './live.ts';
import type { RecentSample } from './strip-data.ts';

type IntervalPage = z.infer<typeof intervalPage>;
type ActivityPage = z.infer<typeof activityPage>;
type SeriesPage = z.infer<typeof seriesPage>;

const KEPT_INTERVALS = 96;
const KEPT_ACTIVITY = 50;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Infinity,
      refetchOnWindowFocus: false,
      retry: (failures, error) =>
        failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
  },
});

/** Newest last, one of each `start`, at most a day. */
export function withInterval(intervals: readonly IntervalView[], added: IntervalView): IntervalView[] {
  return [...intervals.filter((i) => i.start !== added.start), added]
    .sort((a, b) => Date.parse(a.start) - Date.parse(b.start))
    .slice(-KEPT_INTERVALS);
}

/** Newest first; an entry told again takes the place of its older self. */
export function withActivity(entries: readonly Activity[], added: Activity): Activity[] {
  return [added, ...entries.filter((e) => e.id !== added.id)]
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
    .slice(0, KEPT_ACTIVITY);
}

/** Events wait a second at the most to be painted, and were a second old when they came. */
const ON_ITS_WAY_MS = 3_000;

/**
 * What was asked for after an act knows of it; an event that was on its way meanwhile does not, and would take it back for a second. One that is
 * older by more is of a clock that was set back, and stands.
 */
function isOvertaken(told: Overview, shown: Overview | undefined): boolean {
  if (shown === undefined) return false;
  const behindMs = Date.parse(shown.at) - Date.parse(told.at);
  return behindMs >= 0 && behindMs < ON_ITS_WAY_MS * told.clock.speed;
}

/** Puts events of the stream where the queries keep their answers. */
export function paintEvent(name: string, data: unknown): void {
  if (name === 'overview') {
    const told = data as Overview;
    if (isOvertaken(told, queryClient.getQueryData<Overview>(['overview']))) return;
    queryClient.setQueryData(['overview'], told);
    remember(told);
  }
  if (name === 'plan') queryClient.setQueryData(['plan'], data);
  // What people ordered and confirmed stands in Activity the moment it is done.
  if (name === 'activity') void queryClient.invalidateQueries({ queryKey: ['asked'] });
  if (name === 'interval') {
    queryClient.setQueryData<IntervalPage>(
      ['intervals'],
      (page) => page && { ...page, intervals: withInterval(page.intervals, data as IntervalView) },
    );
  }
  if (name === 'activity') {
    queryClient.setQueryData<ActivityPage>(
      ['activity'],
      (page) => page && { ...page, activity: withActivity(page.activity, data as Activity) },
    );
  }
}

const SAMPLE_EVERY_MS = 30_000;
const SAMPLES_KEPT_MS = 45 * 60_000;
let recent: readonly RecentSample[] = [];

/** Line power this page has seen, a sample each half minute of site time: it fills the quarter-hour not booked yet. */
export const recentSamples = (): readonly RecentSample[] => recent;

const toMw = (watts: number | null | undefined): number | null =>
  watts === null || watts === undefined ? null : watts / 1e6;

function remember({ at, lines, connection, plan }: Overview): void {
  const t = Date.parse(at);
  const last = recent.at(-1);
  if (last !== undefined && t < last.at) recent = [];
  else if (last !== undefined && t - last.at < SAMPLE_EVERY_MS) return;
  const line = (name: string) => toMw(lines.find((l) => l.line === name)?.powerW);
  const [mining, ai, hpc] = [line('mining'), line('ai'), line('hpc')];
  const importMw = toMw(connection.importW);
  if (importMw === null && mining === null && ai === null && hpc === null) return;
  const other = importMw === null ? null : Math.max(0, importMw - (mining ?? 0) - (ai ?? 0) - (hpc ?? 0));
  recent = [
    ...recent.filter((s) => s.at > t - SAMPLES_KEPT_MS),
    { at: t, mining, ai, hpc, other, importMw, plannedMw: toMw(plan?.targetW) },
  ];
}

/** A plan or a first overview that does not exist yet is "nothing yet", not an error. */
async function orNull<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

export const useOverview = () =>
  useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => api<Overview>('/overview', { signal }),
    refetchInterval: retryEvery,
  });

export const usePlan = () =>
  useQuery({
    queryKey: ['plan'],
    queryFn: ({ signal }) => orNull(api<PlanView>('/plan', { signal })),
    refetchInterval: retryEvery,
  });

export const useIntervals = () =>
  useQuery({
    queryKey: ['intervals'],
    queryFn: ({ signal }) => api<IntervalPage>(`/intervals?limit=${KEPT_INTERVALS}`, { signal }).then(ascending),
    refetchInterval: retryEvery,
  });

export const useActivity = () =>
  useQuery({
    queryKey: ['activity'],
    queryFn: ({ signal }) => api<ActivityPage>(`/activity?limit=${KEPT_ACTIVITY}`, { signal }),
    refetchInterval: retryEvery,
  });

const FOLLOW_MS = 1_500;

/** Orders of people: while one is open, its progress is asked for every second and a half. */
export const useOrders = () =>
  useQuery({
    queryKey: ['asked', 'orders'],
    queryFn: ({ signal }) => api<OrdersPage>('/orders', { signal }),
    refetchInterval: (query) =>
      (query.state.data?.orders ?? []).some(({ state }) => state !== 'over') ? FOLLOW_MS : retryEvery(query),
  });

/** What waits for a person: worked out beside each plan, so that it comes some seconds after it. @param wanted whether any cohort waits */
export const useSuggestions = (wanted: boolean) =>
  useQuery({
    queryKey: ['asked', 'suggestions'],
    queryFn: ({ signal }) => api<SuggestionsPage>('/suggestions', { signal }),
    enabled: wanted,
    refetchInterval: 2 * FOLLOW_MS,
  });

/** Nodes of clusters and what they are used for. @param wanted whether the site has any cluster */
export const useNodes = (wanted: boolean) =>
  useQuery({
    queryKey: ['asked', 'nodes'],
    queryFn: ({ signal }) => api<NodesPage>('/nodes', { signal }),
    enabled: wanted,
    refetchInterval: 2 * FOLLOW_MS,
  });

/** What GPUs of running jobs draw and do: read by the server twice a minute. */
export const useJobs = (wanted: boolean) =>
  useQuery({
    queryKey: ['asked', 'jobs'],
    queryFn: ({ signal }) => api<JobsPage>('/jobs', { signal }),
    enabled: wanted,
    refetchInterval: 10_000,
  });

/** Past prices move once a quarter-hour: asked for again when an interval has been booked. */
export const usePrices = (lastInterval: string | undefined) =>
  useQuery({
    queryKey: ['prices', lastInterval],
    queryFn: ({ signal }) => orNull(api<SeriesPage>('/series/priceUsdPerMwh', { signal })),
    placeholderData: (previous) => previous,
    refetchInterval: retryEvery,
  });

/** Errors of a week move slowly: asked for when somebody looks, and again after five minutes. */
export const useForecastScores = (wanted: boolean) =>
  useQuery({
    queryKey: ['forecast-scores'],
    queryFn: ({ signal }) => api<ForecastScoresView>('/forecast-scores', { signal }),
    enabled: wanted,
    staleTime: 5 * 60_000,
    refetchInterval: retryEvery,
  });

export const useSession = () =>
  useQuery({
    queryKey: ['session'],
    queryFn: ({ signal }) => api<Session>('/session', { signal }),
    refetchOnWindowFocus: true,
    staleTime: 30_000,
    refetchInterval: retryEvery,
  });

const ascending = (page: IntervalPage): IntervalPage => ({
  ...page,
  intervals: page.intervals.toSorted((a, b) => Date.parse(a.start) - Date.parse(b.start)),
});

/** What could not be fetched is asked for again every five seconds; what is there is kept up by the stream. */
function retryEvery(query: { state: { status: string } }): number | false {
  return query.state.status === 'error' ? 5000 : false;
}

export const LiveContext = createContext<Live | undefined>(undefined);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === undefined) throw new Error('no live stream above this component');
  return live;
}

export function useLink(): Link {
  const live = useLive();
  return useSyncExternalStore(live.subscribe, live.link);
}
