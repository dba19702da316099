/**
 * The world as drivers, feeds and clusters see it: transports handed in, so that a recording or the emulated site
 * can stand for it. Implemented in `drivers/wire/`. Every method throws `Fault` and nothing else.
 */

export interface TcpPort {
  /**
   * Sends one request and collects the reply until `complete` says it is whole, the peer closes, or time runs out
   * with nothing received. Many miners keep the socket open, so waiting for the end of the stream would hang.
   */
  ask(request: TcpRequest): Promise<Buffer>;
}

export interface TcpRequest {
  readonly host: string;
  readonly port: number;
  readonly data: string | Buffer;
  readonly timeoutMs: number;
  complete(received: Buffer): boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpPort {
  ask(request: HttpRequest): Promise<HttpReply>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
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
}

/** 64-bit counters are bigint: a double loses octets of a fast link after some months. */
export type SnmpValue = number | bigint | string | undefined;

export interface SnmpGet {
  readonly host: string;
  readonly port: number;
  readonly community: string;
  readonly oids: readonly string[];
  readonly timeoutMs: number;
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
}
