import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HOUR, siteMs } from '../model/index.ts';
import { quoteFor, type QuoteClass, type QuotePart, type QueuedJob } from './quote.ts';

const NOW = siteMs(Date.parse('2026-11-26T00:00:00Z'));
const training: QuoteClass = {
  id: 'training',
  isInterruptible: false,
  usdPerGpuHour: 2,
  gpuPowerW: 500,
  powerSource: 'measured',
  interruptsPerDay: undefined,
  interruptUsdPerGpu: 3,
};
const spot: QuoteClass = { ...training, id: 'spot', isInterruptible: true, usdPerGpuHour: 1, interruptsPerDay: 2 };
/** A step an hour. */
const part = (work: readonly Record<string, number>[], more: Partial<QuotePart> = {}): QuotePart => ({
  now: NOW,
  steps: work.map((gpus, i) => ({ start: siteMs(NOW + i * HOUR), durationMs: HOUR, work: gpus })),
  capacity: 64,
  classes: ['training', 'spot'],
  running: [],
  waiting: [],
  ...more,
});
const ask = (gpus: number, minutes: number) => ({ gpus, minutes, by: undefined });
const job = (gpus: number, hours: number | undefined, workClass = 'training'): QueuedJob => ({
  workClass,
  gpus,
  leftMs: hours === undefined ? undefined : hours * HOUR,
});
const hourOf = (at: number | undefined) => (at === undefined ? undefined : (at - NOW) / HOUR);
const DAY = Array.from({ length: 24 }, () => ({ training: 0, spot: 0 }));

test('an idle part starts it now, and cost and energy are what they are', () => {
  const quote = quoteFor(part(DAY), ask(8, 120), training);
  expect([hourOf(quote.startsAt), hourOf(quote.endsAt)]).toEqual([0, 2]);
  expect(quote).toMatchObject({ cost: 32_000_000, energyKwh: 8, powerSource: 'measured', expectedLoss: 0 });
  expect(quote.why).toBe('nothing waits before it, and the plan has 8 GPUs free for training now');
});

test('it waits for what runs to end, and for what waits before it', () => {
  const running = [job(60, 3)];
  expect(hourOf(quoteFor(part(DAY, { running }), ask(8, 60), training).startsAt)).toBe(3);
  // The queue is kept: a small job does not pass a large one of its class.
  const waiting = [job(64, 2)];
  const busy = DAY.map(() => ({ training: 64, spot: 0 }));
  expect(hourOf(quoteFor(part(busy, { running, waiting }), ask(4, 60), training).startsAt)).toBe(5);
  // One that waits and has no limit may keep its GPUs for ever.
  const never = quoteFor(part(busy, { running, waiting: [job(64, undefined)] }), ask(4, 60), training);
  expect(never.startsAt).toBeUndefined();
  expect(never.why).toMatch(/not within the plan's 24 h: 64 GPUs' worth of jobs wait before it/);
});

test('while the plan keeps known demand waiting, idle GPUs are not free', () => {
  const waiting = [job(40, 1, 'spot')];
  // Power is dear for two hours: the plan serves none of it.
  const dear = Array.from({ length: 24 }, (_, i) => ({ training: 0, spot: i < 2 ? 0 : 40 }));
  expect(hourOf(quoteFor(part(dear, { waiting }), ask(8, 60), training).startsAt)).toBe(2);
});

test('what may be interrupted starts no later, runs in pieces, and tells the loss where it is known', () => {
  const gaps = Array.from({ length: 24 }, (_, i) => ({ training: i % 2 === 0 ? 8 : 64, spot: i % 2 === 0 ? 56 : 0 }));
  const of = part(gaps, { running: [job(8, undefined)] });
  const some = quoteFor(of, ask(56, 120), spot);
  expect([hourOf(some.startsAt), hourOf(some.endsAt)]).toEqual([0, 3]);
  expect(some.why).toMatch(/free for spot now, with 1 pause while/);
  expect(quoteFor(of, ask(56, 120), { ...spot, isInterruptible: false }).startsAt).toBeUndefined();
  expect(quoteFor(of, ask(60, 120), spot).startsAt).toBeUndefined();
  expect(quoteFor(of, ask(8, 60), { ...spot, interruptsPerDay: undefined }).expectedLoss).toBeUndefined();
  expect(some.expectedLoss).toBe(Math.round(2 * (120 / 1_440) * 56 * 3 * 1e6));
});

test('a time to be done by', () => {
  const by = (hours: number) => ({ ...ask(8, 120), by: siteMs(NOW + hours * HOUR) });
  expect(quoteFor(part(DAY), by(2), training).isInTime).toBe(true);
  expect(quoteFor(part(DAY), by(1), training).isInTime).toBe(false);
  // It starts, and ends beyond the plan: nobody knows.
  expect(quoteFor(part(DAY), { ...ask(8, 60 * 30), by: siteMs(NOW + 40 * HOUR) }, training)).toMatchObject({
    startsAt: NOW,
    endsAt: undefined,
    isInTime: undefined,
  });
  expect(quoteFor(part(DAY), ask(65, 60), training).why).toBe('it asks for 65 GPUs and there are 64 of this part');
});

test('what is not known stays unknown', () => {
  const blind = { ...training, usdPerGpuHour: undefined, gpuPowerW: undefined, powerSource: undefined };
  expect(quoteFor(part(DAY), ask(8, 60), blind)).toMatchObject({ cost: undefined, energyKwh: undefined });
});

test('more GPUs, more minutes or more before it never start it earlier; interruptible never starts later', () => {
  const gpus = fc.integer({ min: 0, max: 70 });
  const jobs = fc.array(
    fc.record({
      gpus: fc.integer({ min: 1, max: 40 }),
      leftMs: fc.option(fc.integer({ min: 1, max: 20 * HOUR }), { nil: undefined }),
      workClass: fc.constantFrom('training', 'spot'),
    }),
    { maxLength: 5 },
  );
  const world = fc.record({
    steps: fc.array(fc.record({ training: gpus, spot: gpus }), { minLength: 1, maxLength: 24 }),
    running: jobs,
    waiting: jobs,
  });
  const size = fc.integer({ min: 1, max: 48 });
  fc.assert(
    fc.property(world, size, size, size, size, ({ steps, running, waiting }, few, more, short, longer) => {
      const of = part(steps, { running, waiting });
      const start = (gpu: number, minutes: number, one = training) =>
        quoteFor(of, ask(gpu, minutes * 20), one).startsAt ?? Infinity;
      expect(start(few + more, short)).toBeGreaterThanOrEqual(start(few, short));
      expect(start(few, short + longer)).toBeGreaterThanOrEqual(start(few, short));
      expect(start(few, short, { ...training, isInterruptible: true })).toBeLessThanOrEqual(start(few, short));
    }),
  );
});
