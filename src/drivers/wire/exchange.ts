import { connect, type Socket } from 'node:net';
import { Fault } from '../../model/index.ts';

/** One question and its answer on a TCP connection of its own. */
export interface Exchange<T> {
  readonly host: string;
  readonly port: number;
  readonly data: string | Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** What a fault names: `10.0.1.7:4028`. */
  readonly where: string;
  /**
   * A part of the answer, in memory that the next part of any answer is read into: what is to be kept is copied.
   * @returns the answer once it is whole. @throws Fault
   */
  take(part: Buffer): T | undefined;
  /** The peer closed. @throws Fault where that leaves the answer short */
  ended(): T;
  /** Time is up: what came, where it may be all there is to come. @throws Fault */
  late?(): T | undefined;
}

/** What one read brings; every socket of the thread reads into it, as what it holds is taken at once. */
const part = Buffer.allocUnsafeSlow(64 * 1024);

/** Connects, sends, and resolves with the answer as soon as it is whole. @throws Fault */
export function exchange<T>(asked: Exchange<T>): Promise<T> {
  const { host, port, timeoutMs, signal, where } = asked;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(new Fault('timeout', `${where}: given up before asking`));
    /** How far it came, for the fault that says it went no further. */
    let came = 'no connection';
    let done = false;

    const settle = (): void => {
      done = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (fault: Fault): void => {
      settle();
      socket.destroy();
      reject(fault);
    };
    const attempt = (step: () => T | undefined): void => {
      try {
        const answer = step();
        if (answer === undefined) return;
        settle();
        letGo(socket);
        resolve(answer);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        fail(error);
      }
    };
    const onTimeout = (): void => {
      if (asked.late !== undefined) attempt(() => asked.late?.());
      if (!done) fail(new Fault('timeout', `${where}: ${came} within ${timeoutMs} ms`));
    };
    const onAbort = (): void => fail(new Fault('timeout', `${where}: given up`));
    const timer = setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });

    const onread = {
      buffer: part,
      callback(bytes: number): boolean {
        if (done) return true;
        came = 'no end of the answer';
        attempt(() => asked.take(part.subarray(0, bytes)));
        return true;
      },
    };
    // One write on each connection: there is nothing that could be delayed behind it.
    const socket = connect({ host, port, onread });
    socket.on('connect', () => {
      came = 'connected, but no answer';
      socket.write(asked.data);
    });
    socket.on('end', () => {
      if (!done) attempt(() => asked.ended());
      socket.destroy();
      if (!waiting.delete(socket)) overdue.delete(socket);
    });
    // A late error of a socket nobody waits for any more is nobody's.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!done) fail(new Fault('unreachable', `${where}: ${error.code ?? error.message}`, { cause: error }));
    });
  });
}

/**
 * Firmware closes as soon as it has answered, in the same packet or the next. Whoever closes first keeps the port waiting for minutes
 * (TIME_WAIT, RFC 9293 3.3.2), which at thousands of connections a second adds up. Firmware that keeps the socket may serve one
 * connection at a time, so it must not be kept waiting either.
 */
const PEER_CLOSES_WITHIN_MS = 20;

let waiting = new Set<Socket>();
let overdue = new Set<Socket>();
let closing: NodeJS.Timeout | undefined;

/** Closes a connection whose answer is whole when the peer does, or within two such times. */
function letGo(socket: Socket): void {
  waiting.add(socket);
  closing ??= setTimeout(closeOverdue, PEER_CLOSES_WITHIN_MS);
}

function closeOverdue(): void {
  for (const socket of overdue) socket.destroy();
  overdue = waiting;
  waiting = new Set();
  closing = overdue.size === 0 ? undefined : setTimeout(closeOverdue, PEER_CLOSES_WITHIN_MS);
}
