import { expect, test } from 'vitest';
import {
  Fault,
  HOUR,
  MINUTE,
  siteMs,
  type ClusterNode,
  type Job,
  type Plan,
  type Site,
  type Trust,
} from '../model/index.ts';
import type { NodeOff } from './node-power.ts';
import { createPowerSaving } from './power-saving.ts';

const TERMS = { bootMinutes: 10, wakeCostUsd: 0.2, spareNodes: 0, dwellMinutes: 60 };

/** Three idle nodes of eight GPUs whose floor is a kilowatt each, under a plan that has work for so many GPUs all day. */
function bench(options: { trust?: Trust; terms?: object | undefined; handle?: object; managedBy?: string } = {}) {
  let now = siteMs(1_000 * HOUR);
  let floorW: number | undefined = 125;
  let fault: Fault | undefined;
  const terms = 'terms' in options ? options.terms : TERMS;
  const sent: string[] = [];
  const offs = new Map<string, NodeOff>();
  const nodes = ['n1', 'n2', 'n3'].map((name): ClusterNode => ({
    name,
    address: `address of ${name}`,
    state: 'idle',
    isOff: false,
    gpuModel: 'h100',
    gpus: 8,
    gpusUsed: 0,
    partitions: [],
    reason: undefined,
  }));
  const jobs: Job[] = [];
  const cluster = {
    id: 'hpc',
    handle: options.handle ?? { powerDown() {}, powerUp() {} },
    failure: undefined as string | undefined,
    movingTo: new Map<string, string>(),
    reading: { nodes, jobs },
  };
  const site = {
    machines: [{ id: 'g', managedBy: options.managedBy }],
    clusters: [{ id: 'hpc', classes: [{ id: 'w', class: 'batch', gpu: 'h100' }], powerSaving: terms }],
  };
  const saving = createPowerSaving({
    site: () => site as unknown as Site,
    fleet: {
      machines: nodes.map(({ name, address }) => ({ machine: { id: name, groupId: 'g', address } })) as never,
    },
    clusters: { byId: new Map([['hpc', cluster as never]]) },
    gpus: { truth: { floorW: () => floorW }, effects: { of: () => undefined } } as never,
    nodePower: {
      of: (_, name) => offs.get(name),
      list: () => [...offs.values()],
      async off({ clusterId, node: name, who }) {
        sent.push(`off ${name} ${who}`);
        if (fault !== undefined) throw fault;
        offs.set(name, { clusterId, node: name, who, stage: 'off', at: now } as NodeOff);
      },
      async on({ node: name, who }) {
        sent.push(`on ${name} ${who}`);
        offs.delete(name);
      },
    },
    trust: () => options.trust ?? 'auto',
    siteNow: () => now,
  });
  return {
    saving,
    sent,
    offs,
    nodes,
    jobs,
    cluster,
    site,
    unmeasured: () => (floorW = undefined),
    fail: (next: Fault | undefined) => (fault = next),
    pass: (minutes: number) => (now = siteMs(now + minutes * MINUTE)),
    plan(gpus: number, known: object = { w: gpus }) {
      const steps = Array.from({ length: 24 }, (_, i) => ({
        start: siteMs(now + i * HOUR),
        durationMs: HOUR,
        priceUsdPerMwh: 60,
        work: known,
      }));
      return saving.plan({ steps } as unknown as Plan);
    },
  };
}

test('in auto what nobody needs is switched off, and comes back for jobs that wait', async () => {
  const b = bench();
  await b.plan(8);
  expect(b.sent).toEqual(['off n1 planner', 'off n2 planner']);
  await b.plan(8);
  expect(b.sent).toHaveLength(2);
  b.jobs.push({ id: '1', state: 'pending', classId: 'w', gpus: 16, nodes: [] } as unknown as Job);
  await b.plan(8);
  expect(b.sent.slice(2)).toEqual(['on n1 planner']);
  // It has come on just now, and is left alone for its dwell: another goes.
  b.jobs.length = 0;
  b.pass(30);
  await b.plan(8);
  expect(b.sent.slice(3)).toEqual(['off n3 planner']);
  b.pass(20);
  await b.plan(0);
  expect(b.sent).toHaveLength(4);
  b.pass(11);
  await b.plan(0);
  expect(b.sent.slice(4)).toEqual(['off n1 planner']);
});

test('in shadow and suggest it is only told', async () => {
  for (const trust of ['shadow', 'suggest'] as const) {
    const b = bench({ trust });
    await b.plan(8);
    expect(b.sent).toEqual([]);
    expect(b.saving.proposals().map(({ node, to }) => `${node} ${to}`)).toEqual(['n1 off', 'n2 off']);
  }
});

test('nothing is switched where the site file does not ask for it, or the cluster cannot, is silent or told nothing', async () => {
  const silent = bench();
  silent.cluster.failure = 'no answer';
  const unmeasured = bench();
  unmeasured.unmeasured();
  for (const b of [
    bench({ terms: undefined }),
    bench({ handle: {} }),
    silent,
    unmeasured,
    bench({ managedBy: 'tenant' }),
  ]) {
    await b.plan(0);
    expect([...b.sent, ...b.saving.proposals()]).toEqual([]);
  }
  // A class that the plan says nothing of may want all there is.
  const unknown = bench();
  await unknown.plan(0, {});
  expect(unknown.sent).toEqual([]);
});

test('a node with a job, on its way, drained, or switched off by a person is left alone', async () => {
  const b = bench();
  b.jobs.push({ id: '1', state: 'paused', classId: 'w', gpus: 8, nodes: ['n1'] } as unknown as Job);
  b.cluster.movingTo.set('n2', 'infer');
  Object.assign(b.nodes[2]!, { state: 'drained' });
  await b.plan(0);
  expect(b.sent).toEqual([]);
  const byHand = bench();
  byHand.offs.set('n1', { clusterId: 'hpc', node: 'n1', who: 'ann', stage: 'off' } as NodeOff);
  byHand.jobs.push({ id: '1', state: 'pending', classId: 'w', gpus: 24, nodes: [] } as unknown as Job);
  await byHand.plan(24);
  expect(byHand.sent).toEqual([]);
});

test('a node that is not switched off is tried again after its dwell; without power saving what is off comes back', async () => {
  const b = bench();
  b.fail(new Fault('refused', 'Slurm did nothing'));
  await b.plan(8);
  b.fail(undefined);
  await b.plan(24);
  b.pass(59);
  await b.plan(16);
  expect(b.sent).toEqual(['off n1 planner', 'off n2 planner', 'off n3 planner']);
  b.pass(2);
  await b.plan(0);
  expect(b.sent.slice(3)).toEqual(['off n1 planner', 'off n2 planner']);
  Object.assign(b.site.clusters[0]!, { powerSaving: undefined });
  b.offs.set('n4', { clusterId: 'hpc', node: 'n4', who: 'ann', stage: 'off' } as NodeOff);
  await b.plan(8);
  expect(b.sent.slice(5)).toEqual(['on n3 planner', 'on n1 planner', 'on n2 planner']);
});
