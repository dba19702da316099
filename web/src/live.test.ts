import { expect, test } from 'vitest';
import { backOffMs, startLive } from './live.ts';
import type { LiveOptions } from './live.ts';

/** A world with a clock of its own: timers run when `advance` passes them. */
function world() {
  let t = 0;
  let timers: { at: number; run: () => void }[] = [];
  let handlers: Parameters<LiveOptions['open']>[0] | undefined;
  const painted: string[][] = [];
  const counts = { opened: 0, back: 0 };
  const live = startLive({
    open: (given) => {
      counts.opened += 1;
      handlers = given;
      return () => (handlers = undefined);
    },
    now: () => t,
    setTimer: (run, ms) => {
      const timer = { at: t + ms, run };
      timers.push(timer);
      return () => (timers = timers.filter((other) => other !== timer));
    },
    onPaint: (events) => painted.push(events.map((e) => `${e.name} ${String(e.data)}`)),
    onBack: () => (counts.back += 1),
  });
  const advance = (ms: number) => {
    const until = t + ms;
    for (;;) {
      const next = timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      timers = timers.filter((timer) => timer !== next);
      t = next.at;
      next.run();
    }
    t = until;
  };
  return {
    live,
    advance,
    painted,
    counts,
    event: (n: number) => handlers?.onEvent('overview', String(n)),
    fail: () => handlers?.onError(),
  };
}

test('events are gathered and painted once a second', () => {
  const { advance, event, painted, live } = world();
  event(1);
  advance(0);
  event(2);
  event(3);
  advance(999);
  expect(painted).toEqual([['overview 1']]);
  advance(1);
  expect(painted).toEqual([['overview 1'], ['overview 2', 'overview 3']]);
  expect(live.link().phase).toBe('live');
});

test('a lost stream backs off, and what was missed is fetched when it is back', () => {
  const { advance, event, fail, counts, live } = world();
  event(1);
  advance(0);
  fail();
  expect(live.link()).toMatchObject({ phase: 'lost', retryAt: 1000, heardAt: 0 });
  advance(1000);
  expect(counts.opened).toBe(2);
  fail();
  expect(live.link().retryAt).toBe(3000);
  advance(2000);
  event(2);
  advance(1000);
  expect(live.link()).toMatchObject({ phase: 'live', failures: 0 });
  expect(counts.back).toBe(1);
});

test('an open stream that falls silent is taken for dead', () => {
  const { advance, event, live } = world();
  event(1);
  advance(15_000);
  expect(live.link().phase).toBe('lost');
});

test('back-off doubles up to a quarter of a minute', () => {
  expect([1, 2, 3, 4, 5, 9].map(backOffMs)).toEqual([1000, 2000, 4000, 8000, 15_000, 15_000]);
});
