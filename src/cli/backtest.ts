import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  BacktestError,
  backtestHtml,
  backtestOffline,
  dollarsOf,
  formatProblem,
  gainsOf,
  POLICIES,
  POLICY_WORDS,
  regretsOf,
  shortUsd,
  sourcesOf,
  type BacktestFiles,
  type BacktestResult,
  type BacktestRun,
} from '../server/offline/backtest.ts';
import { CliError, print, printJson, progressLine, table, wrap } from './output.ts';

interface Options extends Omit<BacktestFiles, 'onProgress' | 'jobs'> {
  readonly jobs?: string;
  readonly json?: boolean;
  readonly report?: string;
}

/** One more of an option that may be given several times. */
const another = (path: string, before: readonly string[] | undefined): string[] => [...(before ?? []), path];

export const backtestVerb = (program: Command): void => addBacktest(program);

/** @param run absent: the real one; a test may hand in another */
export function addBacktest(program: Command, run?: BacktestRun): void {
  program
    .command('backtest')
    .description('what the planner would have earned on recorded prices, against rules of thumb and foresight')
    .requiredOption('--site <site.yaml>', 'the site file')
    .requiredOption(
      '--prices <csv or folder>',
      'interval_start_utc,price_usd_per_mwh (.csv, .csv.gz); may be repeated',
      another,
    )
    .requiredOption('--weather <csv or folder>', 'time_utc,temperature_c,dew_point_c', another)
    .requiredOption('--network <csv or folder>', 'day_utc,difficulty,btc_usd,fees_btc_per_block', another)
    .option(
      '--day-ahead <csv or folder>',
      'interval_start_utc,day_ahead_usd_per_mwh, known from 14:00 of the day before',
      another,
    )
    .option('--gpu-prices <csv or folder>', 'time_utc,gpu_model,usd_per_gpu_hour; absent: held constant', another)
    .option('--load <csv or folder>', 'hour_start_utc,load_mw, of the whole power system', another)
    .option(
      '--gpu-demand <csv or folder>',
      'interval_start_utc,class,gpus, of classes of work of the site; absent: constant',
      another,
    )
    .requiredOption('--from <day>', 'first day, UTC')
    .requiredOption('--to <day>', 'day after the last one, UTC')
    .option('--report <out.html>', 'write a report, one file')
    .option('--regret', 'also what the plan is short of foresight, by cause; takes twice as long')
    .option('--jobs <n>', 'months walked at once; absent: as many as there are processors')
    .option('--resume <folder>', 'keep months that are done there, and take up a run that was cut off')
    .option('--json', 'the result with all its figures')
    .action(async (options: Options) => {
      const line = progressLine(options.json !== true, () => performance.now());
      const jobs = options.jobs === undefined ? undefined : wholeNumber(options.jobs, '--jobs');
      const outcome = await backtestOffline({ ...options, jobs, onProgress: line.show }, run)
        .catch((error: unknown) => {
          if (error instanceof BacktestError) throw new CliError(error.message);
          throw error;
        })
        .finally(() => line.clear());
      if (!outcome.ok) {
        process.exitCode = 1;
        if (options.json === true)
          return printJson({ ok: false, problems: outcome.problems.map((p) => ({ ...p, found: p.found ?? null })) });
        for (const problem of outcome.problems) print(formatProblem(problem));
        return undefined;
      }
      const { result } = outcome;
      if (options.report !== undefined) await writeReport(options.report, backtestHtml(result));
      if (options.json === true) return printJson(result);
      print(backtestText(result));
      if (options.report !== undefined) print(`\nreport written to ${options.report}`);
      return undefined;
    });
}

function wholeNumber(text: string, option: string): number {
  if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
  throw new CliError(`${option}: found ${text}, expected a whole number from 1 to 999`);
}

async function writeReport(file: string, html: string): Promise<void> {
  try {
    await writeFile(file, html);
  } catch (error) {
    throw new CliError(`the report could not be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const number = (value: number, digits = 0): string => value.toLocaleString('en-US', { maximumFractionDigits: digits });

/** The result in lines a terminal of 100 columns can hold. */
export function backtestText(result: BacktestResult): string {
  const { outcomes, coincidentPeak, gapClosed, gapClosedOverPractice } = result;
  const usd = dollarsOf(result);
  const ran = POLICIES.filter((policy) => outcomes[policy] !== null);
  const profits = ran.map((policy) => [
    POLICY_WORDS[policy].name,
    usd(outcomes[policy]!.profitUsd),
    POLICY_WORDS[policy].about,
  ]);
  const gap = (share: number | null, base: string): string =>
    share === null
      ? `Foresight earns no more than ${base}: there is no gap to close.`
      : `Of the gap from ${base} to foresight the plan closed ${percent(share)}.`;
  const names = ran.map((policy) => POLICY_WORDS[policy].name);
  const columns = ran.map((_, i) => i + 1);
  const bySource = ran.map((policy) => sourcesOf(outcomes[policy]!));
  const sources = bySource[0]!
    .map(({ name }, i) => ({ name, each: bySource.map((of) => of[i]!.usd) }))
    .filter(({ each }) => each.some((value) => value !== 0))
    .map(({ name, each }) => [name, ...each.map(usd)]);
  const months = result.months.map(({ month, profitUsd }) => [
    month,
    ...ran.map((policy) => (profitUsd[policy] === null ? '-' : usd(profitUsd[policy]))),
  ]);
  return [
    wrap(
      `${result.site}, ${result.from.slice(0, 10)} to ${result.to.slice(0, 10)}, decided every ${result.stepMinutes} min over ${result.cohorts} groups of miners: the plan would have earned ${shortUsd(result.profitUsd)}`,
    ),
    '',
    table(['policy', 'profit', ''], profits, [1]),
    '',
    gap(gapClosed, 'the rule'),
    ...(result.practiceProfitUsd === null ? [] : [gap(gapClosedOverPractice, 'practice')]),
    `Miners that could have run slept ${number(result.curtailedHours)} hours.`,
    '',
    'Where it came from',
    table(['', ...names], [...sources, ['profit', ...ran.map((policy) => usd(outcomes[policy]!.profitUsd))]], columns),
    '',
    'What the plan earned more than the rule',
    table(
      ['source', 'more'],
      [
        ...gainsOf(result).map((one) => [one.name, usd(one.usd)]),
        ['all', usd(result.profitUsd - result.ruleProfitUsd)],
      ],
      [1],
    ),
    ...(result.regret === null
      ? []
      : [
          '',
          'What it is short of foresight',
          table(
            ['cause', 'short'],
            [
              ...regretsOf(result).map((one) => [one.name, usd(one.usd)]),
              ['all', usd(result.foresightProfitUsd - result.profitUsd)],
            ],
            [1],
          ),
        ]),
    ...(coincidentPeak === null
      ? []
      : [
          '',
          'Coincident peaks',
          table(
            ['hour from, UTC', 'system MW', 'site MW'],
            coincidentPeak.peaks.map(({ start, loadMw, importMw }) => [
              start.slice(0, 16).replace('T', ' '),
              number(loadMw),
              number(importMw, 2),
            ]),
            [1, 2],
          ),
          wrap(
            `${percent(coincidentPeak.avoidedShare)} of what miners running through them would have been charged was not paid, for ${number(coincidentPeak.curtailedHours, 1)} hours of sleep that the price alone did not ask for.`,
          ),
        ]),
    '',
    'Months',
    table(['', ...names], months, columns),
    ...(result.notes.length === 0 ? [] : ['', ...result.notes.map((note) => wrap(`NOTE: ${note}`))]),
    '',
    'all figures: --json or --report out.html',
  ].join('\n');
}
