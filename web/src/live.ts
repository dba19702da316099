import type { EventName } from '../../src/model/api.ts';

/** How the one event stream stands. Times are wall milliseconds. */
export interface Link {
  readonly phase: 'connecting' | 'live' | 'lost';
  /** When the last event came. */
  readonly heardAt: number | undefined;
  readonly retryAt: number | undefined;
  readonly failures: number;
}

export interface LiveOptions {
  /** Opens the stream; hands each event to `onEvent`. Returns how to close it. */
  readonly open: (handlers: {
    onOpen: () => void;
    onEvent: (name: EventName, data: string) => void;
    onError: () => void;
  }) => () => void;
  readonly now: () => number;
  readonly setTimer: (run: () => void, ms: number) => () => void;
  /** Called at most once a second with everything that came since. */
  readonly onPaint: (events: readonly { name: EventName; data: unknown }[]) => void;
  /** Called when the stream is there again after it was lost: what was missed must be fetched. */
  readonly onBack: () => void;
}

export interface Live {
  readonly link: () => Link;
  readonly subscribe: (listener: () => void) => () => void;
  /** Try again at once. */
  readonly retry: () => void;
  readonly stop: () => void;
}

const PAINT_MS = 1000;
/** An open stream that says nothing for so long is taken for dead. */
const SILENCE_MS = 15_000;

/** 1, 2, 4, 8 and then 15 seconds. */
export const backOffMs = (failures: number): number => Math.min(15_000, 1000 * 2 ** Math.max(0, failures - 1));

/** Keeps one event stream open, gathers its events and hands them on once a second. */
export function startLive({ open, now, setTimer, onPaint, onBack }: LiveOptions): Live {
  let link: Link = { phase: 'connecting', heardAt: undefined, retryAt: undefined, failures: 0 };
  let pending: { name: EventName; data: unknown }[] = [];
  let close = () => {};
  let cancelTimer = () => {};
  let cancelPaint: (() => void) | undefined;
  let cancelSilence = () => {};
  let lastPaint = -Infinity;
  const listeners = new Set<() => void>();

  const set = (change: Partial<Link>) => {
    link = { ...link, ...change };
    for (const listener of listeners) listener();
  };

  const paint = () => {
    cancelPaint = undefined;
    lastPaint = now();
    const events = pending;
    pending = [];
    const wasLost = link.failures > 0;
    set({ phase: 'live', heardAt: lastPaint, retryAt: undefined, failures: 0 });
    onPaint(events);
    if (wasLost) onBack();
  };

  const lose = () => {
    close();
    close = () => {};
    cancelSilence();
    cancelTimer();
    const failures = link.failures + 1;
    const waitMs = backOffMs(failures);
    set({ phase: 'lost', failures, retryAt: now() + waitMs });
    cancelTimer = setTimer(connect, waitMs);
  };

  const watch = () => {
    cancelSilence();
    cancelSilence = setTimer(lose, SILENCE_MS);
  };

  function connect() {
    set({ retryAt: undefined });
    watch();
    close = open({
      onOpen: watch,
      onEvent: (name, data) => {
        watch();
        pending.push({ name, data: JSON.parse(data) as unknown });
        cancelPaint ??= setTimer(paint, Math.max(0, lastPaint + PAINT_MS - now()));
      },
      onError: lose,
    });
  }

  connect();
  return {
    link: () => link,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    retry: () => {
      close();
      cancelTimer();
      connect();
    },
    stop: () => {
      close();
      cancelTimer();
      cancelSilence();
      cancelPaint?.();
    },
  };
}

/** The browser's event stream; reconnection is ours, because the browser gives up on an HTTP error. */
export function openEventSource(url: string, names: readonly EventName[]): LiveOptions['open'] {
  return ({ onOpen, onEvent, onError }) => {
    const source = new EventSource(url);
    source.addEventListener('open', onOpen);
    source.addEventListener('error', onError);
    for (const name of names) {
      source.addEventListener(name, (event) => onEvent(name, (event as MessageEvent<string>).data));
    }
    return () => source.close();
  };
}
