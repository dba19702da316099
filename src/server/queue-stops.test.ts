import { expect, test } from 'vitest';
import type { ClassStarts, QueueChange } from '../clusters/cluster.ts';
import { Fault, siteMs, type Command, type Plan, type Snapshot, type Trust } from '../model/index.ts';
import type { SiteCluster } from './clusters.ts';
import type { WorkPicture } from './picture.ts';
import { closedClasses, createQueueStops } from './queue-stops.ts';

/** One queue for all classes of a cluster. */
function bench(trust: Trust = 'auto') {
  let isStopped = false;
  let fault: Fault | undefined;
  let blindness: Fault | undefined;
  let looks = 0;
  const acts: string[] = [];
  const commands: Command[] = [];
  const stops = createQueueStops({
    journal: { act: ({ who, what }) => acts.push(`${who}: ${what}`), commands: (all) => void commands.push(...all) },
    classesOf: () => [{ id: 'w', match: { partition: 'labs/gpu', qos: 'batch' } }],
    trust: () => trust,
    siteNow: () => siteMs(1_000),
  });
  const handle = {
    async queueChanges(classes: readonly ClassStarts[]) {
      looks += 1;
      if (blindness !== undefined) throw blindness;
      const wanted = classes.every(({ mayStart }) => !mayStart);
      return wanted === isStopped ? [] : [{ queue: 'train', isStopped: wanted }];
    },
    async setQueue(change: QueueChange) {
      if (fault !== undefined) throw fault;
      ({ isStopped } = change);
    },
  };
  const cluster = { id: 'kube', handle } as unknown as SiteCluster;
  return {
    stops,
    acts,
    commands,
    isStopped: () => isStopped,
    looks: () => looks,
    stopIt: () => (isStopped = true),
    fail: (next: Fault | undefined) => (fault = next),
    blind: (next: Fault | undefined) => (blindness = next),
    set: (closed: readonly string[], isOrdered = false) =>
      stops.set(cluster, new Set(closed), 'price $900/MWh', isOrdered),
  };
}

test('it is stopped and let go on, each on record; where nothing is stopped nobody is asked again', async () => {
  const b = bench();
  await b.set([]);
  await b.set([]);
  expect(b.looks()).toBe(1);
  await b.set(['w']);
  await b.set(['w']);
  expect(b.isStopped()).toBe(true);
  await b.set([]);
  await b.set([]);
  expect(b.isStopped()).toBe(false);
  expect(b.looks()).toBe(4);
  expect(b.acts).toEqual([
    'planner: stop queue train of kube: nothing starts in it',
    'planner: let queue train of kube go on',
  ]);
  expect(b.commands.map(({ action, target, stage }) => `${action} ${target} ${stage}`)).toEqual([
    'stop-queue queue train of kube seen-in-power',
    'open-queue queue train of kube seen-in-power',
  ]);
});

test('what an earlier life stopped goes on with the first plan that has room', async () => {
  const b = bench();
  b.stopIt();
  await b.set([]);
  expect(b.isStopped()).toBe(false);
});

test('what is not taken is an alarm until it is; it is tried with every plan', async () => {
  const b = bench();
  b.fail(new Fault('refused', 'who else sets it?'));
  await b.set(['w']);
  expect(b.stops.alarms()).toEqual([{ code: 'queue-stop-failed', subject: 'kube', message: 'who else sets it?' }]);
  expect(b.commands.map(({ stage, fault }) => `${stage} ${fault}`)).toEqual(['failed refused']);
  b.fail(undefined);
  await b.set(['w']);
  expect([b.stops.alarms(), b.isStopped()]).toEqual([[], true]);
  b.fail(new Fault('timeout', 'no answer'));
  await b.set([]);
  expect(b.stops.alarms()).toHaveLength(1);
  b.fail(undefined);
  await b.set([]);
  expect([b.stops.alarms(), b.isStopped()]).toEqual([[], false]);
});

test('where nobody can look it is an alarm only where something was to be stopped, and looked at again each time', async () => {
  const b = bench();
  b.stopIt();
  b.blind(new Fault('unauthorised', 'cannot list localqueues'));
  await b.set([]);
  expect(b.stops.alarms()).toEqual([]);
  await b.set(['w']);
  expect(b.stops.alarms()).toMatchObject([{ message: 'cannot list localqueues' }]);
  await b.set([]);
  expect(b.stops.alarms()).toHaveLength(1);
  b.blind(undefined);
  await b.set([]);
  expect([b.stops.alarms(), b.isStopped()]).toEqual([[], false]);
});

test('in suggest nothing is stopped but by order, and what is stopped goes on', async () => {
  const b = bench('suggest');
  await b.set(['w']);
  expect([b.isStopped(), b.acts]).toEqual([false, []]);
  await b.set(['w'], true);
  expect(b.isStopped()).toBe(true);
  await b.set([]);
  expect(b.isStopped()).toBe(false);
});

test('closed is a class that wants more than the plan gives it, and has what that is already', () => {
  const closed = (allowed: number, [runningGpus, queuedGpus, heldGpus]: readonly [number, number, number]) => {
    const workClass = { id: 'w', gpu: 'h100', preemptible: true };
    const counts = { runningGpus, queuedGpus, heldGpus };
    const cluster = {
      id: 'kube',
      reading: { jobs: [], nodes: [{ name: 'n', gpuModel: 'h100', gpus: 64, state: 'idle', partitions: [] }] },
    } as unknown as SiteCluster;
    return [
      ...closedClasses(cluster, [{ clusterId: 'kube', workClass, ...counts } as unknown as WorkPicture], {
        plan: { steps: [{ work: { w: allowed } }] } as unknown as Plan,
        snapshot: { work: [{ id: 'w', ...counts }] } as unknown as Snapshot,
      }),
    ];
  };
  expect(closed(0, [40, 0, 0])).toEqual(['w']);
  expect(closed(0, [0, 0, 40])).toEqual(['w']);
  expect(closed(24, [24, 40, 0])).toEqual(['w']);
  // Room for more of what waits, all that it wants, and nothing that wants any.
  expect(closed(25, [24, 40, 0])).toEqual([]);
  expect(closed(40, [40, 0, 0])).toEqual([]);
  expect(closed(0, [0, 0, 0])).toEqual([]);
});
