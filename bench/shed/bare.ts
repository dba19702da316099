import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { join } from 'node:path';

/** What telling one machine to sleep takes on the wire. */
export interface Wire {
  readonly sockets: number;
  readonly bytes: number;
}

/** Counts the connections that this process opens to an address while `act` runs, and the bytes written on them. */
export async function wireOf(address: string, act: () => Promise<void>): Promise<Wire> {
  const opened: Socket[] = [];
  const prototype = Socket.prototype as { connect: (this: Socket, ...args: unknown[]) => Socket };
  const { connect: original } = prototype;
  prototype.connect = function counted(this: Socket, ...args) {
    const [to] = args.flat() as { host?: string }[];
    if (to?.host === address) opened.push(this);
    return original.apply(this, args);
  };
  try {
    await act();
  } finally {
    prototype.connect = original;
  }
  return { sockets: opened.length, bytes: opened.reduce((sum, socket) => sum + socket.bytesWritten, 0) };
}

/** @returns the time to open each of these connections and write its bytes, so many in flight; nothing is read */
async function writeAll(port: number, lengths: Iterator<{ address: string; bytes: number }>, inFlight: number) {
  const filler = Buffer.alloc(64 * 1024, 0x20);
  const one = (address: string, bytes: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: address, port, noDelay: true });
      socket.on('error', reject);
      socket.on('connect', () =>
        socket.write(filler.subarray(0, bytes), () => {
          socket.destroy();
          resolve();
        }),
      );
    });
  const lane = async (): Promise<void> => {
    for (let next = lengths.next(); next.done !== true; next = lengths.next())
      await one(next.value.address, next.value.bytes);
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return performance.now() - started;
}

/** The yardstick: as many bare connections and bytes as the commands took, to the same addresses; the quickest of three runs: what else the computer did is not its own. */
export async function bareConnectMs(
  machines: readonly { readonly address: string; readonly wire: Wire }[],
  inFlight: number,
): Promise<number> {
  const child = fork(join(import.meta.dirname, 'sink.ts'), [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  function* all() {
    for (const { address, wire } of machines)
      for (let n = 0; n < wire.sockets; n += 1) yield { address, bytes: Math.ceil(wire.bytes / wire.sockets) };
  }
  try {
    const runs: number[] = [];
    for (let run = 0; run < 3; run += 1) runs.push(await writeAll(port, all(), inFlight));
    return Math.min(...runs);
  } finally {
    child.disconnect();
  }
}
