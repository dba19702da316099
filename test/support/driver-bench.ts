import type { Device, Driver, DriverIo } from '../../src/drivers/driver.ts';
import { httpPort } from '../../src/drivers/wire/http.ts';
import { tcpPort } from '../../src/drivers/wire/tcp.ts';
import { Fault, siteMs, siteSchema, wallMs, type Site } from '../../src/model/index.ts';
import { testSim, type TestSim } from '../../sim/small-site.ts';

/** For tests only: four machines of one driver on real sockets, and the real driver to speak to them. */

export interface Bench extends TestSim {
  /** Address of machine 1 to 4. */
  address(n: number): string;
  /** The driver on machine `n`, with the emulator's ports. */
  open(n: number, settings?: Readonly<Record<string, unknown>>, secret?: string): Device;
  close(): Promise<void>;
}

const NET = '127.21.40';

function siteOf(driver: string, model: string, settings: Readonly<Record<string, unknown>>): Site {
  return siteSchema.parse({
    name: 'Bench',
    connection: { limitMw: 0.2, lossPct: 1 },
    tariff: { kind: 'block-and-real-time', blockMw: 0, blockUsdPerMwh: 0 },
    mining: {},
    halls: [
      {
        id: 'm',
        name: 'Miners',
        breakerMw: 0.1,
        cooling: { kind: 'air', baseKw: 1, marginal: [{ wetBulbC: 10, marginalW: 0.05 }] },
      },
    ],
    meters: [
      { id: 'feeder', driver: 'modbus-meter', address: `${NET}.201`, measures: 'connection', settings: {} },
      { id: 'meter-m', driver: 'modbus-meter', address: `${NET}.202`, measures: { hall: 'm' }, settings: {} },
    ],
    machines: [{ id: 'one', kind: 'asic', model, driver, hall: 'm', addresses: `${NET}.1-${NET}.4`, settings }],
    clusters: [],
    feeds: [],
  });
}

export async function driverBench(
  driver: Driver,
  model: string,
  portOffset: number,
  ports: (sim: TestSim['sim']) => Readonly<Record<string, unknown>>,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<Bench> {
  const t = await testSim(portOffset, { site: siteOf(driver.name, model, settings) });
  const http = httpPort();
  const none = (): never => {
    throw new Fault('unsupported', 'not on this bench');
  };
  const io = (secret: string): DriverIo => ({
    tcp: tcpPort(),
    http,
    modbus: { readHolding: none },
    snmp: { get: none, walk: none, set: none },
    bacnet: { read: none, write: none },
    program: { run: none },
    secret: () => secret,
    siteNow: () => siteMs(t.unixNow()),
    unixNow: t.unixNow,
    wallNow: () => wallMs(t.unixNow()),
  });
  const address = (n: number): string => `${NET}.${n}`;
  return {
    ...t,
    address,
    open: (n, more = {}, secret = 'secret') =>
      driver.open(
        { address: address(n), modelId: model, config: driver.config.parse({ ...settings, ...ports(t.sim), ...more }) },
        io(secret),
      ),
    async close() {
      await http.close();
      await t.sim.close();
    },
  };
}
