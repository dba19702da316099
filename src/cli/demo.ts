import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { z } from 'zod';
import { isoUtc, siteClock, type ClockSetting } from '../model/index.ts';
import type { ServerMessage } from '../server/main.ts';
import { CliError, print } from './output.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SITE = join(ROOT, 'examples', 'demo-40mw', 'site.yaml');
const SIM = join(ROOT, 'examples', 'demo-40mw', 'sim.yaml');

/** Both processes start while the clock stands at its beginning. */
const START_UP_MS = 5_000;
const HEARTBEAT_MS = 1_000;
const RESTART_MS = 1_000;

interface Options {
  readonly port: number;
  readonly from: number;
  readonly speed: number;
  readonly seed: number;
  readonly data: string;
  readonly fresh?: boolean;
  readonly portOffset: number;
  readonly json?: boolean;
  readonly log: string;
}

const number =
  (least: number, most: number) =>
  (text: string): number => {
    const n = Number(text);
    if (!Number.isFinite(n) || n < least || n > most)
      throw new InvalidArgumentError(`expected a number from ${least} to ${most}`);
    return n;
  };
const moment = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('expected a UTC time such as 2026-03-23T22:45Z');
  return ms;
};

export function demoVerb(program: Command): void {
  program
    .command('demo')
    .description('run the emulated 40 MW site, the server and the pages')
    .option(
      '--port <n>',
      'port of the pages and the API',
      number(1, 65_535),
      Number(process.env['BUSBAR_PORT'] ?? 7400),
    )
    .option('--from <time>', 'site time to begin at, 23 to 29 March 2026', moment, Date.parse('2026-03-23T22:45:00Z'))
    .option('--speed <n>', 'site seconds per second', number(0.1, 240), 30)
    .option('--seed <n>', 'seed of the emulated site', number(0, 2 ** 31), 1)
    .option('--data <folder>', 'where the ledger and the site are kept', join(ROOT, '.busbar', 'demo'))
    .option('--fresh', 'begin anew even if the last run was cut off')
    .option('--port-offset <n>', 'added to every port of the emulated machines', number(0, 20_000), 0)
    .option('--log <level>', 'debug, info, warn, error', 'warn')
    .option('--json', 'print { url, link, from, speed, resumed } in place of text')
    .action((options: Options) => runDemo(options));
}

const runState = z.object({
  clock: z.object({ epochSiteMs: z.number(), epochUnixMs: z.number(), speed: z.number().positive() }),
  siteMs: z.number(),
  endedWell: z.boolean(),
});

async function runDemo(options: Options): Promise<void> {
  await mustBeFree(options.port);
  const { clock, resumed } = openRun(options);
  const site = siteClock(clock, Date.now);
  const saveRun = (endedWell: boolean) => {
    const file = join(options.data, 'run.json');
    writeFileSync(`${file}.new`, JSON.stringify({ clock, siteMs: site.now(), endedWell }));
    renameSync(`${file}.new`, file);
  };
  saveRun(false);
  const heartbeat = setInterval(() => saveRun(false), HEARTBEAT_MS);

  const offset = ['--port-offset', String(options.portOffset)];
  const epoch = [
    '--epoch-site',
    String(clock.epochSiteMs),
    '--epoch-unix',
    String(clock.epochUnixMs),
    '--speed',
    String(clock.speed),
  ];
  const sim = keepAlive(
    'the emulated site',
    join(ROOT, 'sim', 'main.ts'),
    [
      '--site',
      SITE,
      '--sim',
      SIM,
      '--seed',
      String(options.seed),
      '--state',
      join(options.data, 'site-state.json'),
      ...epoch,
      ...offset,
    ],
    options,
  );
  await sim.ready;
  const server = keepAlive(
    'the server',
    join(ROOT, 'src', 'server', 'main.ts'),
    [
      '--site',
      SITE,
      '--data',
      options.data,
      '--port',
      String(options.port),
      '--clock',
      JSON.stringify(clock),
      '--emulated',
      '--log',
      options.log,
      ...offset,
    ],
    options,
  );
  const ready = (await server.ready) as ServerMessage;

  if (options.json === true) {
    print(JSON.stringify({ url: ready.url, link: ready.link, from: isoUtc(site.now()), speed: clock.speed, resumed }));
  } else {
    const pages = existsSync(join(ROOT, 'web', 'dist', 'index.html'));
    print(
      `Busbar runs an emulated 40 MW site from ${isoUtc(site.now())}, ${clock.speed} times as fast as life${resumed ? ' (going on where the last run was cut off; --fresh begins anew)' : ''}.`,
    );
    print(`  ${pages ? 'Page' : 'API (the pages are not built: npm run build)'}   ${ready.url}`);
    print(`  Sign in  ${ready.link}  (good once)`);
    print('Ctrl-C ends it.');
  }

  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    clearInterval(heartbeat);
    await server.stop();
    await sim.stop();
    saveRun(true);
    process.exit(0);
  };
  process.on('SIGINT', () => void end());
  process.on('SIGTERM', () => void end());
}

/** Goes on where a run was cut off; after a run that ended well, or with --fresh, the old one is set aside. */
function openRun(options: Options): { clock: ClockSetting; resumed: boolean } {
  const file = join(options.data, 'run.json');
  const last = existsSync(file) ? runState.safeParse(tryJson(readFileSync(file, 'utf8'))) : undefined;
  const epochUnixMs = Date.now() + START_UP_MS;
  if (last?.success === true && !last.data.endedWell && options.fresh !== true) {
    // The heartbeat may lag: the clock begins where nothing that was written lies ahead of it.
    const epochSiteMs = last.data.siteMs + 2 * HEARTBEAT_MS * last.data.clock.speed;
    return { clock: { epochSiteMs, epochUnixMs, speed: options.speed }, resumed: true };
  }
  if (existsSync(options.data) && readdirSync(options.data).length > 0) {
    if (!existsSync(file)) {
      throw new CliError(
        `${options.data} holds something else than a run of the demo`,
        'name an empty or new folder with --data',
      );
    }
    // The ledger of the last run is kept, one run deep.
    const aside = `${options.data}.last`;
    rmSync(aside, { recursive: true, force: true });
    renameSync(options.data, aside);
  }
  mkdirSync(options.data, { recursive: true, mode: 0o700 });
  return { clock: { epochSiteMs: options.from, epochUnixMs, speed: options.speed }, resumed: false };
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Kept {
  /** The first message of type `ready`. */
  readonly ready: Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts a process, and starts it again when it dies: what it had booked is on disk, and the machines are read anew. */
function keepAlive(name: string, file: string, args: readonly string[], options: Options): Kept {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  let child: ChildProcess;
  let stopping = false;
  let everReady = false;

  function start(): void {
    child = fork(file, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.on('message', (message: { type?: unknown }) => {
      if (message.type !== 'ready') return;
      if (everReady && 'link' in message && options.json !== true)
        print(`${name} is back; sign in again with ${String(message.link)}`);
      everReady = true;
      resolve(message);
    });
    child.on('exit', (code, signal) => {
      if (stopping) return;
      const how = signal ?? `status ${code}`;
      if (!everReady) return reject(new CliError(`${name} did not start (${how})`, 'its own words are above'));
      process.stderr.write(`${name} ended (${how}); it is started again\n`);
      setTimeout(() => !stopping && start(), RESTART_MS);
    });
  }
  start();

  return {
    ready: promise,
    stop() {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      return new Promise((done) => {
        const force = setTimeout(() => child.kill('SIGKILL'), 8_000);
        child.once('exit', () => {
          clearTimeout(force);
          done();
        });
        child.kill('SIGTERM');
      });
    },
  };
}

function mustBeFree(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new CliError(
          `port ${port} cannot be opened (${error.code ?? error.message})`,
          'is another Busbar running? Choose another with --port or BUSBAR_PORT',
        ),
      ),
    );
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()));
  });
}
