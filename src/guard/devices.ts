import type { Device, DriverIo } from '../drivers/driver.ts';
import { drivers } from '../drivers/index.ts';
import type { GuardBrief, Sheddable } from '../model/index.ts';

type MeterEntry = GuardBrief['meters'][number];

export interface GuardMeter {
  readonly entry: MeterEntry;
  readonly device: Device;
}

/** What the guard speaks to. A machine is opened when it is first spoken to, and keeps its socket and token from then on. */
export interface GuardDevices {
  follow(brief: GuardBrief): void;
  meters(): readonly GuardMeter[];
  machine(id: string): Device | undefined;
  known(id: string): Sheddable | undefined;
  close(): void;
}

const DRIVERS = new Map(drivers.map((driver) => [driver.name, driver]));

export function createDevices(io: DriverIo): GuardDevices {
  let brief: GuardBrief | undefined;
  let byId = new Map<string, Sheddable>();
  let meters: readonly GuardMeter[] = [];
  const open = new Map<string, { readonly spokenTo: string; readonly device: Device }>();

  const spokenTo = ({ driver, modelId, config }: GuardBrief['groups'][number] | MeterEntry, address: string): string =>
    JSON.stringify([driver, modelId, address, config]);

  /** Undefined for a driver that this version does not have: what it speaks to is then as silent. */
  const opened = (driver: string, modelId: string, address: string, config: unknown): Device | undefined =>
    // As the server checked it.
    DRIVERS.get(driver)?.open({ address, modelId, config }, io);

  return {
    follow(next) {
      brief = next;
      byId = new Map(next.path.map((machine) => [machine.id, machine]));
      const before = meters;
      meters = next.meters.flatMap((entry) => {
        const same = before.find((one) => sameMeter(one.entry, entry));
        const device = same?.device ?? opened(entry.driver, entry.modelId, entry.address, entry.config);
        return device === undefined ? [] : [{ entry, device }];
      });
      for (const { device } of before) if (!meters.some((one) => one.device === device)) device.close();
      for (const [id, one] of open) {
        const machine = byId.get(id);
        const group = machine === undefined ? undefined : next.groups[machine.group];
        if (group !== undefined && spokenTo(group, machine!.address) === one.spokenTo) continue;
        one.device.close();
        open.delete(id);
      }
    },
    meters: () => meters,
    machine(id) {
      const machine = byId.get(id);
      const group = machine === undefined ? undefined : brief?.groups[machine.group];
      if (machine === undefined || group === undefined) return undefined;
      const known = open.get(id);
      if (known !== undefined) return known.device;
      const device = opened(group.driver, group.modelId, machine.address, group.config);
      if (device !== undefined) open.set(id, { spokenTo: spokenTo(group, machine.address), device });
      return device;
    },
    known: (id) => byId.get(id),
    close() {
      for (const { device } of [...meters, ...open.values()]) device.close();
    },
  };
}

const sameMeter = (a: MeterEntry, b: MeterEntry): boolean => JSON.stringify(a) === JSON.stringify(b);
