import type { DriverIo } from '../../drivers/driver.ts';
import { EMULATED_PORTS, Fault, REAL_TIME, siteClock, STANDARD_PORTS, type HttpPort } from '../../model/index.ts';
import { openWorld } from '../io.ts';

/** The real world for verbs that need no server: no site file, so no secrets. */
export interface OfflineWorld {
  readonly io: DriverIo;
  /** Where a standard port really is. */
  portOf(port: number): number;
  close(): Promise<void>;
}

const EMULATED: ReadonlyMap<number, number> = new Map(
  Object.entries(STANDARD_PORTS).map(([name, port]) => [port, EMULATED_PORTS[name as keyof typeof EMULATED_PORTS]]),
);

/** @param emulatedOffset speaks to the emulated site, whose ports are others; undefined: to real machines */
export function openOfflineIo(emulatedOffset: number | undefined): OfflineWorld {
  const none = {
    resolve: () => {
      throw new Fault('unauthorised', 'no secret is known without a site file');
    },
    problem: () => 'no secret is known without a site file',
  };
  const world = openWorld(
    siteClock(REAL_TIME, () => Date.now()),
    '.',
    none,
  );
  const portOf = (port: number): number =>
    emulatedOffset === undefined ? port : (EMULATED.get(port) ?? port) + emulatedOffset;
  const { drivers } = world;
  const http: HttpPort = {
    ask(request) {
      const url = new URL(request.url);
      url.port = String(portOf(Number(url.port || (url.protocol === 'https:' ? 443 : 80))));
      return drivers.http.ask({ ...request, url: url.href });
    },
  };
  const moved = <T extends { readonly port: number }>(request: T): T => ({ ...request, port: portOf(request.port) });
  const io: DriverIo =
    emulatedOffset === undefined
      ? drivers
      : {
          ...drivers,
          http,
          tcp: { ask: (request) => drivers.tcp.ask(moved(request)) },
          modbus: { readHolding: (request) => drivers.modbus.readHolding(moved(request)) },
          snmp: {
            get: (request) => drivers.snmp.get(moved(request)),
            walk: (request) => drivers.snmp.walk(moved(request)),
            set: (request) => drivers.snmp.set(moved(request)),
          },
        };
  return { io, portOf, close: () => world.close() };
}
