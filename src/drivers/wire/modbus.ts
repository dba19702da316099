import modbusSerial from 'modbus-serial';
import { Fault, type ModbusPort, type ModbusRead } from '../../model/index.ts';

/** A CommonJS package typed as a module: the class is the default of the default. */
const Client = modbusSerial.default;

interface Line {
  client: InstanceType<typeof Client> | undefined;
  /** The request before: one in flight a socket, as meters and gateways expect. */
  tail: Promise<unknown>;
}

/** A `ModbusPort` over TCP: one socket a meter, kept open, opened again after a fault. */
export function modbusPort(): ModbusPort & { close(): void } {
  const lines = new Map<string, Line>();

  async function exchange(line: Line, request: ModbusRead): Promise<Buffer> {
    const where = `${request.host}:${request.port} register ${request.register}`;
    // One that gave up while it waited for its turn must not disturb the line.
    if (request.signal?.aborted === true) throw givenUp(where);
    const giveUp = (): void => line.client?.destroy(() => {});
    try {
      // An answer that comes after all would pass for that of the next request: the socket goes with it.
      request.signal?.addEventListener('abort', giveUp, { once: true });
      if (line.client === undefined) {
        const client = new Client();
        // The library re-emits socket errors here; they also reject the request that waits.
        client.on('error', () => {});
        // Known before it is connected, so that a connection that never comes is let go of too.
        line.client = client;
        await orGivenUp(
          client.connectTCP(request.host, { port: request.port, timeout: request.timeoutMs }),
          request.signal,
          where,
        );
      }
      line.client.setID(request.unitId);
      line.client.setTimeout(request.timeoutMs);
      const { buffer } = await orGivenUp(
        line.client.readHoldingRegisters(request.register, request.count),
        request.signal,
        where,
      );
      if (buffer.length !== request.count * 2) {
        throw new Fault('garbled', `${where}: ${buffer.length} bytes where ${request.count * 2} were asked`);
      }
      return buffer;
    } catch (error) {
      line.client?.destroy(() => {});
      line.client = undefined;
      throw toFault(error, where, request);
    } finally {
      request.signal?.removeEventListener('abort', giveUp);
    }
  }

  return {
    readHolding(request) {
      const key = `${request.host}:${request.port}`;
      const line = lines.get(key) ?? { client: undefined, tail: Promise.resolve() };
      lines.set(key, line);
      const result = line.tail.then(() => exchange(line, request));
      line.tail = result.catch(() => {});
      return orGivenUp(result, request.signal, `${key} register ${request.register}`);
    },
    close() {
      for (const line of lines.values()) line.client?.destroy(() => {});
      lines.clear();
    },
  };
}

const givenUp = (where: string): Fault => new Fault('timeout', `${where}: given up`);

/** What is waited for, or the end of the caller's patience; the library knows no signal. */
async function orGivenUp<T>(work: Promise<T>, signal: AbortSignal | undefined, where: string): Promise<T> {
  if (signal === undefined) return work;
  if (signal.aborted) throw givenUp(where);
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(givenUp(where));
    signal.addEventListener('abort', stop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

function toFault(error: unknown, where: string, request: ModbusRead): Fault {
  if (error instanceof Fault) return error;
  const { name, message, errno, modbusCode } = error as {
    name?: string;
    message?: string;
    errno?: string;
    modbusCode?: number;
  };
  if (modbusCode !== undefined) {
    const kind = modbusCode === 1 || modbusCode === 2 ? 'unsupported' : 'refused';
    return new Fault(kind, `${where}: Modbus exception ${modbusCode}`, { cause: error });
  }
  if (name === 'TransactionTimedOutError' || errno === 'ETIMEDOUT' || /timed out/i.test(message ?? '')) {
    const hint = `no answer within ${request.timeoutMs} ms (a wrong unit id, here ${request.unitId}, looks like this too)`;
    return new Fault('timeout', `${where}: ${hint}`, { cause: error });
  }
  return new Fault('unreachable', `${where}: ${message ?? String(error)}`, { cause: error });
}
