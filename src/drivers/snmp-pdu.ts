import { z } from 'zod';
import { AFTER_OUTAGE, Fault, secretRef, type AfterOutage, type Reading, type SnmpValue } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { parts } from './wire/parts.ts';
import { PDU_FAMILIES, type PduFamily, type PduFamilyName, type PduLayout, type PduObjects } from './wire/pdus.ts';

const config = z.strictObject({
  port: z.number().int().min(1).max(65535).default(161),
  community: secretRef.optional().describe('absent: "public"; switching outlets needs one that may write'),
  family: z
    .enum(['auto', ...(Object.keys(PDU_FAMILIES) as [PduFamilyName, ...PduFamilyName[]])])
    .default('auto')
    .describe('auto: by the sysObjectID the device tells'),
  pdu: z.number().int().min(0).max(255).default(1).describe('unit of a chain of PDUs'),
  inlet: z.number().int().min(1).max(255).default(1).describe('inlet its power is read at, for Raritan'),
  timeoutMs: z.number().int().positive().default(3000),
});

const SYS_OBJECT_ID = '1.3.6.1.2.1.1.2.0';

/**
 * A rack PDU over SNMP v2c. Its watts are measured ones; where an outlet has no meter of its own, it has a state only.
 */
export const snmpPdu = defineDriver({
  name: 'snmp-pdu',
  about: 'Rack PDUs over SNMP v2c: APC rPDU2, Raritan PX2 to PX4, Vertiv Geist',
  serves: ['pdu'],
  config,
  afterOutage: {
    arms({ family }) {
      const known = Object.entries(PDU_FAMILIES).find(([name]) => name === family)?.[1];
      return AFTER_OUTAGE.filter((what) => known === undefined || known.restore.values[what] !== undefined);
    },
  },
  recognises: () => false,
  open({ address, config: { port, community, family: wanted, pdu, inlet, timeoutMs } }, io) {
    const agent = () => ({
      host: address,
      port,
      community: community === undefined ? 'public' : io.secret(community),
      timeoutMs,
    });
    const ask: PduObjects = {
      async get(oids) {
        const values = await io.snmp.get({ ...agent(), oids });
        if (values.length !== oids.length)
          throw new Fault('garbled', `${address}: ${values.length} values where ${oids.length} were asked`);
        return values;
      },
      async walk(oid) {
        const rows = await io.snmp.walk({ ...agent(), oid });
        const below = rows.filter((row) => row.oid.startsWith(`${oid}.`));
        return new Map<string, SnmpValue>(below.map((row) => [row.oid.slice(oid.length + 1), row.value]));
      },
    };
    let family: PduFamily | undefined = wanted === 'auto' ? undefined : PDU_FAMILIES[wanted];
    let layout: PduLayout | undefined;

    async function familyOf(): Promise<PduFamily> {
      if (family !== undefined) return family;
      const [told] = await ask.get([SYS_OBJECT_ID]);
      if (typeof told !== 'string' || !/^\d+(\.\d+)+$/.test(told))
        throw new Fault('garbled', `${address}: its sysObjectID is ${String(told)}`, { bytes: String(told) });
      family = Object.values(PDU_FAMILIES).find(({ enterprise }) => told.startsWith(`${enterprise}.`));
      if (family === undefined)
        throw new Fault('unsupported', `${address}: sysObjectID ${told} is of no PDU known; name its family`);
      return family;
    }

    /** Outlets as the device numbers them, learned once and again at every slow read. */
    const layoutOf = async (of: PduFamily): Promise<PduLayout> => (layout ??= await of.layout(ask, pdu));

    async function outletsOf(of: PduFamily): Promise<Reading['outlets']> {
      const found = await layoutOf(of);
      if (found.rows.size === 0) return undefined;
      const outlets = await of.outlets(ask, pdu, found);
      return outlets.length === 0 ? undefined : outlets;
    }

    async function afterOutageOf(of: PduFamily): Promise<Reading['outletsAfterOutage']> {
      const { rows } = await layoutOf(of);
      const told = rows.size === 0 ? undefined : await ask.walk(of.restore.column(pdu));
      const known = [...rows].flatMap(([index, row]) => {
        const afterOutage = of.restore.read(told?.get(row));
        return afterOutage === undefined ? [] : [{ index, afterOutage }];
      });
      return known.length === 0 ? undefined : known.sort((a, b) => a.index - b.index);
    }

    /** What an object of an outlet holds now. @throws Fault unsupported where there is none */
    async function valueAt(oid: string, where: string): Promise<number> {
      const [value] = await ask.get([oid]);
      if (value === undefined) throw new Fault('unsupported', `${where}: it has no such object`);
      if (typeof value !== 'number') throw new Fault('garbled', `${where}: found ${String(value)}`);
      return value;
    }

    async function rowOf(of: PduFamily, outlet: number): Promise<{ row: string; where: string }> {
      const row = (await layoutOf(of)).rows.get(outlet);
      const where = `${address} outlet ${outlet}`;
      if (row === undefined) throw new Fault('unsupported', `${where}: PDU ${pdu} has no such switched outlet`);
      return { row, where };
    }

    return {
      async read() {
        const of = await familyOf();
        const totals = await of.totals(ask, pdu, inlet);
        const outlets = await outletsOf(of).catch((error: unknown) => {
          // A PDU without switched outlets still measures its inlet.
          if (error instanceof Fault && error.kind === 'unsupported') return undefined;
          throw error;
        });
        if (outlets === undefined && totals.powerW === undefined && totals.energyImportWh === undefined)
          throw new Fault('unsupported', `${address}: nothing told of PDU ${pdu}, inlet ${inlet}; check their numbers`);
        return { at: io.siteNow(), ...totals, outlets };
      },
      async inspect() {
        const of = await familyOf();
        const told = parts();
        const identity = await told.get('identity', () => of.identity(ask, pdu));
        const outlets = await told.get('outlets', () => {
          layout = undefined;
          return outletsOf(of);
        });
        const outletsAfterOutage = await told.extra('after an outage', () => afterOutageOf(of));
        return { at: io.siteNow(), ...identity, outlets, outletsAfterOutage, gaps: told.gaps() };
      },
      /** Reads the outlet first: one that is so already is left alone, one that is not there is said so. */
      async setOutlet(outlet, on) {
        const of = await familyOf();
        const { row, where } = await rowOf(of, outlet);
        const state = await valueAt(of.state(pdu, row), `${where}, its state`);
        if (of.isOn(state) !== on) await io.snmp.set({ ...agent(), ...of.command(pdu, row, on) });
      },
      /** A delay before it is turned on is the PDU's own, and is left as somebody has set it. */
      async setOutletAfterOutage(outlet, what: AfterOutage) {
        const of = await familyOf();
        const { row, where } = await rowOf(of, outlet);
        const value = of.restore.values[what];
        if (value === undefined) throw new Fault('unsupported', `${where}: this PDU knows no ${what} after an outage`);
        const oid = `${of.restore.column(pdu)}.${row}`;
        const now = await valueAt(oid, `${where}, after an outage`);
        if (of.restore.read(now) !== what) await io.snmp.set({ ...agent(), oid, value });
      },
      close() {},
    };
  },
});
