import { describe, expect, test } from 'vitest';
import { bareHost } from '../../../test/support/cluster-io.ts';
import { Fault, wallMs, type HttpRequest, type ProgramRun } from '../../model/index.ts';
import { slurm } from '../slurm.ts';
import { toUsage } from './slurm-shapes.ts';

type Reply = { status?: number; body: unknown } | Fault;
type World = (request: HttpRequest, path: string) => Reply;

const NODE = { name: 'n1', address: '10.0.0.1', state: ['IDLE', 'DRAIN'], gres: 'gpu:h100:8', gres_used: '' };
const OK = { body: { errors: [] } };
const SILENT = new Fault('timeout', 'no answer within 5000 ms');
const JOB = { name: 'n', script: 's', partition: 'p', qos: 'q', account: 'a', gpus: 1, timeLimitMinutes: 1 };

/** A cluster before answers made up here, of releases that no Debian has, and what it asked of them and of scontrol. */
function openWith(world: World, over: object = {}, stderr = '') {
  const asked: string[] = [];
  const bodies: unknown[] = [];
  const programs: ProgramRun[] = [];
  const clock = { wall: 0 };
  let tokens = 0;
  const config = slurm.config.parse({ url: 'http://a:6820', ...over });
  const io = {
    ...bareHost(),
    http: {
      async ask(request: HttpRequest) {
        const path = new URL(request.url).pathname;
        asked.push(`${request.method} ${new URL(request.url).host.split(':')[0]} ${path}`);
        if (request.body !== undefined) bodies.push(JSON.parse(request.body));
        const reply = world(request, path);
        if (reply instanceof Fault) throw reply;
        const body = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
        return { status: reply.status ?? 200, headers: {}, body };
      },
    },
    program: {
      async run(run: ProgramRun) {
        programs.push(run);
        if (stderr !== '') return { code: 1, stdout: '', stderr };
        if (run.args[0] !== 'token') return { code: 0, stdout: '', stderr: '' };
        tokens += 1;
        return { code: 0, stdout: `SLURM_JWT=head.body.number-${tokens}\n`, stderr: '' };
      },
    },
    wallNow: () => wallMs(clock.wall),
    secret: () => 'SLURM_JWT=a.b.c',
  };
  return { cluster: slurm.open({ id: 'hpc', config, classes: [] }, io), asked, bodies, programs, clock };
}

const only =
  (version: number, then: World): World =>
  (request, path) =>
    path.includes(`/v0.0.${version}/`)
      ? path.endsWith('/ping/')
        ? { body: { errors: [], pings: [] } }
        : then(request, path)
      : { status: 404, body: 'Unable find requested URL' };
const empty: World = (_, path) => ({ body: { errors: [], [path.split('/')[3]!]: [] } });

describe('the version', () => {
  test.each([36, 38, 41, 44])('the newest that is there, asked once: %i', async (version) => {
    const world = only(version, (_, path) =>
      path.endsWith('/partitions/') ? { body: { errors: [], partitions: [] } } : empty(_, path),
    );
    const { cluster, asked } = openWith(world);
    await cluster.read();
    const before = asked.length;
    await cluster.read();
    expect(asked.slice(before).every((path) => path.includes(`/v0.0.${version}/`) && !path.includes('ping'))).toBe(
      true,
    );
  });

  test('none that is known here is unsupported', async () => {
    const { cluster } = openWith(only(60, empty));
    await expect(cluster.read()).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringMatching(/v0\.0\.36 to v0\.0\.44/),
    });
  });

  test('states that are lists and numbers that may be unset, as from v0.0.39 on', async () => {
    const { cluster } = openWith(
      only(40, (_, path) => ({
        body: path.endsWith('/nodes/') ? { errors: [], nodes: [NODE] } : { errors: [], jobs: [] },
      })),
    );
    expect((await cluster.read()).nodes[0]).toMatchObject({ state: 'drained', gpus: 8, gpuModel: 'h100' });
  });

  test('from v0.0.39 on nodes are written over REST, and scripts lie inside the job', async () => {
    let flags = ['IDLE'];
    const { cluster, bodies, programs } = openWith(
      only(40, ({ method }, path) => {
        if (path.endsWith('/submit')) return { body: { errors: [], job_id: 5 } };
        if (method === 'POST') flags = ['IDLE', 'DRAIN'];
        return { body: { errors: [], nodes: [{ ...NODE, state: flags }] } };
      }),
    );
    await cluster.drain!('n1', 'no power; "until" 14:00');
    const job = {
      name: 'n',
      script: '#!/bin/sh\n',
      partition: 'p',
      qos: 'q',
      account: 'a',
      gpus: 8,
      timeLimitMinutes: 5,
    };
    await cluster.submit!(job);
    expect(bodies).toEqual([
      { state: ['DRAIN'], reason: 'busbar: no power; until 14:00' },
      {
        job: {
          name: 'n',
          partition: 'p',
          qos: 'q',
          account: 'a',
          time_limit: 5,
          tres_per_node: 'gres/gpu:8',
          script: '#!/bin/sh\n',
          environment: ['PATH=/bin:/usr/bin:/usr/local/bin'],
        },
      },
    ]);
    expect(programs).toEqual([]);
  });
});

describe('several slurmrestd', () => {
  const urls = ['http://a:6820', 'http://b:6820'];
  const version = 'v0.0.38';

  test('the next is asked where one is silent, and stays in use', async () => {
    const { cluster, asked } = openWith(
      (request, path) => (request.url.startsWith('http://a') ? SILENT : empty(request, path)),
      { url: urls, version },
    );
    await cluster.read();
    const before = asked.length;
    await cluster.read();
    expect(asked.slice(before).map((path) => path.split(' ')[1])).toEqual(['b', 'b']);
  });

  test('a job is not submitted to a second one when nobody knows what the first did', async () => {
    const silent = openWith(() => SILENT, { url: urls, version });
    await expect(silent.cluster.submit!(JOB)).rejects.toMatchObject({ kind: 'timeout' });
    expect(silent.asked).toHaveLength(1);
    const refusing = openWith(() => new Fault('unreachable', 'ECONNREFUSED'), { url: urls, version });
    await expect(refusing.cluster.submit!(JOB)).rejects.toMatchObject({
      message: expect.stringMatching(/none of 2 slurmrestd answers/),
    });
    expect(refusing.asked).toHaveLength(2);
  });

  test('a refusal is an answer: nobody else is asked', async () => {
    const { cluster, asked } = openWith(
      () => ({ status: 500, body: { errors: [{ error: 'no', error_number: 2017 }] } }),
      {
        url: urls,
        version,
      },
    );
    await expect(cluster.cancel!('7')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/2017/),
    });
    expect(asked).toHaveLength(1);
  });

  test('a job that is taken although nobody can run it now has its number, and is not refused', async () => {
    const errors = [{ error: 'Required node not available (down, drained or reserved)', error_number: 2068 }];
    const { cluster } = openWith(() => ({ status: 500, body: { errors, job_id: 77 } }), { url: urls, version });
    expect(await cluster.submit!(JOB)).toBe('77');
    const refusing = openWith(() => ({ status: 500, body: { errors, job_id: 0 } }), { url: urls, version });
    await expect(refusing.cluster.submit!(JOB)).rejects.toMatchObject({ kind: 'refused' });
  });

  const answering = (number: number, isTokenGood = true): World => {
    const failed = { status: 500, body: { errors: [{ error: 'so it says', error_number: number }] } };
    return (_, path) => (path.endsWith('/ping/') && isTokenGood ? { body: { errors: [], pings: [] } } : failed);
  };

  test('one that does not reach its controller is silent, as that is: the next is asked', async () => {
    for (const number of [1001, 1800]) {
      const { cluster, asked } = openWith(answering(number), { url: urls, version });
      await expect(cluster.submit!(JOB)).rejects.toMatchObject({ kind: 'unreachable' });
      expect(asked.map((path) => path.split(' ')[1])).toEqual(['a', 'b']);
    }
  });

  test('where the line to the controller broke a job may have been taken: it is not sent again', async () => {
    for (const number of [1803, 5004, 5005]) {
      const { cluster, asked } = openWith(answering(number), { url: urls, version });
      await expect(cluster.submit!(JOB)).rejects.toMatchObject({ kind: 'timeout' });
      expect(asked.filter((path) => path.endsWith('/job/submit'))).toHaveLength(1);
    }
  });

  test("the same is said of another user's token, and told apart by the ping", async () => {
    const { cluster } = openWith(answering(5005, false), { url: urls, version });
    const as = { cluster: 'hpc', user: 'ann', token: { env: 'T' } };
    await expect(cluster.submitAs!(as, JOB)).rejects.toMatchObject({
      kind: 'unauthorised',
      message: expect.stringMatching(/5005.*not of this user; as ann, account a$/),
    });
  });
});

describe('the token', () => {
  const scontrol = { makesTokens: true, conf: '/etc/slurm/slurm.conf', tokenLifetimeS: 100 };

  test('is made by scontrol, without a token in its own environment, and renewed when most of its life is over', async () => {
    const { cluster, programs, clock } = openWith(empty, { version: 'v0.0.38', scontrol });
    await cluster.read();
    clock.wall = 69_000;
    await cluster.read();
    expect(programs).toMatchObject([
      { program: 'scontrol', args: ['token', 'username=busbar', 'lifespan=100'], env: { SLURM_CONF: scontrol.conf } },
    ]);
    expect(programs[0]!.env).not.toHaveProperty('SLURM_JWT');
    clock.wall = 71_000;
    await cluster.read();
    expect(programs).toHaveLength(2);
  });

  test('one that is refused although it should be good is made anew, once', async () => {
    const first = 'head.body.number-1';
    const refused = { status: 500, body: { errors: [{ error: 'Unspecified error', error_number: -1 }], pings: [] } };
    const { cluster, programs } = openWith(
      (request) => (request.headers!['x-slurm-user-token'] === first ? refused : OK),
      { version: 'v0.0.38', scontrol },
    );
    await cluster.hold!('7');
    expect(programs).toHaveLength(2);
    const never = openWith(() => refused, { version: 'v0.0.38', scontrol });
    await expect(never.cluster.hold!('7')).rejects.toMatchObject({ kind: 'unauthorised' });
    expect(never.programs).toHaveLength(2);
  });

  test('a file may hold what scontrol printed, and the same error with a good token is a refusal', async () => {
    const seen: (string | undefined)[] = [];
    const { cluster } = openWith(
      (request, path) => {
        seen.push(request.headers!['x-slurm-user-token']);
        if (path.endsWith('/ping/')) return { body: { errors: [], pings: [] } };
        return { status: 500, body: { errors: [{ error: 'Unspecified error', error_number: -1 }] } };
      },
      { version: 'v0.0.38', token: { file: 'slurm.jwt' } },
    );
    await expect(cluster.hold!('7')).rejects.toMatchObject({ kind: 'refused' });
    expect(new Set(seen)).toEqual(new Set(['a.b.c']));
  });
});

describe('scontrol', () => {
  const settings = { version: 'v0.0.38', scontrol: {}, token: { env: 'T' } };
  const plain: World = (_, path) =>
    path.endsWith('/requeue')
      ? { status: 404, body: 'Unable find requested URL' }
      : {
          body: { errors: [], nodes: [{ ...NODE, state: 'idle', state_flags: ['DRAIN'], reason: 'busbar: no power' }] },
        };

  test('does what this REST cannot, with the token of its user', async () => {
    const { cluster, programs } = openWith(plain, settings);
    await cluster.requeue!('77');
    expect(programs).toMatchObject([{ args: ['requeue', '77'], env: { SLURM_JWT: 'a.b.c' } }]);
  });

  test('what it took and did not do is a fault', async () => {
    const { cluster } = openWith(plain, settings);
    await expect(cluster.resume!('n1')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/did nothing.*DRAIN/),
    });
  });

  test.each([
    ['slurm_update error: Unable to contact slurm controller (connect failure)', 'unreachable'],
    ['slurm_update error: Access/permission denied', 'unauthorised'],
    ['Invalid job id specified for job 77', 'refused'],
  ])('%s is %s', async (stderr, kind) => {
    const { cluster } = openWith(plain, settings, stderr);
    await expect(cluster.requeue!('77')).rejects.toMatchObject({ name: 'Fault', kind });
  });

  test.each(['1; reboot', '-1', '1 state=down', '', '1\n2'])('no job is named %j', async (id) => {
    const { cluster, programs, asked } = openWith(plain, settings);
    for (const act of ['requeue', 'cancel', 'hold', 'release', 'pause', 'unpause'] as const)
      await expect(cluster[act]!(id)).rejects.toMatchObject({
        kind: 'refused',
        message: expect.stringMatching(/no number of a job/),
      });
    expect([...programs, ...asked]).toEqual([]);
  });

  test.each(['n1 state=down', '../n1', '-n', 'ALL,n2', ''])('no node is named %j', async (name) => {
    const { cluster, programs, asked } = openWith(plain, settings);
    await expect(cluster.drain!(name, 'why')).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/no name of a node/),
    });
    expect([...programs, ...asked]).toEqual([]);
  });
});

test('usage: the starts of a requeued job are summed, the same record twice is counted once', () => {
  const record = (start: number, elapsed: number, joules: number | undefined) => ({
    job_id: 9,
    name: 'n',
    account: 'acme',
    user: 'u',
    partition: 'p',
    time: { elapsed, start, submission: start - 1 },
    tres: {
      allocated: [
        { type: 'gres', name: 'gpu', count: 4 },
        { type: 'gres', name: 'gpu:h100', count: 4 },
        { type: 'energy', name: '', count: joules },
      ],
    },
  });
  const first = record(100, 60, 7200);
  const second = record(300, 30, undefined);
  expect(toUsage([first, second, first])).toEqual([
    {
      id: '9',
      name: 'n',
      customer: 'acme',
      user: 'u',
      starts: 2,
      elapsedS: 90,
      gpuSeconds: 360,
      energyWh: 2,
      measuredStarts: 1,
    },
  ]);
  expect(toUsage([second])[0]!.energyWh).toBeUndefined();
});
