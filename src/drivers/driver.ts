import type { z } from 'zod';
import type {
  DeviceKind,
  HttpPort,
  ModbusPort,
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
  read(signal?: AbortSignal): Promise<Reading>;
  sleep?(signal?: AbortSignal): Promise<void>;
  wake?(signal?: AbortSignal): Promise<void>;
  /** Runs at an operating point of the machine's own; wakes it first if it sleeps. */
  setMode?(profile: string, signal?: AbortSignal): Promise<void>;
  setPowerLimit?(watts: number, signal?: AbortSignal): Promise<void>;
  setPools?(pools: readonly { url: string; worker: string; password: string }[], signal?: AbortSignal): Promise<void>;
  reboot?(signal?: AbortSignal): Promise<void>;
  locate?(on: boolean, signal?: AbortSignal): Promise<void>;
  /** Lets go of sockets and tokens. */
  close(): void;
}

/** What a driver may know of the world; a recording or the emulated site can stand for it. */
export interface DriverIo {
  readonly tcp: TcpPort;
  readonly http: HttpPort;
  readonly modbus: ModbusPort;
  readonly snmp: SnmpPort;
  /** The credential behind a reference. @throws Fault `unauthorised` naming the place when there is none. */
  secret(ref: SecretRef): string;
  siteNow(): SiteMs;
  wallNow(): WallMs;
}

/** What discovery saw of an address, with cheap and read-only probes. */
export interface Fingerprint {
  readonly openPorts: readonly number[];
  /** Text of the first reply by port: a 4028 `version` answer, an HTTP header block, a metrics page. */
  readonly banners: ReadonlyMap<number, string>;
}

export interface Driver<C extends z.ZodType = z.ZodType> {
  readonly name: string;
  /** In words, for docs and messages. */
  readonly about: string;
  /** What it may be named for in a site file. */
  readonly serves: readonly DeviceKind[];
  readonly config: C;
  recognises(seen: Fingerprint): boolean;
  open(target: { address: string; modelId: string; config: z.output<C> }, io: DriverIo): Device;
}

/** Identity, for its types: the config schema types `open`. */
export function defineDriver<C extends z.ZodType>(driver: Driver<C>): Driver<C> {
  return driver;
}
