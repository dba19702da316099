/**
 * Installs what the tests need beyond npm: here Chromium, from Debian's packages. Idempotent. Where it cannot
 * install, it says why; `npm test` then names the suites it leaves out.
 *
 *   node scripts/services.ts [ensure|status] [--json]
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

export interface Service {
  readonly name: string;
  readonly suites: string;
  /** Path of the program when it is there. */
  find(): string | undefined;
  readonly debianPackages: readonly string[];
}

export interface ServiceState {
  readonly name: string;
  readonly suites: string;
  readonly path: string | undefined;
  /** Why it is not there. */
  readonly missing: string | undefined;
}

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
    debianPackages: ['chromium'],
  },
];

const isDebian = (): boolean => existsSync('/etc/debian_version') && spawnSync('apt-get', ['--version']).status === 0;
const isRoot = (): boolean => process.getuid?.() === 0;

export function stateOf(service: Service): ServiceState {
  const path = service.find();
  const { name, suites } = service;
  if (path !== undefined) return { name, suites, path, missing: undefined };
  if (!isDebian())
    return {
      name,
      suites,
      path,
      missing: `not installed, and this is not Debian: install ${name} yourself or set ${name.toUpperCase()}_PATH`,
    };
  if (!isRoot())
    return {
      name,
      suites,
      path,
      missing: `not installed, and installing it needs root: apt-get install ${service.debianPackages.join(' ')}`,
    };
  return { name, suites, path, missing: 'not installed' };
}

/** Installs what can be installed. */
export function ensure(log: (line: string) => void): ServiceState[] {
  return SERVICES.map((service) => {
    const before = stateOf(service);
    if (before.path !== undefined || !isDebian() || !isRoot()) return before;
    log(`installing ${service.debianPackages.join(' ')} (apt-get)`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    try {
      execFileSync('apt-get', ['update', '-q'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
      execFileSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...service.debianPackages], {
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
    } catch (error) {
      const said = (error as { stderr?: Buffer }).stderr?.toString().trim().split('\n').at(-1);
      return { ...before, missing: `apt-get could not install it: ${said ?? String(error)}` };
    }
    return stateOf(service);
  });
}

if (import.meta.main) {
  const verb = process.argv[2] ?? 'ensure';
  const states = verb === 'status' ? SERVICES.map(stateOf) : ensure((line) => console.error(line));
  if (process.argv.includes('--json')) console.log(JSON.stringify(states, null, 2));
  else
    for (const { name, path, missing, suites } of states)
      console.log(path === undefined ? `${name}: ${missing}; without it: ${suites} are left out` : `${name}: ${path}`);
  if (states.some(({ path }) => path === undefined)) process.exitCode = 1;
}
