import { expect, test } from 'vitest';
import { HOUR, siteMs, type Snapshot } from '../model/index.ts';
import { bareHall, bareSnapshot, cohort, demoForecast, demoSnapshot } from './fixture.ts';
import { pose, type Problem } from './problem.ts';
import { roundFirst } from './round.ts';

const POINTS = [
  { profile: 'low', powerW: 2000, hashrateThs: 80 },
  { profile: 'high', powerW: 3000, hashrateThs: 100 },
];
/** Ten machines, all awake, in a hall with this much room. */
const ten = (usableW: number, more: Partial<Snapshot> = {}): Problem => {
  const miners = { ...cohort('a-x', 'antminer-s21', 10, POINTS), sleepW: 0, now: { low: 10 } };
  return pose(bareSnapshot({ cohorts: [miners], halls: [{ ...bareHall('a'), usableW }], ...more }), demoForecast());
};
const rounded = (usableW: number, machines: readonly number[], more: Partial<Snapshot> = {}): readonly number[] =>
  roundFirst(ten(usableW, more), { machines: [machines], gpus: [], generationW: [] }).machines[0]!;

test('whole counts come through unchanged', () => {
  expect(rounded(1e6, [1, 4, 5])).toEqual([1, 4, 5]);
  expect(rounded(1e6, [0.9999999, 4.0000001, 5])).toEqual([1, 4, 5]);
});

test('the largest fraction is placed first, as far as there is room', () => {
  expect(rounded(1e6, [0, 4.4, 5.6])).toEqual([0, 4, 6]);
  expect(rounded(25_600, [0, 4.4, 5.6])).toEqual([0, 5, 5]);
  expect(rounded(24_000, [0.5, 4, 5.5])).toEqual([1, 4, 5]);
});

test('GPUs stay within their part though every fraction would fit the limits', () => {
  const snapshot = demoSnapshot();
  const work = snapshot.work.slice(5, 7).map((w) => ({ ...w, partGpus: 100 }));
  const problem = pose({ ...snapshot, cohorts: [], work }, demoForecast());
  expect(roundFirst(problem, { machines: [], generationW: [], gpus: [40.5, 59.5] }).gpus).toEqual([41, 59]);
  expect(roundFirst(problem, { machines: [], generationW: [], gpus: [40.3, 59.4] }).gpus).toEqual([40, 60]);
});

test('GPUs stay within the uplink of their hall though every fraction would fit their part', () => {
  const snapshot = demoSnapshot();
  const work = snapshot.work.slice(5, 7).map((w) => ({ ...w, uplinkMbpsPerGpu: 10 }));
  const halls = snapshot.halls.map((hall) => ({ ...hall, uplinkMbps: 1_004 }));
  const problem = pose({ ...snapshot, halls, cohorts: [], work }, demoForecast());
  expect(roundFirst(problem, { machines: [], generationW: [], gpus: [40.8, 59.6] }).gpus).toEqual([41, 59]);
  expect(roundFirst(problem, { machines: [], generationW: [], gpus: [0.4, 100] }).gpus).toEqual([0, 100]);
});

test('beside a base point the nearest whole machine counts, more or less; a limit and a firm level are kept all the same', () => {
  const { at } = demoSnapshot();
  const span = { from: at, until: siteMs(at + HOUR) };
  const basePoints = [{ id: 'b', leastW: 16.8e3, mostW: 16.8e3, ...span }];
  expect(rounded(1e6, [4.4, 0, 5.6], { basePoints })).toEqual([4, 0, 6]);
  expect(rounded(1e6, [4.6, 0, 5.4], { basePoints })).toEqual([5, 0, 5]);
  expect(rounded(17e3, [4.4, 0, 5.6], { basePoints })).toEqual([5, 0, 5]);
  const programCalls = [{ id: 'c', firmW: 16.8e3, penaltyUsdPerMwh: 1e3, ...span }];
  expect(rounded(1e6, [4.4, 0, 5.6], { basePoints, programCalls })).toEqual([5, 0, 5]);
});
