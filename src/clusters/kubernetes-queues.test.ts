import { afterEach, expect, test } from 'vitest';
import { kubeBench, workClass, type KubeBench } from '../../test/support/kube.ts';

/** ClusterQueues of Kueue that a plan has no room in. */

let bench: KubeBench;
afterEach(() => bench?.close());

const cluster = (name: string, spec: object = {}) =>
  bench.server.store.put('clusterqueues', { metadata: { name }, spec: { resourceGroups: [], ...spec } });
const local = (namespace: string, name: string, clusterQueue: string) =>
  bench.server.store.put('localqueues', { metadata: { name, namespace }, spec: { clusterQueue } });
const seen = (name: string) => {
  const { metadata, spec } = bench.server.store.get('clusterqueues', '', name)!;
  return [(spec as { stopPolicy?: string }).stopPolicy, metadata.annotations?.['busbar/stop-policy-before']];
};
const starts = (partition: string, mayStart: boolean, qos = '*') => ({
  match: workClass('any', partition, qos).match,
  mayStart,
});
const stop = (queue: string) => ({ queue, isStopped: true });
const open = (queue: string) => ({ queue, isStopped: false });

test('a queue is stopped where no class of it may start, and let go on as it was', async () => {
  bench = await kubeBench({ hasKueue: true });
  cluster('train');
  cluster('chat', { stopPolicy: 'None' });
  local('team-a', 'gpu', 'train');
  local('team-b', 'gpu', 'train');
  local('team-a', 'web', 'chat');
  const kube = bench.open();
  const closed = [starts('*/gpu', false), starts('team-a/web', true)];
  expect(await kube.queueChanges!(closed)).toEqual([stop('train')]);
  await kube.setQueue!(stop('train'));
  expect(seen('train')).toEqual(['Hold', 'None']);
  expect(seen('chat')).toEqual(['None', undefined]);
  // Asked again nothing happens.
  const asked = bench.asked.length;
  expect(await kube.queueChanges!(closed)).toEqual([]);
  await kube.setQueue!(stop('train'));
  expect(bench.asked.slice(asked).filter((one) => one.startsWith('PATCH'))).toEqual([]);

  // One that starts, which knows nothing of it, lets it go on.
  const next = bench.open();
  expect(await next.queueChanges!([starts('*/gpu', true)])).toEqual([open('train')]);
  await next.setQueue!(open('train'));
  expect(seen('train')).toEqual(['None', undefined]);
  expect(await next.queueChanges!([starts('*/gpu', true)])).toEqual([]);
});

test('a queue that others use, too, is left alone: other classes, work of no class, nobody', async () => {
  bench = await kubeBench({ hasKueue: true });
  for (const name of ['shared', 'foreign', 'empty']) cluster(name);
  local('team-a', 'gpu', 'shared');
  local('team-a', 'lab', 'foreign');
  local('team-z', 'lab', 'foreign');
  const kube = bench.open();
  expect(
    await kube.queueChanges!([starts('team-a/gpu', false, 'batch'), starts('team-a/gpu', true, 'reserved')]),
  ).toEqual([]);
  expect(await kube.queueChanges!([starts('team-a/gpu', false, 'batch'), starts('team-a', false, 'reserved')])).toEqual(
    [stop('shared')],
  );
});

test('what somebody else stopped stays stopped, and is theirs where they changed it since', async () => {
  bench = await kubeBench({ hasKueue: true });
  cluster('train', { stopPolicy: 'HoldAndDrain' });
  local('team-a', 'gpu', 'train');
  const kube = bench.open();
  expect(await kube.queueChanges!([starts('team-a/gpu', false)])).toEqual([]);
  expect(await kube.queueChanges!([starts('team-a/gpu', true)])).toEqual([]);
  await kube.setQueue!(open('train'));
  expect(seen('train')).toEqual(['HoldAndDrain', undefined]);

  cluster('train', { stopPolicy: 'None' });
  await kube.setQueue!(stop('train'));
  const now = bench.server.store.get('clusterqueues', '', 'train')!;
  bench.server.store.put('clusterqueues', { ...now, spec: { resourceGroups: [], stopPolicy: 'HoldAndDrain' } });
  await kube.setQueue!(open('train'));
  expect(seen('train')).toEqual(['HoldAndDrain', undefined]);
});

test('without Kueue there is nothing to stop', async () => {
  bench = await kubeBench();
  const kube = bench.open();
  await expect(kube.queueChanges!([starts('*', false)])).rejects.toMatchObject({ kind: 'unsupported' });
  await expect(kube.setQueue!(stop('train'))).rejects.toMatchObject({ kind: 'unsupported' });
});

test('an API server that takes it and does not keep it is told', async () => {
  bench = await kubeBench({ hasKueue: true });
  cluster('train');
  const kube = bench.open();
  bench.instead.push(
    () => undefined,
    () => undefined,
    () => ({ status: 200, body: JSON.stringify(bench.server.store.get('clusterqueues', '', 'train')) }),
  );
  await expect(kube.setQueue!(stop('train'))).rejects.toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(/did not keep it; who else sets it/),
  });
});
