import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { request as plain } from 'undici';
import { SLURM_USERS } from '../scripts/slurm/config.ts';
import { slurmObstacle, startSlurm, type Slurm } from '../scripts/slurm/start.ts';
import type { ClusterHandle, JobRequest } from '../src/clusters/cluster.ts';
import { slurm } from '../src/clusters/slurm.ts';
import { httpPort } from '../src/drivers/wire/http.ts';
import { programPort } from '../src/drivers/wire/program.ts';
import { siteMs, wallMs, type HttpPort, type Job, type WorkClass } from '../src/model/index.ts';
import { bareHost } from '../test/support/cluster-io.ts';
import { askAs } from '../test/support/site/ask.ts';
import type { FleetMachine } from '../src/server/fleet.ts';
import { startSmall, type Small } from '../test/support/site/small.ts';

/** Ports of the emulated machines; the real Slurm listens above them, so that what is added to every port can be taken off its own. */
const OFFSET = 12_900;
const SLURM_PORTS = 24_000;
const NODES = { train: 60, infer: 30, sim: 10 } as const;
const DEFAULT_JOBS = 1_000;
const CYCLES = 20;
const WAITS = 10;
/** A training is stopped after so long on the wall, in the middle between two checkpoints of ten seconds. */
const TRAIN_MS = 15_000;
const EVERY_S = 10;
const LOOK_MS = 20;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const say = (text: string) => process.stderr.write(`${text}\n`);
const round = (value: number, digits = 100): number => Math.round(value * digits) / digits;
const figures = (values: readonly number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
  return { p50: at(0.5), p99: at(0.99), max: round(sorted.at(-1)!) };
};

const classOf = (id: string, partition: string, qos: string, gpu: string): WorkClass =>
  ({
    id,
    class: qos === 'reserved' ? 'reserved' : 'batch',
    line: 'ai',
    gpu,
    match: { partition, qos },
    usdPerGpuHour: 2,
  }) as WorkClass;
const CLASSES = [
  classOf('training', 'train', 'batch', 'h100'),
  classOf('serving', 'infer', 'reserved', 'l40s'),
  classOf('simulation', 'sim', 'batch', 'cpu'),
];

/** The real Slurm of Debian with a hundred virtual nodes: what reading it costs, what Busbar adds to a job's wait, and what giving way loses. */
export async function clustersBench(args: readonly string[]): Promise<Record<string, unknown>> {
  const obstacle = slurmObstacle();
  if (obstacle !== undefined) throw new Error(`this bench needs Debian's Slurm (npm run services slurm): ${obstacle}`);
  const wantedJobs = Number(args[args.indexOf('--jobs') + 1]) || DEFAULT_JOBS;
  say('a Slurm of a hundred nodes starts');
  const site = await startSlurm({ nodes: NODES, portBase: SLURM_PORTS });
  const http = httpPort();
  try {
    const cluster = openCluster(site, http);
    const node = jobFiles(site);
    const preemption = await preemptionOf(site, cluster, node);
    const { waits, rungs } = await besideEmulated(site, cluster);
    const reads = await readsOf(site, cluster, wantedJobs);
    return { cores: cpus().length, ...reads, submitToRunningMs: waits, rungs, rungsOn: 'emulated servers', preemption };
  } finally {
    await http.close();
    await site.stop();
  }
}

function openCluster(site: Slurm, http: HttpPort): ClusterHandle {
  const settings = { url: site.urls[0], user: SLURM_USERS.busbar, scontrol: { conf: site.conf, makesTokens: true } };
  const io = {
    ...bareHost(),
    http,
    program: programPort(),
    siteNow: () => siteMs(Date.now()),
    wallNow: () => wallMs(performance.now()),
    secret: () => '',
  };
  return slurm.open({ id: 'hpc', config: slurm.config.parse(settings), classes: CLASSES }, io);
}

/** Users of jobs may not read where this checkout and its Node lie. @returns the Node of jobs */
function jobFiles({ folder }: Slurm): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  copyFileSync(process.execPath, join(bin, 'node'));
  cpSync(join(import.meta.dirname, '..', 'examples', 'jobs'), bin, { recursive: true });
  chmodSync(join(bin, 'node'), 0o755);
  return join(bin, 'node');
}

const request = ({ jobsFolder }: Slurm, name: string, command: string, over: Partial<JobRequest> = {}): JobRequest => ({
  name,
  script: `#!/bin/sh\n${command}\n`,
  partition: 'train',
  qos: 'batch',
  account: 'acme',
  gpus: 8,
  timeLimitMinutes: 60,
  folder: jobsFolder,
  ...over,
});

const jobOf = async (cluster: ClusterHandle, id: string): Promise<Job | undefined> =>
  (await cluster.read()).jobs.find((job) => job.id === id);

async function reach(cluster: ClusterHandle, id: string, state: Job['state'], withinMs = 120_000): Promise<void> {
  const end = performance.now() + withinMs;
  for (;;) {
    const now = await jobOf(cluster, id);
    if (now?.state === state) return;
    if (performance.now() > end)
      throw new Error(
        `job ${id} was not ${state} within ${withinMs / 1000} s, but ${now?.state ?? 'gone'}: ${now?.why ?? 'it does not say why'}`,
      );
    await sleep(LOOK_MS);
  }
}

interface Line {
  readonly event: string;
  readonly epoch: number;
}

/**
 * The real training of examples/jobs is put back in the queue in the middle of its way. Lost is what it had computed and computes again, in
 * seconds of its own pace; with a checkpoint at SIGTERM and each ten seconds, and with neither.
 */
async function preemptionOf(site: Slurm, cluster: ClusterHandle, node: string) {
  const program = `${node} ${join(site.folder, 'bin', 'train.mjs')} --epochs 5000 --pause-ms 20`;
  async function lost(name: string, command: string): Promise<{ lostS: number; backS: number }> {
    const file = join(site.jobsFolder, `${name}.out`);
    const lines = (): Line[] =>
      existsSync(file)
        ? readFileSync(file, 'utf8')
            .split('\n')
            .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))
        : [];
    const begins = () => lines().filter(({ event }) => event === 'start' || event === 'resume');
    const waitFor = async (what: string, met: () => boolean) => {
      const end = performance.now() + 120_000;
      while (!met()) {
        if (performance.now() > end) throw new Error(`${name}: ${what}`);
        await sleep(LOOK_MS);
      }
    };
    say(`preemption: ${name}`);
    const id = await cluster.submit!(request(site, name, `${command} >> ${name}.out`));
    await waitFor('it did not begin', () => begins().length === 1);
    const begun = performance.now();
    await sleep(TRAIN_MS);
    const ranS = (performance.now() - begun) / 1000;
    const askedAt = performance.now();
    await cluster.requeue!(id);
    await waitFor('it did not begin again', () => begins().length === 2);
    const backS = (performance.now() - askedAt) / 1000;
    const [, again] = begins();
    const stopped = lines().find(({ event }) => event === 'stopped');
    await cluster.cancel!(id);
    // How far it was when it was stopped: by its last word, or all that it ran where it was not let to say one.
    const keptS = stopped === undefined ? 0 : (again!.epoch / stopped.epoch) * ranS;
    return { lostS: round(ranS - keptS), backS: round(backS) };
  }
  const kept = await lost('kept', `exec ${program} --folder kept --every-s ${EVERY_S}`);
  // Each start has a folder of its own: nothing of the one before is found, as with a program that keeps no checkpoint.
  const bare = await lost('bare', `exec ${program} --folder bare-$SLURM_RESTART_COUNT --every-s 100000`);
  return {
    ranSeconds: TRAIN_MS / 1000,
    lostSecondsWithCheckpoint: kept.lostS,
    lostSecondsWithout: bare.lostS,
    backInSecondsWithCheckpoint: kept.backS,
    backInSecondsWithout: bare.backS,
  };
}

/** What needs a whole site beside the Slurm: the emulated small one, whose GPU servers draw what their jobs make them. */
async function besideEmulated(site: Slurm, cluster: ClusterHandle) {
  const [{ port }] = site.urls.map((url) => new URL(url)) as [URL];
  const small = await startSmall({
    offset: OFFSET,
    from: '2026-03-24T01:00:00Z',
    speed: 1,
    adjust(raw) {
      raw.connection.limitMw = 20;
      for (const hall of raw.halls) hall.breakerMw = 10;
      raw.clusters.push({
        id: 'hpc',
        driver: 'slurm',
        hall: 'e',
        settings: {
          url: `http://127.0.0.1:${Number(port) - OFFSET}`,
          user: SLURM_USERS.busbar,
          scontrol: { conf: site.conf, makesTokens: true },
        },
        classes: CLASSES,
      } as never);
    },
  });
  try {
    return { waits: await waitsOf(small, site, cluster), rungs: await rungsOf(small) };
  } finally {
    await small.close();
  }
}

/** From the word to a job that runs: sent to Slurm itself, and by way of the server, its plans and its rules; turn about. */
async function waitsOf(small: Small, site: Slurm, cluster: ClusterHandle) {
  say('waits: with Busbar and without');
  const known = small.runtime.clusters.byId.get('hpc')!;
  while (known.reading === undefined || small.runtime.plan() === undefined) await sleep(200);
  const bare: number[] = [];
  const with_: number[] = [];
  const admin = await askAs(small, 'ann', 'admin');
  for (let i = 0; i < WAITS; i += 1) {
    const asked = performance.now();
    const id = await cluster.submit!(request(site, `bare-${i}`, 'exec sleep 2'));
    await reach(cluster, id, 'running');
    bare.push(performance.now() - asked);
    const started = performance.now();
    const submitted = await submitBy(admin, site, `busbar-${i}`);
    await reach(cluster, submitted, 'running');
    with_.push(performance.now() - started);
  }
  return { without: figures(bare), with: figures(with_), jobsEach: WAITS };
}

/** Watts of the GPUs of a server as they tell it. */
async function gpuWatts({ device }: FleetMachine): Promise<number> {
  const { gpus = [] } = await device.read();
  const watts = gpus.map(({ powerW }) => powerW);
  if (watts.length === 0 || watts.some((one) => one === undefined)) throw new Error('a GPU does not tell its watts');
  return watts.reduce((sum, one) => sum! + one!, 0)!;
}

/** A lower draw has come to rest when it moves by less than this from look to look. */
const RESTS_W = 15;
const RUNG_LOOK_MS = 250;
const RUNG_WATCH_MS = 30_000;

/** How many watts one server with a job on all of its GPUs releases by each rung, and how long until half of them are seen gone. */
async function rungsOf(small: Small) {
  const { fleet, clusters } = small.runtime;
  const slurm = clusters.byId.get('slurm')!;
  /** A server that one job has to itself. */
  const busy = async () => {
    const { nodes, jobs } = await slurm.handle.read();
    for (const job of jobs.filter((one) => one.state === 'running' && one.nodes.length === 1)) {
      const node = nodes.find(({ name }) => name === job.nodes[0])!;
      const member = fleet.machines.find(({ machine }) => machine.address === node.address);
      if (member !== undefined && job.gpus === node.gpus && (await gpuWatts(member)) > 200 * node.gpus)
        return { job, member };
    }
    throw new Error('no emulated server works with all of its GPUs');
  };
  const rungs: { name: string; gpus: number; beforeW: number; releasedW: number; seenMs: number | null }[] = [];
  const measure = async (
    name: string,
    { job, member }: Awaited<ReturnType<typeof busy>>,
    act: () => Promise<void>,
    back: () => Promise<void>,
  ) => {
    say(`rung: ${name}`);
    const beforeW = await gpuWatts(member);
    const asked = performance.now();
    await act();
    const looks: { ms: number; watts: number }[] = [];
    let last = Number.POSITIVE_INFINITY;
    while (performance.now() - asked < RUNG_WATCH_MS) {
      await sleep(RUNG_LOOK_MS);
      const watts = await gpuWatts(member);
      looks.push({ ms: performance.now() - asked, watts });
      if (looks.length > 20 && Math.abs(watts - last) < RESTS_W) break;
      last = watts;
    }
    const releasedW = beforeW - last;
    const seen = releasedW < RESTS_W ? undefined : looks.find(({ watts }) => beforeW - watts >= releasedW / 2);
    rungs.push({
      name,
      gpus: job.gpus,
      beforeW: round(beforeW),
      releasedW: round(releasedW),
      seenMs: seen === undefined ? null : round(seen.ms),
    });
    await back();
    await sleep(5_000);
  };
  const first = await busy();
  const { device } = first.member;
  await measure(
    'lock-clocks',
    first,
    () => device.setClockLimit!(1_200),
    () => device.setClockLimit!(undefined),
  );
  // Of the whole server, as its driver counts.
  const limitW = (await device.inspect?.())?.powerLimitW;
  if (limitW !== undefined)
    await measure(
      'cap-power to 60 %',
      first,
      () => device.setPowerLimit!(0.6 * limitW),
      () => device.setPowerLimit!(limitW),
    );
  const second = await busy();
  await measure(
    'requeue',
    second,
    async () => {
      await slurm.handle.requeue!(second.job.id);
      await slurm.handle.hold!(second.job.id);
    },
    () => slurm.handle.release!(second.job.id),
  );
  return rungs;
}

async function submitBy(
  admin: Awaited<ReturnType<typeof askAs>>,
  { jobsFolder }: Slurm,
  name: string,
): Promise<string> {
  const { status, body } = await admin('POST', '/jobs', {
    class: 'training',
    name,
    script: '#!/bin/sh\nexec sleep 2\n',
    customer: 'acme',
    gpus: 8,
    timeLimitMinutes: 60,
    folder: jobsFolder,
    why: 'a benchmark',
  });
  const { id, detail } = body as { id?: string; detail?: string };
  if (id === undefined) throw new Error(`submit: ${status} ${detail ?? ''}`);
  return id;
}

/** A cycle of the client beside the bare requests it takes, nothing of whose answers is looked at; turn about. */
async function readsOf(site: Slurm, cluster: ClusterHandle, wantedJobs: number) {
  say(`reads: ${wantedJobs} jobs are submitted`);
  for (let i = 0; i < wantedJobs; i += 1) {
    const [partition, qos, gpus] = (
      [
        ['train', 'batch', 8],
        ['infer', 'reserved', 4],
        ['sim', 'batch', 0],
      ] as const
    )[i % 3]!;
    await cluster.submit!(request(site, `job-${i}`, 'exec sleep 3600', { partition, qos, gpus }));
    if (i % 100 === 99) say(`  ${i + 1}`);
  }
  const token = await site.token(SLURM_USERS.busbar, 3_600);
  const headers = { 'x-slurm-user-name': SLURM_USERS.busbar, 'x-slurm-user-token': token };
  let bytes = 0;
  const bare = async (): Promise<void> => {
    const get = async (path: string) => {
      const { statusCode, body } = await plain(`${site.urls[0]}/slurm/v0.0.38/${path}`, { headers });
      if (statusCode !== 200) throw new Error(`${path}: ${statusCode}`);
      bytes += (await body.arrayBuffer()).byteLength;
    };
    await Promise.all([get('nodes/'), get('jobs/')]);
  };
  const [readMs, readCpu, bareMs, bareCpu]: [number[], number[], number[], number[]] = [[], [], [], []];
  const timed = async (act: () => Promise<unknown>, ms: number[], cpu: number[]) => {
    const before = process.cpuUsage();
    const started = performance.now();
    await act();
    ms.push(performance.now() - started);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / 1000);
  };
  const reading = await cluster.read();
  await bare();
  bytes = 0;
  for (let i = 0; i < CYCLES; i += 1) {
    await timed(() => cluster.read(), readMs, readCpu);
    await timed(bare, bareMs, bareCpu);
  }
  return {
    nodes: reading.nodes.length,
    jobs: reading.jobs.filter(({ state }) => state !== 'done' && state !== 'cancelled').length,
    running: reading.jobs.filter(({ state }) => state === 'running').length,
    answerBytes: Math.round(bytes / CYCLES),
    readMs: figures(readMs),
    bareReadMs: figures(bareMs),
    readRatio: round(figures(readMs).p50 / figures(bareMs).p50),
    readCpuMs: figures(readCpu),
    bareReadCpuMs: figures(bareCpu),
  };
}
