import { z } from 'zod';
import { Fault, secretRef, type SnmpValue } from '../model/index.ts';
import { defineDriver } from './driver.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(161),
  interface: z.number().int().positive().describe('ifIndex of the port, as "snmpwalk ... ifName" lists it'),
  community: secretRef.optional().describe('absent: "public"'),
  timeoutMs: z.number().int().positive().default(3000),
});

/** IF-MIB (RFC 2863), in the order they are asked; the high-capacity counters, as 32 bits wrap in 3.4 s at 10 Gbit/s. */
const COLUMNS = {
  operStatus: '1.3.6.1.2.1.2.2.1.8',
  highSpeedMbps: '1.3.6.1.2.1.31.1.1.1.15',
  inOctets: '1.3.6.1.2.1.31.1.1.1.6',
  outOctets: '1.3.6.1.2.1.31.1.1.1.10',
  inErrors: '1.3.6.1.2.1.2.2.1.14',
  outErrors: '1.3.6.1.2.1.2.2.1.20',
} as const;
const UP = 1;
/** Dormant, testing and unknown are neither. */
const DOWN: readonly number[] = [2, 6, 7];

export const snmpUplink = defineDriver({
  name: 'snmp-uplink',
  about: 'A port of a switch or router over SNMP v2c (IF-MIB)',
  serves: ['uplink'],
  config,
  recognises: () => false,
  open({ address, config: { port, interface: index, community, timeoutMs } }, io) {
    const oids = Object.values(COLUMNS).map((column) => `${column}.${index}`);
    return {
      async read() {
        const where = `${address} interface ${index}`;
        const word = community === undefined ? 'public' : io.secret(community);
        const values = await io.snmp.get({ host: address, port, community: word, oids, timeoutMs });
        if (values.length !== oids.length)
          throw new Fault('garbled', `${where}: ${values.length} values where ${oids.length} were asked`);
        const [status, speed, inOctets, outOctets, inErrors, outErrors] = values;
        if (values.every((value) => value === undefined))
          throw new Fault('unsupported', `${where}: the device has no such interface; look it up in its ifTable`);
        const oper = number(status, where);
        return {
          at: io.siteNow(),
          link: {
            up: oper === UP ? true : oper !== undefined && DOWN.includes(oper) ? false : undefined,
            speedMbps: number(speed, where),
            inOctets: counter(inOctets, where),
            outOctets: counter(outOctets, where),
            inErrors: number(inErrors, where),
            outErrors: number(outErrors, where),
          },
        };
      },
      close() {},
    };
  },
});

function number(value: SnmpValue, where: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Fault('garbled', `${where}: found ${String(value)}, expected a count`);
}

function counter(value: SnmpValue, where: string): bigint | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'bigint' && value >= 0n) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new Fault('garbled', `${where}: found ${String(value)}, expected a 64-bit counter`);
}
