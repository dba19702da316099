import { drivers } from '../../drivers/index.ts';
import type { OutageBehaviour } from '../../drivers/driver.ts';
import type { AfterOutage, DeviceKind } from '../../model/index.ts';

export interface DriverEntry {
  readonly name: string;
  readonly about: string;
  readonly serves: readonly DeviceKind[];
  /** Where it is looked for by discovery, beside 80 and 4028. */
  readonly ports: readonly number[];
  /** What a machine does when its supply comes back: the same always, or what it can be armed to do; null where nobody knows. */
  readonly afterOutage: { readonly always: AfterOutage } | { readonly arms: readonly AfterOutage[] } | null;
}

export const listDrivers = (): DriverEntry[] =>
  drivers.map(({ name, about, serves, ports = [], afterOutage }) => ({
    name,
    about,
    serves,
    ports,
    afterOutage: afterOutage === undefined ? null : behaviour(afterOutage),
  }));

const behaviour = (one: OutageBehaviour): NonNullable<DriverEntry['afterOutage']> =>
  'always' in one ? { always: one.always } : { arms: one.arms({}) };
