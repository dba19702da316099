import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bareHost } from '../../test/support/cluster-io.ts';
import { until } from '../../test/support/site/until.ts';
import { processPort } from '../drivers/wire/processes.ts';
import { siteMs, type Job, type WorkClass } from '../model/index.ts';
import type { ClusterHandle, JobRequest } from './cluster.ts';
import { local } from './local.ts';

const CLASSES = [
  { class: 'batch', gpu: 'rtx4090', match: { partition: 'desk', qos: 'batch' } },
] as unknown as WorkClass[];
const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples', 'jobs');
/** Jobs never run as root; `nobody` is on every Linux. */
const USER = process.getuid?.() === 0 ? { userId: 65_534 } : {};
const MINUTE = 30_000;

let folder = '';
let cluster: ClusterHandle;
let host: ReturnType<typeof bareHost>;
const open = (over: object = {}): ClusterHandle => {
  const processes = (at?: string) => processPort(at ?? join(folder, 'jobs'));
  const config = local.config.parse({ gpuModel: 'rtx4090', gpus: 2, cpus: 2, graceS: 1, ...USER, ...over });
  const io = { ...host, processes, siteNow: () => siteMs(Date.now()), http: { ask: notAsked }, secret: () => '' };
  return local.open({ id: 'desk', config, classes: CLASSES }, io);
};
const notAsked = (): never => {
  throw new Error('the local cluster asks nobody');
};
const job = (script: string, over: Partial<JobRequest> = {}): JobRequest => ({
  name: 'n',
  script: `#!/bin/sh\n${script}\n`,
  partition: 'desk',
  qos: 'batch',
  account: 'me',
  gpus: 0,
  timeLimitMinutes: 5,
  ...over,
});
const jobOf = async (id: string, of = cluster): Promise<Job> => (await of.read()).jobs.find((one) => one.id === id)!;
const reach = (id: string, state: Job['state']) =>
  until(`job ${id} ${state}`, async () => {
    const found = await jobOf(id);
    return found.state === state ? found : undefined;
  });
const said = (id: string, words: string) =>
  until(`job ${id} says ${words}`, async () => (await cluster.output!(id)).includes(words));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-local-'));
  chmodSync(folder, 0o755);
  host = bareHost();
  cluster = open();
});
afterEach(async () => {
  for (const { id, state } of (await cluster.read()).jobs)
    if (state !== 'done' && state !== 'failed' && state !== 'cancelled') await cluster.cancel!(id);
  await until('all have ended', async () =>
    (await cluster.read()).jobs.every(({ state }) => state !== 'running' && state !== 'ending'),
  );
  cluster.close();
  rmSync(folder, { recursive: true, force: true });
});

test(
  'runs a job as an ordinary user, with what it was given and nothing of the server',
  { timeout: MINUTE },
  async () => {
    const id = await cluster.submit!(job('id -u; nproc; env; exit 3', { gpus: 1 }));
    const ended = await reach(id, 'failed');
    expect(ended).toMatchObject({
      className: 'batch',
      customer: 'me',
      gpuModel: 'rtx4090',
      gpus: 1,
      why: 'exit code 3',
    });
    const lines = (await cluster.output!(id)).split('\n');
    expect(Number(lines[0])).toBeGreaterThan(0);
    expect(lines[1]).toBe('1');
    expect(lines).toContain('CUDA_VISIBLE_DEVICES=0');
    expect(lines.filter((line) => /^(HOME|NODE|npm|VITEST|SLURM)/.test(line))).toEqual([]);
  },
);

test('first come, first served, on the GPUs and CPUs that are free', { timeout: MINUTE }, async () => {
  const first = await cluster.submit!(job('echo $CUDA_VISIBLE_DEVICES; sleep 60', { gpus: 1 }));
  const large = await cluster.submit!(job('echo $CUDA_VISIBLE_DEVICES', { gpus: 2 }));
  const small = await cluster.submit!(job('true', { gpus: 1 }));
  const { nodes, jobs } = await cluster.read();
  expect(jobs.map(({ state }) => state)).toEqual(['running', 'pending', 'pending']);
  expect(nodes).toEqual([
    {
      name: 'desk',
      address: '127.0.0.1',
      state: 'mixed',
      isOff: false,
      gpuModel: 'rtx4090',
      gpus: 2,
      gpusUsed: 1,
      partitions: [],
      reason: undefined,
    },
  ]);
  await cluster.cancel!(first);
  await reach(large, 'done');
  expect(await cluster.output!(large)).toBe('0,1\n');
  await reach(small, 'done');
  expect((await jobOf(first)).state).toBe('cancelled');
});

test('what this host will never have is refused, with where to go', async () => {
  await expect(cluster.submit!(job('true', { gpus: 16 }))).rejects.toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(
      /this host has 2 and 2 for jobs: several hosts or a long queue are for Slurm or Kubernetes/,
    ),
  });
  await expect(cluster.submit!(job('true', { partition: 'other' }))).rejects.toMatchObject({ kind: 'refused' });
  await expect(cluster.cancel!('99')).rejects.toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(/no job 99/),
  });
});

test.runIf(process.getuid?.() === 0)('a folder that its user may not enter is told at once', async () => {
  chmodSync(folder, 0o700);
  const id = await cluster.submit!(job('true'));
  expect(await jobOf(id)).toMatchObject({
    state: 'failed',
    why: expect.stringMatching(/closed to user 65534: name a folder/),
  });
});

test('a training put back in the queue goes on from its checkpoint', { timeout: MINUTE }, async () => {
  const script = example('train.mjs', '--epochs 60 --pause-ms 60');
  const id = await cluster.submit!(job(script, { checkpointSignal: 'SIGUSR1' }));
  await said(id, '"start"');
  await cluster.checkpoint!(id);
  await said(id, '"checkpoint"');
  await cluster.requeue!(id);
  await cluster.hold!(id);
  expect(await reach(id, 'held')).toMatchObject({ requeues: 1 });
  await cluster.release!(id);
  await reach(id, 'done');
  const lines = (await cluster.output!(id)).trim().split('\n');
  expect(JSON.parse(lines[0]!)).toMatchObject({ event: 'resume' });
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ event: 'done', epoch: 60 });
});

test('a simulation runs, and its answer is right', { timeout: MINUTE }, async () => {
  const id = await cluster.submit!(job(example('heat.mjs', '')));
  await reach(id, 'done');
  expect(JSON.parse(await cluster.output!(id))).toMatchObject({ cells: 400, isRight: true });
});

/** A program of examples/jobs and this Node, where every user may read them: a checkout may be open to its owner alone. */
function example(file: string, options: string): string {
  const node = join(folder, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  const program = readFileSync(join(EXAMPLES, file), 'utf8');
  return `cat > ${file} <<'END'\n${program}\nEND\nexec ${node} ${file} ${options}`;
}

test('pauses and goes on; the pause is none of its time', { timeout: MINUTE }, async () => {
  const id = await cluster.submit!(job('i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'));
  await said(id, '3');
  await cluster.pause!(id);
  const before = await cluster.output!(id);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(await cluster.output!(id)).toBe(before);
  expect((await jobOf(id)).state).toBe('paused');
  await cluster.unpause!(id);
  await until('it goes on', async () => (await cluster.output!(id)).length > before.length);
  // A paused job hears SIGTERM too.
  await cluster.pause!(id);
  await cluster.cancel!(id);
  await reach(id, 'cancelled');
});

describe('limits', () => {
  test('of time; who ignores SIGTERM is killed after the grace', { timeout: MINUTE }, async () => {
    const id = await cluster.submit!(job(`trap '' TERM; while :; do sleep 0.1; done`, { timeLimitMinutes: 0.5 / 60 }));
    expect(await reach(id, 'failed')).toMatchObject({ why: expect.stringMatching(/time limit/) });
  });

  test('of output, and the job goes on', { timeout: MINUTE }, async () => {
    const small = open({ mostOutputMb: 0.001 });
    const id = await small.submit!(job('head -c 5000 /dev/zero | tr "\\0" x; exit 0'));
    await until('it is done', async () => (await jobOf(id, small)).state === 'done');
    expect(await small.output!(id)).toMatch(/^x{1000}\[output ends here: 4000 bytes more were thrown away\]\n$/);
  });

  test('of memory', { timeout: MINUTE }, async () => {
    const id = await cluster.submit!(job('ulimit -d', { memoryMb: 100 }));
    await reach(id, 'done');
    expect(await cluster.output!(id)).toBe(`${100 * 1024}\n`);
  });

  test('of what is kept', { timeout: MINUTE }, async () => {
    const few = open({ keepEnded: 1 });
    const first = await few.submit!(job('true'));
    await until('it is done', async () => (await jobOf(first, few)).state === 'done');
    const second = await few.submit!(job('true'));
    await until('only one is kept', async () => {
      const { jobs } = await few.read();
      return jobs.length === 1 && jobs[0]!.id === second && jobs[0]!.state === 'done';
    });
    expect(readdirSync(join(folder, 'jobs'))).toEqual(['desk-2']);
  });
});

describe('a restart of Busbar', () => {
  test('finds what runs, and knows how it ended meanwhile', { timeout: MINUTE }, async () => {
    const short = await cluster.submit!(job('sleep 0.5; exit 7'));
    const long = await cluster.submit!(job('echo up; sleep 60'));
    await said(long, 'up');
    cluster.close();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    cluster = open();
    expect(await jobOf(short)).toMatchObject({ state: 'failed', why: 'exit code 7' });
    expect((await jobOf(long)).state).toBe('running');
    await cluster.cancel!(long);
    await reach(long, 'cancelled');
  });

  test('says of what is gone that it is gone', { timeout: MINUTE }, async () => {
    const id = await cluster.submit!(job('echo up; sleep 60'));
    await said(id, 'up');
    const pid = Number(readFileSync(join(folder, 'jobs', `desk-${id}`, 'work', 'pid'), 'utf8'));
    process.kill(-pid, 'SIGKILL');
    cluster = open();
    expect(await reach(id, 'failed')).toMatchObject({ why: expect.stringMatching(/gone and left no exit code/) });
  });

  test('takes no stranger for a job of its own', { timeout: MINUTE }, async () => {
    const id = await cluster.submit!(job('echo up; sleep 60'));
    await said(id, 'up');
    const file = join(folder, 'jobs', `desk-${id}`, 'work', 'pid');
    const real = readFileSync(file, 'utf8');
    writeFileSync(file, String(process.pid));
    expect(await processPort(join(folder, 'jobs')).signal(`desk-${id}`, 'SIGTERM')).toBe(false);
    writeFileSync(file, real);
    expect((await jobOf(id)).state).toBe('running');
  });

  test('follows no link that a job has laid', { timeout: MINUTE }, async () => {
    writeFileSync(join(folder, 'secret'), 'of the site', { mode: 0o600 });
    const id = await cluster.submit!(job('true'));
    await reach(id, 'done');
    const output = join(folder, 'jobs', `desk-${id}`, 'work', 'output');
    rmSync(output);
    symlinkSync(join(folder, 'secret'), output);
    expect(await cluster.output!(id)).toBe('');
  });
});
