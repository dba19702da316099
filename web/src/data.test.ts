import { expect, test } from 'vitest';
import type { Activity, IntervalView, Overview } from '../../src/model/api.ts';
import { paintEvent, queryClient, withActivity, withInterval } from './data.ts';

const interval = (start: string, marginUsd = 0) => ({ start, marginUsd }) as IntervalView;
const entry = (id: string, at: string, commands = 0) => ({ id, at, commands }) as Activity;

test('an interval told again replaces its older self, and a day is kept', () => {
  const day = Array.from({ length: 96 }, (_, i) => interval(new Date(i * 900_000).toISOString()));
  const next = withInterval(day, interval(new Date(96 * 900_000).toISOString()));
  expect(next).toHaveLength(96);
  expect(next[0]!.start).toBe(day[1]!.start);
  const again = withInterval(next, interval(next[5]!.start, 12));
  expect(again).toHaveLength(96);
  expect(again[5]!.marginUsd).toBe(12);
});

test('activity stands newest first, one line an id', () => {
  const list = [entry('b', '2026-03-23T10:01:00Z'), entry('a', '2026-03-23T10:00:00Z')];
  expect(withActivity(list, entry('c', '2026-03-23T10:02:00Z')).map((e) => e.id)).toEqual(['c', 'b', 'a']);
  const told = withActivity(list, entry('a', '2026-03-23T10:00:00Z', 7));
  expect(told.map((e) => [e.id, e.commands])).toEqual([
    ['b', 0],
    ['a', 7],
  ]);
});

test('an overview that was on its way while a newer one was asked for takes nothing back', () => {
  const overview = (at: string, held: boolean) =>
    ({
      at,
      clock: { speed: 1 },
      lines: [],
      connection: { importW: null },
      plan: null,
      cohorts: [{ held: held ? {} : null }],
    }) as unknown as Overview;
  const isHeld = () => queryClient.getQueryData<Overview>(['overview'])?.cohorts[0]?.held !== null;
  paintEvent('overview', overview('2026-03-23T10:00:00Z', false));
  // Asked for after the act, of the same second.
  queryClient.setQueryData(['overview'], overview('2026-03-23T10:00:00Z', true));
  paintEvent('overview', overview('2026-03-23T10:00:00Z', false));
  expect(isHeld()).toBe(true);
  paintEvent('overview', overview('2026-03-23T10:00:01Z', false));
  expect(isHeld()).toBe(false);
  // A clock that was set back is followed.
  paintEvent('overview', overview('2026-03-23T09:00:00Z', true));
  expect(isHeld()).toBe(true);
});
