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
  /** Signs in, where that is needed and was not done. @throws Fault */
  prepare(signal?: AbortSignal): Promise<void>;
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

  function request({ method, path, body, signal, name }: Call, credential: Headers): Promise<HttpReply> {
    const asked = { method, url: base + path, headers: credential, timeoutMs, signal };
    const named = name === undefined ? asked : { ...asked, name };
    if (body === undefined) return http.ask(named);
    const headers = { 'content-type': 'application/json', ...credential };
    return http.ask({ ...named, headers, body: JSON.stringify(body) });
  }

  /** Some firmware sends a reader on to the same path with a slash behind it. */
  function followed(reply: HttpReply, call: Call, credential: Headers): Promise<HttpReply> | HttpReply {
    const isMoved = reply.status >= 301 && reply.status <= 308 && reply.headers['location']?.endsWith(`${call.path}/`);
    return isMoved === true ? request({ ...call, path: `${call.path}/` }, credential) : reply;
  }
  async function ask(call: Call, credential: Headers): Promise<HttpReply> {
    return followed(await request(call, credential), call, credential);
  }
  const bare: Ask = (method, path, body, signal) => ask({ method, path, body, signal, name: undefined }, NO_HEADERS);

  /** @returns what `made` makes of a reply that is a success: a poll pays for every promise, so there is one. */
  async function exchange<T>(call: Call, made: (reply: HttpReply, where: string) => T): Promise<T> {
    const where = `${call.method} ${base}${call.path}`;
    const isOpen = login === undefined || (call.method === 'GET' && !readsNeedIt);
    const isNew = !isOpen && held === undefined;
    if (isNew) held = await login(bare, call.signal);
    const credential = isOpen ? NO_HEADERS : (held ?? NO_HEADERS);
    let reply = await request(call, credential);
    if (reply.status >= 300) reply = await followed(reply, call, credential);
    if (login === undefined || !isDenied(reply)) return made(expectOk(reply, where), where);
    // One that has just been given would be no better the second time.
    if (!isNew) {
      held = undefined;
      held = await login(bare, call.signal);
      // Not before: one that cannot sign in still reads what is open.
      if (isOpen) readsNeedIt = true;
      reply = await ask(call, held);
      if (!isDenied(reply)) return made(expectOk(reply, where), where);
    }
    held = undefined;
    throw new Fault('unauthorised', `${where}: not signed in; check the user and password in the site file`, {
      bytes: reply.body.slice(0, 200),
    });
  }

  return {
    get: (path, signal, name) => exchange({ method: 'GET', path, body: undefined, signal, name }, asObject),
    json: (path, signal, name) => exchange({ method: 'GET', path, body: undefined, signal, name }, asJson),
    send: (method, path, body, signal) => exchange({ method, path, body, signal, name: undefined }, asItCame),
    async prepare(signal) {
      if (login !== undefined) held ??= await login(bare, signal);
    },
    forget() {
      held = undefined;
    },
  };
}

interface Call {
  readonly method: Method;
  readonly path: string;
  readonly body: unknown;
  readonly signal: AbortSignal | undefined;
  readonly name: string | undefined;
}

const NO_HEADERS: Headers = {};
const asItCame = (reply: HttpReply): HttpReply => reply;

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
