import { type GridEvent, within } from '../../control/grid/law.ts';
import type { Trust } from '../../control/trust.ts';
import { authorityOf, isoUtc, type SiteMs, type WallMs } from '../../model/index.ts';
import type { GridEventRow, GridView } from '../../model/grid-api.ts';
import type { Picture } from '../picture.ts';
import type { BookedSource, SignalBook } from './book.ts';
import type { Following } from './follow.ts';

export interface ViewFacts {
  readonly picture: Picture;
  readonly planW: number | undefined;
  readonly book: SignalBook;
  readonly following: Following;
  readonly trust: Trust;
  readonly wall: WallMs;
  skewMs(sourceId: string): number | undefined;
}

/** Sources, events and what stands, as the API shows them. */
export function viewOf({ picture, planW, book, following, trust, wall, skewMs }: ViewFacts): GridView {
  const { by, importW } = following.standing();
  return {
    at: isoUtc(picture.at),
    follows: trust === 'auto',
    importW: picture.importW ?? null,
    demanded:
      by.length === 0
        ? null
        : {
            leastW: importW.least,
            mostW: importW.most,
            by: by.map(({ sourceId, eventId }) => ({ source: sourceId, event: eventId })),
          },
    missW: following.missW() ?? null,
    planW: planW ?? null,
    sources: book.sources().map(({ source, heardWall, isStale, problem }) => {
      const skew = skewMs(source.id);
      const { seconds, policy, safeLimitMw } = source.stale;
      return {
        id: source.id,
        kind: source.kind,
        state: isStale ? 'stale' : heardWall === undefined ? 'waiting' : 'live',
        ageSeconds: heardWall === undefined ? null : Math.round((wall - heardWall) / 100) / 10,
        staleAfterSeconds: seconds,
        policy,
        safeLimitW: safeLimitMw === undefined ? null : safeLimitMw * 1e6,
        priority: source.priority,
        problem: problem ?? null,
        clockAheadSeconds: skew === undefined ? null : skew / 1_000,
      };
    }),
    events: book
      .sources()
      .flatMap((booked) => [...booked.told.values()].map((event) => rowOf(booked, event, picture, following))),
  };
}

function rowOf(booked: BookedSource, told: GridEvent, picture: Picture, following: Following): GridEventRow {
  const { event, beyond } = within(told, authorityOf(booked.source));
  const now = picture.at;
  const left = event.spans.filter(({ until }) => until > now).toSorted((a, b) => a.from - b.from);
  const span = left[0];
  const key = { sourceId: booked.source.id, eventId: event.id };
  const isInForce = stateOf(booked, event, span?.from, now, following) === 'in-force';
  const beforeW = isInForce ? following.beforeW(key) : undefined;
  return {
    source: booked.source.id,
    event: event.id,
    state: stateOf(booked, event, span?.from, now, following),
    kind: span?.kind ?? null,
    leastW: span?.importW.least ?? null,
    mostW: span?.importW.most ?? null,
    from: span === undefined ? null : isoUtc(span.from),
    until: span === undefined || !Number.isFinite(span.until) ? null : isoUtc(span.until),
    priority: event.priority,
    beforeW: beforeW ?? null,
    deliveredW: beforeW === undefined || picture.importW === undefined ? null : beforeW - picture.importW,
    ignored: [...(event.ignored ?? []), ...beyond],
  };
}

function stateOf(
  { source, optedOut, isStale }: BookedSource,
  event: GridEvent,
  from: SiteMs | undefined,
  now: SiteMs,
  following: Following,
): GridEventRow['state'] {
  if (event.cancelled || (from === undefined && event.spans.length > 0)) return 'over';
  if (optedOut.has(event.id)) return 'opted-out';
  if (from === undefined || (isStale && source.stale.policy === 'release')) return 'not-followed';
  if (from > now) return 'to-come';
  const { by } = following.standing();
  return by.some(({ sourceId, eventId }) => sourceId === source.id && eventId === event.id) ? 'in-force' : 'overruled';
}
