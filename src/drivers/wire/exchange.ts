import { Socket } from 'node:net';
import { asFault, Fault } from '../../model/index.ts';

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
  return new Promise((resolve, reject) => {
    if (asked.signal?.aborted === true) return reject(new Fault('timeout', `${asked.where}: given up before asking`));
    new Line(asked, resolve as (answer: unknown) => void, reject).open();
  });
}

/** Handlers that all sockets share are told which by their `this`: closures for each would be half of what a read leaves behind. */
const ON_READ = {
  buffer: part,
  callback(this: unknown, bytes: number): boolean {
    return (this as Line).onPart(bytes);
  },
};

class Line extends Socket {
  readonly #asked: Exchange<unknown>;
  readonly #resolve: (answer: unknown) => void;
  readonly #reject: (fault: Fault) => void;
  readonly #timer: NodeJS.Timeout;
  #onAbort: (() => void) | undefined;
  /** How far it came, for the fault that says it went no further. */
  #came = 'no connection';
  #done = false;

  constructor(asked: Exchange<unknown>, resolve: (answer: unknown) => void, reject: (fault: Fault) => void) {
    super({ onread: ON_READ });
    this.#asked = asked;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(onTimeout, asked.timeoutMs, this);
  }

  open(): void {
    const { host, port, signal } = this.#asked;
    if (signal !== undefined) {
      this.#onAbort = () => this.#fail(new Fault('timeout', `${this.#asked.where}: given up`));
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    this.on('connect', this.onConnected);
    this.on('end', this.onEnd);
    this.on('error', this.onError);
    // One write on each connection: there is nothing that could be delayed behind it.
    this.connect({ host, port });
  }

  onConnected(): void {
    this.#came = 'connected, but no answer';
    this.write(this.#asked.data);
  }

  /** @returns whether more is wanted */
  onPart(bytes: number): boolean {
    if (this.#done) return false;
    this.#came = 'no end of the answer';
    try {
      this.#settleWith(this.#asked.take(part.subarray(0, bytes)));
    } catch (error) {
      this.#fail(error);
    }
    if (this.#done) letGo(this);
    return !this.#done;
  }

  onEnd(): void {
    if (this.#done) return;
    try {
      this.#settleWith(this.#asked.ended());
    } catch (error) {
      this.#fail(error);
    }
    this.destroy();
  }

  onError(error: NodeJS.ErrnoException): void {
    // A late error of a socket nobody waits for any more is nobody's.
    if (this.#done) return;
    this.#fail(new Fault('unreachable', `${this.#asked.where}: ${error.code ?? error.message}`, { cause: error }));
  }

  onLate(): void {
    const { where, timeoutMs } = this.#asked;
    try {
      this.#settleWith(this.#asked.late?.());
      if (this.#done) this.destroy();
      else this.#fail(new Fault('timeout', `${where}: ${this.#came} within ${timeoutMs} ms`));
    } catch (error) {
      this.#fail(error);
    }
  }

  #settleWith(answer: unknown): void {
    if (answer === undefined) return;
    this.#settle();
    this.#resolve(answer);
  }

  #fail(error: unknown): void {
    const fault = asFault(error);
    this.#settle();
    this.destroy();
    this.#reject(fault);
  }

  #settle(): void {
    this.#done = true;
    clearTimeout(this.#timer);
    if (this.#onAbort !== undefined) this.#asked.signal?.removeEventListener('abort', this.#onAbort);
  }
}

const onTimeout = (line: Line): void => line.onLate();

/**
 * Firmware closes as soon as it has answered, in the same packet or the next. Whoever closes first keeps the port waiting for minutes
 * (TIME_WAIT, RFC 9293 3.3.2), which at thousands of connections a second adds up: it is given the time to. Reading its end would cost
 * more than this. Firmware that keeps the socket may serve one connection at a time, so it must not be kept waiting either.
 */
const PEER_CLOSES_WITHIN_MS = 20;
/** Closing costs as much as opening: whoever is in a hurry has it put off, for so long after the last word, and in all. */
const PUT_OFF_MS = 300;
const PUT_OFF_AT_MOST_MS = 4_000;

let hurriedSince = Number.NEGATIVE_INFINITY;
let hurriedUntil = Number.NEGATIVE_INFINITY;
let waiting: Socket[] = [];
let overdue: Socket[] = [];
let closing: NodeJS.Timeout | undefined;

/** Closes a connection whose answer is whole, after one to two such times. */
function letGo(socket: Socket): void {
  waiting.push(socket);
  closing ??= setTimeout(closeOverdue, PEER_CLOSES_WITHIN_MS);
}

/** Machines are being told to draw less: for a moment no connection is closed that can wait for it. */
export function putOffClosing(): void {
  const now = performance.now();
  if (now > hurriedUntil + PUT_OFF_MS) hurriedSince = now;
  hurriedUntil = Math.min(now + PUT_OFF_MS, hurriedSince + PUT_OFF_AT_MOST_MS);
}

function closeOverdue(): void {
  if (performance.now() < hurriedUntil) {
    closing = setTimeout(closeOverdue, PEER_CLOSES_WITHIN_MS);
    return;
  }
  for (const socket of overdue) socket.destroy();
  overdue = waiting;
  waiting = [];
  closing = overdue.length === 0 ? undefined : setTimeout(closeOverdue, PEER_CLOSES_WITHIN_MS);
}
