import { createSocket, type Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import bacnet from '@bacnet-js/client';
import {
  Fault,
  type BacnetObject,
  type BacnetObjectType,
  type BacnetPort,
  type BacnetRead,
  type BacnetWrite,
} from '../../model/index.ts';

/** A CommonJS package typed as a module: the class is the default of the default. */
const Client = bacnet.default ?? bacnet;
type BacnetClient = InstanceType<typeof Client>;

/** ASHRAE 135, clause 21: object types, the property asked for, and the tags of the values written. */
const OBJECT_TYPES: Readonly<Record<BacnetObjectType, number>> = {
  'analog-input': 0,
  'analog-output': 1,
  'analog-value': 2,
  'binary-input': 3,
  'binary-output': 4,
  'binary-value': 5,
};
const PRESENT_VALUE = 85;
/** No index: the property as a whole (BACNET_ARRAY_ALL). */
const ALL = 0xff_ff_ff_ff;
const TAG = { null: 0, real: 4, enumerated: 9 } as const;
/** Error codes: unknown-object, unknown-property; write-access-denied. */
const UNKNOWN: readonly number[] = [31, 32];
const WRITE_DENIED = 40;

/** Two tries share the time limit: UDP loses packets. */
const TRIES = 2;
/** The library forgets a request after so long; the caller's own limit is shorter. */
const FORGET_MS = 15_000;

interface Device {
  readonly client: BacnetClient;
  readonly transport: Transport;
}

/** What the library takes for its socket: one device's share of the only one there is. */
class Transport extends EventEmitter {
  readonly #send: (bytes: Buffer) => void;
  constructor(send: (bytes: Buffer) => void) {
    super();
    this.#send = send;
  }
  getBroadcastAddress(): string {
    return '255.255.255.255';
  }
  getMaxPayload(): number {
    return 1482;
  }
  /** To its own device alone: nothing is broadcast. */
  send(buffer: Buffer, length: number): void {
    this.#send(Buffer.from(buffer.subarray(0, length)));
  }
  open(): void {}
  close(): void {}
}

/**
 * A `BacnetPort` on one UDP socket. Packets are handed to the device they come from and to no other; one that the
 * library can not decode is dropped, and the request it belonged to runs into its limit of time.
 */
export function bacnetPort(): BacnetPort & { close(): void } {
  const devices = new Map<string, Device>();
  let socket: Socket | undefined;

  function socketOf(): Socket {
    if (socket !== undefined) return socket;
    const fresh = createSocket('udp4');
    fresh.on('message', (bytes, { address, port }) => {
      try {
        devices.get(`${address}:${port}`)?.transport.emit('message', bytes, `${address}:${port}`);
      } catch {
        // The world can send anything; what can not be decoded was no answer.
      }
    });
    fresh.on('error', () => {
      fresh.close();
      socket = undefined;
    });
    fresh.unref();
    socket = fresh;
    return fresh;
  }

  function deviceAt(host: string, port: number): Device {
    const key = `${host}:${port}`;
    const known = devices.get(key);
    if (known !== undefined) return known;
    const transport = new Transport((bytes) => socketOf().send(bytes, port, host, () => {}));
    const client = new Client({ transport, apduTimeout: FORGET_MS });
    client.on('error', () => {});
    const device = { client, transport };
    devices.set(key, device);
    return device;
  }

  async function each(request: BacnetRead): Promise<readonly (number | undefined)[]> {
    const values: (number | undefined)[] = [];
    for (const object of request.objects) {
      const where = `${request.host} ${nameOf(object)}`;
      values.push(
        await attempt(request, where, async ({ client }, receiver) => {
          const { values: found } = await client.readProperty(receiver, idOf(object), PRESENT_VALUE);
          return numberOf(found[0]?.value, where);
        }).catch((error: unknown) => {
          if (error instanceof Fault && error.kind === 'unsupported') return undefined;
          throw error;
        }),
      );
    }
    return values;
  }

  async function attempt<T>(
    request: BacnetRead | BacnetWrite,
    where: string,
    ask: (device: Device, receiver: { address: string }) => Promise<T>,
  ): Promise<T> {
    const { host, port, timeoutMs, signal } = request;
    for (let n = 1; ; n += 1) {
      try {
        return await within(ask(deviceAt(host, port), { address: `${host}:${port}` }), timeoutMs / TRIES, signal);
      } catch (error) {
        const fault = toFault(error, where, timeoutMs, signal);
        if (fault.kind !== 'timeout' || signal?.aborted === true || n === TRIES) throw fault;
      }
    }
  }

  return {
    async read(request) {
      const where = `${request.host} BACnet`;
      const properties = [{ id: PRESENT_VALUE, index: ALL }];
      const list = request.objects.map((object) => ({ objectId: idOf(object), properties }));
      try {
        return await attempt(request, where, async ({ client }, receiver) => {
          const { values } = await client.readPropertyMultiple(receiver, list);
          if (values.length !== request.objects.length)
            throw new Fault('garbled', `${where}: ${values.length} objects where ${list.length} were asked`);
          return values.map((object, i) =>
            numberOf(object.values[0]?.value[0]?.value, `${request.host} ${nameOf(request.objects[i]!)}`),
          );
        });
      } catch (error) {
        // A small controller reads one property at a time: it rejects the service, or aborts for the size of the answer.
        if (error instanceof Fault && (error.kind === 'refused' || error.kind === 'unsupported')) return each(request);
        throw error;
      }
    },
    async write(request) {
      const { object, value, priority } = request;
      const isAnalog = object.type.startsWith('analog');
      const written =
        value === undefined
          ? { type: TAG.null, value: null }
          : isAnalog
            ? { type: TAG.real, value }
            : { type: TAG.enumerated, value };
      await attempt(request, `${request.host} ${nameOf(object)}`, ({ client }, receiver) =>
        client.writeProperty(receiver, idOf(object), PRESENT_VALUE, [written] as never, { priority }),
      );
    },
    close() {
      for (const { client } of devices.values()) client.close();
      devices.clear();
      socket?.close();
      socket = undefined;
    },
  };
}

const nameOf = ({ type, instance }: BacnetObject): string => `${type},${instance}`;
const idOf = ({ type, instance }: BacnetObject) => ({ type: OBJECT_TYPES[type], instance });

/** A number; undefined where the device answers with an error for this object, as one it does not have. */
function numberOf(value: unknown, where: string): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'object' && 'errorCode' in value) return undefined;
  throw new Fault('garbled', `${where}: its present value is no number`);
}

async function within<T>(work: Promise<T>, limitMs: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(new Error('ERR_TIMEOUT'));
    const timer = setTimeout(stop, limitMs);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted === true) stop();
    void work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    });
  });
}

function toFault(error: unknown, where: string, timeoutMs: number, signal: AbortSignal | undefined): Fault {
  if (error instanceof Fault) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (/ERR_TIMEOUT/.test(message)) {
    const why = signal?.aborted === true ? 'given up' : `no answer within ${timeoutMs} ms`;
    return new Fault('timeout', `${where}: ${why}`, { cause: error });
  }
  const code = Number(/Code:\s*(\d+)/.exec(message)?.[1] ?? NaN);
  if (UNKNOWN.includes(code)) return new Fault('unsupported', `${where}: no such object`, { cause: error });
  if (code === WRITE_DENIED)
    return new Fault('refused', `${where}: it may not be written; let the controller take it from BACnet`, {
      cause: error,
    });
  if (/^Bacnet(Error|Abort|Reject)/.test(message))
    return new Fault('refused', `${where}: ${message}`, { cause: error });
  // What is left is the library failing on bytes it did not expect.
  return new Fault('garbled', `${where}: ${message}`, { cause: error });
}
