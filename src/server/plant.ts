import { isDeepStrictEqual } from 'node:util';
import type { Device } from '../drivers/driver.ts';
import type { DriverIo } from '../drivers/driver.ts';
import { asFault, type Fault, type Meter, type Reading, type Site, type WallMs } from '../model/index.ts';
import { DRIVERS } from './registry.ts';

/** A meter and its last answer. */
export interface PlantMeter {
  readonly meter: Meter;
  readonly device: Device;
  reading: Reading | undefined;
  readWall: WallMs | undefined;
  fault: Fault | undefined;
}

export interface Plant {
  readonly meters: readonly PlantMeter[];
  readonly connection: PlantMeter | undefined;
  hall(id: string): PlantMeter | undefined;
  readAll(): Promise<void>;
  /** Follows a changed site file: a meter whose entry is as before keeps its connection and last answer. */
  reload(site: Site): void;
  close(): void;
}

export function openPlant(site: Site, io: DriverIo): Plant {
  let meters: readonly PlantMeter[] = [];
  let halls = new Map<string, PlantMeter>();

  function open(meter: Meter): PlantMeter {
    const driver = DRIVERS.get(meter.driver);
    if (driver === undefined) throw new Error(`${meter.id}: the site was not checked`);
    const device = driver.open({ address: meter.address, modelId: meter.driver, config: meter.settings }, io);
    return { meter, device, reading: undefined, readWall: undefined, fault: undefined };
  }

  function reload(next: Site): void {
    const before = meters;
    meters = next.meters.map((meter) => before.find((m) => isDeepStrictEqual(m.meter, meter)) ?? open(meter));
    for (const gone of before) if (!meters.includes(gone)) gone.device.close();
    halls = new Map(
      meters.flatMap((m) => (typeof m.meter.measures === 'object' ? [[m.meter.measures.hall, m] as const] : [])),
    );
    // In a site of one hall the connection's meter is the hall's too.
    const only = next.halls.length === 1 ? next.halls[0]!.id : undefined;
    const connection = meters.find((m) => m.meter.measures === 'connection');
    if (only !== undefined && connection !== undefined && !halls.has(only)) halls.set(only, connection);
  }

  async function read(meter: PlantMeter): Promise<void> {
    try {
      meter.reading = await meter.device.read();
      meter.readWall = io.wallNow();
      meter.fault = undefined;
    } catch (error) {
      meter.fault = asFault(error);
    }
  }

  reload(site);
  return {
    get meters() {
      return meters;
    },
    get connection() {
      return meters.find((m) => m.meter.measures === 'connection');
    },
    hall: (id) => halls.get(id),
    readAll: async () => {
      await Promise.all(meters.map(read));
    },
    reload,
    close: () => meters.forEach(({ device }) => device.close()),
  };
}

/** A meter's power, or undefined when its last answer is older than `staleMs`. */
export function freshPowerW(meter: PlantMeter | undefined, now: WallMs, staleMs: number): number | undefined {
  if (meter?.readWall === undefined || now - meter.readWall > staleMs) return undefined;
  return meter.reading?.powerW;
}
