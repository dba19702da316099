import { expect, test } from 'vitest';
import type { ClusterHandle } from '../../clusters/cluster.ts';
import { Fault, siteMs, wallMs, type GpuReading, type Trust } from '../../model/index.ts';
import { createGpuFaults } from './faults.ts';

function open(handle: Partial<ClusterHandle>, trust: Trust = 'auto', before?: string) {
  const acts: string[] = [];
  const plans: string[] = [];
  const node = { name: 'n1', address: '10.0.0.1', state: 'idle' };
  let wall = 0;
  let kept: string | undefined;
  const faults = createGpuFaults({
    journal: { act: ({ who, what, why }) => void acts.push(`${who}: ${what}: ${why}`) },
    clusters: () =>
      [{ id: 'hpc', handle: handle as ClusterHandle, reading: { nodes: [node] }, failure: undefined }] as never,
    trust: () => trust,
    siteNow: () => siteMs(0),
    wallNow: () => wallMs(wall),
    askPlan: (why) => void plans.push(why),
    before,
    keep: (text) => (kept = text),
  });
  return {
    faults,
    kept: () => kept,
    acts,
    plans,
    node,
    wait: (ms: number) => void (wall += ms),
    see(gpu: Partial<GpuReading>) {
      const reading = { at: siteMs(1), gpus: [{ index: 3, ...gpu }] };
      faults.observe({ machine: { id: 'm1', address: '10.0.0.1', kind: 'gpu-server' }, reading } as never);
    },
  };
}
const recording = () => {
  const told: string[] = [];
  const handle: Partial<ClusterHandle> = {
    drain: async (node, why) => void told.push(`drain ${node}: ${why}`),
    resume: async (node) => void told.push(`resume ${node}`),
  };
  return { told, handle };
};

test('a fatal fault takes the node out of the plan and drains it; a clean driver brings both back', async () => {
  const { told, handle } = recording();
  const site = open(handle);
  site.see({ xid: 79 });
  expect(site.faults.isFaulty('10.0.0.1')).toBe(true);
  expect(site.faults.alarms()).toMatchObject([
    { code: 'gpu-fault', subject: 'm1 GPU 3', message: expect.stringMatching(/off the bus.*XID 79/) },
  ]);
  await site.faults.look();
  await site.faults.look();
  expect(told).toEqual([expect.stringMatching(/^drain n1: GPU 3: fell off the bus/)]);
  // A later number of a program hides the first, and mends nothing.
  site.see({ xid: 43 });
  site.see({ xid: undefined });
  expect(site.faults.isFaulty('10.0.0.1')).toBe(true);
  site.see({ xid: 0 });
  expect(site.faults.isFaulty('10.0.0.1')).toBe(false);
  site.node.state = 'drained';
  await site.faults.look();
  expect(told.at(-1)).toBe('resume n1');
  expect(site.acts.map((act) => act.split(':').slice(0, 2).join(':'))).toEqual([
    'busbar: take m1 out of the plan',
    'busbar: drain node hpc/n1',
    'busbar: take m1 back into the plan',
    'busbar: resume node hpc/n1',
  ]);
  expect(site.plans).toHaveLength(2);
});

test('faults of programs take nothing out; a counter that was set back means that the driver was restarted', () => {
  const site = open({});
  for (const xid of [0, 13, 31, 43, 45, 92, 777]) site.see({ xid });
  expect(site.faults.list()).toEqual([]);
  site.see({ xid: 48, energyMj: 5_000 });
  site.see({ xid: 31, energyMj: 6_000 });
  expect(site.faults.list()).toHaveLength(1);
  site.see({ xid: 31, energyMj: 10 });
  expect(site.faults.list()).toEqual([]);
});

test('what a person says is repaired is believed until the driver tells something else', async () => {
  const site = open({});
  site.see({ xid: 94 });
  expect(site.faults.clear('m1', 'ann', 'GPU exchanged')).toBe(true);
  expect(site.faults.clear('m1', 'ann', 'again')).toBe(false);
  const again = open({}, 'auto', site.kept());
  again.see({ xid: 94 });
  expect(again.faults.list()).toEqual([]);
  again.see({ xid: 95 });
  expect(again.faults.list()).toMatchObject([{ xid: 95 }]);
});

test.each(['shadow', 'suggest'] as const)('in %s nothing is drained, and the alarm stands', async (trust) => {
  const { told, handle } = recording();
  const site = open(handle, trust);
  site.see({ xid: 95 });
  await site.faults.look();
  expect(told).toEqual([]);
  expect(site.faults.alarms()).toHaveLength(1);
});

test('a node that somebody drained is left alone; a scheduler that will not is asked again later, and recorded once', async () => {
  const theirs = recording();
  const site = open(theirs.handle);
  site.node.state = 'drained';
  site.see({ xid: 95 });
  await site.faults.look();
  site.see({ xid: 0 });
  await site.faults.look();
  expect(theirs.told).toEqual([]);

  let asked = 0;
  const other = open({
    drain: () => {
      asked += 1;
      throw new Fault('unsupported', 'name scontrol in the site file');
    },
  });
  other.see({ xid: 95 });
  await other.faults.look();
  await other.faults.look();
  other.wait(6 * 60_000);
  await other.faults.look();
  expect(asked).toBe(2);
  expect(other.acts.filter((act) => act.includes('not done'))).toHaveLength(1);
});

test('what was drained is known over a restart', async () => {
  const { told, handle } = recording();
  const site = open(handle);
  site.see({ xid: 95 });
  await site.faults.look();
  const again = open(handle, 'auto', site.kept());
  expect(again.faults.isFaulty('10.0.0.1')).toBe(true);
  again.see({ xid: 0 });
  await again.faults.look();
  expect(told.map((one) => one.split(':')[0])).toEqual(['drain n1', 'resume n1']);
});

test('a drain that was not answered may have been done: it is known before it is sent, and given back', async () => {
  const told: string[] = [];
  const handle: Partial<ClusterHandle> = {
    async drain() {
      told.push('drain');
      throw new Fault('timeout', 'it starts no more jobs, and 2 of its pods wait');
    },
    resume: async () => void told.push('resume'),
  };
  const site = open(handle);
  site.see({ xid: 95 });
  await site.faults.look();
  site.node.state = 'drained';
  await site.faults.look();
  const again = open(handle, 'auto', site.kept());
  again.node.state = 'drained';
  await again.faults.look();
  again.see({ xid: 0 });
  await again.faults.look();
  expect(told).toEqual(['drain', 'resume']);

  // One that never arrived is asked for again.
  const lost = open(handle);
  lost.see({ xid: 95 });
  await lost.faults.look();
  lost.wait(6 * 60_000);
  await lost.faults.look();
  expect(told.slice(2)).toEqual(['drain', 'drain']);
});

test('GPUs that slow themselves down are named, a limit of power is not', () => {
  const site = open({});
  site.see({ throttledBy: [] });
  expect(site.faults.alarms()).toEqual([]);
  site.see({ throttledBy: ['heat', 'power-brake'] });
  expect(site.faults.alarms()).toEqual([
    { code: 'gpu-throttled', subject: 'gpus', message: 'm1 (GPU 3 by heat and power-brake)' },
  ]);
});
