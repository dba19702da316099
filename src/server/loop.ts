import type { Logger } from 'pino';

export interface Loop {
  /** Runs now rather than at its next turn. */
  now(): void;
  /** How far the loop is behind its cadence, in wall milliseconds. */
  lagMs(): number;
  stop(): Promise<void>;
}

/**
 * Runs `work` every `everyMs` of wall time, one turn at a time. A turn that takes longer delays the next and shows as
 * lag. What the world does wrong is caught inside the work; whatever comes out here is a bug, and crashes.
 */
export function loop(name: string, everyMs: number, work: () => Promise<void> | void, log: Logger): Loop {
  let due = performance.now();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = false;

  async function turn(): Promise<void> {
    const late = performance.now() - due;
    if (late > 2 * everyMs && late > 5_000) log.debug({ loop: name, lateMs: Math.round(late) }, 'loop is late');
    do {
      again = false;
      await work();
    } while (again);
    due = Math.max(due + everyMs, performance.now());
    running = undefined;
    if (!stopped) timer = setTimeout(start, Math.max(0, due - performance.now()));
  }
  function start(): void {
    running = turn();
  }
  start();

  return {
    now() {
      if (stopped) return;
      if (running !== undefined) {
        again = true;
        return;
      }
      clearTimeout(timer);
      due = performance.now();
      start();
    },
    lagMs: () => Math.max(0, performance.now() - due - (running === undefined ? 0 : everyMs)),
    async stop() {
      stopped = true;
      again = false;
      clearTimeout(timer);
      await running;
    },
  };
}
