import type { z } from 'zod';
import { Fault, HOUR, MINUTE, SECOND, type HttpReply, type HttpRequest } from '../../model/index.ts';
import type { FeedIo } from '../feed.ts';

export interface WebRequest {
  readonly method?: 'GET' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly maxBytes?: number;
  readonly timeoutMs?: number;
}

/** Requests of one feed to one service. Faults name the address without its query: a key may stand there. */
export interface Web {
  /** The reply whatever its status. @throws Fault of the transport, and `refused` while the service asked to be left alone. */
  ask(request: WebRequest, signal?: AbortSignal): Promise<HttpReply>;
  /** The reply as JSON of a known shape. @throws Fault for a status that is no success and for anything else in the reply. */
  json<S extends z.ZodType>(request: WebRequest, shape: S, signal?: AbortSignal): Promise<z.output<S>>;
}

const MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 10 * SECOND;
/** Waited after 429 where the service does not say how long. */
const WAIT_MS = MINUTE;

export function openWeb(io: FeedIo): Web {
  let silentUntil = -Infinity;

  async function ask(request: WebRequest, signal?: AbortSignal): Promise<HttpReply> {
    const where = whereOf(request);
    const waitMs = silentUntil - io.wallNow();
    if (waitMs > 0)
      throw new Fault('refused', `${where}: asked too often; not asked again for ${Math.ceil(waitMs / SECOND)} s`);
    const { method = 'GET', url, headers, body, maxBytes = MAX_BYTES, timeoutMs = TIMEOUT_MS } = request;
    const whole: HttpRequest = {
      method,
      url,
      timeoutMs,
      maxBytes,
      headers: { accept: 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    };
    const reply = await io.http.ask(whole).catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error;
      const bytes = error.bytes === undefined ? {} : { bytes: error.bytes };
      throw new Fault(error.kind, error.message.replaceAll(url, stripped(url)), bytes);
    });
    if (reply.body.length > maxBytes)
      throw new Fault('garbled', `${where}: a reply of ${reply.body.length} bytes, expected at most ${maxBytes}`);
    const wait = retryAfterMs(reply);
    if (wait !== undefined) silentUntil = io.wallNow() + wait;
    return reply;
  }

  return {
    ask,
    async json(request, shape, signal) {
      const reply = await ask(request, signal);
      const where = whereOf(request);
      expectOk(reply, where);
      return parseAs(shape, parseJson(reply, where), where);
    },
  };
}

const stripped = (url: string): string => url.replace(/[?#].*$/s, '').replace(/\/\/[^/@]*@/, '//');
export const whereOf = ({ method = 'GET', url }: WebRequest): string => `${method} ${stripped(url)}`;

/** How long a service asks to be left alone: `Retry-After` in seconds or as a date, at most an hour (RFC 9110, 10.2.3). */
function retryAfterMs({ status, headers }: HttpReply): number | undefined {
  const after = headers['retry-after'];
  if (status !== 429 && (status !== 503 || after === undefined)) return undefined;
  if (after === undefined) return WAIT_MS;
  // A date is read against the reply's own, since the clock at hand is monotonic and knows no date.
  const ms = /^\d+$/.test(after) ? Number(after) * SECOND : Date.parse(after) - Date.parse(headers['date'] ?? '');
  return Number.isFinite(ms) ? Math.min(Math.max(ms, SECOND), HOUR) : WAIT_MS;
}

/** What was said, on one line and short enough for a message. */
const saidIn = (body: string): string => body.replaceAll(/\s+/g, ' ').trim().slice(0, 200);

/** Turns a status that is no success into the fault it means. */
export function expectOk({ status, body, headers }: HttpReply, where: string): void {
  if (status >= 200 && status < 300) return;
  const said = saidIn(body);
  const bytes = { bytes: body.slice(0, 500) };
  if (status === 401 || status === 403)
    throw new Fault(
      'unauthorised',
      `${where}: ${status}; check the credentials in the site file. It said: ${said}`,
      bytes,
    );
  if (status === 404 || status === 405 || status === 501)
    throw new Fault('unsupported', `${where}: ${status}; there is no such call. It said: ${said}`, bytes);
  if (status === 429) {
    const after = headers['retry-after'] ?? `nothing of when, so after ${WAIT_MS / SECOND} s`;
    throw new Fault('refused', `${where}: 429, asked too often; to be asked again: ${after}`, bytes);
  }
  if (status >= 300 && status < 400)
    throw new Fault(
      'refused',
      `${where}: ${status} leads elsewhere and is not followed; set the address itself`,
      bytes,
    );
  throw new Fault('refused', `${where}: ${status} ${said}`, bytes);
}

/** @throws Fault `garbled` that says what the body is instead of JSON. */
export function parseJson({ body }: HttpReply, where: string): unknown {
  const bytes = { bytes: body.slice(0, 500) };
  const text = body.trimStart();
  if (text === '') throw new Fault('garbled', `${where}: an empty reply, expected JSON`);
  if (text.startsWith('<'))
    throw new Fault('garbled', `${where}: a web page, expected JSON; is a sign-in page or a proxy in between?`, bytes);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault('garbled', `${where}: not JSON (${(error as Error).message.slice(0, 100)})`, bytes);
  }
}

/** @throws Fault `garbled` with path, what was found and what was expected, the first three of them. */
export function parseAs<S extends z.ZodType>(shape: S, value: unknown, where: string): z.output<S> {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 3).map(({ path, message }) => {
    const found = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value);
    return `${pathText(path) || 'the reply'}: found ${short(found)}: ${message}`;
  });
  throw new Fault('garbled', `${where}: ${problems.join('; ')}`, { bytes: short(value, 500) });
}

const pathText = (path: readonly PropertyKey[]): string =>
  path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`)).join('');

/** A value as JSON, cut. */
export const short = (value: unknown, most = 60): string => (JSON.stringify(value) ?? 'nothing').slice(0, most);
