import type { DriverIo } from '../../src/drivers/driver.ts';
import { Fault, wallMs, type FaultKind, type SnmpValue } from '../../src/model/index.ts';
import { AT } from './recordings.ts';

/** A world in which every machine does the same wrong thing, as the ports of `drivers/wire` would tell it. */
interface World {
  readonly name: string;
  /** The kinds of fault a method may end in there. */
  readonly kinds: readonly FaultKind[];
  readonly io: DriverIo;
}

interface Answers {
  tcp(): string;
  http(): { status: number; body: string };
  modbus(count: number): Buffer;
  snmp(count: number): SnmpValue[];
  bacnet?(count: number): (number | undefined)[];
  program?(): { code: number; stdout: string; stderr: string };
}

export function worldOf(answers: Answers): DriverIo {
  return {
    tcp: { ask: async ({ read }) => read(Buffer.from(answers.tcp())) },
    http: { ask: async () => ({ ...answers.http(), headers: {} }) },
    modbus: { readHolding: async ({ count }) => answers.modbus(count) },
    snmp: {
      get: async ({ oids }) => answers.snmp(oids.length),
      walk: async ({ oid }) => answers.snmp(3).map((value, i) => ({ oid: `${oid}.${i + 1}`, value })),
      set: async () => void answers.snmp(1),
    },
    bacnet: {
      read: async ({ objects }) => answers.bacnet?.(objects.length) ?? answers.snmp(objects.length).map(asNumber),
      write: async () => void (answers.bacnet?.(1) ?? answers.snmp(1)),
    },
    program: { run: async () => answers.program?.() ?? { code: 0, stdout: answers.tcp(), stderr: '' } },
    secret: () => 'secret',
    siteNow: () => AT,
    unixNow: () => AT,
    wallNow: () => wallMs(0),
  };
}

const asNumber = (value: SnmpValue): number | undefined => (typeof value === 'number' ? value : undefined);

const faulty = (kind: FaultKind): DriverIo => {
  const fail = (): never => {
    throw new Fault(kind, `the world: ${kind}`);
  };
  return worldOf({ tcp: fail, http: fail, modbus: fail, snmp: fail });
};
const saying = (tcp: string, body: string, modbus: (count: number) => Buffer): DriverIo =>
  worldOf({
    tcp: () => tcp,
    http: () => ({ status: 200, body }),
    modbus,
    snmp: (count) => (tcp === '' ? [] : Array.from({ length: count }, () => tcp)),
    // Its port finds such bytes garbled before a driver sees them.
    bacnet: () => {
      throw new Fault('garbled', 'no BACnet answer');
    },
  });
const declining = (status: number, message: string): DriverIo =>
  worldOf({
    tcp: () => JSON.stringify({ STATUS: [{ STATUS: 'E', Code: 45, Msg: message }], id: 1 }),
    http: () => ({ status, body: message }),
    modbus: () => {
      throw new Fault('refused', 'Modbus exception 4');
    },
    snmp: () => {
      throw new Fault('refused', 'genError');
    },
    program: () => ({ code: status === 401 ? 4 : 1, stdout: '', stderr: message }),
  });

export const WORLDS: readonly World[] = [
  { name: 'is silent', kinds: ['timeout'], io: faulty('timeout') },
  { name: 'refuses connections', kinds: ['unreachable'], io: faulty('unreachable') },
  {
    name: 'answers garbage',
    kinds: ['garbled'],
    io: saying('\u0007garbage{{', '<html><body>It works!</body></html>', (count) => Buffer.alloc(count * 2, 0xff)),
  },
  {
    name: 'answers half',
    kinds: ['garbled'],
    io: saying('{"STATUS":[{"STATUS":"S","When":17602', '{"bitmain-work-mode": "0", "po', (count) =>
      Buffer.alloc(count),
    ),
  },
  { name: 'answers empty JSON', kinds: ['garbled'], io: saying('{}', '{}', () => Buffer.alloc(0)) },
  { name: 'answers an empty list', kinds: ['garbled'], io: saying('[]', '[]', () => Buffer.alloc(0)) },
  { name: 'answers nothing', kinds: ['garbled'], io: saying('', '', () => Buffer.alloc(0)) },
  { name: 'denies access', kinds: ['unauthorised', 'refused'], io: declining(401, "Access denied to 'x' command") },
  { name: 'declines', kinds: ['refused'], io: declining(500, 'busy, try again') },
];

/** Nothing answers until the caller gives up; what takes no signal runs into its own limit, which passes at once. */
export function hangingWorld(): { io: DriverIo; signals: (AbortSignal | undefined)[]; limits: number[] } {
  const signals: (AbortSignal | undefined)[] = [];
  const limits: number[] = [];
  const hang = (request: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<never> => {
    signals.push(request.signal);
    limits.push(request.timeoutMs);
    return new Promise((_, reject) => {
      const fail = () => reject(new Fault('timeout', 'given up'));
      if (request.signal === undefined || request.signal.aborted) fail();
      else request.signal.addEventListener('abort', fail, { once: true });
    });
  };
  const io: DriverIo = {
    tcp: { ask: hang },
    http: { ask: hang },
    modbus: { readHolding: (request) => hang(request) },
    snmp: { get: hang, walk: hang, set: hang },
    bacnet: { read: hang, write: hang },
    program: { run: hang },
    secret: () => 'secret',
    siteNow: () => AT,
    unixNow: () => AT,
    wallNow: () => wallMs(0),
  };
  return { io, signals, limits };
}
