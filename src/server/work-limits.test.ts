import { expect, test } from 'vitest';
import { siteMs, type Job, type Plan, type Site, type Snapshot } from '../model/index.ts';
import type { SiteCluster } from './clusters.ts';
import type { WorkPicture } from './picture.ts';
import { createWorkLimits } from './work-limits.ts';

const MINUTE = 60_000;

test('what is done at once is what is on record: first a checkpoint, nothing while it is kept, then the requeue', async () => {
  let now = siteMs(MINUTE);
  const sent: string[] = [];
  const acts: string[] = [];
  const asked: string[] = [];
  const say = (what: string) => async (id: string) => void sent.push(`${what} ${id}`);
  const workClass = {
    id: 'w',
    class: 'batch',
    gpu: 'h100',
    preemptible: true,
    checkpoint: { intervalMinutes: 30, seconds: 60 },
    noticeSeconds: 120,
  };
  const job = { id: '7', state: 'running', classId: 'w', gpus: 40, nodes: [], startedAt: siteMs(1) } as unknown as Job;
  const cluster = {
    id: 'local',
    handle: { checkpoint: say('checkpoint'), requeue: say('requeue'), hold: say('hold') },
    reading: { jobs: [job], nodes: [{ name: 'n', gpuModel: 'h100', gpus: 40, state: 'idle' }] },
    failure: undefined,
    heldByUs: new Set(),
    heldAsConfirmed: new Set(),
    waits: new Map(),
    checkpointedAt: new Map(),
    keep() {},
  } as unknown as SiteCluster;
  const budgets: (number | undefined)[] = [];
  const stopped: string[][] = [];
  const limits = createWorkLimits({
    site: () => ({ machines: [] }) as unknown as Site,
    clock: { now: () => now, speed: 1 },
    clusters: { byId: new Map([['local', cluster]]) } as never,
    journal: { act: ({ what }) => acts.push(what), commands() {} },
    jobCommands: { add: () => [] },
    gpus: { watch: () => () => {} },
    powerBudgets: { set: async (_, kw) => void budgets.push(kw) },
    queueStops: { set: async (_, closed) => void stopped.push([...closed]) },
    levels: { site: () => 'auto', of: () => 'auto' },
    trust: () => 'auto',
    orders: () => [],
    work: () => [
      { clusterId: 'local', workClass, runningGpus: 40, queuedGpus: 0, heldGpus: 0 } as unknown as WorkPicture,
    ],
    askPlan: (why) => asked.push(why),
  });
  const round = () =>
    limits.limit(
      {
        plan: { id: 'p', madeAt: now, steps: [{ work: { w: 0 } }] } as unknown as Plan,
        snapshot: { work: [{ id: 'w', runningGpus: 40, queuedGpus: 0, heldGpus: 0 }] } as unknown as Snapshot,
      },
      'price $900/MWh',
    );
  await round();
  expect([acts, sent]).toEqual([['checkpoint 1 jobs'], ['checkpoint 7']]);
  now = siteMs(now + MINUTE / 2);
  await round();
  expect([acts.length, sent.length]).toEqual([1, 1]);
  now = siteMs(now + MINUTE);
  await round();
  expect(acts).toEqual(['checkpoint 1 jobs', 'requeue 1 jobs']);
  expect(sent).toEqual(['checkpoint 7', 'requeue 7', 'hold 7']);
  expect(budgets).toEqual([0, 0, 0]);
  expect(stopped).toEqual([['w'], ['w'], ['w']]);
});
