import { createServer, type Server, type Socket } from 'node:net';
import { ServerTCP } from 'modbus-serial';
import { afterEach, expect, test } from 'vitest';
import { modbusPort } from './modbus.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A port the system chose and that is free now: the library's server cannot be asked which one it got. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const words = new Map<number, number>();
const store = (register: number, bytes: Buffer) => {
  for (let i = 0; i < bytes.length; i += 2) words.set(register + i / 2, bytes.readUInt16BE(i));
};

/** The library's own server, unit 1, with the registers stored above; any other register is exception 2. */
async function meter(port: number): Promise<() => Promise<unknown>> {
  const server = new ServerTCP(
    {
      getHoldingRegister: async (address: number) => {
        const word = words.get(address);
        if (word === undefined) throw Object.assign(new Error('no such register'), { modbusErrorCode: 2 });
        return word;
      },
    },
    { host: '127.0.0.1', port, unitID: 1 },
  );
  await new Promise<void>((resolve) => server.on('initialized', () => resolve()));
  const close = () => new Promise((resolve) => server.close(resolve));
  closers.push(close);
  return close;
}

function client(port: number) {
  const modbus = modbusPort();
  closers.push(() => modbus.close());
  return (register: number, count: number, unitId = 1, timeoutMs = 2000) =>
    modbus.readHolding({ host: '127.0.0.1', port, unitId, register, count, timeoutMs });
}

const bytesOf = (write: (buffer: Buffer) => unknown, length: number) => {
  const buffer = Buffer.alloc(length);
  write(buffer);
  return buffer;
};
store(
  0x0bf3,
  bytesOf((b) => b.writeFloatBE(1234.5), 4),
);
store(
  0x0c83,
  bytesOf((b) => b.writeBigInt64BE(987654321012n), 8),
);

test('reads a float32 and an int64 in wire order', async () => {
  const port = await freePort();
  await meter(port);
  const read = client(port);
  expect((await read(0x0bf3, 2)).readFloatBE(0)).toBe(1234.5);
  expect((await read(0x0c83, 4)).readBigInt64BE(0)).toBe(987654321012n);
});

test('requests made at once go out one after the other and each gets its own answer', async () => {
  const port = await freePort();
  await meter(port);
  const read = client(port);
  const answers = await Promise.all([read(0x0bf3, 2), read(0x0c83, 4), read(0x0bf3, 1), read(0x0c83, 2)]);
  expect(answers.map((bytes) => bytes.length)).toEqual([4, 8, 2, 4]);
  expect(answers[2]).toEqual(answers[0].subarray(0, 2));
});

test('exception 2, an address the meter does not have, is unsupported; the next read works', async () => {
  const port = await freePort();
  await meter(port);
  const read = client(port);
  await expect(read(9999, 2)).rejects.toMatchObject({
    name: 'Fault',
    kind: 'unsupported',
    message: expect.stringMatching(/exception 2/) as string,
  });
  expect((await read(0x0bf3, 2)).readFloatBE(0)).toBe(1234.5);
});

test('a wrong unit id is a timeout that says so', async () => {
  const port = await freePort();
  await meter(port);
  await expect(client(port)(0x0bf3, 2, 7, 60)).rejects.toMatchObject({
    name: 'Fault',
    kind: 'timeout',
    message: expect.stringMatching(/within 60 ms.*unit id, here 7/) as string,
  });
});

test('nobody there is unreachable; once the meter is back, so is the reading', async () => {
  const port = await freePort();
  const close = await meter(port);
  const read = client(port);
  expect((await read(0x0bf3, 2)).readFloatBE(0)).toBe(1234.5);
  await close();
  await expect(read(0x0bf3, 2)).rejects.toMatchObject({ name: 'Fault' });
  await expect(read(0x0bf3, 2)).rejects.toMatchObject({ name: 'Fault', kind: 'unreachable' });
  await meter(port);
  expect((await read(0x0bf3, 2)).readFloatBE(0)).toBe(1234.5);
});

/** A server of one's own for what the library's does not do. */
async function raw(act: (socket: Socket, request: Buffer) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => act(socket, data));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

test('silence on an open connection is a timeout', async () => {
  const port = await raw(() => {});
  await expect(client(port)(0x0bf3, 2, 1, 50)).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
});

test('a connection dropped in the middle of a request is a fault within the limit', async () => {
  const port = await raw((socket) => socket.destroy());
  await expect(client(port)(0x0bf3, 2, 1, 100)).rejects.toMatchObject({ name: 'Fault' });
});

test('fewer registers than asked for are never taken for the answer', async () => {
  const port = await raw((socket, request) => {
    const reply = Buffer.from([0, 0, 0, 0, 0, 5, 1, 3, 2, 0x12, 0x34]);
    request.copy(reply, 0, 0, 2);
    socket.write(reply);
  });
  await expect(client(port)(0x0bf3, 2, 1, 100)).rejects.toMatchObject({ name: 'Fault' });
});

test('an answer to an earlier question is not taken for this one', async () => {
  let asked = 0;
  const port = await raw((socket, request) => {
    asked += 1;
    const reply = Buffer.from([0, 0, 0, 0, 0, 7, 1, 3, 4, 0, 0, 0, asked]);
    reply.writeUInt16BE(request.readUInt16BE(0) + 9, 0);
    socket.write(reply);
  });
  await expect(client(port)(0x0bf3, 2, 1, 100)).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
});

test('a meter that stays silent and never hangs up does not hold a socket open', { timeout: 3000 }, async () => {
  let gone: Promise<unknown> | undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // Writing to a peer that has let go ends in an error; one that only stopped talking takes it all.
    gone = new Promise((resolve) => {
      const writing = setInterval(() => socket.write('.'), 5);
      socket.resume();
      socket.on('error', (error: NodeJS.ErrnoException) => {
        clearInterval(writing);
        resolve(error.code);
      });
      closers.push(() => {
        clearInterval(writing);
        socket.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const { port } = server.address() as { port: number };
  await expect(client(port)(0x0bf3, 2, 1, 50)).rejects.toMatchObject({ name: 'Fault', kind: 'timeout' });
  expect(['EPIPE', 'ECONNRESET']).toContain(await gone);
});

test('a caller that gives up is let go at once, in the queue and on the wire, and the next one is answered', async () => {
  const port = await freePort();
  await meter(port);
  const silent = await freePort();
  const mute = createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(silent, '127.0.0.1', resolve));
  closers.push(() => mute.close());
  const modbus = modbusPort();
  closers.push(() => modbus.close());
  const read = (at: number, signal?: AbortSignal) =>
    modbus.readHolding({ host: '127.0.0.1', port: at, unitId: 1, register: 0x0bf3, count: 2, timeoutMs: 5000, signal });
  const started = performance.now();
  const patience = new AbortController();
  const waiting = [read(silent, patience.signal), read(silent, patience.signal)].map((result) =>
    result.catch((error: unknown) => error),
  );
  setTimeout(() => patience.abort(), 50);
  for (const given of await Promise.all(waiting)) expect(given).toMatchObject({ name: 'Fault', kind: 'timeout' });
  expect(performance.now() - started).toBeLessThan(1000);
  await expect(read(port, AbortSignal.abort())).rejects.toMatchObject({ kind: 'timeout' });
  expect((await read(port, new AbortController().signal)).readFloatBE(0)).toBe(1234.5);
});
