import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Logger } from 'pino';
import { answerFrames, type Registers } from '../../control/grid/base-point.ts';
import type { BasePointSource } from '../../model/index.ts';
import { isLoopback } from '../access/hosts.ts';
import { readTls } from '../access/tls.ts';
import { readFileSync } from 'node:fs';

export interface ModbusListener {
  close(): void;
}

/** Controllers at a time: one, its spare, and whoever tries it out. */
const MOST_SOCKETS = 4;
/** A controller asks every few seconds; a peer that is silent for so long is gone. */
const IDLE_MS = 60_000;
const LISTEN_AGAIN_MS = 5_000;

/**
 * Listens for a site controller: plain on loopback, beyond it as Modbus/TCP Security, which takes a certificate of either side
 * (Modbus.org, MB-TCP-Security 2.1). A port that is taken is tried again, and its reason handed on.
 * @param path where relative paths of the site file start
 */
export function listenModbus(
  { id, host, port, unitId, tls }: BasePointSource,
  registers: Registers,
  path: (file: string) => string,
  log: Logger,
  onProblem: (why: string | undefined) => void,
): ModbusListener {
  if (tls === undefined && !isLoopback(host))
    throw new Error(`${id}: plain Modbus beyond loopback; the site was not checked`);
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function serve(socket: Socket): void {
    if (sockets.size >= MOST_SOCKETS) {
      log.warn({ source: id, from: socket.remoteAddress }, 'a controller is turned away: too many are connected');
      socket.destroy();
      return;
    }
    sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (part: Buffer) => {
      const answered = answerFrames(Buffer.concat([pending, part]), unitId, registers);
      pending = Buffer.from(answered.rest);
      for (const reply of answered.replies) socket.write(reply);
      if (answered.broken) socket.destroy();
    });
  }

  function make(): Server {
    if (tls === undefined) return createServer(serve);
    const { certificate, key } = readTls(path(tls.certificate), path(tls.key));
    const made = createTlsServer(
      {
        cert: certificate,
        key,
        ca: readFileSync(path(tls.clientCa), 'utf8'),
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
      },
      serve,
    );
    made.on('tlsClientError', (error, socket) => {
      log.warn(
        { source: id, from: socket.remoteAddress, why: error.message },
        'a controller without a good certificate',
      );
    });
    return made;
  }

  function open(): void {
    if (closed) return;
    try {
      server = make();
    } catch (error) {
      onProblem(error instanceof Error ? error.message : String(error));
      timer = setTimeout(open, LISTEN_AGAIN_MS);
      return;
    }
    server.on('error', (error: NodeJS.ErrnoException) => {
      onProblem(`cannot listen at ${host}:${port} (${error.code ?? error.message})`);
      timer = setTimeout(open, LISTEN_AGAIN_MS);
    });
    server.listen({ host, port }, () => onProblem(undefined));
  }
  open();

  return {
    close() {
      closed = true;
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      server?.close();
    },
  };
}
