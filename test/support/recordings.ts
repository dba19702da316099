import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Device, DriverIo } from '../../src/drivers/driver.ts';
import { drivers } from '../../src/drivers/index.ts';
import { Fault, siteMs, wallMs, type FaultKind, type Reading, type SnmpValue } from '../../src/model/index.ts';

/** What was said to a machine and what it answered; the format is described in test/recordings/README.md. */
export interface Recording {
  readonly driver: string;
  readonly about: string;
  readonly source: string;
  readonly modelId: string;
  readonly config: unknown;
  /** Method and arguments; a read where it is left out. */
  readonly call?: readonly [string, ...unknown[]];
  readonly exchanges: readonly Exchange[];
  /** What a read must give, less its `at`. */
  readonly reading?: Omit<Reading, 'at'>;
  /** The kind of fault the call must end in. */
  readonly fault?: FaultKind;
  /** An answer of it was changed: a driver that follows it may ask what was never recorded. */
  readonly damaged?: true;
}

export type Exchange =
  | { readonly tcp: { readonly port: number; readonly ask: unknown; readonly framed?: true }; readonly reply: unknown }
  | { readonly http: HttpAsk; readonly reply: { status?: number; body?: unknown; lines?: readonly string[] } }
  | { readonly modbus: { unitId: number; register: number; count: number }; readonly reply: string }
  | {
      readonly snmp: { oids: readonly string[] } | { walk: string } | { set: string; value: number };
      readonly reply: readonly (number | string | null | { oid: string; value: number | string })[];
    }
  | {
      readonly bacnet: { objects: readonly string[] } | { write: string; value: number | null; priority: number };
      readonly reply: readonly (number | null)[];
    }
  | {
      readonly program: readonly string[];
      readonly reply: { code?: number; lines: readonly string[]; stderr?: string };
    };

interface HttpAsk {
  readonly method: string;
  readonly port: number;
  readonly path: string;
  readonly digest?: string;
  readonly body?: unknown;
}

const FOLDER = join(import.meta.dirname, '..', 'recordings');
const ADDRESS = '10.0.0.7';
export const AT = siteMs(Date.UTC(2026, 2, 23));

/** Every recording of a driver with the name of its case; none where the driver has no folder. */
export function recordingsOf(driver: string): { name: string; recording: Recording }[] {
  const folder = join(FOLDER, driver);
  const found = readdirSync(FOLDER).includes(driver) ? readdirSync(folder).filter((f) => f.endsWith('.json')) : [];
  return found.sort().map((file) => ({
    name: file.slice(0, -'.json'.length),
    recording: withBigints(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Recording),
  }));
}

/** JSON knows no bigint: `"12n"` stands for one in the counters of a reading. */
function withBigints(recording: Recording): Recording {
  const link = recording.reading?.link;
  if (link === undefined) return recording;
  const counters = Object.fromEntries(Object.entries(link).map(([key, value]) => [key, fromDigits(value)]));
  return { ...recording, reading: { ...recording.reading, link: counters as unknown as typeof link } };
}

/** What a damaged packet comes to: the library finds it garbled before a driver sees it. */
function snmpValues(text: string): SnmpValue[] {
  try {
    const values = JSON.parse(text) as unknown[];
    if (values.some((value) => value !== null && typeof value !== 'string' && typeof value !== 'number'))
      throw new Error();
    return values.map((value) => (value === null ? undefined : (fromDigits(value) as SnmpValue)));
  } catch (cause) {
    throw new Fault('garbled', 'no SNMP answer', { cause });
  }
}

function snmpRows(text: string): { oid: string; value: SnmpValue }[] {
  try {
    const rows = JSON.parse(text) as { oid: string; value: unknown }[];
    return rows.map(({ oid, value }) => {
      if (typeof oid !== 'string' || (typeof value !== 'string' && typeof value !== 'number')) throw new Error();
      return { oid, value: fromDigits(value) as SnmpValue };
    });
  } catch (cause) {
    throw new Fault('garbled', 'no SNMP answer', { cause });
  }
}

/** JSON as what it says, a form as its text. */
function bodyOf(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return body;
  }
}

const fromDigits = (value: unknown): unknown =>
  typeof value === 'string' && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;

export function openRecorded(recording: Recording, io: DriverIo): Device {
  const driver = drivers.find(({ name }) => name === recording.driver);
  if (driver === undefined) throw new Error(`no driver "${recording.driver}"`);
  const { modelId, config } = recording;
  return driver.open({ address: ADDRESS, modelId, config: driver.config.parse(config) }, io);
}

/** The request of an exchange, without its answer: what the record of a replay is compared with. */
export function requestOf(exchange: Exchange): unknown {
  if ('tcp' in exchange) return { tcp: exchange.tcp };
  if ('snmp' in exchange) return { snmp: exchange.snmp };
  if ('bacnet' in exchange) return { bacnet: exchange.bacnet };
  if ('program' in exchange) return { program: exchange.program };
  return 'http' in exchange ? { http: exchange.http } : { modbus: exchange.modbus };
}

/** The bytes of an answer: text as it is, anything else as its JSON. */
export function replyText(exchange: Exchange): string {
  const { reply } = exchange;
  if ('program' in exchange) return exchange.reply.lines.map((line) => `${line}\n`).join('');
  if ('http' in exchange) {
    const { body, lines } = exchange.reply;
    if (lines !== undefined) return lines.map((line) => `${line}\n`).join('');
    return typeof body === 'string' ? body : JSON.stringify(body ?? '');
  }
  return typeof reply === 'string' ? reply : JSON.stringify(reply);
}

type Answer = (exchange: Exchange) => string;

/**
 * A world that answers from a recording. An exchange is found by its request; the same request asked again gets the
 * next one recorded, and the last one from then on. What the recording does not know is a bug of the test or the
 * driver, and no fault of the world; but where an answer is damaged, what it leads to is not there.
 *
 * @param answer changes what comes back, for tests of damage
 */
export function replay(recording: Recording, answer: Answer = replyText): { io: DriverIo; requests: unknown[] } {
  const requests: unknown[] = [];
  const asked = new Map<string, number>();
  const find = (request: unknown): Exchange => {
    requests.push(request);
    const key = JSON.stringify(request);
    const known = recording.exchanges.filter((exchange) => JSON.stringify(requestOf(exchange)) === key);
    const count = asked.get(key) ?? 0;
    asked.set(key, count + 1);
    const exchange = known[Math.min(count, known.length - 1)];
    if (exchange === undefined && (recording.damaged === true || answer !== replyText))
      throw new Fault('unsupported', `not there: ${key}`);
    if (exchange === undefined) throw new Error(`not in the recording: ${key}`);
    return exchange;
  };
  const io: DriverIo = {
    tcp: {
      async ask({ port, data, read }) {
        const framed = typeof data !== 'string' && data.length > 4 && data.readUInt32LE(0) === data.length - 4;
        const ask = JSON.parse(String(framed ? data.subarray(4) : data)) as unknown;
        const text = Buffer.from(answer(find({ tcp: { port, ask, ...(framed ? { framed } : {}) } })));
        if (!framed) return read(text);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text.length);
        return read(Buffer.concat([length, text]));
      },
    },
    http: {
      async ask({ method, url, digest, body }) {
        const { port, pathname, search } = new URL(url);
        const http = {
          method,
          port: Number(port || 80),
          path: pathname + search,
          ...(digest === undefined ? {} : { digest: digest.username }),
          ...(body === undefined ? {} : { body: bodyOf(body) }),
        };
        const exchange = find({ http });
        const status = 'http' in exchange ? (exchange.reply.status ?? 200) : 200;
        return { status, headers: {}, body: answer(exchange) };
      },
    },
    modbus: {
      async readHolding({ unitId, register, count }) {
        return Buffer.from(answer(find({ modbus: { unitId, register, count } })), 'hex');
      },
    },
    snmp: {
      async get({ oids }) {
        return snmpValues(answer(find({ snmp: { oids } })));
      },
      async walk({ oid }) {
        return snmpRows(answer(find({ snmp: { walk: oid } })));
      },
      async set({ oid, value }) {
        find({ snmp: { set: oid, value } });
      },
    },
    bacnet: {
      async read({ objects }) {
        const names = objects.map(({ type, instance }) => `${type},${instance}`);
        return snmpValues(answer(find({ bacnet: { objects: names } }))) as (number | undefined)[];
      },
      async write({ object: { type, instance }, value, priority }) {
        find({ bacnet: { write: `${type},${instance}`, value: value ?? null, priority } });
      },
    },
    program: {
      async run({ program, args }) {
        const exchange = find({ program: [program, ...args] });
        const { code = 0, stderr = '' } = 'program' in exchange ? exchange.reply : {};
        return { code, stdout: answer(exchange), stderr };
      },
    },
    secret: () => 'secret',
    siteNow: () => AT,
    unixNow: () => AT,
    wallNow: () => wallMs(0),
  };
  return { io, requests };
}

/** Calls the method a recording is about. */
export function perform(device: Device, [method, ...args]: readonly [string, ...unknown[]]): Promise<unknown> {
  const call = device[method as keyof Device] as ((...given: unknown[]) => Promise<unknown>) | undefined;
  if (call === undefined) throw new Error(`the device has no ${method}`);
  return call(...args);
}
