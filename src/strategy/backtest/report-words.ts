import { shortUsd } from '../words.ts';
import { GAIN_SOURCES, POLICIES, type BacktestResult, type Gains, type Outcome, type PolicyName } from './types.ts';

/** Words of a backtest that page, report and terminal share. */

export const POLICY_WORDS: Readonly<Record<PolicyName, { readonly name: string; readonly about: string }>> = {
  plan: { name: 'plan', about: 'Busbar, knowing at each moment what was known then' },
  rule: { name: 'rule', about: 'miners run where the price is below what their hash is worth' },
  practice: { name: 'practice', about: 'the rule, and off in hours of likely coincident peaks' },
  'always-on': { name: 'always on', about: 'everything the limits allow' },
  foresight: { name: 'foresight', about: 'the same planner, knowing what was still to come' },
};

/** One line of what came in or went out; costs are below zero. */
export interface Source {
  readonly name: string;
  readonly usd: number;
}

/** Where the profit of a policy came from, in $: the sum of all is its profit. */
export function sourcesOf(outcome: Outcome): Source[] {
  return [
    { name: 'mining', usd: outcome.miningUsd },
    { name: 'AI and HPC', usd: outcome.workUsd },
    { name: 'energy', usd: -outcome.energyUsd },
    { name: 'demand charge', usd: -outcome.demandUsd },
    { name: 'coincident peaks', usd: -outcome.coincidentUsd },
    { name: 'penalties', usd: -outcome.penaltyUsd },
    { name: 'interrupted work', usd: -outcome.interruptUsd },
    { name: 'waking', usd: -outcome.wakeUsd },
    { name: 'changing points', usd: -outcome.retuneUsd },
  ].map(({ name, usd }) => ({ name, usd: usd === 0 ? 0 : usd }));
}

const GAIN_WORDS: Readonly<Record<keyof Gains, string>> = {
  operatingPoints: 'operating points, and when to run',
  coincidentPeaks: 'coincident peaks, less the hash lost for them',
  demandCharge: 'demand charge',
  wakes: 'waking and changing points',
  work: 'AI and HPC, penalties and interruptions',
  negativePrices: 'prices below zero',
};

/** What the plan earned more than the rule, in $: together the difference of their profits. */
export const gainsOf = ({ gains }: BacktestResult): Source[] =>
  GAIN_SOURCES.map((source) => ({ name: GAIN_WORDS[source], usd: gains[source] }));

/** What the plan is short of foresight, in $: together the difference of their profits. Nothing where it was not asked for. */
export const regretsOf = ({ regret }: BacktestResult): Source[] =>
  regret === null
    ? []
    : [
        { name: 'what no forecast could know', usd: regret.forecastUsd },
        { name: 'machines that come whole', usd: regret.roundingUsd },
        { name: 'what only a longer horizon sees', usd: regret.horizonUsd },
      ];

/** Policies that were run, in order. */
export const policiesOf = ({ outcomes }: BacktestResult): PolicyName[] =>
  POLICIES.filter((policy) => outcomes[policy] !== null);

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** The answer in one sentence. */
export function answerOf({ profitUsd, ruleProfitUsd, gapClosed, from, to }: BacktestResult): string {
  const more = profitUsd - ruleProfitUsd;
  const against = `${shortUsd(Math.abs(more))} ${more < 0 ? 'less' : 'more'} than the rule`;
  const gap = gapClosed === null ? '' : `: ${percent(gapClosed)} of what perfect knowledge would have added`;
  return `From ${from.slice(0, 10)} to ${to.slice(0, 10)} the plan would have earned ${shortUsd(profitUsd)}, ${against}${gap}.`;
}

/** Dollars of a table: whole ones, so that columns add up before a reader's eyes; cents where all profits are below $1,000. */
export function dollarsOf(result: BacktestResult): (usd: number) => string {
  const isSmall = policiesOf(result).every((policy) => Math.abs(result.outcomes[policy]!.profitUsd) < 1000);
  const digits = isSmall ? 2 : 0;
  return (usd) => {
    const size = Math.abs(usd).toLocaleString('en-US', {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    return `${usd < 0 && /[1-9]/.test(size) ? '-' : ''}$${size}`;
  };
}
