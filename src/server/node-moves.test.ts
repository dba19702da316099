import { expect, test } from 'vitest';
import type { ClusterHandle } from '../clusters/cluster.ts';
import { Fault, siteMs, type ClusterNode, type Job, type Site, type SiteMs, type Trust } from '../model/index.ts';
import type { RoleMove } from '../dispatch/roles.ts';
import type { SiteCluster, SiteClusters } from './clusters.ts';
import type { Journal } from './journal.ts';
import { createNodeMoves } from './node-moves.ts';

const MINUTE = 60_000;

/** A cluster of nodes `t1` to `t4` in train and `i1` in infer, that does as it is told. */
function bench(options: { trust?: Trust; before?: string; handle?: Partial<ClusterHandle> } = {}) {
  let now = siteMs(1_000);
  let { trust = 'auto' } = options;
  const node = (name: string, partition: string): ClusterNode => ({
    name,
    address: '',
    state: 'idle',
    isOff: false,
    gpuModel: 'h100',
    gpus: 8,
    gpusUsed: 0,
    partitions: [partition],
    reason: undefined,
  });
  const nodes = new Map(
    [
      node('t1', 'p-train'),
      node('t2', 'p-train'),
      node('t3', 'p-train'),
      node('t4', 'p-train'),
      node('i1', 'p-infer'),
    ].map((one) => [one.name, one]),
  );
  const jobs: Job[] = [];
  const sent: string[] = [];
  const change = (name: string, by: Partial<ClusterNode>, what: string) => {
    sent.push(`${what} ${name}`);
    nodes.set(name, { ...nodes.get(name)!, ...by });
  };
  const handle = {
    read: async () => ({ at: now, nodes: [...nodes.values()], jobs }),
    drain: async (name: string, why: string) => change(name, { state: 'drained', reason: `busbar: ${why}` }, 'drain'),
    resume: async (name: string) => change(name, { state: 'idle', reason: undefined }, 'resume'),
    moveNode: async (name: string, _from: string, to: string) => change(name, { partitions: [to] }, `to ${to}`),
    close: () => {},
    ...options.handle,
  } as ClusterHandle;
  const cluster: SiteCluster = {
    id: 'hpc',
    handle,
    reading: undefined,
    failure: undefined,
    heldByUs: new Set(),
    heldAsConfirmed: new Set(),
    movingTo: new Map(),
    waits: new Map(),
    checkpointedAt: new Map(),
    keep() {},
  };
  const site = {
    clusters: [
      {
        id: 'hpc',
        hall: 'a',
        classes: [],
        roles: [
          { id: 'train', partition: 'p-train', leastNodes: 1 },
          { id: 'infer', partition: 'p-infer', leastNodes: 0 },
        ],
        moves: { drainMinutes: 30, minutes: 10, usdPerNode: 3 },
      },
    ],
  } as unknown as Site;
  const acts: string[] = [];
  const moved: string[] = [];
  let kept: string | undefined;
  const moves = createNodeMoves({
    clusters: { byId: new Map([['hpc', cluster]]) } as unknown as SiteClusters,
    journal: {
      act: ({ who, what }: { who: string; what: string }) => acts.push(`${who}: ${what}`),
    } as unknown as Journal,
    site: () => site,
    trust: () => trust,
    siteNow: () => now,
    before: options.before,
    onMoved: (why) => moved.push(why),
    keep: (text) => (kept = text),
  });
  const read = async () => (cluster.reading = await handle.read());
  return {
    moves,
    cluster,
    sent,
    acts,
    moved,
    jobs,
    kept: () => kept,
    setTrust: (next: Trust) => (trust = next),
    read,
    pass(ms: number): SiteMs {
      now = siteMs(now + ms);
      return now;
    },
    async round(times = 1) {
      for (let i = 0; i < times; i += 1) {
        now = siteMs(now + MINUTE);
        await read();
        await moves.look();
      }
    },
  };
}
const asked = { clusterId: 'hpc', node: 't1', to: 'infer', who: 'ann', why: 'demand' };
const WANTED: RoleMove = {
  clusterId: 'hpc',
  gpuModel: 'h100',
  from: 'train',
  to: 'infer',
  nodes: 2,
  gainUsd: 100,
  costUsd: 10,
  why: '2 nodes earn more',
};

test('by hand: who and why are on record, each step is seen, and the plan counts the node where it goes', async () => {
  const b = bench({ trust: 'suggest' });
  await b.read();
  b.moves.ask(asked);
  const nodesOf = () => b.moves.roles().map(({ roleId, nodes }) => [roleId, nodes]);
  expect(nodesOf()).toEqual([
    ['train', 3],
    ['infer', 2],
  ]);
  await b.round(6);
  expect(b.sent).toEqual(['drain t1', 'to p-infer t1', 'resume t1']);
  expect(b.acts).toEqual([
    'ann: move node hpc/t1 from train to infer',
    'busbar: node hpc/t1 from train to infer: moved, and starts jobs',
  ]);
  expect(b.moved).toHaveLength(1);
  expect(nodesOf()).toEqual([
    ['train', 3],
    ['infer', 2],
  ]);
  expect(b.moves.drainChanged()).toMatchObject([{ action: 'move-node', stage: 'seen-in-power', who: 'ann' }]);
});

test.each([
  [{ clusterId: 'x' }, /no cluster "x"/],
  [{ node: 't9' }, /no node "t9"/],
  [{ to: 'sim' }, /no role "sim", expected one of: train, infer/],
  [{ to: 'train' }, /used for train already/],
])('what makes no sense is refused: %o', async (change, words) => {
  const b = bench();
  await b.read();
  expect(() => b.moves.ask({ ...asked, ...change })).toThrow(words);
  expect(b.sent).toEqual([]);
});

test('a cluster that cannot drain or move says so, and is in no plan', async () => {
  const b = bench({ handle: { moveNode: undefined } as unknown as Partial<ClusterHandle> });
  await b.read();
  expect(() => b.moves.ask(asked)).toThrow(/cannot move nodes from here/);
  expect(b.moves.roles()).toEqual([]);
});

test('in shadow nobody moves a node, in suggest the plan does not', async () => {
  const shadow = bench({ trust: 'shadow' });
  await shadow.read();
  expect(() => shadow.moves.ask(asked)).toThrow(/in shadow nothing is written/);
  const suggest = bench({ trust: 'suggest' });
  await suggest.read();
  suggest.moves.propose(WANTED);
  expect(suggest.moves.list()).toEqual([]);
  expect(suggest.moves.proposal()).toBe(WANTED);
});

test('trust that is taken back while a node is on its way stops it where it is, and it goes on with it', async () => {
  const b = bench();
  await b.read();
  b.moves.ask(asked);
  await b.round();
  b.setTrust('shadow');
  await b.round(5);
  expect(b.sent).toEqual(['drain t1']);
  expect(b.moves.list()[0]).toMatchObject({
    stage: 'draining',
    told: expect.stringContaining('not trusted') as string,
  });
  b.setTrust('auto');
  await b.round(4);
  expect(b.moves.list()[0]!.stage).toBe('done');
});

test('a plan in auto moves as many as it wants, idle ones first; and none that was moved lately', async () => {
  const b = bench();
  await b.read();
  b.moves.propose(WANTED);
  expect(b.moves.list().map(({ node, who }) => `${node} ${who}`)).toEqual(['t2 planner', 't1 planner']);
  await b.round(6);
  b.moves.propose({ ...WANTED, from: 'infer', to: 'train', nodes: 3 });
  const back = b.moves.list().filter(({ stage }) => stage === 'asked');
  expect(back.map(({ node }) => node)).toEqual(['i1']);
  await b.round(6);
  b.pass(121 * MINUTE);
  b.moves.propose({ ...WANTED, from: 'infer', to: 'train', nodes: 1 });
  expect(b.moves.list()[0]).toMatchObject({ node: 't1', to: 'train', stage: 'asked' });
});

test('a move outlives a restart, and goes on where it was', async () => {
  const b = bench();
  await b.read();
  b.moves.ask(asked);
  // Known before anything was sent.
  expect(b.sent).toEqual([]);
  expect(JSON.parse(b.kept()!)).toMatchObject([{ node: 't1', stage: 'asked' }]);
  await b.round();
  const next = bench({ before: b.kept()! });
  await next.cluster.handle.drain!('t1', 'as it was');
  expect(next.cluster.movingTo.get('t1')).toBe('infer');
  await next.round(6);
  expect(next.moves.list()[0]).toMatchObject({ node: 't1', stage: 'done', who: 'ann' });
});

test('called back while its jobs end, a node starts jobs again where it was', async () => {
  const b = bench();
  b.jobs.push({ id: '7', state: 'running', nodes: ['t1'], className: 'reserved', gpuModel: 'h100' } as unknown as Job);
  await b.read();
  b.moves.ask(asked);
  await b.round(3);
  expect(b.moves.list()[0]).toMatchObject({ stage: 'draining', told: '1 job still on it' });
  await b.moves.cancel('hpc', 't1', 'ben', 'not needed');
  expect(b.sent).toEqual(['drain t1', 'resume t1']);
  expect(b.acts).toContain('ben: call back node hpc/t1 from train to infer');
  await expect(b.moves.cancel('hpc', 't1', 'ben', 'again')).rejects.toThrow(/not on its way/);
});

test('a move that failed is an alarm until somebody knows or moves it again; a plan that begins another is nobody', async () => {
  const b = bench({ handle: { drain: () => Promise.reject(new Fault('refused', 'no such node')) } });
  await b.read();
  b.moves.ask({ ...asked, who: 'planner' });
  expect(b.moves.alarms()).toEqual([]);
  await b.round();
  const failed = [{ code: 'node-move-failed', subject: 'hpc/t1', message: 'it did not get to infer: no such node' }];
  expect(b.moves.alarms()).toEqual(failed);
  // The next life knows it, too.
  const next = bench({ before: b.kept()! });
  await next.read();
  expect(next.moves.alarms()).toEqual(failed);
  next.moves.ask({ ...asked, who: 'planner' });
  expect(next.moves.alarms()).toEqual(failed);
  await next.round(6);
  expect(next.moves.list()[0]!.stage).toBe('done');
  expect(next.moves.alarms()).toEqual([]);

  expect(await b.moves.cancel('hpc', 't1', 'ben', 'its disk is being changed')).toMatchObject({ stage: 'failed' });
  expect(b.moves.alarms()).toEqual([]);
  expect(b.acts.at(-1)).toBe('ben: know that node hpc/t1 from train to infer failed');
  expect(bench({ before: b.kept()! }).moves.alarms()).toEqual([]);
  await expect(b.moves.cancel('hpc', 't1', 'ben', 'again')).rejects.toThrow(/not on its way/);
  b.moves.ask(asked);
  await b.round();
  expect(b.moves.alarms()).toEqual(failed);
  b.moves.ask(asked);
  expect(b.moves.alarms()).toEqual([]);
});
