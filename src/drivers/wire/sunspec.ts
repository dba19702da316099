import { Fault } from '../../model/index.ts';

/** SunSpec Information Model (SunSpec Alliance): a list of models in the registers of a device, each with its length. */

type ReadRegisters = (register: number, count: number) => Promise<Buffer>;

/** Where a list may begin, in the order the standard names. */
const BASES = [40_000, 50_000, 0] as const;
const MARK = 'SunS';
const END = 0xff_ff;
/** More models than any meter has: a list without its end is a fault of the device. */
const MOST_MODELS = 40;
/** Meters of one phase, split phase, three phases in star and in delta: one layout. */
const METERS: readonly number[] = [201, 202, 203, 204];

/** Registers of a meter model from its number on, and what is read of it. */
const WORDS = 56;
const W = 18;
const W_SF = 22;
const TOT_WH_EXP = 38;
const TOT_WH_IMP = 46;
const TOT_WH_SF = 54;

/** @returns the register a meter model begins at. @throws Fault unsupported where there is a list without one, garbled without a list */
export async function findMeter(read: ReadRegisters, where: string): Promise<number> {
  for (const base of BASES) {
    const mark = await read(base, 2).catch((error: unknown) => {
      if (error instanceof Fault && (error.kind === 'unsupported' || error.kind === 'refused')) return undefined;
      throw error;
    });
    if (mark === undefined || mark.toString('latin1') !== MARK) continue;
    let at: number = base + 2;
    for (let n = 0; n < MOST_MODELS && at < 65_000; n += 1) {
      const header = await read(at, 2);
      if (header.length !== 4) throw new Fault('garbled', `${where}: ${header.length} bytes of a model's head`);
      const model = header.readUInt16BE(0);
      if (METERS.includes(model)) return at;
      if (model === END)
        throw new Fault('unsupported', `${where}: a SunSpec device without a meter model (201 to 204)`);
      at += 2 + header.readUInt16BE(2);
    }
    throw new Fault('garbled', `${where}: a SunSpec list without an end`);
  }
  throw new Fault('garbled', `${where}: no SunSpec list at ${BASES.join(', ')}`);
}

export interface SunSpecMeter {
  readonly powerW: number;
  readonly energyImportWh: number | undefined;
  readonly energyExportWh: number | undefined;
}

/** @throws Fault garbled where it is no meter model, or tells no power */
export async function readMeter(read: ReadRegisters, at: number, where: string): Promise<SunSpecMeter> {
  const bytes = await read(at, WORDS);
  if (bytes.length !== 2 * WORDS || !METERS.includes(bytes.readUInt16BE(0)))
    throw new Fault('garbled', `${where}: no meter model at ${at}`, { bytes: bytes.toString('hex') });
  const power = int16(bytes, W);
  const powerUnit = factor(bytes, W_SF, where);
  if (power === undefined || powerUnit === undefined)
    throw new Fault('garbled', `${where}: the meter tells no power`, { bytes: bytes.toString('hex') });
  const energyUnit = factor(bytes, TOT_WH_SF, where);
  const energy = (offset: number): number | undefined => {
    const raw = bytes.readUInt32BE(2 * offset);
    // An accumulator that is not there reads 0 (acc32), or as an unsigned number that is not there.
    return raw === 0 || raw === 0xff_ff_ff_ff || energyUnit === undefined ? undefined : raw * energyUnit;
  };
  return { powerW: power * powerUnit, energyImportWh: energy(TOT_WH_IMP), energyExportWh: energy(TOT_WH_EXP) };
}

/** 0x8000 stands for what is not implemented. */
function int16(bytes: Buffer, offset: number): number | undefined {
  const value = bytes.readInt16BE(2 * offset);
  return value === -0x80_00 ? undefined : value;
}

/** A power of ten, -10 to 10 by the standard; another one would move a value by more than any meter can. */
function factor(bytes: Buffer, offset: number, where: string): number | undefined {
  const exponent = int16(bytes, offset);
  // 0xFFFF is both a tenth and what some firmware writes for a register it does not have; a tenth is the standard's.
  if (exponent === undefined) return undefined;
  if (exponent < -10 || exponent > 10)
    throw new Fault('garbled', `${where}: a scale factor of ${exponent}`, { bytes: bytes.toString('hex') });
  return Number(`1e${exponent}`);
}
