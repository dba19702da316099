import type { SimPool } from './command.ts';
import type { Host, HttpAnswer } from './net.ts';
import { hash32 } from './random.ts';
import type { Endpoint } from './world.ts';

/** What firmwares with a web API share: JSON answers, tokens that run out, and writes that may go wrong. */

export const json = (value: unknown): HttpAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});

/** A JSON object in a body; empty where it is none. */
export function objectIn(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

/** @returns false where the write is drawn to be refused; one that is ignored looks carried out */
export function carryOut(host: Host, endpoint: Endpoint, act: () => void): boolean {
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return false;
  if (fault === undefined) act();
  return true;
}

/** Pools in a written list, under the names one firmware gives their parts; undefined where it holds none. */
export function poolRows(given: unknown, url: string, user: string, password: string): readonly SimPool[] | undefined {
  if (!Array.isArray(given)) return undefined;
  const word = (value: unknown): string => (typeof value === 'string' ? value : '');
  const pools = (given as readonly (Readonly<Record<string, unknown>> | null)[])
    .map((row) => ({ url: word(row?.[url]), user: word(row?.[user]), password: word(row?.[password]) }))
    .filter((pool) => pool.url !== '');
  return pools.length === 0 ? undefined : pools;
}

interface Grant {
  readonly token: string;
  readonly until: number;
  /** Start of the machine it was given by: a restart forgets its sessions. */
  readonly bootedAt: number;
}

/** Tokens of one firmware, the newest few of each machine. @param lifeMs in wall time */
export function tokens(lifeMs: number) {
  const granted = new WeakMap<Host, Map<number, Grant[]>>();
  const of = (host: Host): Map<number, Grant[]> => {
    const found = granted.get(host) ?? new Map<number, Grant[]>();
    granted.set(host, found);
    return found;
  };
  const bootedAt = (host: Host, endpoint: Endpoint): number => host.world.miners.state.bootedAt[endpoint.index]!;
  return {
    grant(host: Host, endpoint: Endpoint): string {
      const all = of(host);
      const held = all.get(endpoint.number) ?? [];
      const now = Math.round(host.wallNow());
      const word = (n: number): string => hash32(host.world.seed ^ n, endpoint.number, now, held.length).toString(16);
      const token = [7, 8, 9].map((n) => word(n).padStart(8, '0')).join('');
      const grant = { token, until: host.wallNow() + lifeMs, bootedAt: bootedAt(host, endpoint) };
      all.set(endpoint.number, [...held.slice(-7), grant]);
      return token;
    },
    /** @param said the header, with or without `Bearer` before the token */
    holds(host: Host, endpoint: Endpoint, said: string | undefined): boolean {
      const token = said?.replace(/^Bearer\s+/i, '');
      const now = host.wallNow();
      return (of(host).get(endpoint.number) ?? []).some(
        (grant) => grant.token === token && grant.until > now && grant.bootedAt === bootedAt(host, endpoint),
      );
    },
    revoke(host: Host, endpoint: Endpoint): void {
      of(host).delete(endpoint.number);
    },
  };
}
