import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClockSetting } from '../src/model/index.ts';
import { checkSiteFile } from '../src/server/offline/check.ts';
import type { Measurements } from '../src/server/runtime.ts';

const ROOT = join(import.meta.dirname, '..');
const SITE = join(ROOT, 'examples', 'demo-40mw', 'site.yaml');
const SIM = join(ROOT, 'examples', 'demo-40mw', 'sim.yaml');
const OFFSET = 8_000;
const PORT = 7_499;

interface Usage {
  readonly cpuSeconds: number;
  readonly rssMB: number;
}

interface Running {
  measure(): Promise<Measurements>;
  usage(): { server: Usage; sim: Usage };
  stop(): Promise<void>;
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const say = (text: string) => process.stderr.write(`${text}\n`);
const median = (list: readonly number[]): number | null => {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted.length === 0 ? null : Math.round(sorted[Math.floor(sorted.length / 2)]! * 10) / 10;
};

/** Processor time and resident memory as the kernel counts them (Linux). */
function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const rssKb = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return { cpuSeconds: ticks / 100, rssMB: Math.round(rssKb / 1024) };
}

function ready(child: ChildProcess, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: { type?: unknown }) => message.type === 'ready' && resolve());
    child.on('exit', (code) => reject(new Error(`${name} ended with status ${code ?? 'unknown'}`)));
  });
}

async function start(from: string, speed: number, folder: string): Promise<Running> {
  const clock: ClockSetting = { epochSiteMs: Date.parse(from), epochUnixMs: Date.now() + 4_000, speed };
  const options = { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] as ('ignore' | 'inherit' | 'ipc')[] };
  const epoch = [
    '--epoch-site',
    String(clock.epochSiteMs),
    '--epoch-unix',
    String(clock.epochUnixMs),
    '--speed',
    String(speed),
  ];
  const sim = fork(
    join(ROOT, 'sim', 'main.ts'),
    ['--site', SITE, '--sim', SIM, '--seed', '1', '--port-offset', String(OFFSET), ...epoch],
    options,
  );
  await ready(sim, 'the emulated site');
  const server = fork(
    join(ROOT, 'src', 'server', 'main.ts'),
    [
      '--site',
      SITE,
      '--data',
      folder,
      '--port',
      String(PORT),
      '--clock',
      JSON.stringify(clock),
      '--emulated',
      '--log',
      'error',
      '--port-offset',
      String(OFFSET),
    ],
    options,
  );
  await ready(server, 'the server');
  const end = (child: ChildProcess) =>
    new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
    });
  return {
    measure: () =>
      new Promise((resolve) => {
        const listen = (message: { type?: unknown; measurements?: Measurements }) => {
          if (message.type !== 'measurements' || message.measurements === undefined) return;
          server.off('message', listen);
          resolve(message.measurements);
        };
        server.on('message', listen);
        server.send({ type: 'measure' });
      }),
    usage: () => ({ server: usageOf(server.pid!), sim: usageOf(sim.pid!) }),
    async stop() {
      await end(server);
      await end(sim);
    },
  };
}

/** Share of one core, over a span of wall time. */
function share(before: Usage, after: Usage, wallMs: number): number {
  return Math.round(((after.cpuSeconds - before.cpuSeconds) / (wallMs / 1000)) * 1000) / 1000;
}

/** The yardstick: the same sockets asked the same first question, with the answer thrown away. */
async function bareSweepMs(): Promise<number> {
  const checked = await checkSiteFile(SITE);
  if (!checked.ok) throw new Error('the demo site is not good');
  const hosts = checked.machines.filter(({ kind }) => kind === 'asic').map(({ address }) => address);
  const started = performance.now();
  let next = 0;
  const lane = async () => {
    for (let host = hosts[next++]; host !== undefined; host = hosts[next++]) await bareAsk(host);
  };
  await Promise.all(Array.from({ length: 256 }, lane));
  return performance.now() - started;
}

function bareAsk(host: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 4028 + OFFSET, noDelay: true });
    const timer = setTimeout(() => socket.destroy(), 3_000);
    socket.on('connect', () => socket.write('{"command":"summary"}'));
    socket.on('data', () => {});
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/**
 * Two site hours of the demo at 30x for reading and planning, then at 1x the answer to the price of 23 March 23:15Z,
 * which goes from $38 to $95 and puts most miners to sleep.
 */
export async function loopBench(): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-bench-'));
  try {
    say('two site hours at 30x (4 minutes)');
    const fast = await start('2026-03-23T22:45:00Z', 30, join(folder, 'fast'));
    await sleep(4_000);
    const before = fast.usage();
    const fastStarted = performance.now();
    await sleep((2 * 3_600_000) / 30);
    const fastAfter = fast.usage();
    const fastMs = performance.now() - fastStarted;
    const fastMeasured = await fast.measure();
    await fast.stop();

    say('at 1x: three minutes to settle, then the price jump, then four minutes');
    const slow = await start('2026-03-23T23:12:00Z', 1, join(folder, 'slow'));
    await sleep(150_000);
    say('yardstick: bare sockets');
    const bareMs = await bareSweepMs();
    await sleep(Math.max(0, 26_000 - bareMs));
    const slowBefore = slow.usage();
    const slowStarted = performance.now();
    await sleep(240_000);
    const slowAfter = slow.usage();
    const slowMs = performance.now() - slowStarted;
    const slowMeasured = await slow.measure();
    await slow.stop();

    // The first act sets the site up; the price jump is the largest after it.
    const answer = slowMeasured.responses.slice(1).toSorted((a, b) => b.commands - a.commands)[0];
    const seen = answer?.seenMs ?? [];
    const readAllMs = median(slowMeasured.readAllMs);
    return {
      machines: 9_100,
      cores: cpus().length,
      readAllMs,
      readAnswered: slowMeasured.readAnswered,
      bareSweepMs: Math.round(bareMs),
      readAllOverBare: readAllMs === null ? null : Math.round((readAllMs / bareMs) * 100) / 100,
      planColdMs: Math.round(fastMeasured.planMs[0]?.ms ?? Number.NaN),
      planWarmMs: median(fastMeasured.planMs.slice(1).map(({ ms }) => ms)),
      solveWarmMs: median(fastMeasured.planMs.slice(1).map(({ solveMs }) => solveMs)),
      plans: fastMeasured.planMs.length,
      plansByMeritOrder: fastMeasured.planMs.filter(({ solver }) => solver !== 'highs').length,
      eventCommands: answer?.commands ?? null,
      eventToLastCommandMs: answer?.lastSentMs ?? null,
      eventToLastWakeMs: answer?.lastWakeSentMs ?? null,
      eventToLastAcknowledgedMs: answer?.lastAcknowledgedMs ?? null,
      eventToHalfSeenMs: seen[Math.ceil(0.5 * (answer?.commands ?? 0)) - 1] ?? null,
      eventTo99PercentSeenMs: seen[Math.ceil(0.99 * (answer?.commands ?? 0)) - 1] ?? null,
      eventToLastSeenMs: seen.at(-1) ?? null,
      eventSeen: seen.length,
      eventToMeterMs: answer?.lastMeterMs ?? null,
      cpuShare: {
        server: share(slowBefore.server, slowAfter.server, slowMs),
        sim: share(slowBefore.sim, slowAfter.sim, slowMs),
      },
      cpuShareAt30x: {
        server: share(before.server, fastAfter.server, fastMs),
        sim: share(before.sim, fastAfter.sim, fastMs),
      },
      rssMB: { server: slowAfter.server.rssMB, sim: slowAfter.sim.rssMB },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
