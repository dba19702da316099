import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fault, siteMs, type ClusterNode, type Job, type SiteMs } from '../model/index.ts';
import { advance, cancel, isUnderWay, type MoverPort, type NodeMove } from './node-moves.ts';

const MINUTE = 60_000;
const MOVE: NodeMove = {
  id: 'm1',
  clusterId: 'hpc',
  node: 'n1',
  from: 'train',
  to: 'infer',
  who: 'ann',
  why: 'demand',
  askedAt: siteMs(0),
  stage: 'asked',
  stageAt: siteMs(0),
  gpus: 8,
  requeued: [],
  told: undefined,
  failure: undefined,
};

/** A scheduler of one node that does as it is told, unless a test says otherwise; it is read before each step. */
function cluster(change: Partial<ClusterNode> = {}) {
  const node = {
    name: 'n1',
    address: '',
    state: 'idle' as ClusterNode['state'],
    isOff: false,
    gpuModel: 'h100',
    gpus: 8,
    gpusUsed: 0,
    partitions: ['train'] as readonly string[],
    reason: undefined as string | undefined,
    ...change,
  };
  const jobs: Job[] = [];
  const acts: string[] = [];
  const faults = new Map<string, Fault>();
  let now = siteMs(1_000);
  const act = (what: string, then: () => void) => async () => {
    const fault = faults.get(what);
    if (fault !== undefined) throw fault;
    acts.push(what);
    then();
  };
  const port = (): MoverPort => ({
    reading: { at: now, nodes: [{ ...node }], jobs: jobs.map((job) => ({ ...job })) },
    mayInterrupt: ({ className }) => className !== 'reserved',
    drain: (_node, why) => act('drain', () => Object.assign(node, { state: 'drained', reason: `busbar: ${why}` }))(),
    resume: () =>
      act('resume', () => Object.assign(node, { state: node.state === 'down' ? 'down' : 'idle', reason: undefined }))(),
    moveNode: (_node, from, to) => act(`move ${from} ${to}`, () => Object.assign(node, { partitions: [to] }))(),
    isIn: ({ partitions }, role) => partitions.includes(role),
    requeue: (job) =>
      act(`requeue ${job.id}`, () =>
        Object.assign(
          jobs.find(({ id }) => id === job.id)!,
          { state: 'pending', nodes: [] },
        ),
      )(),
    drainMs: 30 * MINUTE,
  });
  return {
    node,
    jobs,
    acts,
    faults,
    port,
    now: (): SiteMs => now,
    pass: (ms: number) => (now = siteMs(now + ms)),
    /** Steps of a minute until the move ends, at most so many. */
    async run(move: NodeMove, most = 60): Promise<NodeMove> {
      let last = move;
      for (let i = 0; i < most && isUnderWay(last); i += 1) {
        last = await advance(last, port(), now);
        now = siteMs(now + MINUTE);
      }
      return last;
    },
  };
}
const job = (id: string, className: Job['className'] = 'batch'): Job =>
  ({ id, state: 'running', className, nodes: ['n1'], gpus: 8 }) as unknown as Job;

test('drained, moved, looked at, given back', async () => {
  const c = cluster();
  expect(await c.run(MOVE)).toMatchObject({ stage: 'done', failure: undefined });
  expect(c.acts).toEqual(['drain', 'move train infer', 'resume']);
  expect(c.node).toMatchObject({ state: 'idle', partitions: ['infer'] });
});

test('a step waits for a reading from after the one before it', async () => {
  const c = cluster();
  const drained = await advance(MOVE, c.port(), c.now());
  expect(drained.stage).toBe('draining');
  expect(await advance(drained, c.port(), c.now())).toBe(drained);
});

test('jobs end by themselves for a while; then those that may are put back in the queue once, the others are waited for', async () => {
  const c = cluster({ state: 'allocated' });
  c.jobs.push(job('1'), job('2', 'reserved'));
  c.faults.set('requeue 1', new Fault('timeout', 'silent'));
  const waits = await c.run(MOVE, 20);
  expect(waits).toMatchObject({ stage: 'draining', requeued: [], told: '2 jobs still on it' });
  c.faults.clear();
  const later = await c.run(waits, 30);
  expect(later).toMatchObject({ stage: 'draining', requeued: ['1'], told: '1 job still on it' });
  expect(c.acts).toEqual(['drain', 'requeue 1']);
  c.jobs.splice(0);
  expect(await c.run(later)).toMatchObject({ stage: 'done' });
});

test('a node that somebody else took out, that is down or used for something else is not touched', async () => {
  for (const change of [
    { state: 'drained', reason: 'bad disk' },
    { state: 'down' },
    { partitions: ['sim'] },
  ] as const) {
    const c = cluster(change);
    const ended = await c.run(MOVE);
    expect(ended.stage).toBe('failed');
    expect(ended.failure).toMatch(/n1/);
    expect(c.acts).toEqual([]);
  }
});

test('somebody gives the node back while its jobs end: the move is off, and the node is theirs', async () => {
  const c = cluster();
  c.jobs.push(job('1'));
  const waits = await c.run(MOVE, 3);
  Object.assign(c.node, { state: 'mixed', reason: undefined });
  expect(await c.run(waits)).toMatchObject({ stage: 'cancelled' });
  expect(c.acts).toEqual(['drain']);
});

test('a move that is refused leads back: the node works again where it did', async () => {
  const c = cluster();
  c.faults.set('move train infer', new Fault('refused', 'no such partition'));
  expect(await c.run(MOVE)).toMatchObject({ stage: 'failed', failure: 'no such partition' });
  expect(c.node).toMatchObject({ state: 'idle', partitions: ['train'] });
  expect(c.acts).toEqual(['drain', 'resume']);
});

test('a node that comes back with fewer GPUs goes back and stays out, for somebody to look at', async () => {
  const c = cluster();
  const verifying = await c.run(MOVE, 2);
  expect(verifying.stage).toBe('verifying');
  c.node.gpus = 7;
  const ended = await c.run(verifying);
  expect(ended).toMatchObject({ stage: 'failed', failure: 'it has 7 GPUs of 8' });
  expect(c.node).toMatchObject({ state: 'drained', partitions: ['train'] });
});

test('a silent scheduler is asked again', async () => {
  const c = cluster();
  c.faults.set('drain', new Fault('unreachable', 'no route'));
  const waits = await c.run(MOVE, 5);
  expect(waits).toMatchObject({ stage: 'asked', told: 'no route' });
  c.faults.clear();
  expect(await c.run(waits)).toMatchObject({ stage: 'done' });
});

test('taken back before it moved, the node is given back; after that it is moved back instead', async () => {
  const c = cluster();
  c.jobs.push(job('1'));
  const draining = await c.run(MOVE, 2);
  expect(await cancel(draining, c.port(), c.now())).toMatchObject({ stage: 'cancelled' });
  expect(c.node.state).toBe('idle');
  const begun = cluster({ state: 'drained', reason: 'busbar: moves' });
  expect(await cancel(MOVE, begun.port(), begun.now())).toMatchObject({ stage: 'cancelled' });
  expect(begun.acts).toEqual(['resume']);
  await expect(cancel({ ...MOVE, stage: 'verifying' }, c.port(), c.now())).rejects.toMatchObject({ kind: 'refused' });
});

test('whatever fails and whenever: it ends, the node is in one of the two roles, and out only where the move says that it failed', async () => {
  const what = fc.constantFrom('drain', 'move train infer', 'move infer train', 'resume', 'requeue 1');
  const kind = fc.constantFrom('timeout', 'refused', 'unreachable', 'unsupported', 'garbled');
  const event = fc.record({ at: fc.integer({ min: 0, max: 90 }), what, kind, lasts: fc.integer({ min: 1, max: 20 }) });
  const trouble = fc.record({
    at: fc.integer({ min: 0, max: 90 }),
    state: fc.constantFrom('down', 'idle', 'drained'),
    lasts: fc.integer({ min: 1, max: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 4 }),
      fc.array(trouble, { maxLength: 2 }),
      async (events, troubles) => {
        const c = cluster({ state: 'allocated' });
        c.jobs.push(job('1'));
        let move = MOVE;
        for (let minute = 0; minute < 400 && isUnderWay(move); minute += 1) {
          c.faults.clear();
          for (const one of events)
            if (minute >= one.at && minute < one.at + one.lasts) c.faults.set(one.what, new Fault(one.kind, one.what));
          const hit = troubles.find((one) => minute >= one.at && minute < one.at + one.lasts);
          const before = c.node.state;
          if (hit !== undefined) c.node.state = hit.state as ClusterNode['state'];
          move = await c.run(move, 1);
          // Who gives it back means it.
          if (hit !== undefined && hit.state !== 'idle' && c.node.state === hit.state) c.node.state = before;
        }
        expect(isUnderWay(move)).toBe(false);
        expect([['train'], ['infer']]).toContainEqual(c.node.partitions);
        if (move.stage === 'done') expect(c.node.partitions).toEqual(['infer']);
        if (c.node.state === 'drained' && move.stage !== 'failed') expect(move.told).toMatch(/somebody/);
      },
    ),
    { numRuns: 300, interruptAfterTimeLimit: 30_000 },
  );
});
