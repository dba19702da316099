import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';

/** What Unix keeps of a socket's path, less its end (unix(7): 108 bytes; 104 on BSD). */
const MOST_BYTES = 100;

/** The guard's socket: in the data folder, or where that lies too deep for a socket in a folder of the user's own below /tmp. */
export function guardSocket(dataFolder: string): string {
  const near = join(resolve(dataFolder), 'guard', 'socket');
  if (Buffer.byteLength(near) <= MOST_BYTES) {
    mkdirSync(join(dataFolder, 'guard'), { recursive: true, mode: 0o700 });
    return near;
  }
  const folder = join('/tmp', `busbar-${userInfo().uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== userInfo().uid || (mode & 0o077) !== 0)
    throw new Error(`${folder} is another's or open to others: remove it, or use a data folder nearer to the root`);
  return join(folder, createHash('sha256').update(near).digest('hex').slice(0, 24));
}
