import { isoUtc, MINUTE, siteMs, type Site, type SiteMs } from '../../model/index.ts';
import { STEP_MS } from './engine.ts';
import { historyFor, partsOf, runPart, type PartProgress, type PartRequest, type PartRun } from './part.ts';
import { monthName, monthsWithin } from './truth.ts';
import {
  GAIN_SOURCES,
  OUTCOME_FIGURES,
  type BacktestResult,
  type CoincidentOutcome,
  type Outcome,
  type PolicyName,
  type Regret,
} from './types.ts';

/** Of a whole period; its ends are brought to whole quarter-hours within it. */
export interface BacktestRequest extends PartRequest {
  /** @param share of the whole that is done, 0 to 1 */
  readonly onProgress?: ((share: number, what: string) => void) | undefined;
  /** Where parts are run; absent: here, one after the other. */
  readonly runParts?: RunParts | undefined;
}

/** Runs parts in any order. @returns what came of each, in the order they were asked in */
export type RunParts = (
  parts: readonly PartRequest[],
  onProgress: (part: number, share: number, what: string) => void,
) => Promise<PartRun[]>;

/**
 * Runs every policy through the same period of what really happened, each calendar month for itself, and says what each would have
 * earned.
 * @throws Error in words where the period is empty, or the history lacks prices or what hash is worth
 */
export async function runBacktest(request: BacktestRequest): Promise<BacktestResult> {
  const { site, machines, history, regret, onProgress = () => {}, runParts = oneByOne } = request;
  const from = siteMs(Math.ceil(request.from / STEP_MS) * STEP_MS);
  const to = siteMs(Math.floor(request.to / STEP_MS) * STEP_MS);
  if (from >= to) throw new Error(`nothing lies between ${isoUtc(request.from)} and ${isoUtc(request.to)}`);
  const { timezone } = site;
  const parts = partsOf(from, to, monthsWithin(from, to, timezone)).map((part): PartRequest => ({
    site,
    machines,
    history: historyFor(history, part),
    ...part,
    regret,
  }));
  const done = parts.map(() => 0);
  const runs = await runParts(parts, (part, share, what) => {
    done[part] = share;
    const ms = parts.reduce((sum, one, i) => sum + done[i]! * (one.to - one.from), 0);
    onProgress(ms / (to - from), `${monthName(middleOf(parts[part]!), timezone)} ${what}`);
  });
  return resultOf(site, from, to, runs);
}

/** A part may begin or end with hours of a neighbour month. */
const middleOf = ({ from, to }: PartRequest): SiteMs => siteMs((from + to) / 2);

async function oneByOne(
  parts: readonly PartRequest[],
  onProgress: (part: number, share: number, what: string) => void,
): Promise<PartRun[]> {
  const runs: PartRun[] = [];
  for (const [i, part] of parts.entries()) {
    const tell: PartProgress = (share, what) => onProgress(i, share, what);
    runs.push(await runPart(part, tell));
  }
  return runs;
}

function resultOf(site: Site, from: SiteMs, to: SiteMs, runs: readonly PartRun[]): BacktestResult {
  const outcomes = {
    plan: outcomeOf(runs, 'plan'),
    rule: outcomeOf(runs, 'rule'),
    practice: outcomeOf(runs, 'practice'),
    'always-on': outcomeOf(runs, 'always-on'),
    foresight: outcomeOf(runs, 'foresight'),
  };
  const profitUsd = outcomes.plan?.profitUsd ?? 0;
  const ruleProfitUsd = outcomes.rule?.profitUsd ?? 0;
  const practiceProfitUsd = outcomes.practice?.profitUsd ?? null;
  const foresightProfitUsd = outcomes.foresight?.profitUsd ?? 0;
  const closedOver = (base: number): number | null =>
    foresightProfitUsd > base ? (profitUsd - base) / (foresightProfitUsd - base) : null;
  const { timezone } = site;
  return {
    site: site.name,
    from: isoUtc(from),
    to: isoUtc(to),
    stepMinutes: STEP_MS / MINUTE,
    cohorts: site.machines.filter(({ kind }) => kind === 'asic').length,
    profitUsd,
    ruleProfitUsd,
    practiceProfitUsd,
    foresightProfitUsd,
    alwaysOnProfitUsd: outcomes['always-on']?.profitUsd ?? 0,
    gapClosed: closedOver(ruleProfitUsd),
    gapClosedOverPractice: practiceProfitUsd === null ? null : closedOver(practiceProfitUsd),
    curtailedHours: outcomes.plan?.curtailedHours ?? 0,
    coincidentPeak: coincidentOf(runs),
    outcomes,
    gains: sumOf(
      GAIN_SOURCES,
      runs.map(({ gains }) => gains),
    ),
    regret: regretOf(runs),
    months: monthsWithin(from, to, timezone).map((start) => {
      const month = monthName(start, timezone);
      const usd = (policy: PolicyName): number | null => {
        const told = runs.flatMap(({ walks }) => walks[policy]?.monthsUsd[month] ?? []);
        return told.length === 0 ? null : told.reduce((sum, one) => sum + one, 0);
      };
      return {
        month,
        profitUsd: {
          plan: usd('plan'),
          rule: usd('rule'),
          practice: usd('practice'),
          'always-on': usd('always-on'),
          foresight: usd('foresight'),
        },
      };
    }),
    notes: [...new Set(runs.flatMap(({ notes }) => notes))],
  };
}

function sumOf<Name extends string>(
  names: readonly Name[],
  all: readonly Readonly<Record<Name, number>>[],
): Record<Name, number> {
  const sums = names.map((name) => [name, all.reduce((sum, one) => sum + one[name], 0)] as const);
  return Object.fromEntries(sums) as Record<Name, number>;
}

function outcomeOf(runs: readonly PartRun[], policy: PolicyName): Outcome | null {
  const all = runs.flatMap(({ walks }) => walks[policy]?.outcome ?? []);
  return all.length === 0 ? null : sumOf(OUTCOME_FIGURES, all);
}

function regretOf(runs: readonly PartRun[]): Regret | null {
  const all = runs.flatMap(({ regret }) => regret ?? []);
  return all.length < runs.length ? null : sumOf(['forecastUsd', 'roundingUsd', 'horizonUsd'], all);
}

/** Null where no peak is charged. */
function coincidentOf(runs: readonly PartRun[]): CoincidentOutcome | null {
  const peaks = runs.flatMap((run) =>
    run.peaks.map(({ start, loadMw }, i) => ({
      start,
      loadMw,
      importMw: run.walks.plan!.peaks[i]!.importMw,
      miningMw: run.walks.plan!.peaks[i]!.miningMw,
      wouldMw: run.walks['always-on']!.peaks[i]!.miningMw,
    })),
  );
  if (peaks.length === 0) return null;
  const sum = (of: (peak: (typeof peaks)[number]) => number): number =>
    peaks.reduce((total, peak) => total + of(peak), 0);
  const wouldMw = sum((peak) => peak.wouldMw);
  return {
    avoidedShare: wouldMw === 0 ? 0 : Math.min(1, Math.max(0, 1 - sum((peak) => peak.miningMw) / wouldMw)),
    curtailedHours: runs.reduce((total, { walks }) => total + walks.plan!.peakCurtailedHours, 0),
    peaks: peaks.map(({ start, loadMw, importMw }) => ({ start: isoUtc(start), loadMw, importMw })),
  };
}
