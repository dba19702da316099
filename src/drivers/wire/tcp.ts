import { connect } from 'node:net';
import { Fault, type TcpPort, type TcpRequest } from '../../model/index.ts';

/** A `TcpPort` on real sockets: one connection a request, closed as soon as the reply is whole. */
export function tcpPort(): TcpPort {
  return { ask };
}

/** The longest real answer, 25 profiles and the stats of a rack, is a hundredth of this: more is no miner's. */
const MAX_BYTES = 4 * 1024 * 1024;

function ask(request: TcpRequest): Promise<Buffer> {
  const { host, port, timeoutMs, signal } = request;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(new Fault('timeout', `${host}:${port}: given up before asking`));
    const chunks: Buffer[] = [];
    let bytes = 0;
    let connected = false;
    const socket = connect({ host, port, noDelay: true });

    const finish = (fault?: Fault) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.removeAllListeners();
      // A late error of a socket nobody waits for any more must not become an unhandled one.
      socket.on('error', () => {});
      socket.destroy();
      if (fault === undefined) resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      else reject(fault);
    };
    const onTimeout = () => {
      // Firmware that neither ends its reply nor closes: what came is handed on, and the parser judges it.
      if (chunks.length > 0) return finish();
      const what = connected ? 'connected, but no answer' : 'no connection';
      finish(new Fault('timeout', `${host}:${port}: ${what} within ${timeoutMs} ms`));
    };
    const onAbort = () => finish(new Fault('timeout', `${host}:${port}: given up`));
    const timer = setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });

    socket.on('connect', () => {
      connected = true;
      socket.write(request.data);
    });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_BYTES) {
        finish(new Fault('garbled', `${host}:${port}: a reply of more than ${MAX_BYTES} bytes`));
        return;
      }
      const received = chunks.length === 1 ? chunk : Buffer.concat(chunks);
      if (request.complete(received)) finish();
    });
    socket.on('end', () => {
      if (chunks.length > 0) finish();
      else finish(new Fault('garbled', `${host}:${port}: closed without an answer`));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      finish(new Fault('unreachable', `${host}:${port}: ${error.code ?? error.message}`, { cause: error }));
    });
  });
}
