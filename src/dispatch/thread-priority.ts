import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Of what is left of a busy core, a third as much as a thread that acts gets (sched(7)). */
const STEPPED_BACK = 5;

/**
 * Lets the calling thread give way to those that read meters and tell machines. On Linux each thread has a niceness of its own;
 * elsewhere it keeps that of the process, and this does nothing.
 */
export function stepBack(): void {
  try {
    // `<pid>/task/<tid>` of whichever thread asks (proc(5)).
    const tid = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (Number.isInteger(tid) && tid !== process.pid) setPriority(tid, Math.min(19, getPriority() + STEPPED_BACK));
  } catch {
    // Where there is no such file, or it may not be changed, the thread works all the same.
  }
}
