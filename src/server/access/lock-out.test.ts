import fc from 'fast-check';
import { expect, test } from 'vitest';
import { afterFailure, createStrangers, LOCK_MS, NO_FAILURES, waitS, type Failures } from './lock-out.ts';

/** Fails `n` times, each as soon as it may. */
function fail(n: number, from: Failures = NO_FAILURES): { at: number; state: Failures; waits: number[] } {
  let [at, state] = [1_000_000, from];
  const waits: number[] = [];
  for (let i = 0; i < n; i += 1) {
    state = afterFailure(state, at);
    waits.push(waitS(state, at));
    at += waitS(state, at) * 1_000;
  }
  return { at, state, waits };
}

test('four failures are free, then each waits twice as long, and the tenth locks for a quarter of an hour', () => {
  expect(fail(12).waits).toEqual([0, 0, 0, 0, 2, 4, 8, 16, 32, 900, 900, 900]);
});

test('a lock ends when its time is over, and a day without failures forgets them', () => {
  const { state } = fail(10);
  expect(waitS(state, state.failedMs! + LOCK_MS - 1)).toBe(1);
  expect(waitS(state, state.failedMs! + LOCK_MS)).toBe(0);
  expect(afterFailure(state, state.failedMs! + 86_400_001).failures).toBe(1);
});

test('whatever the pace, ten thousand guesses take days', () => {
  const gap = fc.integer({ min: 0, max: 3_600_000 });
  fc.assert(
    fc.property(fc.array(gap, { minLength: 20, maxLength: 60 }), (gaps) => {
      let [at, state] = [0, NO_FAILURES];
      for (const ms of gaps) {
        at += ms + waitS(state, at + ms) * 1_000;
        state = afterFailure(state, at);
        if (state.failures >= 10) expect(waitS(state, at)).toBe(LOCK_MS / 1_000);
      }
      expect(state.failures).toBe(gaps.length);
    }),
  );
});

test('names nobody has are remembered, but not without end', () => {
  const strangers = createStrangers(3);
  for (const name of ['a', 'b', 'c', 'd']) strangers.set(name, afterFailure(NO_FAILURES, 5));
  expect(strangers.get('a')).toEqual(NO_FAILURES);
  expect(strangers.get('d').failures).toBe(1);
});
