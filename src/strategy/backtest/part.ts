import { loadHighs } from '../../dispatch/highs.ts';
import { QUARTER, type Machine, type Site, type SiteMs } from '../../model/index.ts';
import { walk, type Decide, type StepMoney, type Walk } from './engine.ts';
import { siteCase, type SiteCase } from './facts.ts';
import { foresightPolicy } from './foresight.ts';
import { plannerPolicy } from './planned.ts';
import { monthName, truthOf, type Truth } from './truth.ts';
import {
  type GainSource,
  POLICIES,
  type Gains,
  type History,
  type Outcome,
  type PolicyName,
  type Regret,
} from './types.ts';
import { breakEvenOf, fillUp, likelyPeaks } from './yardsticks.ts';

export interface PartRequest {
  readonly site: Site;
  /** As the checked site lists them; absent: counted from the addresses of the groups. */
  readonly machines?: readonly Machine[] | undefined;
  readonly history: History;
  /** Whole quarter-hours, `to` excluded. */
  readonly from: SiteMs;
  readonly to: SiteMs;
  /** Walks two more planners, so that what the plan is short of foresight can be told by cause. */
  readonly regret?: boolean | undefined;
}

/** What one policy did in a part. */
export interface PartWalk {
  readonly outcome: Outcome;
  readonly peakCurtailedHours: number;
  /** Profit in $ by calendar month, `2025-06`. */
  readonly monthsUsd: Readonly<Record<string, number>>;
  /** In the order of the part's peaks. */
  readonly peaks: readonly { readonly importMw: number; readonly miningMw: number }[];
}

/** All policies over one part of a backtest, in a form that can be written to a file. */
export interface PartRun {
  readonly from: SiteMs;
  readonly to: SiteMs;
  readonly walks: Readonly<Record<PolicyName, PartWalk | null>>;
  readonly peaks: readonly { readonly start: SiteMs; readonly loadMw: number }[];
  readonly gains: Gains;
  readonly regret: Regret | null;
  readonly notes: readonly string[];
}

/** What of `PartRun` is done, 0 to 1, and which policy is under way. */
export type PartProgress = (share: number, policy: string) => void;

/** Parts of the time a policy takes, as a month of a site of 40 MW had them: those that solve plans take nearly all of it. */
const TIME_SHARE: Readonly<Record<string, number>> = { plan: 70, foresight: 25, seeing: 70, unrounded: 70 };

/**
 * Runs every policy through one part of what really happened. All of them begin with everything running that fits.
 * @throws Error in words where the history lacks prices or what hash is worth
 */
export async function runPart(request: PartRequest, onProgress: PartProgress = () => {}): Promise<PartRun> {
  const { site, history, from, to } = request;
  const facts = siteCase(site, request.machines);
  const truth = truthOf(facts, history, from, to);
  const notes = [...truth.notes];
  const wanted = [...POLICIES, ...(request.regret === true ? (['seeing', 'unrounded'] as const) : [])];
  const timeOf = (policy: string): number => TIME_SHARE[policy] ?? 1;
  const whole = wanted.reduce((sum, policy) => sum + timeOf(policy), 0);
  const walks = new Map<string, Walk>();
  let gone = 0;
  for (const policy of wanted) {
    const failures: string[] = [];
    const decide = await deciderOf(policy, facts, truth, to, failures);
    const before = gone;
    gone += timeOf(policy);
    if (decide === undefined) continue;
    const tell = (share: number): void => onProgress((before + share * timeOf(policy)) / whole, policy);
    walks.set(policy, await walk({ facts, truth, from, to, onProgress: tell }, decide));
    tell(1);
    if (failures.length > 0)
      notes.push(
        `${policy}: ${failures.length} times by merit order in place of the optimiser, first at ${failures[0]}`,
      );
  }
  const { timezone } = facts.site;
  const kept = (policy: PolicyName): PartWalk | null => {
    const one = walks.get(policy);
    if (one === undefined) return null;
    const { ledger } = one;
    return {
      outcome: ledger.outcome(),
      peakCurtailedHours: one.peakCurtailedHours,
      monthsUsd: Object.fromEntries([...ledger.monthsUsd()].map(([month, usd]) => [monthName(month, timezone), usd])),
      peaks: truth.peaks.map(({ start }) => ({ importMw: ledger.importMw(start), miningMw: ledger.miningMw(start) })),
    };
  };
  return {
    from,
    to,
    walks: {
      plan: kept('plan'),
      rule: kept('rule'),
      practice: kept('practice'),
      'always-on': kept('always-on'),
      foresight: kept('foresight'),
    },
    peaks: truth.peaks.map(({ start, loadMw }) => ({ start, loadMw })),
    gains: gainsOf(walks.get('plan')!, walks.get('rule')!),
    regret: request.regret === true ? regretOf(walks) : null,
    notes: [...notes, ...assumptions(facts, truth)],
  };
}

async function deciderOf(
  policy: PolicyName | 'seeing' | 'unrounded',
  facts: SiteCase,
  truth: Truth,
  to: SiteMs,
  failures: string[],
): Promise<Decide | undefined> {
  switch (policy) {
    case 'plan':
      return plannerPolicy(await loadHighs(), facts, truth, { failures });
    case 'seeing':
      return plannerPolicy(await loadHighs(), facts, truth, { failures, sees: to });
    case 'unrounded':
      return plannerPolicy(await loadHighs(), facts, truth, { failures, sees: to, whole: false });
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

/** From this on a step counts as one in which a likely peak had a say, in $/MWh on top of the price. */
const PEAK_HAS_A_SAY_USD_PER_MWH = 1;

/** What the plan earned more than the rule, by where it came from: the sum of all is the difference of their profits. */
function gainsOf(plan: Walk, rule: Walk): Gains {
  const of = plan.ledger.outcome();
  const than = rule.ledger.outcome();
  const gains: Record<keyof Gains, number> = {
    operatingPoints: 0,
    coincidentPeaks: than.coincidentUsd - of.coincidentUsd,
    demandCharge: than.demandUsd - of.demandUsd,
    wakes: than.wakeUsd + than.retuneUsd - of.wakeUsd - of.retuneUsd,
    work: of.workUsd - of.penaltyUsd - of.interruptUsd - (than.workUsd - than.penaltyUsd - than.interruptUsd),
    negativePrices: 0,
  };
  for (const [i, step] of plan.steps.entries()) {
    const more = step.marginUsd - rule.steps[i]!.marginUsd;
    gains[sourceOf(step)] += more;
  }
  return gains;
}

function sourceOf({ peakUsdPerMwh, priceUsdPerMwh }: StepMoney): GainSource {
  if (peakUsdPerMwh >= PEAK_HAS_A_SAY_USD_PER_MWH) return 'coincidentPeaks';
  return priceUsdPerMwh < 0 ? 'negativePrices' : 'operatingPoints';
}

function regretOf(walks: ReadonlyMap<string, Walk>): Regret {
  const usd = (policy: string): number => walks.get(policy)!.ledger.outcome().profitUsd;
  return {
    forecastUsd: usd('seeing') - usd('plan'),
    roundingUsd: usd('unrounded') - usd('seeing'),
    horizonUsd: usd('foresight') - usd('unrounded'),
  };
}

function assumptions({ site, work }: SiteCase, { wanted }: Truth): string[] {
  const notes = ['every machine answers all the time, and draws and hashes what its operating point says'];
  const constant = work.filter(({ id }) => !wanted.has(id)).map(({ id }) => id);
  if (constant.length > 0)
    notes.push(
      `demand for GPUs${wanted.size === 0 ? '' : ` of ${constant.join(', ')}`} is constant: what contracts reserve, and classes without one share the rest of their part evenly`,
    );
  if (work.some(({ points = [] }) => points.length > 1))
    notes.push(
      'GPUs at a power limit draw and do what the power curve of their work says, and plans set limits freely',
    );
  if (site.charges.demand !== undefined)
    notes.push('the demand charge of a calendar month that the period holds in part is paid for that part');
  if (site.awards.length > 0)
    notes.push('ancillary awards are left out: how fast machines respond is measured on the site alone');
  if (site.programs.length > 0) notes.push('calls of curtailment programs are left out');
  if (site.leases.length > 0) notes.push('leases are left out: what they cost and earn is in no figure');
  if (site.generation.length > 0) notes.push('on-site generation is left out');
  return notes;
}

/** Parts shorter than this are walked with their neighbour: a period cut in UTC touches a month of the site by hours. */
const LEAST_PART_MS = 96 * QUARTER;

/** A period cut where calendar months of the site begin, so that months can be walked side by side. */
export function partsOf(from: SiteMs, to: SiteMs, monthStarts: readonly SiteMs[]): { from: SiteMs; to: SiteMs }[] {
  const cuts = monthStarts.filter((start) => start - from >= LEAST_PART_MS && to - start >= LEAST_PART_MS);
  const edges = [from, ...cuts, to];
  return edges.slice(1).map((end, i) => ({ from: edges[i]!, to: end }));
}

/** How far back anything looks, besides the system's load: four weeks of a forecast and what holds longest before it. */
const LOOKS_BACK_MS = 60 * 96 * QUARTER;

/** What of a history a part needs; the load whole, as other years tell the season. */
export function historyFor(history: History, part: { readonly from: SiteMs; readonly to: SiteMs }): History {
  const since = part.from - LOOKS_BACK_MS;
  return {
    ...history,
    series: history.series.map((series) => {
      // What held when the window begins is needed too.
      const first = series.points.findLastIndex(({ start }) => start <= since);
      return {
        ...series,
        points: series.points.filter(({ start }, i) => i >= first && start < part.to),
      };
    }),
    ...(history.wanted === undefined
      ? {}
      : {
          wanted: history.wanted.map((one) => ({
            ...one,
            points: one.points.filter(({ start }) => start + one.intervalMs > since && start < part.to),
          })),
        }),
    load:
      history.load === undefined
        ? undefined
        : { ...history.load, points: history.load.points.filter(({ start }) => start < endOfLoad(part.to)) },
  };
}

/** The peak of a month is known only when the month is whole. */
const endOfLoad = (to: number): number => to + LEAST_PART_MS;
