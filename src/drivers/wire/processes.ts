import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, chown, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault, type ProcessPort } from '../../model/index.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const STARTED_WITHIN_MS = 5_000;
/** USER_HZ: /proc counts in it on every Linux there is (proc(5)). */
const TICKS_PER_SECOND = 100;

/**
 * Head of the group. It waits for the script whatever signal comes, so that its exit code is known, and so does the part
 * that keeps the output: a job that writes a checkpoint at SIGTERM must still be heard.
 */
const HEAD = `#!/bin/sh
cd "$BUSBAR_JOB" || exit 126
trap : TERM INT HUP USR1 USR2
echo $$ > pid
{
  if [ -n "$BUSBAR_MEMORY_KB" ]; then ulimit -d "$BUSBAR_MEMORY_KB"; fi
  unset BUSBAR_MEMORY_KB
  ../script
  echo $? > exit.new
  mv exit.new exit
} 2>&1 | {
  trap '' TERM INT HUP USR1 USR2
  stdbuf -o0 head -c "$1" > output
  more=$(wc -c)
  if [ "$more" -gt 0 ]; then echo "[output ends here: $more bytes more were thrown away]" >> output; fi
}
`;

/** @param folder where each job has a folder of its own */
export function processPort(folder: string): ProcessPort {
  const at = (name: string): string => {
    if (!NAME.test(name)) throw new Fault('refused', `${JSON.stringify(name)} is no name of a job`);
    return join(folder, name);
  };

  /** Where it runs: its user's own. What Busbar writes lies above, out of reach of links that a job may lay. */
  const workOf = (name: string): string => join(at(name), 'work');

  /** Number of the head of its group, where that still runs: a number may long be somebody else's. */
  async function headOf(name: string): Promise<number | undefined> {
    const own = workOf(name);
    const pid = Number(await textOf(join(own, 'pid')));
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    const environment = await textOf(`/proc/${pid}/environ`);
    return `\0${environment ?? ''}\0`.includes(`\0BUSBAR_JOB=${own}\0`) ? pid : undefined;
  }

  async function state(name: string) {
    const pid = await headOf(name);
    const exit = await textOf(join(workOf(name), 'exit'));
    const code = Number(exit);
    const exitCode = exit === undefined || exit === '' || !Number.isInteger(code) ? undefined : code;
    return { runs: pid !== undefined, ageS: pid === undefined ? undefined : await ageOf(pid), exitCode };
  }

  return {
    async start({ name, script, env, mostOutputBytes, memoryMb, cpus, userId }) {
      demandLinux();
      if (userId === undefined && process.getuid?.() === 0)
        throw new Fault(
          'refused',
          'Busbar runs as root: name the user of jobs (userId in the settings of the cluster)',
        );
      const own = at(name);
      const work = workOf(name);
      const made = await mkdir(folder, { recursive: true });
      await mkdir(work, { recursive: true });
      for (const left of ['pid', 'exit', 'output']) await rm(join(work, left), { recursive: true, force: true });
      for (const [part, text] of [
        ['head', HEAD],
        ['script', script],
      ] as const) {
        await rm(join(own, part), { force: true });
        await writeFile(join(own, part), text, { mode: 0o500 });
      }
      if (userId !== undefined) {
        // Whatever the umask of the server is: its user may enter, and nobody else may read.
        if (made !== undefined) await chmod(folder, 0o711);
        await chmod(own, 0o711);
        for (const part of ['head', 'script', 'work']) await chown(join(own, part), userId, userId);
        await demandOpen(own, userId);
      }
      const command = ['nice', '-n', '10', '/bin/sh', join(own, 'head'), String(mostOutputBytes)];
      const allowed = await allowedCpus();
      const given = cpus.flatMap((n) => allowed[n] ?? []);
      const bound = given.length === 0 ? command : ['taskset', '-c', given.join(','), ...command];
      const memory = memoryMb === undefined ? {} : { BUSBAR_MEMORY_KB: String(memoryMb * 1024) };
      const child = spawn(bound[0]!, bound.slice(1), {
        cwd: work,
        env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', ...env, ...memory, BUSBAR_JOB: work },
        stdio: 'ignore',
        detached: true,
        ...(userId === undefined ? {} : { uid: userId, gid: userId }),
      });
      const failure = new Promise<never>((_, reject) =>
        child.once('error', (error) =>
          reject(new Fault('unsupported', `job ${name}: ${error.message}`, { cause: error })),
        ),
      );
      child.unref();
      await Promise.race([failure, appeared(join(work, 'pid'), name)]);
    },
    look: state,
    async signal(name, signal) {
      demandLinux();
      const pid = await headOf(name);
      if (pid === undefined) return false;
      try {
        return process.kill(-pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
        throw new Fault('refused', `job ${name}: ${(error as Error).message}`, { cause: error });
      }
    },
    output: (name, mostBytes) => lastBytes(join(workOf(name), 'output'), mostBytes),
    remove: (name) => rm(at(name), { recursive: true, force: true }),
  };
}

function demandLinux(): void {
  if (process.platform !== 'linux')
    throw new Fault(
      'unsupported',
      'jobs on this host need Linux: they are found again in /proc; else use Slurm or Kubernetes',
    );
}

/** A job that cannot enter its own folder would die without a word. */
async function demandOpen(path: string, userId: number): Promise<void> {
  for (let at = path; ; at = dirname(at)) {
    const { mode, uid } = await stat(at);
    const mayEnter = uid === userId ? (mode & 0o100) !== 0 : (mode & 0o001) !== 0;
    if (!mayEnter)
      throw new Fault(
        'refused',
        `${at} is closed to user ${userId}: name a folder for jobs in the settings of the cluster`,
      );
    if (at === dirname(at)) return;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}

async function appeared(path: string, name: string): Promise<void> {
  for (let waited = 0; waited < STARTED_WITHIN_MS; waited += 20) {
    if (((await textOf(path)) ?? '') !== '') return;
    await pause(20);
  }
  throw new Fault('timeout', `job ${name} did not start within ${STARTED_WITHIN_MS} ms`);
}

/** Numbers of the CPUs this process may use, `0-3,8`: in a container these need not begin at 0 (proc(5)). */
async function allowedCpus(): Promise<number[]> {
  const list = /^Cpus_allowed_list:\s*([\d,-]+)/m.exec((await textOf('/proc/self/status')) ?? '')?.[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [first = NaN, last = first] = range.split('-').map(Number);
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** The kernel's own clock: right over restarts of Busbar, and untouched by whoever sets the time of day. */
async function ageOf(pid: number): Promise<number | undefined> {
  const stat = await textOf(`/proc/${pid}/stat`);
  const uptime = await textOf('/proc/uptime');
  if (stat === undefined || uptime === undefined) return undefined;
  // The name of the program, in brackets, may hold spaces; the start is the 22nd field.
  const ticks = Number(stat.replace(/^.*\) /s, '').split(' ')[19]);
  return Math.max(0, Number(uptime.split(' ')[0]) - ticks / TICKS_PER_SECOND);
}

async function lastBytes(path: string, most: number): Promise<string> {
  let file;
  try {
    // A job may lay a link to what only Busbar may read.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return '';
  }
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, most));
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8');
  } finally {
    await file.close();
  }
}
