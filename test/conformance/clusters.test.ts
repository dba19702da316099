import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ClusterHandle, ClusterIo } from '../../src/clusters/cluster.ts';
import { clusters } from '../../src/clusters/index.ts';
import { Fault, siteMs, WORK_CLASSES, type HttpPort, type WorkClass } from '../../src/model/index.ts';
import { bareHost } from '../support/cluster-io.ts';

/** A config each cluster can be opened with; a new cluster needs one here before it passes. */
const CONFIGS: Readonly<Record<string, unknown>> = {
  kubernetes: { url: 'https://kubernetes.example:6443', image: 'busybox', powerQuota: { clusterQueue: 'main' } },
  local: { cpus: 2, gpus: 1 },
  slurm: { url: 'http://slurm.example:6820', version: 'v0.0.38', scontrol: {}, powerLicence: 'site_kw' },
};
const NOT_CLUSTERS = ['cluster', 'hostlist', 'index'];
const CLASSES = [{ class: 'batch', gpu: 'h100', match: { partition: 'p', qos: 'q' } }] as unknown as WorkClass[];
const JOB = { name: 'n', script: 's', partition: 'p', qos: 'q', account: 'a', gpus: 1, timeLimitMinutes: 1 };

/** Every method that asks a cluster, with arguments that each of them would accept. */
const CALLS: Readonly<Record<Exclude<keyof ClusterHandle, 'close' | 'powerLicence'>, readonly unknown[]>> = {
  read: [],
  submit: [JOB],
  submitAs: [{ cluster: 'c', user: 'ann', token: { env: 'TOKEN' }, userId: 1_201 }, JOB],
  hold: ['77'],
  release: ['77'],
  requeue: ['77'],
  requeueHeld: ['77'],
  cancel: ['77'],
  tellOwner: ['77', 'why'],
  pause: ['77'],
  unpause: ['77'],
  checkpoint: ['77'],
  output: ['77'],
  usage: [siteMs(1)],
  drain: ['n1', 'why'],
  resume: ['n1'],
  powerDown: ['n1', 'why'],
  powerUp: ['n1'],
  moveNode: ['n1', 'p', 'q'],
  setPowerBudget: [100],
  queueChanges: [[{ match: { partition: 'p', qos: 'q' }, mayStart: false }]],
  setQueue: [{ queue: 'main', isStopped: true }],
};

type Ask = HttpPort['ask'];
const always =
  (status: number, body: string): Ask =>
  async () => ({ status, headers: {}, body });
const failing =
  (kind: 'timeout' | 'unreachable'): Ask =>
  async () => {
    throw new Fault(kind, `the world: ${kind}`);
  };
const WORLDS: readonly [string, Ask, readonly string[]][] = [
  ['is silent', failing('timeout'), ['timeout']],
  ['refuses connections', failing('unreachable'), ['unreachable']],
  ['answers garbage', always(200, '<html>It works!</html>'), ['garbled']],
  ['answers half', always(200, '{"errors": [], "jobs": ['), ['garbled']],
  ['answers nothing', always(200, ''), ['garbled']],
  ['answers a list', always(200, '[]'), ['garbled']],
  ['knows no such call', always(404, 'Unable find requested URL'), ['unsupported']],
  ['denies access', always(401, 'Authentication failure'), ['unauthorised']],
  ['declines', always(500, 'busy'), ['refused']],
];

test('the index lists every cluster of the folder in file-name order', () => {
  const files = readdirSync(new URL('../../src/clusters/', import.meta.url))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .filter((name) => !NOT_CLUSTERS.includes(name));
  expect(clusters.map(({ name }) => name)).toEqual(files.sort());
});

/** Its world is what it has kept, and that is not a server that says no. */
const ASKS_NOBODY = ['local'];

describe.each(clusters)('$name', (cluster) => {
  const asksNobody = ASKS_NOBODY.includes(cluster.name);
  const worlds = WORLDS.filter(([, , [kind]]) => !asksNobody || /timeout|unreachable|garbled/.test(kind!));
  const open = (ask: Ask): ClusterHandle => {
    const host = bareHost();
    const get = async () => (await ask({ method: 'GET', url: 'kept', timeoutMs: 1 })).body;
    const kept = asksNobody ? { ...host.kept, get } : host.kept;
    const io: ClusterIo = { ...host, kept, http: { ask }, secret: () => 'a-token' };
    return cluster.open(
      { id: 'under-test', config: cluster.config.parse(CONFIGS[cluster.name]), classes: CLASSES },
      io,
    );
  };
  const call = (handle: ClusterHandle, method: string, ...more: unknown[]): Promise<unknown> => {
    const run = handle[method as keyof typeof CALLS] as (...args: unknown[]) => Promise<unknown>;
    return run(...CALLS[method as keyof typeof CALLS], ...more);
  };
  const methods = Object.keys(CALLS).filter((method) => method in open(failing('timeout')));

  test('says what it is and has a config that knows no other key', () => {
    expect(cluster.about).toMatch(/^[A-Z].{10,}$/);
    expect(cluster.config.safeParse({ ...(CONFIGS[cluster.name] as object), ulr: 'x' }).success).toBe(false);
  });

  test.each(worlds)('throws the right fault where the world %s', async (_, ask, kinds) => {
    const handle = open(ask);
    for (const method of methods) {
      const given: unknown = await call(handle, method).catch((error: unknown) => error);
      expect(given, method).toBeInstanceOf(Fault);
      expect(kinds, `${method}: ${String(given)}`).toContain((given as Fault).kind);
    }
    handle.close();
  });

  test.each(asksNobody ? [] : methods)(
    '%s hands on the signal to give up by, and never asks without a limit of time',
    async (method) => {
      const patience = new AbortController();
      const handle = open(async ({ signal, timeoutMs }) => {
        expect(signal).toBe(patience.signal);
        expect(timeoutMs).toBeGreaterThan(0);
        throw new Fault('timeout', 'given up');
      });
      // The signal follows the arguments of the method.
      await expect(call(handle, method, patience.signal)).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
    },
  );

  test('any JSON gives a fault or a sane reading', async () => {
    const key = fc.constantFrom('errors', 'nodes', 'jobs', 'name', 'job_id', 'job_state', 'partition', 'qos', 'gres');
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('p', 'q', 'RUNNING', 'gpu:h100:8', 'n[1-3]'));
    const entry = fc.dictionary(key, value);
    const reply = fc.record({ errors: fc.constant([]), nodes: fc.array(entry), jobs: fc.array(entry) });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), reply), async (body) => {
        const given = await open(always(200, JSON.stringify(body)))
          .read()
          .catch((error: unknown) => error);
        if (given instanceof Fault) return;
        expect(given).toMatchObject({ at: 1, nodes: expect.any(Array), jobs: expect.any(Array) });
        const { nodes, jobs } = given as Awaited<ReturnType<ClusterHandle['read']>>;
        expect(nodes.every((node) => node.gpus >= 0 && node.gpusUsed >= 0)).toBe(true);
        expect(jobs.every((job) => WORK_CLASSES.includes(job.className) && job.gpus >= 0)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
