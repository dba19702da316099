import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { REAL_TIME, siteClock, type HttpPort } from '../src/model/index.ts';
import { openWorld } from '../src/server/io.ts';
import { discover } from '../src/server/offline/discover/discover.ts';

const LIVE_PCT = 5;

/** A /16 in which one address in twenty is live and the others never answer a connect, at the settings of the command line. */
export async function discoverBench(): Promise<Record<string, unknown>> {
  const stalled = await child('stalled.ts', ['0', '0']);
  const [rpcPort = 0, webPort = 0] = stalled.ports;
  const live = Math.floor((65_534 * LIVE_PCT) / 100);
  stalled.process.kill('SIGSTOP');
  await Promise.all([rpcPort, webPort].flatMap((port) => [fill(port), fill(port), fill(port)]));
  const network = await child('network.ts', [rpcPort, webPort, live].map(String));
  const none = { resolve: () => 'secret', problem: () => undefined };
  const world = openWorld(
    siteClock(REAL_TIME, () => Date.now()),
    '.',
    none,
  );
  const portOf = (port: number): number => (port === 4028 ? rpcPort : port === 80 ? webPort : 1);
  const { tcp, http } = world.drivers;
  const moved: HttpPort = {
    ask(request) {
      const url = new URL(request.url);
      url.port = String(portOf(Number(url.port || 80)));
      return http.ask({ ...request, url: url.href });
    },
  };
  const cpu = process.cpuUsage();
  try {
    const result = await discover({
      targets: ['127.77.0.0/16'],
      hall: 'hall-1',
      tryDefaults: false,
      addressesPerSecond: 2_000,
      atOnce: 1_500,
      connectMs: 700,
      answerMs: 1_500,
      portOf,
      io: {
        ...world.drivers,
        http: moved,
        tcp: { ask: (request) => tcp.ask({ ...request, port: portOf(request.port) }) },
      },
      now: () => performance.now(),
      onProgress() {},
    });
    const { user, system } = process.cpuUsage(cpu);
    return {
      addresses: result.addresses,
      live,
      seenLive: result.live,
      found: result.found,
      notRecognised: result.unrecognised.length,
      seconds: result.seconds,
      cpuSeconds: Math.round((user + system) / 1e5) / 10,
      portsTried: result.portsTried,
      addressesPerSecond: 2_000,
      rssMB: Math.round(process.memoryUsage().rss / 2 ** 20),
    };
  } finally {
    network.process.disconnect();
    stalled.process.kill('SIGKILL');
    await world.close();
  }
}

async function child(
  file: string,
  args: readonly string[],
): Promise<{ process: ChildProcess; ports: readonly number[] }> {
  const started = fork(join(import.meta.dirname, 'poll', file), args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [message] = (await once(started, 'message')) as [{ ports?: number[] }];
  return { process: started, ports: message.ports ?? [] };
}

/** Takes a place in the queue of a listener that accepts nothing. */
async function fill(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  socket.unref();
  await new Promise((resolve) => setTimeout(resolve, 200));
}
