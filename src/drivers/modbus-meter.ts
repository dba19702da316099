import { z } from 'zod';
import { Fault, type Reading } from '../model/index.ts';
import { defineDriver } from './driver.ts';
import { num } from './wire/fields.ts';
import { findMeter, readMeter } from './wire/sunspec.ts';

type Encoding = 'float32' | 'int64' | 'float64';

interface Register {
  readonly register: number;
  readonly encoding: Encoding;
  /** What one unit of the register is in W or Wh. */
  readonly scale: number;
}

interface RegisterMap {
  readonly power: Register;
  readonly energyImport: Register;
  readonly energyExport?: Register;
}

/** Register maps are data, keyed by model: public code disagrees between models of one make. */
const MAPS = {
  /** Schneider iEM3000 series: active power total in kW at 0x0BF3, active energy import in Wh at 0x0C83. */
  'schneider-iem3000': {
    power: { register: 0x0bf3, encoding: 'float32', scale: 1000 },
    energyImport: { register: 0x0c83, encoding: 'int64', scale: 1 },
  },
  /** Siemens SENTRON PAC2200: W at 65, import and export in Wh at 801 and 809. */
  'siemens-pac2200': {
    power: { register: 65, encoding: 'float32', scale: 1 },
    energyImport: { register: 801, encoding: 'float64', scale: 1 },
    energyExport: { register: 809, encoding: 'float64', scale: 1 },
  },
  /**
   * Janitza UMG 604 and its kin (Modbus address list): _P_SUM in W at 1369; energy drawn and given back in Wh in the
   * block of frequently needed values, 19068 and 19076. The counters are float32: 2 Wh coarse past 16.8 MWh, so a
   * large feeder is better billed from another meter.
   */
  'janitza-umg604': {
    power: { register: 1369, encoding: 'float32', scale: 1 },
    energyImport: { register: 19_068, encoding: 'float32', scale: 1 },
    energyExport: { register: 19_076, encoding: 'float32', scale: 1 },
  },
  /** Janitza UMG 511 (Modbus address list): the same block, but _P_SUM at 3925. */
  'janitza-umg511': {
    power: { register: 3925, encoding: 'float32', scale: 1 },
    energyImport: { register: 19_068, encoding: 'float32', scale: 1 },
    energyExport: { register: 19_076, encoding: 'float32', scale: 1 },
  },
  /** Janitza B-series (B21, B23, B24; product manual): W, and Wh drawn and given back, all float32. */
  'janitza-b-series': {
    power: { register: 0x4a52, encoding: 'float32', scale: 1 },
    energyImport: { register: 0x4a7c, encoding: 'float32', scale: 1 },
    energyExport: { register: 0x4a84, encoding: 'float32', scale: 1 },
  },
} as const satisfies Record<string, RegisterMap>;

/** Found by walking the device's own list, with the scales it tells. */
const SUNSPEC = 'sunspec-203';
type MapName = keyof typeof MAPS | typeof SUNSPEC;
const MAP_NAMES: readonly [MapName, ...MapName[]] = [SUNSPEC, ...(Object.keys(MAPS) as (keyof typeof MAPS)[])];

const config = z.strictObject({
  map: z.enum(MAP_NAMES),
  port: z.number().int().min(1).max(65535).default(502),
  unitId: z.number().int().min(0).max(255).default(1),
  timeoutMs: z.number().int().positive().default(1500),
});

const WORDS: Record<Encoding, number> = { float32: 2, int64: 4, float64: 4 };

export const modbusMeter = defineDriver({
  name: 'modbus-meter',
  about: 'Electricity meters over Modbus TCP; register maps by model',
  serves: ['meter'],
  config,
  // Modbus has no greeting: a meter is named in the site file and never guessed.
  recognises: () => false,
  open({ address, config: { map, port, unitId, timeoutMs } }, io) {
    const target = { host: address, port, unitId, timeoutMs };

    async function value(register: Register, signal?: AbortSignal): Promise<number> {
      const count = WORDS[register.encoding];
      const bytes = await io.modbus.readHolding({ ...target, register: register.register, count, signal });
      const raw = bytes.length === count * 2 ? num(decode(bytes, register.encoding)) : undefined;
      if (raw === undefined) {
        // A meter writes NaN or -2^63 for what it does not know.
        throw new Fault('garbled', `${address} register ${register.register}: not a number`, {
          bytes: bytes.toString('hex'),
        });
      }
      return raw * register.scale;
    }

    async function counter(register: Register, signal?: AbortSignal): Promise<number> {
      const wh = await value(register, signal);
      if (wh < 0) throw new Fault('garbled', `${address} register ${register.register}: a counter of ${wh} Wh`);
      return wh;
    }

    async function readMap(registers: RegisterMap, signal?: AbortSignal): Promise<Reading> {
      // One request in flight a socket: in turn, power first because it is what the guard waits for.
      const powerW = await value(registers.power, signal);
      const energyImportWh = await counter(registers.energyImport, signal);
      const energyExportWh =
        registers.energyExport === undefined ? undefined : await counter(registers.energyExport, signal);
      return { at: io.siteNow(), powerW, powerBasis: 'measured', energyImportWh, energyExportWh };
    }

    /** Where the meter model begins; looked for again after a read that did not find it there. */
    let modelAt: number | undefined;
    async function readSunSpec(signal?: AbortSignal): Promise<Reading> {
      const where = `${address} SunSpec`;
      const registers = (register: number, count: number) =>
        io.modbus.readHolding({ ...target, register, count, signal });
      modelAt ??= await findMeter(registers, where);
      try {
        return { at: io.siteNow(), powerBasis: 'measured', ...(await readMeter(registers, modelAt, where)) };
      } catch (error) {
        modelAt = undefined;
        throw error;
      }
    }

    return {
      read: (signal) => (map === SUNSPEC ? readSunSpec(signal) : readMap(MAPS[map], signal)),
      close() {},
    };
  },
});

/** Energy counters are 64-bit: a float32 counter would resolve 2 kWh after a month at 40 MW. */
function decode(bytes: Buffer, encoding: Encoding): number {
  if (encoding === 'float32') return bytes.readFloatBE(0);
  if (encoding === 'float64') return bytes.readDoubleBE(0);
  return Number(bytes.readBigInt64BE(0));
}
