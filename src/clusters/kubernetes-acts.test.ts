import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../sim/kube-store.ts';
import { jobOf, kubeBench, nodeOf, podOf, workClass, type KubeBench } from '../../test/support/kube.ts';
import { Fault } from '../model/index.ts';
import { until } from '../../test/support/site/until.ts';

/** What is done to jobs: each act at the API server, and what stands between. */

let bench: KubeBench;
afterEach(() => bench?.close());

const put = (resource: string, object: KubeObject): KubeObject => bench.server.store.put(resource, object);
const get = (resource: string, namespace: string, name: string) =>
  bench.server.store.get(resource, namespace, name) as unknown as {
    metadata: { annotations?: Record<string, string>; labels?: Record<string, string>; resourceVersion: string };
    spec: Record<string, unknown>;
  };
const job = () => get('jobs', 'team-a', 'train');
/** Says of a Job, as its controller would, that it has stopped. */
const suspended = { conditions: [{ type: 'Suspended', status: 'True' }], active: 0 };

describe('jobs without Kueue', () => {
  test('hold suspends, release lets go, each once', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8));
    const cluster = bench.open();
    await cluster.hold!('team-a.train');
    expect(job().spec['suspend']).toBe(true);
    const { resourceVersion } = job().metadata;
    await cluster.hold!('team-a.train');
    expect(job().metadata.resourceVersion).toBe(resourceVersion);
    await cluster.release!('team-a.train');
    expect(job().spec['suspend']).toBe(false);
    expect(job().spec['template']).toBeDefined();
  });

  test('a requeued job is stopped, and goes on only when it has given its place back', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8, { status: { active: 1 } }));
    const cluster = bench.open();
    const requeued = cluster.requeue!('team-a.train');
    await until('it is stopped', () => job().spec['suspend'] === true);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(job().spec['suspend']).toBe(true);
    put('jobs', { ...bench.server.store.get('jobs', 'team-a', 'train')!, status: suspended });
    await requeued;
    expect(job().spec['suspend']).toBe(false);
    expect(job().metadata.annotations).toMatchObject({ 'busbar/requeues': '1' });
    const { jobs } = await bench.open({}, [workClass('batch', 'team-a', '*')]).read();
    expect(jobs[0]).toMatchObject({ requeues: 1 });
  });

  test('a job that is put back and held is stopped in one step, counted once', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8, { status: { active: 1 } }));
    const cluster = bench.open();
    await cluster.requeueHeld!('team-a.train');
    await cluster.requeueHeld!('team-a.train');
    expect(job().spec['suspend']).toBe(true);
    expect(job().metadata.annotations).toMatchObject({ 'busbar/requeues': '1' });
    expect(bench.asked.filter((one) => one.startsWith('PATCH'))).toHaveLength(1);
  });

  test('a job that does not stop goes on as it was; one that is stopped stays so', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8, { status: { active: 1 } }));
    const cluster = bench.open({ requeueS: 1 });
    const late = { kind: 'timeout', message: expect.stringMatching(/has not within 1 s; it goes on/) };
    await expect(cluster.requeue!('team-a.train')).rejects.toMatchObject(late);
    expect(job().spec['suspend']).toBe(false);
    await cluster.hold!('team-a.train');
    await cluster.requeue!('team-a.train');
    expect(job().spec['suspend']).toBe(true);
  });

  test('a requeue that is given up half-way lets the job go on, or says that it is left stopped', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8, { status: { active: 1 } }));
    const cluster = bench.open();
    const patience = new AbortController();
    const requeued = cluster.requeue!('team-a.train', patience.signal);
    await until('it is stopped', () => job().spec['suspend'] === true);
    patience.abort();
    await expect(requeued).rejects.toMatchObject({ kind: 'timeout' });
    expect(job().spec['suspend']).toBe(false);
    expect(job().metadata.annotations).toBeUndefined();

    bench.server.forbids = (verb) => verb === 'patch' && job().spec['suspend'] === true;
    const left = expect.stringMatching(/team-a.train is left stopped.*cannot patch resource "jobs"/);
    await expect(bench.open({ requeueS: 1 }).requeue!('team-a.train')).rejects.toMatchObject({ message: left });
  });

  test('what others change at the same time is read again, and their change stays', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8));
    let changes = 0;
    bench.server.onWrite = ({ verb }) => {
      if (verb !== 'patch' || changes >= 3) return undefined;
      changes += 1;
      return { code: 409, reason: 'Conflict', message: 'the object has been modified' };
    };
    await bench.open().hold!('team-a.train');
    expect(changes).toBe(3);
    expect(job().spec['suspend']).toBe(true);

    bench.server.onWrite = () => ({ code: 409, reason: 'Conflict', message: 'the object has been modified' });
    await expect(bench.open().release!('team-a.train')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/each of 6 times/),
    });
  });

  test('a write against an old version is a conflict, and not the loss of what was written between', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8));
    // Somebody changes the job after it was read and before it is written.
    const change = (path: string) => {
      const kept = bench.server.store.get('jobs', 'team-a', 'train')!;
      if (path.includes('/jobs/train?fieldManager'))
        put('jobs', { ...kept, spec: { ...(kept['spec'] as object), parallelism: 7 } });
      return undefined;
    };
    bench.instead.push(...Array.from({ length: 4 }, () => change));
    await bench.open().hold!('team-a.train');
    expect(bench.asked.filter((one) => one.startsWith('PATCH'))).toHaveLength(2);
    expect(job().spec).toMatchObject({ parallelism: 7, suspend: true });
  });

  test('what has ended, or is not there, is told', async () => {
    bench = await kubeBench();
    put('jobs', jobOf('train', 8, { status: { conditions: [{ type: 'Complete', status: 'True' }] } }));
    const cluster = bench.open();
    await expect(cluster.hold!('team-a.train')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/has ended/),
    });
    await expect(cluster.hold!('team-a.none')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/"none" not found/),
    });
    await expect(cluster.cancel!('team-a.none')).rejects.toMatchObject({ kind: 'refused' });
  });

  test('cancel deletes the job with its pods; output is the end of its newest pod', async () => {
    bench = await kubeBench();
    const owner = { ...put('jobs', jobOf('train', 8)), kind: 'Job' };
    const dated = (name: string, at: string): KubeObject => {
      const pod = podOf(name, 8, 'a', owner);
      return { ...pod, metadata: { ...pod.metadata, creationTimestamp: at } };
    };
    put('pods', dated('t-0', '2026-03-24T12:00:00Z'));
    put('pods', dated('t-1', '2026-03-24T13:00:00Z'));
    bench.server.log = ({ metadata }) => `${metadata.name}: loss 0.1\n`;
    const cluster = bench.open();
    expect(await cluster.output!('team-a.train')).toBe('t-1: loss 0.1\n');
    expect(bench.asked.at(-1)).toMatch(/t-1\/log\?container=main&tailLines=\d+$/);
    await cluster.cancel!('team-a.train');
    expect(bench.server.store.get('jobs', 'team-a', 'train')).toBeUndefined();
    put('jobs', jobOf('fresh', 8));
    await expect(cluster.output!('team-a.fresh')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/has no pod now/),
    });
  });
});

describe('jobs in a queue of Kueue', () => {
  const labels = { 'kueue.x-k8s.io/queue-name': 'gold' };
  const start = async (active = true) => {
    bench = await kubeBench({ hasKueue: true });
    const kept = put('jobs', jobOf('train', 8, { metadata: { labels } }));
    put('workloads', {
      metadata: {
        name: 'job-train-1a2b3',
        namespace: 'team-a',
        ownerReferences: [{ kind: 'Job', name: 'train', uid: kept.metadata.uid, controller: true }],
      },
      spec: {
        active,
        queueName: 'gold',
        podSets: [{ name: 'main', count: 1, template: { spec: { containers: [] } } }],
      },
      status: { conditions: [{ type: 'QuotaReserved', status: 'True' }] },
    });
    return bench.open();
  };
  const workload = () => get('workloads', 'team-a', 'job-train-1a2b3');

  test('hold and release are the workload, and the Job itself is left to Kueue', async () => {
    const cluster = await start();
    await cluster.hold!('team-a.train');
    expect(workload().spec).toMatchObject({ active: false, queueName: 'gold' });
    expect(workload().spec['podSets']).toHaveLength(1);
    expect(job().spec['suspend']).toBeUndefined();
    await cluster.release!('team-a.train');
    expect(workload().spec['active']).toBe(true);
  });

  test('a requeued workload is evicted, and queued again when its quota is free', async () => {
    const cluster = await start();
    const requeued = cluster.requeue!('team-a.train');
    await until('it is evicted', () => workload().spec['active'] === false);
    const status = { conditions: [{ type: 'QuotaReserved', status: 'False' }] };
    put('workloads', { ...bench.server.store.get('workloads', 'team-a', 'job-train-1a2b3')!, status });
    await requeued;
    expect(workload().spec['active']).toBe(true);
    expect(workload().metadata.annotations).toMatchObject({ 'busbar/requeues': '1' });
  });

  test('what gave way goes on before its equals where that is wished; what only waited does not', async () => {
    await start();
    const cluster = bench.open({ boost: 5 });
    const boost = () => workload().metadata.annotations?.['kueue.x-k8s.io/priority-boost'];
    await cluster.hold!('team-a.train');
    await cluster.release!('team-a.train');
    expect(boost()).toBeUndefined();
    await cluster.requeueHeld!('team-a.train');
    expect(boost()).toBeUndefined();
    await cluster.release!('team-a.train');
    expect(boost()).toBe('5');
    // Whoever gave it another keeps it.
    const now = bench.server.store.get('workloads', 'team-a', 'job-train-1a2b3')!;
    const annotations = { ...now.metadata.annotations, 'kueue.x-k8s.io/priority-boost': '70' };
    put('workloads', { ...now, metadata: { ...now.metadata, annotations } });
    await cluster.requeueHeld!('team-a.train');
    await cluster.release!('team-a.train');
    expect(boost()).toBe('70');
    expect(workload().metadata.annotations).toMatchObject({ 'busbar/requeues': '2' });
  });

  test('a job whose workload is still to come is not touched', async () => {
    bench = await kubeBench({ hasKueue: true });
    put('jobs', jobOf('train', 8, { metadata: { labels } }));
    await expect(bench.open().hold!('team-a.train')).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringMatching(/workload yet/),
    });
    expect(job().spec['suspend']).toBeUndefined();
  });

  test('the older version of Kueue is spoken where it is the only one', async () => {
    const cluster = await start();
    (bench.server.groups as Map<string, readonly string[]>).set('kueue.x-k8s.io', ['v1beta1']);
    await cluster.hold!('team-a.train');
    expect(bench.asked.filter((one) => one.startsWith('PATCH'))).toEqual([
      expect.stringContaining('/apis/kueue.x-k8s.io/v1beta1/namespaces/team-a/workloads/job-train-1a2b3'),
    ]);
    (bench.server.groups as Map<string, readonly string[]>).set('kueue.x-k8s.io', ['v2']);
    await expect(bench.open().hold!('team-a.train')).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringMatching(/speaks v2/),
    });
  });
});

describe('submitting', () => {
  const request = {
    name: 'Train 13B.sh',
    script: 'echo $(date) $$ "$HOME"\n',
    partition: 'team-a',
    qos: 'high',
    account: 'acme',
    gpus: 4,
    timeLimitMinutes: 90,
  };
  interface Made {
    metadata: { name: string; labels: Record<string, string> };
    spec: {
      suspend: boolean;
      activeDeadlineSeconds: number;
      template: {
        spec: {
          priorityClassName?: string;
          containers: { env: { value: string }[]; command: string[]; resources: object }[];
        };
      };
    };
  }
  const made = (id: string): Made => get('jobs', 'team-a', id.slice('team-a.'.length)) as unknown as Made;

  test('a script becomes a Job that runs it to the letter', async () => {
    bench = await kubeBench();
    const cluster = bench.open({ image: 'busybox', customerLabel: 'customer' });
    const id = await cluster.submit!(request);
    expect(id).toMatch(/^team-a\.train-13b-sh-[0-9a-f]{8}$/);
    const { metadata, spec } = made(id);
    expect(metadata.labels).toEqual({ customer: 'acme' });
    expect(spec).toMatchObject({ suspend: false, activeDeadlineSeconds: 5400 });
    const { priorityClassName, containers } = spec.template.spec;
    expect(priorityClassName).toBe('high');
    expect(containers[0]!.resources).toEqual({ limits: { 'nvidia.com/gpu': '4' } });
    // Kubernetes makes one dollar of two, and expands a single one before a bracket.
    const expanded = containers[0]!.env[0]!.value.replaceAll('$$', '$');
    expect(expanded).toBe(`#!/bin/sh\n${request.script}`);
    expect(containers[0]!.env[0]!.value).not.toMatch(/(^|[^$])(\$\$)*\$\(/);
    expect(bench.open().submit).toBeUndefined();
  });

  test('into a queue it goes suspended, with the priority class of Kueue where it has one of that name', async () => {
    bench = await kubeBench({ hasKueue: true });
    put('workloadpriorityclasses', { metadata: { name: 'high' } });
    const cluster = bench.open({ image: 'busybox' });
    const queued = made(await cluster.submit!({ ...request, partition: '*/gold', account: 'team-a' }));
    expect(queued.spec.suspend).toBe(true);
    expect(queued.metadata.labels).toEqual({
      'kueue.x-k8s.io/queue-name': 'gold',
      'kueue.x-k8s.io/priority-class': 'high',
    });
    expect(queued.spec.template.spec.priorityClassName).toBeUndefined();
    const other = made(await cluster.submit!({ ...request, partition: 'team-a/gold', qos: 'low' }));
    expect(other.metadata.labels).toEqual({ 'kueue.x-k8s.io/queue-name': 'gold' });
    expect(other.spec.template.spec.priorityClassName).toBe('low');
  });

  test('one that was not answered for is looked for, and not sent twice', async () => {
    bench = await kubeBench();
    const { ask } = bench.io.http;
    const sent: string[] = [];
    bench.io.http.ask = async (asked) => {
      sent.push(asked.method);
      const reply = await ask(asked);
      if (asked.method !== 'POST') return reply;
      throw new Fault('timeout', 'no answer');
    };
    const id = await bench.open({ image: 'busybox' }).submit!(request);
    expect(made(id).metadata.name).toMatch(/^train/);
    expect(sent).toEqual(['POST', 'GET']);
  });
});

describe('the rights of examples/kubernetes/rbac.yaml', () => {
  const file = readFileSync(new URL('../../examples/kubernetes/rbac.yaml', import.meta.url), 'utf8');
  const documents = parseAllDocuments(file).map((one) => one.toJS() as Record<string, unknown>);
  const rules = documents.find(({ kind }) => kind === 'ClusterRole')!['rules'] as {
    resources: string[];
    verbs: string[];
  }[];
  const granted = new Set(
    rules.flatMap(({ resources, verbs }) => resources.flatMap((of) => verbs.map((verb) => `${verb} ${of}`))),
  );

  test('are all that everything takes, and no more', async () => {
    const used = new Set<string>();
    bench = await kubeBench({ hasKueue: true });
    bench.server.forbids = (verb, resource) => {
      used.add(`${verb} ${resource}`);
      return !granted.has(`${verb} ${resource}`);
    };
    put('nodes', nodeOf('a'));
    const owner = { ...put('jobs', jobOf('train', 8)), kind: 'Job' };
    put('pods', podOf('t-0', 8, 'a', owner));
    const queued = put('jobs', jobOf('queued', 8, { metadata: { labels: { 'kueue.x-k8s.io/queue-name': 'gold' } } }));
    put('workloads', {
      metadata: {
        name: 'w',
        namespace: 'team-a',
        ownerReferences: [{ kind: 'Job', name: 'queued', uid: queued.metadata.uid }],
      },
      spec: { queueName: 'gold' },
    });
    const quota = { name: 'busbar/watts', nominalQuota: '1' };
    put('clusterqueues', {
      metadata: { name: 'main' },
      spec: { resourceGroups: [{ flavors: [{ name: 'f', resources: [quota] }] }] },
    });
    const cluster = bench.open({ image: 'busybox', powerQuota: { clusterQueue: 'main' } });
    await cluster.read();
    await until('it watches', () => used.has('watch workloads') && used.has('watch jobs'));
    const partition = 'team-a/gold';
    const job = { name: 'x', script: 'x', partition, qos: 'high', account: 'acme', gpus: 1, timeLimitMinutes: 1 };
    await cluster.submit!(job);
    for (const id of ['team-a.train', 'team-a.queued']) {
      await cluster.hold!(id);
      await cluster.release!(id);
    }
    await cluster.output!('team-a.train');
    await cluster.drain!('a', 'a test');
    await cluster.resume!('a');
    await cluster.setPowerBudget!(1);
    await cluster.queueChanges!([]);
    await cluster.setQueue!({ queue: 'main', isStopped: true });
    await cluster.cancel!('team-a.train');
    expect([...used].sort()).toEqual([...granted].sort());
  });
});
