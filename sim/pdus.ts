import snmp from 'net-snmp';
import type { Host } from './net.ts';
import { serialAt } from './random.ts';
import { loadsOf, outletKey } from './restore.ts';
import type { Endpoint, World } from './world.ts';

/**
 * Rack PDUs as an APC AP8641 tells them over SNMP v2c (PowerNet-MIB, rPDU2; columns and types as in walks of one):
 * power in hundredths of kW, energy in tenths of kWh, amperes in tenths, watts of an outlet as they are. An outlet
 * draws what the machine that hangs on it draws.
 */
const APC = '1.3.6.1.4.1.318.1.1.26';
const CONFIG = `${APC}.9.2.1.1`;
const VOLTS = 230;
/** Seconds until an outlet is turned on, at the most (PowerNet-MIB). */
const MOST_DELAY_S = 7200;
const ON = { state: 2, command: 1 } as const;
const OFF = { state: 1, command: 2 } as const;
const { Integer, OctetString } = snmp.ObjectType;

interface Pdu {
  readonly endpoint: Endpoint;
  /** What hangs on each outlet, from outlet 1; undefined where nothing does. */
  readonly loads: readonly (Endpoint | undefined)[];
  readonly energyWh: Float64Array;
  at: number;
}

export interface PduAgents {
  close(): void;
}

export function openPduAgents(host: Host, port: number): PduAgents {
  const agents = host.world.endpoints
    .filter(({ kind }) => kind === 'pdu')
    .map((endpoint) => openAgent(host, endpoint, port));
  return { close: () => agents.forEach((agent) => agent.close()) };
}

function wattsOf(world: World, load: Endpoint | undefined): number {
  if (load?.kind === 'miner') return world.miners.state.powerW[load.index]!;
  return load?.kind === 'server' ? world.servers.state.serverW[load.index]! : 0;
}

interface MibRequest {
  readonly operation: number;
  readonly oid: string;
  readonly setValue?: unknown;
  done(error?: { readonly errorStatus: number }): void;
}

function openAgent(host: Host, endpoint: Endpoint, port: number) {
  const loads = loadsOf(host.world, endpoint);
  const energyWh = Float64Array.from(loads, (load) => (load === undefined ? 0 : 1e6));
  const pdu: Pdu = { endpoint, loads, energyWh, at: host.siteNow() };
  const agent = snmp.createAgent({ port, address: endpoint.address, disableAuthorization: true }, () => {});
  const mib = agent.getMib();
  const isOff = (outlet: number): boolean => {
    const load = loads[outlet];
    return load !== undefined && host.world.state.off.has(load.number);
  };
  const cell = (table: string, column: number, row: number, value: number): void =>
    mib.setTableSingleCell(table, column, [row], value);

  function refresh(): void {
    const hours = Math.max(0, host.siteNow() - pdu.at) / 3_600_000;
    pdu.at = host.siteNow();
    let total = 0;
    loads.forEach((load, i) => {
      const watts = wattsOf(host.world, load);
      total += watts;
      pdu.energyWh[i]! += watts * hours;
      cell('switchedStatus', 5, i + 1, isOff(i) ? OFF.state : ON.state);
      cell('switchedConfig', 5, i + 1, host.world.state.outletSeconds.get(outletKey(endpoint.number, i + 1)) ?? 0);
      cell('switchedControl', 5, i + 1, isOff(i) ? OFF.command : ON.command);
      cell('meteredStatus', 6, i + 1, Math.round((watts / VOLTS) * 10));
      cell('meteredStatus', 7, i + 1, Math.round(watts));
      cell('meteredStatus', 11, i + 1, Math.floor(pdu.energyWh[i]! / 100));
    });
    cell('deviceStatus', 5, 1, Math.round(total / 10));
    cell('deviceStatus', 9, 1, Math.floor(pdu.energyWh.reduce((sum, wh) => sum + wh, 0) / 100));
  }

  function onRequest(request: MibRequest): void {
    if (request.operation === snmp.PduType.SetRequest) {
      const status = request.oid.startsWith(`${CONFIG}.`)
        ? setDelay(host, pdu, request)
        : switchOutlet(host, pdu, request);
      if (status !== 0) return request.done({ errorStatus: status });
    } else refresh();
    request.done();
  }

  const scalar = (name: string, oid: string, type: number, value: string): void => {
    agent.registerProvider({
      name,
      type: snmp.MibProviderType.Scalar,
      oid,
      scalarType: type,
      maxAccess: snmp.MaxAccess['read-only'],
    });
    mib.setScalarValue(name, value);
  };
  const serial = `ZA${serialAt(10, endpoint.number, 3)}`;
  scalar('sysDescr', '1.3.6.1.2.1.1.1', OctetString, 'APC Web/SNMP Management Card (MB:v4.1.0 PF:v6.7.2 MN:AP8641)');
  scalar('sysObjectID', '1.3.6.1.2.1.1.2', snmp.ObjectType.OID, '1.3.6.1.4.1.318.1.3.4.6');
  scalar('sysName', '1.3.6.1.2.1.1.5', OctetString, endpoint.id);
  const table = (name: string, oid: string, columns: Readonly<Record<number, number>>, writable?: number): void =>
    agent.registerProvider(tableOf(name, oid, columns, onRequest, writable));
  table('ident', `${APC}.2.1`, { 3: OctetString, 6: OctetString, 8: OctetString, 9: OctetString });
  mib.addTableRow('ident', [1, endpoint.id, '6.7.2', 'AP8641', serial]);
  table('deviceStatus', `${APC}.4.3.1`, { 2: Integer, 4: Integer, 5: Integer, 9: Integer });
  mib.addTableRow('deviceStatus', [1, 1, 2, 0, 0]);
  const named = { 2: Integer, 3: OctetString, 4: Integer };
  table('switchedConfig', CONFIG, { ...named, 5: Integer }, 5);
  table('switchedStatus', `${APC}.9.2.3.1`, { ...named, 5: Integer });
  table('switchedControl', `${APC}.9.2.4.1`, { ...named, 5: Integer }, 5);
  table('meteredStatus', `${APC}.9.4.3.1`, { ...named, 6: Integer, 7: Integer, 11: Integer });
  loads.forEach((load, i) => {
    const row = [i + 1, 1, load?.id ?? `Outlet ${i + 1}`, i + 1];
    mib.addTableRow('switchedConfig', [...row, 0]);
    mib.addTableRow('switchedStatus', [...row, ON.state]);
    mib.addTableRow('switchedControl', [...row, ON.command]);
    mib.addTableRow('meteredStatus', [...row, 0, 0, 0]);
  });
  refresh();
  return agent;
}

/** @returns the SNMP error of a write that is not carried out, 0 for one that is */
function switchOutlet(host: Host, { endpoint, loads }: Pdu, request: MibRequest): number {
  const wanted = Number(request.setValue);
  if (wanted !== ON.command && wanted !== OFF.command) return snmp.ErrorStatus.WrongValue;
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return snmp.ErrorStatus.GeneralError;
  const load = loads[Number(request.oid.split('.').at(-1)) - 1];
  if (load !== undefined && fault === undefined)
    host.send({ op: 'supply', number: load.number, on: wanted === ON.command });
  return 0;
}

/** @returns as above; seconds until the outlet is turned on when the PDU has supply again, -1 for never */
function setDelay(host: Host, { endpoint }: Pdu, request: MibRequest): number {
  const seconds = Number(request.setValue);
  if (!Number.isInteger(seconds) || seconds < -1 || seconds > MOST_DELAY_S) return snmp.ErrorStatus.WrongValue;
  const fault = host.faults.onWrite(endpoint);
  if (fault === 'refused') return snmp.ErrorStatus.GeneralError;
  const outlet = Number(request.oid.split('.').at(-1));
  if (fault === undefined) host.send({ op: 'outlet-restore', pdu: endpoint.number, outlet, seconds });
  return 0;
}

function tableOf(
  name: string,
  oid: string,
  columns: Readonly<Record<number, number>>,
  handler: (request: MibRequest) => void,
  writable: number | undefined,
) {
  return {
    name,
    type: snmp.MibProviderType.Table,
    oid,
    maxAccess: snmp.MaxAccess['read-write'],
    tableColumns: [
      { number: 1, name: `${name}Index`, type: Integer, maxAccess: snmp.MaxAccess['not-accessible'] },
      ...Object.entries(columns).map(([number, type]) => ({
        number: Number(number),
        name: `${name}${number}`,
        type,
        maxAccess: snmp.MaxAccess[Number(number) === writable ? 'read-write' : 'read-only'],
      })),
    ],
    tableIndex: [{ columnName: `${name}Index` }],
    handler,
  } as never;
}
