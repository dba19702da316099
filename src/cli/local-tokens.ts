import { resolve } from 'node:path';
import { keyOf, readCredentials, writeCredentials } from './credentials.ts';

/**
 * Tells the command line where a server of this machine keeps the token of its run: `busbar up` and `busbar demo`
 * call it when the server listens. Only the place is kept; the token is read when it is needed.
 */
export function rememberLocalToken(server: string, tokenFile: string): void {
  const all = readCredentials();
  const key = keyOf(server);
  const file = resolve(tokenFile);
  if (all.local[key] !== file) writeCredentials({ ...all, local: { ...all.local, [key]: file } });
}
