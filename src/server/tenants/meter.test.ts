import { expect, test } from 'vitest';
import { siteMs, type Job, type Site } from '../../model/index.ts';
import type { Picture } from '../picture.ts';
import { flowOfCustomers } from './meter.ts';

const job = (id: string, gpus: number, more: Partial<Job> = {}): Job => ({
  id,
  name: id,
  state: 'running',
  classId: 'training',
  className: 'batch',
  customer: 'acme-vision',
  gpuModel: 'h100',
  gpus,
  nodes: ['n1'],
  submittedAt: undefined,
  startedAt: undefined,
  endedAt: undefined,
  timeLimitS: undefined,
  requeues: 0,
  ...more,
});

const site = {
  timezone: 'UTC',
  contracts: [],
  tenants: [{ id: 'acme', customers: [], projects: [{ id: 'vision', account: 'acme-vision' }] }],
  clusters: [{ id: 'c', classes: [{ id: 'training', class: 'batch', gpu: 'h100' }] }],
} as unknown as Site;
const picture = {
  at: siteMs(0),
  work: [{ workClass: { id: 'training' }, usdPerGpuHour: 2 }],
} as unknown as Picture;

test('of the jobs that run, what their GPUs draw counts where they tell it, and the others stay unknown', () => {
  const jobs = [
    job('told', 8),
    job('silent', 4),
    job('waits', 2, { state: 'pending' }),
    job('foreign', 9, { customer: 'x' }),
  ];
  const clusters = new Map([['c', { reading: { at: siteMs(0), nodes: [], jobs }, failure: undefined }]]);
  const flow = flowOfCustomers(site, picture, clusters, {
    curtailment: () => undefined,
    powerW: (cluster, { id, gpus }) => (cluster === 'c' && id !== 'silent' ? 500 * gpus : undefined),
  });
  expect(flow.work).toEqual([
    {
      account: 'acme-vision',
      workClass: 'training',
      gpus: 12,
      measured: { gpus: 8, powerW: 4_000 },
      usdPerGpuHour: 2,
    },
  ]);
  expect(flow.told).toEqual(['training']);
});
