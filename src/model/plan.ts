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
}

export interface PlanStep {
  readonly start: SiteMs;
  readonly durationMs: number;
  readonly priceUsdPerMwh: number;
  readonly known: boolean;
  readonly importW: number;
  /** IT power with its share of cooling and losses, by line; `grid` is the unused block. Unknown and fixed draw is in `otherW`. */
  readonly linePowerW: Readonly<Record<Line, number>>;
  readonly otherW: number;
  /** Machines per cohort and mode key; fractional in later steps, whole in the first. */
  readonly cohorts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** GPUs that work, per class of work. */
  readonly work: Readonly<Record<string, number>>;
  /** What one more MW of a binding limit would be worth, in $/MWh; limits with no value are absent. */
  readonly shadowUsdPerMwh: Readonly<Record<string, number>>;
}

/** What a person wants to know first: when does something change next, and by how much. */
export interface NextChange {
  readonly at: SiteMs;
  readonly deltaW: number;
  readonly why: string;
}
