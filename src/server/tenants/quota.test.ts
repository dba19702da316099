import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HOUR, siteMs } from '../../model/index.ts';
import { outlookOf, refusalOf, type OpenJob, type Standing } from './quota.ts';

const NOW = siteMs(Date.parse('2026-11-26T12:00:00Z'));
const END = siteMs(Date.parse('2026-12-01T00:00:00Z'));
const job = (more: Partial<OpenJob> = {}): OpenJob => ({
  gpus: 4,
  state: 'running',
  startedAt: siteMs(NOW - HOUR),
  timeLimitS: 3 * 3_600,
  usdPerGpuHour: 2,
  ...more,
});
const standing = (open: readonly OpenJob[], more: Partial<Standing> = {}): Standing => ({
  what: 'project one',
  usedGpuHours: 0,
  spentUsd: 0,
  open,
  ...more,
});
const asked = { gpus: 4, timeLimitMinutes: 60, usdPerGpuHour: 2 };
const none = { quota: undefined, budget: undefined };

test('what runs may still use the rest of its limit, what waits all of it, and what has none the rest of the month', () => {
  expect(outlookOf([job()], NOW, END)).toEqual({ gpus: 4, gpuHours: 8, usd: 16 });
  expect(outlookOf([job({ state: 'pending', startedAt: undefined })], NOW, END).gpuHours).toBe(12);
  expect(outlookOf([job({ timeLimitS: undefined })], NOW, END).gpuHours).toBe(4 * 108);
  // What it uses after the month is of the next.
  expect(outlookOf([job({ timeLimitS: 1_000 * 3_600 })], NOW, END).gpuHours).toBe(4 * 108);
  expect(outlookOf([job({ usdPerGpuHour: undefined })], NOW, END).usd).toBeUndefined();
});

test('GPUs: what runs, what waits and what is asked, with all three in the words', () => {
  const open = [job(), job({ state: 'held' })];
  expect(refusalOf(standing(open), { ...none, quota: { gpus: 12 } }, asked, NOW, END)).toBeUndefined();
  expect(refusalOf(standing(open), { ...none, quota: { gpus: 11 } }, asked, NOW, END)).toBe(
    'project one may have 11 GPUs at once: 8 run or wait, and this asks for 4',
  );
});

test('GPU-hours of the month', () => {
  const used = standing([job()], { usedGpuHours: 100 });
  expect(refusalOf(used, { ...none, quota: { gpuHoursPerMonth: 112 } }, asked, NOW, END)).toBeUndefined();
  expect(refusalOf(used, { ...none, quota: { gpuHoursPerMonth: 111 } }, asked, NOW, END)).toMatch(
    /111 GPU-hours a month: 100 are used, what runs and waits may use 8 more, and this asks for 4/,
  );
});

test('a budget refuses only where it is told to, and an unknown price is the worst case', () => {
  const spent = standing([job()], { spentUsd: 80 });
  const budget = { usdPerMonth: 100, alertPct: [50], onExceeded: 'refuse' as const };
  expect(refusalOf(spent, { ...none, budget }, asked, NOW, END)).toMatch(
    /\$100\.00 a month: \$80\.00 is spent.*\$16\.00.*\$8\.00/,
  );
  expect(refusalOf(spent, { ...none, budget: { ...budget, onExceeded: 'alert' } }, asked, NOW, END)).toBeUndefined();
  expect(refusalOf(spent, { ...none, budget: { ...budget, usdPerMonth: 104 } }, asked, NOW, END)).toBeUndefined();
  const unpriced = { ...asked, usdPerGpuHour: undefined };
  expect(refusalOf(standing([]), { ...none, budget }, unpriced, NOW, END)).toMatch(/no price is known/);
});

test('who is refused so much is refused more, and another job never makes room', () => {
  const size = fc.integer({ min: 0, max: 64 });
  fc.assert(
    fc.property(fc.array(size, { maxLength: 8 }), size, size, size, (open, limit, first, more) => {
      const jobs = open.map((gpus) => job({ gpus }));
      const limits = { ...none, quota: { gpus: limit } };
      const refused = (gpus: number, of: readonly OpenJob[]) =>
        refusalOf(standing(of), limits, { ...asked, gpus }, NOW, END) !== undefined;
      if (!refused(first, jobs)) return;
      expect(refused(first + more, jobs)).toBe(true);
      expect(refused(first, [...jobs, job({ gpus: more })])).toBe(true);
    }),
  );
});
