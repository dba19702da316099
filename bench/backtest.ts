import { mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { backtestOffline, type BacktestResult } from '../src/server/offline/backtest.ts';
import { yearFiles } from './backtest-data.ts';

const ROOT = join(import.meta.dirname, '..');
const SITE = join(ROOT, 'examples', 'backtest-40mw.yaml');
/** Of a month's profit by the rule, in percent: no month may be further below it. */
const BELOW_RULE_PCT = 0.5;

/**
 * A year of HB_HOUSTON on the fixed site, the planner against rules of thumb and foresight.
 * `--year Y`; `--data DIR` recordings; `--day-ahead` with the prices of the day-ahead market where they are recorded; `--variants` also without operating points and without coincident peaks; `--regret`;
 * `--from D --to D` for less than a year; `--jobs N`; `--resume DIR`.
 */
export async function backtestBench(args: readonly string[]): Promise<Record<string, unknown>> {
  const option = (name: string): string | undefined =>
    args.includes(`--${name}`) ? args[args.indexOf(`--${name}`) + 1] : undefined;
  const year = Number(option('year') ?? 2025);
  const jobs = Number(option('jobs') ?? availableParallelism());
  const folder = mkdtempSync(join(tmpdir(), 'busbar-bench-backtest-'));
  try {
    const files = yearFiles(option('data') ?? join(ROOT, '..', 'shared', 'data'), year, folder);
    const variants = args.includes('--variants') ? VARIANTS : VARIANTS.slice(0, 1);
    const results: Record<string, unknown> = {};
    for (const { name, change } of variants) {
      const site = join(folder, `${name}.yaml`);
      writeFileSync(site, changed(change));
      const started = performance.now();
      const outcome = await backtestOffline({
        site,
        ...files,
        dayAhead: args.includes('--day-ahead') ? files.dayAhead : [],
        from: option('from') ?? files.from,
        to: option('to') ?? files.to,
        jobs,
        resume: option('resume'),
        regret: args.includes('--regret'),
        onProgress: progress(`${year} ${name}`),
      });
      if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
      results[name] = { minutes: tenths((performance.now() - started) / 60_000), ...figuresOf(outcome.result) };
    }
    return { year, market: 'HB_HOUSTON', jobs, ...results };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Variant {
  readonly name: string;
  change(site: ReturnType<typeof parseDocument>): void;
}

const VARIANTS: readonly Variant[] = [
  { name: 'whole', change: () => {} },
  { name: 'withoutProfiles', change: withoutProfiles },
  { name: 'withoutPeaks', change: (site) => void site.deleteIn(['charges', 'coincidentPeak']) },
];

/** Only how the maker delivers them: of each list of points the one that the model's nameplate stands beside. */
function withoutProfiles(site: ReturnType<typeof parseDocument>): void {
  const machines = site.toJS() as { machines: { points?: { profile: string }[] }[] };
  for (const [i, { points }] of machines.machines.entries()) {
    const stock = points?.find(({ profile }) => profile === 'default');
    if (stock !== undefined) site.setIn(['machines', i, 'points'], site.createNode([stock]));
  }
}

function changed(change: Variant['change']): string {
  const site = parseDocument(readFileSync(SITE, 'utf8'));
  change(site);
  return site.toString();
}

function figuresOf(result: BacktestResult): Record<string, unknown> {
  const { coincidentPeak, outcomes, months } = result;
  const below = months.map(({ month, profitUsd }) => ({
    month,
    pct: (100 * (profitUsd.plan! - profitUsd.rule!)) / Math.abs(profitUsd.rule!),
  }));
  const worst = below.reduce((least, one) => (one.pct < least.pct ? one : least));
  return {
    from: result.from,
    to: result.to,
    cohorts: result.cohorts,
    profitUsd: Math.round(result.profitUsd),
    ruleProfitUsd: Math.round(result.ruleProfitUsd),
    practiceProfitUsd: result.practiceProfitUsd === null ? null : Math.round(result.practiceProfitUsd),
    foresightProfitUsd: Math.round(result.foresightProfitUsd),
    alwaysOnProfitUsd: Math.round(result.alwaysOnProfitUsd),
    gapClosed: thousandths(result.gapClosed),
    gapClosedOverPractice: thousandths(result.gapClosedOverPractice),
    worstMonth: {
      month: worst.month,
      overRulePct: thousandths(worst.pct),
      withinHalfAPercent: worst.pct >= -BELOW_RULE_PCT,
    },
    curtailedHours: tenths(result.curtailedHours),
    coincidentPeak:
      coincidentPeak === null
        ? null
        : {
            avoidedShare: thousandths(coincidentPeak.avoidedShare),
            curtailedHours: tenths(coincidentPeak.curtailedHours),
            netShareOfForesight: netShare(result),
            importMw: coincidentPeak.peaks.map(({ importMw }) => tenths(importMw)),
          },
    gainsUsd: Object.fromEntries(Object.entries(result.gains).map(([source, usd]) => [source, Math.round(usd)])),
    regretUsd: result.regret,
    wakes: { plan: outcomes.plan?.wakes, rule: outcomes.rule?.wakes, foresight: outcomes.foresight?.wakes },
    months: months.map(({ month, profitUsd }) => ({
      month,
      ...Object.fromEntries(
        Object.entries(profitUsd).map(([policy, usd]) => [policy, usd === null ? null : Math.round(usd)]),
      ),
    })),
  };
}

/** Charge saved less margin lost for it, as a share of what foresight saves: it loses next to nothing. */
function netShare({ gains, outcomes }: BacktestResult): number | null {
  const saved = outcomes.rule!.coincidentUsd - outcomes.foresight!.coincidentUsd;
  return saved <= 0 ? null : thousandths(gains.coincidentPeaks / saved);
}

const tenths = (value: number): number => Math.round(10 * value) / 10;
function thousandths(value: number): number;
function thousandths(value: number | null): number | null;
function thousandths(value: number | null): number | null {
  return value === null ? null : Math.round(1000 * value) / 1000;
}

/** A line a percent, for whoever waits. */
function progress(name: string): (share: number, what: string) => void {
  let shown = -1;
  return (share, what) => {
    const percent = Math.floor(100 * share);
    if (percent === shown || !process.stderr.isTTY) return;
    shown = percent;
    process.stderr.write(`\r\u001b[K${name}: ${percent} %, ${what}`);
    if (percent === 100) process.stderr.write('\n');
  };
}
