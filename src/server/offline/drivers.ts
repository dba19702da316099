import { drivers } from '../../drivers/index.ts';
import type { DeviceKind } from '../../model/index.ts';

export interface DriverEntry {
  readonly name: string;
  readonly about: string;
  readonly serves: readonly DeviceKind[];
  /** Where it is looked for by discovery, beside 80 and 4028. */
  readonly ports: readonly number[];
  /** What a machine put to sleep does after a loss of supply; null where nobody knows. */
  readonly afterOutage: 'sleeps-on' | 'runs' | null;
}

export const listDrivers = (): DriverEntry[] =>
  drivers.map(({ name, about, serves, ports = [], afterOutage = null }) => ({
    name,
    about,
    serves,
    ports,
    afterOutage,
  }));
