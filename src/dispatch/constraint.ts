import type { Model } from './model-builder.ts';
import type { Problem } from './problem.ts';

/** Decision columns of the linear program, by step first. Powers are MW, machines and GPUs are counted. */
export interface Columns {
  /** `[step][cohort][mode]`: machines. */
  readonly machines: readonly (readonly (readonly number[])[])[];
  /** `[step][cohort]`: machines woken at the start of the step. */
  readonly wakes: readonly (readonly number[])[];
  /** `[step][work]`: GPUs that work. */
  readonly gpus: readonly (readonly number[])[];
  /** `[step][work][point]`: those of them at each measured power limit; no columns where none was measured. */
  readonly gpusAt: readonly (readonly (readonly number[])[])[];
  /** `[step][work]`: GPUs a contract reserves and a customer asks for that do not work; undefined where none are reserved. */
  readonly unserved: readonly (readonly (number | undefined)[])[];
  /** `[step][hall]`: IT power. */
  readonly itMw: readonly (readonly number[])[];
  /** `[step][hall]`: cooling power. */
  readonly coolingMw: readonly (readonly number[])[];
  /** `[step][hall][segment]`: IT power that each segment of the cooling curve carries; empty where there is one only. */
  readonly heatMw: readonly (readonly (readonly number[])[])[];
  /** `[step]`: power through the connection, inward. */
  readonly importMw: readonly number[];
  /** `[step]`: power fed into the grid; undefined where nothing may be. */
  readonly exportMw: readonly number[] | undefined;
  /** `[step][lease]`; empty where there are none. */
  readonly leases: readonly (readonly LeaseColumns[])[];
  /** `[step][generator]`: power made on site. */
  readonly generationMw: readonly (readonly number[])[];
}

/** Chips of a lease: committed to or kept on, rented beyond, and GPUs of its class of work that they serve. */
export interface LeaseColumns {
  readonly kept: number;
  readonly more: number | undefined;
  readonly gpus: number | undefined;
}

export interface ConstraintContext {
  readonly problem: Problem;
  readonly columns: Columns;
}

/** One physical limit or one term of a contract. Physics is hard; contracts are priced. */
export interface Constraint {
  readonly name: string;
  readonly about: string;
  /** Adds its rows, and columns of its own, to the model. Row names start with the constraint's name. */
  add(model: Model, context: ConstraintContext): void;
}

export const defineConstraint = (constraint: Constraint): Constraint => constraint;
