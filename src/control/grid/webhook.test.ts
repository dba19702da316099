import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault, siteMs } from '../../model/index.ts';
import { MOST_BODY_BYTES, refusalOf, signatureOf, telling, TOLERANCE_MS, webhookKey } from './webhook.ts';

const KEY = webhookKey(`whsec_${Buffer.alloc(32, 7).toString('base64')}`);
const UNIX = 1_800_000_000_000;
const NOW = siteMs(Date.parse('2026-03-23T20:00:00Z'));
const body = Buffer.from('{"type":"grid.heartbeat","timestamp":"2026-03-23T20:00:00Z"}');
const timestamp = String(UNIX / 1000);
const good = { id: 'msg_1', timestamp, body, signature: signatureOf(KEY, 'msg_1', timestamp, body) };
const known = new Set<string>();
const refused = (change: Partial<typeof good>, key = KEY, now = UNIX) =>
  refusalOf({ ...good, ...change }, key, now, (id) => known.has(id));

describe('who is believed', () => {
  test('the example of the scheme itself', () => {
    const key = webhookKey('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
    const payload = Buffer.from('{"test": 2432232314}');
    expect(signatureOf(key, 'msg_p5jXN8AQM9LWM0D4loKWxJek', '1614265330', payload)).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  test('one signature of several is enough', () => {
    expect(refused({})).toBeUndefined();
    expect(refused({ signature: `v1,AAAA v2,x ${good.signature}` })).toBeUndefined();
  });

  test('forged, late, early, replayed, bare and oversize ones are not', () => {
    expect(refused({ body: Buffer.from(body.toString().replace('20:00', '20:01')) })).toMatchObject({ status: 401 });
    expect(refused({}, Buffer.alloc(32, 8))).toMatchObject({ status: 401, why: 'the signature does not fit' });
    expect(refused({ id: 'msg_2' })).toMatchObject({ status: 401 });
    expect(refused({ timestamp: String(UNIX / 1000 + 1) })).toMatchObject({ status: 401 });
    expect(refused({}, KEY, UNIX + TOLERANCE_MS)).toBeUndefined();
    expect(refused({}, KEY, UNIX + TOLERANCE_MS + 1)).toMatchObject({
      status: 401,
      why: expect.stringMatching(/300 s ago/),
    });
    expect(refused({}, KEY, UNIX - TOLERANCE_MS - 1_000)).toMatchObject({
      status: 401,
      why: expect.stringMatching(/ahead/),
    });
    expect(refused({ id: undefined! })).toMatchObject({ status: 400 });
    expect(refused({ timestamp: '-1' })).toMatchObject({ status: 400 });
    expect(refused({ body: Buffer.alloc(MOST_BODY_BYTES + 1) })).toMatchObject({ status: 413 });
    known.add('msg_1');
    expect(refused({})).toMatchObject({ status: 409 });
    known.clear();
  });

  test('a key that can be guessed is none', () => {
    expect(() => webhookKey('whsec_c2hvcnQ=')).toThrow(Fault);
    expect(() => webhookKey('short')).toThrow(/24 bytes/);
  });

  test('no change of a signed message passes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.nat(), (bytes, seed) => {
        const message = Buffer.from(bytes);
        const signature = signatureOf(KEY, 'm', timestamp, message);
        const changed = Buffer.from(message);
        changed[seed % changed.length]! ^= 1 + (seed % 255);
        expect(refused({ id: 'm', body: message, signature })).toBeUndefined();
        expect(refused({ id: 'm', body: changed, signature })?.status).toBe(401);
      }),
    );
  });
});

const tell = (value: unknown) => telling(Buffer.from(JSON.stringify(value)), 10, NOW);
const data = { eventId: 'e-1', kind: 'cap', importMw: 2.5, until: '2026-03-23T21:00:00Z' };
const demand = { type: 'grid.demand', timestamp: '2026-03-23T20:00:00Z', data };

describe('what a body tells', () => {
  test('a demand, a cancellation, a sign of life', () => {
    expect(tell(demand)).toEqual({
      id: 'e-1',
      revision: NOW,
      priority: 10,
      spans: [{ kind: 'cap', importW: { least: 0, most: 2.5e6 }, from: NOW, until: siteMs(NOW + 3_600_000) }],
      cancelled: false,
    });
    const setPoint = { ...demand, data: { ...data, kind: 'set-point', priority: 0, from: '2026-03-23T20:30:00Z' } };
    expect(tell(setPoint)).toMatchObject({
      priority: 0,
      spans: [{ importW: { least: 2.5e6, most: 2.5e6 }, from: NOW + 1_800_000 }],
    });
    const cancel = { type: 'grid.cancel', timestamp: demand.timestamp, data: { eventId: 'e-1' } };
    expect(tell(cancel)).toMatchObject({ id: 'e-1', cancelled: true });
    expect(tell({ type: 'grid.heartbeat', timestamp: demand.timestamp })).toBeUndefined();
  });

  test('what makes no sense says where', () => {
    expect(() => tell({ ...demand, data: { ...data, importMw: -1 } })).toThrow(/data\.importMw/);
    expect(() => tell({ ...demand, data: { ...data, importMw: null } })).toThrow(/data\.importMw/);
    expect(() => tell({ ...demand, data: { ...data, until: '2026-03-23T19:00:00Z' } })).toThrow(/data\.until/);
    expect(() => tell({ ...demand, data: { ...data, until: '2026-04-23T19:00:00Z' } })).toThrow(/seven days/);
    expect(() => tell({ ...demand, extra: 1 })).toThrow(Fault);
    expect(() => telling(Buffer.from('{'), 10, NOW)).toThrow(Fault);
  });

  test('anything at all is told or refused as garbled, and never more than what the schema allows', () => {
    const near = fc.record(
      {
        type: fc.oneof(fc.constantFrom('grid.demand', 'grid.cancel', 'grid.heartbeat'), fc.string()),
        timestamp: fc.oneof(fc.constant(demand.timestamp), fc.string(), fc.double()),
        data: fc.oneof(
          fc.record(
            {
              eventId: fc.oneof(fc.string(), fc.constant('e')),
              kind: fc.constantFrom('cap', 'set-point', 'emergency', 'x'),
              importMw: fc.oneof(fc.double(), fc.string(), fc.constant(3)),
              until: fc.oneof(fc.constant(data.until), fc.string()),
            },
            { requiredKeys: [] },
          ),
          fc.jsonValue(),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(near, fc.jsonValue()), (value) => {
        try {
          const event = tell(value);
          for (const { importW, from, until } of event?.spans ?? []) {
            expect(importW.most).toBeGreaterThanOrEqual(0);
            expect(Number.isFinite(importW.most)).toBe(true);
            expect(until).toBeGreaterThan(from);
          }
        } catch (error) {
          expect(error).toMatchObject({ kind: 'garbled' });
        }
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => telling(Buffer.from(bytes), 10, NOW)).toThrow(Fault);
      }),
    );
  });
});
