import type { SiteMs } from './clock.ts';
import type { FaultKind } from './fault.ts';

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

export type GpuThrottle = 'heat' | 'hardware' | 'power-brake';

export interface GpuReading {
  readonly index: number;
  readonly powerW: number | undefined;
  /** Counter since the driver was loaded: bill from this, never from averaged watts. */
  readonly energyMj: number | undefined;
  readonly utilisationPct: number | undefined;
  readonly temperatureC: number | undefined;
  readonly name?: string | undefined;
  readonly uuid?: string | undefined;
  readonly powerLimitW?: number | undefined;
  readonly smClockMhz?: number | undefined;
  readonly memoryUsedBytes?: number | undefined;
  readonly memoryTotalBytes?: number | undefined;
  /** Share of time the tensor cores worked, 0 to 1. */
  readonly tensorActive?: number | undefined;
  /** NVIDIA's number of the last fault the driver reported; 0 where it reported none. */
  readonly xid?: number | undefined;
  /** Why it slows itself down against its will; empty: it does not; absent: it does not tell. */
  readonly throttledBy?: readonly GpuThrottle[] | undefined;
  /** The scheduler's job that holds it, as the exporter labels it. */
  readonly job?: string | undefined;
}

/** One TPU chip. No exporter tells its watts. */
export interface TpuReading {
  readonly index: number;
  readonly model?: string | undefined;
  readonly dutyCyclePct: number | undefined;
  readonly tensorcorePct: number | undefined;
  readonly memoryBandwidthPct: number | undefined;
  readonly memoryUsedBytes: number | undefined;
  readonly memoryTotalBytes: number | undefined;
}

/** One hashboard. */
export interface BoardReading {
  readonly index: number;
  readonly hashrateThs?: number | undefined;
  /** Hottest sensor of the board. */
  readonly temperatureC?: number | undefined;
  /** Chips that answer. */
  readonly chips?: number | undefined;
  readonly powerW?: number | undefined;
  readonly serial?: string | undefined;
}

/** One pool as the machine has it configured, in its order of preference. */
export interface PoolReading {
  readonly url: string;
  readonly worker: string;
  /** The one it works for now. */
  readonly active?: boolean | undefined;
  /** What the machine says of the connection. */
  readonly alive?: boolean | undefined;
  readonly acceptedShares?: number | undefined;
  readonly rejectedShares?: number | undefined;
}

/** What a machine or an outlet does when its supply comes back: stays off until it is told, does what it did before, or starts. */
export const AFTER_OUTAGE = ['stay-off', 'last-state', 'start'] as const;
export type AfterOutage = (typeof AFTER_OUTAGE)[number];

/** One outlet of a PDU, numbered from 1 as on its face. */
export interface OutletReading {
  readonly index: number;
  readonly name?: string | undefined;
  readonly on: boolean | undefined;
  readonly powerW?: number | undefined;
  readonly currentA?: number | undefined;
  readonly energyWh?: number | undefined;
}

/** A chiller, CDU or dry cooler. Temperatures of the water or air it delivers and gets back. */
export interface CoolingReading {
  readonly running: boolean | undefined;
  readonly supplyC?: number | undefined;
  readonly returnC?: number | undefined;
  readonly setPointC?: number | undefined;
  readonly flowLpm?: number | undefined;
  readonly pressureKpa?: number | undefined;
  readonly fanPct?: number | undefined;
  readonly pumpPct?: number | undefined;
}

/** A part of a reading that the machine was asked for and did not give. */
export interface Gap {
  /** What was asked, in one word: `pools`, `boards`, `profiles`. */
  readonly part: string;
  readonly kind: FaultKind;
  readonly message: string;
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
  /** Fastest fan, and all of them in the machine's order. */
  readonly fanRpm?: number | undefined;
  readonly fansRpm?: readonly (number | undefined)[] | undefined;
  readonly uptimeS?: number | undefined;
  readonly model?: string | undefined;
  readonly firmware?: string | undefined;
  readonly serial?: string | undefined;
  readonly mac?: string | undefined;
  readonly hostname?: string | undefined;
  /** The pool it works for now. */
  readonly pool?: { readonly url: string; readonly worker: string } | undefined;
  /** Every pool it has configured. */
  readonly pools?: readonly PoolReading[] | undefined;
  readonly boards?: readonly BoardReading[] | undefined;
  readonly acceptedShares?: number | undefined;
  readonly rejectedShares?: number | undefined;
  readonly points?: readonly ModePoint[] | undefined;
  /** The limit it keeps to now, where it knows one. */
  readonly powerLimitW?: number | undefined;
  /** What it is set to do when its supply comes back. */
  readonly afterOutage?: AfterOutage | undefined;
  readonly gpus?: readonly GpuReading[] | undefined;
  readonly tpus?: readonly TpuReading[] | undefined;
  readonly outlets?: readonly OutletReading[] | undefined;
  /** What each outlet is set to do when the PDU's supply comes back; one that tells nothing of it is absent. */
  readonly outletsAfterOutage?: readonly { readonly index: number; readonly afterOutage: AfterOutage }[] | undefined;
  readonly cooling?: CoolingReading | undefined;
  /** Meters: power at the meter and the import counter. */
  readonly energyImportWh?: number | undefined;
  readonly energyExportWh?: number | undefined;
  /** Uplinks: the port as the switch or router counts it. */
  readonly link?: LinkReading | undefined;
  /** What the machine itself says is wrong, in plain words. */
  readonly errors?: readonly string[] | undefined;
  /** Parts that were asked for and not given; the rest of the reading stands. */
  readonly gaps?: readonly Gap[] | undefined;
  /** When the slow part (identity, boards, pools, profiles) was told, where it was told apart. */
  readonly inspectedAt?: SiteMs | undefined;
}

/** One profile under two names: firmware says `normal` where the catalogue, and so the plan, says `default`, or the other way round. */
export const PLAIN_PROFILES: readonly string[] = ['normal', 'default'];

/**
 * A fast answer over the last slow one: what the fast one tells is newer. What is wrong now is what the fast one
 * says, where it says anything of it.
 */
export function overSlow(fast: Reading, slow: Reading | undefined): Reading {
  if (slow === undefined) return fast;
  // Watts and their basis belong together: never one of each answer.
  const both: Record<string, unknown> = { ...slow, powerW: undefined, powerBasis: undefined, inspectedAt: slow.at };
  for (const key in fast) {
    const value = fast[key as keyof Reading];
    if (value !== undefined) both[key] = value;
  }
  return both as unknown as Reading;
}

/** J/TH, or undefined where either is missing or nothing is hashed. */
export const efficiencyJPerTh = ({ powerW, hashrateThs }: Reading): number | undefined =>
  powerW === undefined || hashrateThs === undefined || hashrateThs <= 0 ? undefined : powerW / hashrateThs;

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
export type DeviceKind = MachineKind | 'uplink' | 'pdu' | 'cooling';

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
