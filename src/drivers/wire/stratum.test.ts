import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Fault } from '../../model/index.ts';
import { openStratum, type StratumProbe, type StratumTiming } from './stratum.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A pool that answers each line as `act` says. */
async function pool(act: (socket: Socket, message: { id: number; method: string }) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const line of String(data)
        .split('\n')
        .filter((text) => text !== ''))
        act(socket, JSON.parse(line) as { id: number; method: string });
    });
    closers.push(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return `stratum+tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Seen {
  readonly probe: StratumProbe;
  readonly ready: Promise<StratumTiming>;
  readonly ended: Promise<Fault>;
  jobs: number;
}

function probe(url: string, worker = 'site.probe'): Seen {
  const ready = Promise.withResolvers<StratumTiming>();
  const ended = Promise.withResolvers<Fault>();
  const seen = {
    jobs: 0,
    ready: ready.promise,
    ended: ended.promise,
    probe: openStratum(
      { url, worker, password: 'x', timeoutMs: 300, now: () => performance.now() },
      { onReady: ready.resolve, onEnd: ended.resolve, onDifficulty() {}, onJob: () => void (seen.jobs += 1) },
    ),
  };
  closers.push(() => seen.probe.close());
  return seen;
}

const say = (socket: Socket, message: object) => socket.write(`${JSON.stringify(message)}\n`);
const good = (socket: Socket, { id, method }: { id: number; method: string }): void => {
  if (method === 'mining.subscribe') say(socket, { id, result: [[], '08000002', 4], error: null });
  else {
    say(socket, { id, result: true, error: null });
    say(socket, { id: null, method: 'mining.notify', params: ['1'] });
  }
};

test('subscribes, authorises, sees work, and measures again on the same connection', async () => {
  const seen = probe(await pool(good));
  const timing = await seen.ready;
  for (const ms of Object.values(timing)) expect(ms).toBeGreaterThanOrEqual(0);
  expect(await seen.probe.check()).toBeGreaterThanOrEqual(0);
  expect(seen.jobs).toBe(2);
});

test('a worker the pool does not know is refused, or said no to', async () => {
  const no = (result: unknown, error: unknown) =>
    pool((socket, { id, method }) =>
      method === 'mining.subscribe' ? good(socket, { id, method }) : say(socket, { id, result, error }),
    );
  expect(await probe(await no(null, [24, 'Unauthorized worker', null])).ended).toMatchObject({
    kind: 'refused',
    message: expect.stringMatching(/Unauthorized worker/) as string,
  });
  expect(await probe(await no(false, null)).ended).toMatchObject({ kind: 'unauthorised' });
});

test.each([
  ['says nothing', 'timeout', () => {}],
  ['hangs up', 'unreachable', (socket: Socket) => socket.end()],
  ['speaks something else', 'garbled', (socket: Socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['never ends a line', 'garbled', (socket: Socket) => socket.write('x'.repeat(100_000))],
  ['floods', 'garbled', (socket: Socket) => socket.write('{"method":"mining.notify"}\n'.repeat(5_000))],
] as const)('a pool that %s ends as %s', async (_, kind, act) => {
  expect(await probe(await pool(act)).ended).toMatchObject({ name: 'Fault', kind });
});

test('nobody there is unreachable; version 2 is not spoken', async () => {
  expect(await probe('stratum+tcp://127.0.0.1:1').ended).toMatchObject({ kind: 'unreachable' });
  expect(() => probe('stratum2+tcp://127.0.0.1:1')).toThrow(expect.objectContaining({ kind: 'unsupported' }));
});
