import { afterEach, describe, expect, test } from 'vitest';
import { bareHost } from '../../test/support/cluster-io.ts';
import { slurmrestd, type Answer } from '../../test/support/slurmrestd.ts';
import { httpPort } from '../drivers/wire/http.ts';
import { programPort } from '../drivers/wire/program.ts';
import { Fault, siteMs, type ClusterReading, type Job, type WorkClass } from '../model/index.ts';
import { slurm } from './slurm.ts';

const WORLD = { ...bareHost(), program: programPort(), siteNow: () => siteMs(42) };
const TOKEN = 'eyJhbGciOiJIUzI1NiJ9.e30.x';
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const CLASSES = [
  { class: 'reserved', gpu: 'h100', match: { partition: 'h100', qos: 'reserved' } },
  { class: 'batch', gpu: 'a100', match: { partition: 'a100', qos: 'batch' } },
  { class: 'on-demand', gpu: 'a100', match: { partition: 'a100', qos: '' } },
] as unknown as WorkClass[];

const NODE = { name: 'h100-001', address: '10.2.0.1', state: 'mixed', state_flags: [], gres: 'gpu:h100:8(S:0-1)' };
const JOB = {
  job_id: 4101,
  name: 'train-7b',
  account: 'acme',
  partition: 'h100',
  qos: 'reserved',
  job_state: 'RUNNING',
  state_reason: 'None',
  nodes: 'h100-[001-002]',
  tres_req_str: 'cpu=32,mem=100G,node=2,billing=32,gres/gpu=16',
  tres_alloc_str: 'cpu=32,mem=100G,node=2,billing=32,gres/gpu=16,gres/gpu:h100=16',
  submit_time: 1774224000,
  start_time: 1774224600,
  end_time: 1774310400,
  time_limit: 1430,
  restart_cnt: 2,
};
const PENDING = { ...JOB, job_state: 'PENDING', state_reason: 'Priority', nodes: '', tres_alloc_str: '' };

async function open(answers: Record<string, Answer>, token: string | undefined = TOKEN) {
  const { url, requests, close } = await slurmrestd(answers, TOKEN);
  const http = httpPort();
  closers.push(close, () => http.close());
  const io = { ...WORLD, http, secret: () => token ?? '' };
  const config = slurm.config.parse({
    url: `${url}/`,
    version: 'v0.0.38',
    token: { env: 'SLURM_JWT' },
    timeoutMs: 2000,
  });
  return { cluster: slurm.open({ id: 'main', config, classes: CLASSES }, io), requests };
}

async function reading(nodes: readonly object[], jobs: readonly object[]): Promise<ClusterReading> {
  const { cluster } = await open({
    'GET /nodes/': { body: { meta: {}, errors: [], nodes } },
    'GET /jobs/': { body: { meta: {}, errors: [], jobs } },
  });
  return cluster.read();
}
const jobOf = async (change: object): Promise<Job | undefined> => (await reading([], [{ ...JOB, ...change }])).jobs[0];
const nodeOf = async (change: object) => (await reading([{ ...NODE, ...change }], [])).nodes[0];

describe('nodes', () => {
  test('a node as 22.05 writes it', async () => {
    const used = { gres_used: 'gpu:h100:3(IDX:0-2)', partitions: ['h100'], reason: '' };
    expect(await reading([{ ...NODE, ...used }], [])).toEqual({
      at: 42,
      jobs: [],
      nodes: [
        {
          name: 'h100-001',
          address: '10.2.0.1',
          state: 'mixed',
          isOff: false,
          gpuModel: 'h100',
          gpus: 8,
          gpusUsed: 3,
          partitions: ['h100'],
          reason: undefined,
        },
      ],
    });
  });

  test.each([
    ['idle', [], 'idle'],
    ['mixed', ['CLOUD'], 'mixed'],
    ['allocated', [], 'allocated'],
    ['ALLOCATED', [], 'allocated'],
    ['idle*', [], 'idle'],
    ['idle', ['DRAIN'], 'drained'],
    ['mixed', ['drain'], 'drained'],
    ['idle', ['NOT_RESPONDING'], 'down'],
    ['idle', ['DRAIN', 'NOT_RESPONDING'], 'down'],
    ['down', ['DRAIN'], 'down'],
    ['down*', [], 'down'],
    ['future', [], 'unknown'],
    ['', [], 'unknown'],
  ])('state %j with flags %j is %s', async (state, state_flags, expected) => {
    expect((await nodeOf({ state, state_flags }))?.state).toBe(expected);
  });

  test.each([
    ['gpu:h100:8(S:0-1)', 'h100', 8],
    ['gpu:8', undefined, 8],
    ['gpu:H100:8', 'h100', 8],
    ['gpu:2080ti:4', '2080ti', 4],
    ['gpu:1g.5gb:7', '1g.5gb', 7],
    ['nvme:1,gpu:a100:4(S:0),fpga:2', 'a100', 4],
    ['mgpu:3', undefined, 0],
    ['', undefined, 0],
    [null, undefined, 0],
  ])('GRES %j is %s, %i of them', async (gres, gpuModel, gpus) => {
    expect(await nodeOf({ gres })).toMatchObject({ gpuModel, gpus, gpusUsed: 0 });
  });
});

test('a reason is handed on', async () => {
  expect((await nodeOf({ reason: 'Not responding' }))?.reason).toBe('Not responding');
});

describe('jobs', () => {
  test('a running job, its nodes one by one; the end that Slurm expects is not its end', async () => {
    expect(await jobOf({})).toEqual({
      id: '4101',
      name: 'train-7b',
      state: 'running',
      className: 'reserved',
      customer: 'acme',
      gpuModel: 'h100',
      gpus: 16,
      nodes: ['h100-001', 'h100-002'],
      submittedAt: 1774224000_000,
      startedAt: 1774224600_000,
      endedAt: undefined,
      timeLimitS: 1430 * 60,
      requeues: 2,
    });
  });

  test('a pending job has no nodes and no start, even where Slurm expects one', async () => {
    const job = (await reading([], [PENDING])).jobs[0];
    expect(job).toMatchObject({ state: 'pending', nodes: [], gpus: 16, startedAt: undefined, endedAt: undefined });
  });

  test('an ended job has its end', async () => {
    expect(await jobOf({ job_state: 'COMPLETED' })).toMatchObject({ state: 'done', endedAt: 1774310400_000 });
  });

  test('partition and QOS choose the class; a job of neither is left alone', async () => {
    const { jobs } = await reading(
      [],
      [
        { ...JOB, job_id: 1 },
        { ...JOB, job_id: 2, partition: 'a100', qos: 'batch' },
        { ...JOB, job_id: 3, partition: 'a100', qos: null },
        { ...JOB, job_id: 4, partition: 'a100', qos: 'reserved' },
        { ...JOB, job_id: 5, partition: 'cpu', qos: 'normal' },
      ],
    );
    expect(jobs.map(({ id, className, gpuModel }) => [id, className, gpuModel])).toEqual([
      ['1', 'reserved', 'h100'],
      ['2', 'batch', 'a100'],
      ['3', 'on-demand', 'a100'],
    ]);
  });

  test.each([
    ['PENDING', 'Priority', 'pending'],
    ['PENDING', 'JobHeldUser', 'held'],
    ['PENDING', 'JobHeldAdmin', 'held'],
    ['REQUEUED', 'None', 'pending'],
    ['REQUEUE_HOLD', 'JobHeldUser', 'held'],
    ['SPECIAL_EXIT', 'None', 'held'],
    ['CONFIGURING', 'None', 'running'],
    ['RUNNING', 'JobHeldUser', 'running'],
    ['SUSPENDED', 'None', 'paused'],
    ['STOPPED', 'None', 'paused'],
    ['COMPLETING', 'None', 'ending'],
    ['COMPLETED', 'None', 'done'],
    ['CANCELLED', 'None', 'cancelled'],
    ['FAILED', 'NonZeroExitCode', 'failed'],
    ['TIMEOUT', 'TimeLimit', 'failed'],
    ['NODE_FAIL', 'None', 'failed'],
    ['OUT_OF_MEMORY', 'OutOfMemory', 'failed'],
    ['running', 'None', 'running'],
  ])('%s because of %s is %s', async (job_state, state_reason, state) => {
    expect((await jobOf({ job_state, state_reason }))?.state).toBe(state);
  });

  test.each([
    [['RUNNING'], 'running'],
    [['RUNNING', 'STOPPED'], 'paused'],
    [['SUSPENDED'], 'paused'],
    [['CANCELLED', 'COMPLETING'], 'ending'],
  ])('a state and its flags, as from v0.0.40 on: %j is %s', async (job_state, state) => {
    expect((await jobOf({ job_state }))?.state).toBe(state);
  });

  test.each([
    ['cpu=8,gres/gpu=4', '', 4],
    ['cpu=8,gres/gpu=4', 'cpu=8,gres/gpu=2', 2],
    ['', 'cpu=8,gres/gpu:h100=3', 3],
    ['', 'cpu=8,gres/gpu:1g.5gb=2', 2],
    ['cpu=8,mem=4G,gres/gpumem=80G', null, 0],
    [null, null, 0],
  ])('asks %j and has %j: %i GPUs', async (tres_req_str, tres_alloc_str, gpus) => {
    expect((await jobOf({ tres_req_str, tres_alloc_str }))?.gpus).toBe(gpus);
  });

  test('what Slurm has not is not there: no account, no limit, times of zero', async () => {
    const nothing = { account: null, name: null, state_reason: null, time_limit: null, submit_time: 0, start_time: 0 };
    expect(await jobOf({ ...nothing, restart_cnt: null, nodes: null })).toMatchObject({
      customer: '',
      name: '',
      nodes: [],
      timeLimitS: undefined,
      submittedAt: undefined,
      startedAt: undefined,
      requeues: 0,
    });
  });

  test('nodes that are no host list are garbled, not an empty list', async () => {
    await expect(jobOf({ nodes: 'h100-[001-' })).rejects.toMatchObject({ kind: 'garbled', bytes: 'h100-[001-' });
  });
});

describe('writes', () => {
  const ok: Answer = { body: { meta: {}, errors: [] } };

  test('each sends what it should, with user and token, and nothing else', async () => {
    const { cluster, requests } = await open({
      'POST /job/submit': { body: { errors: [], job_id: 77, step_id: 'BATCH' } },
      'POST /job/77': ok,
      'GET /job/77/requeue': ok,
      'DELETE /job/77': ok,
    });
    const job = {
      name: 'n',
      script: '#!/bin/sh\n',
      partition: 'a100',
      qos: 'batch',
      account: 'acme',
      gpus: 4,
      timeLimitMinutes: 90,
    };
    expect(await cluster.submit!(job)).toBe('77');
    await cluster.hold!('77');
    await cluster.release!('77');
    await cluster.requeue!('77');
    await cluster.cancel!('77');
    const environment = { PATH: '/bin:/usr/bin:/usr/local/bin' };
    const sent = {
      name: 'n',
      partition: 'a100',
      qos: 'batch',
      account: 'acme',
      gres: 'gpu:4',
      time_limit: 90,
      environment,
    };
    expect(requests.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['POST', '/job/submit', { script: '#!/bin/sh\n', job: sent }],
      ['POST', '/job/77', { hold: true }],
      ['POST', '/job/77', { hold: false }],
      ['GET', '/job/77/requeue', undefined],
      ['DELETE', '/job/77', undefined],
    ]);
    expect(requests.every(({ user, token }) => user === 'busbar' && token === TOKEN)).toBe(true);
  });

  test('the owner of a job is told in its comment, and what the owner wrote there stays', async () => {
    const told = async (comment: string | null) => {
      const { cluster, requests } = await open({
        'GET /job/77': { body: { errors: [], jobs: [{ job_id: 77, job_state: 'PENDING', comment }] } },
        'POST /job/77': ok,
      });
      await cluster.tellOwner!('77', 'waits: price $900.00/MWh');
      return requests.flatMap(({ method, body }) => (method === 'POST' ? [body] : []));
    };
    const line = { comment: 'busbar: waits: price 900.00/MWh' };
    expect(await told(null)).toEqual([line]);
    expect(await told('busbar: goes on')).toEqual([line]);
    expect(await told('for the paper of June')).toEqual([]);
  });

  test('a Slurm that knows no requeue over REST: unsupported, and the call is named', async () => {
    const { cluster } = await open({});
    await expect(cluster.requeue!('77')).rejects.toMatchObject({
      name: 'Fault',
      kind: 'unsupported',
      message: expect.stringMatching(/GET \/job\/77\/requeue: 404/),
    });
  });

  test('a submit that names no job is garbled', async () => {
    const { cluster } = await open({ 'POST /job/submit': ok });
    const job = { name: 'n', script: 's', partition: 'p', qos: 'q', account: 'a', gpus: 1, timeLimitMinutes: 1 };
    await expect(cluster.submit!(job)).rejects.toMatchObject({ name: 'Fault', kind: 'garbled' });
  });
});

describe('answers that are none', () => {
  const hold = async (answer: Answer) => (await open({ 'POST /job/77': answer })).cluster.hold!('77');
  const failure = (error: object) => ({ body: { meta: {}, errors: [error] } });

  test.each([
    ['error_number', failure({ error: 'Invalid job id', error_number: 2017 }), /Invalid job id \(2017\)/],
    ['errno', failure({ error: 'Invalid job id', errno: 2017 }), /Invalid job id \(2017\)/],
    ['error_code', failure({ error: 'Invalid job id', error_code: 2017 }), /Invalid job id \(2017\)/],
    ['no number', failure({ error: 'Unspecified error' }), /Unspecified error \(-\)/],
    [
      'a status beside it',
      { status: 500, ...failure({ error: 'Access denied', error_number: 2002 }) },
      /Access denied \(2002\)/,
    ],
    ['a bare status', { status: 500, body: { errors: [] } }, /status 500/],
    ['text', { status: 500, body: 'Unable to contact slurmctld' }, /500 Unable to contact slurmctld/],
    ['a job that is gone', { status: 404, ...failure({ error: 'Unable to find job', error_number: 2017 }) }, /2017/],
  ])('an error with %s is refused, in its own words', async (_, answer, message) => {
    await expect(hold(answer)).rejects.toMatchObject({ name: 'Fault', kind: 'refused', message });
  });

  test('errors: null is none', async () => expect(await hold({ body: { errors: null } })).toBeUndefined());

  test('a token that has run out is unauthorised', async () => {
    const { cluster } = await open({}, 'old');
    await expect(cluster.read()).rejects.toMatchObject({
      name: 'Fault',
      kind: 'unauthorised',
      message: expect.stringMatching(/401/),
    });
  });

  test('a plain-text 404 is unsupported', async () => {
    const { cluster } = await open({});
    await expect(cluster.read()).rejects.toMatchObject({
      name: 'Fault',
      kind: 'unsupported',
      bytes: expect.stringMatching(/Unable find/),
    });
  });

  test.each(['not json', '{"jobs": [', {}, [], { jobs: 5 }, { jobs: [{ name: 'no id' }] }])(
    'jobs of %j are garbled',
    async (body) => {
      const { cluster } = await open({ 'GET /nodes/': { body: { errors: [], nodes: [] } }, 'GET /jobs/': { body } });
      await expect(cluster.read()).rejects.toMatchObject({
        name: 'Fault',
        kind: 'garbled',
        message: expect.stringMatching(/GET \/jobs\//),
      });
    },
  );

  test('a token that is not there is told at each call, and one that comes later is taken', async () => {
    const { url, close } = await slurmrestd(
      { 'GET /nodes/': { body: { errors: [], nodes: [] } }, 'GET /jobs/': { body: { errors: [], jobs: [] } } },
      TOKEN,
    );
    const http = httpPort();
    closers.push(close, () => http.close());
    let token: string | undefined;
    const secret = (): string => {
      if (token === undefined) throw new Fault('unauthorised', 'env SLURM_JWT: not set');
      return token;
    };
    const config = slurm.config.parse({ url, token: { env: 'SLURM_JWT' }, version: 'v0.0.38' });
    const cluster = slurm.open({ id: 'main', config, classes: [] }, { ...WORLD, http, secret });
    await expect(cluster.read()).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringMatching(/SLURM_JWT/),
    });
    token = TOKEN;
    await expect(cluster.read()).resolves.toMatchObject({ jobs: [] });
  });
});
