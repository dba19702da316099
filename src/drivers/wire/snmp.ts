import snmp from 'net-snmp';
import {
  Fault,
  type FaultKind,
  type SnmpGet,
  type SnmpPort,
  type SnmpValue,
  type SnmpWalk,
} from '../../model/index.ts';

interface Varbind {
  readonly oid: string;
  readonly type?: number;
  readonly value?: unknown;
}

type Agent = Omit<SnmpGet, 'oids'>;

/** Rows of one packet of a walk: a few short ones fit the 1,400 bytes that no link cuts up. */
const ROWS_A_PACKET = 20;
const MOST_ROWS = 2000;
/** A walk is many packets: all of them together may take so many times the limit of one. */
const PATIENCE = 10;

/** An `SnmpPort` over UDP, version 2c: 64-bit counters need it. One session an agent, kept open. */
export function snmpPort(): SnmpPort & { close(): void } {
  const sessions = new Map<string, ReturnType<typeof snmp.createSession>>();

  function sessionOf({ host, port, community, timeoutMs }: Agent) {
    const key = `${host}:${port} ${community} ${timeoutMs}`;
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

  /** The next rows after an object; never none. */
  async function bulk(request: SnmpWalk, after: string, where: string): Promise<readonly Varbind[]> {
    const found = await new Promise<readonly Varbind[]>((resolve, reject) => {
      sessionOf(request).getBulk([after], 0, ROWS_A_PACKET, (error, columns) => {
        if (error !== null && error !== undefined) reject(toFault(error, where, request));
        else resolve((columns?.[0] ?? []) as unknown as readonly Varbind[]);
      });
    });
    if (found.length === 0) throw new Fault('garbled', `${where}: an answer without a row`);
    return found;
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
    async walk(request) {
      const where = `${request.host}:${request.port} SNMP walk of ${request.oid}`;
      const rows: { oid: string; value: SnmpValue }[] = [];
      const until = performance.now() + PATIENCE * request.timeoutMs;
      let last = request.oid;
      for (;;) {
        for (const varbind of await bulk(request, last, where)) {
          if (snmp.isVarbindError(varbind as never) || !isBelow(varbind.oid, request.oid)) return rows;
          // An agent that goes back, or round in a circle, would be walked for ever.
          if (!follows(varbind.oid, last))
            throw new Fault('garbled', `${where}: ${varbind.oid} comes after ${last}; the agent's table has no order`);
          last = varbind.oid;
          rows.push({ oid: varbind.oid, value: valueOf(varbind, where) });
          if (rows.length >= (request.most ?? MOST_ROWS)) return rows;
        }
        if (performance.now() > until) throw new Fault('timeout', `${where}: not at its end after ${rows.length} rows`);
      }
    },
    async set(request) {
      const { host, port, oid, value } = request;
      const where = `${host}:${port} SNMP set of ${oid}`;
      const varbind = { oid, type: snmp.ObjectType.Integer, value };
      const told = await new Promise<readonly Varbind[]>((resolve, reject) => {
        sessionOf(request).set([varbind], (error, varbinds) => {
          if (error !== null && error !== undefined) reject(toFault(error, where, request));
          else resolve(varbinds ?? []);
        });
      });
      if (told.some((one) => snmp.isVarbindError(one as never)))
        throw new Fault('unsupported', `${where}: the agent has no such object`);
    },
    close() {
      for (const session of sessions.values()) session.close();
      sessions.clear();
    },
  };
}

/** Numbers of an object's name, for their order. */
const numbersOf = (oid: string): number[] => oid.split('.').map(Number);
const isBelow = (oid: string, root: string): boolean => oid.startsWith(`${root}.`);

function follows(oid: string, before: string): boolean {
  const a = numbersOf(oid);
  const b = numbersOf(before);
  const at = a.findIndex((number, i) => number !== b[i]);
  return at >= 0 && (at >= b.length || a[at]! > b[at]!);
}

/** RFC 3416, section 3: what an agent answers a write it will not do. */
const { NoSuchName, ReadOnly, NoAccess, NoCreation, AuthorizationError, NotWritable, InconsistentName } =
  snmp.ErrorStatus;
const STATUS_KINDS: ReadonlyMap<number, FaultKind> = new Map<number, FaultKind>([
  [NoSuchName, 'unsupported'],
  [NoCreation, 'unsupported'],
  [InconsistentName, 'unsupported'],
  [ReadOnly, 'unauthorised'],
  [NoAccess, 'unauthorised'],
  [AuthorizationError, 'unauthorised'],
  [NotWritable, 'unauthorised'],
]);

function toFault(error: Error, where: string, { timeoutMs }: Agent): Fault {
  if (error.name === 'RequestTimedOutError')
    return new Fault('timeout', `${where}: no answer within ${timeoutMs} ms; a wrong community is silent too`, {
      cause: error,
    });
  if (error.name === 'RequestFailedError') {
    const kind = STATUS_KINDS.get(Number((error as { status?: unknown }).status)) ?? 'refused';
    const hint = kind === 'unauthorised' ? '; give the community the right to write' : '';
    return new Fault(kind, `${where}: ${error.message}${hint}`, { cause: error });
  }
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
