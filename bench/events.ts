import { connect } from 'node:net';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { cpus } from 'node:os';
import { createEventHub, frame } from '../src/server/events.ts';

/** Pages that listen, and events each of them gets. */
const LISTENERS = 200;
const EVENTS = 200;
/** About an overview of the demo site. */
const BODY = { at: '2026-03-23T22:45:00Z', text: 'x'.repeat(24_000) };

interface Fan {
  send(): void;
  add(response: ServerResponse): void;
}

/** @returns milliseconds from the first event sent to the last byte at the last listener */
async function measure(fan: Fan, expected: number): Promise<number> {
  const server: Server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    fan.add(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let bytes = 0;
  const done = Promise.withResolvers<void>();
  const sockets: Socket[] = [];
  const ready = Array.from(
    { length: LISTENERS },
    () =>
      new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
        sockets.push(socket);
        socket.once('data', () => {
          resolve();
          socket.on('data', (part) => {
            bytes += part.length;
            if (bytes >= expected) done.resolve();
          });
        });
      }),
  );
  await Promise.all(ready);
  const started = performance.now();
  for (let n = 0; n < EVENTS; n += 1) {
    fan.send();
    // A turn of the loop between events, as there is in life.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done.promise;
  const tookMs = performance.now() - started;
  for (const socket of sockets) socket.destroy();
  server.closeAllConnections();
  server.close();
  return tookMs;
}

export async function eventsBench(): Promise<Record<string, unknown>> {
  const text = frame('overview', BODY);
  const expected = LISTENERS * EVENTS * Buffer.byteLength(text);
  const hub = createEventHub();
  const hubMs = await measure({ send: () => hub.send('overview', BODY), add: (one) => hub.add(one) }, expected);
  const bare = new Set<ServerResponse>();
  const bareMs = await measure(
    {
      send: () => {
        for (const one of bare) one.write(text);
      },
      add: (one) => void bare.add(one),
    },
    expected,
  );
  return {
    about: `${EVENTS} overviews of ${Math.round(Buffer.byteLength(text) / 1000)} kB to ${LISTENERS} listeners over loopback`,
    messagesPerSecond: Math.round((LISTENERS * EVENTS) / (hubMs / 1000)),
    megabytesPerSecond: Math.round(expected / 1e6 / (hubMs / 1000)),
    hubMs: Math.round(hubMs),
    yardstick: 'one string, made beforehand, written to the same sockets without a hub',
    yardstickMs: Math.round(bareMs),
    ratio: Number((hubMs / bareMs).toFixed(2)),
    cores: cpus().length,
  };
}
