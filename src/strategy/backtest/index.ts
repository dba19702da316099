import { loadHighs } from '../../dispatch/highs.ts';
import { isoUtc, MINUTE, siteMs, type Machine, type Site, type SiteMs } from '../../model/index.ts';
import { STEP_MS, walk, type Decide, type Walk } from './engine.ts';
import { siteCase, type SiteCase } from './facts.ts';
import { foresightPolicy } from './foresight.ts';
import { plannerPolicy } from './planned.ts';
import { monthName, monthsWithin, truthOf, type Truth } from './truth.ts';
import { POLICIES, type BacktestResult, type CoincidentOutcome, type History, type PolicyName } from './types.ts';
import { breakEvenOf, fillUp, likelyPeaks } from './yardsticks.ts';

export interface BacktestRequest {
  readonly site: Site;
  /** As the checked site lists them; absent: counted from the addresses of the groups. */
  readonly machines?: readonly Machine[] | undefined;
  readonly history: History;
  /** Period, `to` excluded; both are brought to whole quarter-hours within it. */
  readonly from: SiteMs;
  readonly to: SiteMs;
  /** @param share of that policy's period that is done, 0 to 1 */
  readonly onProgress?: ((policy: PolicyName, share: number) => void) | undefined;
}

/**
 * Runs every policy through the same period of what really happened and says what each would have earned.
 * @throws Error in words where the period is empty, or the history lacks prices or what hash is worth
 */
export async function runBacktest(request: BacktestRequest): Promise<BacktestResult> {
  const { site, history, onProgress } = request;
  const from = siteMs(Math.ceil(request.from / STEP_MS) * STEP_MS);
  const to = siteMs(Math.floor(request.to / STEP_MS) * STEP_MS);
  if (from >= to) throw new Error(`nothing lies between ${isoUtc(request.from)} and ${isoUtc(request.to)}`);
  const facts = siteCase(site, request.machines);
  const truth = truthOf(facts, history, from, to);
  const notes = [...truth.notes];
  const walks: Record<PolicyName, Walk | null> = {
    plan: null,
    rule: null,
    practice: null,
    'always-on': null,
    foresight: null,
  };
  for (const policy of POLICIES) {
    const failures: string[] = [];
    const decide = await deciderOf(policy, facts, truth, to, failures);
    if (decide === undefined) continue;
    const tell = (share: number): void => onProgress?.(policy, share);
    walks[policy] = await walk({ facts, truth, from, to, onProgress: tell }, decide);
    tell(1);
    if (failures.length > 0)
      notes.push(
        `${policy}: ${failures.length} times by merit order in place of the optimiser, first at ${failures[0]}`,
      );
  }
  return resultOf({ facts, truth, from, to, notes: [...notes, ...assumptions(facts)], walks });
}

async function deciderOf(
  policy: PolicyName,
  facts: SiteCase,
  truth: Truth,
  to: SiteMs,
  failures: string[],
): Promise<Decide | undefined> {
  switch (policy) {
    case 'plan':
      return plannerPolicy(await loadHighs(), facts, truth, failures);
    case 'foresight':
      return foresightPolicy(await loadHighs(), facts, truth, { to, failures });
    case 'always-on':
      return ({ conditions, wanted, usdPerGpuHour }) => ({
        running: fillUp(facts, conditions, wanted, usdPerGpuHour),
      });
    case 'rule':
      return rulePolicy(facts, () => false);
    default:
      return facts.site.charges.coincidentPeak === undefined
        ? undefined
        : rulePolicy(facts, likelyPeaks(facts.site, truth));
  }
}

/** Miners run where the price at the machine is below what its hash is worth, and not while `off` says so. */
export function rulePolicy(facts: SiteCase, off: (t: SiteMs) => boolean): Decide {
  return ({ at, conditions, wanted, usdPerGpuHour }) => {
    const isOff = off(at);
    const running = fillUp(facts, conditions, wanted, usdPerGpuHour, (cohort) => {
      return !isOff && conditions.priceUsdPerMwh < breakEvenOf(facts, cohort, conditions);
    });
    return isOff ? { running, peakUsdPerMwh: Infinity } : { running };
  };
}

interface Walked {
  readonly facts: SiteCase;
  readonly truth: Truth;
  readonly from: SiteMs;
  readonly to: SiteMs;
  readonly notes: readonly string[];
  readonly walks: Readonly<Record<PolicyName, Walk | null>>;
}

function resultOf({ facts, truth, from, to, notes, walks }: Walked): BacktestResult {
  const byPolicy = <T>(of: (walk: Walk) => T): Record<PolicyName, T | null> => {
    const made = (policy: PolicyName): T | null => {
      const walk = walks[policy];
      return walk === null ? null : of(walk);
    };
    return {
      plan: made('plan'),
      rule: made('rule'),
      practice: made('practice'),
      'always-on': made('always-on'),
      foresight: made('foresight'),
    };
  };
  const outcomes = byPolicy(({ ledger }) => ledger.outcome());
  const months = byPolicy(({ ledger }) => ledger.monthsUsd());
  const profitUsd = outcomes.plan?.profitUsd ?? 0;
  const ruleProfitUsd = outcomes.rule?.profitUsd ?? 0;
  const practiceProfitUsd = outcomes.practice?.profitUsd ?? null;
  const foresightProfitUsd = outcomes.foresight?.profitUsd ?? 0;
  const closedOver = (base: number): number | null =>
    foresightProfitUsd > base ? (profitUsd - base) / (foresightProfitUsd - base) : null;
  const { timezone } = facts.site;
  return {
    site: facts.site.name,
    from: isoUtc(from),
    to: isoUtc(to),
    stepMinutes: STEP_MS / MINUTE,
    cohorts: facts.cohorts.length,
    profitUsd,
    ruleProfitUsd,
    practiceProfitUsd,
    foresightProfitUsd,
    alwaysOnProfitUsd: outcomes['always-on']?.profitUsd ?? 0,
    gapClosed: closedOver(ruleProfitUsd),
    gapClosedOverPractice: practiceProfitUsd === null ? null : closedOver(practiceProfitUsd),
    curtailedHours: outcomes.plan?.curtailedHours ?? 0,
    coincidentPeak: coincidentOf(truth, walks),
    outcomes,
    months: monthsWithin(from, to, timezone).map((month) => ({
      month: monthName(month, timezone),
      profitUsd: {
        plan: months.plan?.get(month) ?? null,
        rule: months.rule?.get(month) ?? null,
        practice: months.practice?.get(month) ?? null,
        'always-on': months['always-on']?.get(month) ?? null,
        foresight: months.foresight?.get(month) ?? null,
      },
    })),
    notes,
  };
}

/** Null where no peak is charged. */
function coincidentOf({ peaks }: Truth, walks: Walked['walks']): CoincidentOutcome | null {
  const { plan, 'always-on': always } = walks;
  if (plan === null || always === null || peaks.length === 0) return null;
  const miningMw = ({ ledger }: Walk): number => peaks.reduce((sum, { start }) => sum + ledger.miningMw(start), 0);
  const wouldMw = miningMw(always);
  return {
    avoidedShare: wouldMw === 0 ? 0 : Math.min(1, Math.max(0, 1 - miningMw(plan) / wouldMw)),
    curtailedHours: plan.peakCurtailedHours,
    peaks: peaks.map(({ start, loadMw }) => ({ start: isoUtc(start), loadMw, importMw: plan.ledger.importMw(start) })),
  };
}

function assumptions({ site, work }: SiteCase): string[] {
  const notes = ['every machine answers all the time, and draws and hashes what its operating point says'];
  if (work.length > 0)
    notes.push(
      'demand for GPUs is constant: what contracts reserve, and classes without one share the rest of their part evenly',
    );
  if (site.charges.demand !== undefined)
    notes.push('the demand charge is paid in full for every calendar month the period touches');
  if (site.awards.length > 0)
    notes.push('ancillary awards are left out: how fast machines respond is measured on the site alone');
  if (site.programs.length > 0) notes.push('calls of curtailment programs are left out');
  if (site.generation.length > 0) notes.push('on-site generation is left out');
  return notes;
}
