import type { SiteMs } from './clock.ts';
import type { Line } from './work.ts';

/** `optimal` is said only of a solution the solver proved; a timed-out one is never called so. */
export const PLAN_STATUS = ['optimal', 'feasible', 'merit-order', 'limits-exceeded'] as const;
export type PlanStatus = (typeof PLAN_STATUS)[number];

/** The plan is data: previewed, compared, stored, replayed, and refused when stale. */
export interface Plan {
  readonly id: string;
  readonly madeAt: SiteMs;
  readonly solver: 'highs' | 'merit-order';
  readonly status: PlanStatus;
  readonly solveMs: number;
  /** Planned money over the horizon, by the forecast. */
  readonly objectiveUsd: number;
  readonly steps: readonly PlanStep[];
  readonly notes: readonly string[];
  /** What a person would have to rent, give back or let lapse for the plan to come true, a sentence each; Busbar does none of it. Absent where the site leases nothing that is to be decided. */
  readonly proposals?: readonly string[];
  /** Why the step that runs is as it is; absent where no proven solution told. */
  readonly why?: PlanWhy | undefined;
}

/** What the solution says of its own reasons, for the step that runs. */
export interface PlanWhy {
  /** Limits that bind, dearest first. */
  readonly limits: readonly BindingLimit[];
  readonly cohorts: readonly CohortWhy[];
  /** Of classes of work that were measured at several power limits. */
  readonly work?: readonly WorkWhy[];
  /** One sentence for each change against what runs now, the largest first. */
  readonly changes: readonly string[];
}

export interface BindingLimit {
  /** `connection`, `feeder:<id>`, `hall:<id>`, `reserve:<seconds>`, `call:<id>`, `base-point`, `demand`, `wakes:<id>`, `uplink:<id>`, `part:<GPU model> <hall>` and the role where nodes have roles, `curtailment:<class>`, `non-preemptible:<class>`, `deadline:<class>`, `ballast:shed`, `ballast:take`, `lease:<id>`. */
  readonly key: string;
  /** What one `unit` more of it would earn each hour. */
  readonly usdPerHour: number;
  readonly unit: 'MW' | 'wake' | 'Gbit/s' | 'GPU' | 'GPU-hour' | 'chip';
  /** `1 MW more at hall c is worth $31.20 an hour now`. */
  readonly sentence: string;
}

/** Market prices at which a cohort would leave its present mode, other limits and the later hours being as they are. */
export interface CohortWhy {
  readonly cohort: string;
  /** The mode most of its machines are in. */
  readonly mode: string;
  /** Above this price the mode below earns more; undefined where there is none below. */
  readonly leavesAboveUsdPerMwh: number | undefined;
  readonly below: string | undefined;
  /** Below this price the mode above earns more. */
  readonly leavesBelowUsdPerMwh: number | undefined;
  readonly above: string | undefined;
}

/** Market prices at which the GPUs of a class would leave their present power limit, in the same sense. */
export interface WorkWhy {
  readonly work: string;
  /** The limit most of them work at; undefined where most do not work. */
  readonly limitW: number | undefined;
  /** Above this price the limit below earns more, or `undefined` of it to stop; undefined where they stopped. */
  readonly leavesAboveUsdPerMwh: number | undefined;
  readonly belowW: number | undefined;
  /** Below this price the limit above earns more. */
  readonly leavesBelowUsdPerMwh: number | undefined;
  readonly aboveW: number | undefined;
}

export interface PlanStep {
  readonly start: SiteMs;
  readonly durationMs: number;
  readonly priceUsdPerMwh: number;
  readonly known: boolean;
  readonly importW: number;
  /** Fed into the grid, and made on site by generator; both absent where the site makes nothing. */
  readonly exportW?: number;
  readonly generationW?: Readonly<Record<string, number>>;
  /** IT power with its share of cooling and losses, by line; `grid` is the unused block. Unknown and fixed draw is in `otherW`. */
  readonly linePowerW: Readonly<Record<Line, number>>;
  readonly otherW: number;
  /** Machines per cohort and mode key; fractional in later steps, whole in the first. */
  readonly cohorts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** GPUs that work, per class of work. */
  readonly work: Readonly<Record<string, number>>;
  /** Of these, by power limit in W, those of each class whose work was measured at several; absent where none was. */
  readonly gpusAtLimitW?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Held for each award that the step falls into, by its id; absent where there is none. */
  readonly reserveW?: Readonly<Record<string, number>>;
  /** By lease: chips committed to or kept on, chips rented beyond them, which after the first step is a proposal, and GPUs' worth of work they serve. */
  readonly leases?: Readonly<
    Record<string, { readonly chips: number; readonly moreChips: number; readonly gpus: number }>
  >;
  /** What one more MW of a binding limit would be worth, in $/MWh; limits with no value are absent. */
  readonly shadowUsdPerMwh: Readonly<Record<string, number>>;
}

/** What a person wants to know first: when does something change next, and by how much. */
export interface NextChange {
  readonly at: SiteMs;
  readonly deltaW: number;
  readonly why: string;
}
