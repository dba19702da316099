import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { keyFromEnv } from './vault-key.ts';

/**
 * Credentials of machines, feeds and clusters at rest. Three lines: `busbar-vault 1 <key id>`, the entries as JSON,
 * and an HMAC-SHA256 over both, so that an entry cannot be taken out, put back or renamed unseen. Each value is
 * AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce and its name as additional data. Keys for the two are
 * derived from the one key by HKDF-SHA256 (RFC 5869). An old copy of the whole file cannot be told from the newest.
 */
export interface Vault {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
  /** False where there was none. */
  remove(name: string): boolean;
  /** Names in order; never values. */
  list(): readonly string[];
  /** Writes all entries anew under another key. */
  rotate(key: Buffer): void;
}

const HEAD = 'busbar-vault 1';
export const SECRET_NAME = /^[a-z0-9][a-z0-9._-]*$/;

interface Entry {
  readonly nonce: string;
  readonly tag: string;
  readonly data: string;
}
type Entries = Readonly<Record<string, Entry>>;

export const vaultFile = (dataFolder: string): string => join(dataFolder, 'secrets.vault');

/**
 * What `{ secret: NAME }` of a site file is read by. Without a vault there is simply no secret of any name.
 * @throws Error with the remedy, where there is a vault that cannot be opened
 */
export function vaultOf(
  dataFolder: string,
  env: Readonly<Record<string, string | undefined>>,
): (name: string) => string | undefined {
  const file = vaultFile(dataFolder);
  return (name) => (existsSync(file) ? openVault({ file, key: keyFromEnv(env) }).get(name) : undefined);
}

/** @throws Error where there is a vault already */
export function createVault({ file, key }: { file: string; key: Buffer }): void {
  if (existsSync(file)) throw new Error(`${file} is there already`);
  write(file, {}, key);
}

/** Reads the file at each call: a secret that was changed needs no restart. Every call throws Error with the remedy. */
export function openVault({ file, key }: { file: string; key: Buffer }): Vault {
  let current = key;
  const entries = () => read(file, current);
  return {
    get(name) {
      const entry = own(entries(), name);
      return entry === undefined ? undefined : decrypt(entry, name, current, file);
    },
    set(name, value) {
      if (!SECRET_NAME.test(name)) throw new Error(`"${name}": a name is lower-case letters, digits, dot, dash`);
      if (value === '') throw new Error(`the value of ${name} is empty`);
      write(file, { ...entries(), [name]: encrypt(value, name, current) }, current);
    },
    remove(name) {
      const all = entries();
      if (own(all, name) === undefined) return false;
      write(file, Object.fromEntries(Object.entries(all).filter(([other]) => other !== name)), current);
      return true;
    },
    list: () => Object.keys(entries()).sort(),
    rotate(next) {
      const old = entries();
      const renewed = Object.entries(old).map(([name, entry]) => {
        const value = decrypt(entry, name, current, file);
        return [name, encrypt(value, name, next)] as const;
      });
      write(file, Object.fromEntries(renewed), next);
      current = next;
    },
  };
}

const own = (entries: Entries, name: string): Entry | undefined =>
  Object.hasOwn(entries, name) ? entries[name] : undefined;

const derived = (key: Buffer, purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key, '', `busbar vault ${purpose}`, 32));
const keyId = (key: Buffer): string => derived(key, 'key id').subarray(0, 8).toString('hex');
const mac = (text: string, key: Buffer): string =>
  createHmac('sha256', derived(key, 'file')).update(text).digest('hex');

function encrypt(value: string, name: string, key: Buffer): Entry {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', derived(key, 'entries'), nonce).setAAD(Buffer.from(name));
  const data = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
  const [n, t, d] = [nonce, cipher.getAuthTag(), data].map((bytes) => bytes.toString('base64'));
  return { nonce: n!, tag: t!, data: d! };
}

function decrypt(entry: Entry, name: string, key: Buffer, file: string): string {
  const bytes = (text: string) => Buffer.from(text, 'base64');
  try {
    const cipher = createDecipheriv('aes-256-gcm', derived(key, 'entries'), bytes(entry.nonce), { authTagLength: 16 });
    cipher.setAAD(Buffer.from(name)).setAuthTag(bytes(entry.tag));
    return Buffer.concat([cipher.update(bytes(entry.data)), cipher.final()]).toString('utf8');
  } catch (error) {
    throw new Error(`the secret "${name}" in ${file} was changed: restore the file from a backup`, { cause: error });
  }
}

function read(file: string, key: Buffer): Entries {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no secrets are kept yet' : `${file} cannot be read (${code})`;
    throw new Error(code === 'ENOENT' ? `${why} (${file}): busbar secrets init` : why, { cause: error });
  }
  // Latin-1 keeps every byte apart; as UTF-8, several broken ones would read alike.
  const text = bytes.toString('latin1');
  const damaged = `${file} is damaged or was changed: restore it from a backup`;
  const [head, body, sum, end, ...more] = text.split('\n');
  const [, id] = /^busbar-vault 1 ([0-9a-f]{16})$/.exec(head ?? '') ?? [];
  if (id === undefined || body === undefined || sum === undefined || end !== '' || more.length > 0)
    throw new Error(text.startsWith('busbar-vault ') ? damaged : `${file} holds no secrets of busbar`);
  if (id !== keyId(key)) throw new Error(`this is not the key of ${file}: it was made with another one`);
  const expected = Buffer.from(mac(`${head}\n${body}\n`, key), 'latin1');
  const found = Buffer.from(sum, 'latin1');
  if (found.length !== expected.length || !timingSafeEqual(found, expected)) throw new Error(damaged);
  return JSON.parse(body) as Entries;
}

/** Whole or not at all: a new file, on disk, then in the place of the old one. */
function write(file: string, entries: Entries, key: Buffer): void {
  const signed = `${HEAD} ${keyId(key)}\n${JSON.stringify(entries)}\n`;
  const folder = dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = `${file}.${process.pid}.new`;
  rmSync(fresh, { force: true });
  const handle = openSync(fresh, 'wx', 0o600);
  try {
    writeSync(handle, `${signed}${mac(signed, key)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, file);
  if (process.platform === 'win32') return;
  const directory = openSync(folder, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
