import { Fault, type HttpPort, type HttpReply, type HttpRequest } from '../../model/index.ts';
import type { Fields } from './fields.ts';
import { expectOk } from './http.ts';
import { parseJson } from './loose-json.ts';

type Method = HttpRequest['method'];
type Headers = Readonly<Record<string, string>>;
/** Sends a body as JSON, without a credential; the reply whatever its status. */
type Ask = (method: Method, path: string, body?: unknown, signal?: AbortSignal) => Promise<HttpReply>;

/** A machine's web API: JSON both ways, and a credential fetched when it is first wanted. */
export interface WebSession {
  /** An object. @throws Fault */
  get(path: string, signal?: AbortSignal, name?: string): Promise<Fields>;
  /** Any JSON: a list, a word. @throws Fault */
  json(path: string, signal?: AbortSignal, name?: string): Promise<unknown>;
  /** A write; the reply as it came, its status already a success. @throws Fault */
  send(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<HttpReply>;
  /** Forgets the credential. */
  forget(): void;
}

export interface WebSessionOptions {
  readonly http: HttpPort;
  /** Up to the first slash of a path, which begins with one. */
  readonly base: string;
  readonly timeoutMs: number;
  /** Headers of one who is signed in; undefined where the machine knows no sign-in. @throws Fault unauthorised */
  login?(ask: Ask, signal?: AbortSignal): Promise<Headers>;
  /** Reads are tried without a credential first, and only a denial asks for one. Writes always carry one. Default: true. */
  readonly openReads?: boolean;
  /** Default: 401 and 403. */
  isDenied?(reply: HttpReply): boolean;
}

/**
 * The credential is asked for once, kept, and asked for again as soon as the machine no longer takes it (it ran out, or the
 * machine was restarted). A password that is wrong is tried once a call, never in a loop.
 */
export function webSession(options: WebSessionOptions): WebSession {
  const { http, base, timeoutMs, login, openReads = true, isDenied = denies } = options;
  let held: Headers | undefined;
  /** What a read was denied without a credential: from then on it carries one. */
  let readsNeedIt = !openReads;

  async function request(
    method: Method,
    path: string,
    body: unknown,
    credential: Headers,
    signal?: AbortSignal,
    name?: string,
  ): Promise<HttpReply> {
    const headers = { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...credential };
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const to = (url: string) =>
      http.ask({ method, url, headers, timeoutMs, signal, ...sent, ...(name === undefined ? {} : { name }) });
    const reply = await to(`${base}${path}`);
    // Some firmware sends a reader on to the same path with a slash behind it.
    const isMoved = reply.status >= 301 && reply.status <= 308 && reply.headers['location']?.endsWith(`${path}/`);
    return isMoved === true ? to(`${base}${path}/`) : reply;
  }
  const bare: Ask = (method, path, body, signal) => request(method, path, body, {}, signal);

  async function exchange(
    method: Method,
    path: string,
    body: unknown,
    signal?: AbortSignal,
    name?: string,
  ): Promise<HttpReply> {
    const where = `${method} ${base}${path}`;
    if (login === undefined) return expectOk(await bare(method, path, body, signal), where);
    const isOpen = method === 'GET' && !readsNeedIt;
    const isNew = !isOpen && held === undefined;
    if (isNew) held = await login(bare, signal);
    let reply = await request(method, path, body, isOpen ? {} : (held ?? {}), signal, name);
    // One that has just been given would be no better the second time.
    if (isDenied(reply) && !isNew) {
      held = undefined;
      held = await login(bare, signal);
      // Not before: one that cannot sign in still reads what is open.
      if (isOpen) readsNeedIt = true;
      reply = await request(method, path, body, held, signal, name);
    }
    if (!isDenied(reply)) return expectOk(reply, where);
    held = undefined;
    throw new Fault('unauthorised', `${where}: not signed in; check the user and password in the site file`, {
      bytes: reply.body.slice(0, 200),
    });
  }

  return {
    async get(path, signal, name) {
      return asObject(await exchange('GET', path, undefined, signal, name), `GET ${base}${path}`);
    },
    async json(path, signal, name) {
      return asJson(await exchange('GET', path, undefined, signal, name), `GET ${base}${path}`);
    },
    send: exchange,
    forget() {
      held = undefined;
    },
  };
}

const denies = ({ status }: HttpReply): boolean => status === 401 || status === 403;

/** The word of a sign-in that was given one, or the fault that says why there is none. */
export function tokenIn(reply: HttpReply, where: string, ...keys: string[]): string {
  const said = asObject(expectOk(reply, where), where);
  for (const key of keys) {
    const value = said[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  throw new Fault('garbled', `${where}: no token in the answer`, { bytes: reply.body });
}

/** Any JSON value, mended where that is unambiguous. @throws Fault garbled, with the bytes */
export function asJson(reply: HttpReply, where: string): unknown {
  const value = parseJson(reply.body);
  if (value === undefined) throw new Fault('garbled', `${where}: not JSON`, { bytes: reply.body });
  return value;
}

/** The same, where it is an object. */
export function asObject(reply: HttpReply, where: string): Fields {
  const value = asJson(reply, where);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Fault('garbled', `${where}: not a JSON object`, { bytes: reply.body });
}
