import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { tcpPort } from './tcp.ts';

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A server that does one thing with what it is asked; its port. */
function serve(act: (socket: Socket, asked: string) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => act(socket, String(data)));
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

const ended = (received: Buffer) => received.at(-1) === 0 || received.at(-1) === 10;
const ask = (port: number, timeoutMs = 2000, signal?: AbortSignal) =>
  tcpPort().ask({
    host: '127.0.0.1',
    port,
    data: 'ping',
    name: 'ping',
    timeoutMs,
    complete: ended,
    read: String,
    signal,
  });

test('a reply that ends in NUL on a socket that stays open', async () => {
  expect(await ask(await serve((socket, asked) => socket.write(`${asked}:pong\0`)))).toBe('ping:pong\0');
});

test('a reply that ends in a newline on a socket that stays open', async () => {
  expect(await ask(await serve((socket) => socket.write('pong\n')))).toBe('pong\n');
});

test('a reply that ends with the connection', async () => {
  expect(await ask(await serve((socket) => socket.end('pong')))).toBe('pong');
});

test('a reply in pieces is put together', async () => {
  const port = await serve((socket) => {
    socket.setNoDelay(true);
    socket.write('po');
    setTimeout(() => socket.write('ng'), 5);
    setTimeout(() => socket.write('\0'), 10);
  });
  expect(await ask(port)).toBe('pong\0');
});

test('the socket is let go of once the reply is whole', async () => {
  let closed: Promise<void> | undefined;
  const port = await serve((socket) => {
    closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.write('pong\0');
  });
  await ask(port);
  await expect(closed).resolves.toBeUndefined();
});

test('a machine that takes the question and stays silent is a timeout', async () => {
  const port = await serve(() => {});
  await expect(ask(port, 30)).rejects.toMatchObject({
    name: 'Fault',
    kind: 'timeout',
    message: expect.stringMatching(/no answer within 30 ms/) as string,
  });
});

test('a reply without an end on a socket that stays open is handed on when time is up', async () => {
  expect(await ask(await serve((socket) => socket.write('{"half":')), 500)).toBe('{"half":');
});

test('a connection closed without a word is garbled', async () => {
  const port = await serve((socket) => socket.end());
  await expect(ask(port)).rejects.toMatchObject({ name: 'Fault', kind: 'garbled' });
});

test('a reset is unreachable', async () => {
  const port = await serve((socket) => socket.resetAndDestroy());
  await expect(ask(port)).rejects.toMatchObject({
    name: 'Fault',
    kind: 'unreachable',
    message: expect.stringMatching(/ECONNRESET/) as string,
  });
});

test('a port where nobody listens is unreachable', async () => {
  const port = await serve(() => {});
  await new Promise((resolve) => servers.pop()!.close(resolve));
  await expect(ask(port)).rejects.toMatchObject({
    name: 'Fault',
    kind: 'unreachable',
    message: expect.stringMatching(/ECONNREFUSED/) as string,
  });
});

test('an abort while waiting gives up, and one from before does not even ask', async () => {
  let asked = 0;
  const patience = new AbortController();
  const port = await serve(() => {
    asked += 1;
    patience.abort();
  });
  await expect(ask(port, 2000, patience.signal)).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
  await expect(ask(port, 2000, patience.signal)).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
  expect(asked).toBe(1);
});

test('a reply that never ends is given up at four mebibytes, and no more of it is read', async () => {
  const more = Buffer.alloc(256 * 1024, 65);
  const port = await serve((socket) => {
    const pour = (): void => {
      while (!socket.destroyed && socket.write(more));
      socket.once('drain', pour);
    };
    pour();
  });
  await expect(ask(port, 20_000)).rejects.toMatchObject({
    kind: 'garbled',
    message: expect.stringMatching(/more than 4194304 bytes/) as string,
  });
});
