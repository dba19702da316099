/**
 * Installs what the tests need beyond the project's own packages: Chromium, a simulated BMC, two further solvers and
 * Slurm from Debian's packages, a Bitcoin node from npm into `.busbar/services`. Idempotent. Where it cannot install, it
 * says why; `npm test` then names the suites it leaves out. `slurm` starts the Slurm of the tests and holds it until Ctrl-C.
 *
 *   node scripts/services.ts [ensure|status|slurm] [--json]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { slurmObstacle, startSlurm } from './slurm/start.ts';

export interface Service {
  readonly name: string;
  readonly suites: string;
  /** Path of the program when it is there. */
  find(): string | undefined;
  /** Why it cannot run here although it is installed. */
  readonly obstacle?: () => string | undefined;
  readonly from: Debian | Npm;
}

/** Packages of Debian; installing them needs root. */
interface Debian {
  readonly debianPackages: readonly string[];
}

/** A package of npm that only tests need, in a folder of its own: no root, and nothing in the project's lock file. */
interface Npm {
  readonly npmPackage: string;
  readonly version: string;
  readonly overrides: Readonly<Record<string, string>>;
}

export interface ServiceState {
  readonly name: string;
  readonly suites: string;
  readonly path: string | undefined;
  /** Why it is not there. */
  readonly missing: string | undefined;
}

const folderOf = (npmPackage: string): string => join(import.meta.dirname, '..', '.busbar', 'services', npmPackage);
const firstThatExists = (paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));

export const SERVICES: readonly Service[] = [
  {
    name: 'chromium',
    suites: 'the browser tests (test/browser)',
    find: () =>
      firstThatExists([
        process.env['CHROMIUM_PATH'] ?? '',
        '/usr/bin/chromium',
        '/usr/bin/chromium-browser',
        '/usr/bin/google-chrome',
        '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      ]),
    from: { debianPackages: ['chromium'] },
  },
  {
    name: 'ipmi_sim',
    suites: 'the driver ipmi before a BMC (test/conformance/ipmi.test.ts)',
    find: () => {
      // One without the other tests nothing.
      const tool = firstThatExists(['/usr/bin/ipmitool', '/usr/local/bin/ipmitool', '/opt/homebrew/bin/ipmitool']);
      const simulator = firstThatExists([process.env['IPMI_SIM_PATH'] ?? '', '/usr/bin/ipmi_sim']);
      return tool === undefined ? undefined : simulator;
    },
    from: { debianPackages: ['openipmi', 'ipmitool'] },
  },
  {
    name: 'glpsol',
    suites: 'the plans recomputed by GLPK (test/proofs/solvers.test.ts)',
    find: () =>
      firstThatExists([
        process.env['GLPSOL_PATH'] ?? '',
        '/usr/bin/glpsol',
        '/usr/local/bin/glpsol',
        '/opt/homebrew/bin/glpsol',
      ]),
    from: { debianPackages: ['glpk-utils'] },
  },
  {
    name: 'cbc',
    suites: 'the plans recomputed by CBC (test/proofs/solvers.test.ts)',
    find: () =>
      firstThatExists([process.env['CBC_PATH'] ?? '', '/usr/bin/cbc', '/usr/local/bin/cbc', '/opt/homebrew/bin/cbc']),
    from: { debianPackages: ['coinor-cbc'] },
  },
  {
    name: 'slurm',
    suites: 'jobs on a real Slurm (test/e2e/slurm.test.ts)',
    find: () => {
      const programs = ['munged', 'slurmctld', 'slurmd', 'slurmdbd', 'slurmrestd', 'mariadbd'];
      const tools = ['scontrol', 'sacctmgr', 'sinfo', 'mariadb', 'mariadb-install-db'];
      const paths = [...programs.map((name) => `/usr/sbin/${name}`), ...tools.map((name) => `/usr/bin/${name}`)];
      const plugins = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/slurm-wlm`;
      paths.push(`${plugins}/auth_jwt.so`, `${plugins}/auth_munge.so`);
      return paths.every((path) => existsSync(path)) ? '/usr/sbin/slurmctld' : undefined;
    },
    obstacle: slurmObstacle,
    from: {
      debianPackages:
        'munge slurmctld slurmd slurmdbd slurmrestd slurm-client slurm-wlm-basic-plugins slurm-wlm-jwt-plugin mariadb-server mariadb-client'.split(
          ' ',
        ),
    },
  },
  {
    name: 'bcoin',
    suites: 'the Bitcoin node read by the feed bitcoind (test/conformance/bitcoind.test.ts)',
    find: () =>
      firstThatExists([
        process.env['BCOIN_PATH'] ?? '',
        join(folderOf('bcoin'), 'node_modules', 'bcoin', 'bin', 'node'),
      ]),
    // The database it names no longer builds; its successor is never opened by a node in memory.
    from: { npmPackage: 'bcoin', version: '1.0.2', overrides: { leveldown: '6.1.1' } },
  },
];

const isDebian = (): boolean => existsSync('/etc/debian_version') && spawnSync('apt-get', ['--version']).status === 0;
const isRoot = (): boolean => process.getuid?.() === 0;

/** Why it cannot be installed here; undefined where it can. */
function obstacle({ name, from }: Service): string | undefined {
  if ('npmPackage' in from) return undefined;
  if (!isDebian()) return `this is not Debian: install ${name} yourself or set ${name.toUpperCase()}_PATH`;
  return isRoot() ? undefined : `installing it needs root: apt-get install ${from.debianPackages.join(' ')}`;
}

export function stateOf(service: Service): ServiceState {
  const path = service.find();
  const { name, suites } = service;
  if (path !== undefined) {
    const missing = service.obstacle?.();
    return { name, suites, path: missing === undefined ? path : undefined, missing };
  }
  const why = obstacle(service);
  return { name, suites, path, missing: `not installed${why === undefined ? '' : `, and ${why}`}` };
}

/** @throws what the installer said, as `execFileSync` throws it */
function install({ from }: Service): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const stdio: ['ignore', 'ignore', 'pipe'] = ['ignore', 'ignore', 'pipe'];
  if ('debianPackages' in from) {
    execFileSync('apt-get', ['update', '-q'], { env, stdio });
    execFileSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...from.debianPackages], { env, stdio });
    return;
  }
  const { npmPackage, version, overrides } = from;
  const folder = folderOf(npmPackage);
  mkdirSync(folder, { recursive: true });
  const manifest = { private: true, dependencies: { [npmPackage]: version }, overrides };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  const quiet = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--no-package-lock'];
  execFileSync('npm', ['install', '--prefix', folder, ...quiet], { env, stdio, timeout: 300_000 });
}

/** Installs what can be installed. */
export function ensure(log: (line: string) => void): ServiceState[] {
  return SERVICES.map((service) => {
    const before = stateOf(service);
    if (service.find() !== undefined || obstacle(service) !== undefined) return before;
    const { from } = service;
    log(
      'npmPackage' in from
        ? `installing ${from.npmPackage} (npm)`
        : `installing ${from.debianPackages.join(' ')} (apt-get)`,
    );
    try {
      install(service);
    } catch (error) {
      const said = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n').at(-1);
      return { ...before, missing: `not installed, and could not be: ${said ?? String(error)}` };
    }
    return stateOf(service);
  });
}

/** Slurm for a person to look at, until Ctrl-C. */
async function holdSlurm(): Promise<void> {
  const slurm = await startSlurm();
  console.log(`Slurm is up, ${slurm.nodes.length} nodes: ${slurm.urls.join(', ')}`);
  console.log(`SLURM_CONF=${slurm.conf} sinfo`);
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  await slurm.stop();
}

if (import.meta.main) {
  const verb = process.argv[2] ?? 'ensure';
  if (verb === 'slurm') {
    await holdSlurm();
    process.exit();
  }
  const states = verb === 'status' ? SERVICES.map(stateOf) : ensure((line) => console.error(line));
  if (process.argv.includes('--json')) console.log(JSON.stringify(states, null, 2));
  else
    for (const { name, path, missing, suites } of states)
      console.log(path === undefined ? `${name}: ${missing}; without it: ${suites} are left out` : `${name}: ${path}`);
  if (states.some(({ path }) => path === undefined)) process.exitCode = 1;
}
