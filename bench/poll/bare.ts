import { connect } from 'node:net';

/** One request of a bare client: these bytes, read to the end. */
export interface BareRequest {
  readonly address: string;
  readonly bytes: Buffer;
}

/** Connect, send, read to the end, close: the least that Node can do for an answer. */
export function bareAsk(port: number, { address, bytes }: BareRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const socket = connect({ host: address, port, noDelay: true });
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk) => (received += chunk.length));
    socket.on('end', () => {
      socket.destroy();
      resolve(received);
    });
    socket.on('error', reject);
  });
}

/** So many in flight until all are answered. @returns bytes received */
export async function bareLoop(port: number, requests: Iterator<BareRequest>, inFlight: number): Promise<number> {
  let bytes = 0;
  const worker = async (): Promise<void> => {
    for (let next = requests.next(); next.done !== true; next = requests.next()) {
      const received = await bareAsk(port, next.value);
      bytes += received;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return bytes;
}
