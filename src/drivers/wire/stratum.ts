import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Fault } from '../../model/index.ts';
import { fields, text } from './fields.ts';

/** What a probe of a pool learns, as it comes. Times are on the clock it was given. */
export interface StratumEvents {
  /** Subscribed and authorised: the pool takes this worker. */
  onReady(timing: StratumTiming): void;
  onJob(): void;
  onDifficulty(difficulty: number): void;
  /** The connection has ended; it is not made again by itself. */
  onEnd(fault: Fault): void;
}

export interface StratumTiming {
  readonly connectMs: number;
  readonly subscribeMs: number;
  readonly authoriseMs: number;
}

export interface StratumProbe {
  /** Authorises again: how long an answer takes now, and whether the account still counts. */
  check(): Promise<number>;
  close(): void;
}

export interface StratumTarget {
  /** `stratum+tcp://HOST:PORT`, `stratum+ssl://`, `stratum+tls://`. */
  readonly url: string;
  readonly worker: string;
  readonly password: string;
  readonly timeoutMs: number;
  now(): number;
}

/** A line longer than any pool's job: with so many transactions in the tree a job has 20 branches of 64 letters. */
const LONGEST_LINE = 64 * 1024;
/** A job comes every 30 to 60 s. A pool that floods is cut off. */
const MOST_LINES_PER_SECOND = 200;

/**
 * A client of Stratum version 1 that mines nothing (de-facto standard: mining.subscribe, mining.authorize, mining.notify over lines of JSON).
 * @throws Fault unsupported for a pool of version 2, whose handshake it does not speak
 */
export function openStratum(target: StratumTarget, events: StratumEvents): StratumProbe {
  const url = new URL(target.url.replace(/^stratum\+(\w+):/, 'http:'));
  if (!/^stratum\+(tcp|ssl|tls):/.test(target.url))
    throw new Fault('unsupported', `${target.url}: only Stratum version 1 is probed (stratum+tcp, stratum+ssl)`);
  const secure = !target.url.startsWith('stratum+tcp:');
  const options = { host: url.hostname, port: Number(url.port || (secure ? 443 : 3333)) };
  const started = target.now();
  const socket: Socket = secure
    ? connectTls({ ...options, servername: url.hostname })
    : connect({ ...options, noDelay: true });
  const waiting = new Map<
    number,
    { resolve(reply: unknown): void; reject(fault: Fault): void; timer: NodeJS.Timeout }
  >();
  let lastId = 0;
  let rest = '';
  let ended = false;
  let second = 0;
  let linesInSecond = 0;

  const end = (fault: Fault): void => {
    if (ended) return;
    ended = true;
    clearTimeout(patience);
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(fault);
    }
    waiting.clear();
    socket.removeAllListeners();
    socket.on('error', () => {});
    socket.destroy();
    events.onEnd(fault);
  };
  const patience = setTimeout(
    () => end(new Fault('timeout', `${target.url}: no connection within ${target.timeoutMs} ms`)),
    target.timeoutMs,
  );

  function ask(method: string, params: readonly unknown[]): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = (lastId += 1);
    const timer = setTimeout(() => {
      waiting.delete(id);
      reject(new Fault('timeout', `${target.url}: no answer to ${method} within ${target.timeoutMs} ms`));
    }, target.timeoutMs);
    waiting.set(id, { resolve, reject, timer });
    socket.write(`${JSON.stringify({ id, method, params })}\n`);
    return promise;
  }

  async function authorise(): Promise<number> {
    const at = target.now();
    const accepted = await ask('mining.authorize', [target.worker, target.password]);
    if (accepted !== true)
      throw new Fault('unauthorised', `${target.url}: the pool does not take the worker ${target.worker}`);
    return target.now() - at;
  }

  async function greet(): Promise<void> {
    clearTimeout(patience);
    const connectMs = target.now() - started;
    const at = target.now();
    const subscribed = await ask('mining.subscribe', ['busbar']);
    if (!Array.isArray(subscribed)) throw new Fault('garbled', `${target.url}: no subscription in the answer`);
    const subscribeMs = target.now() - at;
    const authoriseMs = await authorise();
    events.onReady({ connectMs, subscribeMs, authoriseMs });
  }

  function take(line: string): void {
    let message;
    try {
      message = fields(JSON.parse(line));
    } catch {
      return end(new Fault('garbled', `${target.url}: not Stratum`, { bytes: line }));
    }
    const method = text(message['method']);
    if (method === 'mining.notify') return events.onJob();
    if (method === 'mining.set_difficulty') {
      const difficulty = Array.isArray(message['params']) ? Number(message['params'][0]) : Number.NaN;
      if (Number.isFinite(difficulty)) events.onDifficulty(difficulty);
      return undefined;
    }
    const asked = waiting.get(Number(message['id']));
    if (asked === undefined) return undefined;
    waiting.delete(Number(message['id']));
    clearTimeout(asked.timer);
    const error = message['error'];
    if (error === null || error === undefined || error === false) asked.resolve(message['result']);
    else asked.reject(new Fault('refused', `${target.url}: ${errorText(error)}`));
  }

  socket.on(secure ? 'secureConnect' : 'connect', () => {
    greet().catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error;
      end(error);
    });
  });
  socket.on('data', (chunk: Buffer) => {
    rest += chunk.toString('utf8');
    if (rest.length > LONGEST_LINE && !rest.includes('\n'))
      return end(new Fault('garbled', `${target.url}: a line without an end`));
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    const now = Math.floor(target.now() / 1000);
    linesInSecond = now === second ? linesInSecond + lines.length : lines.length;
    second = now;
    if (linesInSecond > MOST_LINES_PER_SECOND)
      return end(new Fault('garbled', `${target.url}: more than ${MOST_LINES_PER_SECOND} messages a second`));
    for (const line of lines) if (line.trim() !== '' && !ended) take(line);
    return undefined;
  });
  socket.on('end', () => end(new Fault('unreachable', `${target.url}: the pool closed the connection`)));
  socket.on('error', (error: NodeJS.ErrnoException) =>
    end(new Fault('unreachable', `${target.url}: ${error.code ?? error.message}`, { cause: error })),
  );
  return {
    check: authorise,
    close: () => {
      ended = true;
      clearTimeout(patience);
      for (const { timer } of waiting.values()) clearTimeout(timer);
      waiting.clear();
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.destroy();
    },
  };
}

/** Errors come as `[24, "Unauthorized worker", null]` or as an object. */
function errorText(error: unknown): string {
  if (Array.isArray(error)) return String(error[1] ?? error[0]);
  return text(fields(error)['message']) ?? JSON.stringify(error);
}
