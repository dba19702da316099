import { afterEach, describe, expect, test } from 'vitest';
import type { KubeObject } from '../../sim/kube-store.ts';
import { kubeBench, nodeOf, podOf, type KubeBench } from '../../test/support/kube.ts';
import { until } from '../../test/support/site/until.ts';

/** What is done to nodes and quotas: cordons and evictions that keep budgets, and power as a quota of watts. */

let bench: KubeBench;
afterEach(() => bench?.close());

const put = (resource: string, object: KubeObject): KubeObject => bench.server.store.put(resource, object);
const get = (resource: string, namespace: string, name: string) =>
  bench.server.store.get(resource, namespace, name) as unknown as {
    metadata: { annotations?: Record<string, string>; resourceVersion: string };
    spec: Record<string, unknown>;
  };

describe('nodes', () => {
  const node = () => get('nodes', '', 'a');
  const pods = () => bench.server.store.all('pods').map(({ metadata }) => metadata.name);

  test('a drain cordons and moves what holds GPUs; the rest stays; it is given back', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a'));
    const daemons: KubeObject = { kind: 'DaemonSet', metadata: { name: 'dcgm', namespace: 'kube-system', uid: 'd' } };
    const mirror = podOf('mirror', 1, 'a');
    put('pods', { ...mirror, metadata: { ...mirror.metadata, annotations: { 'kubernetes.io/config.mirror': 'x' } } });
    put('pods', podOf('train', 4, 'a'));
    put('pods', podOf('web', 0, 'a'));
    put('pods', podOf('dcgm', 1, 'a', daemons));
    put('pods', podOf('elsewhere', 4, 'b'));
    const cluster = bench.open();
    await cluster.drain!('a', 'no power\nuntil 14:00');
    expect(node().spec['unschedulable']).toBe(true);
    expect(pods().sort()).toEqual(['dcgm', 'elsewhere', 'mirror', 'web']);
    const reading = await cluster.read();
    expect(reading.nodes[0]).toMatchObject({ state: 'drained', reason: 'busbar: no power until 14:00' });
    await cluster.drain!('a', 'again');
    expect(node().metadata.annotations).toEqual({ 'busbar/drained': 'no power until 14:00' });
    await cluster.resume!('a');
    expect(node().spec['unschedulable']).toBeUndefined();
    expect(node().metadata.annotations).toEqual({});
    await cluster.resume!('a');
  });

  test('a node changes its role by its label, and only from the role it is in', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a', { metadata: { name: 'a', labels: { 'busbar/role': 'train' } } }));
    const cluster = bench.open();
    expect((await cluster.read()).nodes[0]).toMatchObject({ partitions: ['train'] });
    await cluster.moveNode!('a', 'train', 'infer');
    await cluster.moveNode!('a', 'train', 'infer');
    expect(node().metadata).toMatchObject({ labels: { 'busbar/role': 'infer' } });
    await expect(cluster.moveNode!('a', 'sim', 'train')).rejects.toMatchObject({
      kind: 'refused',
      message: 'a has busbar/role infer, and not sim',
    });
  });

  test('what somebody else cordoned stays theirs, also where our mark was left on it', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a', { spec: { unschedulable: true } }));
    put('pods', podOf('theirs', 4, 'a'));
    const cluster = bench.open();
    await cluster.drain!('a', 'no power');
    expect(pods()).toEqual(['theirs']);
    expect(node().metadata.annotations).toBeUndefined();
    const not = { kind: 'refused', message: expect.stringMatching(/was not cordoned by Busbar: kubectl uncordon a/) };
    await expect(cluster.resume!('a')).rejects.toMatchObject(not);

    const patch = async (manager: string, body: object): Promise<void> => {
      const headers = { 'content-type': 'application/strategic-merge-patch+json' };
      const path = `${bench.url}/api/v1/nodes/a?fieldManager=${manager}`;
      expect((await fetch(path, { method: 'PATCH', headers, body: JSON.stringify(body) })).status).toBe(200);
    };
    await patch('kubectl-uncordon', { spec: { unschedulable: null } });
    await cluster.drain!('a', 'no power');
    await patch('kubectl-uncordon', { spec: { unschedulable: null } });
    await patch('kubectl-cordon', { spec: { unschedulable: true } });
    expect(node().metadata.annotations).toEqual({ 'busbar/drained': 'no power' });
    await expect(cluster.resume!('a')).rejects.toMatchObject(not);
    expect(node().spec['unschedulable']).toBe(true);
  });

  const budget = (allowed: number, retryAfter?: number): KubeObject => ({
    metadata: {
      name: 'keep',
      namespace: 'team-a',
      ...(retryAfter === undefined ? {} : { annotations: { 'sim/retry-after': String(retryAfter) } }),
    },
    spec: { selector: { matchLabels: { app: 'llm' } } },
    status: { disruptionsAllowed: allowed, desiredHealthy: 2, currentHealthy: 2 },
  });

  test('a disruption budget is waited for as it asks, told as waiting, and never broken', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a'));
    put('pods', podOf('llm-0', 4, 'a', undefined, { app: 'llm' }));
    put('pods', podOf('llm-1', 4, 'a', undefined, { app: 'llm' }));
    put('poddisruptionbudgets', budget(1, 1));
    const cluster = bench.open({ evictS: 1 });
    const waits = {
      kind: 'timeout',
      message: expect.stringMatching(/a starts no more jobs, and 1 of its pods wait: team-a\/llm-1: .*keep needs 2/),
    };
    const begun = performance.now();
    await expect(cluster.drain!('a', 'no power')).rejects.toMatchObject(waits);
    expect(performance.now() - begun).toBeGreaterThan(900);
    expect(pods()).toEqual(['llm-1']);
    const { nodes } = await cluster.read();
    expect(nodes[0]).toMatchObject({
      state: 'drained',
      gpusUsed: 4,
      reason: expect.stringMatching(/^busbar: no power; 1 of its pods wait/),
    });
    expect(bench.asked.some((one) => one.startsWith('DELETE'))).toBe(false);
    put('poddisruptionbudgets', budget(1));
    await cluster.drain!('a', 'no power');
    expect(pods()).toEqual([]);
    await until('it waits no more', async () => (await cluster.read()).nodes[0]!.reason === 'busbar: no power');
  });

  test('without a word of when, it is asked later and not at once', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a'));
    put('pods', podOf('llm-0', 4, 'a', undefined, { app: 'llm' }));
    put('poddisruptionbudgets', budget(0));
    await expect(bench.open({ evictS: 3 }).drain!('a', 'x')).rejects.toMatchObject({ kind: 'timeout' });
    expect(bench.asked.filter((one) => one.includes('/eviction'))).toHaveLength(1);
  });

  test('a drain that only waits moves nothing', async () => {
    bench = await kubeBench();
    put('nodes', nodeOf('a'));
    put('pods', podOf('train', 4, 'a'));
    await bench.open({ drainEvicts: false }).drain!('a', 'x');
    expect(pods()).toEqual(['train']);
    expect(node().spec['unschedulable']).toBe(true);
  });
});

describe('a power budget', () => {
  const power = { powerQuota: { clusterQueue: 'main' } };
  const queue = (more: object = {}, watts: object = {}): KubeObject => ({
    metadata: { name: 'main' },
    spec: {
      stopPolicy: 'None',
      resourceGroups: [
        {
          coveredResources: ['nvidia.com/gpu'],
          flavors: [{ name: 'h100', resources: [{ name: 'nvidia.com/gpu', nominalQuota: 64 }] }],
        },
        {
          coveredResources: ['busbar/watts'],
          flavors: [{ name: 'default', resources: [{ name: 'busbar/watts', nominalQuota: '80k', ...watts }] }],
        },
      ],
      ...more,
    },
  });
  const quotas = () =>
    (
      get('clusterqueues', '', 'main').spec['resourceGroups'] as {
        flavors: { resources: { nominalQuota: unknown }[] }[];
      }[]
    ).map(({ flavors }) => flavors[0]!.resources[0]!.nominalQuota);

  test('is the quota of watts, and gives back what was there before', async () => {
    bench = await kubeBench({ hasKueue: true });
    put('clusterqueues', queue());
    const cluster = bench.open(power);
    await cluster.setPowerBudget!(12.5);
    expect(quotas()).toEqual([64, '12500']);
    await cluster.setPowerBudget!(40);
    expect(quotas()).toEqual([64, '40000']);
    await cluster.setPowerBudget!(-1);
    expect(quotas()).toEqual([64, '0']);
    expect(get('clusterqueues', '', 'main').spec['stopPolicy']).toBe('None');
    await cluster.setPowerBudget!(undefined);
    expect(quotas()).toEqual([64, '80k']);
    expect(get('clusterqueues', '', 'main').metadata.annotations).toEqual({});
    const { resourceVersion } = get('clusterqueues', '', 'main').metadata;
    await cluster.setPowerBudget!(undefined);
    expect(get('clusterqueues', '', 'main').metadata.resourceVersion).toBe(resourceVersion);
  });

  test('is refused where it would not hold', async () => {
    bench = await kubeBench({ hasKueue: true });
    const cluster = bench.open(power);
    await expect(cluster.setPowerBudget!(1)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/"main" not found/),
    });
    put('clusterqueues', queue({ cohortName: 'all' }));
    await expect(cluster.setPowerBudget!(1)).rejects.toMatchObject({
      message: expect.stringMatching(/may borrow busbar\/watts of its cohort/),
    });
    put('clusterqueues', queue({ cohortName: 'all' }, { borrowingLimit: '0' }));
    await cluster.setPowerBudget!(1);
    put('clusterqueues', queue({ resourceGroups: [] }));
    await expect(cluster.setPowerBudget!(1)).rejects.toMatchObject({
      message: expect.stringMatching(/has no quota of busbar\/watts/),
    });
    await bench.close();
    bench = await kubeBench();
    await expect(bench.open(power).setPowerBudget!(1)).rejects.toMatchObject({ kind: 'unsupported' });
    expect(bench.open().setPowerBudget).toBeUndefined();
  });
});
