import { expect, test } from 'vitest';
import { siteMs, type Job, type Plan, type Snapshot } from '../model/index.ts';
import { actionsFor, type SiteCluster } from './clusters.ts';
import type { WorkPicture } from './picture.ts';

const job = (id: string, startedAt: number): Job =>
  ({ id, state: 'running', className: 'on-demand', gpuModel: 'h100', gpus: 40, startedAt: siteMs(startedAt) }) as Job;
const cluster = {
  id: 'slurm',
  reading: { jobs: [job('old', 1), job('new', 2)], nodes: [{ gpuModel: 'h100', gpus: 100, state: 'idle' }] },
  failure: undefined,
  heldByUs: new Set(),
} as unknown as SiteCluster;
const requeued = (preemptible: boolean, wanted: number, ran: number): string[] => {
  const workClass = { id: 'w', class: 'on-demand', gpu: 'h100', preemptible };
  const work = { clusterId: 'slurm', workClass, runningGpus: 80, queuedGpus: 0, heldGpus: 0 } as WorkPicture;
  const plan = { steps: [{ work: { w: wanted } }] } as unknown as Plan;
  const snapshot = { work: [{ id: 'w', runningGpus: ran }] } as unknown as Snapshot;
  return actionsFor(cluster, [work], { plan, snapshot }, 'a test').map((action) => `${action.kind} ${action.job.id}`);
};

test('a job that was started since the plan was made is left alone where its class may not be interrupted', () => {
  expect(requeued(true, 40, 40)).toEqual(['requeue new']);
  expect(requeued(false, 40, 40)).toEqual([]);
});

test('and gives way where the plan found no other way', () => {
  expect(requeued(false, 40, 80)).toEqual(['requeue new']);
});
