import type { Series, SiteMs } from '../../model/index.ts';

/** Said of a history without GPU prices, unless it is said of each price that is held. */
export const NO_GPU_PRICES = 'no GPU prices are given: they are held constant over the period';

/** What the world told over time, read whole. Whoever plans is handed what was known at that moment and nothing later. */
export interface History {
  /** `priceUsdPerMwh` always; weather, network and GPU prices where files tell them. Ascending by start, without gaps or doubles. */
  readonly series: readonly Series[];
  readonly load: SystemLoad | undefined;
  /** GPUs that classes of work wanted, where a file tells; the others want what the site file says. */
  readonly wanted?: readonly WantedSeries[] | undefined;
  /** What a person should know and no figure shows: a unit that looks wrong, GPU prices held constant. */
  readonly warnings: readonly string[];
}

/** GPUs that a class of work wanted, by intervals of equal length, each the mean over its interval. */
export interface WantedSeries {
  readonly workClass: string;
  readonly intervalMs: number;
  readonly points: readonly { readonly start: SiteMs; readonly gpus: number }[];
}

/** Load of the whole power system, in MW, by intervals of equal length. */
export interface SystemLoad {
  readonly source: string;
  readonly intervalMs: number;
  readonly points: readonly { readonly start: SiteMs; readonly mw: number }[];
}

/**
 * `plan`: the planner, without look-ahead. `rule`: AI first, then miners at stock in merit order, run if the price at the machine is
 * below what its hash is worth. `practice`: the rule, and off in the hours of likely coincident peaks. `always-on`: everything the
 * limits allow. `foresight`: the planner on what really came.
 */
export const POLICIES = ['plan', 'rule', 'practice', 'always-on', 'foresight'] as const;
export type PolicyName = (typeof POLICIES)[number];

export const OUTCOME_FIGURES = [
  'profitUsd',
  'energyMwh',
  'energyUsd',
  'hashPhHours',
  'miningUsd',
  'gpuHours',
  'workUsd',
  'penaltyUsd',
  'interruptUsd',
  'wakes',
  'wakeUsd',
  'retuneUsd',
  'demandUsd',
  'coincidentUsd',
  'curtailedHours',
] as const;

/**
 * What a policy did and earned over a period; costs are positive. `hashPhHours` are PH/s times hours; `curtailedHours` those in which
 * miners that could have run were asleep, each weighed by the share of their power at stock.
 */
export type Outcome = Readonly<Record<(typeof OUTCOME_FIGURES)[number], number>>;

export const GAIN_SOURCES = [
  'operatingPoints',
  'coincidentPeaks',
  'demandCharge',
  'wakes',
  'work',
  'negativePrices',
] as const;

export type GainSource = (typeof GAIN_SOURCES)[number];

/**
 * What the plan earned more than the rule, in $, by where it came from; together the difference of their profits. The margin of mining
 * counts under `coincidentPeaks` in steps where a likely peak made power dearer, beside the charge itself; under `negativePrices` where
 * power cost less than nothing; else under `operatingPoints`.
 */
export type Gains = Readonly<Record<GainSource, number>>;

/**
 * What the plan is short of foresight, in $, by cause: what it could not know, machines that come whole, and what only a longer or finer
 * horizon sees. Together the difference of their profits.
 */
export interface Regret {
  readonly forecastUsd: number;
  readonly roundingUsd: number;
  readonly horizonUsd: number;
}

export interface CoincidentOutcome {
  /** Of the charge that miners running through every peak would have brought: how much was not paid; 0 to 1. */
  readonly avoidedShare: number;
  /** Hours slept because of a likely peak: the price alone would have let the miners run. */
  readonly curtailedHours: number;
  readonly peaks: readonly { readonly start: string; readonly loadMw: number; readonly importMw: number }[];
}

export interface BacktestResult {
  readonly site: string;
  readonly from: string;
  readonly to: string;
  readonly stepMinutes: number;
  readonly cohorts: number;
  readonly profitUsd: number;
  readonly ruleProfitUsd: number;
  /** Null where the site has no charge on coincident peaks. */
  readonly practiceProfitUsd: number | null;
  readonly foresightProfitUsd: number;
  readonly alwaysOnProfitUsd: number;
  /** (plan - rule) / (foresight - rule); null where foresight earns no more than the rule. */
  readonly gapClosed: number | null;
  readonly gapClosedOverPractice: number | null;
  readonly curtailedHours: number;
  readonly coincidentPeak: CoincidentOutcome | null;
  readonly outcomes: Readonly<Record<PolicyName, Outcome | null>>;
  readonly gains: Gains;
  /** Null where it was not asked for. */
  readonly regret: Regret | null;
  /** Calendar months of the site's time zone. */
  readonly months: readonly {
    readonly month: string;
    readonly profitUsd: Readonly<Record<PolicyName, number | null>>;
  }[];
  readonly notes: readonly string[];
}
