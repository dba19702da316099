import { PURPOSE, hash32, unitAt } from './random.ts';
import type { Endpoint, World } from './world.ts';

/** What goes wrong with one request. */
export const REQUEST_FAULTS = ['silent', 'garbled', 'late', 'refused'] as const;
export type RequestFault = (typeof REQUEST_FAULTS)[number];

export interface Faults {
  /** What happens to a request that reaches an endpoint's port at the site's present step. */
  onRequest(endpoint: Endpoint, port: number): RequestFault | undefined;
  /** What happens to a write: `ignored` is acknowledged and not carried out. */
  onWrite(endpoint: Endpoint): 'ignored' | 'refused' | undefined;
  inject(endpoint: Endpoint, fault: RequestFault, rate: number): void;
  /** From now on it acknowledges every write and carries none out. */
  injectLies(endpoint: Endpoint): void;
  clear(endpoint: Endpoint): void;
  /** Wall milliseconds a late answer takes. */
  lateMs(endpoint: Endpoint): number;
}

/** Faults at the rates of the sim file, drawn from the seed and the site time; injected ones come first. */
export function createFaults(world: World): Faults {
  const injected = new Map<number, { fault: RequestFault; rate: number }>();
  const liars = new Set<number>();
  const { requests } = world.config;
  const { seed } = world;
  const step = (): number => Math.round(world.state.t / world.stepMs);
  const chances = [
    ['garbled', requests.garbledPct],
    ['late', requests.latePct],
    ['refused', requests.refusedPct],
    ['silent', requests.silentPct],
  ] as const;
  return {
    onRequest(endpoint, port) {
      const wanted = injected.get(endpoint.number);
      if (wanted !== undefined) {
        const draw = unitAt(seed, PURPOSE.request, endpoint.number, step() + 7_000_003);
        return draw < wanted.rate ? wanted.fault : undefined;
      }
      // Meters are the ground truth, and a pool is asked seldom and by one: they fail only where somebody says so.
      if (endpoint.kind === 'meter' || endpoint.kind === 'pool') return undefined;
      let draw = unitAt(seed ^ port, PURPOSE.request, endpoint.number, step()) * 100;
      for (const [fault, pct] of chances) {
        if (draw < pct) return fault;
        draw -= pct;
      }
      return undefined;
    },
    onWrite(endpoint) {
      if (liars.has(endpoint.number)) return 'ignored';
      const draw = unitAt(seed, PURPOSE.write, endpoint.number, step()) * 100;
      if (draw < requests.writeIgnoredPct) return 'ignored';
      return draw < requests.writeIgnoredPct + requests.writeRefusedPct ? 'refused' : undefined;
    },
    inject: (endpoint, fault, rate) => void injected.set(endpoint.number, { fault, rate }),
    injectLies: (endpoint) => void liars.add(endpoint.number),
    clear(endpoint) {
      injected.delete(endpoint.number);
      liars.delete(endpoint.number);
    },
    lateMs: (endpoint) => 2000 + 6000 * unitAt(seed, PURPOSE.lateness, endpoint.number, step()),
  };
}

const BARE_NUMBER = /("\s*:\s*)-?\d+(?:\.\d*)?(?:e[+-]?\d+)?/i;

/**
 * Breaks a JSON text the way firmware in the field does: `}{` between objects, `,}`, a bare `nan`, a cut tail.
 * @param n chooses the way
 */
export function garble(text: string, n: number): string {
  switch (n % 4) {
    case 0:
      return text.includes('},{') ? text.replaceAll('},{', '}{') : text.replace('{', '{}{');
    case 1: {
      const end = text.lastIndexOf('}');
      return `${text.slice(0, end)},${text.slice(end)}`;
    }
    // A number of its own, never a part of a text: a port of `nan` would be another pool, and not a garbled answer.
    case 2:
      return BARE_NUMBER.test(text) ? text.replace(BARE_NUMBER, '$1nan') : `${text}nan`;
    default:
      return text.slice(0, Math.max(1, Math.floor(text.length * 0.6)));
  }
}

/** Which way a text is garbled at this endpoint now. */
export const garbleWay = (world: World, endpoint: Endpoint): number =>
  hash32(world.seed, PURPOSE.garble, endpoint.number, Math.round(world.state.t / world.stepMs));
