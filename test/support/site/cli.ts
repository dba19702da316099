import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from './processes.ts';
import { ROOT } from './small.ts';

export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** The token of whoever sits at the server. */
export const localToken = ({ files }: Pick<Settings, 'files'>): string =>
  readFileSync(join(files.folder, 'data', 'local-token'), 'utf8').trim();

/** `busbar` as a person runs it, in a process of its own. */
export function runBusbar(
  args: readonly string[],
  { url, token, env = {}, stdin = '' }: { url: string; token: string; env?: Record<string, string>; stdin?: string },
): Promise<Ran> {
  const all = { ...process.env, BUSBAR_URL: url, BUSBAR_TOKEN: token, ...env };
  return new Promise((resolve) => {
    const file = join(ROOT, 'bin', 'busbar.js');
    const child = execFile(process.execPath, [file, ...args], { env: all }, (error, out, err) =>
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), out, err }),
    );
    // A command that reads nothing may have ended before.
    child.stdin!.on('error', () => {}).end(stdin);
  });
}
