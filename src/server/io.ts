import { readdir, readFile } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { ClusterIo } from '../clusters/cluster.ts';
import type { DriverIo } from '../drivers/driver.ts';
import { httpPort } from '../drivers/wire/http.ts';
import { modbusPort } from '../drivers/wire/modbus.ts';
import { tcpPort } from '../drivers/wire/tcp.ts';
import type { FeedIo } from '../feeds/feed.ts';
import { wallMs, type HttpPort, type SiteClock, type WallMs } from '../model/index.ts';

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
export function openWorld(clock: SiteClock, folder: string, portOffset = 0): World {
  const tcp = tcpPort();
  const http = httpPort();
  const modbus = modbusPort();
  const siteNow = () => clock.now();
  const shifted = (url: string): string => {
    const parsed = new URL(url);
    parsed.port = String(Number(parsed.port || (parsed.protocol === 'https:' ? 443 : 80)) + portOffset);
    return parsed.href;
  };
  const shiftedHttp: HttpPort =
    portOffset === 0 ? http : { ask: (request) => http.ask({ ...request, url: shifted(request.url) }) };
  const at = (path: string) => (isAbsolute(path) ? path : resolve(folder, path));
  return {
    drivers: {
      tcp: { ask: (request) => tcp.ask({ ...request, port: request.port + portOffset }) },
      http: shiftedHttp,
      modbus: { readHolding: (request) => modbus.readHolding({ ...request, port: request.port + portOffset }) },
      siteNow,
      wallNow,
    },
    feeds: { siteNow, readFile: (path) => readFile(at(path), 'utf8'), listFiles: (path) => readdir(at(path)) },
    clusters: { http: shiftedHttp, siteNow, env: (name) => process.env[name] },
    async close() {
      modbus.close();
      await http.close();
    },
  };
}
