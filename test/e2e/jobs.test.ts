import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { activityPage } from '../../src/model/api.ts';
import * as shapes from '../../src/model/jobs-api.ts';
import { localToken, runBusbar, type Ran } from '../support/site/cli.ts';
import {
  startServerProcess,
  startSimProcess,
  type ServerProcess,
  type Settings,
  type SimProcess,
} from '../support/site/processes.ts';
import { freePort, writeSmallSite } from '../support/site/small.ts';
import { until } from '../support/site/until.ts';

/** `busbar job` over a real server: a job of this host outlives the server that started it. */

const LIMIT = { timeout: 180_000 };
const JOBS = mkdtempSync(join(tmpdir(), 'busbar-jobs-'));
const USER = process.getuid?.() === 0 ? { userId: 65_534 } : {};
let settings: Settings;
let sim: SimProcess;
let server: ServerProcess;

beforeAll(async () => {
  chmodSync(JOBS, 0o755);
  const files = writeSmallSite({
    adjust: (raw) => {
      const common = { line: 'hpc', gpu: 'rtx4090', usdPerGpuHour: 0.1 };
      const desk = {
        id: 'desk',
        driver: 'local',
        hall: 'e',
        settings: { cpus: 1, folder: JOBS, ...USER },
        classes: [{ id: 'desk-batch', class: 'batch', match: { partition: 'desk', qos: 'batch' }, ...common }],
      };
      raw.clusters.push(desk);
    },
  });
  const clock = { epochSiteMs: Date.parse('2026-03-24T01:00:00Z'), epochUnixMs: Date.now() + 1_000, speed: 3 };
  settings = { files, clock, offset: 11_600, port: await freePort() };
  sim = await startSimProcess(settings);
  server = await startServerProcess(settings);
}, 120_000);
afterAll(async () => {
  await server?.kill();
  await sim?.kill();
  settings?.files.remove();
  rmSync(JOBS, { recursive: true, force: true });
});

const busbar = (...args: readonly string[]): Promise<Ran> =>
  runBusbar(args, { url: server.url, token: localToken(settings) });
async function good(...args: readonly string[]): Promise<string> {
  const ran = await busbar(...args);
  expect(ran, args.join(' ')).toMatchObject({ status: 0 });
  return ran.out;
}
const list = async (): Promise<shapes.JobsPage> =>
  shapes.jobsPage.parse(JSON.parse(await good('job', 'list', '--json')));
const reach = async (id: string, state: string): Promise<void> => {
  let last: shapes.JobsPage | undefined;
  const isThere = async () => {
    last = await list();
    return last.jobs.some((job) => job.cluster === 'desk' && job.id === id && job.state === state);
  };
  await until(`job ${id} ${state}`, isThere, 40_000).catch((error: unknown) => {
    const told = { clusters: last?.clusters, jobs: last?.jobs.filter(({ cluster }) => cluster === 'desk') };
    throw new Error(JSON.stringify(told), { cause: error });
  });
};
const fetched = (path: string) =>
  fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${localToken(settings)}` } });

async function submit(name: string, script: string): Promise<string> {
  const file = join(settings.files.folder, `${name}.sh`);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  const options = ['--class', 'desk-batch', '--customer', 'acme', '--why', 'a test', '--json'];
  const { cluster, id } = shapes.jobSubmitted.parse(JSON.parse(await good('job', 'submit', file, ...options)));
  expect(cluster).toBe('desk');
  return id;
}

test('submit, list, logs, cancel, through a server that is killed, and all on record', LIMIT, async () => {
  const long = await submit('long', 'echo it runs; sleep 600');
  const next = await submit('next', 'echo after it');
  await reach(long, 'running');
  // The list is of the last reading, which may be from before it was sent.
  await reach(next, 'pending');
  expect(await good('job', 'list')).toMatch(/desk\/1 +long\.sh +running +batch +acme/);
  await until('it has said something', async () => (await good('job', 'logs', `desk/${long}`)) === 'it runs\n');

  await server.kill();
  server = await startServerProcess(settings);
  await reach(long, 'running');
  expect(await good('job', 'cancel', `desk/${long}`, '--why', 'enough')).toMatch(/told to end/);
  await reach(long, 'cancelled');
  await reach(next, 'done');
  expect(JSON.parse(await good('job', 'logs', `desk/${next}`, '--json'))).toEqual({
    cluster: 'desk',
    id: next,
    output: 'after it\n',
  });
  const { activity } = activityPage.parse(await (await fetched('/api/v1/activity?limit=200')).json());
  const told = activity.map(({ what, why }) => `${what}: ${why}`);
  expect(told).toContain(`submit job desk/${long} (long.sh, 0 GPUs, desk-batch, for acme): a test`);
  expect(told).toContain(`cancel job desk/${long}: enough`);
});

test('what cannot be is refused in words', LIMIT, async () => {
  const file = join(settings.files.folder, 'large.sh');
  writeFileSync(file, '#!/bin/sh\n');
  const common = ['--customer', 'acme', '--why', 'a test'];
  const large = await busbar('job', 'submit', file, '--class', 'desk-batch', '--gpus', '8', ...common);
  expect(large).toMatchObject({ status: 1, err: expect.stringMatching(/are for Slurm or Kubernetes/) });
  const nowhere = await busbar('job', 'submit', file, '--class', 'no-class', ...common);
  expect(nowhere).toMatchObject({ status: 1, err: expect.stringMatching(/no class of work "no-class".*desk-batch/s) });
  const gone = await busbar('job', 'cancel', 'desk/99', '--why', 'a test');
  expect(gone).toMatchObject({ status: 1, err: expect.stringMatching(/desk has no job 99/) });
  expect(await busbar('job', 'logs', 'desk')).toMatchObject({ status: 1, err: expect.stringMatching(/CLUSTER\/ID/) });
  // The emulated Slurm keeps the output of its jobs to itself, as a real one does.
  const [slurm] = (await list()).clusters.filter(({ driver }) => driver === 'slurm');
  const elsewhere = await busbar('job', 'logs', `${slurm!.id}/1`);
  expect(elsewhere).toMatchObject({ status: 1, err: expect.stringMatching(/its own file system/) });
});
