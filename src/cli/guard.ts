import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { type GuardState, type GuardView, guardView, type ToGuard } from '../model/guard.ts';
import { askGuard, guardCommand } from '../server/offline/guard.ts';
import { ask, defaultServer } from './client.ts';
import { CliError, count, print, printJson } from './output.ts';

interface There {
  readonly data: string;
  readonly json?: boolean;
}

export function guardVerb(program: Command): void {
  const guard = program
    .command('guard')
    .description('the process that watches meters each second and sheds when all else fails');
  const data = ['--data <folder>', 'data folder of the site', '.busbar'] as const;
  const asJson = ['--json', 'what the guard tells'] as const;
  guard
    .command('status', { isDefault: true })
    .description('how it stands, as the server hears of it')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'as GET /api/v1/guard')
    .action(async ({ server, json }: { server: string; json?: boolean }) => {
      const view = await ask(server, '/api/v1/guard', guardView);
      if (json === true) return printJson(view);
      print(viewText(view));
    });
  guard
    .command('ask')
    .description('ask the guard itself, which needs no server')
    .option(...data)
    .option(...asJson)
    .action((there: There) => tell(there));
  guard
    .command('stop')
    .description('put everything that can sleep to sleep, at the guard itself: works while no server does')
    .requiredOption('--why <text>', 'kept in the record')
    .option(...data)
    .option(...asJson)
    .action((there: There & { why: string }) => tell(there, stopMessage(true, there.why)));
  guard
    .command('release')
    .description('end a stop that was made at the guard; what wakes is up to the plan')
    .requiredOption('--why <text>', 'kept in the record')
    .option(...data)
    .option(...asJson)
    .action((there: There & { why: string }) => tell(there, stopMessage(false, there.why)));
  guard
    .command('run')
    .description('run the guard as a service of its own, which a supervisor of the system keeps up')
    .argument('<site.yaml>', 'the site file: where relative paths of credentials start')
    .option('--data <folder>', 'data folder of the site (default: .busbar beside the site file)')
    .action((file: string, options: { data?: string }) => runGuard(file, options.data));
}

const stopMessage = (stop: boolean, why: string): ToGuard => ({ kind: 'stop', stop, who: userInfo().username, why });

async function tell({ data, json }: There, message?: ToGuard): Promise<void> {
  const state = await askGuard(resolve(data), message).catch((error: unknown) => {
    throw new CliError(error instanceof Error ? error.message : String(error), '--data names the data folder');
  });
  if (json === true) return printJson(state);
  print(stateText(state));
}

function runGuard(file: string, given: string | undefined): void {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')));
  const folder = dirname(resolve(file));
  const [main, args] = guardCommand(folder, given ?? join(folder, '.busbar'), version);
  const child = fork(main, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void child.kill(signal));
  child.on('exit', (status) => process.exit(status ?? 1));
}

function stateText(state: GuardState): string {
  const brief = state.briefMadeAtUnixMs === null ? ' and has no brief yet' : '';
  return [`The guard runs as process ${state.pid}${brief}.`, ...linesOf(state)].join('\n');
}

function viewText(view: GuardView): string {
  if (view.state === 'none') return 'This server runs without a guard.';
  const { machines, mw } = view.path;
  const head =
    view.state === 'watching'
      ? `The guard watches as process ${view.pid}; it can shed ${count(machines)} machines, ${mw.toFixed(3)} MW.`
      : `The guard is ${view.state}: no machine is woken until it is heard.`;
  return [head, ...linesOf(view)].join('\n');
}

type Common = Pick<GuardState, 'loads' | 'noWakes' | 'underway' | 'failed' | 'wouldShed' | 'stopped'>;

function linesOf({ loads, noWakes, underway, failed, wouldShed, stopped }: Common): string[] {
  const lines = loads.map(loadLine);
  if (stopped !== null)
    lines.push(`Everything is stopped at the guard by ${stopped}. End it with: busbar guard release --why "..."`);
  if (underway > 0) lines.push(`${count(underway)} machines are told to sleep and not seen to.`);
  for (const { id, why } of failed.slice(0, 10)) lines.push(`  ${id} does not sleep: ${why}`);
  if (failed.length > 10) lines.push(`  and ${count(failed.length - 10)} more (--json)`);
  if (wouldShed > 0) lines.push(`In shadow: it would put ${count(wouldShed)} machines to sleep now.`);
  for (const why of noWakes) lines.push(`No machine is woken: ${why}.`);
  return lines;
}

function loadLine({ id, loadW, limitW, basis, heat }: GuardState['loads'][number]): string {
  const mw = (watts: number) => (watts / 1e6).toFixed(3);
  const used = heat > 0 ? `; ${Math.round(heat * 100)} % of what its breaker bears is used up` : '';
  return `  ${id}: ${mw(loadW)} of ${mw(limitW)} MW, ${BASIS[basis]}${used}`;
}

const BASIS: Readonly<Record<GuardState['loads'][number]['basis'], string>> = {
  meter: 'by its meter',
  held: 'by the last answer of its meter',
  halls: 'the sum of its halls',
  'worst-case': 'at the worst: no meter tells',
};
