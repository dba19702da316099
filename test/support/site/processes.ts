import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Truth } from '../../../sim/truth.ts';
import type { ClockSetting } from '../../../src/model/index.ts';
import { ROOT, type SmallFiles } from './small.ts';

/** The emulated site and the server as processes of their own, to be killed. */

export interface Settings {
  readonly files: SmallFiles;
  readonly clock: ClockSetting;
  readonly offset: number;
  readonly port: number;
}

export interface Process {
  readonly child: ChildProcess;
  /** Ends it at once, as a power cut would, and resolves when it is gone. */
  kill(): Promise<void>;
}

/** What a process is started with besides. */
export interface Extra {
  /** Files loaded before anything else, in each of its threads. */
  readonly imports?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a TypeScript file and resolves with its `ready` message. */
async function start(
  file: string,
  options: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
  { imports = [], env = {} }: Extra = {},
): Promise<Process & { readonly ready: unknown }> {
  const args = [...Object.entries(options).map(([name, value]) => `--${name}=${value}`), ...flags];
  const child = fork(join(ROOT, file), args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: imports.flatMap((one) => ['--import', pathToFileURL(one).href]),
    env: { ...process.env, ...env },
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await gone;
  };
  const ready = await new Promise((resolve, reject) => {
    child.on('message', (message: { type?: unknown }) => {
      if (message.type === 'ready') resolve(message);
    });
    child.once('exit', (code, signal) => reject(new Error(`${file} ended with ${code ?? signal}`)));
  });
  return { child, kill, ready };
}

export interface SimProcess extends Process {
  truth(): Promise<Truth>;
}

export async function startSimProcess({ files, clock, offset }: Settings): Promise<SimProcess> {
  const process = await start('sim/main.ts', {
    site: files.site,
    sim: files.sim,
    seed: '11',
    'epoch-site': String(clock.epochSiteMs),
    'epoch-unix': String(clock.epochUnixMs),
    speed: String(clock.speed),
    'port-offset': String(offset),
    state: join(files.folder, 'site-state'),
  });
  let asked = 0;
  const truth = () =>
    new Promise<Truth>((resolve, reject) => {
      const id = (asked += 1);
      const onMessage = (message: { type?: unknown; id?: unknown; truth?: Truth }) => {
        if (message.type !== 'truth' || message.id !== id) return;
        process.child.off('message', onMessage);
        resolve(message.truth!);
      };
      process.child.on('message', onMessage);
      process.child.send({ type: 'truth', id }, (error) => error && reject(error));
    });
  return { ...process, truth };
}

export interface ServerProcess extends Process {
  readonly url: string;
}

export const storeFile = ({ files }: Settings): string => join(files.folder, 'data', 'busbar.sqlite');

export async function startServerProcess(
  { files, clock, offset, port }: Settings,
  extra: Extra = {},
): Promise<ServerProcess> {
  const options = {
    site: files.site,
    data: join(files.folder, 'data'),
    port: String(port),
    clock: JSON.stringify(clock),
    'port-offset': String(offset),
    log: 'error',
  };
  const process = await start('src/server/main.ts', options, ['--emulated'], extra);
  return { ...process, url: (process.ready as { url: string }).url };
}

/** Process ids of the children of a process. */
export function childrenOf(pid: number): number[] {
  return parents().flatMap(([child, parent]) => (parent === pid ? [child] : []));
}

/** Whether a process runs; one that has ended and was not yet collected does not. */
export const runs = (pid: number): boolean => parents().some(([child]) => child === pid);

/** Process and parent ids of everything that runs here. */
function parents(): [number, number][] {
  if (!existsSync('/proc/self/stat')) {
    const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
    return stdout.split('\n').flatMap((line) => {
      const [pid, parent] = line.trim().split(/\s+/).map(Number);
      return pid === undefined || parent === undefined ? [] : [[pid, parent] as [number, number]];
    });
  }
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state === 'Z' ? [] : [[Number(name), Number(parent)] as [number, number]];
    } catch {
      return [];
    }
  });
}
