import { connect } from 'node:net';
import { Fault, type HttpReply, type HttpRequest } from '../../model/index.ts';

/**
 * One HTTP/1.1 exchange on a connection of its own (RFC 9112): what a poll of a hundred thousand machines needs. A miner's web
 * server closes an idle connection long before the next read, so keeping one for each would cost memory and save nothing.
 */
const MAX_HEAD_BYTES = 64 * 1024;

/** @param authorization header of the request, worked out by the caller */
export function exchangeHttp(
  request: HttpRequest,
  authorization: string | undefined,
  mostBytes: number,
): Promise<HttpReply> {
  const { method, url, timeoutMs, signal } = request;
  const where = `${method} ${url}`;
  const { hostname, port, pathname, search, host } = new URL(url);
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(new Fault('timeout', `${where}: given up before asking`));
    const socket = connect({ host: hostname, port: port === '' ? 80 : Number(port), noDelay: true });
    const reader = replyReader(mostBytes, where);

    const finish = (outcome: HttpReply | Fault): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
      // A late error of a socket nobody waits for any more must not become an unhandled one.
      socket.on('error', () => {});
      socket.destroy();
      if (outcome instanceof Fault) reject(outcome);
      else resolve(outcome);
    };
    const onAbort = (): void => finish(new Fault('timeout', `${where}: given up`));
    const timer = setTimeout(
      () => finish(new Fault('timeout', `${where}: no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    signal?.addEventListener('abort', onAbort, { once: true });

    const take = (step: () => HttpReply | undefined): void => {
      try {
        const reply = step();
        if (reply !== undefined) finish(reply);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        finish(error);
      }
    };
    socket.on('connect', () => socket.write(requestText(request, pathname + search, host, authorization)));
    socket.on('data', (chunk: Buffer) => take(() => reader.add(chunk)));
    socket.on('end', () => take(() => reader.end()));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(new Fault('unreachable', `${where}: ${error.code ?? error.message}`, { cause: error })),
    );
  });
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

interface ReplyReader {
  /** @returns the reply as soon as it is whole. @throws Fault garbled */
  add(chunk: Buffer): HttpReply | undefined;
  /** The peer closed. @throws Fault where that leaves the reply short */
  end(): HttpReply;
}

interface Head {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Bytes of the body; undefined: chunked, or until the connection closes. */
  readonly length: number | undefined;
  readonly chunked: boolean;
}

function replyReader(mostBytes: number, where: string): ReplyReader {
  const parts: Buffer[] = [];
  let bytes = 0;
  let head: Head | undefined;
  let body: ChunkReader | undefined;

  const reply = (text: string): HttpReply => ({ status: head!.status, headers: head!.headers, body: text });
  const whole = (): Buffer => (parts.length === 1 ? parts[0]! : Buffer.concat(parts));
  const restart = (rest: Buffer): void => {
    parts.length = 0;
    bytes = 0;
    if (rest.length > 0) parts.push(rest);
    bytes = rest.length;
  };

  function readHead(): boolean {
    const all = whole();
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) {
      if (bytes > MAX_HEAD_BYTES) throw new Fault('garbled', `${where}: a header of more than ${MAX_HEAD_BYTES} bytes`);
      if (bytes >= 5 && all.toString('latin1', 0, 5) !== 'HTTP/')
        throw new Fault('garbled', `${where}: not HTTP`, { bytes: all.toString('latin1', 0, 200) });
      return false;
    }
    const found = parseHead(all.toString('latin1', 0, end), where);
    restart(all.subarray(end + 4));
    // 100 Continue and its kin announce the real answer.
    if (found.status >= 100 && found.status < 200) return readHead();
    head = found;
    if (found.chunked) body = chunkReader(mostBytes, where);
    return true;
  }

  function progress(): HttpReply | undefined {
    const { status, length } = head!;
    if (status === 204 || status === 304) return reply('');
    if (body !== undefined) {
      const text = body.add(whole());
      restart(Buffer.alloc(0));
      return text === undefined ? undefined : reply(text);
    }
    if ((length ?? bytes) > mostBytes) throw new Fault('garbled', `${where}: a reply of more than ${mostBytes} bytes`);
    return length !== undefined && bytes >= length ? reply(whole().toString('utf8', 0, length)) : undefined;
  }

  return {
    add(chunk) {
      parts.push(chunk);
      bytes += chunk.length;
      return head !== undefined || readHead() ? progress() : undefined;
    },
    end() {
      if (head === undefined)
        throw new Fault(
          bytes === 0 ? 'unreachable' : 'garbled',
          `${where}: closed ${bytes === 0 ? 'without an answer' : 'within the header'}`,
        );
      if (head.length === undefined && body === undefined) return reply(whole().toString('utf8'));
      throw new Fault('garbled', `${where}: closed before the end of the reply`);
    },
  };
}

function parseHead(text: string, where: string): Head {
  const lines = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(lines[0] ?? '')?.[1];
  if (status === undefined) throw new Fault('garbled', `${where}: not HTTP`, { bytes: text });
  const headers: Record<string, string> = {};
  for (let i = 1; i < lines.length; i += 1) {
    const line = lines[i]!;
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  const chunked = /\bchunked\b/i.test(headers['transfer-encoding'] ?? '');
  const said = headers['content-length'];
  if (said !== undefined && !chunked && !/^\d{1,15}$/.test(said))
    throw new Fault('garbled', `${where}: content-length ${said.slice(0, 40)}`);
  return { status: Number(status), headers, length: said === undefined || chunked ? undefined : Number(said), chunked };
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
