/**
 * Debian's Slurm on this host, real in every part: munge, MariaDB, slurmdbd, slurmctld, a slurmd for each virtual node,
 * and two slurmrestd with JWT. No systemd, and everything in one folder that is gone after `stop`.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  ACCOUNTS,
  CLUSTER,
  gresConf,
  MOST_GPUS,
  nodeNames,
  pathsOf,
  portsOf,
  powerScript,
  QOS,
  SLURM_USERS,
  slurmConf,
  slurmdbdConf,
  type SlurmShape,
} from './config.ts';

const run = promisify(execFile);
const READY_MS = 60_000;
/** In the environment of every daemon, and so of the steps they start: what is ours is known by it. */
const MARK = 'BUSBAR_TEST_SLURM';

export interface Slurm {
  readonly folder: string;
  /** Value of SLURM_CONF: `scontrol` finds the cluster by it. */
  readonly conf: string;
  /** Two slurmrestd of one controller. */
  readonly urls: readonly [string, string];
  /** Where jobs may write. */
  readonly jobsFolder: string;
  readonly nodes: readonly string[];
  /** A fresh token of a user. */
  token(user: string, lifetimeS?: number): Promise<string>;
  scontrol(...args: string[]): Promise<string>;
  /** One statement in the accounting database. */
  sql(statement: string): Promise<string>;
  /** Kills a daemon as a power cut would: `slurmctld`, `slurmrestd-0`, or a node. */
  kill(daemon: string): Promise<void>;
  start(daemon: string): Promise<void>;
  stop(): Promise<void>;
}

/** Why Slurm cannot run here although it is installed; undefined where it can. */
export function slurmObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'its daemons run as three users: start this as root';
  const folder = mkdtempSync(join(tmpdir(), 'busbar-mknod-'));
  try {
    execFileSync('mknod', [join(folder, 'gpu'), 'c', '1', '3'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim() ?? String(error);
    return `mknod was refused (${said}): virtual GPUs are device files, which takes CAP_MKNOD`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws Error that says which part did not start, with the last lines of its log */
export async function startSlurm(over: Partial<Omit<SlurmShape, 'folder'>> = {}): Promise<Slurm> {
  const obstacle = slurmObstacle();
  if (obstacle !== undefined) throw new Error(`Slurm cannot run here: ${obstacle}`);
  const shape: SlurmShape = {
    folder: mkdtempSync(join(tmpdir(), 'busbar-slurm-')),
    portBase: 7600,
    nodes: { train: 8, infer: 4, sim: 4 },
    ...over,
  };
  const site = new SlurmSite(shape);
  try {
    await site.up();
  } catch (error) {
    await site.stop();
    throw error;
  }
  return site;
}

class SlurmSite implements Slurm {
  readonly folder: string;
  readonly conf: string;
  readonly urls: readonly [string, string];
  readonly jobsFolder: string;
  readonly nodes: readonly string[];
  private readonly shape: SlurmShape;
  private readonly paths: ReturnType<typeof pathsOf>;
  private readonly env: NodeJS.ProcessEnv;
  private readonly daemons = new Map<string, ChildProcess>();
  private powerTimer: NodeJS.Timeout | undefined;
  private powerSeen = 0;
  private readonly rebooted = new Set<string>();

  constructor(shape: SlurmShape) {
    this.shape = shape;
    this.folder = shape.folder;
    this.paths = pathsOf(shape);
    this.conf = this.paths.conf;
    this.jobsFolder = this.paths.jobs;
    this.nodes = nodeNames(shape);
    const [first, second] = portsOf(shape).rest;
    this.urls = [`http://127.0.0.1:${first}`, `http://127.0.0.1:${second}`];
    this.env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', SLURM_CONF: this.conf };
  }

  async up(): Promise<void> {
    const { database, accounting, controller, rest } = portsOf(this.shape);
    await this.demandFreePorts([database, accounting, controller, ...rest]);
    const password = randomBytes(12).toString('hex');
    this.writeFiles(password);
    await Promise.all([this.start('munged'), this.startDatabase(password)]);
    await this.start('slurmdbd');
    await this.until('slurmdbd', () => opens(accounting));
    await this.addAccounts();
    await this.start('slurmctld');
    await this.until('slurmctld', async () => (await this.scontrol('ping')).includes('UP'));
    await Promise.all([...this.nodes, 'slurmrestd-0', 'slurmrestd-1'].map((daemon) => this.start(daemon)));
    await this.until('slurmrestd-0', () => opens(rest[0]));
    await this.until('slurmrestd-1', () => opens(rest[1]));
    await this.until('slurmctld', async () => {
      const { stdout } = await run('sinfo', ['--noheader', '--Node', '--format=%T'], { env: this.env });
      return !/(unknown|down|inval|\*)/i.test(stdout);
    });
    this.powerTimer = setInterval(() => void this.followPower(), 200);
  }

  async token(user: string, lifetimeS = 1800): Promise<string> {
    const said = await this.scontrol('token', `username=${user}`, `lifespan=${lifetimeS}`);
    return said.trim().replace('SLURM_JWT=', '');
  }

  async scontrol(...args: string[]): Promise<string> {
    return (await run('scontrol', args, { env: this.env })).stdout;
  }

  async sql(statement: string): Promise<string> {
    const socket = `--socket=${this.paths.mysql}/socket`;
    const args = ['--no-defaults', socket, '--batch', '--skip-column-names', '-e', statement];
    return (await run('mariadb', args, { env: this.env })).stdout;
  }

  async kill(daemon: string): Promise<void> {
    const child = this.daemons.get(daemon);
    if (child === undefined) return;
    this.daemons.delete(daemon);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Starts one daemon in the foreground of a process of ours, which ends it when we end in whatever way. */
  async start(daemon: string): Promise<void> {
    const [user, ...command] = this.commandOf(daemon);
    const as = user === 'root' ? [] : [`--reuid=${user}`, `--regid=${user}`, '--init-groups'];
    const jwt = daemon.startsWith('slurmrestd') ? { SLURM_JWT: 'daemon' } : {};
    const child = spawn('setpriv', [...as, '--pdeathsig=KILL', '--', ...command], {
      env: { ...this.env, ...jwt, [MARK]: this.folder },
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr.on('data', (chunk) => writeFileSync(`${this.paths.logs}/${daemon}.out`, String(chunk), { flag: 'a' }));
    this.daemons.set(daemon, child);
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  }

  private commandOf(daemon: string): [user: string, ...command: string[]] {
    const { munge, mysql } = this.paths;
    const { rest, database } = portsOf(this.shape);
    switch (daemon) {
      case 'munged': {
        const files = ['key', 'pid', 'log', 'seed'].map((kind) => `--${kind}-file=${this.folder}/munge/${kind}`);
        return ['munge', 'munged', '--foreground', '--force', `--socket=${munge}`, ...files];
      }
      case 'mariadbd': {
        const where = [`--datadir=${mysql}/data`, `--socket=${mysql}/socket`, `--pid-file=${mysql}/pid`];
        const listens = ['--bind-address=127.0.0.1', `--port=${database}`];
        // What slurmdbd asks for at its start, and nothing flushed that is thrown away in a minute.
        const tuning = [
          '--innodb-buffer-pool-size=64M',
          '--innodb-lock-wait-timeout=900',
          '--innodb-log-file-size=32M',
        ];
        const fast = ['--innodb-flush-log-at-trx-commit=0', '--skip-innodb-doublewrite', '--skip-name-resolve'];
        return ['mysql', 'mariadbd', '--no-defaults', ...where, ...listens, ...tuning, ...fast];
      }
      case 'slurmdbd':
      case 'slurmctld':
        return ['slurm', daemon, '-D'];
      case 'slurmrestd-0':
      case 'slurmrestd-1': {
        const port = rest[daemon === 'slurmrestd-0' ? 0 : 1];
        return [SLURM_USERS.rest, 'slurmrestd', '-a', 'rest_auth/jwt', '-t', '4', `127.0.0.1:${port}`];
      }
      default:
        if (!this.nodes.includes(daemon)) throw new Error(`Slurm has no daemon ${daemon}`);
        mkdirSync(`${this.folder}/spool/${daemon}`, { recursive: true });
        // After a switch-on Slurm waits for a node that says it has booted.
        return ['root', 'slurmd', '-D', '-N', daemon, ...(this.rebooted.delete(daemon) ? ['-b'] : [])];
    }
  }

  private writeFiles(password: string): void {
    const { folder, paths, shape } = this;
    const host = hostname().split('.')[0]!;
    chmodSync(folder, 0o755);
    for (const part of ['etc', 'munge', 'state', 'spool', 'log', 'power', 'jobs', 'dev', 'mysql/data'])
      mkdirSync(join(folder, part), { recursive: true });
    writeFileSync(paths.conf, slurmConf(shape, host));
    writeFileSync(`${folder}/etc/gres.conf`, gresConf(shape));
    writeFileSync(`${folder}/etc/slurmdbd.conf`, slurmdbdConf(shape, host, password), { mode: 0o600 });
    for (const verb of ['suspend', 'resume'] as const)
      writeFileSync(`${folder}/etc/${verb}`, powerScript(shape, verb), { mode: 0o755 });
    writeFileSync(paths.powerRequests, '');
    writeFileSync(paths.jwtKey, randomBytes(32), { mode: 0o600 });
    writeFileSync(`${folder}/munge/key`, randomBytes(1024), { mode: 0o400 });
    for (let gpu = 0; gpu < MOST_GPUS; gpu += 1)
      execFileSync('mknod', ['-m', '666', `${paths.devices}/gpu${gpu}`, 'c', '1', '3']);
    chmodSync(paths.jobs, 0o1777);
    chmodSync(paths.logs, 0o777);
    execFileSync('chown', ['-R', 'munge:', `${folder}/munge`]);
    execFileSync('chown', ['-R', 'mysql:', paths.mysql]);
    execFileSync('chown', ['-R', 'slurm:', `${folder}/state`, `${folder}/power`, `${folder}/etc/slurmdbd.conf`]);
  }

  private async startDatabase(password: string): Promise<void> {
    const install = ['--no-defaults', '--user=mysql', `--datadir=${this.paths.mysql}/data`, '--skip-test-db'];
    await run('mariadb-install-db', [...install, '--auth-root-authentication-method=socket'], { env: this.env });
    await this.start('mariadbd');
    await this.until('mariadbd', async () => {
      const grant = `grant all on slurm_acct_db.* to slurm@127.0.0.1 identified by '${password}'`;
      await this.sql(`create database if not exists slurm_acct_db; ${grant}`);
      return true;
    });
  }

  private async addAccounts(): Promise<void> {
    const add = (...args: string[]) => run('sacctmgr', ['--immediate', 'add', ...args], { env: this.env });
    await add('cluster', CLUSTER);
    await add('qos', QOS.join(','));
    await add('account', ACCOUNTS.join(','), `cluster=${CLUSTER}`, `qos=normal,${QOS.join(',')}`);
    await add('user', SLURM_USERS.busbar, `account=${ACCOUNTS.join(',')}`, 'adminlevel=Administrator');
    await add('user', SLURM_USERS.customer, `account=${ACCOUNTS[0]}`);
  }

  /** Stands for the BMCs: what slurmctld asked to be switched off or on is a slurmd that ends or begins. */
  private async followPower(): Promise<void> {
    const lines = readFileSync(this.paths.powerRequests, 'utf8').split('\n').slice(0, -1);
    const fresh = lines.slice(this.powerSeen);
    this.powerSeen = lines.length;
    for (const line of fresh) {
      const [verb, hosts = ''] = line.split(' ');
      const names = (await this.scontrol('show', 'hostnames', hosts)).split('\n').filter(Boolean);
      for (const name of names) {
        if (verb === 'resume') this.rebooted.add(name);
        await (verb === 'resume' ? this.start(name) : this.kill(name));
      }
    }
  }

  private async demandFreePorts(ports: readonly number[]): Promise<void> {
    for (const port of ports)
      if (await opens(port)) throw new Error(`port ${port} is taken: does another Slurm of a test still run here?`);
  }

  private async until(daemon: string, look: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + READY_MS;
    for (;;) {
      if (await look().catch(() => false)) return;
      const child = this.daemons.get(daemon);
      const ended = child !== undefined && (child.exitCode !== null || child.signalCode !== null);
      if (ended || performance.now() > end)
        throw new Error(`${daemon} ${ended ? 'ended' : 'is not ready'}: ${this.lastWords(daemon)}`);
      await pause(50);
    }
  }

  private lastWords(daemon: string): string {
    const logs = [`${daemon}.log`, `${daemon}.out`].flatMap((file) => {
      try {
        return readFileSync(join(this.paths.logs, file), 'utf8').trim().split('\n').slice(-4);
      } catch {
        return [];
      }
    });
    return logs.join(' | ') || 'it said nothing';
  }

  async stop(): Promise<void> {
    clearInterval(this.powerTimer);
    // Steps of jobs outlive the slurmd that started them.
    const steps = familyOf((environment) => environment.includes(`${MARK}=${this.folder}\0`));
    await Promise.all([...this.daemons.keys()].map((daemon) => this.kill(daemon)));
    for (const pid of steps) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Processes whose environment is of a kind, and all that these have started. */
function familyOf(isHead: (environment: string) => boolean): number[] {
  const parents = new Map<number, number>();
  const family = new Set<number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const pid = Number(name);
      // The name of the program, in brackets, may hold spaces.
      parents.set(
        pid,
        Number(
          readFileSync(`/proc/${name}/stat`, 'utf8')
            .replace(/^.*\) /s, '')
            .split(' ')[1],
        ),
      );
      if (isHead(`${readFileSync(`/proc/${name}/environ`, 'utf8')}\0`)) family.add(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  for (let size = -1; size !== family.size;) {
    size = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

const opens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
