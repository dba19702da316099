import type { Logger } from 'pino';
import { pollAfterMs, type Ven } from '../../control/grid/openadr.ts';
import type { Trust } from '../../control/trust.ts';
import { asFault, type OpenAdrSource, type SiteMs } from '../../model/index.ts';
import type { SignalBook } from './book.ts';
import type { Following } from './follow.ts';

export interface VenLoop {
  /** By how much the clock of the VTN is ahead of ours, ms; undefined where it did not tell. */
  skewMs(): number | undefined;
  close(): Promise<void>;
}

/** Events are wrong by as much as clocks are apart. */
const MOST_SKEW_MS = 5_000;

export interface VenLoopOptions {
  readonly book: SignalBook;
  readonly following: Following;
  trust(): Trust;
  siteNow(): SiteMs;
  readonly log: Logger;
}

/** Polls a VTN and reports to it, one after the other, with growing pauses while it does not answer. */
export function runVen(
  source: OpenAdrSource,
  ven: Ven,
  { book, following, trust, siteNow, log }: VenLoopOptions,
): VenLoop {
  const { id } = source;
  let failures = 0;
  let skewMs: number | undefined;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const reported = new Map<string, SiteMs>();

  async function poll(): Promise<void> {
    const polled = await ven.poll();
    if (closed) return;
    ({ skewMs } = polled);
    failures = 0;
    book.heard(id);
    // Where one of unknown name was not understood, nothing is taken to be over.
    const all = book.source(id)?.told.keys() ?? [];
    const unread = polled.unread.flatMap((one) => (one.id === undefined ? [...all] : [one.id]));
    book.tellAll(id, polled.events, unread);
    const problems = polled.unread.map(({ why }) => why);
    if (skewMs !== undefined && Math.abs(skewMs) > MOST_SKEW_MS)
      problems.push(`the clock of the VTN is ${Math.round(skewMs / 1_000)} s ahead of ours`);
    book.problem(id, problems.length === 0 ? undefined : problems.join('; '));
  }

  /** What was drawn while each event was in force; the last piece when it is over. */
  async function report(): Promise<void> {
    const now = siteNow();
    const optedOut = book.source(id)?.optedOut ?? new Set();
    for (const event of book.source(id)?.told.values() ?? []) {
      const span = event.spans.find(({ from, until }) => from <= now && now < until);
      if (span === undefined || event.cancelled) {
        reported.delete(event.id);
        continue;
      }
      const last = reported.get(event.id);
      if (last === undefined) reported.set(event.id, now);
      if (last === undefined || now - last < source.reportSeconds * 1_000) continue;
      await ven.report({
        eventId: event.id,
        from: last,
        lastsMs: now - last,
        importW: following.meanSince(last),
        // In shadow nothing is followed, and nothing else is claimed.
        state: optedOut.has(event.id) ? 'RUNNING_OPTED_OUT' : trust() === 'shadow' ? 'NORMAL' : 'RUNNING_CURTAILED',
      });
      reported.set(event.id, now);
    }
  }

  async function turn(): Promise<void> {
    try {
      await poll();
      await report();
    } catch (error) {
      const fault = asFault(error);
      failures += 1;
      if (!closed) book.problem(id, fault.message);
      log.warn({ source: id, why: fault.message }, 'the VTN cannot be asked');
    }
    if (!closed) timer = setTimeout(start, pollAfterMs(failures, source.pollSeconds, source.stale.seconds));
  }
  function start(): void {
    running = turn();
  }
  start();

  return {
    skewMs: () => skewMs,
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
