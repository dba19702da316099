import { Fault, type TcpPort, type TcpRequest } from '../../model/index.ts';
import { exchange } from './exchange.ts';

/** A `TcpPort` on real sockets: one connection a request, let go of as soon as the reply is whole. */
export function tcpPort(): TcpPort {
  return { ask };
}

/** The longest real answer, 25 profiles and the stats of a rack, is a hundredth of this: more is no miner's. */
const MAX_BYTES = 4 * 1024 * 1024;

function ask({ host, port, data, timeoutMs, signal, complete }: TcpRequest): Promise<Buffer> {
  const where = `${host}:${port}`;
  let parts: Buffer[] = [];
  let bytes = 0;
  const received = (): Buffer => {
    if (parts.length > 1) parts = [Buffer.concat(parts)];
    return parts[0]!;
  };
  return exchange({
    host,
    port,
    data,
    timeoutMs,
    signal,
    where,
    take(part) {
      parts.push(Buffer.from(part));
      bytes += part.length;
      if (bytes > MAX_BYTES) throw new Fault('garbled', `${where}: a reply of more than ${MAX_BYTES} bytes`);
      return complete(received()) ? received() : undefined;
    },
    ended() {
      if (bytes === 0) throw new Fault('garbled', `${where}: closed without an answer`);
      return received();
    },
    // Firmware that neither ends its reply nor closes: what came is handed on, and the parser judges it.
    late: () => parts[0],
  });
}
