/**
 * Loaded into the server before anything else (`--import`), in each of its threads: its clock jumps and its solver stands still when a file
 * says so. The file is read ten times a second.
 */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** What the file holds. */
export interface Troubles {
  /** By which this process takes the time to be later than it is, wall milliseconds. */
  readonly clockAheadMs: number;
  readonly isSolverStuck: boolean;
}

export const TROUBLES_FILE = 'BUSBAR_CAMPAIGN_TROUBLES';
const LOOK_MS = 100;
/** Longer than the server waits for its solver. */
const STUCK_MS = 25_000;

const file = process.env[TROUBLES_FILE];
let aheadMs = 0;
const RealDate = Date;
class ShiftedDate extends RealDate {
  constructor(...args: readonly [] | readonly [number | string | Date]) {
    super(...((args.length === 0 ? [RealDate.now() + aheadMs] : args) as [number]));
  }
  static override now(): number {
    return RealDate.now() + aheadMs;
  }
}

function look(): void {
  let troubles: Troubles;
  try {
    troubles = JSON.parse(readFileSync(file!, 'utf8')) as Troubles;
  } catch {
    // It is being written.
    return;
  }
  aheadMs = troubles.clockAheadMs;
  const isSolver = !isMainThread && /dispatch.worker\.ts$/.test(process.argv[1] ?? '');
  if (isSolver && troubles.isSolverStuck)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, STUCK_MS);
}

if (file !== undefined) {
  globalThis.Date = ShiftedDate as DateConstructor;
  setInterval(look, LOOK_MS).unref();
}
