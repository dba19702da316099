import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { ClusterHandle } from '../src/clusters/cluster.ts';
import { kubernetes } from '../src/clusters/kubernetes.ts';
import { httpPort } from '../src/drivers/wire/http.ts';
import { Fault, siteMs, type Site } from '../src/model/index.ts';
import { bareHost } from '../test/support/cluster-io.ts';
import { until } from '../test/support/site/until.ts';
import { answerKube } from './kube-server.ts';
import { bareKubeServer } from './kubernetes.ts';
import { calmConfig, smallSite, testSim, type TestSim } from './small-site.ts';

/** The emulated Kubernetes as the client sees it: nodes and jobs of the site, and a scheduler that really starts them. */

const ADDRESS = '127.21.8.2';
let t: TestSim | undefined;
let cluster: ClusterHandle | undefined;
let http: ReturnType<typeof httpPort> | undefined;
afterEach(async () => {
  cluster?.close();
  await http?.close();
  await t?.sim.close();
});

/** The small site with its H100 under Kubernetes and its RTX 4090 under Slurm. */
function site(partition: string): Site {
  const small = smallSite();
  const [slurm] = small.clusters;
  const of = (gpu: string) => slurm!.classes.filter((one) => one.gpu === gpu);
  const classes = of('h100').map((one) => ({ ...one, match: { ...one.match, partition } }));
  const kube = { ...slurm!, id: 'kube', driver: 'kubernetes', settings: { url: `http://${ADDRESS}:6444` }, classes };
  return { ...small, clusters: [kube, { ...slurm!, classes: of('rtx4090') }] };
}

async function start(offset: number, partition: string): Promise<{ t: TestSim; cluster: ClusterHandle; base: string }> {
  const config = calmConfig();
  t = await testSim(offset, { site: site(partition), config });
  http = httpPort();
  const base = `http://${ADDRESS}:${t.sim.ports.kubernetes}`;
  const io = { ...bareHost(), http, secret: () => 'none', siteNow: () => siteMs(t!.sim.world.state.t) };
  const settings = kubernetes.config.parse({ url: base, image: 'busybox', evictS: 0 });
  const [{ classes } = { classes: [] }] = t.sim.world.site.clusters;
  cluster = kubernetes.open({ id: 'kube', config: settings, classes }, io);
  return { t, cluster, base };
}
/** Lets site time pass and what comes of it reach the watch. */
async function see<T>(what: string, look: () => Promise<T | undefined | false>, seconds = 5): Promise<T> {
  return until(what, async () => {
    t!.pass(seconds);
    return look();
  });
}
const request = {
  name: 'probe',
  script: 'echo hello\n',
  qos: 'preemptible',
  account: 'acme',
  gpus: 4,
  timeLimitMinutes: 10,
};

test('each scheduler has its own nodes and jobs', async () => {
  const { t, cluster } = await start(12_030, 'h100');
  const { nodes, jobs } = await cluster.read();
  expect(nodes.map(({ name, address, gpuModel, gpus }) => [name, address, gpuModel, gpus])).toEqual(
    [1, 2, 3, 4].map((n) => [`h100-000${n}`, `127.21.5.${n}`, 'h100', 8]),
  );
  const running = jobs.filter(({ state }) => state === 'running');
  const gpus = running.reduce((sum, job) => sum + job.gpus, 0);
  expect(gpus).toBe(nodes.reduce((sum, node) => sum + node.gpusUsed, 0));
  expect(gpus).toBeGreaterThan(16);
  for (const job of running) {
    expect(job.startedAt).toBeLessThanOrEqual(t.sim.world.state.t);
    expect(job.nodes.length).toBeGreaterThan(0);
  }
  expect(new Set(jobs.map(({ className }) => className))).toEqual(new Set(['reserved', 'preemptible']));
  const headers = { 'x-slurm-user-name': 'busbar' };
  const slurm = `http://127.21.8.1:${t.sim.ports.slurm}/slurm/v0.0.38`;
  const told = (await (await fetch(`${slurm}/nodes/`, { headers })).json()) as { nodes: { name: string }[] };
  expect(told.nodes.map(({ name }) => name)).toEqual(['rtx4090-0001']);
  const theirs = (await (await fetch(`${slurm}/jobs/`, { headers })).json()) as { jobs: { partition: string }[] };
  expect(new Set(theirs.jobs.map(({ partition }) => partition))).toEqual(new Set(['rtx4090']));
});

describe.each([
  ['by itself', 12_060, 'h100', 'h100'],
  ['with Kueue', 12_090, 'team/gold', 'team'],
] as const)('a job %s', (_, offset, partition, namespace) => {
  test('is pending, runs on the servers of the site, is held, goes on and ends', async () => {
    const { t, cluster } = await start(offset, partition);
    // Room for it: what is running makes way.
    for (const job of (await cluster.read()).jobs) if (job.className === 'preemptible') await cluster.cancel!(job.id);
    const id = await cluster.submit!({ ...request, partition });
    expect(id.startsWith(`${namespace}.probe-`)).toBe(true);
    const found = async () => (await cluster.read()).jobs.find((job) => job.id === id);
    const reach = (state: string) => see(`it is ${state}`, async () => (await found())?.state === state);
    await reach('running');
    const { nodes, gpus } = (await found())!;
    expect(gpus).toBe(4);
    const n = t.sim.world.nodes.findIndex(({ name }) => name === nodes[0]);
    const working = () => t.sim.world.servers.job.subarray(n * 8, n * 8 + 8).filter((job) => job > 1000).length;
    expect(working()).toBeGreaterThanOrEqual(4);
    expect(await cluster.output!(id)).toMatch(/emulated site/);
    await cluster.hold!(id);
    await reach('held');
    expect((await found())!).toMatchObject({ nodes: [], gpus: 4 });
    await cluster.release!(id);
    await reach('running');
    await cluster.requeue!(id);
    await see('it has started again', async () => {
      const job = await found();
      return job?.state === 'running' && job.requeues >= 1;
    });
    await see('it is done', async () => (await found())?.state === 'done', 30);
  });
});

test('a drained node gets no jobs; what runs there moves unless a budget keeps it; then it is given back', async () => {
  const { cluster, base } = await start(12_250, 'h100');
  const first = await cluster.read();
  const before = first.nodes.find(({ gpusUsed }) => gpusUsed === 8)!;
  const evicted = first.jobs.filter(({ nodes }) => nodes.includes(before.name)).map(({ id }) => id);
  const budget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'keep' },
    spec: { selector: {} },
    status: { disruptionsAllowed: 0 },
  };
  const made = await fetch(`${base}/apis/policy/v1/namespaces/h100/poddisruptionbudgets`, {
    method: 'POST',
    body: JSON.stringify(budget),
  });
  expect(made.status).toBe(201);
  const node = async () => (await cluster.read()).nodes.find(({ name }) => name === before.name)!;
  const waits = expect.stringMatching(/disruption budget keep/);
  await expect(cluster.drain!(before.name, 'a test')).rejects.toMatchObject({ kind: 'timeout', message: waits });
  await see('it is drained', async () => (await node()).state === 'drained');
  expect(await node()).toMatchObject({ gpusUsed: 8, reason: waits });
  await fetch(`${base}/apis/policy/v1/namespaces/h100/poddisruptionbudgets/keep`, { method: 'DELETE' });
  await cluster.drain!(before.name, 'a test');
  await see('it is empty', async () => (await node()).gpusUsed === 0);
  const moved = (await cluster.read()).jobs.find(({ id }) => evicted.includes(id))!;
  await see('its job runs elsewhere', async () => {
    const job = (await cluster.read()).jobs.find(({ id }) => id === moved.id);
    return job?.state === 'running' && !job.nodes.includes(before.name);
  });
  expect((await node()).gpusUsed).toBe(0);
  await cluster.resume!(before.name);
  await cluster.submit!({ ...request, partition: 'h100', qos: 'reserved', gpus: 8 });
  await see('jobs come back', async () => (await node()).gpusUsed > 0);
});

test('a server that is silent, refuses or garbles is told as what it is', async () => {
  const { cluster, t } = await start(12_290, 'h100');
  const fault = async () => {
    const given: unknown = await cluster.read().then(
      () => undefined,
      (error: unknown) => error,
    );
    return given instanceof Fault ? given.kind : undefined;
  };
  t.sim.inject({ target: 'kube', fault: 'garbled' });
  expect(['garbled', 'refused']).toContain(await fault());
  t.sim.inject({ target: 'kube', fault: 'refused' });
  expect(await fault()).toBe('unreachable');
  t.sim.inject({ target: 'kube', fault: 'clear' });
  expect((await cluster.read()).nodes).toHaveLength(4);
});

test('a watch that has ended says nothing more, also while its connection is still open', async () => {
  const request = new IncomingMessage(new Socket());
  request.method = 'GET';
  request.url = '/api/v1/nodes?watch=1&allowWatchBookmarks=true&timeoutSeconds=1';
  const response = new ServerResponse(request);
  const errors: unknown[] = [];
  response.on('error', (error) => errors.push(error));
  answerKube(
    bareKubeServer(() => 0, false),
    request,
    '',
    response,
  );
  await new Promise((resolve) => setTimeout(resolve, 2300));
  expect(response.writableEnded).toBe(true);
  expect(errors).toEqual([]);
});

test('a ClusterQueue that is stopped starts nothing, leaves alone what runs, and goes on', async () => {
  const { cluster } = await start(12_090, 'team/gold');
  const running = async () =>
    (await cluster.read()).jobs.filter(({ state }) => state === 'running').map(({ id }) => id);
  for (const job of (await cluster.read()).jobs) if (job.className === 'preemptible') await cluster.cancel!(job.id);
  const closed = [{ match: { partition: 'team/gold', qos: '*' }, mayStart: false }];
  expect(await cluster.queueChanges!(closed)).toEqual([{ queue: 'main', isStopped: true }]);
  await cluster.setQueue!({ queue: 'main', isStopped: true });
  const before = await running();
  expect(before.length).toBeGreaterThan(0);
  const id = await cluster.submit!({ ...request, partition: 'team/gold' });
  const found = async () => (await cluster.read()).jobs.find((job) => job.id === id);
  await see('why it waits', async () => /ClusterQueue main is inactive/.test((await found())?.why ?? ''));
  t!.pass(60);
  expect((await found())!.state).toBe('pending');
  expect((await running()).every((one) => before.includes(one))).toBe(true);
  await cluster.setQueue!({ queue: 'main', isStopped: false });
  await see('it runs', async () => (await found())?.state === 'running');
});
