import { Fault, type TcpPort, type TcpRequest } from '../../model/index.ts';
import { exchange } from './exchange.ts';

/** A `TcpPort` on real sockets: one connection a request, let go of as soon as the reply is whole. */
export function tcpPort(): TcpPort {
  return { ask };
}

/** The longest real answer, 25 profiles and the stats of a rack, is a hundredth of this: more is no miner's. */
const MAX_BYTES = 4 * 1024 * 1024;

function ask<T>({ host, port, data, timeoutMs, signal, complete, read }: TcpRequest<T>): Promise<T> {
  const where = `${host}:${port}`;
  /** What came so far, where more is to come: most replies come in one part and are never copied. */
  let received: Buffer | undefined;
  return exchange({
    host,
    port,
    data,
    timeoutMs,
    signal,
    where,
    take(part) {
      const all = received === undefined ? part : Buffer.concat([received, part]);
      if (all.length > MAX_BYTES) throw new Fault('garbled', `${where}: a reply of more than ${MAX_BYTES} bytes`);
      if (complete(all)) return read(all);
      received = received === undefined ? Buffer.from(part) : all;
      return undefined;
    },
    ended() {
      if (received === undefined) throw new Fault('garbled', `${where}: closed without an answer`);
      return read(received);
    },
    // Firmware that neither ends its reply nor closes: what came is handed on, and the parser judges it.
    late: () => (received === undefined ? undefined : read(received)),
  });
}
