import { z } from 'zod';
import {
  asFault,
  MINUTE,
  siteMs,
  type Fault,
  type Point,
  type Series,
  type SeriesName,
  type SiteMs,
} from '../../model/index.ts';
import type { Memory } from './memory.ts';
import { figure } from './plausible.ts';
import { ownUnit } from './units.ts';

/** What the feeds of services share: where the service is, and how often it is asked. */
export const baseUrl = (standard: string): z.ZodDefault<z.ZodURL> =>
  z
    .url({ protocol: /^https?$/, error: 'an http or https address' })
    .default(standard)
    .describe('where the service is; your own instance, or a proxy');

export const everyMinutes = (standard: number): z.ZodDefault<z.ZodNumber> =>
  z.number().min(0.5).max(1440).default(standard).describe('how often it is asked');

/** An address below a base, whatever way the base ends. */
export const below = (base: string, path: string): string => base.replace(/\/+$/, '') + path;

/** A figure looked at just now, in the unit of its series, as a point at the beginning of the interval it was looked at in. */
export function sample(name: SeriesName, value: number, place: string, now: SiteMs, intervalMs: number): Point {
  return { start: siteMs(Math.floor(now / intervalMs) * intervalMs), value: figure(name, ownUnit(name), value, place) };
}

/** A part of a feed that is asked by itself: what it fails at does not keep the others back. */
export interface Part {
  readonly memory: Memory;
  /** Resolves to what is worth saying of this reading, if anything. */
  read(): Promise<string | undefined | void>;
}

/**
 * Reads every part. A part that fails keeps what it knew and says why among what was mended.
 * @throws Fault the first one, when every part failed
 */
export async function readParts(parts: readonly Part[], now: () => SiteMs): Promise<readonly Series[]> {
  const faults: Fault[] = [];
  for (const { memory, read } of parts) {
    try {
      memory.note((await read()) ?? undefined);
    } catch (error) {
      const fault = asFault(error);
      faults.push(fault);
      memory.note(`not read just now: ${fault.message}`);
    }
  }
  if (faults.length > 0 && faults.length === parts.length) throw faults[0]!;
  const at = now();
  return parts.map(({ memory }) => memory.series(at));
}

export const minutes = (count: number): number => count * MINUTE;
