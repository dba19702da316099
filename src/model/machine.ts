import type { SiteMs } from './clock.ts';

/** What a machine can be told to do. `profile` names an operating point of the machine's own (LuxOS profile, stock work mode). */
export type OperatingMode = { readonly kind: 'sleep' } | { readonly kind: 'run'; readonly profile: string };

export const SLEEP: OperatingMode = { kind: 'sleep' };
export const run = (profile: string): OperatingMode => ({ kind: 'run', profile });
export const modeKey = (mode: OperatingMode): string => (mode.kind === 'sleep' ? 'sleep' : mode.profile);
export const modeFromKey = (key: string): OperatingMode => (key === 'sleep' ? SLEEP : run(key));

/** One operating point, as the machine reports it or the catalogue lists it. */
export interface ModePoint {
  readonly profile: string;
  readonly powerW: number;
  readonly hashrateThs: number;
}

export interface GpuReading {
  readonly index: number;
  readonly powerW: number | undefined;
  /** Counter since the driver was loaded: bill from this, never from averaged watts. */
  readonly energyMj: number | undefined;
  readonly utilisationPct: number | undefined;
  readonly temperatureC: number | undefined;
}

/**
 * One answer of one machine. Every field the machine did not offer is `undefined`, never 0.
 * `powerBasis` tells a measured watt from one derived from hashrate and nameplate.
 */
export interface Reading {
  readonly at: SiteMs;
  readonly powerW?: number | undefined;
  readonly powerBasis?: 'measured' | 'estimated' | undefined;
  readonly hashrateThs?: number | undefined;
  readonly mode?: OperatingMode | undefined;
  /** Hottest sensor. */
  readonly temperatureC?: number | undefined;
  readonly fanRpm?: number | undefined;
  readonly uptimeS?: number | undefined;
  readonly model?: string | undefined;
  readonly firmware?: string | undefined;
  readonly serial?: string | undefined;
  readonly mac?: string | undefined;
  readonly pool?: { readonly url: string; readonly worker: string } | undefined;
  readonly acceptedShares?: number | undefined;
  readonly rejectedShares?: number | undefined;
  readonly points?: readonly ModePoint[] | undefined;
  readonly gpus?: readonly GpuReading[] | undefined;
  /** Meters: power at the meter and the import counter. */
  readonly energyImportWh?: number | undefined;
  readonly energyExportWh?: number | undefined;
  /** Uplinks: the port as the switch or router counts it. */
  readonly link?: LinkReading | undefined;
  readonly errors?: readonly string[] | undefined;
}

/** Counters since the device started; 64-bit, as bigint. */
export interface LinkReading {
  readonly up: boolean | undefined;
  readonly speedMbps: number | undefined;
  readonly inOctets: bigint | undefined;
  readonly outOctets: bigint | undefined;
  readonly inErrors: number | undefined;
  readonly outErrors: number | undefined;
}

/** State words shown to people, each with a shape, a word and a colour on the page. */
export const MACHINE_STATES = [
  'running',
  'starting',
  'curtailed',
  'idle',
  'degraded',
  'faulted',
  'unreachable',
  'stale',
] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

export type MachineKind = 'asic' | 'gpu-server' | 'meter';
/** What a driver may speak to. */
export type DeviceKind = MachineKind | 'uplink';

/** One machine as the site file names it. */
export interface Machine {
  readonly id: string;
  readonly groupId: string;
  readonly kind: MachineKind;
  readonly modelId: string;
  readonly hallId: string;
  readonly driver: string;
  readonly address: string;
}
