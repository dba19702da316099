import { Fault, type HttpPort, type HttpReply, type HttpRequest } from '../../model/index.ts';
import type { Fields } from './fields.ts';
import { asFields, expectOk } from './http.ts';
import { asJson } from './web-session.ts';

type Method = HttpRequest['method'];

/** A machine's REST API: JSON both ways, and a token fetched when it is first wanted. */
export interface Rest {
  /** An object. @throws Fault */
  get(path: string, signal?: AbortSignal, name?: string): Promise<Fields>;
  /** Any JSON: a list, a word. @throws Fault */
  json(path: string, signal?: AbortSignal, name?: string): Promise<unknown>;
  /** Sends a body; the reply as it came, its status already a success. @throws Fault */
  send(method: Method, path: string, body: unknown, signal?: AbortSignal): Promise<HttpReply>;
  /** Forgets the token. */
  forget(): void;
}

export interface RestOptions {
  readonly http: HttpPort;
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Headers of one who is signed in; undefined where the machine knows no sign-in. @throws Fault unauthorised */
  login?(
    ask: (method: Method, path: string, body: unknown, signal?: AbortSignal) => Promise<HttpReply>,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, string>>>;
  /** Reads are tried without a token first, and only a 401 asks for one. Writes always carry one. Default: true. */
  readonly openReads?: boolean;
}

export function restClient(options: RestOptions): Rest {
  const { http, address, port, timeoutMs, login, openReads = true } = options;
  const base = `http://${address}:${port}`;
  let token: Readonly<Record<string, string>> | undefined;
  /** What a read was answered without a token: from then on it carries one. */
  let readsNeedToken = !openReads;

  function ask(
    method: Method,
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
    name?: string,
  ): Promise<HttpReply> {
    return http.ask({
      method,
      url: `${base}${path}`,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      timeoutMs,
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(name === undefined ? {} : { name }),
    });
  }
  const bare = (method: Method, path: string, body: unknown, signal?: AbortSignal) =>
    ask(method, path, body, {}, signal);

  async function exchange(
    method: Method,
    path: string,
    body: unknown,
    signal?: AbortSignal,
    name?: string,
  ): Promise<HttpReply> {
    if (login === undefined) return ask(method, path, body, {}, signal, name);
    const open = method === 'GET' && !readsNeedToken;
    if (!open) token ??= await login(bare, signal);
    const first = await ask(method, path, body, open ? {} : (token ?? {}), signal, name);
    if (first.status !== 401 && first.status !== 403) return first;
    // Without a token, or with one that has run out: once more with a fresh one.
    if (open) readsNeedToken = true;
    token = await login(bare, signal);
    return ask(method, path, body, token, signal, name);
  }

  const where = (method: Method, path: string) => `${method} ${base}${path}`;
  return {
    async get(path, signal, name) {
      return asFields(
        expectOk(await exchange('GET', path, undefined, signal, name), where('GET', path)),
        where('GET', path),
      );
    },
    async json(path, signal, name) {
      return asJson(
        expectOk(await exchange('GET', path, undefined, signal, name), where('GET', path)),
        where('GET', path),
      );
    },
    async send(method, path, body, signal) {
      return expectOk(await exchange(method, path, body, signal), where(method, path));
    },
    forget() {
      token = undefined;
    },
  };
}

/** The word of a sign-in that was given one, or the fault that says why there is none. */
export function tokenIn(reply: HttpReply, where: string, ...keys: string[]): string {
  const said = asFields(expectOk(reply, where), where);
  for (const key of keys) {
    const value = said[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  throw new Fault('garbled', `${where}: no token in the answer`, { bytes: reply.body });
}
