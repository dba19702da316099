import type { Machine } from './machine.ts';
import type { GridSignal } from './grid-signals.ts';
import { secretRef } from './secret.ts';
import { addressesOf, type Site } from './site.ts';

/**
 * A rehearsal runs a site file against the emulated site: every address moves to loopback (10.20.0.1 is played by
 * 127.20.0.1) and to the emulator's ports, the markets are those of a recorded week, and credentials stay at home. Nothing real
 * is spoken to.
 */
export const onLoopback = (address: string): string => address.replace(/^\d+\./, '127.');

/** Where the emulated site listens, all of it above the ports that need root. */
export const EMULATED_PORTS = {
  cgminer: 4028,
  web: 8080,
  webToo: 8081,
  whatsminer: 4433,
  grpc: 5352,
  dcgm: 9400,
  zeusd: 4938,
  modbus: 1502,
  slurm: 6820,
  kubernetes: 6444,
  snmp: 1161,
  redfish: 8443,
  tpu: 2113,
  bacnet: 47808,
  stratum: 3337,
} as const;

/** The same on a real site, for clients that know no other; most need root. */
export const STANDARD_PORTS: Readonly<Record<keyof typeof EMULATED_PORTS, number>> = {
  ...EMULATED_PORTS,
  web: 80,
  kubernetes: 6443,
  webToo: 8080,
  grpc: 50_051,
  modbus: 502,
  snmp: 161,
  redfish: 443,
  tpu: 2112,
  stratum: 3333,
};

/** Settings that say where and as what a real device listens; the emulated one is always so. */
const PORT_SETTINGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'antminer-stock': { port: EMULATED_PORTS.cgminer, webPort: EMULATED_PORTS.web },
  luxos: { port: EMULATED_PORTS.cgminer },
  bitaxe: { port: EMULATED_PORTS.web },
  'whatsminer-v2': { port: EMULATED_PORTS.cgminer },
  'whatsminer-v3': { port: EMULATED_PORTS.whatsminer },
  avalon: { port: EMULATED_PORTS.cgminer },
  braiins: { port: EMULATED_PORTS.web },
  vnish: { port: EMULATED_PORTS.web },
  'proto-rig': { port: EMULATED_PORTS.web },
  sealminer: { port: EMULATED_PORTS.web, rpcPort: EMULATED_PORTS.cgminer },
  auradine: { port: EMULATED_PORTS.webToo, rpcPort: EMULATED_PORTS.cgminer },
  epic: { port: EMULATED_PORTS.cgminer },
  redfish: { port: EMULATED_PORTS.redfish, scheme: 'http' },
  'tpu-exporter': { port: EMULATED_PORTS.tpu },
  'snmp-pdu': { port: EMULATED_PORTS.snmp },
  'bacnet-cooling': { port: EMULATED_PORTS.bacnet },
  'gpu-server': { dcgmPort: EMULATED_PORTS.dcgm, zeusdPort: EMULATED_PORTS.zeusd },
  'modbus-meter': { port: EMULATED_PORTS.modbus, unitId: 1, map: 'schneider-iem3000' },
  'snmp-uplink': { port: EMULATED_PORTS.snmp },
};

/**
 * Drivers that run a program of this host: `nvidia-smi` would reach its real GPUs, and nothing emulated speaks IPMI. Such a server
 * is played by one that is read over the network, with the settings that its driver would have filled in.
 */
const STAND_INS: Readonly<Record<string, Device & { readonly about: string }>> = {
  ipmi: {
    driver: 'redfish',
    settings: {
      port: EMULATED_PORTS.redfish,
      scheme: 'http',
      certificate: 'verify',
      auth: 'basic',
      gracefulSeconds: 120,
      timeoutMs: 5000,
    },
    about: 'servers of the driver ipmi are played by a BMC that speaks Redfish: ipmitool itself is not rehearsed',
  },
  'nvidia-smi': {
    driver: 'gpu-server',
    settings: { dcgmPort: EMULATED_PORTS.dcgm, zeusdPort: EMULATED_PORTS.zeusd, timeoutMs: 3000 },
    about:
      'GPUs of the driver nvidia-smi are played by an emulated DCGM exporter: those of this computer are not touched',
  },
};
const standInOf = (driver: string): Device | undefined =>
  Object.hasOwn(STAND_INS, driver) ? STAND_INS[driver] : undefined;

/** What a rehearsal of this site does not play as it is, in words. */
export const notRehearsed = ({ machines, gridSignals }: Site): string[] => [
  ...[...new Set(machines.map(({ driver }) => driver))].flatMap((driver) =>
    Object.hasOwn(STAND_INS, driver) ? [STAND_INS[driver]!.about] : [],
  ),
  ...gridSignals
    .filter((source) => rehearsedSignal(source).length === 0)
    .map(({ id }) => `the grid signal ${id} is left out: its VTN is real`),
];

interface Device {
  readonly driver: string;
  readonly settings: Record<string, unknown>;
}

/** @param marketsFolder recorded series that stand for live feeds; recordings of the site's own stay */
export function rehearsedSite(site: Site, marketsFolder: string | undefined): Site {
  const moved = <T extends Device & { readonly address: string }>(one: T): T => ({
    ...one,
    address: onLoopback(one.address),
    settings: emulated(one),
  });
  const live = site.feeds.some(({ feed }) => feed !== 'recorded');
  return {
    ...site,
    machines: site.machines.map((group) => ({
      ...group,
      addresses: group.addresses.replaceAll(/\d+(?=\.\d+\.\d+\.\d+)/g, '127'),
      driver: standInOf(group.driver)?.driver ?? group.driver,
      settings: standInOf(group.driver)?.settings ?? emulated(group),
    })),
    meters: site.meters.map(moved),
    uplinks: site.uplinks.map(moved),
    plant: site.plant.map(moved),
    pools: rehearsedPools(site),
    gridSignals: site.gridSignals.flatMap(rehearsedSignal),
    clusters: site.clusters.map((cluster) => ({ ...cluster, settings: emulatedCluster(cluster) })),
    feeds:
      live && marketsFolder !== undefined
        ? [{ id: 'recorded-week', feed: 'recorded', whenSilent: { values: {} }, settings: { folder: marketsFolder } }]
        : site.feeds,
  };
}

/** No VTN of the real grid is spoken to, and no controller listened to; what stands on loopback is emulated already. */
function rehearsedSignal(source: GridSignal): GridSignal[] {
  if (source.kind === 'webhook') return [source];
  if (source.kind === 'base-point') return [{ ...source, host: '127.0.0.1', tls: undefined }];
  return LOOPBACK_URL.test(source.url) && LOOPBACK_URL.test(source.tokenUrl ?? source.url) ? [source] : [];
}

const LOOPBACK_URL = /^https?:\/\/127\.\d+\.\d+\.\d+(:\d+)?(\/|$)/;

/** An address of loopback that is emulated already; 127.0.0.1 is this computer itself. */
const EMULATED_POOL = /^stratum\+tcp:\/\/127\.(?!0\.0\.1:)\d+\.\d+\.\d+:/;

/**
 * A pool has a name, and none of the site's addresses: it is played at one that nothing else of the site is played at. Two at one
 * address would hide each other.
 */
function rehearsedPools({ pools, machines, meters, uplinks, plant }: Site): Site['pools'] {
  if (pools.length === 0) return pools;
  const devices = [...meters, ...uplinks, ...plant].map(({ address }) => address);
  const taken = new Set([...machines.flatMap(({ addresses }) => addressesOf(addresses)), ...devices].map(onLoopback));
  const free = Array.from({ length: 254 }, (_, i) => `127.255.255.${i + 1}`).filter((address) => !taken.has(address));
  return pools.map((pool, i) => ({
    ...pool,
    url: EMULATED_POOL.test(pool.url) ? pool.url : `stratum+tcp://${free[i]}:${EMULATED_PORTS.stratum}`,
    password: undefined,
  }));
}

export const rehearsedMachines = (machines: readonly Machine[]): Machine[] =>
  machines.map((machine) => ({
    ...machine,
    address: onLoopback(machine.address),
    driver: standInOf(machine.driver)?.driver ?? machine.driver,
  }));

/** References to credentials are left out, with what they stand in: the emulated devices have the factory's. */
const holdsReference = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (secretRef.safeParse(value).success || Object.values(value).some(holdsReference));

function withoutCredentials(settings: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => !holdsReference(value)));
}

const emulated = ({ driver, settings }: Device): Record<string, unknown> => ({
  ...withoutCredentials(settings),
  ...PORT_SETTINGS[driver],
});

/** Where an API server has no address of its own in the site file: no other cluster is played there. */
const KUBERNETES_HOST = '127.255.254.1';

function emulatedCluster({ driver, settings }: Device): Record<string, unknown> {
  const { url, ...rest } = withoutCredentials(settings);
  if (driver === 'kubernetes') {
    const { kubeconfig: _, context: __, ca: ___, ...kept } = rest;
    const hostname = typeof url === 'string' ? new URL(url).hostname : '';
    const host = /^\d+\.\d+\.\d+\.\d+$/.test(hostname) ? onLoopback(hostname) : KUBERNETES_HOST;
    // Site time runs fast: what is known ages fast, too.
    return { ...kept, inCluster: false, watchS: 1, url: `http://${host}:${EMULATED_PORTS.kubernetes}` };
  }
  if (typeof url !== 'string') return rest;
  const { hostname } = new URL(url);
  const host = /^\d+\.\d+\.\d+\.\d+$/.test(hostname) ? onLoopback(hostname) : '127.0.0.1';
  return { ...rest, url: `http://${host}:${EMULATED_PORTS.slurm}` };
}
