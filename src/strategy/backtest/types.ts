import type { Series, SiteMs } from '../../model/index.ts';

/** What the world told over time, read whole. Whoever plans is handed what was known at that moment and nothing later. */
export interface History {
  /** `priceUsdPerMwh` always; weather, network and GPU prices where files tell them. Ascending by start, without gaps or doubles. */
  readonly series: readonly Series[];
  readonly load: SystemLoad | undefined;
  /** What a person should know and no figure shows: a unit that looks wrong, GPU prices held constant. */
  readonly warnings: readonly string[];
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

/** What a policy did and earned over a period. Costs are positive. */
export interface Outcome {
  readonly profitUsd: number;
  readonly energyMwh: number;
  readonly energyUsd: number;
  /** PH/s times hours. */
  readonly hashPhHours: number;
  readonly miningUsd: number;
  readonly gpuHours: number;
  readonly workUsd: number;
  readonly penaltyUsd: number;
  readonly interruptUsd: number;
  readonly wakes: number;
  readonly wakeUsd: number;
  readonly retuneUsd: number;
  readonly demandUsd: number;
  readonly coincidentUsd: number;
  /** Hours in which miners that could have run were asleep, each weighed by the share of their power at stock. */
  readonly curtailedHours: number;
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
  /** Calendar months of the site's time zone. */
  readonly months: readonly {
    readonly month: string;
    readonly profitUsd: Readonly<Record<PolicyName, number | null>>;
  }[];
  readonly notes: readonly string[];
}
