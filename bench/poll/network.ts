/**
 * A network for the discovery benchmark, in a process of its own: 127.77.0.0/16 with a machine at every twentieth address, each with
 * listeners of its own on the two ports discovery tries first. It answers from the recordings, and refuses what they do not hold.
 *
 *   node network.ts PORT_OF_4028 PORT_OF_80 LIVE
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { addressAt } from './addresses.ts';

const [rpcPort = 0, webPort = 0, live = 0] = process.argv.slice(2).map(Number);
const FOLDER = join(import.meta.dirname, '..', '..', 'test', 'recordings');
/** Firmware that is told by an open page or by its answer to `version`. */
const FAMILIES = ['luxos', 'bitaxe', 'vnish'];

const known = FAMILIES.map((name) => {
  const answers = new Map<string, string>();
  for (const file of readdirSync(join(FOLDER, name)).filter((one) => /^(running|inspect|at-boot)/.test(one))) {
    const { exchanges } = JSON.parse(readFileSync(join(FOLDER, name, file), 'utf8')) as {
      exchanges: { tcp?: { ask: unknown }; http?: { method: string; path: string }; reply: unknown }[];
    };
    for (const { tcp, http, reply } of exchanges) {
      if (tcp !== undefined)
        answers.set(JSON.stringify(tcp.ask), typeof reply === 'string' ? reply : JSON.stringify(reply));
      if (http !== undefined)
        answers.set(`${http.method} ${http.path}`, JSON.stringify((reply as { body?: unknown }).body ?? ''));
    }
  }
  return answers;
});

const INVALID = '{"STATUS":[{"STATUS":"E","Code":14,"Msg":"Invalid command"}],"id":1}\0';
const isRpc = (family: number): boolean => FAMILIES[family] === 'luxos';

function serve(socket: Socket, family: number): void {
  socket.on('error', () => socket.destroy());
  socket.once('data', (data) => {
    const text = String(data);
    if (isRpc(family))
      return void socket.end(known[family]!.get(text) === undefined ? INVALID : `${known[family]!.get(text)!}\0`);
    const key = /^[A-Z]+ \S+/.exec(text)?.[0] ?? '';
    const body = known[family]!.get(key);
    const head = body === undefined ? 'HTTP/1.1 404 Not Found' : 'HTTP/1.1 200 OK';
    return void socket.end(
      `${head}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body ?? '')}\r\nconnection: close\r\n\r\n${body ?? ''}`,
    );
  });
}

await Promise.all(
  Array.from({ length: live }, (_, n) => {
    const family = n % FAMILIES.length;
    const server = createServer((socket) => serve(socket, family));
    // Beside the listener for the whole network, which is stopped and answers no connect.
    return new Promise<void>((resolve) =>
      server.listen({ host: addressAt(n), port: isRpc(family) ? rpcPort : webPort, reusePort: true }, resolve),
    );
  }),
);
process.send?.({ type: 'ready', port: rpcPort });
process.on('disconnect', () => process.exit(0));
