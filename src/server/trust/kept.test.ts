import { expect, test } from 'vitest';
import { pose } from '../../dispatch/problem.ts';
import { demoForecast, demoSnapshot } from '../../dispatch/fixture.ts';
import type { Site, Trust } from '../../model/index.ts';
import { stopsMiners, withOrders } from '../orders/orders.ts';
import { keptOf, withKept } from './kept.ts';

const snapshot = demoSnapshot();
const [first, second, third] = snapshot.cohorts.map(({ id }) => id);
const site = { machines: snapshot.cohorts.map(({ id }) => ({ id, kind: 'asic' })) } as unknown as Site;
const levels = (whole: Trust, own: Readonly<Record<string, Trust>> = {}) => ({
  site: () => whole,
  of: (id: string) => own[id] ?? whole,
});
const still = () => ({});
const cohort = (of: typeof snapshot, id: string | undefined) => of.cohorts.find((one) => one.id === id)!;

test('in auto and in shadow a plan is made as if it acted', () => {
  for (const whole of ['auto', 'shadow'] as const)
    expect(withKept(snapshot, keptOf(site, levels(whole), false), still)).toBe(snapshot);
});

test('cohorts in suggest and in shadow stay as they are, and the rest is planned around them', () => {
  const kept = keptOf(site, levels('auto', { [first!]: 'suggest', [second!]: 'shadow' }), false);
  const planned = withKept(snapshot, kept, (id) => (id === first ? { sleep: 5, normal: -5 } : {}));
  expect(cohort(planned, first)).toMatchObject({ held: true, waits: true });
  expect(cohort(planned, second)).toMatchObject({ held: true, waits: true, now: cohort(snapshot, second).now });
  expect(cohort(planned, third)).toBe(cohort(snapshot, third));
  // What was confirmed and is on its way counts as done.
  expect(cohort(planned, first).now['sleep']).toBe((cohort(snapshot, first).now['sleep'] ?? 0) + 5);
  expect(planned.work).toBe(snapshot.work);
});

test('an order moves what is in suggest, downwards only, and never what is in shadow', () => {
  const kept = keptOf(site, levels('suggest', { [second!]: 'shadow' }), true);
  const stop = [{ id: 'stop', kind: 'stop' as const, firmW: undefined, from: snapshot.at, until: undefined }];
  expect(stopsMiners(stop)).toBe(true);
  const planned = withKept(snapshot, kept, still);
  const asleep = cohort(snapshot, first).now['sleep'] ?? 0;
  expect(cohort(planned, first).held).toBe(false);
  expect(cohort(planned, first).pinned['sleep'] ?? 0).toBe(asleep);
  expect(cohort(planned, second).held).toBe(true);
  const stopped = withOrders(planned, stop);
  expect(cohort(stopped, first).points).toEqual([]);
  expect(cohort(stopped, second)).toMatchObject({ held: true, points: cohort(snapshot, second).points });
  expect(kept.movesWork).toBe(true);
});

test('where jobs are left to their scheduler, what waits counts as running as far as GPUs are free', () => {
  const kept = keptOf(site, levels('suggest'), false);
  const { work } = withKept(snapshot, kept, still);
  for (const [i, one] of work.entries()) {
    const was = snapshot.work[i]!;
    expect(one.preemptible).toBe(false);
    expect(one.runningGpus + one.queuedGpus).toBe(was.runningGpus + was.queuedGpus);
    expect(one.runningGpus).toBeGreaterThanOrEqual(was.runningGpus);
  }
  for (const part of Map.groupBy(work, ({ hallId, gpuModel }) => `${hallId} ${gpuModel}`).values()) {
    const running = part.reduce((sum, one) => sum + one.runningGpus, 0);
    const ran = part.reduce((sum, one) => sum + snapshot.work.find(({ id }) => id === one.id)!.runningGpus, 0);
    expect(running).toBeLessThanOrEqual(Math.max(ran, part[0]!.partGpus));
  }
});

test('a limit that waiting cohorts break says whom to ask, and no person is blamed', () => {
  const kept = keptOf(site, levels('suggest'), false);
  const tight = withKept({ ...snapshot, connection: { ...snapshot.connection, usableW: 1e6 } }, kept, still);
  const told = pose(tight, demoForecast()).exceeded.join();
  expect(told).toContain('which the plan may not move by itself');
  expect(told).not.toContain('held by a person');
});
