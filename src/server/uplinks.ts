import { isDeepStrictEqual } from 'node:util';
import type { Device, DriverIo } from '../drivers/driver.ts';
import {
  asFault,
  type Fault,
  type LinkReading,
  type Site,
  type SiteMs,
  type Uplink,
  type WallMs,
} from '../model/index.ts';
import { DRIVERS } from './registry.ts';

/** An uplink and what its port said last; rates are over the last two answers. */
export interface SiteUplink {
  readonly uplink: Uplink;
  readonly device: Device;
  link: LinkReading | undefined;
  readWall: WallMs | undefined;
  /** The same moment on the site clock. */
  readAt: SiteMs | undefined;
  fault: Fault | undefined;
  inMbps: number | undefined;
  outMbps: number | undefined;
  /** Errors counted between the last two answers. */
  newErrors: number | undefined;
}

export interface Uplinks {
  readonly list: readonly SiteUplink[];
  /** Mbit/s each way of the lines of a hall that are not known to be down; undefined where it names none. */
  capacityMbps(hallId: string): number | undefined;
  readAll(): Promise<void>;
  reload(site: Site): void;
  close(): void;
}

/** Wall age past which an uplink is silent. It is asked every five seconds. */
export const UPLINK_EVERY_MS = 5_000;
export const UPLINK_STALE_MS = 20_000;

export function openUplinks(site: Site, io: DriverIo): Uplinks {
  let list: readonly SiteUplink[] = [];

  function open(uplink: Uplink): SiteUplink {
    const driver = DRIVERS.get(uplink.driver);
    if (driver === undefined) throw new Error(`${uplink.id}: the site was not checked`);
    const device = driver.open({ address: uplink.address, modelId: uplink.driver, config: uplink.settings }, io);
    const unknown = { link: undefined, readWall: undefined, readAt: undefined, fault: undefined };
    return { uplink, device, ...unknown, inMbps: undefined, outMbps: undefined, newErrors: undefined };
  }

  async function read(one: SiteUplink): Promise<void> {
    try {
      const { link, at } = await one.device.read();
      const now = io.wallNow();
      if (link !== undefined && one.link !== undefined && one.readAt !== undefined) {
        // On the site clock: a rehearsal may run many times as fast as the wall's.
        const seconds = (at - one.readAt) / 1000;
        one.inMbps = rateMbps(one.link.inOctets, link.inOctets, seconds);
        one.outMbps = rateMbps(one.link.outOctets, link.outOctets, seconds);
        one.newErrors = growth(errorsOf(one.link), errorsOf(link));
      }
      one.link = link;
      one.readWall = now;
      one.readAt = at;
      one.fault = undefined;
    } catch (error) {
      one.fault = asFault(error);
    }
  }

  function reload(next: Site): void {
    const before = list;
    list = next.uplinks.map((uplink) => before.find((one) => isDeepStrictEqual(one.uplink, uplink)) ?? open(uplink));
    for (const gone of before) if (!list.includes(gone)) gone.device.close();
  }

  reload(site);
  return {
    get list() {
      return list;
    },
    capacityMbps(hallId) {
      const mine = list.filter(({ uplink }) => uplink.hall === hallId);
      if (mine.length === 0) return undefined;
      return mine.reduce((sum, { uplink, link }) => sum + (link?.up === false ? 0 : carried(uplink, link)), 0);
    },
    async readAll() {
      await Promise.all(list.map(read));
    },
    reload,
    close: () => list.forEach(({ device }) => device.close()),
  };
}

/** A port may have come up slower than the line it is named for. */
const carried = ({ capacityMbps }: Uplink, link: LinkReading | undefined): number =>
  link?.speedMbps === undefined || link.speedMbps <= 0 ? capacityMbps : Math.min(capacityMbps, link.speedMbps);

/** Undefined over a counter that went back: the device was restarted. */
function rateMbps(before: bigint | undefined, after: bigint | undefined, seconds: number): number | undefined {
  if (before === undefined || after === undefined || after < before || seconds <= 0) return undefined;
  return (Number(after - before) * 8) / 1e6 / seconds;
}

const errorsOf = ({ inErrors, outErrors }: LinkReading): number | undefined =>
  inErrors === undefined && outErrors === undefined ? undefined : (inErrors ?? 0) + (outErrors ?? 0);

const growth = (before: number | undefined, after: number | undefined): number | undefined =>
  before === undefined || after === undefined || after < before ? undefined : after - before;
