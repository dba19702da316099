import type { Line } from '../model/index.ts';

/** A line of business that machines of the site work for; the grid line follows from the meter alone. */
export type WorkLine = Exclude<Line, 'grid'>;
export const WORK_LINES: readonly WorkLine[] = ['mining', 'ai', 'hpc'];

/** What flows at one moment. A rate that is not known is `undefined`, and its time is then not covered. */
export interface Flow {
  readonly lines: Readonly<Record<WorkLine, LineFlow>>;
  readonly leaseCostUsdPerHour: number;
  readonly planImportW: number | undefined;
  /** By class of work, of classes whose contracts count what was served; where nobody tells, all that is committed counts as unserved. */
  readonly served?: Readonly<Record<string, ServedFlow>>;
  /** GPUs wanted by class of work, of classes whose scheduler answers. */
  readonly wanted?: Readonly<Record<string, number>>;
}

export interface ServedFlow {
  readonly gpus: number;
  readonly unservedGpus: number;
}

export interface LineFlow {
  /** Machines of the line with their share of cooling and losses. */
  readonly powerW: number | undefined;
  readonly revenueUsdPerHour: number | undefined;
  /** PH/s for mining, busy GPUs for AI and HPC. */
  readonly quantity: number | undefined;
  readonly penaltyUsdPerHour: number;
}
