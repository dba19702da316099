import { expect, test } from 'vitest';
import { EMULATED_PORTS, notRehearsed, rehearsedMachines, rehearsedSite } from './rehearsal.ts';
import { addressesOf, siteSchema } from './site.ts';

const pool = (id: string, url: string) => ({ id, url, worker: 'site.{machine}', password: { env: 'POOL_PASSWORD' } });
const cooling = { kind: 'air', baseKw: 1, marginal: [{ wetBulbC: 10, marginalW: 0.05 }] };
const site = siteSchema.parse({
  name: 'A site',
  connection: { limitMw: 1 },
  tariff: { kind: 'fixed', usdPerMwh: 40 },
  halls: [{ id: 'a', name: 'A', breakerMw: 1, cooling }],
  meters: [{ id: 'feeder', driver: 'modbus-meter', address: '10.255.255.3', measures: 'connection', settings: {} }],
  machines: [
    { id: 'low', kind: 'asic', model: 'antminer-s21', driver: 'luxos', hall: 'a', addresses: '10.1.0.1-10.1.0.9' },
    { id: 'high', kind: 'asic', model: 'antminer-s21', driver: 'luxos', hall: 'a', addresses: '10.255.255.1' },
  ],
  pools: [
    pool('main', 'stratum+tcp://stratum.pool.example:3333'),
    pool('spare', 'stratum+ssl://stratum.pool.example:443'),
    pool('third', 'stratum2+tcp://10.1.0.9:3336/key'),
    pool('home', 'stratum+tcp://127.0.0.1:3333'),
    pool('played', 'stratum+tcp://127.9.2.1:4444'),
  ],
  feeds: [],
});

test('a pool is played at an address of its own: it hides no machine, meter or other pool', () => {
  const { pools, machines, meters } = rehearsedSite(site, undefined);
  const places = [
    ...machines.flatMap(({ addresses }) => addressesOf(addresses)),
    ...meters.map(({ address }) => address),
    ...pools.map(({ url }) => new URL(url.replace('stratum+tcp', 'http')).hostname),
  ];
  expect(new Set(places).size).toBe(places.length);
});

test('no real pool is spoken to, nor one on this computer; one that is emulated already stays as it is', () => {
  const { pools } = rehearsedSite(site, undefined);
  const emulated = /^stratum\+tcp:\/\/127\.255\.255\.\d+:(\d+)$/;
  for (const { id, url } of pools)
    if (id !== 'played') expect(emulated.exec(url)?.[1], id).toBe(String(EMULATED_PORTS.stratum));
  expect(pools.find(({ id }) => id === 'played')!.url).toBe('stratum+tcp://127.9.2.1:4444');
  expect(pools.every(({ password }) => password === undefined)).toBe(true);
});

test('credentials stay at home, wherever they stand; every other setting comes along', () => {
  const chiller = {
    id: 'chiller',
    kind: 'cooling',
    hall: 'a',
    driver: 'bacnet-cooling',
    address: '10.1.1.1',
    settings: { points: { supply: 'analog-input,1' }, password: { env: 'X' }, v3: { user: 'u', key: { file: 'k' } } },
  };
  const [played] = rehearsedSite(siteSchema.parse({ ...site, plant: [chiller] }), undefined).plant;
  expect(played).toMatchObject({ address: '127.1.1.1' });
  expect(played!.settings).toEqual({ points: { supply: 'analog-input,1' }, port: EMULATED_PORTS.bacnet });
});

test('no real Kubernetes is spoken to, however the site file says where it is', () => {
  const work = { class: 'batch', line: 'hpc', gpu: 'h100', match: { partition: 'a', qos: '*' }, usdPerGpuHour: 1 };
  const cluster = (id: string, settings: object) => ({
    id,
    driver: 'kubernetes',
    hall: 'a',
    settings: { namespace: 'jobs', ...settings },
    classes: [{ id: `${id}-batch`, ...work }],
  });
  const clusters = [
    cluster('file', { kubeconfig: 'kube.yaml', context: 'prod' }),
    cluster('pod', { inCluster: true }),
    cluster('url', { url: 'https://10.3.0.1:6443', token: { file: 't' }, ca: 'ca.crt' }),
  ];
  const played = rehearsedSite(siteSchema.parse({ ...site, clusters }), undefined).clusters;
  const emulated = { namespace: 'jobs', inCluster: false, watchS: 1 };
  expect(played.map(({ settings }) => settings)).toEqual([
    { ...emulated, url: `http://127.255.254.1:${EMULATED_PORTS.kubernetes}` },
    { ...emulated, url: `http://127.255.254.1:${EMULATED_PORTS.kubernetes}` },
    { ...emulated, url: `http://127.3.0.1:${EMULATED_PORTS.kubernetes}` },
  ]);
});

test('a server that a program of this host would reach is played over the network, and that is said', () => {
  const server = { kind: 'gpu-server', model: 'gpu-8x-h100', hall: 'a' };
  const bmc = { ...server, id: 'bmc', driver: 'ipmi', addresses: '10.2.0.1-10.2.0.4', settings: { cipherSuite: 17 } };
  const own = { ...server, id: 'own', driver: 'nvidia-smi', addresses: '127.0.0.1', settings: {} };
  const real = siteSchema.parse({ ...site, machines: [...site.machines, bmc, own] });
  const { machines } = rehearsedSite(real, undefined);
  expect(machines.map(({ driver }) => driver)).toEqual(['luxos', 'luxos', 'redfish', 'gpu-server']);
  expect(machines[2]!.settings).toMatchObject({ port: EMULATED_PORTS.redfish, scheme: 'http' });
  expect(machines[2]!.settings).not.toHaveProperty('cipherSuite');
  const [one] = rehearsedMachines([
    {
      id: 'bmc-0001',
      kind: 'gpu-server',
      modelId: 'gpu-8x-h100',
      driver: 'ipmi',
      hallId: 'a',
      groupId: 'bmc',
      address: '10.2.0.1',
    },
  ] as never);
  expect(one).toMatchObject({ driver: 'redfish', address: '127.2.0.1' });
  expect(notRehearsed(real)).toEqual([expect.stringContaining('ipmitool'), expect.stringContaining('nvidia-smi')]);
  expect(notRehearsed(site)).toEqual([]);
});
