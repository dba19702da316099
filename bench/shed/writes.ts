import { Socket } from 'node:net';

export interface Writes {
  /**
   * When this process last wrote to an address up to a moment, Unix milliseconds; where no connection was taken, when the last one was
   * asked for; undefined: never.
   */
  lastTo(address: string, untilUnixMs: number): number | undefined;
  stop(): void;
}

interface Times {
  readonly asked: number[];
  readonly wrote: number[];
}
/** On the socket itself: to find it in a map would cost a fifth of the write. */
const times = Symbol('times of this address');
type Noted = Socket & { [times]?: Times };

/** Notes when bytes are handed to the connection to each address: a command is sent then, not when it was decided. */
export function watchWrites(): Writes {
  const all = new Map<string, Times>();
  const prototype = Socket.prototype as unknown as {
    connect: (this: Noted, ...args: unknown[]) => Socket;
    write: (this: Noted, ...args: unknown[]) => boolean;
  };
  const { connect, write } = prototype;
  prototype.connect = function noted(this: Noted, ...args) {
    const [first] = args;
    const to = (Array.isArray(first) ? first[0] : first) as { host?: string } | undefined;
    if (to?.host !== undefined) {
      const its = all.get(to.host) ?? { asked: [], wrote: [] };
      all.set(to.host, its);
      its.asked.push(Date.now());
      this[times] = its;
    }
    return connect.apply(this, args);
  };
  prototype.write = function noted(this: Noted, ...args) {
    this[times]?.wrote.push(Date.now());
    return write.apply(this, args);
  };
  return {
    lastTo(address, untilUnixMs) {
      const { asked = [], wrote = [] } = all.get(address) ?? {};
      const isUntil = (at: number) => at <= untilUnixMs;
      return wrote.findLast(isUntil) ?? asked.findLast(isUntil);
    },
    stop() {
      prototype.connect = connect;
      // It was inherited before.
      delete (prototype as Partial<typeof prototype>).write;
    },
  };
}
