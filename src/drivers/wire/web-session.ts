import { Fault, type HttpPort, type HttpReply } from '../../model/index.ts';
import { expectOk } from './http.ts';

export interface WebCall {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the first slash on. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** What a recording calls the answer; absent: worked out from the path. */
  readonly name?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface SessionOptions {
  readonly base: string;
  readonly timeoutMs: number;
  /** Headers that carry the credential of a session. */
  login(signal?: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Whether every request needs the session, or only those that are denied without one. */
  readonly always: boolean;
}

/**
 * Web APIs with a token: it is asked for once, kept, and asked for again as soon as the machine no longer takes it (it
 * expired, or the machine was restarted). A password that is wrong is tried once a call, never in a loop.
 */
export function webSession(http: HttpPort, { base, timeoutMs, login, always }: SessionOptions) {
  let held: Readonly<Record<string, string>> | undefined;

  async function send(call: WebCall, credential: Readonly<Record<string, string>>): Promise<HttpReply> {
    const { method = 'GET', path, body, name, signal } = call;
    const headers = { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...credential };
    const request = (url: string) =>
      http.ask({
        method,
        url,
        headers,
        timeoutMs,
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(name === undefined ? {} : { name }),
      });
    const reply = await request(`${base}${path}`);
    // Some firmware sends a reader on to the same path with a slash behind it.
    const moved = reply.status >= 301 && reply.status <= 308 && !path.endsWith('/') && !path.includes('?');
    return moved ? request(`${base}${path}/`) : reply;
  }

  const denied = ({ status }: HttpReply): boolean => status === 401 || status === 403;

  async function ask(call: WebCall): Promise<HttpReply> {
    const isNew = held === undefined && always;
    if (isNew) held = await login(call.signal);
    const reply = await send(call, held ?? {});
    if (!denied(reply) || isNew) return reply;
    held = undefined;
    held = await login(call.signal);
    return send(call, held);
  }

  return {
    /** The reply, whatever its status. */
    ask,
    /** Without credentials. */
    askOpenly: (call: WebCall) => send(call, {}),
    /** The JSON of a reply that is a success. */
    async json(call: WebCall): Promise<unknown> {
      const where = `${base}${call.path}`;
      return asJson(expectOk(await ask(call), where), where);
    },
    forget() {
      held = undefined;
    },
  };
}

export type WebSession = ReturnType<typeof webSession>;

/** Any JSON value, or a garbled fault that keeps the bytes. */
export function asJson(reply: HttpReply, where: string): unknown {
  try {
    return JSON.parse(reply.body) as unknown;
  } catch (error) {
    throw new Fault('garbled', `${where}: not JSON`, { cause: error, bytes: reply.body });
  }
}

/**
 * A part of a reading that other parts do not need: a fault of it leaves it undefined.
 * @throws what is no fault of the world
 */
export async function optional<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** What lies at a path of keys in a JSON value; undefined where any step is not there. */
export function dig(value: unknown, ...path: readonly (string | number)[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Readonly<Record<string | number, unknown>>)[key];
  }
  return found;
}
