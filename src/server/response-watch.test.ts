import { beforeEach, expect, test, vi } from 'vitest';
import { siteMs, type Command } from '../model/index.ts';
import { createResponseWatch } from './response-watch.ts';

const wall = vi.hoisted(() => ({ ms: 0 }));
vi.mock('./io.ts', () => ({ wallNow: () => wall.ms }));
beforeEach(() => void (wall.ms = 100_000));

const command = (target: string, change: Partial<Command> = {}): Command => ({
  id: `c-${target}`,
  batchId: 'act',
  target,
  action: 'sleep',
  mode: 'sleep',
  who: 'planner',
  why: '',
  stage: 'seen-in-power',
  attempts: 1,
  fault: undefined,
  sentAt: siteMs(1),
  acknowledgedAt: undefined,
  seenInPowerAt: undefined,
  seenAtMeterAt: undefined,
  ...change,
});
const watched = () => {
  const watch = createResponseWatch([], (id) => id.split('-')[0]);
  watch.begin('act', 99_000, 100);
  return watch;
};
const machines = (count: number, from = 0) => Array.from({ length: count }, (_, i) => command(`a-${from + i}`));

test('what a group can promise is the time of its slowest, from the cause to the reading', () => {
  const watch = watched();
  watch.look(machines(50));
  wall.ms += 30_000;
  watch.look(machines(50, 50));
  expect(watch.sleepMs('a', 100)).toBe(31_000);
  expect(watch.sleepMs('b', 100)).toBeUndefined();
});

test('few machines say nothing of a large group, and all there are of a small one', () => {
  const watch = watched();
  watch.look(machines(4));
  expect(watch.sleepMs('a', 100)).toBeUndefined();
  expect(watch.sleepMs('a', 4)).toBe(1_000);
});

test('machines that fail to sleep promise nothing; wakes and steps down are not measured as sleeps', () => {
  const watch = watched();
  watch.look(machines(97));
  watch.look([command('a-97', { stage: 'failed' }), command('a-98', { stage: 'failed' })]);
  expect(watch.sleepMs('a', 100)).toBeUndefined();
  const other = watched();
  other.look(machines(20).map((one) => ({ ...one, action: 'wake' as const })));
  expect(other.sleepMs('a', 20)).toBeUndefined();
});

test('a machine put to sleep again much later under the same act changes nothing', () => {
  const watch = watched();
  watch.look(machines(20));
  wall.ms += 3_600_000;
  watch.look(machines(20));
  expect(watch.sleepMs('a', 20)).toBe(1_000);
});

test('what was measured outlives a restart, machines that failed included', () => {
  const watch = watched();
  expect(watch.kept()).toBeUndefined();
  watch.look(machines(20));
  const kept = watch.kept()!;
  expect(watch.kept()).toBeUndefined();
  expect(createResponseWatch([], (id) => id.split('-')[0], kept).sleepMs('a', 20)).toBe(1_000);
  watch.look([command('a-90', { stage: 'failed' }), command('a-91', { stage: 'failed' })]);
  expect(createResponseWatch([], (id) => id.split('-')[0], watch.kept()).sleepMs('a', 22)).toBeUndefined();
});
