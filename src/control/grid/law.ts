import { type Authority, type GridKind, powerText, type SiteMs, type StalePolicy } from '../../model/index.ts';

/**
 * The one law of grid signals: from what each source told to what import must be. Pure, so that it can be argued about: a lower
 * priority never loosens a higher one, a source that fell silent never raises a limit unless its policy is `release`, and what is
 * told twice or out of order changes nothing.
 */

/** Import in W that is allowed, both ends included; `most` is infinite where nothing bounds it. */
export interface ImportRange {
  readonly least: number;
  readonly most: number;
}

/** What an event asks for during one span of it. */
export interface Span {
  readonly kind: GridKind;
  readonly importW: ImportRange;
  readonly from: SiteMs;
  /** Infinite: until it is told otherwise. */
  readonly until: SiteMs;
}

/** One event as its source told it last. */
export interface GridEvent {
  readonly id: string;
  /** Rises with each telling: what is not newer than what is known changes nothing. */
  readonly revision: number;
  /** 0 is the highest. */
  readonly priority: number;
  readonly spans: readonly Span[];
  /** Taken back; kept so that an older telling does not bring it again. */
  readonly cancelled: boolean;
  /** Asked for in it and not followed, in words. */
  readonly ignored?: readonly string[];
}

export type Told = ReadonlyMap<string, GridEvent>;

/** What is known after a telling; the same map where it told nothing new. */
export function learn(known: Told, event: GridEvent): Told {
  const before = known.get(event.id);
  if (before !== undefined && before.revision >= event.revision) return known;
  return new Map(known).set(event.id, event);
}

/**
 * The same for a source that always tells all there is: what it does not tell any more is over.
 * @param unread ids that were told and not understood: what is known of them stands
 */
export function learnAll(known: Told, events: readonly GridEvent[], unread: readonly string[] = []): Told {
  const listed = new Set([...events.map(({ id }) => id), ...unread]);
  const left = [...known].filter(([id]) => listed.has(id));
  const kept: Told = left.length === known.size ? known : new Map(left);
  return events.reduce(learn, kept);
}

/** Forgets events that are over, so that a year of them does not pile up. */
export function forget(known: Told, before: SiteMs): Told {
  const kept = [...known].filter(
    ([, event]) => event.revision > before || event.spans.some(({ until }) => until > before),
  );
  return kept.length === known.size ? known : new Map(kept);
}

/** An event as far as its source may command it. */
export interface Bounded {
  readonly event: GridEvent;
  /** What it asks for beyond that, in words. */
  readonly beyond: readonly string[];
}

/** Kinds that a source may not command fall away, a priority above its own is its own, and import goes no lower than it may. */
export function within(event: GridEvent, { kinds, priority, leastImportW }: Authority): Bounded {
  if (event.cancelled) return { event, beyond: [] };
  const beyond = new Set<string>();
  const spans = event.spans.flatMap((span): Span[] => {
    if (!kinds.includes(span.kind)) {
      beyond.add(`${span.kind}: not for this source to command (may.kinds)`);
      return [];
    }
    if (span.importW.most >= leastImportW) return [span];
    beyond.add(`import below ${powerText(leastImportW)}: not for this source to command (may.leastImportMw)`);
    return [{ ...span, importW: { least: span.kind === 'set-point' ? leastImportW : 0, most: leastImportW } }];
  });
  if (event.priority < priority)
    beyond.add(`priority ${event.priority}: ${priority} is the highest for this source to name (may.priority)`);
  if (beyond.size === 0) return { event, beyond: [] };
  return { event: { ...event, spans, priority: Math.max(event.priority, priority) }, beyond: [...beyond] };
}

/** What a source asks of the site, with where it comes from. */
export interface Demand extends Span {
  readonly sourceId: string;
  readonly eventId: string;
  readonly priority: number;
}

export interface SourceState {
  readonly id: string;
  readonly priority: number;
  readonly may: Authority;
  readonly stale: StalePolicy;
  readonly isStale: boolean;
  readonly told: Told;
  /** Ids of events that a person opted out of. */
  readonly optedOut: ReadonlySet<string>;
}

/** The event that a stale source with a safe limit stands for. */
export const STALE_EVENT = 'stale';

/** What one source demands from `now` on, by what it told and how it is to be taken while it is silent. */
export function demandsOf({ id, priority, may, stale, isStale, told, optedOut }: SourceState, now: SiteMs): Demand[] {
  if (isStale && stale.policy === 'release') return [];
  // What was told before the site file bounded its source is bounded all the same.
  const events = [...told.values()].map((event) => within(event, may).event);
  const demands = events.flatMap((event) =>
    event.cancelled || optedOut.has(event.id)
      ? []
      : event.spans
          .filter(({ from, until }) => until > now && until > from)
          .map((span): Demand => ({ ...span, sourceId: id, eventId: event.id, priority: event.priority })),
  );
  if (!isStale || stale.policy === 'hold') return demands;
  const safeW = stale.safeLimitMw! * 1e6;
  const forEver = Infinity as SiteMs;
  return [
    ...demands.map((demand): Demand => {
      const importW = { least: 0, most: Math.min(demand.importW.most, safeW) };
      return { ...demand, kind: demand.kind === 'set-point' ? 'cap' : demand.kind, importW };
    }),
    // A standing limit of the highest priority: a floor of anybody else must not lift it.
    {
      kind: 'cap',
      importW: { least: 0, most: safeW },
      from: now,
      until: forEver,
      sourceId: id,
      eventId: STALE_EVENT,
      priority: Math.min(priority, 0),
    },
  ];
}

/** Emergencies first, then by priority; of one priority the strictest first. */
function byRank(a: Demand, b: Demand): number {
  return (
    Number(b.kind === 'emergency') - Number(a.kind === 'emergency') ||
    a.priority - b.priority ||
    a.importW.most - b.importW.most ||
    b.importW.least - a.importW.least ||
    (a.sourceId < b.sourceId ? -1 : Number(a.sourceId > b.sourceId)) ||
    (a.eventId < b.eventId ? -1 : Number(a.eventId > b.eventId))
  );
}

/** Import that is allowed at one time, and the demands that narrow it, strongest first. */
export interface Standing {
  readonly importW: ImportRange;
  readonly by: readonly Demand[];
}

/** All demands in force at `at` as one: each may only narrow what those before it left. */
export function standingAt(demands: readonly Demand[], at: SiteMs): Standing {
  let least = 0;
  let most = Infinity;
  const by: Demand[] = [];
  for (const demand of demands.filter(({ from, until }) => from <= at && at < until).sort(byRank)) {
    const nextMost = Math.max(least, Math.min(most, demand.importW.most));
    const nextLeast = Math.min(nextMost, Math.max(least, demand.importW.least));
    if (nextMost === most && nextLeast === least) continue;
    [least, most] = [nextLeast, nextMost];
    by.push(demand);
  }
  return { importW: { least, most }, by };
}

export interface Stretch extends Standing {
  readonly from: SiteMs;
  readonly until: SiteMs;
}

/** What import must be from `now` to `until`, as stretches in their order; where nothing is demanded there is none. */
export function stretches(demands: readonly Demand[], now: SiteMs, until: SiteMs): Stretch[] {
  const edges = demands.flatMap(({ from, until: end }) => [from, end]).filter((at) => at > now && at < until);
  const starts = [now, ...new Set(edges)].sort((a, b) => a - b);
  return starts.flatMap((from, i): Stretch[] => {
    const standing = standingAt(demands, from);
    return standing.by.length === 0 ? [] : [{ ...standing, from, until: starts[i + 1] ?? until }];
  });
}

/** When the next demand begins or ends; undefined where none will. */
export function nextEdge(demands: readonly Demand[], now: SiteMs): SiteMs | undefined {
  const edges = demands.flatMap(({ from, until }) => [from, until]).filter((at) => at > now && Number.isFinite(at));
  return edges.length === 0 ? undefined : (Math.min(...edges) as SiteMs);
}

/** How far import is from what is demanded, in W: above it positive, below its floor negative. */
export const missW = (importW: number, { least, most }: ImportRange): number =>
  importW > most ? importW - most : importW < least ? importW - least : 0;
