import type { Command } from 'commander';
import { historyPage, historyUsage } from '../model/api.ts';
import { ask, defaultServer } from './client.ts';
import { number } from './options.ts';
import { count, print, printJson, table } from './output.ts';

interface Options {
  readonly gauge: string;
  readonly from?: string;
  readonly to?: string;
  readonly points: number;
  readonly server: string;
  readonly json?: boolean;
}

export function historyVerb(program: Command): void {
  program
    .command('history')
    .description('one figure of a machine, meter or uplink over time; without an id, what history keeps')
    .argument('[id]', 'a machine, meter or uplink')
    .option(
      '--gauge <name>',
      'powerW, hashrateThs, temperatureC, utilisationPct, inMbps, outMbps or energyWh',
      'powerW',
    )
    .option('--from <time>', 'site time in UTC such as 2026-11-22T10:00:00Z; else a day before --to')
    .option('--to <time>', 'site time in UTC; else now')
    .option('--points <n>', 'at the most about so many', number(1, 5_000), 48)
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', 'as the API gives it')
    .action((id: string | undefined, options: Options) => (id === undefined ? usage(options) : points(id, options)));
}

async function points(id: string, { gauge, from, to, points: most, server, json }: Options): Promise<void> {
  const query = new URLSearchParams({ gauge, points: String(most) });
  if (from !== undefined) query.set('from', from);
  if (to !== undefined) query.set('to', to);
  const page = await ask(server, `/api/v1/history/${encodeURIComponent(id)}?${query}`, historyPage);
  if (json === true) return printJson(page);
  if (page.points.length === 0) return print(`${id} told no ${gauge} in that time.`);
  const highest = Math.max(...page.points.map(({ max }) => max));
  const bar = (value: number): string =>
    highest <= 0 ? '' : '#'.repeat(Math.max(0, Math.round((24 * value) / highest)));
  const figure = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });
  const rows = page.points.map(({ start, mean, min, max, samples }) => [
    start.slice(0, 16).replace('T', ' '),
    figure(mean),
    figure(min),
    figure(max),
    String(samples),
    bar(mean),
  ]);
  print(table(['from (UTC)', `mean ${page.unit}`, 'least', 'most', 'readings', ''], rows, [1, 2, 3, 4]));
}

async function usage({ server, json }: Options): Promise<void> {
  const kept = await ask(server, '/api/v1/history', historyUsage);
  if (json === true) return printJson(kept);
  const mb = (bytes: number): string => `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: 1 })} MB`;
  const rows = kept.levels.map(({ level, bytes, files, keepDays, oldest }) => [
    level,
    mb(bytes),
    count(files),
    keepDays === null ? 'for ever' : `${keepDays} days`,
    oldest ?? 'nothing yet',
  ]);
  print(table(['level', 'room', 'files', 'kept', 'oldest day'], rows, [1, 2]));
  print(`${mb(kept.bytes)} of ${mb(kept.budgetBytes)}; ${count(kept.unsaved)} readings in memory`);
  if (kept.trimmedDays > 0) print(`${kept.trimmedDays} days were given up early because the budget was full`);
}
