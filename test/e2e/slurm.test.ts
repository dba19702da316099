import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SLURM_USERS } from '../../scripts/slurm/config.ts';
import { startSlurm, type Slurm } from '../../scripts/slurm/start.ts';
import type { ClusterHandle, JobRequest } from '../../src/clusters/cluster.ts';
import { slurm } from '../../src/clusters/slurm.ts';
import { httpPort } from '../../src/drivers/wire/http.ts';
import { programPort } from '../../src/drivers/wire/program.ts';
import { siteMs, wallMs, type Job, type WorkClass } from '../../src/model/index.ts';
import { bareHost } from '../support/cluster-io.ts';
import { until } from '../support/site/until.ts';
import { rungsOnSlurm } from './slurm-rungs.ts';
import { busbarOnSlurm } from './slurm-site.ts';

/** The cluster `slurm` against Debian's Slurm with sixteen virtual nodes, and the programs of examples/jobs on it. */
const INSTALLED = process.env['SLURM_PATH'];
const LIMIT = { timeout: 60_000 };
const EXAMPLES = join(import.meta.dirname, '..', '..', 'examples', 'jobs');
const USER = SLURM_USERS.busbar;

const classOf = (id: string, partition: string, qos: string, gpu: string): object => ({
  id,
  class: qos === 'reserved' ? 'reserved' : 'batch',
  gpu,
  match: { partition, qos },
});
const CLASSES = [
  classOf('training', 'train', 'batch', 'h100'),
  classOf('serving', 'infer', 'reserved', 'l40s'),
  classOf('simulation', 'sim', 'batch', 'cpu'),
] as WorkClass[];

describe.skipIf(INSTALLED === undefined)('a real Slurm (left out where SLURM_PATH is not set)', () => {
  let site: Slurm;
  let cluster: ClusterHandle;
  let node = '';
  let wallAt = 0;
  const http = httpPort();
  const io = (token?: string) => ({
    ...bareHost(),
    http,
    program: programPort(),
    siteNow: () => siteMs(Date.now()),
    wallNow: () => wallMs(wallAt),
    secret: () => token ?? 'none',
  });
  const open = (over: object = {}, token?: string): ClusterHandle => {
    const scontrol = { conf: site.conf, makesTokens: token === undefined };
    const settings = { url: site.urls[0], user: USER, scontrol, powerLicence: 'site_kw', ...over };
    const config = slurm.config.parse(token === undefined ? settings : { ...settings, token: { env: 'SLURM_JWT' } });
    return slurm.open({ id: 'hpc', config, classes: CLASSES }, io(token));
  };
  const request = (name: string, command: string, over: Partial<JobRequest> = {}): JobRequest => ({
    name,
    script: `#!/bin/sh\n${command}\n`,
    partition: 'train',
    qos: 'batch',
    account: 'acme',
    gpus: 8,
    timeLimitMinutes: 10,
    folder: site.jobsFolder,
    ...over,
  });
  const jobOf = async (id: string): Promise<Job> => (await cluster.read()).jobs.find((job) => job.id === id)!;
  const nodeOf = async (name: string) => (await cluster.read()).nodes.find((one) => one.name === name)!;
  const reach = (id: string, state: Job['state']) =>
    until(`job ${id} ${state}`, async () => (await jobOf(id)).state === state, 30_000);
  /** The lines that a job of examples/jobs has printed. */
  const lines = (file: string): Record<string, unknown>[] =>
    existsSync(join(site.jobsFolder, file))
      ? readFileSync(join(site.jobsFolder, file), 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line) as Record<string, unknown>)
      : [];

  beforeAll(async () => {
    site = await startSlurm();
    // The users of jobs may not read where this checkout and its Node lie.
    node = join(site.folder, 'bin', 'node');
    mkdirSync(join(site.folder, 'bin'));
    copyFileSync(process.execPath, node);
    cpSync(EXAMPLES, join(site.folder, 'bin'), { recursive: true });
    chmodSync(node, 0o755);
    cluster = open();
  }, 60_000);
  afterAll(async () => {
    await site?.stop();
    await http.close();
  });

  test('reads every node, in three partitions, alike by each version of the API', LIMIT, async () => {
    const { nodes } = await cluster.read();
    expect(nodes).toHaveLength(16);
    const one = { address: '127.0.0.1', state: 'idle', isOff: false, gpusUsed: 0, reason: undefined };
    expect(nodes.find(({ name }) => name === 'train003')).toEqual({
      ...one,
      name: 'train003',
      gpuModel: 'h100',
      gpus: 8,
      partitions: ['train'],
    });
    expect(nodes.filter(({ partitions }) => partitions[0] === 'infer')).toHaveLength(4);
    expect(nodes.filter(({ gpus }) => gpus === 0).map(({ partitions }) => partitions)).toEqual(
      Array.from({ length: 4 }, () => ['sim']),
    );
    for (const version of ['v0.0.36', 'v0.0.37', 'v0.0.38']) {
      const read = await open({ version }).read();
      expect(read.nodes, version).toEqual(nodes);
    }
    await expect(open({ version: 'v0.0.39' }).read()).rejects.toMatchObject({ kind: 'unsupported' });
  });

  test('a node moves from one partition to another and back, and jobs follow', LIMIT, async () => {
    await cluster.drain!('sim004', 'moves');
    await cluster.moveNode!('sim004', 'sim', 'infer');
    await cluster.resume!('sim004');
    // Slurm takes a node that was given back for silent until it has answered once.
    await until('it works again', async () => (await nodeOf('sim004')).state === 'idle');
    expect((await nodeOf('sim004')).partitions).toEqual(['infer']);
    // Asked again nothing happens.
    await cluster.moveNode!('sim004', 'sim', 'infer');
    const id = await cluster.submit!(
      request('moved', 'exec sleep 0', { partition: 'infer', qos: 'reserved', gpus: 0 }),
    );
    await reach(id, 'done');
    await cluster.moveNode!('sim004', 'infer', 'sim');
    expect((await nodeOf('sim004')).partitions).toEqual(['sim']);
    await expect(cluster.moveNode!('sim004', 'sim', 'nowhere')).rejects.toThrow(/no partition nowhere/);
  });

  test('two jobs on one node tell whose GPUs are whose; the owner of one is told why it waits', LIMIT, async () => {
    const half = { partition: 'infer', qos: 'reserved', gpus: 2 };
    const ids = [
      await cluster.submit!(request('half-1', 'exec sleep 30', half)),
      await cluster.submit!(request('half-2', 'exec sleep 30', half)),
    ];
    for (const id of ids) await reach(id, 'running');
    const [one, two] = [await jobOf(ids[0]!), await jobOf(ids[1]!)];
    for (const job of [one, two]) expect(job.gpuIndexes).toEqual([expect.any(Array)]);
    expect(one.gpuIndexes![0]).toHaveLength(2);
    if (one.nodes[0] === two.nodes[0]) expect(new Set([...one.gpuIndexes![0]!, ...two.gpuIndexes![0]!]).size).toBe(4);
    await cluster.tellOwner!(one.id, 'price 939; expected to go on at 14:00');
    expect(await site.scontrol('show', 'job', one.id)).toContain(
      'Comment=busbar: price 939; expected to go on at 14:00',
    );
    for (const id of ids) await cluster.cancel!(id);
  });

  test('a simulation runs, and its answer is right', LIMIT, async () => {
    const command = `exec ${node} ${site.folder}/bin/heat.mjs > heat.out`;
    const id = await cluster.submit!(request('heat', command, { partition: 'sim', gpus: 0 }));
    await reach(id, 'done');
    const [answer] = lines('heat.out');
    expect(answer).toMatchObject({ isRight: true });
    expect(answer!['maxError']).toBeLessThan(1e-5);
    expect(answer!['order']).toBeCloseTo(2, 2);
  });

  // They wait most of the time, and so beside each other.
  test.concurrent(
    'a training that is put back in the queue goes on from its checkpoint, and loses nothing',
    LIMIT,
    async () => {
      const train = (name: string, pauseMs: number) =>
        `exec ${node} ${site.folder}/bin/train.mjs --folder ${name} --epochs 120 --pause-ms ${pauseMs} >> ${name}.out`;
      const whole = await cluster.submit!(request('whole', train('whole', 0)));
      const id = await cluster.submit!(request('train', train('train', 60)));
      await reach(id, 'running');
      expect(await nodeOf((await jobOf(id)).nodes[0]!)).toMatchObject({ state: 'mixed', gpusUsed: 8 });
      await until('the training has begun', () => lines('train.out').some(({ event }) => event === 'start'));
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await cluster.requeue!(id);
      await until('the job is stopped', () => lines('train.out').some(({ event }) => event === 'stopped'));
      await until('it has started again', async () => {
        const { state, requeues } = await jobOf(id);
        return state === 'running' && requeues === 1;
      });
      await reach(id, 'done');
      const told = lines('train.out');
      const stopped = told.find(({ event }) => event === 'stopped')!;
      expect(stopped['epoch']).toBeGreaterThan(0);
      expect(stopped['epoch']).toBeLessThan(120);
      expect(told.find(({ event }) => event === 'resume')).toMatchObject({ epoch: stopped['epoch'] });
      const done = told.at(-1)!;
      expect(done).toMatchObject({ event: 'done', epoch: 120 });
      expect(done['accuracy']).toBeGreaterThanOrEqual(0.97);
      // To the last bit what it would have been without the interruption.
      await reach(whole, 'done');
      const weights = (name: string) => readFileSync(join(site.jobsFolder, name, 'checkpoint.json'), 'utf8');
      expect(weights('train')).toBe(weights('whole'));

      const usage = (await cluster.usage!(siteMs(Date.now() - 3_600_000))).find((one) => one.id === id)!;
      expect(usage).toMatchObject({ name: 'train', customer: 'acme', user: USER, starts: 2, energyWh: undefined });
      expect(usage.measuredStarts).toBe(0);
      expect(usage.gpuSeconds).toBe(usage.elapsedS * 8);
      const records = await site.sql(
        `select time_end - time_start from slurm_acct_db.busbar_job_table where id_job = ${id}`,
      );
      const elapsed = records.trim().split('\n').map(Number);
      expect(elapsed).toHaveLength(2);
      expect(usage.elapsedS).toBe(elapsed.reduce((sum, one) => sum + one, 0));
      // What a plug-in that measures would have written: joules, by start.
      await site.sql(
        `update slurm_acct_db.busbar_job_table set tres_alloc = replace(tres_alloc, '3=18446744073709551614', '3=36000') where id_job = ${id}`,
      );
      const measured = (await cluster.usage!(siteMs(Date.now() - 3_600_000))).find((one) => one.id === id)!;
      expect(measured).toMatchObject({ energyWh: 20, measuredStarts: 2 });
    },
  );

  test.concurrent('holds, releases and cancels; a job that ignores signals ends all the same', LIMIT, async () => {
    const stubborn = `trap '' TERM INT HUP USR1\nwhile :; do sleep 1; done`;
    const id = await cluster.submit!(request('stubborn', stubborn));
    await reach(id, 'running');
    await cluster.hold!(id);
    await cluster.requeue!(id);
    await reach(id, 'held');
    await cluster.release!(id);
    await reach(id, 'running');
    await cluster.cancel!(id);
    await until('it has ended', async () => (await jobOf(id)).state === 'cancelled');
    await expect(cluster.hold!('99999')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/Invalid job id.*2017/),
    });
  });

  test.concurrent('drains and resumes its own nodes, and never one that somebody else drained', LIMIT, async () => {
    await cluster.drain!('train008', 'no power until 14:00');
    expect(await nodeOf('train008')).toMatchObject({ state: 'drained', reason: 'busbar: no power until 14:00' });
    await cluster.resume!('train008');
    // For a moment Slurm does not know whether the node still answers.
    await until('it is given back', async () => (await nodeOf('train008')).state === 'idle');
    expect((await nodeOf('train008')).reason).toBeUndefined();

    await site.scontrol('update', 'nodename=train007', 'state=drain', 'reason=new memory on Monday');
    await cluster.drain!('train007', 'no power');
    const theirs = { kind: 'refused', message: /train007 was not taken out by Busbar.*new memory on Monday/ };
    await expect(cluster.resume!('train007')).rejects.toMatchObject(theirs);
    await expect(cluster.powerUp!('train007')).rejects.toMatchObject({ kind: 'refused' });
    expect(await nodeOf('train007')).toMatchObject({ state: 'drained', reason: 'new memory on Monday' });
    await expect(cluster.drain!('train099', 'none')).rejects.toMatchObject({ kind: 'refused' });
    await expect(cluster.drain!('train008 state=down', 'none')).rejects.toMatchObject({
      message: expect.stringMatching(/no name of a node/),
    });
  });

  test.concurrent('switches a node off and on', LIMIT, async () => {
    await cluster.powerDown!('infer001', 'the plan sells its watts');
    await until('it is off', async () => (await nodeOf('infer001')).isOff);
    await until('its slurmd is gone', async () =>
      (await site.scontrol('show', 'node', 'infer001')).includes('POWERED_DOWN'),
    );
    await cluster.powerUp!('infer001');
    const back = await until('it is back', async () => {
      const found = await nodeOf('infer001');
      return found.state === 'idle' && !found.isOff ? found : undefined;
    });
    expect(back).toMatchObject({ gpus: 4, partitions: ['infer'] });
  });

  test.concurrent('a power budget keeps jobs waiting that would exceed it', LIMIT, async () => {
    const licences = 'site_kw:100';
    await cluster.setPowerBudget!(150);
    const first = await cluster.submit!(request('first', 'sleep 60', { licences }));
    await reach(first, 'running');
    const second = await cluster.submit!(request('second', 'sleep 60', { licences }));
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect((await jobOf(second)).state).toBe('pending');
    await cluster.setPowerBudget!(200);
    await reach(second, 'running');
    await cluster.setPowerBudget!(undefined);
    expect(await site.scontrol('show', 'licenses')).toMatch(/Total=400 Used=200 Free=200 Reserved=0/);
    await cluster.cancel!(first);
    await cluster.cancel!(second);
  });

  test('the token is renewed before it expires; one that has expired is named', LIMIT, async () => {
    const seen: (string | undefined)[] = [];
    const world = io();
    const watched = {
      ...world,
      http: {
        ask: (asked: Parameters<typeof http.ask>[0]) => {
          seen.push(asked.headers?.['x-slurm-user-token']);
          return http.ask(asked);
        },
      },
    };
    const settings = { url: site.urls[0], user: USER, scontrol: { conf: site.conf, makesTokens: true } };
    const renewing = slurm.open({ id: 'hpc', config: slurm.config.parse(settings), classes: CLASSES }, watched);
    await renewing.read();
    await renewing.read();
    expect(new Set(seen).size).toBe(1);
    wallAt += 1_300_000;
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await renewing.read();
    expect(new Set(seen).size).toBe(2);

    const expired = await site.token(USER, 1);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const late = open({}, expired);
    const unauthorised = { kind: 'unauthorised', message: /token that has expired/ };
    await expect(late.read()).rejects.toMatchObject(unauthorised);
    await expect(late.hold!('1')).rejects.toMatchObject(unauthorised);
    await expect(late.usage!(siteMs(Date.now()))).rejects.toMatchObject(unauthorised);
    await expect(open({}, 'no-token').read()).rejects.toMatchObject({ kind: 'unauthorised' });
  });

  test('what is down is named, and another slurmrestd is asked', LIMIT, async () => {
    const both = open({ url: site.urls, timeoutMs: 1500 });
    await both.read();
    await site.kill('slurmrestd-0');
    expect((await both.read()).nodes).toHaveLength(16);
    const alone = open({ timeoutMs: 1500 });
    await expect(alone.read()).rejects.toMatchObject({ kind: 'unreachable' });
    await site.start('slurmrestd-0');
    await until('it listens again', () => alone.read().catch(() => undefined));

    await site.kill('slurmdbd');
    const usage = cluster.usage!(siteMs(Date.now()));
    await expect(usage).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/is slurmdbd up/),
    });
    await site.start('slurmdbd');

    await site.kill('slurmctld');
    await expect(both.read()).rejects.toMatchObject({
      kind: 'timeout',
      message: expect.stringMatching(/none of 2 slurmrestd answers/),
    });
    await site.start('slurmctld');
    await until('the controller is back', () => both.read().catch(() => undefined));
    // Its nodes may not have answered it yet: what is sent is taken, and waits for them.
    await reach(await cluster.submit!(request('back', 'exec true')), 'done');
  });

  busbarOnSlurm(() => site);

  test('nothing of it is left behind', LIMIT, async () => {
    await until('nodes are back', async () => (await nodeOf('train001')).state === 'idle');
    await cluster.submit!(request('endless', 'sleep 4242'));
    await until('it runs', () => commands().some((one) => one.startsWith('sleep 4242')));
    await site.stop();
    expect(existsSync(site.folder)).toBe(false);
    expect(commands().filter((one) => one.includes(site.folder) || one.startsWith('sleep 4242'))).toEqual([]);
    for (const url of site.urls) await expect(fetch(url)).rejects.toThrow(/fetch failed/);
  });
});

/** Command lines of all processes of this host. */
const commands = (): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return [];
      }
    });

describe.skipIf(INSTALLED === undefined)('and another after it', () => {
  rungsOnSlurm();
});
