import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { Agent, buildConnector, request as undiciRequest } from 'undici';
import { Fault, type HttpPort, type HttpReply, type HttpRequest, type HttpStream } from '../../model/index.ts';
import { answerChallenge, parseChallenge, type DigestChallenge } from './digest.ts';
import type { Fields } from './fields.ts';
import { exchangeHttp } from './http1.ts';

interface KnownNonce {
  readonly challenge: DigestChallenge;
  uses: number;
}

/**
 * An `HttpPort` on undici's `request` (a third of the CPU of `fetch`). Digest nonces are kept per host and user, so
 * that a poll costs one exchange and not two.
 * @param options.oneShot plain http on a connection of its own for each request, without a pool: for machines, of which
 *   there are many and each is asked seldom
 */
export function httpPort({ oneShot = false }: { readonly oneShot?: boolean } = {}): Required<HttpPort> & {
  close(): Promise<void>;
} {
  /** One pool of connections for each way of judging certificates: what one trusts, another must not use. */
  const agents = new Map<string, Agent>();
  const agentFor = (certificate: HttpRequest['certificate'], pool: 'POOL' | 'STREAMS' = 'POOL'): Agent => {
    const key = `${pool} ${keyOf(certificate)}`;
    const agent = agents.get(key) ?? new Agent({ ...POOLS[pool], connect: connectorFor(certificate) });
    agents.set(key, agent);
    return agent;
  };
  const nonces = new Map<string, KnownNonce>();

  const send = (request: HttpRequest, authorization: string | undefined): Promise<HttpReply> =>
    oneShot && request.url.startsWith('http:')
      ? exchangeHttp(request, authorization, request.maxBytes ?? MAX_BYTES)
      : sendPooled(request, authorization);

  async function sendPooled(request: HttpRequest, authorization: string | undefined): Promise<HttpReply> {
    const headers = { ...request.headers, ...(authorization === undefined ? {} : { authorization }) };
    const timeout = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
    try {
      const reply = await undiciRequest(request.url, {
        method: request.method,
        headers,
        dispatcher: agentFor(request.certificate),
        signal,
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      const body = await textOf(reply.body, request);
      return { status: reply.statusCode, headers: flatten(reply.headers), body };
    } catch (error) {
      throw toFault(error, request, timeout.aborted);
    }
  }

  async function open(request: HttpRequest): Promise<HttpStream> {
    const { method, url, headers, timeoutMs, signal } = request;
    try {
      const reply = await undiciRequest(url, {
        method,
        headers: { ...headers },
        dispatcher: agentFor(request.certificate, 'STREAMS'),
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        ...(signal === undefined ? {} : { signal }),
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      return { status: reply.statusCode, headers: flatten(reply.headers), body: streamed(reply.body, request) };
    } catch (error) {
      throw toFault(error, request, false);
    }
  }

  const ask = (request: HttpRequest): Promise<HttpReply> =>
    request.digest === undefined ? send(request, undefined) : askDigest(request, request.digest);

  async function askDigest(request: HttpRequest, digest: NonNullable<HttpRequest['digest']>): Promise<HttpReply> {
    const url = new URL(request.url);
    const key = `${url.host} ${digest.username}`;
    const authorise = (known: KnownNonce) =>
      answerChallenge(known.challenge, {
        method: request.method,
        path: url.pathname + url.search,
        ...digest,
        count: (known.uses += 1),
      });

    const known = nonces.get(key);
    const first = await send(request, known === undefined ? undefined : authorise(known));
    if (first.status !== 401) return first;
    const challenge = parseChallenge(first.headers['www-authenticate']);
    if (challenge === undefined) return first;
    const fresh: KnownNonce = { challenge, uses: 0 };
    nonces.set(key, fresh);
    const second = await send(request, authorise(fresh));
    if (second.status === 401) nonces.delete(key);
    return second;
  }

  return {
    ask,
    open,
    close: async () => void (await Promise.all([...agents.values()].map((agent) => agent.destroy()))),
  };
}

/** A stream keeps its connection for itself. */
const POOLS = {
  POOL: { connections: 2, pipelining: 1, keepAliveTimeout: 4_000 },
  STREAMS: { connections: 32, pipelining: 1, keepAliveTimeout: 4_000 },
} as const;
const CONNECT = { timeout: 3_000, allowH2: false } as const;

const keyOf = (certificate: HttpRequest['certificate']): string => {
  if (typeof certificate !== 'object') return certificate ?? 'verify';
  if ('sha256' in certificate) return fingerprint(certificate.sha256);
  const { ca, cert, key, serverName } = certificate;
  return createHash('sha256')
    .update(JSON.stringify([ca, cert, key, serverName]))
    .digest('hex');
};

/** As `AB:CD:...`, which is how Node tells a certificate's own. */
const fingerprint = (sha256: string): string =>
  (
    sha256
      .replaceAll(/[^0-9a-fA-F]/g, '')
      .toUpperCase()
      .match(/../g) ?? []
  ).join(':');

/**
 * A pinned certificate is judged by its SHA-256 alone, on every new connection, before a byte of a request is sent:
 * a BMC signs its own, with a name and dates that mean nothing.
 */
function connectorFor(certificate: HttpRequest['certificate']): buildConnector.connector {
  if (certificate === undefined || certificate === 'verify') return buildConnector(CONNECT);
  if (typeof certificate === 'object' && !('sha256' in certificate)) {
    const { ca, cert, key, serverName } = certificate;
    const shown = cert === undefined || key === undefined ? {} : { cert, key };
    const named = serverName === undefined ? {} : { servername: serverName };
    return buildConnector({ ...CONNECT, ...shown, ...named, ...(ca === undefined ? {} : { ca }) });
  }
  const connect = buildConnector({ ...CONNECT, rejectUnauthorized: false, maxCachedSessions: 0 });
  if (certificate === 'any') return connect;
  const pinned = fingerprint(certificate.sha256);
  return (options, callback) =>
    connect(options, (error, socket) => {
      if (error !== null) return callback(error, null);
      const told = (socket as Partial<TLSSocket>).getPeerCertificate?.().fingerprint256;
      if (options.protocol !== 'https:' || told === pinned) return callback(null, socket);
      socket.destroy();
      callback(Object.assign(new Error(`SHA-256 ${told ?? 'unknown'}`), { code: WRONG_PIN }), null);
    });
}

const WRONG_PIN = 'BUSBAR_WRONG_PIN';
const SILENT: readonly string[] = ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'];
/** What OpenSSL calls the ways a certificate can fail (verify(1)). */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS_CERT/;

const MAX_BYTES = 16 * 1024 * 1024;

const hasAuthority = ({ certificate }: HttpRequest): boolean =>
  typeof certificate === 'object' && !('sha256' in certificate);

/** The body as text, given up as soon as it is longer than anybody asked for. */
async function textOf(body: AsyncIterable<Buffer> & { destroy(): unknown }, request: HttpRequest): Promise<string> {
  const most = request.maxBytes ?? MAX_BYTES;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > most) {
      body.destroy();
      throw new Fault('garbled', `${request.method} ${request.url}: a reply of more than ${most} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

async function* streamed(body: AsyncIterable<Buffer>, request: HttpRequest): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw toFault(error, request, false);
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

function toFault(error: unknown, request: HttpRequest, timedOut: boolean): Fault {
  if (error instanceof Fault) return error;
  const where = `${request.method} ${request.url}`;
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (timedOut || (typeof code === 'string' && SILENT.includes(code))) {
    return new Fault('timeout', `${where}: no answer within ${request.timeoutMs} ms`, { cause: error });
  }
  if (request.signal?.aborted === true) return new Fault('timeout', `${where}: given up`, { cause: error });
  if (code === WRONG_PIN)
    return new Fault(
      'unauthorised',
      `${where}: another certificate than the one pinned (${(error as Error).message}); if it was renewed, pin this one`,
      { cause: error },
    );
  if (typeof code === 'string' && UNTRUSTED.test(code))
    return new Fault(
      'unauthorised',
      `${where}: its certificate is not trusted (${code}); ${hasAuthority(request) ? 'its authority is none of those named' : 'pin its SHA-256'}`,
      {
        cause: error,
      },
    );
  // The parser gives a code to some of what is no HTTP and none to the rest; its name is always the same.
  if (name === 'HTTPParserError') {
    return new Fault('garbled', `${where}: not HTTP (${String(code ?? error)})`, { cause: error });
  }
  return new Fault('unreachable', `${where}: ${typeof code === 'string' ? code : String(error)}`, { cause: error });
}

/** Turns a status that is no success into the fault it means; hands the reply back otherwise. */
export function expectOk(reply: HttpReply, where: string): HttpReply {
  const { status } = reply;
  if (status >= 200 && status < 300) return reply;
  const said = reply.body.slice(0, 200);
  if (status === 401 || status === 403) {
    throw new Fault('unauthorised', `${where}: ${status}; check the user and password in the site file`, {
      bytes: said,
    });
  }
  if (status === 404 || status === 405 || status === 501) {
    throw new Fault('unsupported', `${where}: ${status}; this firmware has no such call`, { bytes: said });
  }
  throw new Fault('refused', `${where}: ${status} ${said}`, { bytes: said });
}

/** The reply as a JSON object, or a garbled fault that keeps the bytes. */
export function asFields(reply: HttpReply, where: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(reply.body);
  } catch (error) {
    throw new Fault('garbled', `${where}: not JSON`, { cause: error, bytes: reply.body });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Fault('garbled', `${where}: not a JSON object`, { bytes: reply.body });
}
