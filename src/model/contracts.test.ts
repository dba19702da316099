import { expect, test } from 'vitest';
import { siteMs, type Contract, type Site, type WorkClass } from '../model/index.ts';
import { commitmentsOf } from './contracts.ts';

const CLASS = { id: 'h100', committedGpus: 8, penaltyUsdPerGpuHour: 2 } as WorkClass;
const contract = (more: Partial<Contract>): Contract => ({
  id: 'c',
  customer: 'A university',
  work: 'h100',
  committedGpus: 24,
  penaltyUsdPerGpuHour: 6,
  ...more,
});
const at = (contracts: Contract[], time: string) =>
  commitmentsOf({ contracts, timezone: 'America/Chicago' } as Site, CLASS, siteMs(Date.parse(time)));

test('what is signed adds to what the class commits; the penalty is the mean by GPUs', () => {
  expect(at([contract({})], '2026-05-01T12:00:00Z')).toMatchObject({ committedGpus: 32, penaltyUsdPerGpuHour: 5 });
});

test('a contract is in force from its first day to its last, by the calendar of the site', () => {
  const one = [contract({ from: '2026-05-01', until: '2026-05-31' })];
  const gpus = (time: string) => at(one, time).committedGpus;
  expect(gpus('2026-05-01T04:59:00Z')).toBe(8);
  expect(gpus('2026-05-01T05:00:00Z')).toBe(32);
  expect(gpus('2026-06-01T04:59:00Z')).toBe(32);
  expect(gpus('2026-06-01T05:00:00Z')).toBe(8);
});

test('what may be curtailed is that of the contracts in force', () => {
  const curtailment = { gpuHoursPerMonth: 600 };
  const one = [contract({ from: '2026-05-01', until: '2026-05-31', curtailment })];
  const hours = (time: string) => at(one, time).curtailableGpuHoursPerMonth;
  expect(hours('2026-05-02T12:00:00Z')).toBe(600);
  expect(hours('2026-06-02T12:00:00Z')).toBeUndefined();
  expect(at([contract({})], '2026-05-02T12:00:00Z').curtailableGpuHoursPerMonth).toBeUndefined();
});

test('a contract for other work is none of its business', () => {
  expect(at([contract({ work: 'a100' })], '2026-05-01T12:00:00Z')).toBe(CLASS);
});
