import { Fault, type HttpReply, type HttpRequest } from '../../model/index.ts';
import { exchange } from './exchange.ts';

const MAX_HEAD_BYTES = 64 * 1024;

/**
 * One HTTP/1.1 exchange on a connection of its own (RFC 9112): what a poll of a hundred thousand machines needs. A miner's web
 * server closes an idle connection long before the next read, so keeping one for each would cost memory and save nothing.
 * @param authorization header of the request, worked out by the caller
 */
export function exchangeHttp(
  request: HttpRequest,
  authorization: string | undefined,
  mostBytes: number,
): Promise<HttpReply> {
  const where = `${request.method} ${request.url}`;
  const { hostname, port, host, path } = targetOf(request.url);
  const reader = new ReplyReader(mostBytes, where);
  return exchange({
    host: hostname,
    port,
    data: requestText(request, path, host, authorization),
    timeoutMs: request.timeoutMs,
    signal: request.signal,
    where,
    take: (part) => reader.add(part),
    ended: () => reader.end(),
  });
}

interface Target {
  readonly hostname: string;
  readonly port: number;
  /** As the header of that name has it. */
  readonly host: string;
  readonly path: string;
}

/** The plain addresses machines have; `URL` costs a tenth of the whole exchange. */
export const PLAIN_URL = /^http:\/\/((?:[\w-]+\.)*[\w-]+)(?::(\d{1,5}))?(\/[^\s#]*)$/;

function targetOf(url: string): Target {
  const plain = PLAIN_URL.exec(url);
  if (plain !== null) {
    const [, hostname, port, path] = plain as unknown as [string, string, string | undefined, string];
    if (port === undefined) return { hostname, port: 80, host: hostname, path };
    return { hostname, port: Number(port), host: `${hostname}:${port}`, path };
  }
  const { hostname, port, host, pathname, search } = new URL(url);
  return { hostname, port: port === '' ? 80 : Number(port), host, path: pathname + search };
}

function requestText(
  { method, headers, body }: HttpRequest,
  path: string,
  host: string,
  authorization: string | undefined,
): string {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\naccept: */*\r\n`;
  for (const name in headers) text += `${name}: ${clean(headers[name]!)}\r\n`;
  if (authorization !== undefined) text += `authorization: ${clean(authorization)}\r\n`;
  if (body !== undefined || method !== 'GET') text += `content-length: ${Buffer.byteLength(body ?? '')}\r\n`;
  return `${text}\r\n${body ?? ''}`;
}

/** A line break in a value would begin a header of its own. */
const clean = (value: string): string => value.replaceAll(/[\r\n]/g, ' ');

interface Head {
  readonly status: number;
  /** Everything before the empty line. */
  readonly text: string;
  /** Bytes of the body; undefined: chunked, or until the connection closes. */
  readonly length: number | undefined;
  readonly chunked: boolean;
}

/** Few who ask look at the headers: they are parted for those who do. */
class Reply implements HttpReply {
  readonly status: number;
  readonly body: string;
  readonly #head: string;

  constructor({ status, text }: Head, body: string) {
    this.status = status;
    this.body = body;
    this.#head = text;
  }

  get headers(): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const line of this.#head.split('\r\n').slice(1)) {
      const colon = line.indexOf(':');
      if (colon <= 0) continue;
      const name = line.slice(0, colon).trim().toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    return headers;
  }
}

class ReplyReader {
  readonly #mostBytes: number;
  readonly #where: string;
  #parts: Buffer[] = [];
  #bytes = 0;
  #head: Head | undefined;
  #chunks: ChunkReader | undefined;

  constructor(mostBytes: number, where: string) {
    this.#mostBytes = mostBytes;
    this.#where = where;
  }

  /** @returns the reply as soon as it is whole. @throws Fault garbled */
  add(part: Buffer): HttpReply | undefined {
    if (this.#head !== undefined) return this.#progress(part);
    const all = this.#bytes === 0 ? part : Buffer.concat([...this.#parts, part]);
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) {
      this.#mustBeHead(all);
      this.#parts = [all === part ? Buffer.from(part) : all];
      this.#bytes = all.length;
      return undefined;
    }
    const head = parseHead(all.toString('latin1', 0, end), this.#where);
    const rest = all.subarray(end + 4);
    this.#parts = [];
    this.#bytes = 0;
    // 100 Continue and its kin announce the real answer.
    if (head.status >= 100 && head.status < 200) return rest.length === 0 ? undefined : this.add(rest);
    this.#head = head;
    if (head.chunked) this.#chunks = chunkReader(this.#mostBytes, this.#where);
    return this.#progress(rest);
  }

  /** The peer closed. @throws Fault where that leaves the reply short */
  end(): HttpReply {
    if (this.#head === undefined)
      throw new Fault(
        this.#bytes === 0 ? 'unreachable' : 'garbled',
        `${this.#where}: closed ${this.#bytes === 0 ? 'without an answer' : 'within the header'}`,
      );
    if (this.#head.length === undefined && this.#chunks === undefined)
      return this.#reply(Buffer.concat(this.#parts).toString('utf8'));
    throw new Fault('garbled', `${this.#where}: closed before the end of the reply`);
  }

  #mustBeHead(all: Buffer): void {
    if (all.length > MAX_HEAD_BYTES)
      throw new Fault('garbled', `${this.#where}: a header of more than ${MAX_HEAD_BYTES} bytes`);
    if (all.length >= 5 && all.toString('latin1', 0, 5) !== 'HTTP/')
      throw new Fault('garbled', `${this.#where}: not HTTP`, { bytes: all.toString('latin1', 0, 200) });
  }

  #progress(part: Buffer): HttpReply | undefined {
    const { status, length } = this.#head!;
    if (status === 204 || status === 304) return this.#reply('');
    if (this.#chunks !== undefined) {
      const text = this.#chunks.add(Buffer.from(part));
      return text === undefined ? undefined : this.#reply(text);
    }
    this.#bytes += part.length;
    if ((length ?? this.#bytes) > this.#mostBytes)
      throw new Fault('garbled', `${this.#where}: a reply of more than ${this.#mostBytes} bytes`);
    if (length === undefined || this.#bytes < length) {
      this.#parts.push(Buffer.from(part));
      return undefined;
    }
    const whole = this.#parts.length === 0 ? part : Buffer.concat([...this.#parts, part]);
    return this.#reply(whole.toString('utf8', 0, length));
  }

  #reply(body: string): HttpReply {
    return new Reply(this.#head!, body);
  }
}

function parseHead(text: string, where: string): Head {
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r|$)/.exec(text)?.[1];
  if (status === undefined) throw new Fault('garbled', `${where}: not HTTP`, { bytes: text });
  const chunked = /\r\ntransfer-encoding[ \t]*:[^\r]*\bchunked\b/i.test(text);
  const said = /\r\ncontent-length[ \t]*:[ \t]*([^\r]*)/i.exec(text)?.[1]?.trim();
  if (said !== undefined && !chunked && !/^\d{1,15}$/.test(said))
    throw new Fault('garbled', `${where}: content-length ${said.slice(0, 40)}`);
  return { status: Number(status), text, length: said === undefined || chunked ? undefined : Number(said), chunked };
}

interface ChunkReader {
  add(chunk: Buffer): string | undefined;
}

/** Chunked transfer coding (RFC 9112, 7.1). */
function chunkReader(mostBytes: number, where: string): ChunkReader {
  const body: Buffer[] = [];
  let bodyBytes = 0;
  let rest: Buffer = Buffer.alloc(0);
  /** Bytes of the chunk under way that are still to come, its line end with them; undefined before a size line. */
  let left: number | undefined;
  return {
    add(chunk) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (;;) {
        if (left === undefined) {
          const end = rest.indexOf('\r\n');
          if (end < 0) {
            if (rest.length > 1024) throw new Fault('garbled', `${where}: a chunk without a size`);
            return undefined;
          }
          const size = /^\s*([0-9a-f]{1,8})\s*(?:;.*)?$/i.exec(rest.toString('latin1', 0, end))?.[1];
          if (size === undefined) throw new Fault('garbled', `${where}: a chunk without a size`);
          rest = rest.subarray(end + 2);
          const bytes = parseInt(size, 16);
          // Trailers say nothing a driver asks for.
          if (bytes === 0) return Buffer.concat(body).toString('utf8');
          if (bodyBytes + bytes > mostBytes)
            throw new Fault('garbled', `${where}: a reply of more than ${mostBytes} bytes`);
          left = bytes + 2;
        }
        if (rest.length === 0) return undefined;
        const data = Math.min(left - 2, rest.length);
        if (data > 0) {
          body.push(rest.subarray(0, data));
          bodyBytes += data;
        }
        const taken = Math.min(left, rest.length);
        rest = rest.subarray(taken);
        left -= taken;
        if (left === 0) left = undefined;
        else return undefined;
      }
    },
  };
}
