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
  close(): void;
}

export function openPlant(site: Site, io: DriverIo): Plant {
  const meters = site.meters.map((meter): PlantMeter => {
    const driver = DRIVERS.get(meter.driver);
    if (driver === undefined) throw new Error(`${meter.id}: the site was not checked`);
    const device = driver.open({ address: meter.address, modelId: meter.driver, config: meter.settings }, io);
    return { meter, device, reading: undefined, readWall: undefined, fault: undefined };
  });
  const halls = new Map(
    meters.flatMap((m) => (typeof m.meter.measures === 'object' ? [[m.meter.measures.hall, m] as const] : [])),
  );

  async function read(meter: PlantMeter): Promise<void> {
    try {
      meter.reading = await meter.device.read();
      meter.readWall = io.wallNow();
      meter.fault = undefined;
    } catch (error) {
      meter.fault = asFault(error);
    }
  }

  return {
    meters,
    connection: meters.find((m) => m.meter.measures === 'connection'),
    hall: (id) => halls.get(id),
    readAll: async () => {
      await Promise.all(meters.map(read));
    },
    close: () => meters.forEach(({ device }) => device.close()),
  };
}

/** A meter's power, or undefined when its last answer is older than `staleMs`. */
export function freshPowerW(meter: PlantMeter | undefined, now: WallMs, staleMs: number): number | undefined {
  if (meter?.readWall === undefined || now - meter.readWall > staleMs) return undefined;
  return meter.reading?.powerW;
}
