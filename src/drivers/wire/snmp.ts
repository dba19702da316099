import snmp from 'net-snmp';
import { Fault, type SnmpGet, type SnmpPort, type SnmpValue } from '../../model/index.ts';

interface Varbind {
  readonly oid: string;
  readonly type?: number;
  readonly value?: unknown;
}

/** An `SnmpPort` over UDP, version 2c: 64-bit counters need it. One session an agent, kept open. */
export function snmpPort(): SnmpPort & { close(): void } {
  const sessions = new Map<string, ReturnType<typeof snmp.createSession>>();

  function sessionOf({ host, port, community, timeoutMs }: SnmpGet) {
    const key = `${host}:${port} ${community}`;
    let session = sessions.get(key);
    if (session === undefined) {
      // Two tries share the time limit: UDP loses packets.
      session = snmp.createSession(host, community, {
        port,
        version: snmp.Version2c,
        retries: 1,
        timeout: Math.ceil(timeoutMs / 2),
        backoff: 1,
      });
      // A dead socket reports itself here, and to the requests that wait.
      session.on('error', () => sessions.delete(key));
      sessions.set(key, session);
    }
    return session;
  }

  return {
    get(request) {
      const where = `${request.host}:${request.port} SNMP get`;
      return new Promise<readonly Varbind[]>((resolve, reject) => {
        sessionOf(request).get([...request.oids], (error, varbinds) => {
          if (error !== null && error !== undefined) reject(toFault(error, where, request));
          else resolve(varbinds ?? []);
        });
      }).then((varbinds) => varbinds.map((varbind) => valueOf(varbind, where)));
    },
    async walk() {
      throw new Fault('unsupported', 'SNMP walk is not built yet');
    },
    async set() {
      throw new Fault('unsupported', 'SNMP set is not built yet');
    },
    close() {
      for (const session of sessions.values()) session.close();
      sessions.clear();
    },
  };
}

function toFault(error: Error, where: string, { timeoutMs }: SnmpGet): Fault {
  if (error.name === 'RequestTimedOutError')
    return new Fault('timeout', `${where}: no answer within ${timeoutMs} ms; a wrong community is silent too`, {
      cause: error,
    });
  if (error.name === 'RequestFailedError') return new Fault('refused', `${where}: ${error.message}`, { cause: error });
  if (error.name === 'ResponseInvalidError')
    return new Fault('garbled', `${where}: ${error.message}`, { cause: error });
  return new Fault('unreachable', `${where}: ${error.message}`, { cause: error });
}

function valueOf(varbind: Varbind, where: string): SnmpValue {
  if (snmp.isVarbindError(varbind as never)) return undefined;
  const { value, type } = varbind;
  // Counter64 comes as its bytes, most significant first.
  if (Buffer.isBuffer(value)) {
    if (type === snmp.ObjectType.Counter64) return value.length === 0 ? 0n : BigInt(`0x${value.toString('hex')}`);
    return value.toString('utf8');
  }
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string') return value;
  if (value === null || value === undefined) return undefined;
  throw new Fault('garbled', `${where}: ${varbind.oid} is of type ${type}`);
}
