import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { toGuard, type GuardState, type ToGuard } from '../model/index.ts';

export interface Link {
  /** Tells whoever listens. */
  tell(state: GuardState): void;
  close(): void;
}

/**
 * Listens on a local socket that only its owner may open.
 * @param onMessage what was said, if it can be read; what cannot be is told to `onGarbled`, and the connection goes on
 * @throws Error where another guard listens there
 */
export async function openLink(
  path: string,
  onMessage: (message: ToGuard) => void,
  onGarbled: (why: string) => void,
): Promise<Link> {
  if (await answers(path)) throw new Error(`a guard listens on ${path} already`);
  rmSync(path, { force: true });
  const clients = new Set<Socket>();
  const server: Server = createServer((socket) => {
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    socket.on('error', () => socket.destroy());
    createInterface({ input: socket, crlfDelay: Infinity })
      .on('error', () => {})
      .on('line', (line) => {
        const message = parsed(line);
        if (typeof message === 'string') onGarbled(message);
        else onMessage(message);
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    tell(state) {
      const line = `${JSON.stringify(state)}\n`;
      // One that does not read what it is told is stuck: it is let go rather than kept for.
      for (const socket of clients)
        if (socket.writableLength > 1e6) socket.destroy();
        else socket.write(line);
    },
    close() {
      for (const socket of clients) socket.destroy();
      server.close();
    },
  };
}

function parsed(line: string): ToGuard | string {
  try {
    const asked = toGuard.safeParse(JSON.parse(line));
    if (asked.success) return asked.data;
    return asked.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  } catch (error) {
    return String(error);
  }
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
