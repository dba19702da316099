import { expect, test } from 'vitest';
import { HOUR, MINUTE, siteMs } from './clock.ts';
import { canCheckpoint, interruptionUsdPerGpu, lostWork, plannedInterruptUsdPerGpu } from './preemption.ts';

const checkpoint = { intervalMinutes: 30, seconds: 60 };
const at = siteMs(10 * HOUR);

test('lost is what was done since the checkpoint that was seen, else an interval, else since the start', () => {
  const started = { startedAt: siteMs(8 * HOUR) };
  expect(lostWork({ checkpoint }, started, at, siteMs(10 * HOUR - 5 * MINUTE))).toEqual({
    seconds: 300,
    basis: 'checkpoint',
  });
  expect(lostWork({ checkpoint }, started, at)).toEqual({ seconds: 1800, basis: 'interval' });
  expect(lostWork({}, started, at)).toEqual({ seconds: 7200, basis: 'start' });
  expect(lostWork({ checkpoint }, { startedAt: siteMs(10 * HOUR - MINUTE) }, at)).toEqual({
    seconds: 60,
    basis: 'start',
  });
  // Of an earlier start of the job.
  expect(lostWork({ checkpoint }, started, at, siteMs(7 * HOUR))).toMatchObject({ basis: 'interval' });
  expect(lostWork({ checkpoint }, { startedAt: undefined }, at)).toBeUndefined();
});

test('the price is of all seconds in which the GPU does nothing new', () => {
  const facts = { checkpoint, noticeSeconds: 120, restoreSeconds: 240, warmUpSeconds: 60 };
  expect(interruptionUsdPerGpu(facts, 3.6, 1800, false)).toBeCloseTo((120 + 1800 + 240 + 60) * 0.001);
  expect(interruptionUsdPerGpu(facts, 3.6, 0, true)).toBeCloseTo((120 + 60 + 240 + 60) * 0.001);
});

test('a checkpoint is kept first only where the notice is long enough for it', () => {
  expect(canCheckpoint({ checkpoint, noticeSeconds: 60 })).toBe(true);
  expect(canCheckpoint({ checkpoint, noticeSeconds: 59 })).toBe(false);
  expect(canCheckpoint({ checkpoint })).toBe(false);
  expect(canCheckpoint({ noticeSeconds: 600 })).toBe(false);
});

test('a plan counts what the site file says, else what its facts come to, else nothing', () => {
  expect(plannedInterruptUsdPerGpu({ interruptUsdPerGpu: 4, checkpoint }, 3.6)).toBe(4);
  expect(plannedInterruptUsdPerGpu({ checkpoint, restoreSeconds: 200 }, 3.6)).toBeCloseTo(2);
  expect(plannedInterruptUsdPerGpu({ checkpoint, noticeSeconds: 60 }, 3.6)).toBeCloseTo(0.12);
  expect(plannedInterruptUsdPerGpu({}, 3.6)).toBe(0);
});
