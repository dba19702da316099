import type { Server, Socket } from 'node:net';
import type { RequestFault } from './faults.ts';
import { keepSilent, tcpServer, type Host } from './net.ts';
import { hash32 } from './random.ts';
import type { Endpoint } from './world.ts';

/**
 * A pool that gives work and takes none: Stratum version 1 (mining.subscribe, mining.authorize, mining.notify), as the site's own
 * probes ask for it. A worker whose name begins with `nobody` is refused.
 */
const LONGEST_REQUEST = 8_192;

export function stratumServer(host: Host, port: number): Server {
  return tcpServer(host, ['pool'], (socket, endpoint) => {
    const fault = () => host.faults.onRequest(endpoint, port);
    if (fault() === 'refused') socket.resetAndDestroy();
    else if (fault() === 'silent') keepSilent(socket);
    else serve(host, endpoint, socket, fault);
  });
}

/** @param fault what is wrong with the pool now; one that is `late` answers, and gives no new work */
function serve(host: Host, endpoint: Endpoint, socket: Socket, fault: () => RequestFault | undefined): void {
  let rest = '';
  let jobs = 0;
  let timer: NodeJS.Timeout | undefined;
  const say = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
  const giveWork = (): void => {
    if (fault() === 'refused') return void socket.resetAndDestroy();
    if (fault() !== undefined) return undefined;
    jobs += 1;
    say({ id: null, method: 'mining.notify', params: jobOf(host, endpoint, jobs) });
    return undefined;
  };
  socket.on('close', () => clearInterval(timer));
  socket.on('data', (chunk: Buffer) => {
    if (fault() === 'silent') return undefined;
    rest += chunk.toString('utf8');
    if (rest.length > LONGEST_REQUEST) return void socket.destroy();
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { id = null, method, params } = parse(line);
      if (method === 'mining.subscribe')
        say({
          id,
          result: [
            [
              ['mining.set_difficulty', 's1'],
              ['mining.notify', 's1'],
            ],
            '08000002',
            4,
          ],
          error: null,
        });
      else if (method === 'mining.authorize') {
        const isKnown = !JSON.stringify(params?.[0] ?? '').startsWith('"nobody');
        say(
          isKnown ? { id, result: true, error: null } : { id, result: null, error: [24, 'Unauthorized worker', null] },
        );
        if (!isKnown || timer !== undefined) continue;
        say({ id: null, method: 'mining.set_difficulty', params: [65_536] });
        giveWork();
        timer = setInterval(giveWork, 1000 * host.world.config.pool.jobSeconds);
      } else if (method === 'mining.configure') say({ id, result: {}, error: null });
      else if (method === 'mining.submit') say({ id, result: null, error: [21, 'Job not found', null] });
      else if (id !== null) say({ id, result: null, error: [20, 'Unknown method', null] });
    }
    return undefined;
  });
}

function parse(line: string): { id?: unknown; method?: unknown; params?: unknown[] } {
  try {
    return JSON.parse(line) as { id?: unknown; method?: unknown; params?: unknown[] };
  } catch {
    return {};
  }
}

/** job id, previous block, coinbase in two parts, branches, version, bits, time, clean jobs */
function jobOf(host: Host, endpoint: Endpoint, n: number): unknown[] {
  const hex = (salt: number, letters: number): string => {
    let text = '';
    for (let i = 0; text.length < letters; i += 1)
      text += hash32(host.world.seed, endpoint.number, salt * 100 + i, n)
        .toString(16)
        .padStart(8, '0');
    return text.slice(0, letters);
  };
  const time = Math.floor(host.siteNow() / 1000)
    .toString(16)
    .padStart(8, '0');
  return [
    n.toString(16),
    hex(1, 64),
    hex(2, 100),
    hex(3, 120),
    [hex(4, 64), hex(5, 64)],
    '20000000',
    '170262df',
    time,
    true,
  ];
}
