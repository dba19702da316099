import { expect, test } from 'vitest';
import { holdsGpus, pausedGpusOn, type Job, type JobState } from './work.ts';

const job = (state: JobState, gpus: number, nodes: readonly string[]): Job =>
  ({ state, gpus, nodes }) as unknown as Job;

test('paused jobs keep their GPUs: of a job on several nodes, its part of each', () => {
  const jobs = [job('paused', 16, ['a', 'b']), job('paused', 2, ['c']), job('running', 8, ['a']), job('paused', 4, [])];
  expect(pausedGpusOn(jobs, [{ name: 'a' }])).toBe(8);
  expect(pausedGpusOn(jobs, [{ name: 'a' }, { name: 'b' }, { name: 'c' }])).toBe(18);
  expect(pausedGpusOn(jobs, [])).toBe(0);
});

test('a job has its GPUs from its start until it has ended', () => {
  const all: readonly JobState[] = ['pending', 'held', 'running', 'paused', 'ending', 'done', 'failed', 'cancelled'];
  expect(all.filter((state) => holdsGpus({ state }))).toEqual(['running', 'paused', 'ending']);
});
