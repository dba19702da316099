import fc from 'fast-check';
import { expect, test } from 'vitest';
import { siteMs, type Job, type JobState } from '../model/index.ts';
import { workActions } from './work.ts';

const job = (id: string, state: JobState, gpus: number, since = 0): Job => ({
  id,
  name: id,
  state,
  className: 'preemptible',
  customer: 'c',
  gpuModel: 'h100',
  gpus,
  nodes: [],
  submittedAt: siteMs(since),
  startedAt: state === 'running' ? siteMs(since) : undefined,
  endedAt: undefined,
  timeLimitS: undefined,
  requeues: 0,
});
const told = (actions: ReturnType<typeof workActions>) => actions.map((action) => `${action.kind} ${action.job.id}`);
const ours = (...ids: string[]) => new Set(ids);

test('pending work is held before running work gives way, and the youngest loses least', () => {
  const jobs = [
    job('old', 'running', 8, 100),
    job('young', 'running', 8, 300),
    job('middle', 'running', 8, 200),
    job('p2', 'pending', 4, 60),
    job('p1', 'pending', 4, 50),
  ];
  const actions = workActions(jobs, 8, true, ours(), 'price');
  expect(told(actions)).toEqual(['hold p1', 'hold p2', 'requeue young', 'requeue middle']);
  expect(actions.every(({ why }) => why === 'price')).toBe(true);
});

test('of running work what loses least gives way first; what nobody can price comes last, the youngest first', () => {
  const jobs = [job('kept', 'running', 8, 100), job('young', 'running', 8, 300), job('old', 'running', 8, 50)];
  const loss = (usd: Record<string, number>) => (one: Job) => usd[one.id];
  expect(told(workActions(jobs, 8, true, ours(), 'r', loss({ kept: 0.1, young: 3, old: 9 })))).toEqual([
    'requeue kept',
    'requeue young',
  ]);
  expect(told(workActions(jobs, 8, true, ours(), 'r', loss({ old: 9 })))).toEqual(['requeue old', 'requeue young']);
});

test('a job that straddles the line stays, and a smaller one gives way in its place', () => {
  const jobs = [job('big', 'running', 16, 300), job('small', 'running', 4, 100)];
  expect(told(workActions(jobs, 15.8, true, ours(), 'r'))).toEqual(['requeue small']);
  expect(told(workActions(jobs, 18, true, ours(), 'r'))).toEqual([]);
});

test('room is filled by what waits; what does not fit is held', () => {
  const jobs = [job('r', 'running', 8), job('p1', 'pending', 8, 10), job('p2', 'pending', 8, 20)];
  expect(told(workActions(jobs, 16, true, ours(), 'r'))).toEqual(['hold p2']);
});

test('only what we hold is released, oldest first and as far as there is room', () => {
  const jobs = [job('theirs', 'held', 2, 5), job('late', 'held', 8, 20), job('early', 'held', 8, 10)];
  expect(told(workActions(jobs, 8, true, ours('late', 'early'), 'r'))).toEqual(['release early']);
  expect(told(workActions(jobs, 99, true, ours('late', 'early'), 'r'))).toEqual(['release early', 'release late']);
  expect(told(workActions(jobs, 99, true, ours(), 'r'))).toEqual([]);
});

test('an unrestricted queue is left alone but for what we hold in it', () => {
  const jobs = [
    job('r', 'running', 64),
    job('p', 'pending', 64),
    job('ours', 'held', 8),
    job('theirs', 'held', 8),
    job('gone', 'done', 8),
  ];
  expect(told(workActions(jobs, 0, false, ours('ours', 'gone'), 'r'))).toEqual(['release ours']);
});

test('property: what works afterwards is no more than allowed by more than one job, and jobs of others stay', () => {
  const anyJob = fc.record({
    state: fc.constantFrom<JobState>('running', 'pending', 'held', 'done', 'ending'),
    gpus: fc.constantFrom(1, 2, 4, 8, 16),
    since: fc.nat(1000),
    mine: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anyJob, { maxLength: 30 }), fc.nat(120), (rows, allowed) => {
      const jobs = rows.map(({ state, gpus, since }, i) => job(`j${i}`, state, gpus, since));
      const heldByUs = new Set(jobs.filter((_, i) => rows[i]!.mine).map(({ id }) => id));
      const actions = workActions(jobs, allowed, true, heldByUs, 'r');
      const kindOf = new Map(actions.map((action) => [action.job.id, action.kind]));
      const gpus = (list: readonly Job[]) => list.reduce((sum, one) => sum + one.gpus, 0);
      const kept = jobs.filter(({ id, state }) => state === 'running' && kindOf.get(id) !== 'requeue');
      const smallest = Math.min(...kept.map((one) => one.gpus));
      if (gpus(kept) > allowed + 0.5) expect(gpus(kept) - smallest).toBeLessThan(allowed);
      const startable = jobs.filter(
        ({ id, state }) => (state === 'pending' && !kindOf.has(id)) || kindOf.get(id) === 'release',
      );
      expect(gpus(startable)).toBeLessThanOrEqual(Math.max(0, allowed - gpus(kept)) + 0.5);
      for (const { kind, job: one } of actions) {
        const from = { hold: 'pending', requeue: 'running', release: 'held', checkpoint: undefined }[kind];
        expect(one.state).toBe(from);
        if (kind === 'release') expect(heldByUs.has(one.id)).toBe(true);
      }
      expect(kindOf.size).toBe(actions.length);
    }),
  );
});
