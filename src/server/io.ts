import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { ClusterIo } from '../clusters/cluster.ts';
import type { DriverIo } from '../drivers/driver.ts';
import { httpPort } from '../drivers/wire/http.ts';
import { bacnetPort } from '../drivers/wire/bacnet.ts';
import { modbusPort } from '../drivers/wire/modbus.ts';
import { programPort } from '../drivers/wire/program.ts';
import { snmpPort } from '../drivers/wire/snmp.ts';
import { tcpPort } from '../drivers/wire/tcp.ts';
import type { FeedIo } from '../feeds/feed.ts';
import { Fault, wallMs, type HttpPort, type SiteClock, type WallMs } from '../model/index.ts';
import type { Secrets } from './secrets.ts';

/** The real world, handed to drivers, feeds and clusters. */
export interface World {
  readonly drivers: DriverIo;
  readonly feeds: FeedIo;
  readonly clusters: ClusterIo;
  close(): Promise<void>;
}

export const wallNow = (): WallMs => wallMs(performance.now());

/**
 * @param folder where relative paths of the site file start
 * @param portOffset added to every port spoken to: lets several emulated sites live on one machine
 */
export function openWorld(clock: SiteClock, folder: string, secrets: Secrets, portOffset = 0): World {
  const tcp = tcpPort();
  const http = httpPort();
  const machines = httpPort({ oneShot: true });
  const modbus = modbusPort();
  const snmp = snmpPort();
  const bacnet = bacnetPort();
  const siteNow = () => clock.now();
  const shifted = (url: string): string => {
    const parsed = new URL(url);
    parsed.port = String(Number(parsed.port || (parsed.protocol === 'https:' ? 443 : 80)) + portOffset);
    return parsed.href;
  };
  const moved = (port: HttpPort): HttpPort =>
    portOffset === 0 ? port : { ask: (request) => port.ask({ ...request, url: shifted(request.url) }) };
  const at = (path: string) => (isAbsolute(path) ? path : resolve(folder, path));
  return {
    drivers: {
      tcp: portOffset === 0 ? tcp : { ask: (request) => tcp.ask({ ...request, port: request.port + portOffset }) },
      http: moved(machines),
      modbus: { readHolding: (request) => modbus.readHolding({ ...request, port: request.port + portOffset }) },
      snmp: {
        get: (request) => snmp.get({ ...request, port: request.port + portOffset }),
        walk: (request) => snmp.walk({ ...request, port: request.port + portOffset }),
        set: (request) => snmp.set({ ...request, port: request.port + portOffset }),
      },
      bacnet: {
        read: (request) => bacnet.read({ ...request, port: request.port + portOffset }),
        write: (request) => bacnet.write({ ...request, port: request.port + portOffset }),
      },
      program: programPort(),
      secret: (ref) => secrets.resolve(ref),
      siteNow,
      unixNow: () => Date.now(),
      wallNow,
    },
    feeds: {
      // Markets are out in the world: an emulated site's offset of ports is not theirs.
      http,
      siteNow,
      wallNow,
      secret: (ref) => secrets.resolve(ref),
      readFile: (path) => fromDisk(path, () => readFile(at(path), 'utf8')),
      readBytes: (path) => fromDisk(path, () => readFile(at(path))),
      listFiles: (path) => fromDisk(path, () => readdir(at(path))),
      fileVersion: (path) =>
        fromDisk(path, async () => {
          const { mtimeMs, size, ino } = await stat(at(path));
          return `${mtimeMs} ${size} ${ino}`;
        }),
    },
    clusters: { http: moved(http), siteNow, secret: (ref) => secrets.resolve(ref) },
    async close() {
      modbus.close();
      snmp.close();
      bacnet.close();
      await Promise.all([http.close(), machines.close()]);
    },
  };
}

async function fromDisk<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Fault(
      'unreachable',
      code === 'ENOENT' ? `${path}: no such file or folder` : `${path}: ${code ?? String(error)}`,
      {
        cause: error,
      },
    );
  }
}
