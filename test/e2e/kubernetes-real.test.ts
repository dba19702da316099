import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterHandle } from '../../src/clusters/cluster.ts';
import { kubeJob, kueueClusterQueue, kueueWorkload } from '../../src/clusters/wire/kube-shapes.ts';
import type { Job } from '../../src/model/index.ts';
import { workClass } from '../support/kube.ts';
import { realKube, type RealKube } from '../support/kube-real.ts';
import { until } from '../support/site/until.ts';

const KUBECONFIG = process.env['KUBECONFIG_PATH'];

const podsOf = (app: string, gpus: number) => ({
  template: {
    metadata: { labels: { app } },
    spec: {
      restartPolicy: 'Never',
      containers: [{ name: 'main', image: 'busybox', resources: { limits: { 'nvidia.com/gpu': String(gpus) } } }],
    },
  },
});

/** What its own emulation cannot show: that a real API server, its controllers and its admission take what Busbar says. */
describe.skipIf(KUBECONFIG === undefined)('a real Kubernetes (left out where KUBECONFIG_PATH is not set)', () => {
  let kube: RealKube;
  let cluster: ClusterHandle;

  beforeAll(async () => {
    kube = await realKube(KUBECONFIG!);
    await kube.addNode('a', 8);
    await kube.addNode('b', 8);
    cluster = kube.open({ image: 'busybox', requeueS: 30, evictS: 1 }, [workClass('batch', kube.namespace, '*')]);
  });
  afterAll(() => kube?.close());

  const jobsPath = () => `/apis/batch/v1/namespaces/${kube.namespace}/jobs`;
  const submit = async (name: string, gpus: number): Promise<string> => {
    await kube.post(jobsPath(), {
      metadata: { name },
      spec: podsOf(name, gpus),
    });
    return `${kube.namespace}.${name}`;
  };
  const jobOf = async (id: string): Promise<Job | undefined> =>
    (await cluster.read()).jobs.find((job) => job.id === id);
  const untilState = (id: string, state: Job['state']) =>
    until(`${id} is ${state}`, async () => (await jobOf(id))?.state === state, 30_000);
  const ours = async () =>
    (await cluster.read()).nodes.filter(({ name }) => /^[ab]-[0-9a-f]{6}$/.test(name)).map((node) => node);
  const nodeOf = async (name: string) => (await ours()).find((node) => node.name === name)!;

  test('nodes with their GPUs, and jobs that run, wait and end, as they are watched', async () => {
    expect(await ours()).toMatchObject([
      { gpus: 8, gpuModel: 'h100', state: 'idle', address: '10.250.0.1' },
      { gpus: 8, gpuModel: 'h100', state: 'idle', address: '10.250.0.2' },
    ]);
    const [first, second, third] = [await submit('first', 8), await submit('second', 8), await submit('third', 8)];
    await untilState(first, 'running');
    await untilState(second, 'running');
    const waits = await jobOf(third);
    expect(waits).toMatchObject({ state: 'pending', gpus: 8, className: 'batch', customer: kube.namespace, nodes: [] });
    expect(await jobOf(first)).toMatchObject({ gpus: 8, gpuModel: 'h100' });
    expect((await ours()).map(({ state, gpusUsed }) => [state, gpusUsed])).toEqual([
      ['allocated', 8],
      ['allocated', 8],
    ]);
    await cluster.cancel!(first);
    await until('it is gone', async () => (await jobOf(first)) === undefined, 30_000);
    await untilState(third, 'running');
    await cluster.cancel!(second);
    await cluster.cancel!(third);
    await until('nothing runs', async () => (await ours()).every(({ gpusUsed }) => gpusUsed === 0), 30_000);
  }, 120_000);

  test('a job is held, released and put back in the queue', async () => {
    const id = await submit('train', 8);
    await untilState(id, 'running');
    await cluster.requeue!(id);
    await untilState(id, 'running');
    expect(await jobOf(id)).toMatchObject({ requeues: 1 });
    await cluster.requeueHeld!(id);
    await untilState(id, 'held');
    expect(await jobOf(id)).toMatchObject({ requeues: 2 });
    await cluster.release!(id);
    await untilState(id, 'running');
    await cluster.hold!(id);
    await untilState(id, 'held');
    await until('its pods are gone', async () => (await kube.pods()).length === 0, 30_000);
    await cluster.release!(id);
    await untilState(id, 'running');
    await cluster.cancel!(id);
    await until('it is gone', async () => (await jobOf(id)) === undefined, 30_000);
    await expect(cluster.hold!(id)).rejects.toMatchObject({ kind: 'refused' });
  }, 120_000);

  test('a drain keeps disruption budgets, and what somebody else drained is not given back', async () => {
    const id = await submit('served', 8);
    await untilState(id, 'running');
    const node = (await jobOf(id))!.nodes[0]!;
    const budget = `/apis/policy/v1/namespaces/${kube.namespace}/poddisruptionbudgets`;
    await kube.post(budget, {
      metadata: { name: 'keep' },
      spec: { maxUnavailable: 0, selector: { matchLabels: { app: 'served' } } },
    });
    await until(
      'the budget holds',
      async () => {
        const held = cluster.drain!(node, 'a test');
        const fault = await held.then(
          () => undefined,
          (error: unknown) => error as { kind: string; message: string },
        );
        return fault?.kind === 'timeout' && /starts no more jobs, and 1 of its pods wait/.test(fault.message);
      },
      30_000,
    );
    expect(await nodeOf(node)).toMatchObject({ state: 'drained', gpusUsed: 8 });
    expect((await jobOf(id))?.state).toBe('running');
    await kube.remove(`${budget}/keep`);
    await until(
      'it is moved away',
      async () => {
        await cluster.drain!(node, 'a test').catch(() => undefined);
        return (await nodeOf(node)).gpusUsed === 0;
      },
      30_000,
    );
    await untilState(id, 'running');
    expect((await jobOf(id))!.nodes).not.toContain(node);
    await cluster.resume!(node);
    await until('it is back', async () => (await nodeOf(node)).state === 'idle');

    await kube.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable: true } });
    await expect(cluster.resume!(node)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/was not cordoned by Busbar/),
    });
    await kube.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable: null } });
    // Drained by Busbar, given back and drained again by somebody else: the mark that was left does not tell.
    await cluster.drain!(node, 'a test');
    await kube.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable: null } });
    await kube.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable: true } });
    await expect(cluster.resume!(node)).rejects.toMatchObject({ kind: 'refused' });
    await kube.patch(`/api/v1/nodes/${node}`, { spec: { unschedulable: null } });
    await cluster.cancel!(id);
    await until('it is gone', async () => (await jobOf(id)) === undefined, 30_000);
  }, 180_000);

  test('a node changes its role', async () => {
    const { name } = (await ours())[0]!;
    await cluster.moveNode!(name, 'train', 'infer');
    await until('it is told', async () => (await nodeOf(name)).partitions.includes('infer'));
    await expect(cluster.moveNode!(name, 'train', 'sim')).rejects.toMatchObject({ kind: 'refused' });
    await cluster.moveNode!(name, 'infer', 'train');
  }, 60_000);

  test('a script is taken as a job, as its customer asked for it', async () => {
    const id = await cluster.submit!({
      name: 'Hello, world',
      script: '#!/bin/sh\necho "$HOME $$"\n',
      partition: '*',
      qos: '*',
      account: kube.namespace,
      gpus: 1,
      timeLimitMinutes: 5,
    });
    await untilState(id, 'running');
    expect(await jobOf(id)).toMatchObject({ gpus: 1, timeLimitS: 300, customer: kube.namespace });
    await cluster.cancel!(id);
    await until('it is gone', async () => (await jobOf(id)) === undefined, 30_000);
  }, 60_000);

  test('what Kueue queues is held by its workload, and power is a quota, as its own definitions have it', async () => {
    const group = await kube.admin.versionsOf('kueue.x-k8s.io', undefined);
    // Its definitions are not installed there.
    if (group.length === 0) return;
    const kueue = `/apis/kueue.x-k8s.io/${group[0]}`;
    const own = `watts-${kube.namespace}`;
    const flavors = [{ name: 'any', resources: [{ name: 'busbar/watts', nominalQuota: '20k' }] }];
    const queue = { resourceGroups: [{ coveredResources: ['busbar/watts'], flavors }], namespaceSelector: {} };
    const typed = (kind: string) => ({ apiVersion: `kueue.x-k8s.io/${group[0]}`, kind });
    await kube.post(`${kueue}/clusterqueues`, { ...typed('ClusterQueue'), metadata: { name: own }, spec: queue });
    const powered = kube.open({ powerQuota: { clusterQueue: own }, image: 'busybox' });
    const quota = async () => {
      const path = `${kueue}/clusterqueues/${own}`;
      const { spec } = await kube.admin.call({ method: 'GET', path, shape: kueueClusterQueue });
      return spec.resourceGroups[0]!.flavors[0]!.resources[0]!.nominalQuota;
    };
    await powered.setPowerBudget!(12.5);
    expect(await quota()).toBe('12500');
    await powered.setPowerBudget!(13);
    await powered.setPowerBudget!(undefined);
    expect(await quota()).toBe('20k');

    const localQueues = `${kueue}/namespaces/${kube.namespace}/localqueues`;
    await kube.post(localQueues, { ...typed('LocalQueue'), metadata: { name: 'wl' }, spec: { clusterQueue: own } });
    const { match } = workClass('batch', `${kube.namespace}/wl`, '*');
    const changes = async (mayStart: boolean) =>
      (await powered.queueChanges!([{ match, mayStart }])).filter(({ queue: name }) => name === own);
    const policy = async () => {
      const path = `${kueue}/clusterqueues/${own}`;
      return (await kube.admin.call({ method: 'GET', path, shape: kueueClusterQueue })).spec.stopPolicy;
    };
    for (const isStopped of [true, false]) {
      const change = { queue: own, isStopped };
      expect(await changes(!isStopped)).toEqual([change]);
      await powered.setQueue!(change);
      expect(await changes(!isStopped)).toEqual([]);
      expect(await policy()).toBe(isStopped ? 'Hold' : 'None');
    }
    await kube.remove(`${localQueues}/wl`);
    await kube.remove(`${kueue}/clusterqueues/${own}`);

    const queued = { metadata: { name: 'queued', labels: { 'kueue.x-k8s.io/queue-name': 'lq' } } };
    await kube.post(jobsPath(), { ...queued, spec: { suspend: true, ...podsOf('queued', 4) } });
    const { metadata } = await kube.admin.call({ method: 'GET', path: `${jobsPath()}/queued`, shape: kubeJob });
    const workloads = `${kueue}/namespaces/${kube.namespace}/workloads`;
    await kube.post(workloads, {
      ...typed('Workload'),
      metadata: {
        name: 'job-queued',
        labels: { 'kueue.x-k8s.io/job-uid': metadata.uid },
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'queued', uid: metadata.uid, controller: true }],
      },
      spec: { active: true, queueName: 'lq', podSets: [{ name: 'main', count: 1, ...podsOf('queued', 4) }] },
    });
    const id = `${kube.namespace}.queued`;
    await untilState(id, 'pending');
    expect(await jobOf(id)).toMatchObject({ gpus: 4, customer: kube.namespace });
    await cluster.hold!(id);
    await untilState(id, 'held');
    const path = `${workloads}/job-queued`;
    const active = async () => (await kube.admin.call({ method: 'GET', path, shape: kueueWorkload })).spec.active;
    expect(await active()).toBe(false);
    await cluster.release!(id);
    expect(await active()).toBe(true);
    await untilState(id, 'pending');
    await cluster.cancel!(id);
    await until('it is gone', async () => (await jobOf(id)) === undefined, 30_000);
  }, 60_000);

  test('who has no rights is told which are missing', async () => {
    const role = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/busbar';
    const id = await submit('mine', 1);
    await untilState(id, 'running');
    await kube.remove(role);
    await until(
      'the rights are gone',
      async () =>
        cluster.hold!(id).then(
          () => false,
          (error: unknown) => (error as { kind: string }).kind === 'unauthorised',
        ),
      10_000,
    );
    await expect(cluster.hold!(id)).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringMatching(/403.*system:serviceaccount:busbar:busbar.*rbac\.yaml/),
    });
  }, 60_000);
});
