import { randomBytes } from 'node:crypto';
import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { readPrivateFile } from './private-file.ts';

export const KEY_BYTES = 32;
type Env = Readonly<Record<string, string | undefined>>;

/** @throws Error where the text is no key; the text itself is not told */
export function parseKey(text: string, from: string): Buffer {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex');
  const key = /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed) ? Buffer.from(trimmed, 'base64') : undefined;
  if (key?.length !== KEY_BYTES)
    throw new Error(`${from} is not a key: 32 bytes, as 64 hexadecimal digits or 44 characters of base64`);
  return key;
}

/**
 * The key of the encrypted store: BUSBAR_KEY itself, or the file BUSBAR_KEY_FILE names.
 * @throws Error with the remedy
 */
export function keyFromEnv(env: Env): Buffer {
  const { BUSBAR_KEY: inline, BUSBAR_KEY_FILE: file } = env;
  if (inline !== undefined && inline !== '') return parseKey(inline, 'BUSBAR_KEY');
  if (file !== undefined && file !== '') return parseKey(readPrivateFile(file, 'key file'), `key file ${file}`);
  throw new Error(
    'the secrets need their key: set BUSBAR_KEY_FILE to the file that holds it, or BUSBAR_KEY to the key itself',
  );
}

export const hasKey = ({ BUSBAR_KEY, BUSBAR_KEY_FILE }: Env): boolean =>
  Boolean(BUSBAR_KEY) || Boolean(BUSBAR_KEY_FILE);

export const newKey = (): Buffer => randomBytes(KEY_BYTES);
export const keyText = (key: Buffer): string => key.toString('base64');

/**
 * Writes a key to a new file that only its owner may read. Never beside what it opens: one backup would hold both.
 * @throws Error where the file is there already, or lies within the data folder
 */
export function writeKeyFile(path: string, key: Buffer, dataFolder: string): void {
  const real = (folder: string) => (existsSync(folder) ? realpathSync(folder) : resolve(folder));
  const at = join(real(dirname(resolve(path))), 'key');
  const within = relative(real(resolve(dataFolder)), at);
  if (!within.startsWith('..') && !isAbsolute(within))
    throw new Error(`the key must not lie beside the secrets, in ${dataFolder}: a backup of one would hold both`);
  try {
    writeFileSync(path, `${keyText(key)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'is there already; a key is never overwritten' : `cannot be written (${code})`;
    throw new Error(`${path} ${why}`, { cause: error });
  }
}
