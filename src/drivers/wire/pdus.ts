import {
  AFTER_OUTAGE,
  Fault,
  type AfterOutage,
  type OutletReading,
  type Reading,
  type SnmpValue,
} from '../../model/index.ts';
import { amount } from './fields.ts';

/** Families of rack PDUs: where each keeps what, and on which scale. Data and arithmetic only; the driver asks. */

/** Values of a table's column by row. */
type Rows = ReadonlyMap<string, SnmpValue>;
const NONE: Rows = new Map();

export interface PduObjects {
  get(oids: readonly string[]): Promise<readonly SnmpValue[]>;
  /** Values below an object by what follows it in their names: `walk('1.3')` gives `7.1` for `1.3.7.1`. */
  walk(oid: string): Promise<Rows>;
}

/** What changes only when somebody works on the PDU. */
export interface PduLayout {
  readonly names: ReadonlyMap<number, string | undefined>;
  /** What names an outlet in the tables of the device, by the number on its face. */
  readonly rows: ReadonlyMap<number, string>;
  /** Decimal digits of every sensor that is there, by row and quantity; absent where the scale is the same for all. */
  readonly digits?: Rows;
}

export interface PduFamily {
  /** Of its `sysObjectID`. */
  readonly enterprise: string;
  layout(ask: PduObjects, unit: number): Promise<PduLayout>;
  totals(
    ask: PduObjects,
    unit: number,
    inlet: number,
  ): Promise<Pick<Reading, 'powerW' | 'powerBasis' | 'energyImportWh' | 'errors'>>;
  outlets(ask: PduObjects, unit: number, layout: PduLayout): Promise<readonly OutletReading[]>;
  identity(ask: PduObjects, unit: number): Promise<Pick<Reading, 'model' | 'firmware' | 'serial' | 'mac' | 'hostname'>>;
  /** The object that tells whether an outlet is on, how to read it, and what switches it. */
  state(unit: number, row: string): string;
  isOn(state: SnmpValue): boolean | undefined;
  command(unit: number, row: string, on: boolean): { readonly oid: string; readonly value: number };
  readonly restore: OutletRestore;
}

/** What an outlet does when the PDU gets its supply back. */
export interface OutletRestore {
  /** The column it is told and set in: an outlet's object is named by its row below it. */
  column(unit: number): string;
  /** What is written for each; a family that cannot do one lacks it. */
  readonly values: Readonly<Partial<Record<AfterOutage, number>>>;
  read(value: SnmpValue): AfterOutage | undefined;
}

/** A family whose column holds one number for each. */
const enumerated = (column: OutletRestore['column'], values: OutletRestore['values']): OutletRestore => ({
  column,
  values,
  read: (value) => AFTER_OUTAGE.find((what) => values[what] !== undefined && values[what] === value),
});

/** @throws Fault garbled where the agent says something that is no number; one below zero is what "not supported" looks like */
export function count(value: SnmpValue, what: string): number | undefined {
  if (value === undefined) return undefined;
  const n = typeof value === 'bigint' ? Number(value) : value;
  if (typeof n !== 'number' || !Number.isFinite(n)) throw new Fault('garbled', `${what}: found ${String(value)}`);
  return amount(n);
}

const scaled = (value: number | undefined, unit: number): number | undefined =>
  value === undefined ? undefined : Math.round(value * unit * 1e6) / 1e6;

const words = (value: SnmpValue): string | undefined => {
  const text = typeof value === 'string' ? value.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim() : '';
  return text === '' ? undefined : text;
};

function measured(powerW: number | undefined): Pick<Reading, 'powerW' | 'powerBasis'> {
  return { powerW, powerBasis: powerW === undefined ? undefined : 'measured' };
}

const SYS_NAME = '1.3.6.1.2.1.1.5.0';

/** Outlets of tables that are numbered as the face is: a row that one of them lacks is still an outlet. */
function plainRows(names: Rows, states: Rows): PduLayout {
  const numbers = [...new Set([...names.keys(), ...states.keys()])].filter((row) => /^\d{1,4}$/.test(row));
  return {
    names: new Map(numbers.map((row) => [Number(row), words(names.get(row))])),
    rows: new Map(numbers.map((row) => [Number(row), row])),
  };
}

function listOf(layout: PduLayout, of: (row: string) => Omit<OutletReading, 'index' | 'name'>): OutletReading[] {
  return [...layout.rows]
    .sort(([a], [b]) => a - b)
    .map(([index, row]) => ({ index, name: layout.names.get(index), ...of(row) }));
}

const APC = '1.3.6.1.4.1.318.1.1';

/**
 * APC rack PDUs of the second generation (PowerNet-MIB, rPDU2). Scales as the MIB documents them, and as captured
 * walks of an AP8641 bear out: hundredths of kW, tenths of kWh, tenths of A, W of an outlet; -1 where it has none.
 */
const apc: PduFamily = {
  enterprise: '1.3.6.1.4.1.318',
  async layout(ask, unit) {
    // Units of a chain share the table: each row names its unit and the outlet's number on it.
    const [names, modules, numbers] = [
      await ask.walk(`${APC}.26.9.2.3.1.3`),
      await ask.walk(`${APC}.26.9.2.3.1.2`),
      await ask.walk(`${APC}.26.9.2.3.1.4`),
    ];
    const rows = new Map<number, string>();
    for (const row of new Set([...numbers.keys(), ...modules.keys(), ...names.keys()])) {
      // A PDU that is not in a chain is unit 1, and its rows are its outlets.
      const outlet = count(numbers.get(row), `outlet row ${row}`) ?? count(Number(row), `outlet row ${row}`);
      const module = count(modules.get(row), `module of row ${row}`) ?? 1;
      if (outlet !== undefined && module === unit) rows.set(outlet, row);
    }
    return { rows, names: new Map([...rows].map(([outlet, row]) => [outlet, words(names.get(row))])) };
  },
  async totals(ask, unit) {
    const device = `${APC}.26.4.3.1`;
    const oids = [`${device}.5.${unit}`, `${device}.9.${unit}`, `${device}.4.${unit}`, `${APC}.12.1.16.0`];
    const [power, energy, load, nominal] = await ask.get(oids);
    const powerW = scaled(count(power, 'device power'), 10);
    // Models that meter amperes alone work their watts out of them and the mains voltage somebody has typed in.
    const nominalW = unit === 1 ? count(nominal, 'nominal power') : undefined;
    return {
      ...(powerW === undefined && nominalW !== undefined
        ? { powerW: nominalW, powerBasis: 'estimated' }
        : measured(powerW)),
      energyImportWh: scaled(count(energy, 'device energy'), 100),
      errors: count(load, 'load state') === 4 ? ['overload: take load off it'] : undefined,
    };
  },
  async outlets(ask, _unit, layout) {
    const states = await ask.walk(`${APC}.26.9.2.3.1.5`);
    const metered = `${APC}.26.9.4.3.1`;
    const amps = await ask.walk(`${metered}.6`);
    const hasMeters = amps.size > 0;
    const watts = hasMeters ? await ask.walk(`${metered}.7`) : NONE;
    const energies = hasMeters ? await ask.walk(`${metered}.11`) : NONE;
    return listOf(layout, (row) => ({
      on: apc.isOn(states.get(row)),
      powerW: count(watts.get(row), 'outlet power'),
      currentA: scaled(count(amps.get(row), 'outlet current'), 0.1),
      energyWh: scaled(count(energies.get(row), 'outlet energy'), 100),
    }));
  },
  async identity(ask, unit) {
    const ident = `${APC}.26.2.1`;
    const oids = [`${ident}.8.${unit}`, `${ident}.6.${unit}`, `${ident}.9.${unit}`, SYS_NAME];
    const [model, firmware, serial, name] = (await ask.get(oids)).map(words);
    return { model, firmware, serial, hostname: name };
  },
  state: (_unit, row) => `${APC}.26.9.2.3.1.5.${row}`,
  // rPDU2OutletSwitchedStatusState: off(1), on(2); the command counts the other way round.
  isOn: (state) => (state === 2 ? true : state === 1 ? false : undefined),
  command: (_unit, row, on) => ({ oid: `${APC}.26.9.2.4.1.5.${row}`, value: on ? 1 : 2 }),
  // rPDU2OutletSwitchedConfigPowerOnTime: seconds until it is turned on, -1 for never. It knows no last state.
  restore: {
    column: () => `${APC}.26.9.2.1.1.5`,
    values: { 'stay-off': -1, start: 0 },
    read: (value) =>
      typeof value !== 'number' ? undefined : value === -1 ? 'stay-off' : value >= 0 ? 'start' : undefined,
  },
};

const RARITAN = '1.3.6.1.4.1.13742.6';
/** PDU2-MIB `SensorTypeEnumeration` and `SensorUnitsEnumeration`. */
const SENSOR = { current: 1, activePower: 5, activeEnergy: 8 } as const;
const UNIT = { watt: 3, wattHour: 5 } as const;
/** SNMPv2-TC `TruthValue`. */
const TRUE = 1;

/** @param digits decimal places of the count, as the device tells them: without them it has no scale */
function decimal(value: SnmpValue, digits: SnmpValue, what: string): number | undefined {
  const raw = count(value, what);
  const places = count(digits, `${what}, decimal digits`);
  if (raw === undefined || places === undefined) return undefined;
  if (!Number.isInteger(places) || places > 9) throw new Fault('garbled', `${what}: ${places} decimal digits`);
  return scaled(raw, 10 ** -places);
}

/** Raritan PX2, PX3 and PX4 (PDU2-MIB). Every sensor tells its own scale and unit, and whether it is there at all. */
const raritan: PduFamily = {
  enterprise: '1.3.6.1.4.1.13742',
  async layout(ask, unit) {
    const names = await ask.walk(`${RARITAN}.3.5.3.1.3.${unit}`);
    const states = await ask.walk(`${RARITAN}.4.1.2.1.3.${unit}`);
    const digits = await ask.walk(`${RARITAN}.3.5.4.1.7.${unit}`);
    const available = await ask.walk(`${RARITAN}.5.4.3.1.2.${unit}`);
    return {
      ...plainRows(names, states),
      digits: new Map([...digits].filter(([sensor]) => available.get(sensor) === TRUE)),
    };
  },
  async totals(ask, unit, inlet) {
    const of = (column: string, sensor: number) => `${RARITAN}.${column}.${unit}.${inlet}.${sensor}`;
    const columns = ['5.2.3.1.4', '3.3.4.1.7', '3.3.4.1.6', '5.2.3.1.2'];
    const values = await ask.get(
      [SENSOR.activePower, SENSOR.activeEnergy].flatMap((sensor) => columns.map((column) => of(column, sensor))),
    );
    const sensor = (first: number, unitWanted: number, what: string): number | undefined => {
      const [value, digits, unitTold, available] = values.slice(first, first + 4);
      const known = decimal(value, digits, what);
      if (unitTold !== undefined && unitTold !== unitWanted)
        throw new Fault('garbled', `${what}: in unit ${String(unitTold)} where ${unitWanted} was expected`);
      return available === TRUE ? known : undefined;
    };
    return {
      ...measured(sensor(0, UNIT.watt, 'inlet power')),
      energyImportWh: sensor(4, UNIT.wattHour, 'inlet energy'),
      errors: undefined,
    };
  },
  async outlets(ask, unit, layout) {
    const states = await ask.walk(`${RARITAN}.4.1.2.1.3.${unit}`);
    const values = await ask.walk(`${RARITAN}.5.4.3.1.4.${unit}`);
    const sensor = (row: string, type: number, what: string): number | undefined =>
      decimal(values.get(`${row}.${type}`), layout.digits?.get(`${row}.${type}`), what);
    return listOf(layout, (row) => ({
      on: raritan.isOn(states.get(row)),
      powerW: sensor(row, SENSOR.activePower, 'outlet power'),
      currentA: sensor(row, SENSOR.current, 'outlet current'),
      energyWh: sensor(row, SENSOR.activeEnergy, 'outlet energy'),
    }));
  },
  async identity(ask, unit) {
    const plate = `${RARITAN}.3.2.1.1`;
    const oids = [`${plate}.3.${unit}`, `${plate}.4.${unit}`, `${RARITAN}.3.2.2.1.13.${unit}`];
    const [model, serial, name] = (await ask.get(oids)).map(words);
    return { model, serial, hostname: name };
  },
  state: (unit, row) => `${RARITAN}.4.1.2.1.3.${unit}.${row}`,
  // SensorStateEnumeration: on(7), off(8).
  isOn: (state) => (state === 7 ? true : state === 8 ? false : undefined),
  command: (unit, row, on) => ({ oid: `${RARITAN}.4.1.2.1.2.${unit}.${row}`, value: on ? 1 : 0 }),
  // outletStateOnStartup: off(0), on(1), lastKnownState(2), globalOutletStateOnStartup(3), which says nothing of this outlet.
  restore: enumerated((unit) => `${RARITAN}.3.5.3.1.13.${unit}`, { 'stay-off': 0, start: 1, 'last-state': 2 }),
};

const GEIST = '1.3.6.1.4.1.21239.5.2';

/** Vertiv Geist (VERTIV-V5-MIB): W, Wh and hundredths of A, by the units the MIB names. */
const geist: PduFamily = {
  enterprise: '1.3.6.1.4.1.21239',
  async layout(ask) {
    return plainRows(await ask.walk(`${GEIST}.3.5.1.3`), await ask.walk(`${GEIST}.3.5.1.4`));
  },
  async totals(ask, unit) {
    const [power, energy] = await ask.get([`${GEIST}.3.1.1.9.${unit}`, `${GEIST}.3.1.1.12.${unit}`]);
    return {
      ...measured(count(power, 'total power')),
      energyImportWh: count(energy, 'total energy'),
      errors: undefined,
    };
  },
  async outlets(ask, _unit, layout) {
    const states = await ask.walk(`${GEIST}.3.5.1.4`);
    const watts = await ask.walk(`${GEIST}.3.6.1.12`);
    const hasMeters = watts.size > 0;
    const amps = hasMeters ? await ask.walk(`${GEIST}.3.6.1.8`) : NONE;
    const energies = hasMeters ? await ask.walk(`${GEIST}.3.6.1.15`) : NONE;
    return listOf(layout, (row) => ({
      on: geist.isOn(states.get(row)),
      powerW: count(watts.get(row), 'outlet power'),
      currentA: scaled(count(amps.get(row), 'outlet current'), 0.01),
      energyWh: count(energies.get(row), 'outlet energy'),
    }));
  },
  async identity(ask) {
    const info = `${GEIST}.1`;
    const oids = [`${info}.8.0`, `${info}.2.0`, `${info}.10.0`, SYS_NAME];
    const [model, firmware, serial, name] = (await ask.get(oids)).map(words);
    return { model, firmware, serial, hostname: name };
  },
  state: (_unit, row) => `${GEIST}.3.5.1.4.${row}`,
  // on(1), off(2), on2off(3), off2on(4): one that is on its way is still what it was.
  isOn: (state) => (state === 1 || state === 3 ? true : state === 2 || state === 4 ? false : undefined),
  // pduOutletSwitchControl: on(2), off(4).
  command: (_unit, row, on) => ({ oid: `${GEIST}.3.5.1.6.${row}`, value: on ? 2 : 4 }),
  // pduOutletSwitchPoaAction: on(1), off(2), last(3).
  restore: enumerated(() => `${GEIST}.3.5.1.12`, { start: 1, 'stay-off': 2, 'last-state': 3 }),
};

export const PDU_FAMILIES = { apc, raritan, geist } as const satisfies Record<string, PduFamily>;
export type PduFamilyName = keyof typeof PDU_FAMILIES;
