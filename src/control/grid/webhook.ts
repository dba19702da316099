import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { Fault, siteMs, type SiteMs } from '../../model/index.ts';
import type { GridEvent } from './law.ts';

/**
 * A signed webhook after the scheme of Standard Webhooks (standardwebhooks.com, 1.0.0): `webhook-signature` is a list of
 * `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; any one that fits is enough, so that keys can be changed.
 */

export interface SignedRequest {
  readonly id: string | undefined;
  /** Unix seconds. */
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
  /** As it came, byte for byte. */
  readonly body: Buffer;
}

/** Older or newer than this by our clock is refused, signed or not. */
export const TOLERANCE_MS = 5 * 60_000;
/** A demand is shorter; a larger body is a mistake or an attack. */
export const MOST_BODY_BYTES = 8 * 1024;
const LEAST_KEY_BYTES = 24;
const MOST_SIGNATURES = 8;

/** @throws Fault `unauthorised` where it is too short to be one: a guessed key is no key */
export function webhookKey(secret: string): Buffer {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
  if (key.length < LEAST_KEY_BYTES)
    throw new Fault('unauthorised', `the key of the webhook is too short: expected ${LEAST_KEY_BYTES} bytes at least`);
  return key;
}

export const signatureOf = (key: Buffer, id: string, timestamp: string, body: Buffer): string =>
  `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;

export interface Refusal {
  readonly status: 400 | 401 | 403 | 409 | 413;
  readonly why: string;
}

/**
 * Why a request is not believed; undefined where it is.
 * @param isKnown whether an id was taken before: a request is good once
 */
export function refusalOf(
  { id, timestamp, signature, body }: SignedRequest,
  key: Buffer,
  unixNowMs: number,
  isKnown: (id: string) => boolean,
): Refusal | undefined {
  if (body.length > MOST_BODY_BYTES)
    return { status: 413, why: `a body of ${body.length} bytes: expected ${MOST_BODY_BYTES} at most` };
  if (id === undefined || timestamp === undefined || signature === undefined)
    return { status: 400, why: 'expected the headers webhook-id, webhook-timestamp and webhook-signature' };
  if (!/^[\w.-]{1,128}$/.test(id)) return { status: 400, why: 'webhook-id is not of letters, digits, dots and dashes' };
  if (!/^\d{1,12}$/.test(timestamp)) return { status: 400, why: 'webhook-timestamp is not in Unix seconds' };
  const expected = Buffer.from(signatureOf(key, id, timestamp, body));
  const given = signature.split(' ').slice(0, MOST_SIGNATURES);
  if (!given.map((one) => isSame(Buffer.from(one), expected)).includes(true))
    return { status: 401, why: 'the signature does not fit' };
  const lateMs = unixNowMs - Number(timestamp) * 1000;
  if (Math.abs(lateMs) > TOLERANCE_MS)
    return {
      status: 401,
      why: `signed ${Math.round(Math.abs(lateMs) / 1000)} s ${lateMs > 0 ? 'ago' : 'ahead of our clock'}: expected ${TOLERANCE_MS / 1000} s at most`,
    };
  if (isKnown(id)) return { status: 409, why: `the message ${id} was taken already` };
  return undefined;
}

const isSame = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

const time = z.iso.datetime({ offset: true });
const eventId = z.string().regex(/^[\w.:-]{1,64}$/, 'letters, digits, dots and dashes, 64 at most');
const message = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('grid.demand'),
    timestamp: time,
    data: z.strictObject({
      eventId,
      kind: z.enum(['cap', 'set-point', 'emergency']),
      importMw: z.number().min(0).max(100_000),
      from: time.optional(),
      until: time,
      priority: z.number().int().min(0).max(1_000).optional(),
    }),
  }),
  z.strictObject({ type: z.literal('grid.cancel'), timestamp: time, data: z.strictObject({ eventId }) }),
  z.strictObject({ type: z.literal('grid.heartbeat'), timestamp: time, data: z.strictObject({}).optional() }),
]);

/** A longer demand belongs into the site file. */
const LONGEST_MS = 7 * 86_400_000;

/**
 * What a believed body tells: an event, or undefined for a sign of life.
 * @throws Fault `garbled` with what was expected
 */
export function telling(body: Buffer, priority: number, now: SiteMs): GridEvent | undefined {
  const parsed = message.safeParse(jsonOf(body));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Fault('garbled', `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not understood'}`);
  }
  const told = parsed.data;
  if (told.type === 'grid.heartbeat') return undefined;
  const revision = Date.parse(told.timestamp);
  if (told.type === 'grid.cancel') return { id: told.data.eventId, revision, priority, spans: [], cancelled: true };
  const { kind, importMw } = told.data;
  const from = told.data.from === undefined ? now : siteMs(Date.parse(told.data.from));
  const until = siteMs(Date.parse(told.data.until));
  if (until <= from) throw new Fault('garbled', 'data.until: is not after data.from');
  if (until - Math.max(from, now) > LONGEST_MS)
    throw new Fault('garbled', 'data.until: expected seven days from now at the most');
  const watts = importMw * 1e6;
  const importW = { least: kind === 'set-point' ? watts : 0, most: watts };
  return {
    id: told.data.eventId,
    revision,
    priority: told.data.priority ?? priority,
    spans: [{ kind, importW, from, until }],
    cancelled: false,
  };
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
