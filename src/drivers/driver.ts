import type { z } from 'zod';
import type {
  AfterOutage,
  BacnetPort,
  DeviceKind,
  HttpPort,
  ModbusPort,
  ProgramPort,
  Reading,
  SecretRef,
  SiteMs,
  SnmpPort,
  TcpPort,
  WallMs,
} from '../model/index.ts';

/**
 * How a machine is spoken to. A capability is a method that exists: `open` hands back `read` and only those of
 * the others that this machine really has. There are no flags beside the methods.
 *
 * Every method throws `Fault` for whatever the world does wrong, and never anything else. A method that writes
 * resolves when the machine has acknowledged; that is not proof, and control reads back.
 */
export interface Device {
  /**
   * The fast read, every 30 s: power, hashrate, hottest temperature, mode, and whatever else the same answer holds.
   * As few requests as the firmware allows, and none that only serve what changes slowly.
   */
  read(signal?: AbortSignal): Promise<Reading>;
  /**
   * The slow read, hourly and after every write: identity, boards, fans, pools, profiles, errors. A part that fails is
   * a gap of the reading, not a fault, as long as any part answers. Absent where `read` tells everything there is.
   */
  inspect?(signal?: AbortSignal): Promise<Reading>;
  /**
   * Gets what a write will need beside the write itself, a token or a session, where the firmware lets it be kept: then a machine is told
   * in one exchange when it matters. Writes nothing.
   */
  prepare?(signal?: AbortSignal): Promise<void>;
  sleep?(signal?: AbortSignal): Promise<void>;
  wake?(signal?: AbortSignal): Promise<void>;
  /** Runs at an operating point of the machine's own; wakes it first if it sleeps. */
  setMode?(profile: string, signal?: AbortSignal): Promise<void>;
  setPowerLimit?(watts: number, signal?: AbortSignal): Promise<void>;
  /** Keeps its GPUs' clocks at or below this; `undefined` lets them go. */
  setClockLimit?(mhz: number | undefined, signal?: AbortSignal): Promise<void>;
  /** Replaces every pool, in order of preference; fills up with none. Called by control alone, from the site's list. */
  setPools?(pools: readonly PoolSetting[], signal?: AbortSignal): Promise<void>;
  /** Switches one outlet of a PDU, numbered from 1. */
  setOutlet?(outlet: number, on: boolean, signal?: AbortSignal): Promise<void>;
  /** Arms what it does when its supply comes back; kept by firmware or BMC. What is armed already is left. @throws Fault unsupported for what it does not know */
  setAfterOutage?(what: AfterOutage, signal?: AbortSignal): Promise<void>;
  /** The same of one outlet of a PDU, numbered from 1. */
  setOutletAfterOutage?(outlet: number, what: AfterOutage, signal?: AbortSignal): Promise<void>;
  /** What a cooling plant delivers, inside the limits of its settings. */
  setSupplyC?(celsius: number, signal?: AbortSignal): Promise<void>;
  /** Demands that a cooling plant runs; false takes the demand back, and its own program decides again. */
  demandCooling?(on: boolean, signal?: AbortSignal): Promise<void>;
  reboot?(signal?: AbortSignal): Promise<void>;
  locate?(on: boolean, signal?: AbortSignal): Promise<void>;
  /** Lets go of sockets and tokens. */
  close(): void;
}

/** A pool as it is written to a machine. */
export interface PoolSetting {
  readonly url: string;
  readonly worker: string;
  readonly password: string;
}

/** What a driver may know of the world; a recording or the emulated site can stand for it. */
export interface DriverIo {
  readonly tcp: TcpPort;
  readonly http: HttpPort;
  readonly modbus: ModbusPort;
  readonly snmp: SnmpPort;
  readonly bacnet: BacnetPort;
  readonly program: ProgramPort;
  /** The credential behind a reference. @throws Fault `unauthorised` naming the place when there is none. */
  secret(ref: SecretRef): string;
  siteNow(): SiteMs;
  /** Unix time in ms, for protocols whose tokens carry it. */
  unixNow(): number;
  wallNow(): WallMs;
}

/**
 * What discovery saw of an address, with cheap and read-only probes: the answer to `version` on 4028, to
 * `{"cmd":"get.device.info"}` on 4433, and to `GET /` and each `probes` path on web ports, header block and all.
 */
export interface Fingerprint {
  readonly openPorts: readonly number[];
  /** Text of the first reply by port: a 4028 `version` answer, an HTTP header block and the start of its page. */
  readonly banners: ReadonlyMap<number, string>;
  /** Bodies (status 200) of `probes` by path with port, `80/api/v1/info`. */
  readonly pages: ReadonlyMap<string, string>;
}

export type OutageBehaviour =
  | { readonly always: AfterOutage }
  /** What it can be armed to do, with settings as the site file has them. */
  | { arms(settings: Readonly<Record<string, unknown>>): readonly AfterOutage[] };

export interface Driver<C extends z.ZodType = z.ZodType> {
  readonly name: string;
  /** In words, for docs and messages. */
  readonly about: string;
  /** What it may be named for in a site file. */
  readonly serves: readonly DeviceKind[];
  readonly config: C;
  /** Ports discovery should try for it, beside 80 and 4028 that are always tried. */
  readonly ports?: readonly number[];
  /** Pages to fetch where a web port answers, without credentials: `{ port: 80, path: '/api/v1/info' }`. */
  readonly probes?: readonly { readonly port: number; readonly path: string }[];
  recognises(seen: Fingerprint): boolean;
  /** Settings a discovered machine needs that differ from the defaults: a version of the protocol, a port. */
  settingsFor?(seen: Fingerprint): Readonly<Record<string, unknown>>;
  /**
   * What a machine does when its supply was cut and comes back, with nobody there to tell it: the same always, or as it is armed.
   * Absent where no document and no measurement says.
   */
  readonly afterOutage?: OutageBehaviour;
  /** The factory's credentials, for `discover --try-defaults` alone. */
  readonly factory?: { readonly username: string; readonly password: string };
  open(target: { address: string; modelId: string; config: z.output<C> }, io: DriverIo): Device;
}

/** Identity, for its types: the config schema types `open`. */
export function defineDriver<C extends z.ZodType>(driver: Driver<C>): Driver<C> {
  return driver;
}
