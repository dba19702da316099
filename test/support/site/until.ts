import { setTimeout as pause } from 'node:timers/promises';

/**
 * Waits until `look` gives something other than undefined, null or false, and hands it back.
 * @throws Error saying what was waited for, when the limit (generous, never an assertion about speed) has passed
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  limitMs = 120_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited ${limitMs / 1000} s in vain for: ${what}`);
    await pause(150);
  }
}
