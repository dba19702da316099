/**
 * The world as drivers, feeds and clusters see it: transports handed in, so that a recording or the emulated site
 * can stand for it. Implemented in `drivers/wire/`. Every method throws `Fault` and nothing else.
 */

export interface TcpPort {
  /**
   * Sends one request and collects the reply until `complete` says it is whole, the peer closes, or time runs out
   * with nothing received. Many miners keep the socket open, so waiting for the end of the stream would hang.
   * @returns what `read` made of it
   */
  ask<T>(request: TcpRequest<T>): Promise<T>;
}

export interface TcpRequest<T> {
  readonly host: string;
  readonly port: number;
  readonly data: string | Buffer;
  readonly timeoutMs: number;
  /** What a recording calls the answer: `summary`, `get_miner_status_pools`. */
  readonly name: string;
  complete(received: Buffer): boolean;
  /** The reply's meaning. What it is to keep it copies: the memory is used again for the next reply. @throws Fault */
  read(reply: Buffer): T;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpPort {
  ask(request: HttpRequest): Promise<HttpReply>;
  /** A reply that has no end of its own, as it comes; absent where the transport can hand on whole replies only. */
  open?(request: HttpRequest): Promise<HttpStream>;
}

export interface HttpStream {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes cut anywhere. @throws Fault `timeout` where nothing came for `timeoutMs`, `unreachable` where the connection broke */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What a client trusts and shows in a TLS connection, each in PEM; no `ca`: the authorities of the system. */
export interface TlsTrust {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Name the certificate must have, where it is not the one of the address. */
  readonly serverName?: string | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  /** What a recording calls the answer; absent: worked out from the path (`/api/v1/miner/details` is `miner_details`). */
  readonly name?: string;
  /** For https: how the machine's certificate is judged. Default `verify`; a BMC's own is pinned by its SHA-256. */
  readonly certificate?: 'verify' | 'any' | { readonly sha256: string } | TlsTrust;
  /** A longer reply is `garbled` and is not read to its end. Default 16 MiB. */
  readonly maxBytes?: number;
  /** Digest credentials: the challenge is answered, and the nonce kept for the next request. */
  readonly digest?: { readonly username: string; readonly password: string };
  readonly signal?: AbortSignal | undefined;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SnmpPort {
  /** One GET of several objects; the values in the order asked, `undefined` where the agent has no such object. */
  get(request: SnmpGet): Promise<readonly SnmpValue[]>;
  /** Everything below an object, in the agent's order. At most `most` rows (default 2,000). */
  walk(request: SnmpWalk): Promise<readonly { readonly oid: string; readonly value: SnmpValue }[]>;
  /** Sets one object to an integer. */
  set(request: SnmpSet): Promise<void>;
}

/** 64-bit counters are bigint: a double loses octets of a fast link after some months. */
export type SnmpValue = number | bigint | string | undefined;

interface SnmpAgent {
  readonly host: string;
  readonly port: number;
  readonly community: string;
  readonly timeoutMs: number;
}
export interface SnmpGet extends SnmpAgent {
  readonly oids: readonly string[];
}
export interface SnmpWalk extends SnmpAgent {
  readonly oid: string;
  readonly most?: number;
}
export interface SnmpSet extends SnmpAgent {
  readonly oid: string;
  readonly value: number;
}

export interface ModbusPort {
  /** Reads `count` holding registers (function 3); the bytes in wire order. */
  readHolding(request: ModbusRead): Promise<Buffer>;
}

export interface ModbusRead {
  readonly host: string;
  readonly port: number;
  readonly unitId: number;
  readonly register: number;
  readonly count: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Present values of BACnet objects over UDP (ASHRAE 135, annex J). */
export interface BacnetPort {
  /** In the order asked; `undefined` where the device has no such object. */
  read(request: BacnetRead): Promise<readonly (number | undefined)[]>;
  /** Writes a present value at a priority (1 to 16); `undefined` gives the slot back. */
  write(request: BacnetWrite): Promise<void>;
}

export type BacnetObjectType =
  | 'analog-input'
  | 'analog-output'
  | 'analog-value'
  | 'binary-input'
  | 'binary-output'
  | 'binary-value';

export interface BacnetObject {
  readonly type: BacnetObjectType;
  readonly instance: number;
}
export interface BacnetRead {
  readonly host: string;
  readonly port: number;
  readonly objects: readonly BacnetObject[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}
export interface BacnetWrite {
  readonly host: string;
  readonly port: number;
  readonly object: BacnetObject;
  readonly value: number | undefined;
  readonly priority: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A program of this host, run without a shell; only those the server allows (`nvidia-smi`, `ipmitool`, `scontrol`). */
export interface ProgramPort {
  /** @throws Fault `unsupported` where the program is not there or not allowed; an exit code other than 0 is handed back. */
  run(request: ProgramRun): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
}
export interface ProgramRun {
  readonly program: 'nvidia-smi' | 'ipmitool' | 'scontrol';
  readonly args: readonly string[];
  /** Credentials go here and never among the arguments, which every user of the host can read. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Jobs as process groups of this host that outlive this process. Each has a name of its own, by which it is found again
 * after a restart, and a folder that holds its script and its output. Linux only: elsewhere everything is `unsupported`.
 */
export interface ProcessPort {
  /** Starts the script with no environment but the path and `env`. Returns when the group is there. @throws Fault */
  start(run: ProcessStart): Promise<void>;
  /** Whether its group still runs, how old it is by the kernel's clock, and how it ended: undefined where nobody knows. */
  look(name: string): Promise<ProcessState>;
  /** To every process of its group. @returns whether there was one */
  signal(name: string, signal: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGUSR1' | 'SIGUSR2'): Promise<boolean>;
  /** What it has written so far, the last `mostBytes` of it; empty where it wrote nothing. */
  output(name: string, mostBytes: number): Promise<string>;
  /** Its folder and all that is in it. */
  remove(name: string): Promise<void>;
}

export interface ProcessStart {
  readonly name: string;
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  /** Output beyond it is thrown away. */
  readonly mostOutputBytes: number;
  /** Writable memory of each process; undefined: no limit. */
  readonly memoryMb: number | undefined;
  /** Which of the CPUs of this process it may use, counted from 0; empty: all. */
  readonly cpus: readonly number[];
  /** User it runs as; undefined: the one of this process, which must not be root. */
  readonly userId: number | undefined;
}

export interface ProcessState {
  readonly runs: boolean;
  readonly ageS: number | undefined;
  readonly exitCode: number | undefined;
}
