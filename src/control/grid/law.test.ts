import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Authority, authorityOf, GRID_KINDS, gridSignal, siteMs, type StalePolicy } from '../../model/index.ts';
import {
  type Demand,
  demandsOf,
  forget,
  type GridEvent,
  learn,
  learnAll,
  missW,
  nextEdge,
  type SourceState,
  standingAt,
  stretches,
  type Told,
  within,
} from './law.ts';

const NOW = siteMs(1_000_000);

const span = fc
  .record({
    kind: fc.constantFrom('cap' as const, 'set-point' as const, 'emergency' as const),
    watts: fc.integer({ min: 0, max: 40 }),
    band: fc.integer({ min: 0, max: 5 }),
    from: fc.integer({ min: -50, max: 50 }),
    lasts: fc.integer({ min: 1, max: 60 }),
  })
  .map(({ kind, watts, band, from, lasts }) => ({
    kind,
    importW: { least: kind === 'set-point' ? watts : 0, most: watts + (kind === 'set-point' ? band : 0) },
    from: siteMs(NOW + from),
    until: siteMs(NOW + from + lasts),
  }));
const event: fc.Arbitrary<GridEvent> = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  revision: fc.integer({ min: 1, max: 20 }),
  priority: fc.integer({ min: 0, max: 4 }),
  spans: fc.array(span, { maxLength: 3 }),
  cancelled: fc.boolean(),
});
const demand: fc.Arbitrary<Demand> = fc
  .tuple(span, fc.nat(4), fc.constantFrom('x', 'y'), fc.constantFrom('a', 'b', 'c'))
  .map(([one, priority, sourceId, eventId]) => ({ ...one, priority, sourceId, eventId }));
const tellAll = (events: readonly GridEvent[]): Told => events.reduce(learn, new Map<string, GridEvent>());
const at = fc.integer({ min: -60, max: 120 }).map((by) => siteMs(NOW + by));

const ALL: Authority = { kinds: GRID_KINDS, priority: 0, leastImportW: 0 };
const source = (told: Told, stale: StalePolicy, isStale: boolean): SourceState => ({
  id: 'x',
  priority: 3,
  may: ALL,
  stale,
  isStale,
  told,
  optedOut: new Set(),
});
const HOLD: StalePolicy = { seconds: 60, policy: 'hold' };
const SAFE: StalePolicy = { seconds: 60, policy: 'safe-limit', safeLimitMw: 20e-6 };
const RELEASE: StalePolicy = { seconds: 60, policy: 'release' };

describe('what is told', () => {
  test('replayed and reordered events change nothing', () => {
    // One revision is one telling: of the same revision there are no two contents.
    const history = fc.uniqueArray(event, { selector: ({ id, revision }) => `${id} ${revision}` });
    fc.assert(
      fc.property(
        history.chain((events) => fc.tuple(fc.constant(events), fc.shuffledSubarray(events), fc.array(fc.nat()))),
        ([events, shuffled, again]) => {
          const rest = events.filter((one) => !shuffled.includes(one));
          const replayed = events.length === 0 ? [] : again.map((i) => events[i % events.length]!);
          const sorted = (told: Told) => [...told].sort(([a], [b]) => a.localeCompare(b));
          expect(sorted(tellAll([...shuffled, ...rest, ...replayed]))).toEqual(sorted(tellAll(events)));
        },
      ),
    );
  });

  test('a telling that is not newer leaves the very same map, so that nobody plans for it', () => {
    const one: GridEvent = { id: 'a', revision: 5, priority: 0, spans: [], cancelled: false };
    const known = tellAll([one]);
    expect(learn(known, one)).toBe(known);
    expect(learn(known, { ...one, revision: 4, cancelled: true })).toBe(known);
    expect(learnAll(known, [one])).toBe(known);
    expect([...learnAll(known, []).keys()]).toEqual([]);
    expect(learnAll(known, [], ['a'])).toBe(known);
  });

  test('events are forgotten once over, and not before', () => {
    fc.assert(
      fc.property(fc.array(event), at, (events, t) => {
        const known = tellAll(events.map((one) => ({ ...one, revision: 1 })));
        for (const [id, { spans }] of known)
          expect(forget(known, t).has(id)).toBe(spans.some(({ until }) => until > t) || t < 1);
      }),
    );
  });
});

describe('what is demanded', () => {
  test('a lower priority never loosens a higher one', () => {
    fc.assert(
      fc.property(fc.array(demand), demand, at, (demands, more, t) => {
        const lower = { ...more, kind: 'cap' as const, priority: 9 };
        const without = standingAt(demands, t).importW;
        const { importW } = standingAt([...demands, lower], t);
        expect(importW.most).toBeLessThanOrEqual(without.most);
        expect(importW.least).toBeGreaterThanOrEqual(without.least);
        expect(importW.least).toBeLessThanOrEqual(importW.most);
      }),
    );
  });

  test('the demand of the highest rank is kept whatever others ask', () => {
    fc.assert(
      fc.property(fc.array(demand), fc.nat(40), at, (demands, watts, t) => {
        const emergency = demands.map((one) => ({ ...one, priority: one.priority + 1, kind: 'cap' as const }));
        const importW = { least: 0, most: watts };
        const top: Demand = { ...emptyCap, importW, kind: 'emergency', priority: 7 };
        expect(standingAt([...emergency, top], t).importW.most).toBeLessThanOrEqual(watts);
      }),
    );
  });

  test('the order in which demands stand changes nothing', () => {
    fc.assert(
      fc.property(fc.array(demand), at, (demands, t) => {
        expect(standingAt(demands.toReversed(), t).importW).toEqual(standingAt(demands, t).importW);
      }),
    );
  });

  test('times never extend: nothing is demanded outside the span that was told', () => {
    fc.assert(
      fc.property(fc.array(event), at, fc.constantFrom(HOLD, RELEASE), fc.boolean(), (events, t, stale, isStale) => {
        const told = tellAll(events);
        const { by } = standingAt(demandsOf(source(told, stale, isStale), NOW), t);
        for (const { eventId, kind, from, until } of by) {
          expect(from <= t && t < until).toBe(true);
          expect(told.get(eventId)!.spans.some((one) => one.kind === kind && one.from === from)).toBe(true);
          expect(told.get(eventId)!.spans.some((one) => one.until === until)).toBe(true);
        }
      }),
    );
  });

  test('a source that falls silent never raises a limit, unless it is declared to release', () => {
    fc.assert(
      fc.property(fc.array(event), fc.array(demand), at, (events, others, t) => {
        const told = tellAll(events.map((one) => ({ ...one, spans: one.spans.map(asCap) })));
        const most = (stale: StalePolicy, isStale: boolean): number =>
          standingAt([...demandsOf(source(told, stale, isStale), NOW), ...others.map(asCap)], t).importW.most;
        fc.pre(t >= NOW);
        expect(most(HOLD, true)).toBe(most(HOLD, false));
        expect(most(SAFE, true)).toBeLessThanOrEqual(Math.min(most(SAFE, false), 20));
        expect(demandsOf(source(told, RELEASE, true), NOW)).toEqual([]);
      }),
    );
  });

  test('a set point of a stale source keeps its ceiling and gives up its floor', () => {
    const spans = [{ kind: 'set-point' as const, importW: { least: 9, most: 9 }, from: NOW, until: siteMs(Infinity) }];
    const told = tellAll([{ id: 'a', revision: 1, priority: 5, spans, cancelled: false }]);
    expect(standingAt(demandsOf(source(told, SAFE, true), NOW), NOW).importW).toEqual({ least: 0, most: 9 });
    expect(standingAt(demandsOf(source(told, HOLD, true), NOW), NOW).importW).toEqual({ least: 9, most: 9 });
    expect(standingAt(demandsOf(source(new Map(), SAFE, true), NOW), NOW).importW).toEqual({ least: 0, most: 20 });
  });

  test('what a person opted out of, and what was taken back, is demanded by nobody', () => {
    const told = tellAll([
      { id: 'a', revision: 1, priority: 0, spans: [emptyCap], cancelled: false },
      { id: 'b', revision: 1, priority: 0, spans: [emptyCap], cancelled: true },
      { id: 'c', revision: 1, priority: 0, spans: [emptyCap], cancelled: false },
    ]);
    const state = { ...source(told, HOLD, false), optedOut: new Set(['a']) };
    expect(demandsOf(state, NOW).map(({ eventId }) => eventId)).toEqual(['c']);
  });
});

describe('in time', () => {
  test('stretches say at each moment what stands at it, and do not overlap', () => {
    fc.assert(
      fc.property(fc.array(demand), at, (demands, t) => {
        fc.pre(t >= NOW);
        const all = stretches(demands, NOW, siteMs(NOW + 200));
        const found = all.filter(({ from, until }) => from <= t && t < until);
        expect(found.length).toBeLessThanOrEqual(1);
        const { importW, by } = standingAt(demands, t);
        expect(found[0]?.importW).toEqual(by.length === 0 ? undefined : importW);
        const next = nextEdge(demands, NOW);
        if (next !== undefined && t < next) expect(standingAt(demands, t)).toEqual(standingAt(demands, NOW));
      }),
    );
  });

  test('how far import is off', () => {
    expect(missW(5, { least: 0, most: Infinity })).toBe(0);
    expect(missW(5, { least: 0, most: 3 })).toBe(2);
    expect(missW(5, { least: 7, most: 9 })).toBe(-2);
    expect(missW(8, { least: 7, most: 9 })).toBe(0);
  });
});

const emptyCap: Demand = {
  kind: 'cap',
  importW: { least: 0, most: 3 },
  from: siteMs(NOW - 1_000),
  until: siteMs(NOW + 1_000),
  sourceId: 'x',
  eventId: 'top',
  priority: 0,
};
const asCap = <T extends { readonly importW: { readonly most: number } }>(one: T): T => ({
  ...one,
  kind: 'cap' as const,
  importW: { least: 0, most: one.importW.most },
});

describe('how far a source may command', () => {
  const may = fc.record({
    kinds: fc.subarray([...GRID_KINDS], { minLength: 1 }),
    priority: fc.nat(5),
    leastImportW: fc.nat(30),
  });

  test('whatever it tells, it demands no other kind, no higher priority, and no import lower than it may', () => {
    fc.assert(
      fc.property(fc.array(event), may, (events, authority) => {
        const told = tellAll(events);
        for (const { kind, priority, importW } of demandsOf({ ...source(told, HOLD, false), may: authority }, NOW)) {
          expect(authority.kinds).toContain(kind);
          expect(priority).toBeGreaterThanOrEqual(authority.priority);
          expect(importW.most).toBeGreaterThanOrEqual(authority.leastImportW);
          expect(importW.least).toBeLessThanOrEqual(importW.most);
        }
      }),
    );
  });

  test('what is within is demanded as it was told, and what is beyond is named', () => {
    fc.assert(
      fc.property(event, may, (one, authority) => {
        const { event: bounded, beyond } = within(one, authority);
        if (beyond.length === 0) expect(bounded).toBe(one);
        else expect(bounded).not.toEqual(one);
      }),
    );
    const point = { kind: 'set-point' as const, importW: { least: 5e6, most: 5e6 }, from: NOW, until: siteMs(NOW + 9) };
    const told = {
      id: 'a',
      revision: 1,
      priority: 1,
      spans: [point, { ...point, kind: 'emergency' as const }],
      cancelled: false,
    };
    expect(within(told, { kinds: ['cap', 'set-point'], priority: 10, leastImportW: 8e6 })).toEqual({
      event: { ...told, priority: 10, spans: [{ ...point, importW: { least: 8e6, most: 8e6 } }] },
      beyond: [
        'import below 8.0 MW: not for this source to command (may.leastImportMw)',
        'emergency: not for this source to command (may.kinds)',
        'priority 1: 10 is the highest for this source to name (may.priority)',
      ],
    });
  });

  test('a source that declares nothing names no priority above its own, and emergencies only where one is declared', () => {
    const stale = { seconds: 9, policy: 'hold' };
    const webhook = { id: 'w', kind: 'webhook', secret: { env: 'X' }, stale };
    expect(authorityOf(gridSignal.parse(webhook))).toEqual({
      kinds: ['cap', 'set-point'],
      priority: 10,
      leastImportW: 0,
    });
    const may = { kinds: ['emergency'], priority: 2, leastImportMw: 3 };
    expect(authorityOf(gridSignal.parse({ ...webhook, may }))).toEqual({
      kinds: ['emergency'],
      priority: 2,
      leastImportW: 3e6,
    });
    expect(authorityOf(gridSignal.parse({ id: 'i', kind: 'base-point', priority: 5, stale }))).toMatchObject({
      kinds: ['set-point'],
      priority: 5,
    });
  });
});
