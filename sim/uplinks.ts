import snmp from 'net-snmp';
import type { Host } from './net.ts';
import type { Endpoint, World } from './world.ts';

/**
 * Uplinks as their switch tells them over SNMP v2c: IF-MIB (RFC 2863) with one interface, the one the site file names.
 * Load is what running work moves, and a little for every miner's pool connection.
 */
const IF_ENTRY = '1.3.6.1.2.1.2.2.1';
const IF_X_ENTRY = '1.3.6.1.2.1.31.1.1.1';
const UP = 1;
/** Stratum is a trickle: jobs and shares of one miner come to about a kilobit a second. */
const MBPS_PER_MINER = 0.001;
/** Answers leave, questions come: inference sends several times what it is sent. */
const IN_SHARE = 0.3;

interface Counters {
  at: number;
  inOctets: number;
  outOctets: number;
}

export interface UplinkAgents {
  close(): void;
}

export function openUplinkAgents(host: Host, port: number): UplinkAgents {
  const agents = host.world.endpoints
    .filter(({ kind }) => kind === 'uplink')
    .map((endpoint) => openAgent(host, endpoint, port));
  return { close: () => agents.forEach((agent) => agent.close()) };
}

function openAgent(host: Host, endpoint: Endpoint, port: number) {
  const uplink = host.world.site.uplinks[endpoint.index]!;
  const index = Number(uplink.settings['interface'] ?? 1);
  const agent = snmp.createAgent({ port, address: endpoint.address, disableAuthorization: true }, () => {});
  const counters: Counters = { at: host.siteNow(), inOctets: 1e12, outOctets: 4e12 };
  const mib = agent.getMib();
  const refresh = (request: { done(): void }): void => {
    count(host, endpoint, counters);
    mib.setTableSingleCell('ifXEntry', 6, [index], counter64(counters.inOctets));
    mib.setTableSingleCell('ifXEntry', 10, [index], counter64(counters.outOctets));
    request.done();
  };
  agent.registerProvider(
    provider(
      'ifEntry',
      IF_ENTRY,
      { 8: snmp.ObjectType.Integer, 14: snmp.ObjectType.Counter, 20: snmp.ObjectType.Counter },
      refresh,
    ),
  );
  agent.registerProvider(
    provider(
      'ifXEntry',
      IF_X_ENTRY,
      { 6: snmp.ObjectType.Counter64, 10: snmp.ObjectType.Counter64, 15: snmp.ObjectType.Gauge },
      refresh,
    ),
  );
  mib.addTableRow('ifEntry', [index, UP, 0, 0]);
  mib.addTableRow('ifXEntry', [
    index,
    counter64(counters.inOctets),
    counter64(counters.outOctets),
    uplink.capacityMbps,
  ]);
  return agent;
}

function provider(
  name: string,
  oid: string,
  columns: Readonly<Record<number, number>>,
  handler: (request: { done(): void }) => void,
) {
  return {
    name,
    type: snmp.MibProviderType.Table,
    oid,
    maxAccess: snmp.MaxAccess['read-only'],
    tableColumns: [
      { number: 1, name: `${name}Index`, type: snmp.ObjectType.Integer, maxAccess: snmp.MaxAccess['not-accessible'] },
      ...Object.entries(columns).map(([number, type]) => ({
        number: Number(number),
        name: `${name}${number}`,
        type,
        maxAccess: snmp.MaxAccess['read-only'],
      })),
    ],
    tableIndex: [{ columnName: `${name}Index` }],
    handler,
  } as never;
}

function counter64(octets: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.floor(octets)));
  return bytes;
}

function count(host: Host, endpoint: Endpoint, counters: Counters): void {
  const now = host.siteNow();
  const octets = (loadMbps(host.world, endpoint) * 1e6 * Math.max(0, now - counters.at)) / 1000 / 8;
  counters.at = now;
  counters.inOctets += octets * IN_SHARE;
  counters.outOctets += octets * (1 - IN_SHARE);
}

/** Both ways together, in Mbit/s. */
function loadMbps({ site, jobs, miners }: World, endpoint: Endpoint): number {
  const hallId = site.halls[endpoint.hall]?.id;
  let mbps = 0;
  for (let i = 0; i < miners.count; i += 1) if (miners.hall[i] === endpoint.hall) mbps += MBPS_PER_MINER;
  for (const cluster of site.clusters) {
    if (cluster.hall !== hallId) continue;
    for (const job of jobs.state.list.values()) {
      if (job.state !== 'RUNNING') continue;
      const work = cluster.classes.find(({ match }) => match.partition === job.partition && match.qos === job.qos);
      mbps += job.gpus * (work?.uplinkMbpsPerGpu ?? 0);
    }
  }
  return mbps;
}
