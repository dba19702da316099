import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { z } from 'zod';
import { EMULATED_PORTS, isoUtc, siteClock, type ClockSetting } from '../model/index.ts';
import type { ServerMessage } from '../server/main.ts';
import { number } from './options.ts';
import { keepAlive, type Kept } from './keep-alive.ts';
import { rememberLocalToken } from './local-tokens.ts';
import { CliError, print, stageLine } from './output.ts';
import { mustBeFree } from './ports.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SITE = join(ROOT, 'examples', 'demo-40mw', 'site.yaml');
/** What the markets are in a rehearsal of a site with live feeds. */
const MARKETS = join(ROOT, 'examples', 'week-2026-03-23');

/** Both processes start while the clock stands at its beginning. */
const START_UP_MS = 5_000;
const HEARTBEAT_MS = 1_000;
/** The highest of the emulator's ports must stay one. */
const MOST_OFFSET = 65_535 - Math.max(...Object.values(EMULATED_PORTS));

interface Options {
  readonly port: number;
  readonly from: number;
  readonly speed: number;
  readonly seed: number;
  readonly data?: string;
  readonly fresh?: boolean;
  readonly portOffset: number;
  readonly json?: boolean;
  readonly log: string;
}

const moment = (text: string): number => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new InvalidArgumentError('expected a UTC time such as 2026-03-23T22:45Z');
  return ms;
};

export function demoVerb(program: Command): void {
  program
    .command('demo')
    .description('run an emulated site, the server and the pages: 40 MW of it, or a rehearsal of your own site file')
    .argument(
      '[site.yaml]',
      'a site file, played on loopback with the recorded markets; a sim.yaml beside it is followed',
      SITE,
    )
    .option(
      '--port <n>',
      'port of the pages and the API',
      number(1, 65_535),
      Number(process.env['BUSBAR_PORT'] ?? 7400),
    )
    .option('--from <time>', 'site time to begin at, 23 to 29 March 2026', moment, Date.parse('2026-03-23T22:45:00Z'))
    .option('--speed <n>', 'site seconds per second', number(0.1, 240), 30)
    .option('--seed <n>', 'seed of the emulated site', number(0, 2 ** 31), 1)
    .option(
      '--data <folder>',
      'where the ledger and the site are kept (default: .busbar/demo, or demo-<folder of the site file>)',
    )
    .option('--fresh', 'begin anew even if the last run was cut off')
    .option('--port-offset <n>', 'added to every port of the emulated machines', number(0, MOST_OFFSET), 0)
    .option('--log <level>', 'debug, info, warn, error', 'warn')
    .option('--json', 'print { url, link, from, speed, resumed } in place of text')
    .action((site: string, options: Options) => runDemo(resolve(site), options));
}

const runState = z.object({
  clock: z.object({ epochSiteMs: z.number(), epochUnixMs: z.number(), speed: z.number().positive() }),
  seed: z.number(),
  siteMs: z.number(),
  endedWell: z.boolean(),
});

/** A run with its files named. */
type Run = Options & { readonly site: string; readonly data: string };

async function runDemo(site: string, given: Options): Promise<void> {
  if (!existsSync(site)) throw new CliError(`${site}: no such file`);
  const name = site === SITE ? 'demo' : `demo-${basename(dirname(site))}`;
  const options: Run = { ...given, site, data: given.data ?? join(ROOT, '.busbar', name) };
  await mustBeFree(options.port);
  const { clock, resumed } = openRun(options);
  const time = siteClock(clock, Date.now);
  const saveRun = (endedWell: boolean) => {
    const file = join(options.data, 'run.json');
    writeFileSync(`${file}.new`, JSON.stringify({ clock, seed: options.seed, siteMs: time.now(), endedWell }));
    renameSync(`${file}.new`, file);
  };
  saveRun(false);
  const heartbeat = setInterval(() => saveRun(false), HEARTBEAT_MS);
  const line = stageLine(options.json !== true);
  const started: Kept[] = [];
  const end = async (endedWell: boolean): Promise<void> => {
    clearInterval(heartbeat);
    await Promise.all(started.map((one) => one.stop()));
    saveRun(endedWell);
  };
  const stop = () => void end(true).then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);

  try {
    line.show('starting the emulated site');
    const sim = keepAlive('the emulated site', join(ROOT, 'sim', 'main.ts'), simArguments(options, clock), () => {});
    started.push(sim);
    await sim.ready;
    line.show('starting the server');
    const server = keepAlive(
      'the server',
      join(ROOT, 'src', 'server', 'main.ts'),
      serverArguments(options, clock),
      (message) => {
        if (options.json !== true && 'link' in message)
          print(`the server is back; sign in again with ${String(message.link)}`);
      },
    );
    started.push(server);
    const { url, link, warnings } = (await server.ready) as ServerMessage;
    line.clear();
    rememberLocalToken(url, join(options.data, 'local-token'));
    if (options.json === true)
      print(JSON.stringify({ url, link, from: isoUtc(time.now()), speed: clock.speed, resumed }));
    else {
      greet(options, url, link, clock, resumed);
      for (const warning of warnings) print(`Note: ${warning}.`);
      print('Ctrl-C ends it.');
    }
  } catch (error) {
    line.clear();
    await end(false);
    throw error;
  }
}

function simArguments(options: Run, clock: ClockSetting): string[] {
  const state = join(options.data, 'site-state.json');
  const epoch = [
    '--epoch-site',
    String(clock.epochSiteMs),
    '--epoch-unix',
    String(clock.epochUnixMs),
    '--speed',
    String(clock.speed),
  ];
  const offset = ['--port-offset', String(options.portOffset)];
  const sim = join(dirname(options.site), 'sim.yaml');
  const behaviour = existsSync(sim) ? ['--sim', sim] : [];
  return ['--site', options.site, ...behaviour, '--seed', String(options.seed), '--state', state, ...epoch, ...offset];
}

function serverArguments(options: Run, clock: ClockSetting): string[] {
  const where = ['--data', options.data, '--port', String(options.port), '--port-offset', String(options.portOffset)];
  return [
    '--site',
    options.site,
    '--markets',
    MARKETS,
    ...where,
    '--clock',
    JSON.stringify(clock),
    '--emulated',
    '--log',
    options.log,
  ];
}

function greet(options: Run, url: string, link: string, { epochSiteMs, speed }: ClockSetting, resumed: boolean): void {
  const pages = existsSync(join(ROOT, 'web', 'dist', 'index.html'));
  const again = resumed ? ' (going on where the last run was cut off; --fresh begins anew)' : '';
  const what = options.site === SITE ? 'an emulated 40 MW site' : `a rehearsal of ${options.site}`;
  print(`Busbar runs ${what} from ${isoUtc(epochSiteMs)}, ${speed} times as fast as life${again}.`);
  print(`  ${pages ? 'Page    ' : 'API (the pages are not built: npm run build)'} ${url}`);
  print(`  Sign in  ${link}  (good once)`);
}

/** Goes on where a run was cut off; after a run that ended well, or with --fresh, the old one is set aside. */
function openRun(options: Run): { clock: ClockSetting; resumed: boolean } {
  const file = join(options.data, 'run.json');
  const last = existsSync(file) ? runState.safeParse(tryJson(readFileSync(file, 'utf8'))) : undefined;
  const epochUnixMs = Date.now() + START_UP_MS;
  if (last?.success === true && !last.data.endedWell && last.data.seed === options.seed && options.fresh !== true) {
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
