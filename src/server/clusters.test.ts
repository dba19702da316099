import { describe, expect, test } from 'vitest';
import { smallSite } from '../../sim/small-site.ts';
import type { ClusterHandle, ClusterIo } from '../clusters/cluster.ts';
import type { WorkAction } from '../control/work.ts';
import { Fault, siteMs, type ClusterReading, type Job, type Plan, type SiteMs, type Snapshot } from '../model/index.ts';
import {
  actionsFor,
  carryOut,
  carryOutConfirmed,
  openClusters,
  readCluster,
  resumesAt,
  stepsNow,
  waitingBefore,
  type SiteCluster,
} from './clusters.ts';
import type { WorkPicture } from './picture.ts';

const job = (id: string, startedAt: number): Job =>
  ({ id, state: 'running', className: 'on-demand', gpuModel: 'h100', gpus: 40, startedAt: siteMs(startedAt) }) as Job;
const cluster = {
  id: 'slurm',
  reading: { jobs: [job('old', 1), job('new', 2)], nodes: [{ gpuModel: 'h100', gpus: 100, state: 'idle' }] },
  failure: undefined,
  heldByUs: new Set(),
  checkpointedAt: new Map(),
} as unknown as SiteCluster;
const requeued = (preemptible: boolean, wanted: number, ran: number): string[] => {
  const workClass = { id: 'w', class: 'on-demand', gpu: 'h100', preemptible };
  const work = { clusterId: 'slurm', workClass, runningGpus: 80, queuedGpus: 0, heldGpus: 0 } as WorkPicture;
  const plan = { madeAt: siteMs(10), steps: [{ work: { w: wanted } }] } as unknown as Plan;
  const snapshot = { work: [{ id: 'w', runningGpus: ran, queuedGpus: 80 - ran, heldGpus: 0 }] } as unknown as Snapshot;
  return actionsFor(cluster, [work], { plan, snapshot }, 'a test').map((action) => `${action.kind} ${action.job.id}`);
};

test('a job that was started since the plan was made is left alone where its class may not be interrupted', () => {
  expect(requeued(true, 40, 40)).toEqual(['requeue new']);
  expect(requeued(false, 40, 40)).toEqual([]);
});

test('and gives way where the plan found no other way', () => {
  expect(requeued(false, 40, 80)).toEqual(['requeue new']);
});

test('a job that came after the plan was made is not held for what the plan did not know', () => {
  const came = { ...job('late', 1), state: 'pending', gpus: 16 } as Job;
  const idle = { ...cluster, reading: { ...cluster.reading!, jobs: [came] } } as SiteCluster;
  const workClass = { id: 'w', class: 'on-demand', gpu: 'h100', preemptible: true };
  const work = { clusterId: 'slurm', workClass, runningGpus: 0, queuedGpus: 16, heldGpus: 0 } as WorkPicture;
  const plan = { madeAt: siteMs(10), steps: [{ work: { w: 0 } }] } as unknown as Plan;
  const asked = (queuedGpus: number) =>
    actionsFor(
      idle,
      [work],
      { plan, snapshot: { work: [{ id: 'w', runningGpus: 0, queuedGpus, heldGpus: 0 }] } as unknown as Snapshot },
      'a test',
    ).map(({ kind }) => kind);
  expect(asked(0)).toEqual([]);
  expect(asked(16)).toEqual(['hold']);
});

test('a job goes on in the first step of the plan with room for it and for all that wait before it', () => {
  const step = (minutes: number, gpus: number) => ({ start: siteMs(minutes * 60_000), work: { w: gpus } });
  const plan = { steps: [step(0, 8), step(5, 8), step(10, 16), step(15, 24)] } as unknown as Plan;
  expect(resumesAt(plan, 'w', 8)).toBe(10 * 60_000);
  expect(resumesAt(plan, 'w', 16)).toBe(15 * 60_000);
  expect(resumesAt(plan, 'w', 24)).toBeUndefined();
  expect(resumesAt(plan, 'other', 1)).toBeUndefined();
  const waits = (id: string, submittedAt: number) => ({ ...job(id, 1), state: 'held', submittedAt, gpus: 4 }) as Job;
  const jobs = [waits('a', 1), waits('b', 2), waits('theirs', 0), waits('c', 3)];
  expect(waitingBefore(jobs, jobs[1]!, new Set(['a', 'b', 'c']))).toBe(8);
});

describe('jobs that are held', () => {
  const held = (id: string): Job => ({ ...job(id, 1), state: 'held' });
  const opened = (keep: (text: string) => void, before?: string): SiteCluster => {
    const [entry] = [...openClusters(smallSite(), {} as ClusterIo, keep, before).byId.values()];
    const handle = { read: () => Promise.reject(new Error('not asked')), close() {} } as unknown as ClusterHandle;
    return Object.assign(entry!, {
      handle: { ...handle, hold: () => Promise.resolve(), release: () => Promise.resolve() },
      reading: {
        jobs: [
          { ...job('p1', 1), state: 'pending' },
          { ...job('p2', 1), state: 'done' },
        ],
      },
    });
  };
  const hold = (id: string): WorkAction => ({
    kind: 'hold',
    job: { ...job(id, 1), state: 'pending' },
    why: 'a test',
  });

  test('are known to be ours over a restart, and which of them a person confirmed', async () => {
    let text: string | undefined;
    const one = opened((next) => void (text = next));
    const told: string[] = [];
    Object.assign(one.handle, { tellOwner: async (id: string, line: string) => void told.push(`${id}: ${line}`) });
    await carryOut('auto', one, [{ ...hold('p0'), resumesAt: siteMs(3_600_000) }], false, siteMs(5));
    expect(told).toEqual(['p0: waits, to go on: expected at 1970-01-01T01:00Z; a test']);
    // A job that is no more as it was when a person looked is left alone.
    const outcomes = await carryOutConfirmed('suggest', one, [hold('p1'), hold('p2')]);
    expect(outcomes.map(({ action, fault }) => [action.job.id, fault])).toEqual([['p1', undefined]]);
    const again = opened((next) => void (text = next), text);
    expect([[...again.heldByUs], [...again.heldAsConfirmed]]).toEqual([['p0', 'p1'], ['p1']]);
    expect(again.waits.get('p0')).toEqual({ why: 'a test', since: 5 });
    await carryOut('auto', again, [{ kind: 'release', job: held('p1'), why: 'a test' }], false);
    const third = opened(() => {}, text);
    expect([[...third.heldByUs], [...third.heldAsConfirmed]]).toEqual([['p0'], []]);
  });

  test('keep a checkpoint first where there is time for it, and go when it has had its time', async () => {
    const one = opened(() => {});
    const told: string[] = [];
    const tell = (what: string) => async (id: string) => void told.push(`${what} ${id}`);
    Object.assign(one.handle, { checkpoint: tell('checkpoint'), requeue: tell('requeue'), hold: tell('hold') });
    const action: WorkAction = { kind: 'requeue', job: job('r1', 1), why: 'a test', keepFirstMs: 60_000 };
    const at = (minutes: number) => siteMs(minutes * 60_000);
    const goes = (trust: 'auto' | 'shadow', now: SiteMs) =>
      carryOut(trust, one, stepsNow(one, [action], now), false, now);
    const kinds = (outcomes: Awaited<ReturnType<typeof carryOut>>) => outcomes.map((done) => done.action.kind);
    expect(kinds(await goes('auto', at(1)))).toEqual(['checkpoint']);
    expect(kinds(await goes('auto', at(1.5)))).toEqual([]);
    expect(kinds(await goes('auto', at(2)))).toEqual(['requeue']);
    expect(told).toEqual(['checkpoint r1', 'requeue r1', 'hold r1']);
    // Hours later it has done other work.
    expect(kinds(await goes('auto', at(60)))).toEqual(['checkpoint']);
    expect(kinds(await goes('shadow', at(90)))).toEqual(['checkpoint']);
    expect(told).toHaveLength(4);
  });

  test('give way though one of them does not stop; a scheduler that is gone is left alone', async () => {
    const one = opened(() => {});
    const told: string[] = [];
    const fails = new Map<string, Fault>([['r1', new Fault('timeout', 'it does not stop')]]);
    Object.assign(one.handle, {
      async requeueHeld(id: string) {
        told.push(id);
        const fault = fails.get(id);
        if (fault !== undefined) throw fault;
      },
      requeue: () => Promise.reject(new Error('not asked')),
    });
    const requeue = (id: string): WorkAction => ({ kind: 'requeue', job: job(id, 1), why: 'a test' });
    const outcomes = await carryOut('auto', one, [requeue('r1'), hold('p1'), requeue('r2')], false);
    expect(outcomes.map(({ action, fault }) => [action.job.id, fault?.kind])).toEqual([
      ['r1', 'timeout'],
      ['p1', undefined],
      ['r2', undefined],
    ]);
    // What was not answered may have been done: all of them are ours to release.
    expect([...one.heldByUs]).toEqual(['r1', 'p1', 'r2']);

    told.length = 0;
    const many = Array.from({ length: 20 }, (_, i) => requeue(`m${i}`));
    for (const { job: its } of many) fails.set(its.id, new Fault('unreachable', 'gone'));
    const few = await carryOut('auto', one, many, false);
    expect(few.length).toBeLessThan(many.length);
    expect(told).toHaveLength(few.length);
  });

  test('while their scheduler is read stay ours, though the reading does not show them yet', async () => {
    const one = opened(() => {});
    one.heldByUs.add('gone');
    const asked = Promise.withResolvers<ClusterReading>();
    Object.assign(one.handle, { read: () => asked.promise });
    const reading = readCluster(one);
    await carryOut('auto', one, [hold('p1')], false);
    asked.resolve({
      at: siteMs(1),
      jobs: [{ ...job('p1', 1), state: 'pending' }],
      nodes: [],
    } as unknown as ClusterReading);
    await reading;
    expect([...one.heldByUs]).toEqual(['p1']);
  });
});
