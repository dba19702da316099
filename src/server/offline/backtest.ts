import { siteMs } from '../../model/index.ts';
import { readHistory, type HistoryFile, type HistoryFiles } from '../../strategy/backtest/files.ts';
import { runBacktest } from '../../strategy/backtest/index.ts';
import { backtestHtml } from '../../strategy/backtest/report.ts';
import { POLICIES, type BacktestResult, type PolicyName } from '../../strategy/backtest/types.ts';
import { checkSiteFile, type Problem } from './check.ts';
import { dayStart, filesAt, readText } from './history-files.ts';

export { formatProblem } from './check.ts';
export { shortUsd } from '../../strategy/words.ts';
export { dollarsOf, POLICY_WORDS, sourcesOf } from '../../strategy/backtest/report-words.ts';
export { POLICIES, type BacktestResult } from '../../strategy/backtest/types.ts';
export { backtestHtml };

/** A mistake that a person can mend, in words; a line for each where there are several. */
export class BacktestError extends Error {}

/** What is asked of a backtest: paths of files or folders, days in UTC. */
export interface BacktestFiles {
  readonly site: string;
  readonly prices: readonly string[];
  readonly weather: readonly string[];
  readonly network: readonly string[];
  readonly gpuPrices?: readonly string[] | undefined;
  readonly load?: readonly string[] | undefined;
  /** First day, and the day after the last, `2025-01-01`. */
  readonly from: string;
  readonly to: string;
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
    const history = readHistory(await readFiles(files), { from, to });
    const onProgress = wholeOf(files.onProgress);
    return { ok: true, result: await run({ site, machines, history, from, to, onProgress }) };
  } catch (error) {
    throw new BacktestError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function readFiles(files: BacktestFiles): Promise<HistoryFiles> {
  return {
    prices: await readAll(files.prices),
    weather: await readAll(files.weather),
    network: await readAll(files.network),
    gpuPrices: await readAll(files.gpuPrices ?? []),
    load: await readAll(files.load ?? []),
  };
}

async function readAll(paths: readonly string[]): Promise<HistoryFile[]> {
  const names = (await Promise.all(paths.map(filesAt))).flat();
  if (paths.length > 0 && names.length === 0) throw new Error(`${paths.join(', ')}: no .csv or .csv.gz files`);
  return Promise.all(names.map(async (name) => ({ name, text: await readText(name) })));
}

/** Parts of the time a run takes, as a month of a site of 40 MW had them: the two that solve plans take nearly all of it. */
const TIME_SHARE: Readonly<Record<PolicyName, number>> = {
  plan: 0.71,
  rule: 0.01,
  practice: 0.01,
  'always-on': 0.01,
  foresight: 0.26,
};

function wholeOf(onProgress: BacktestFiles['onProgress']): ((policy: PolicyName, share: number) => void) | undefined {
  if (onProgress === undefined) return undefined;
  return (policy, share) => {
    const before = POLICIES.slice(0, POLICIES.indexOf(policy)).reduce((sum, one) => sum + TIME_SHARE[one], 0);
    onProgress(before + TIME_SHARE[policy] * share, policy);
  };
}
