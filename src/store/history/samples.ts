import type { SiteMs } from '../../model/index.ts';

/** One reading of one machine, meter or uplink, as history keeps it. What it did not say is absent, never 0. */
export interface Sample {
  readonly id: string;
  readonly at: SiteMs;
  readonly powerW?: number | undefined;
  readonly hashrateThs?: number | undefined;
  readonly temperatureC?: number | undefined;
  readonly utilisationPct?: number | undefined;
  readonly inMbps?: number | undefined;
  readonly outMbps?: number | undefined;
  /** Import counter of a meter, or of a server's GPUs. Kept as a double: float32 would lose kWh after a month at 40 MW. */
  readonly energyWh?: number | undefined;
  readonly mode?: string | undefined;
}

/** Gauges may be float32. Each is kept with the way its minutes and quarter-hours are made. */
export const GAUGES = {
  powerW: 'power_w',
  hashrateThs: 'hashrate_ths',
  temperatureC: 'temperature_c',
  utilisationPct: 'utilisation_pct',
  inMbps: 'in_mbps',
  outMbps: 'out_mbps',
} as const;
export type Gauge = keyof typeof GAUGES;
export const GAUGE_NAMES = Object.keys(GAUGES) as Gauge[];

/** Bucket sizes: every reading, minutes, quarter-hours. */
export const LEVELS = ['raw', 'minute', 'quarter'] as const;
export type Level = (typeof LEVELS)[number];
export const BUCKET_MS: Readonly<Record<Level, number>> = { raw: 1, minute: 60_000, quarter: 900_000 };

/** Days each level is kept, counted on the site clock; undefined is for ever. */
export interface Retention {
  readonly rawDays: number;
  readonly minuteDays: number;
  readonly quarterHourDays: number | undefined;
  readonly diskBytes: number;
}

export interface HistoryQuery {
  readonly id: string;
  readonly gauge: Gauge | 'energyWh';
  readonly from: SiteMs;
  readonly to: SiteMs;
  /** At least so long a bucket; what is stored coarser comes coarser. */
  readonly bucketMs: number;
}

export interface HistoryPoint {
  readonly start: SiteMs;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

export interface LevelUsage {
  readonly level: Level;
  readonly bytes: number;
  readonly files: number;
  /** First day there is, `2026-11-22`. */
  readonly oldest: string | undefined;
}

export interface HistoryUsage {
  readonly budgetBytes: number;
  readonly bytes: number;
  readonly levels: readonly LevelUsage[];
  /** Days of readings given up because the disk budget was full, since the start. */
  readonly trimmedDays: number;
  /** Readings taken in and not yet on disk. */
  readonly unsaved: number;
}
