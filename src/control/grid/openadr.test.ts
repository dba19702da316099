import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Fault,
  gridSignal,
  type HttpReply,
  type HttpRequest,
  type OpenAdrSource,
  siteMs,
  wallMs,
} from '../../model/index.ts';
import { createVen, pollAfterMs } from './openadr.ts';
import { durationMs, gridEvent, parseEvent } from './openadr-events.ts';

const NOW = siteMs(Date.parse('2026-03-23T20:00:00Z'));
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TERMS = {
  priority: 10,
  emergencyW: 1e6,
  simpleW: [30e6, 20e6, 10e6] as const,
  venName: 'site',
  programUnits: new Map<string, string>(),
};
const event = (more: object): Record<string, unknown> => ({
  id: 'e1',
  programID: 'p1',
  createdDateTime: '2026-03-23T19:00:00Z',
  modificationDateTime: '2026-03-23T19:30:00Z',
  objectType: 'EVENT',
  ...more,
});
const told = (more: object, terms: Partial<typeof TERMS> = {}) =>
  gridEvent(parseEvent(event(more)), { ...TERMS, ...terms }, NOW);
const limit = (...values: readonly unknown[]) => ({ payloads: [{ type: 'IMPORT_CAPACITY_LIMIT', values }] });
const units = (payloadType: string, unit: string) => ({ payloadDescriptors: [{ payloadType, units: unit }] });
const hour = { start: '2026-03-23T20:00:00Z', duration: 'PT1H' };
const minutes = ({ spans }: ReturnType<typeof told>) =>
  spans.map(({ from, until }) => [(from - NOW) / MINUTE, (until - NOW) / MINUTE]);

describe('events', () => {
  test('a capacity limit, a set point, an emergency and levels, in their units', () => {
    const cap = told({
      priority: 0,
      intervalPeriod: hour,
      intervals: [limit(2_500)],
      ...units('IMPORT_CAPACITY_LIMIT', 'KW'),
    });
    expect(cap).toEqual({
      id: 'e1',
      revision: Date.parse('2026-03-23T19:30:00Z'),
      priority: 0,
      spans: [{ kind: 'cap', importW: { least: 0, most: 2.5e6 }, from: NOW, until: NOW + HOUR }],
      cancelled: false,
    });
    const point = { intervals: [{ payloads: [{ type: 'DISPATCH_SETPOINT', values: [3.5] }] }], intervalPeriod: hour };
    expect(told({ ...point, ...units('DISPATCH_SETPOINT', 'MW') })).toMatchObject({
      priority: 10,
      spans: [{ kind: 'set-point', importW: { least: 3.5e6, most: 3.5e6 } }],
    });
    const alert = { intervals: [{ payloads: [{ type: 'ALERT_GRID_EMERGENCY', values: ['load shed'] }] }] };
    expect(told({ ...alert, intervalPeriod: hour })).toMatchObject({
      spans: [{ kind: 'emergency', importW: { least: 0, most: 1e6 } }],
    });
    const levels = [0, 1, 3].map((level) => ({ payloads: [{ type: 'SIMPLE', values: [level] }] }));
    expect(told({ intervals: levels, intervalPeriod: hour }).spans.map(({ importW }) => importW.most)).toEqual([
      30e6, 10e6,
    ]);
  });

  test('intervals follow each other, or have times of their own; several values share one', () => {
    expect(minutes(told({ intervalPeriod: hour, intervals: [limit(1), limit(2)] }))).toEqual([
      [0, 60],
      [60, 120],
    ]);
    const own = { ...limit(1), intervalPeriod: { start: '2026-03-23T22:00:00Z', duration: 'PT15M' } };
    expect(minutes(told({ intervalPeriod: hour, intervals: [own, limit(2)] }))).toEqual([
      [120, 135],
      [135, 195],
    ]);
    expect(minutes(told({ intervalPeriod: hour, intervals: [limit(1, 2, 3)] }))).toEqual([
      [0, 20],
      [20, 40],
      [40, 60],
    ]);
  });

  test('at once and for ever; cut off and repeated by the event itself', () => {
    const atOnce = told({ intervalPeriod: { start: '0001-01-01', duration: 'P9999Y' }, intervals: [limit(1)] });
    expect(minutes(atOnce)).toEqual([[-30, Infinity]]);
    expect(told({ intervalPeriod: { start: '0001-01-01', duration: 'PT0S' }, intervals: [limit(1)] }).spans).toEqual(
      [],
    );
    const two = { intervalPeriod: hour, intervals: [limit(1), limit(2)] };
    expect(minutes(told({ ...two, duration: 'PT90M' }))).toEqual([
      [0, 60],
      [60, 90],
    ]);
    const loop = told({ ...two, duration: 'P9999Y' });
    expect(loop.spans.length).toBe(72);
    const later = gridEvent(parseEvent(event({ ...two, duration: 'P9999Y' })), TERMS, siteMs(NOW + 29 * HOUR));
    expect(later.revision).toBeGreaterThan(loop.revision);
    expect(later.revision).toBeLessThan(loop.revision + 1);
    expect(minutes(later)[0]).toEqual([1440, 1500]);
  });

  test('a random start is within its bounds, the same at each look, and not the same for every site', () => {
    const random = { intervalPeriod: { ...hour, randomizeStart: 'PT10M' }, intervals: [limit(1)] };
    const starts = ['a', 'b', 'c', 'd'].map((venName) => minutes(told(random, { venName }))[0]![0]!);
    for (const start of starts) expect(Math.abs(start)).toBeLessThanOrEqual(10);
    expect(new Set(starts).size).toBeGreaterThan(1);
    expect(minutes(told(random, { venName: 'a' }))[0]![0]).toBe(starts[0]);
    const [[from, until]] = minutes(told(random)) as [[number, number]];
    expect(until - from).toBeCloseTo(60, 6);
  });

  test('what is not followed is told, and what makes no sense is garbled', () => {
    const price = { intervalPeriod: hour, intervals: [{ payloads: [{ type: 'PRICE', values: [0.2] }] }] };
    expect(told(price)).toMatchObject({ spans: [], ignored: ['PRICE: not followed'] });
    expect(told({ intervalPeriod: hour, intervals: [limit(-5)] })).toMatchObject({
      spans: [],
      ignored: [expect.stringMatching(/0 or more/)],
    });
    expect(
      told({ intervalPeriod: hour, intervals: [limit(5)], ...units('IMPORT_CAPACITY_LIMIT', 'AMP') }).ignored,
    ).toEqual(['IMPORT_CAPACITY_LIMIT: units "AMP" are not known, expected KW']);
    expect(() => told({ intervalPeriod: { start: 'soon' }, intervals: [limit(1)] })).toThrow(Fault);
    expect(() => parseEvent({ id: 1 })).toThrow(Fault);
  });

  test('durations', () => {
    expect(['PT0S', 'PT90S', 'P1DT2H', 'P9999Y', '-PT5M'].map(durationMs)).toEqual([
      0,
      90_000,
      26 * HOUR,
      Infinity,
      -5 * MINUTE,
    ]);
    for (const text of ['', 'P', '1H', 'PT', 'PT1X']) expect(() => durationMs(text)).toThrow(Fault);
  });

  test('anything at all becomes an event whose demands make sense, or is garbled', () => {
    const text = fc.constantFrom('0001-01-01', '2026-03-23T20:00:00Z', 'PT1H', 'P9999Y', 'PT0S', 'x', '-PT1H', '');
    const period = fc.record({ start: text, duration: text, randomizeStart: text }, { requiredKeys: [] });
    const value = fc.oneof(fc.double(), fc.integer(), fc.string(), fc.boolean(), fc.constant(null));
    const type = fc.constantFrom('IMPORT_CAPACITY_LIMIT', 'DISPATCH_SETPOINT', 'SIMPLE', 'ALERT_GRID_EMERGENCY', 'X');
    const payloads = fc.array(fc.record({ type, values: fc.array(value, { maxLength: 4 }) }), { maxLength: 3 });
    const intervals = fc.array(fc.record({ payloads, intervalPeriod: period }, { requiredKeys: ['payloads'] }), {
      maxLength: 4,
    });
    const any = fc.record(
      { intervals, intervalPeriod: period, duration: text, priority: fc.integer() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(any, (more) => {
        try {
          for (const { from, until, importW } of told(more).spans) {
            expect(until).toBeGreaterThan(from);
            expect(importW.least >= 0 && importW.least <= importW.most && Number.isFinite(importW.most)).toBe(true);
          }
        } catch (error) {
          expect(error).toMatchObject({ kind: 'garbled' });
        }
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(() => parseEvent(json)).toThrow(Fault);
      }),
    );
  });
});

const SOURCE = gridSignal.parse({
  id: 'utility',
  kind: 'openadr',
  url: 'https://vtn.example/openadr3/3.1.0/',
  clientId: 'site',
  clientSecret: { env: 'VTN_SECRET' },
  venName: 'Site 1',
  emergencyMw: 1,
  stale: { seconds: 60, policy: 'hold' },
}) as OpenAdrSource;

type Answer = Partial<HttpReply> | undefined;

function ven(source: Partial<OpenAdrSource>, answer: (request: HttpRequest) => Answer) {
  const asked: HttpRequest[] = [];
  let wall = 0;
  const body = (value: unknown): Answer => ({ body: JSON.stringify(value) });
  const usual = ({ url, method }: HttpRequest): Answer => {
    if (url.endsWith('/auth/server')) return body({ tokenURL: 'https://auth.example/token' });
    if (url.endsWith('/token'))
      return body({ access_token: `t${asked.length}`, token_type: 'Bearer', expires_in: 600 });
    if (url.includes('/vens')) return method === 'POST' ? { status: 201 } : body([]);
    if (url.includes('/programs')) return body([{ id: 'p1', programName: 'Curtailment' }]);
    return body([]);
  };
  const client = createVen(
    { ...SOURCE, ...source },
    {
      http: {
        async ask(request) {
          asked.push(request);
          return { status: 200, headers: {}, body: '', ...(answer(request) ?? usual(request)) };
        },
      },
      secret: () => 'the secret',
      siteNow: () => NOW,
      wallNow: () => wallMs(wall),
      unixNow: () => 1_800_000_000_000,
    },
  );
  const paths = (): string[] => asked.map(({ method, url }) => `${method} ${new URL(url).pathname.split('/').at(-1)}`);
  return { client, asked, paths, body, pass: (ms: number) => (wall += ms) };
}

describe('a VEN', () => {
  test('asks where tokens are given, signs in, registers once and reads all pages', async () => {
    const rows = Array.from({ length: 70 }, (_, i) =>
      event({ id: `e${i}`, intervalPeriod: hour, intervals: [limit(i)] }),
    );
    const { client, asked, paths, body, pass } = ven({ targets: ['group-1'] }, ({ url }) => {
      const query = new URL(url).searchParams;
      if (!url.includes('/events')) return undefined;
      return {
        ...body(rows.slice(Number(query.get('skip')), Number(query.get('skip')) + 50)),
        headers: { date: new Date(1_800_000_007_000).toUTCString() },
      };
    });
    const { events, skewMs } = await client.poll();
    expect(events).toHaveLength(70);
    expect(skewMs).toBe(7_000);
    expect(paths()).toEqual([
      'GET server',
      'POST token',
      'GET vens',
      'POST vens',
      'GET events',
      'GET events',
      'GET programs',
    ]);
    expect(asked[1]!.body).toBe('grant_type=client_credentials&client_id=site&client_secret=the+secret');
    expect(JSON.parse(asked[3]!.body!)).toEqual({ objectType: 'VEN_VEN_REQUEST', venName: 'Site 1' });
    expect(asked[5]!.url).toBe(
      'https://vtn.example/openadr3/3.1.0/events?targets=group-1&active=true&skip=50&limit=50',
    );
    await client.poll();
    expect(paths().slice(7)).toEqual(['GET events', 'GET events']);
    pass(600_000);
    await client.poll();
    expect(paths().slice(9)).toContain('POST token');
  });

  test('a token that is refused is asked for anew, once', async () => {
    let refusals = 1;
    const { client, paths } = ven({}, ({ url }) =>
      url.includes('/events') && refusals-- > 0 ? { status: 401 } : undefined,
    );
    await client.poll();
    expect(paths().filter((path) => path === 'POST token')).toHaveLength(2);
    const never = ven({}, ({ url }) => (url.includes('/vens') ? { status: 401 } : undefined));
    await expect(never.client.poll()).rejects.toMatchObject({ kind: 'unauthorised' });
  });

  test('what has not changed is not sent again', async () => {
    const { client, asked, body } = ven({}, ({ url, headers }) => {
      if (!url.includes('/events')) return undefined;
      if (headers?.['if-none-match'] === '"v1"') return { status: 304 };
      return { ...body([event({ intervalPeriod: hour, intervals: [limit(1)] })]), headers: { etag: '"v1"' } };
    });
    const first = await client.poll();
    expect((await client.poll()).events).toEqual(first.events);
    expect(asked.at(-1)!.headers!['if-none-match']).toBe('"v1"');
  });

  test('only programs that are followed count, and an event that is not understood does not hide the others', async () => {
    const { client, body } = ven({ programs: ['Curtailment'] }, ({ url }) =>
      url.includes('/events')
        ? body([
            event({ programID: 'other', intervals: [] }),
            event({ id: 'bad', intervals: 3 }),
            event({ id: 'ok', intervals: [] }),
            7,
          ])
        : undefined,
    );
    const { events, unread } = await client.poll();
    expect(events.map(({ id }) => id)).toEqual(['ok']);
    expect(unread.map(({ id }) => id)).toEqual(['bad', undefined]);
  });

  test('the secret goes nowhere that is less safe than the VTN', async () => {
    const { client, paths, body } = ven({}, ({ url }) =>
      url.endsWith('/auth/server') ? body({ tokenURL: 'http://auth.example/token' }) : undefined,
    );
    await expect(client.poll()).rejects.toMatchObject({ kind: 'refused' });
    expect(paths()).toEqual(['GET server']);
  });

  test('a report says what was drawn, and says nothing of what was not metered', async () => {
    const { client, asked } = ven({}, ({ url }) => (url.endsWith('/reports') ? { status: 201 } : undefined));
    const report = {
      eventId: 'e1',
      from: NOW,
      lastsMs: MINUTE,
      importW: 2_345_678,
      state: 'RUNNING_CURTAILED' as const,
    };
    await client.report(report);
    const sent = JSON.parse(asked.at(-1)!.body!) as { resources: { intervals: { payloads: unknown[] }[] }[] };
    expect(sent).toMatchObject({
      eventID: 'e1',
      clientName: 'Site 1',
      resources: [{ intervalPeriod: { start: '2026-03-23T20:00:00Z', duration: 'PT60S' } }],
    });
    expect(sent.resources[0]!.intervals[0]!.payloads).toEqual([
      { type: 'DEMAND', values: [2_345.678] },
      { type: 'OPERATING_STATE', values: ['RUNNING_CURTAILED'] },
    ]);
    await client.report({ ...report, importW: undefined });
    expect(asked.at(-1)!.body).not.toContain('"DEMAND","values"');
  });

  test('it waits longer with each failure, and never so long that the source is stale by that alone', () => {
    expect([0, 1, 2, 9].map((n) => pollAfterMs(n, 10, 3_600))).toEqual([10_000, 20_000, 40_000, 300_000]);
    expect(pollAfterMs(9, 10, 90)).toBe(30_000);
    expect(pollAfterMs(9, 10, 12)).toBe(10_000);
  });
});
