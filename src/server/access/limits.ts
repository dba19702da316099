import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiProblem } from '../problems.ts';

/** A page asks some ten times when it is opened, and a few times a minute after that. */
const REQUESTS_A_MINUTE = 3_000;
/** For one address, whatever the name: people behind one address share it. */
const SIGN_INS = 30;
const SIGN_INS_WITHIN_MS = 5 * 60_000;

/** A signal every four seconds is fifteen. */
const WEBHOOKS_A_MINUTE = 60;

/** The part of an address that one customer of a network has: all of IPv4, a /64 of IPv6. */
export const addressKey = (request: FastifyRequest): string => normalizeIP(request.ip, 64);

/** Whom a request counts for: the person, else where it comes from. */
export function limitKey(request: FastifyRequest): string {
  const person = request.signed?.person;
  return person === undefined ? `from ${addressKey(request)}` : `${person.via} ${person.name} ${person.token ?? ''}`;
}

export interface Limits {
  /** @throws ApiProblem 429, with Retry-After on the reply */
  request(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  signIn(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  webhook(request: FastifyRequest, reply: FastifyReply): Promise<void>;
}

export async function createLimits(server: FastifyInstance): Promise<Limits> {
  await server.register(rateLimit, { global: false, cache: 10_000 });
  const all = server.createRateLimit({ max: REQUESTS_A_MINUTE, timeWindow: 60_000, keyGenerator: limitKey });
  const signIns = server.createRateLimit({ max: SIGN_INS, timeWindow: SIGN_INS_WITHIN_MS, keyGenerator: addressKey });
  const webhooks = server.createRateLimit({ max: WEBHOOKS_A_MINUTE, timeWindow: 60_000, keyGenerator: addressKey });
  const guard =
    (limiter: typeof all, what: string) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const counted = await limiter(request);
      if (!counted.isAllowed && counted.isExceeded) throw tooMany(reply, counted.ttlInSeconds, what);
    };
  return {
    request: guard(all, 'requests'),
    signIn: guard(signIns, 'sign-ins from this address'),
    webhook: guard(webhooks, 'webhooks from this address'),
  };
}

export function tooMany(reply: FastifyReply, seconds: number, what: string): ApiProblem {
  const wait = Math.max(1, seconds);
  reply.header('retry-after', String(wait));
  return new ApiProblem(429, 'Too many requests', `too many ${what}: try again in ${wait} s`);
}
