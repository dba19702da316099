import { createHmac, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** A site controller that writes base points over Modbus TCP, and a sender of signed webhooks: what speaks for an emulated grid. */

export interface BasePointMaster {
  /** Writes base point, enable and the next heartbeat in one go. @throws Error with the exception's code */
  send(basePointKw: number, enabled?: boolean): Promise<void>;
  /** The next heartbeat alone. */
  beat(): Promise<void>;
  /** Words from a register on. */
  read(at: number, count: number): Promise<Buffer>;
  close(): void;
}

const TIMEOUT_MS = 5_000;

export async function connectMaster(port: number, unitId = 1): Promise<BasePointMaster> {
  const socket: Socket = connect({ host: '127.0.0.1', port });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', () => resolve());
    socket.once('error', reject);
  });
  const waiting = new Map<number, (pdu: Buffer) => void>();
  let pending: Buffer = Buffer.alloc(0);
  let transaction = 0;
  let heartbeat = 0;
  socket.on('error', () => socket.destroy());
  socket.on('data', (part: Buffer) => {
    pending = Buffer.concat([pending, part]);
    while (pending.length >= 7 && pending.length >= 6 + pending.readUInt16BE(4)) {
      const length = 6 + pending.readUInt16BE(4);
      waiting.get(pending.readUInt16BE(0))?.(pending.subarray(7, length));
      pending = pending.subarray(length);
    }
  });

  function ask(pdu: Buffer): Promise<Buffer> {
    transaction = (transaction + 1) % 65_536;
    const header = Buffer.alloc(7);
    header.writeUInt16BE(transaction, 0);
    header.writeUInt16BE(pdu.length + 1, 4);
    header[6] = unitId;
    const id = transaction;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer')), TIMEOUT_MS);
      waiting.set(id, (reply) => {
        clearTimeout(timer);
        waiting.delete(id);
        if (reply[0]! < 0x80) resolve(Buffer.from(reply));
        else reject(new Error(`exception ${reply[1]}`));
      });
      socket.write(Buffer.concat([header, pdu]));
    });
  }

  const next = (): number => (heartbeat = (heartbeat + 1) % 65_536);
  return {
    async send(basePointKw, enabled = true) {
      const pdu = Buffer.alloc(14);
      pdu[0] = 16;
      pdu.writeUInt16BE(4, 3);
      pdu[5] = 8;
      pdu.writeInt32BE(basePointKw, 6);
      pdu.writeUInt16BE(Number(enabled), 10);
      pdu.writeUInt16BE(next(), 12);
      await ask(pdu);
    },
    async beat() {
      const pdu = Buffer.from([6, 0, 3, 0, 0]);
      pdu.writeUInt16BE(next(), 3);
      await ask(pdu);
    },
    async read(at, count) {
      const pdu = Buffer.alloc(5);
      pdu[0] = 3;
      pdu.writeUInt16BE(at, 1);
      pdu.writeUInt16BE(count, 3);
      return (await ask(pdu)).subarray(2);
    },
    close: () => socket.destroy(),
  };
}

export interface WebhookMessage {
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A message as Standard Webhooks signs it. @param key what stands after `whsec_`, decoded @param unixS when it says it was signed */
export function signedMessage(
  key: Buffer,
  payload: unknown,
  unixS: number,
  id = `msg_${randomUUID()}`,
): WebhookMessage {
  const body = JSON.stringify(payload);
  const mac = createHmac('sha256', key).update(`${id}.${unixS}.${body}`).digest('base64');
  return {
    id,
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(unixS),
      'webhook-signature': `v1,${mac}`,
    },
  };
}
