import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import type { ClusterIo } from '../clusters/cluster.ts';
import type { DriverIo } from '../drivers/driver.ts';
import { httpPort } from '../drivers/wire/http.ts';
import { programPort } from '../drivers/wire/program.ts';
import { movedHttp, openDriverWorld } from '../drivers/wire/world.ts';
import type { FeedIo } from '../feeds/feed.ts';
import { Fault, wallMs, type SecretRef, type SiteClock, type WallMs } from '../model/index.ts';
import type { Secrets } from '../vault/secrets.ts';

/** The real world, handed to drivers, feeds and clusters. */
export interface World {
  readonly drivers: DriverIo;
  readonly feeds: FeedIo;
  /** The rest lies with the store. */
  readonly clusters: Omit<ClusterIo, 'processes' | 'kept'>;
  close(): Promise<void>;
}

export const wallNow = (): WallMs => wallMs(performance.now());

/**
 * @param folder where relative paths of the site file start
 * @param portOffset added to every port spoken to: lets several emulated sites live on one machine
 */
export function openWorld(clock: SiteClock, folder: string, secrets: Secrets, portOffset = 0): World {
  const http = httpPort();
  const siteNow = () => clock.now();
  const secret = (ref: SecretRef) => secrets.resolve(ref);
  const drivers = openDriverWorld({ portOffset, secret, siteNow, wallNow });
  const at = (path: string) => (isAbsolute(path) ? path : resolve(folder, path));
  return {
    drivers: drivers.io,
    feeds: {
      // Markets are out in the world: an emulated site's offset of ports is not theirs.
      http,
      siteNow,
      wallNow,
      secret,
      readFile: (path) => fromDisk(path, () => readFile(at(path), 'utf8')),
      readBytes: (path) => fromDisk(path, () => readFile(at(path))),
      listFiles: (path) => fromDisk(path, () => readdir(at(path))),
      fileVersion: (path) =>
        fromDisk(path, async () => {
          const { mtimeMs, size, ino } = await stat(at(path));
          return `${mtimeMs} ${size} ${ino}`;
        }),
    },
    clusters: {
      http: movedHttp(http, portOffset),
      program: programPort(),
      siteNow,
      wallNow,
      readFile: (path) => fromDisk(path, () => readFile(at(path), 'utf8')),
      secret,
    },
    async close() {
      await Promise.all([http.close(), drivers.close()]);
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
