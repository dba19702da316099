import { connect } from 'node:net';

/** What one port of one address did when it was spoken to. */
export interface Grab {
  /** `closed` refused at once, or dropped without a word: somebody is there. `silent` never answered the connect. `full` is our own limit. */
  readonly state: 'open' | 'closed' | 'silent' | 'full';
  readonly text: string;
}

/** Enough for a header block and the start of a page. */
const MOST_BYTES = 16_384;

/**
 * Connects, says one thing and takes what comes: until `whole` is content, the peer closes, or time is up. Never more
 * than one connection to a port.
 */
export function grab(
  host: string,
  port: number,
  say: string | Buffer,
  options: { readonly connectMs: number; readonly answerMs: number; whole(text: string): boolean },
): Promise<Grab> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    let state: Grab['state'] = 'silent';
    const parts: Buffer[] = [];
    let bytes = 0;
    let timer = setTimeout(() => finish(), options.connectMs);
    const finish = (): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      // A reset frees the machine's few sockets at once; where nobody answered there is none to reset.
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
      resolve({ state, text: Buffer.concat(parts).toString('utf8') });
    };
    socket.on('connect', () => {
      state = 'open';
      clearTimeout(timer);
      timer = setTimeout(finish, options.answerMs);
      socket.write(say);
    });
    socket.on('data', (chunk: Buffer) => {
      parts.push(chunk);
      bytes += chunk.length;
      if (bytes >= MOST_BYTES || options.whole(Buffer.concat(parts).toString('utf8'))) finish();
    });
    socket.on('end', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Taken and dropped without a word: a guard in front of a port where nobody may ask, or nobody is.
      if (state === 'open' && bytes === 0 && error.code === 'ECONNRESET') state = 'closed';
      else if (state !== 'open') {
        if (error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET') state = 'closed';
        else if (error.code === 'EMFILE' || error.code === 'ENFILE' || error.code === 'EADDRNOTAVAIL') state = 'full';
      }
      finish();
    });
  });
}
