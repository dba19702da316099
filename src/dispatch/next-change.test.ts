import { expect, test } from 'vitest';
import { MINUTE, type Plan, type PlanStep, siteMs } from '../model/index.ts';
import { AT } from './fixture.ts';
import { nextChange } from './next-change.ts';

const step = (index: number, importMw: number, change: Partial<PlanStep> = {}): PlanStep => ({
  start: siteMs(AT + index * 15 * MINUTE),
  durationMs: 15 * MINUTE,
  priceUsdPerMwh: 40,
  known: false,
  importW: importMw * 1e6,
  linePowerW: { mining: importMw * 1e6, ai: 0, hpc: 0, grid: 0 },
  otherW: 0,
  cohorts: { 'a-s21': { default: 2600 } },
  work: { 'h100-batch': 100 },
  shadowUsdPerMwh: {},
  ...change,
});
const planOf = (...steps: PlanStep[]): Plan => ({
  id: 'p',
  madeAt: AT,
  solver: 'highs',
  status: 'optimal',
  solveMs: 1,
  objectiveUsd: 0,
  steps,
  notes: [],
});

test('names the price and who sleeps', () => {
  const dear = step(2, 30, { priceUsdPerMwh: 210, cohorts: { 'a-s21': { sleep: 2600 } } });
  expect(nextChange(planOf(step(0, 39), step(1, 39.3), dear), AT, () => 'S21')).toEqual({
    at: dear.start,
    deltaW: -9e6,
    why: 'price forecast $210/MWh: 2,600 S21 to sleep',
  });
});

test('names profiles, wakes and work', () => {
  const why = (change: Partial<PlanStep>, from: Partial<PlanStep> = {}): string =>
    nextChange(planOf(step(0, 30, from), step(1, 33, change)), AT)!.why;
  expect(why({ cohorts: { 'a-s21': { low: 2600 } } })).toBe('price forecast $40/MWh: 2,600 a-s21 to low');
  expect(why({ known: true }, { cohorts: { 'a-s21': { sleep: 2600 } } })).toBe('price $40/MWh: 2,600 a-s21 wake');
  expect(why({ work: { 'h100-batch': 0 }, priceUsdPerMwh: -5 })).toBe(
    'price forecast -$5/MWh: 100 GPUs of h100-batch held',
  );
  expect(why({})).toBe('price forecast $40/MWh: cooling follows the weather');
});

test('compares with the running step, and is undefined where nothing changes or the plan has run out', () => {
  const plan = planOf(step(0, 39), step(1, 30), step(2, 30.4));
  expect(nextChange(plan, siteMs(AT + 16 * MINUTE))).toBeUndefined();
  expect(nextChange(plan, siteMs(AT + 46 * MINUTE))).toBeUndefined();
  expect(nextChange(planOf(step(0, 1), step(1, 1.05)), AT)).toBeDefined();
});
