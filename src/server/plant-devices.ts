import { isDeepStrictEqual } from 'node:util';
import type { RaisedAlarm } from '../alarms/catalogue.ts';
import type { Device, DriverIo } from '../drivers/driver.ts';
import {
  asFault,
  machineId,
  overSlow,
  type Fault,
  type PlantDevice,
  type Reading,
  type Site,
  type WallMs,
} from '../model/index.ts';
import { DRIVERS } from './registry.ts';

/** A PDU or cooling plant and its last answer. */
export interface SiteDevice {
  readonly entry: PlantDevice;
  readonly device: Device;
  reading: Reading | undefined;
  readWall: WallMs | undefined;
  fault: Fault | undefined;
}

export interface PlantDevices {
  readonly list: readonly SiteDevice[];
  byId(id: string): SiteDevice | undefined;
  readAll(): Promise<void>;
  /** The id of the PDU that a machine hangs on. */
  pduIdOf(machine: string): string | undefined;
  /** The PDU that a machine hangs on, and how many there are in its hall with machines on them. */
  pduOf(machine: string): { readonly id: string; readonly hallId: string; readonly inHall: number } | undefined;
  /** Watts at the outlet that a machine hangs on; undefined where none is metered, or its PDU is silent. */
  outletW(machine: string): number | undefined;
  /** Reads one now, to see what a command became. */
  readOne(id: string): Promise<void>;
  alarms(): RaisedAlarm[];
  reload(site: Site): void;
  close(): void;
}

interface Outlet {
  readonly on: SiteDevice;
  readonly outlet: number;
}

export const DEVICES_EVERY_MS = 10_000;
const STALE_MS = 45_000;

export function openPlantDevices(
  site: Site,
  io: DriverIo,
  onRead: (id: string, reading: Reading) => void,
): PlantDevices {
  let list: readonly SiteDevice[] = [];
  let outlets: ReadonlyMap<string, Outlet> = new Map();

  function open(entry: PlantDevice): SiteDevice {
    const driver = DRIVERS.get(entry.driver);
    if (driver === undefined) throw new Error(`${entry.id}: the site was not checked`);
    const device = driver.open({ address: entry.address, modelId: entry.driver, config: entry.settings }, io);
    return { entry, device, reading: undefined, readWall: undefined, fault: undefined };
  }

  async function read(one: SiteDevice): Promise<void> {
    try {
      const slow = await one.device.inspect?.();
      one.reading = overSlow(await one.device.read(), slow);
      one.readWall = io.wallNow();
      one.fault = undefined;
      onRead(one.entry.id, one.reading);
    } catch (error) {
      one.fault = asFault(error);
    }
  }

  function reload(next: Site): void {
    const before = list;
    list = next.plant.map((entry) => before.find((one) => isDeepStrictEqual(one.entry, entry)) ?? open(entry));
    for (const gone of before) if (!list.includes(gone)) gone.device.close();
    outlets = new Map(
      list.flatMap((one) => {
        const { feeds } = one.entry;
        if (feeds === undefined) return [];
        return Array.from({ length: feeds.count }, (_, n): [string, Outlet] => [
          machineId(feeds.group, feeds.first - 1 + n),
          { on: one, outlet: n + 1 },
        ]);
      }),
    );
  }

  reload(site);
  return {
    get list() {
      return list;
    },
    byId: (id) => list.find(({ entry }) => entry.id === id),
    readAll: async () => void (await Promise.all(list.map(read))),
    pduIdOf: (machine) => outlets.get(machine)?.on.entry.id,
    pduOf(machine) {
      const entry = outlets.get(machine)?.on.entry;
      if (entry === undefined) return undefined;
      const inHall = list.filter((one) => one.entry.hall === entry.hall && one.entry.feeds !== undefined).length;
      return { id: entry.id, hallId: entry.hall, inHall };
    },
    outletW(machine) {
      const at = outlets.get(machine);
      if (at?.on.readWall === undefined || io.wallNow() - at.on.readWall > STALE_MS) return undefined;
      return at.on.reading?.outlets?.find(({ index }) => index === at.outlet)?.powerW;
    },
    async readOne(id) {
      const one = list.find(({ entry }) => entry.id === id);
      if (one !== undefined) await read(one);
    },
    alarms() {
      const now = io.wallNow();
      return list.flatMap(({ entry, readWall, fault }): RaisedAlarm[] => {
        const stale = readWall === undefined ? fault !== undefined : now - readWall > STALE_MS;
        return stale ? [{ code: 'plant-silent', subject: entry.id, message: fault?.message ?? 'no answer' }] : [];
      });
    },
    reload,
    close: () => list.forEach(({ device }) => device.close()),
  };
}
