import type { Forecast, Snapshot } from '../model/index.ts';
import { isoUtc, type Plan } from '../model/index.ts';

/** Name of a plan, from its inputs and solver alone: a replay gives the same names. FNV-1a, 32 bits, is its tail. */
export function planId(solver: Plan['solver'], snapshot: Snapshot, forecast: Forecast): string {
  const text = JSON.stringify([solver, snapshot, forecast]);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return `plan-${isoUtc(forecast.madeAt)}-${(hash >>> 0).toString(16).padStart(8, '0')}`;
}
