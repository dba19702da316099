import { expect, test } from 'vitest';
import { Fault } from '../model/index.ts';
import { killed } from './job-kill.ts';

function bench(state: string | undefined, comment: 'taken' | 'refused' | 'none' = 'taken') {
  const told: string[] = [];
  const begun: unknown[] = [];
  const job = { id: '7', state };
  const tellOwner = async (id: string, line: string) => {
    told.push(`${id} ${line}`);
    if (comment === 'refused') throw new Fault('refused', 'no comments here');
  };
  const cluster = {
    handle: comment === 'none' ? {} : { tellOwner },
    reading: { jobs: state === undefined ? [] : [job] },
  };
  const runtime = {
    clusters: { byId: new Map([['hpc', cluster]]) },
    gpus: {
      truth: { gpusOf: () => [{ machineId: 'n1', of: [0], powerW: 500 }] },
      effects: { begin: (...all: unknown[]) => begun.push(all) },
    },
  } as never;
  return {
    told,
    begun,
    job,
    end: (cancel: () => Promise<void>) => killed(runtime, 'hpc', '7', 'the disk is full', cancel),
  };
}

test('the owner of a job is told why before it ends, and what its end releases is watched', async () => {
  const b = bench('running');
  await b.end(async () => void b.told.push('cancel'));
  expect(b.told).toEqual(['7 is ended by the site: the disk is full', 'cancel']);
  expect(b.begun).toEqual([['kill', b.job, [{ machineId: 'n1', of: [0], powerW: 500 }]]]);
});

test('of a job that does not work nothing is learned, and a comment that is not taken stops nothing', async () => {
  for (const [state, comment] of [
    ['pending', 'refused'],
    ['paused', 'none'],
    [undefined, 'taken'],
  ] as const) {
    const b = bench(state, comment);
    let isDone = false;
    await b.end(async () => void (isDone = true));
    expect([isDone, b.begun]).toEqual([true, []]);
  }
});

test('where it was not ended its owner is told so, and nothing is learned', async () => {
  const b = bench('running');
  const fault = new Fault('refused', 'not yours');
  await expect(b.end(() => Promise.reject(fault))).rejects.toBe(fault);
  expect(b.told).toEqual(['7 is ended by the site: the disk is full', '7 goes on: it was not ended']);
  expect(b.begun).toEqual([]);
});
