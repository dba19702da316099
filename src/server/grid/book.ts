import { z } from 'zod';
import {
  type Demand,
  demandsOf,
  forget,
  type GridEvent,
  learn,
  learnAll,
  type SourceState,
  type Told,
  within,
} from '../../control/grid/law.ts';
import {
  authorityOf,
  DAY,
  type GridSignal,
  isoUtc,
  powerText,
  siteMs,
  type Site,
  type SiteMs,
  type WallMs,
} from '../../model/index.ts';
import type { Store } from '../../store/store.ts';
import type { Journal } from '../journal.ts';

/** One source of grid signals, and what is known of it. */
export interface BookedSource {
  readonly source: GridSignal;
  readonly told: Told;
  readonly optedOut: ReadonlySet<string>;
  /** When it last gave a sign of life; undefined: never since the start. */
  readonly heardWall: WallMs | undefined;
  readonly isStale: boolean;
  /** Why it is not heard, or what of it was not understood; undefined where all is well. */
  readonly problem: string | undefined;
}

/**
 * What every source told, kept over a restart: a limit that was told holds although the process was away, and a source that
 * was stale is stale until it is heard again.
 */
export interface SignalBook {
  sources(): readonly BookedSource[];
  source(id: string): BookedSource | undefined;
  demands(): readonly Demand[];
  /** A sign of life. */
  heard(sourceId: string): void;
  problem(sourceId: string, why: string | undefined): void;
  /** @returns whether it is new */
  tell(sourceId: string, event: GridEvent): boolean;
  /** All there is, of a source that tells that. */
  tellAll(sourceId: string, events: readonly GridEvent[], unread: readonly string[]): void;
  optOut(sourceId: string, eventId: string, who: string, why: string): Promise<void>;
  optIn(sourceId: string, eventId: string, who: string, why: string): Promise<void>;
  /** Whether a webhook's message was taken before. */
  isTaken(sourceId: string, messageId: string): boolean;
  /** Takes a message and what it tells; resolves when both are on disk, together. @param message.unixS its own time, as signed */
  take(
    sourceId: string,
    message: { readonly id: string; readonly unixS: number; readonly event: GridEvent | undefined },
    unixNowS: number,
  ): Promise<void>;
  /** Staleness, once a second. */
  look(): void;
  follow(site: Site): void;
}

export interface BookOptions {
  readonly store: Pick<Store, 'getMeta' | 'setMeta' | 'flush'>;
  readonly journal: Pick<Journal, 'act'>;
  site(): Site;
  siteNow(): SiteMs;
  wallNow(): WallMs;
  askPlan(why: string): void;
}

const KEY = 'grid-signals';
/** A message is refused by its age after five minutes; so long its id must be known, and a little longer. */
const KEEP_IDS_S = 15 * 60;
/** Base points may move every four seconds: the record has the first of a minute, and every large move. */
const RECORD_EVERY_MS = 60_000;
const LARGE_MOVE = 0.05;

const number = z.number().nullable();
const keptEvent = z.object({
  id: z.string(),
  revision: z.number(),
  priority: z.number(),
  spans: z.array(
    z.object({
      kind: z.enum(['cap', 'set-point', 'emergency']),
      importW: z.object({ least: z.number(), most: z.number() }),
      from: z.number().transform(siteMs),
      // Text knows no infinity.
      until: number.transform((until) => siteMs(until ?? Infinity)),
    }),
  ),
  cancelled: z.boolean(),
  ignored: z.array(z.string()).optional(),
});
const kept = z.record(
  z.string(),
  z.object({
    told: z.array(keptEvent),
    optedOut: z.array(z.string()),
    stale: z.boolean(),
    taken: z.record(z.string(), z.number()),
  }),
);

interface Entry {
  source: GridSignal;
  told: Told;
  optedOut: ReadonlySet<string>;
  heardWall: WallMs | undefined;
  isStale: boolean;
  problem: string | undefined;
  taken: Map<string, number>;
  recordedWall: WallMs | undefined;
  recordedW: number | undefined;
}

export async function createSignalBook(options: BookOptions): Promise<SignalBook> {
  const { store, journal, wallNow, siteNow } = options;
  const text = await store.getMeta(KEY);
  const before = text === undefined ? {} : kept.parse(JSON.parse(text));
  const startWall = wallNow();
  let entries = new Map<string, Entry>();
  let demands: readonly Demand[] = [];
  let counter = 0;
  follow(options.site());

  function follow(site: Site): void {
    const past = entries;
    entries = new Map(
      site.gridSignals.map((source): [string, Entry] => [
        source.id,
        { ...(past.get(source.id) ?? opened(source.id)), source },
      ]),
    );
    refresh();
  }

  function opened(id: string): Omit<Entry, 'source'> {
    const old = before[id];
    return {
      told: new Map((old?.told ?? []).map((event) => [event.id, event as GridEvent])),
      optedOut: new Set(old?.optedOut),
      heardWall: undefined,
      isStale: old?.stale ?? false,
      problem: undefined,
      taken: new Map(Object.entries(old?.taken ?? {})),
      recordedWall: undefined,
      recordedW: undefined,
    };
  }

  function of(id: string): Entry {
    const entry = entries.get(id);
    if (entry === undefined) throw new Error(`no source ${id}: the site was not checked`);
    return entry;
  }

  function refresh(): void {
    demands = [...entries.values()].flatMap((entry) => demandsOf(stateOf(entry), siteNow()));
  }

  function keep(): void {
    const all = [...entries].map(([id, { told, optedOut, isStale, taken }]) => [
      id,
      { told: [...told.values()], optedOut: [...optedOut], stale: isStale, taken: Object.fromEntries(taken) },
    ]);
    store.setMeta(KEY, JSON.stringify(Object.fromEntries(all)));
  }

  function act(who: string, what: string, why: string): void {
    const at = siteNow();
    counter += 1;
    journal.act({ id: `grid-${at}-${counter}-${who}`, at, who, what, why });
  }

  /** Takes over what an entry is told now, and records and plans for what is new of it. */
  function changed(entry: Entry, told: Told): void {
    const past = entry.told;
    entry.told = told;
    refresh();
    keep();
    for (const [id, event] of told) if (past.get(id) !== event) record(entry, event);
    for (const [id, event] of past)
      if (!told.has(id) && !event.cancelled) act(entry.source.id, `take back ${id}`, 'its source tells it no more');
    options.askPlan(`${entry.source.id} told what import must be`);
  }

  function record(entry: Entry, event: GridEvent): void {
    const { source } = entry;
    if (source.kind === 'base-point' && !event.cancelled) {
      const watts = event.spans[0]?.importW.most;
      const connectionW = options.site().connection.limitMw * 1e6;
      const moved = Math.abs((watts ?? 0) - (entry.recordedW ?? -Infinity)) > LARGE_MOVE * connectionW;
      if (!moved && entry.recordedWall !== undefined && wallNow() - entry.recordedWall < RECORD_EVERY_MS) return;
      entry.recordedWall = wallNow();
      entry.recordedW = watts;
    }
    const { beyond } = within(event, authorityOf(source));
    const refused = beyond.length === 0 ? '' : `; refused: ${beyond.join('; ')}`;
    act(source.id, `${wordsOf(event)}${refused}`, `told by ${source.kind} ${source.id}, priority ${event.priority}`);
  }

  async function opt(out: boolean, sourceId: string, eventId: string, who: string, why: string): Promise<void> {
    const entry = of(sourceId);
    const optedOut = new Set(entry.optedOut);
    if (out) optedOut.add(eventId);
    else optedOut.delete(eventId);
    entry.optedOut = optedOut;
    refresh();
    keep();
    act(who, `opt ${out ? 'out of' : 'in again to'} ${eventId} of ${sourceId}`, why);
    await store.flush();
    options.askPlan(`${who} opted ${out ? 'out of' : 'in again to'} ${eventId}`);
  }

  function lookAt(entry: Entry): void {
    const { source } = entry;
    const silentMs = wallNow() - (entry.heardWall ?? startWall);
    // A controller that let go of the site owes it no sign of life.
    const isLetGo =
      source.kind === 'base-point' &&
      entry.heardWall !== undefined &&
      ![...entry.told.values()].some((event) => !event.cancelled);
    const wasHeard = entry.heardWall !== undefined || !entry.isStale;
    const isStale = !isLetGo && (silentMs > source.stale.seconds * 1_000 || !wasHeard);
    const told = forget(entry.told, siteMs(siteNow() - DAY));
    if (told !== entry.told) entry.told = told;
    if (isStale === entry.isStale) return;
    entry.isStale = isStale;
    refresh();
    keep();
    const { policy, safeLimitMw } = source.stale;
    const means = {
      hold: 'what it told goes on',
      'safe-limit': `import stays below ${safeLimitMw} MW`,
      release: 'what it told counts no more',
    };
    if (isStale) act(source.id, `stale: ${means[policy]}`, `no sign of life for ${source.stale.seconds} s`);
    else act(source.id, 'heard again', 'a sign of life');
    options.askPlan(`${source.id} is ${isStale ? 'stale' : 'heard again'}`);
  }

  return {
    sources: () => [...entries.values()],
    source: (id) => entries.get(id),
    demands: () => demands,
    heard(id) {
      const entry = of(id);
      entry.heardWall = wallNow();
      if (entry.isStale) lookAt(entry);
    },
    problem: (id, why) => void (of(id).problem = why),
    tell(id, event) {
      const entry = of(id);
      const told = learn(entry.told, event);
      if (told === entry.told) return false;
      changed(entry, told);
      return true;
    },
    tellAll(id, events, unread) {
      const entry = of(id);
      const told = learnAll(entry.told, events, unread);
      if (told !== entry.told) changed(entry, told);
    },
    optOut: (...of_) => opt(true, ...of_),
    optIn: (...of_) => opt(false, ...of_),
    isTaken: (id, messageId) => of(id).taken.has(messageId),
    async take(id, { id: messageId, unixS, event }, unixNowS) {
      const entry = of(id);
      const { taken } = entry;
      for (const [old, at] of taken) if (at < unixNowS - KEEP_IDS_S) taken.delete(old);
      taken.set(messageId, unixS);
      entry.heardWall = wallNow();
      if (entry.isStale) lookAt(entry);
      const told = event === undefined ? entry.told : learn(entry.told, event);
      if (told === entry.told) keep();
      else changed(entry, told);
      try {
        await store.flush();
      } catch (error) {
        // Its sender is told to come again, and must then be let in; what it tells a second time changes nothing.
        taken.delete(messageId);
        throw error;
      }
    },
    look() {
      for (const entry of entries.values()) lookAt(entry);
      refresh();
    },
    follow,
  };
}

const stateOf = ({ source, isStale, told, optedOut }: Entry): SourceState => ({
  id: source.id,
  priority: source.priority,
  may: authorityOf(source),
  stale: source.stale,
  isStale,
  told,
  optedOut,
});

/** An event in words, for Activity. */
export function wordsOf({ id, spans, cancelled, ignored = [] }: GridEvent): string {
  if (cancelled) return `take back ${id}`;
  const parts = spans.slice(0, 3).map(({ kind, importW, from, until }) => {
    const ask = { cap: 'import at most', 'set-point': 'import at', emergency: 'emergency, import at most' }[kind];
    const end = Number.isFinite(until) ? ` until ${isoUtc(until)}` : '';
    return `${ask} ${powerText(importW.most)} from ${isoUtc(from)}${end}`;
  });
  if (spans.length > 3) parts.push(`and ${spans.length - 3} more spans`);
  return `${id}: ${[...parts, ...ignored].join('; ') || 'asks for nothing'}`;
}
