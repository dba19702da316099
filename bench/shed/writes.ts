import { Socket } from 'node:net';

export interface Writes {
  /** When this process last wrote to an address up to a moment, Unix milliseconds; undefined: never. */
  lastTo(address: string, untilUnixMs: number): number | undefined;
  stop(): void;
}

/** Notes when bytes are handed to the connection to each address: a command is sent then, not when it was decided. */
export function watchWrites(): Writes {
  const all = new Map<string, number[]>();
  const hostOf = new WeakMap<Socket, string>();
  const prototype = Socket.prototype as unknown as {
    connect: (this: Socket, ...args: unknown[]) => Socket;
    write: (this: Socket, ...args: unknown[]) => boolean;
  };
  const { connect, write } = prototype;
  prototype.connect = function noted(this: Socket, ...args) {
    const [to] = args.flat() as { host?: string }[];
    if (to?.host !== undefined) hostOf.set(this, to.host);
    return connect.apply(this, args);
  };
  prototype.write = function noted(this: Socket, ...args) {
    const host = hostOf.get(this);
    const times = host === undefined ? undefined : all.get(host);
    if (times !== undefined) times.push(Date.now());
    else if (host !== undefined) all.set(host, [Date.now()]);
    return write.apply(this, args);
  };
  return {
    lastTo: (address, untilUnixMs) => all.get(address)?.findLast((at) => at <= untilUnixMs),
    stop() {
      prototype.connect = connect;
      // It was inherited before.
      delete (prototype as Partial<typeof prototype>).write;
    },
  };
}
