import { availableParallelism } from 'node:os';
import { type Site, siteMs } from '../../model/index.ts';
import { readHistory, type HistoryFile, type HistoryFiles } from '../../strategy/backtest/files.ts';
import { runBacktest } from '../../strategy/backtest/index.ts';
import { backtestHtml } from '../../strategy/backtest/report.ts';
import { partsSideBySide } from './backtest-parts.ts';
import type { BacktestResult } from '../../strategy/backtest/types.ts';
import { checkSiteFile, type Problem } from './check.ts';
import { dayStart, filesAt, readText } from './history-files.ts';

export { formatProblem } from './check.ts';
export { shortUsd } from '../../strategy/words.ts';
export { dollarsOf, gainsOf, POLICY_WORDS, regretsOf, sourcesOf } from '../../strategy/backtest/report-words.ts';
export { POLICIES, type BacktestResult } from '../../strategy/backtest/types.ts';
export { backtestHtml };

/** A mistake that a person can mend, in words; a line for each where there are several. */
export class BacktestError extends Error {}

/** What is asked of a backtest: paths of files or folders, days in UTC. */
export interface BacktestFiles {
  readonly site: string;
  readonly prices: readonly string[];
  readonly dayAhead?: readonly string[] | undefined;
  readonly weather: readonly string[];
  readonly network: readonly string[];
  readonly gpuPrices?: readonly string[] | undefined;
  readonly load?: readonly string[] | undefined;
  readonly gpuDemand?: readonly string[] | undefined;
  /** First day, and the day after the last, `2025-01-01`. */
  readonly from: string;
  readonly to: string;
  /** Also what the plan is short of foresight, by cause. */
  readonly regret?: boolean | undefined;
  /** Months walked at once; absent: as many as there are processors. */
  readonly jobs?: number | undefined;
  /** A folder in which months that are done are kept, so that a run that was cut off goes on. */
  readonly resume?: string | undefined;
  /** Told how much of the whole is done, 0 to 1 and never less than before, and what is under way. */
  readonly onProgress?: ((share: number, what: string) => void) | undefined;
}

/** Problems are those of the site file, each with its place. */
export type BacktestOutcome =
  | { readonly ok: true; readonly result: BacktestResult }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Runs the policies; a test may put another in its place. */
export type BacktestRun = typeof runBacktest;

/**
 * Checks the site file, reads the history and runs every policy through it.
 * @throws BacktestError for what is wrong with the files or the period
 */
export async function backtestOffline(files: BacktestFiles, run: BacktestRun = runBacktest): Promise<BacktestOutcome> {
  const checked = await checkSiteFile(files.site);
  if (!checked.ok) return { ok: false, problems: checked.problems };
  const { site, machines } = checked;
  try {
    const [from, to] = [siteMs(dayStart(files.from, '--from')!), siteMs(dayStart(files.to, '--to')!)];
    if (from >= to) throw new Error(`--to: found ${files.to}, expected a day after ${files.from}`);
    files.onProgress?.(0, 'reading files');
    const history = readHistory(await readFiles(files), { from, to }, classesOf(site));
    const { onProgress, regret, jobs = availableParallelism(), resume } = files;
    const runParts = partsSideBySide(jobs, resume);
    return { ok: true, result: await run({ site, machines, history, from, to, regret, onProgress, runParts }) };
  } catch (error) {
    throw new BacktestError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

const classesOf = ({ clusters }: Site): string[] => clusters.flatMap(({ classes }) => classes.map(({ id }) => id));

async function readFiles(files: BacktestFiles): Promise<HistoryFiles> {
  return {
    prices: await readAll(files.prices),
    dayAhead: await readAll(files.dayAhead ?? []),
    weather: await readAll(files.weather),
    network: await readAll(files.network),
    gpuPrices: await readAll(files.gpuPrices ?? []),
    load: await readAll(files.load ?? []),
    gpuDemand: await readAll(files.gpuDemand ?? []),
  };
}

async function readAll(paths: readonly string[]): Promise<HistoryFile[]> {
  const names = (await Promise.all(paths.map(filesAt))).flat();
  if (paths.length > 0 && names.length === 0) throw new Error(`${paths.join(', ')}: no .csv or .csv.gz files`);
  return Promise.all(names.map(async (name) => ({ name, text: await readText(name) })));
}
