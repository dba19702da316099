/**
 * Everything a change must pass: the gate, the services, the pages, the tests. Ends with the plain line
 * `N passed, N failed`. Under CI=true leaving a suite out is a failure; elsewhere it is said.
 *
 *   npm test [-- FILTER]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePages } from './pages.ts';
import { ensure } from './services.ts';

const ROOT = join(import.meta.dirname, '..');
const CI = process.env['CI'] === 'true';
const filters = process.argv.slice(2);

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}): number {
  const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
  return status ?? 1;
}

let failed = 0;
if (filters.length === 0) {
  console.log('check: format, lint, types, unused code');
  if (run('npm', ['run', '--silent', 'check']) !== 0) failed += 1;
}

const services = ensure((line) => console.log(line));
const missing = services.filter(({ path }) => path === undefined);
for (const { name, missing: why, suites } of missing) {
  console.log(`LEFT OUT: ${suites}: ${name} is ${why}`);
  if (CI) failed += 1;
}
ensurePages((line) => console.log(line));

const folder = mkdtempSync(join(tmpdir(), 'busbar-test-'));
const report = join(folder, 'report.json');
// Hundreds of processes are started from the same sources: each is compiled once.
const environment: Record<string, string> = { NODE_COMPILE_CACHE: join(folder, 'compile-cache') };
for (const { name, path } of services) if (path !== undefined) environment[`${name.toUpperCase()}_PATH`] = path;
const vitest = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
// Where processors guard code pages by keys, V8 aborts now and then while threads load WASM (nodejs/node#64500): the solver is WASM in a thread.
const node = ['--no-memory-protection-keys', join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')];
const status = run(process.execPath, [...node, ...vitest, ...filters], environment);

let passed = 0;
let skipped = 0;
try {
  const result = JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
  passed = result.numPassedTests;
  skipped = result.numPendingTests;
  // A file that cannot even be loaded has no test to count.
  const broken = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  failed += result.numFailedTests + broken;
  if (status !== 0 && failed === 0) failed = 1;
} catch {
  failed += 1;
}
rmSync(folder, { recursive: true, force: true });
if (passed === 0) failed += 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
