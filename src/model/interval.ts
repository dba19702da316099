import type { SiteMs } from './clock.ts';
import type { MicroUsd } from './quantity.ts';
import type { Line } from './work.ts';

/**
 * One quarter-hour of the books. Energy is what the meters counted; lines share it by what their machines
 * reported, and what no machine explains stays `unattributedWh`. A figure that could not be known is `undefined`.
 */
export interface Interval {
  readonly start: SiteMs;
  readonly durationMs: number;
  readonly importWh: number | undefined;
  /** Share of the interval the connection's counter really covers, 0 to 1. */
  readonly coverage: number;
  readonly priceUsdPerMwh: number | undefined;
  readonly lines: readonly IntervalLine[];
  readonly unattributedWh: number | undefined;
  /** Energy cost: the whole block at its price, and what is bought above it at real time. */
  readonly energyCost: MicroUsd | undefined;
  readonly leaseCost: MicroUsd;
  readonly planImportWh: number | undefined;
  readonly wakes: number;
  /** Of classes of work whose contracts count what was served; seen in `coverage` of the interval. */
  readonly served?: readonly IntervalServed[];
  /** Of classes of work whose scheduler answered. */
  readonly wanted?: readonly IntervalWanted[];
}

/** GPUs that a class of work wanted, on the mean of what was seen; what was not seen is not in it. */
export interface IntervalWanted {
  readonly workClass: string;
  readonly gpus: number;
  /** Share of the interval in which its scheduler answered, above 0. */
  readonly coverage: number;
}

export interface IntervalServed {
  readonly workClass: string;
  readonly gpuHours: number;
  /** Committed, wanted and not served. */
  readonly unservedGpuHours: number;
}

export interface IntervalLine {
  readonly line: Line;
  readonly energyWh: number | undefined;
  readonly revenue: MicroUsd | undefined;
  /** PH/s-hours for mining, GPU-hours for AI and HPC; MWh of block sold for grid. */
  readonly quantity: number | undefined;
  readonly quantityUnit: 'PHh' | 'GPUh' | 'MWh';
  readonly penalty: MicroUsd;
}
