import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { Act } from '../store/store.ts';
import { addressKey } from './access/limits.ts';
import { actorOf } from './access/policy.ts';
import { wallNow } from './io.ts';
import { ApiProblem } from './problems.ts';
import type { Runtime } from './runtime.ts';

type Recording = Pick<Runtime, 'journal' | 'clock'>;

/** So many at once, then one a while: the ledger is kept for ever, and nobody may fill it. */
const BURST = 20;
const ONE_EACH_MS = 60_000;
/** People and tokens that are told apart; strangers are not, but for whether they lack a credential or come from a page of elsewhere. */
const MOST_KEYS = 1_000;

interface Bucket {
  left: number;
  at: number;
  /** Refused since the last that was written down. */
  unwritten: number;
}
const bucketsOf = new WeakMap<object, Map<string, Bucket>>();

/** Undefined: too many lately. Else how many before it went unwritten. */
function take(journal: object, key: string): number | undefined {
  const buckets = bucketsOf.get(journal) ?? new Map<string, Bucket>();
  bucketsOf.set(journal, buckets);
  const now = wallNow();
  const bucket = buckets.get(key) ?? { left: BURST, at: now, unwritten: 0 };
  buckets.delete(key);
  buckets.set(key, bucket);
  if (buckets.size > MOST_KEYS) buckets.delete(buckets.keys().next().value!);
  const left = Math.min(BURST, bucket.left + (now - bucket.at) / ONE_EACH_MS);
  Object.assign(bucket, { left, at: now });
  if (left < 1) {
    bucket.unwritten += 1;
    return undefined;
  }
  const { unwritten } = bucket;
  Object.assign(bucket, { left: left - 1, unwritten: 0 });
  return unwritten;
}

/**
 * A refusal of what somebody asked for is on record as well: who tried, what, and why not. Whoever is not signed in has an address and
 * no name. Of a flood the first are written down, then one a minute with the number of those between.
 */
export function refusalsOnRecord(runtime: Recording, what: string) {
  return async (request: FastifyRequest, _reply: FastifyReply, error: Error): Promise<void> => {
    if (!(error instanceof ApiProblem) || error.status === 429) return;
    // Failed sign-ins are on record by themselves.
    if (request.routeOptions.config.needs === 'public' && error.status !== 403) return;
    const person = request.signed?.person;
    const who = person === undefined ? `somebody at ${addressKey(request)}` : actorOf(person);
    const unwritten = take(runtime.journal, person === undefined ? `strangers ${error.status}` : who);
    if (unwritten === undefined) return;
    const more = unwritten === 0 ? '' : `; ${unwritten} more were refused since the last that stands here`;
    const act: Act = {
      id: `refused-${randomUUID()}`,
      at: runtime.clock.now(),
      who,
      what: `refused: ${what}`,
      why: `${plain(error.message)}${more}`,
    };
    runtime.journal.act(act);
  };
}

/** What a stranger sent may stand in a refusal: a line of it, without what a terminal would obey. */
const plain = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ').slice(0, 300);

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Every route that changes something records its refusals, with its own words or those of its summary. Called before any is registered. */
export function recordRefusals(server: FastifyInstance, runtime: Recording): void {
  server.addHook('onRoute', (route: RouteOptions) => {
    const methods = Array.isArray(route.method) ? route.method : [route.method];
    if (route.onError !== undefined || methods.every((method) => READS.has(method))) return;
    const { summary = `${methods.join()} ${route.url}` } = (route.schema ?? {}) as { summary?: string };
    route.onError = refusalsOnRecord(runtime, summary.charAt(0).toLowerCase() + summary.slice(1));
  });
}
