import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { KubeObject } from '../../sim/kube-store.ts';
import { bareHost } from '../../test/support/cluster-io.ts';
import { jobOf, kubeBench, nodeOf, podOf, workClass, type KubeBench } from '../../test/support/kube.ts';
import { until } from '../../test/support/site/until.ts';
import { Fault, WORK_CLASSES } from '../model/index.ts';
import { kubernetes } from './kubernetes.ts';

let bench: KubeBench;
afterEach(() => bench?.close());

const CLASSES = [
  workClass('reserved', 'team-a/gold', 'high'),
  workClass('on-demand', '*/gold', '*'),
  workClass('batch', 'team-a', '*'),
];
const put = (resource: string, object: KubeObject): KubeObject => bench.server.store.put(resource, object);
const get = (resource: string, namespace: string, name: string) =>
  bench.server.store.get(resource, namespace, name) as unknown as {
    metadata: { annotations?: Record<string, string>; labels?: Record<string, string> };
    spec: Record<string, unknown>;
  };

describe('the settings', () => {
  const problem = (settings: object) => kubernetes.config.safeParse(settings).error?.issues[0];
  test('say where the server is in one way', () => {
    expect(problem({})).toMatchObject({
      path: ['kubeconfig'],
      message: expect.stringMatching(/one of kubeconfig, inCluster: true, or url/),
    });
    expect(problem({ kubeconfig: 'k', url: 'https://h' })).toMatchObject({ path: ['kubeconfig'] });
    expect(problem({ kubeconfig: 'k', token: { env: 'T' } })).toMatchObject({ path: ['url'] });
    expect(problem({ inCluster: true, context: 'c' })).toMatchObject({ path: ['context'] });
    expect(problem({ url: 'https://h', gpuResource: 'gpu' })).toMatchObject({
      message: expect.stringMatching(/as nvidia.com\/gpu/),
    });
    expect(problem({ kubeconfig: 'k' })).toBeUndefined();
  });
});

describe('a reading', () => {
  test('nodes: ready, cordoned, silent, their part and what is used of them', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a'));
    put('nodes', nodeOf('b', { spec: { unschedulable: true } }));
    const silent = { type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' };
    put('nodes', nodeOf('c', { status: { conditions: [silent], allocatable: {} } }));
    put('nodes', nodeOf('d', { metadata: { name: 'd', labels: { 'nvidia.com/gpu.product': 'Odd' } } }));
    put('nodes', { metadata: { name: 'e' } });
    put('pods', podOf('p1', 8, 'a'));
    put('pods', podOf('p2', 2, 'd'));
    put('pods', podOf('p3', 2, undefined));
    const { nodes } = await bench.open({ gpuModels: { Odd: 'l40s' } }).read();
    const common = { address: '10.0.0.7', isOff: false, gpus: 8, partitions: [] };
    expect(nodes).toEqual([
      { ...common, name: 'a', state: 'allocated', gpuModel: 'h100', gpusUsed: 8, reason: undefined },
      { ...common, name: 'b', state: 'drained', gpuModel: 'h100', gpusUsed: 0, reason: 'cordoned, and not by Busbar' },
      {
        ...common,
        name: 'c',
        address: '',
        state: 'down',
        gpuModel: 'h100',
        gpus: 0,
        gpusUsed: 0,
        reason: silent.message,
      },
      { ...common, name: 'd', state: 'mixed', gpuModel: 'l40s', gpusUsed: 2, reason: undefined },
      {
        ...common,
        name: 'e',
        address: '',
        state: 'down',
        gpuModel: undefined,
        gpus: 0,
        gpusUsed: 0,
        reason: 'says nothing of whether it is ready',
      },
    ]);
  });

  test('jobs without Kueue: their states, GPUs, nodes and classes', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a'));
    const running = put(
      'jobs',
      jobOf('running', 4, {
        status: { active: 1, startTime: '2026-03-24T12:00:00Z' },
        spec: { activeDeadlineSeconds: 60 },
      }),
    );
    put('pods', podOf('r-0', 4, 'a', { ...running, kind: 'Job' }));
    put('jobs', jobOf('waiting', 8, { spec: { parallelism: 3, completions: 2 } }));
    put('jobs', jobOf('held', 1, { spec: { suspend: true } }));
    const ending = put('jobs', jobOf('ending', 2, { spec: { suspend: true } }));
    put('pods', podOf('e-0', 2, 'a', { ...ending, kind: 'Job' }));
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    put(
      'jobs',
      jobOf('done', 1, { status: { conditions: [{ type: 'Complete', status: 'True' }], completionTime: now } }),
    );
    const failed = { type: 'Failed', status: 'True', message: 'too often', lastTransitionTime: now };
    put('jobs', jobOf('failed', 1, { status: { conditions: [failed] } }));
    const old = '2020-01-01T00:00:00Z';
    put(
      'jobs',
      jobOf('old', 1, { status: { conditions: [{ type: 'Complete', status: 'True' }], completionTime: old } }),
    );
    put('jobs', jobOf('foreign', 1, { metadata: { namespace: 'nobody' } }));
    const { jobs } = await bench.open({}, CLASSES).read();
    const byName = Object.fromEntries(jobs.map((job) => [job.name, job]));
    expect(Object.keys(byName).sort()).toEqual(['done', 'ending', 'failed', 'held', 'running', 'waiting']);
    expect(byName['running']).toEqual({
      id: 'team-a.running',
      classId: 'batch-team-a',
      name: 'running',
      state: 'running',
      className: 'batch',
      customer: 'team-a',
      gpuModel: 'h100',
      gpus: 4,
      nodes: ['a'],
      submittedAt: expect.any(Number),
      startedAt: Date.parse('2026-03-24T12:00:00Z'),
      endedAt: undefined,
      timeLimitS: 60,
      requeues: 0,
    });
    expect(byName['waiting']).toMatchObject({ state: 'pending', gpus: 16, nodes: [], startedAt: undefined });
    expect(byName['held']).toMatchObject({ state: 'held' });
    expect(byName['ending']).toMatchObject({ state: 'ending', gpus: 2, nodes: ['a'] });
    expect(byName['done']).toMatchObject({ state: 'done', endedAt: Date.parse(now) });
    expect(byName['failed']).toMatchObject({ state: 'failed', why: 'too often' });
  });

  test('with Kueue: the queue and priority class tell the class, the workload whether it waits', async () => {
    bench = await kubeBench({ hasKueue: true });
    const labels = { 'kueue.x-k8s.io/queue-name': 'gold', 'kueue.x-k8s.io/priority-class': 'high' };
    const job = put('jobs', jobOf('train', 8, { metadata: { labels }, spec: { suspend: true } }));
    const owner = { kind: 'Job', name: 'train', uid: job.metadata.uid, controller: true };
    const waits = { type: 'QuotaReserved', status: 'False', message: 'insufficient unused quota' };
    put('workloads', {
      metadata: { name: 'job-train', namespace: 'team-a', ownerReferences: [owner] },
      spec: { active: true, queueName: 'gold' },
      status: { conditions: [waits], schedulingStats: { evictions: [{ count: 2 }, { count: 1 }] } },
    });
    const cluster = bench.open({}, CLASSES);
    const train = async () => (await cluster.read()).jobs.find(({ name }) => name === 'train')!;
    expect(await train()).toMatchObject({ className: 'reserved', state: 'pending', requeues: 3, why: waits.message });
    put('workloads', { ...bench.server.store.get('workloads', 'team-a', 'job-train')!, spec: { active: false } });
    await until('it is held', async () => (await train()).state === 'held');
  });

  test('what Kueue queues and is no Job, jobs within it, and pods of nobody', async () => {
    bench = await kubeBench({ hasKueue: true });
    const set = { name: 'set', uid: 'set-uid', kind: 'JobSet', controller: true };
    const child = put('jobs', jobOf('set-worker', 8, { metadata: { ownerReferences: [set] } }));
    put('pods', podOf('w-0', 8, 'a', { ...child, kind: 'Job' }));
    put('workloads', {
      metadata: { name: 'jobset-set', namespace: 'team-a', ownerReferences: [set] },
      spec: { queueName: 'gold', podSets: [{ count: 2, template: { spec: { containers: [] } } }] },
      status: { conditions: [{ type: 'Admitted', status: 'True', lastTransitionTime: '2026-03-24T12:00:00Z' }] },
    });
    const replicas: KubeObject = { kind: 'ReplicaSet', metadata: { name: 'llm', namespace: 'team-b', uid: 'rs' } };
    const serving = { 'kueue.x-k8s.io/queue-name': 'gold' };
    put('pods', podOf('llm-0', 1, 'a', replicas, serving));
    put('pods', podOf('llm-1', 1, 'b', replicas, serving));
    put('pods', podOf('web', 0, 'b'));
    const cluster = bench.open({}, CLASSES);
    const { jobs } = await cluster.read();
    expect(jobs.map(({ id, state, gpus, nodes, className }) => [id, state, gpus, nodes, className])).toEqual([
      ['team-a.workload:jobset-set', 'running', 8, ['a'], 'on-demand'],
      ['team-b.pods:llm', 'running', 2, ['a', 'b'], 'on-demand'],
    ]);
    await cluster.hold!('team-a.workload:jobset-set');
    expect(get('workloads', 'team-a', 'jobset-set').spec['active']).toBe(false);
    await expect(cluster.hold!('team-b.pods:llm')).rejects.toMatchObject({ kind: 'unsupported' });
    await expect(cluster.cancel!('team-a.workload:jobset-set')).rejects.toMatchObject({ kind: 'unsupported' });
  });

  test('long lists come in pages; one that expires between two begins anew', async () => {
    bench = await kubeBench();
    for (let i = 0; i < 1203; i += 1) put('pods', podOf(`p${i}`, 1, 'a'));
    put('nodes', nodeOf('a'));
    let compacted = 0;
    const compact = (path: string) => {
      if (path.includes('continue=') && compacted === 0) {
        compacted += 1;
        bench.server.store.compact();
      }
      return undefined;
    };
    bench.instead.push(...Array.from({ length: 12 }, () => compact));
    const { nodes } = await bench.open().read();
    expect(nodes[0]!.gpusUsed).toBe(1203);
    expect(compacted).toBe(1);
    const pages = bench.asked.filter((one) => one.startsWith('GET /api/v1/pods?limit'));
    // Two of the first try, three of the second.
    expect(pages).toHaveLength(5);
  });

  test('any objects give a fault or a sane reading', async () => {
    const words = fc.constantFrom('1', '8', '-1', 'a', 'True', 'Ready', 'team-a', 'Running', '2026-03-24T12:00:00Z');
    const value = fc.oneof(words, fc.jsonValue());
    const some = (...keys: string[]) => fc.dictionary(fc.constantFrom(...keys), value);
    const container = fc.record({
      resources: fc.record({ limits: fc.dictionary(fc.constant('nvidia.com/gpu'), value) }),
    });
    const spec = fc.record({ containers: fc.array(container), nodeName: value }, { requiredKeys: [] });
    const object = fc.record(
      {
        metadata: fc.record({ name: fc.constantFrom('a', 'b'), namespace: fc.constant('team-a') }),
        spec: fc.oneof(spec, fc.record({ template: fc.record({ spec }), parallelism: value }, { requiredKeys: [] })),
        status: fc.oneof(fc.record({ allocatable: some('nvidia.com/gpu') }), some('conditions', 'phase', 'active')),
      },
      { requiredKeys: ['metadata'] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(object), async (items) => {
        const body = JSON.stringify({ metadata: { resourceVersion: '1' }, items });
        const ask = async ({ url }: { url: string }) =>
          url.endsWith('kueue.x-k8s.io') ? { status: 404, headers: {}, body: '' } : { status: 200, headers: {}, body };
        const config = kubernetes.config.parse({ url: 'https://h' });
        const io = { ...bareHost(), http: { ask }, secret: () => '' };
        const given: unknown = await kubernetes
          .open({ id: 'x', config, classes: CLASSES }, io)
          .read()
          .catch((error: unknown) => error);
        if (given instanceof Fault) return;
        const { nodes, jobs } = given as Awaited<ReturnType<ReturnType<typeof kubernetes.open>['read']>>;
        expect(nodes.every((node) => node.gpus >= 0 && node.gpusUsed >= 0)).toBe(true);
        expect(jobs.every((job) => WORK_CLASSES.includes(job.className) && job.gpus >= 0)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is refused', () => {
  test('an expired token is read anew, once; a missing right is named', async () => {
    let token = 'old';
    bench = await kubeBench({ io: { secret: () => token } });
    bench.server.tokens = new Set(['new']);
    const cluster = bench.open({ token: { env: 'T' } });
    await expect(cluster.read()).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringMatching(/401.*is the token fresh/),
    });
    bench.instead.push(() => {
      token = 'new';
      return undefined;
    });
    token = 'old';
    await expect(cluster.resume!('n')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/nodes "n" not found/),
    });
    bench.server.forbids = (verb, resource) => verb === 'list' && resource === 'pods';
    const forbidden = /User "system:serviceaccount:busbar:busbar" cannot list resource "pods".*rbac.yaml/;
    await expect(cluster.read()).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringMatching(forbidden),
    });
  });

  test.each([
    [429, '{"kind":"Status","message":"too many requests"}', 'timeout', /too many requests.*patience/],
    [503, 'the server is currently unable', 'unreachable', /unable/],
    [504, '{"kind":"Status","message":"request timed out"}', 'timeout', /request timed out/],
    [500, '<html>', 'refused', /<html>/],
    [200, '<html>', 'garbled', /GET \/api\/v1\/nodes\/n/],
    [404, '404 page not found', 'unsupported', /no such call/],
  ])('%d %s is %s', async (status, body, kind, message) => {
    bench = await kubeBench();
    bench.instead.push(...Array.from({ length: 4 }, () => () => ({ status, body })));
    await expect(bench.open({ timeoutMs: 1000 }).resume!('n')).rejects.toMatchObject({
      kind,
      message: expect.stringMatching(message),
    });
  });

  test('a server that asks for patience once is asked again after it', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('n'));
    bench.instead.push(() => ({ status: 429, body: '{"kind":"Status","message":"too many"}' }));
    const begun = performance.now();
    await bench.open().resume!('n');
    expect(performance.now() - begun).toBeGreaterThan(900);
  });

  test('a name leads nowhere else', async () => {
    bench = await kubeBench();
    const cluster = bench.open();
    for (const name of ['../pods', 'a/b', 'a?x', 'A', '', 'a..b'])
      await expect(cluster.drain!(name, 'why'), name).rejects.toMatchObject({
        message: expect.stringMatching(/is no name in Kubernetes/),
      });
    await expect(cluster.cancel!('team-a.x/../y')).rejects.toMatchObject({
      message: expect.stringMatching(/is no name in Kubernetes/),
    });
    expect(bench.asked).toEqual([]);
  });
});
