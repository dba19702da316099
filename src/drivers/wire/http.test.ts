import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { HttpRequest } from '../../model/index.ts';
import { asFields, expectOk, httpPort } from './http.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

async function serve(handler: Handler): Promise<string> {
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => handler(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server that speaks no HTTP of its own: what it writes is up to the test. */
async function serveRaw(text: string | undefined): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => (text === undefined ? socket.resetAndDestroy() : socket.end(text)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(oneShot: boolean) {
  const port = httpPort({ oneShot });
  closers.push(() => port.close());
  return (request: Partial<HttpRequest> & { url: string }) => port.ask({ method: 'GET', timeoutMs: 2000, ...request });
}

const md5 = (text: string) => createHash('md5').update(text).digest('hex');

/** Checks digests as a server does: a nonce it gave, a count that rises, a response that fits the password. */
function digestServer(password: string) {
  const log: string[] = [];
  let serial = 0;
  let used = 0;
  const state = { forget: () => void (serial += 1) };
  const handler: Handler = (request, response, body) => {
    const given = Object.fromEntries(
      [...(request.headers.authorization ?? '').matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g)].map((m) => [
        m[1],
        m[2] ?? m[3],
      ]),
    );
    const ha1 = md5(`root:antMiner:${password}`);
    const ha2 = md5(`${request.method}:${request.url}`);
    const fits = given['response'] === md5(`${ha1}:${given['nonce']}:${given['nc']}:${given['cnonce']}:auth:${ha2}`);
    const count = Number.parseInt(given['nc'] ?? '0', 16);
    const isFresh = given['nonce'] === `n${serial}` && count > used;
    log.push(`${request.headers.authorization === undefined ? 'bare' : `${given['nonce']}/${count}`} ${body}`.trim());
    if (fits && isFresh) {
      used = count;
      response.end('in');
      return;
    }
    used = 0;
    response
      .writeHead(401, { 'www-authenticate': `Digest realm="antMiner", nonce="n${serial}", qop="auth"` })
      .end('out');
  };
  return { handler, log, state };
}

const digest = { username: 'root', password: 'root' };

describe.each([
  ['over kept connections', false],
  ['on a connection each', true],
])('%s', (_, oneShot) => {
  test('a request carries its method, headers and body; the reply its status, headers and body', async () => {
    const url = await serve((request, response, body) => {
      response
        .writeHead(207, { 'x-seen': `${request.method} ${request.url} ${String(request.headers['x-a'])}` })
        .end(body);
    });
    const reply = await client(oneShot)({
      method: 'POST',
      url: `${url}/p?q=1`,
      headers: { 'x-a': 'b' },
      body: '{"a":1}',
    });
    expect(reply).toMatchObject({ status: 207, body: '{"a":1}', headers: { 'x-seen': 'POST /p?q=1 b' } });
  });

  test('a nonce is used again with a rising count: a poll costs one exchange, the first one two', async () => {
    const { handler, log } = digestServer('root');
    const url = `${await serve(handler)}/cgi-bin/get_miner_conf.cgi`;
    const ask = client(oneShot);
    for (let i = 0; i < 3; i += 1) expect(await ask({ url, digest })).toMatchObject({ status: 200, body: 'in' });
    expect(log).toEqual(['bare', 'n0/1', 'n0/2', 'n0/3']);
  });

  test('a nonce gone stale costs one more exchange, and the body is sent again', async () => {
    const { handler, log, state } = digestServer('root');
    const url = await serve(handler);
    const ask = client(oneShot);
    await ask({ url, digest });
    state.forget();
    expect(await ask({ method: 'POST', url, digest, body: 'x' })).toMatchObject({ status: 200 });
    expect(log).toEqual(['bare', 'n0/1', 'n0/2 x', 'n1/1 x']);
  });

  test('a wrong password ends in 401 after one retry, and starts anew the next time', async () => {
    const { handler, log } = digestServer('changed');
    const url = await serve(handler);
    const ask = client(oneShot);
    expect(await ask({ url, digest })).toMatchObject({ status: 401 });
    expect(await ask({ url, digest })).toMatchObject({ status: 401 });
    expect(log).toEqual(['bare', 'n0/1', 'bare', 'n0/1']);
  });

  test('hosts have nonces of their own', async () => {
    const [one, two] = [digestServer('root'), digestServer('root')];
    const urls = [await serve(one.handler), await serve(two.handler)];
    const ask = client(oneShot);
    for (const url of urls) expect(await ask({ url, digest })).toMatchObject({ status: 200 });
    expect([one.log, two.log]).toEqual([
      ['bare', 'n0/1'],
      ['bare', 'n0/1'],
    ]);
  });

  test('a 401 that asks for something else is handed back as it is', async () => {
    const url = await serve((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end());
    expect(await client(oneShot)({ url, digest })).toMatchObject({ status: 401 });
  });

  test('silence is a timeout', async () => {
    const url = await serve(() => {});
    await expect(client(oneShot)({ url, timeoutMs: 30 })).rejects.toMatchObject({
      name: 'Fault',
      kind: 'timeout',
      message: expect.stringMatching(/30 ms/) as string,
    });
  });

  test('an answer that never ends is a timeout', async () => {
    const url = await serve((_, response) => response.write('{"half":'));
    await expect(client(oneShot)({ url, timeoutMs: 50 })).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
  });

  test('an abort gives up', async () => {
    const patience = new AbortController();
    const url = await serve(() => patience.abort());
    const request = { url, signal: patience.signal };
    await expect(client(oneShot)(request)).rejects.toMatchObject({
      name: 'Fault',
      kind: 'timeout',
      message: expect.stringMatching(/given up/) as string,
    });
  });

  test('a port where nobody listens is unreachable', async () => {
    const url = await serve(() => {});
    await closers.pop()!();
    await expect(client(oneShot)({ url })).rejects.toMatchObject({
      name: 'Fault',
      kind: 'unreachable',
      message: expect.stringMatching(/ECONNREFUSED/) as string,
    });
  });

  test('a reset is unreachable', async () => {
    await expect(client(oneShot)({ url: await serveRaw(undefined) })).rejects.toMatchObject({
      name: 'Fault',
      kind: 'unreachable',
    });
  });

  test('what speaks no HTTP is garbled', async () => {
    const url = await serveRaw('{"STATUS":"not http"}\n');
    await expect(client(oneShot)({ url })).rejects.toMatchObject({
      name: 'Fault',
      kind: 'garbled',
      message: expect.stringMatching(/not HTTP/) as string,
    });
  });

  test('a body shorter than announced is a fault, never a short body', async () => {
    const url = await serveRaw('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"a":1}');
    await expect(client(oneShot)({ url })).rejects.toMatchObject({ name: 'Fault' });
  });

  test('chunks are put together, wherever the network cuts them', async () => {
    const whole = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"a"\r\n3;x=1\r\n:1}\r\n0\r\n\r\n';
    let pieces: readonly string[] = [];
    // One timer after the other: those of different lengths may end in another order.
    const write = (socket: Socket, [first, ...others]: readonly string[]): void => {
      socket.write(first!);
      if (others.length > 0) setTimeout(write, 1, socket, others);
    };
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.setNoDelay(true);
      let asked = '';
      socket.on('data', (part) => {
        asked += String(part);
        // A request may come in pieces, too.
        if (!asked.endsWith('\r\n\r\n')) return;
        asked = '';
        write(socket, pieces);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ask = client(oneShot);
    const inner = Array.from({ length: whole.length - 1 }, (_, n) => n + 1);
    await fc.assert(
      fc.asyncProperty(fc.subarray(inner), async (some) => {
        pieces = [0, ...some].map((from, n) => whole.slice(from, some[n]));
        expect(await ask({ url, timeoutMs: 20_000 })).toMatchObject({ status: 200, body: '{"a":1}' });
      }),
      { numRuns: 10, examples: [[inner]] },
    );
  });

  test.each([
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['a reply with a wild length', 'HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}'],
    ['a reply longer than anybody wants', `HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n${'x'.repeat(4096)}`],
    ['a header without an end', `HTTP/1.1 200 OK\r\n${'x-y: z\r\n'.repeat(20_000)}`],
  ])('%s is garbled', async (_, text) => {
    const url = await serveRaw(text);
    await expect(client(oneShot)({ url })).rejects.toMatchObject({
      name: 'Fault',
      kind: oneShot ? 'garbled' : expect.any(String),
    });
  });

  test('a body without a length ends with the connection', async () => {
    const url = await serveRaw('HTTP/1.0 200 OK\r\n\r\n{"a":1}');
    expect(await client(oneShot)({ url })).toMatchObject({ status: 200, body: '{"a":1}' });
  });

  test('a header of ours cannot begin another', async () => {
    const url = await serve((request, response) => response.end(JSON.stringify(request.headers)));
    const asked = client(oneShot)({ url, headers: { cookie: 'a\r\nx-evil: 1' } });
    const outcome = await asked.then(
      ({ body }) => body,
      (error: unknown) => String(error),
    );
    expect(outcome).not.toMatch(/"x-evil"/);
  });
});

describe('a reply that has no end', () => {
  const open = async (url: string, more: Partial<HttpRequest> = {}) => {
    const port = httpPort();
    closers.push(() => port.close());
    return port.open({ method: 'GET', url, timeoutMs: 2000, ...more });
  };
  async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    return Buffer.concat(parts).toString();
  }

  test('is handed on as it comes, however many there are at once', async () => {
    const waiting: ServerResponse[] = [];
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'x-from': 'here' });
      response.write('first');
      waiting.push(response);
    });
    const streams = await Promise.all(Array.from({ length: 6 }, () => open(url)));
    expect(streams[0]).toMatchObject({ status: 200, headers: { 'x-from': 'here' } });
    const readers = streams.map(({ body }) => body[Symbol.asyncIterator]());
    for (const one of readers) expect(Buffer.from((await one.next()).value as Uint8Array).toString()).toBe('first');
    waiting.forEach((response) => response.end('last'));
    for (const one of readers) expect(Buffer.from((await one.next()).value as Uint8Array).toString()).toBe('last');
    for (const one of readers) expect(await one.next()).toMatchObject({ done: true });
  });

  test('is given up when nothing more comes, when it breaks, and when nobody wants it any more', async () => {
    const silent = await serve((_request, response) => void response.write('x'));
    await expect(textOf((await open(silent, { timeoutMs: 1000 })).body)).rejects.toMatchObject({ kind: 'timeout' });
    const torn = await serve((_request, response) => {
      response.write('x');
      setTimeout(() => response.destroy(), 50);
    });
    await expect(textOf((await open(torn)).body)).rejects.toMatchObject({ kind: 'unreachable' });
    const patience = new AbortController();
    const { body } = await open(silent, { signal: patience.signal });
    setTimeout(() => patience.abort(), 50);
    await expect(textOf(body)).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
    await expect(open('http://127.0.0.1:1')).rejects.toMatchObject({ kind: 'unreachable' });
  });
});

const reply = (status: number, body = '') => ({ status, headers: {}, body });

test.each([
  [401, 'unauthorised'],
  [403, 'unauthorised'],
  [404, 'unsupported'],
  [405, 'unsupported'],
  [501, 'unsupported'],
  [302, 'refused'],
  [400, 'refused'],
  [500, 'refused'],
  [503, 'refused'],
])('status %i is %s', (status, kind) => {
  expect(() => expectOk(reply(status, 'why'), 'here')).toThrow(expect.objectContaining({ kind, bytes: 'why' }));
});

test('a success is handed back', () => expect(expectOk(reply(204), 'here')).toEqual(reply(204)));

test.each(['', '{', '[]', '5', 'null', '"x"', '<html>'])('%j is no JSON object', (body) => {
  expect(() => asFields(reply(200, body), 'here')).toThrow(expect.objectContaining({ kind: 'garbled', bytes: body }));
});

test('a JSON object is', () => expect(asFields(reply(200, '{"a":1}'), 'here')).toEqual({ a: 1 }));
