import { readFileSync, statSync } from 'node:fs';

/** A file that only its owner may read. @throws Error with the remedy */
export function readPrivateFile(path: string, what: string): string {
  try {
    const { mode } = statSync(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const open = (mode & 0o777).toString(8);
      throw new Error(`${what} ${path} can be read by others (mode ${open}): chmod 600 ${path}`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`;
    throw new Error(`${what} ${path} ${why}`, { cause: error });
  }
}
