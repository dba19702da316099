import { look, type ProbeOptions, type Sighting } from './fingerprint.ts';
import { countOf, toAddress, type Range } from './targets.ts';

export interface ScanOptions extends ProbeOptions {
  /** Addresses begun each second: every new one is an ARP request on its switch. */
  readonly addressesPerSecond: number;
  /** Addresses looked at at once; each holds two sockets. */
  readonly atOnce: number;
  now(): number;
  /** Addresses that an earlier run has done: everything before this place in the ranges. */
  readonly from: number;
  onLive(address: string, sighting: Sighting): void;
  /** Called about twice a second. `done` counts from the start of the ranges, without a hole. */
  onProgress(done: number, live: number): void;
  readonly signal?: AbortSignal;
}

const PROGRESS_EVERY_MS = 500;
const PAUSE_MS = 20;
/** When our own sockets run out, an address is looked at again this often before it is given up. */
const TRIES = 3;

/**
 * Looks at every address of the ranges once, so many at a time and so many a second.
 * @returns how many addresses, from the start of the ranges, were done without a hole
 */
export async function scan(ranges: readonly Range[], options: ScanOptions): Promise<number> {
  const total = countOf(ranges);
  const finished = new Set<number>();
  let done = options.from;
  let next = options.from;
  let live = 0;
  let busy = 0;
  let atOnce = options.atOnce;
  const started = options.now();
  let reported = started;
  let wake = (): void => {};

  async function one(index: number): Promise<void> {
    const address = toAddress(addressAt(ranges, index));
    let sighting = await look(address, options);
    for (let tries = 1; sighting.full && tries < TRIES; tries += 1) {
      // Fewer at once from now on: the host's own limit was met.
      atOnce = Math.max(32, Math.floor(atOnce / 2));
      await new Promise((resolve) => setTimeout(resolve, 500));
      sighting = await look(address, options);
    }
    if (sighting.alive) {
      live += 1;
      options.onLive(address, sighting);
    }
    finished.add(index);
    while (finished.delete(done)) done += 1;
  }

  while ((next < total && options.signal?.aborted !== true) || busy > 0) {
    const now = options.now();
    if (now - reported >= PROGRESS_EVERY_MS) {
      reported = now;
      options.onProgress(done, live);
    }
    const allowed = options.from + ((now - started) / 1000) * options.addressesPerSecond;
    while (next < total && next < allowed && busy < atOnce && options.signal?.aborted !== true) {
      busy += 1;
      void one(next).finally(() => {
        busy -= 1;
        wake();
      });
      next += 1;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PAUSE_MS);
      wake = () => {
        // The pace is the timer's; only the last ones need not wait for it.
        if (busy === 0 && next >= total) {
          clearTimeout(timer);
          resolve();
        }
      };
    });
  }
  options.onProgress(done, live);
  return done;
}

function addressAt(ranges: readonly Range[], index: number): number {
  let rest = index;
  for (const { first, last } of ranges) {
    const size = last - first + 1;
    if (rest < size) return first + rest;
    rest -= size;
  }
  throw new Error(`no address ${index}`);
}
