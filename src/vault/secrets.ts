import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { Fault, secretText, type SecretRef } from '../model/index.ts';

/** Reads one entry of the encrypted store; undefined when there is none. @throws Error when the store cannot be opened. */
export type VaultRead = (name: string) => string | undefined;

export interface Secrets {
  /** The credential itself, read afresh each time: one that was changed needs no restart. @throws Fault `unauthorised` */
  resolve(ref: SecretRef): string;
  /** What is wrong with a reference, with the remedy; undefined when it resolves. */
  problem(ref: SecretRef): string | undefined;
}

/** @param folder where relative paths start: that of the site file */
export function createSecrets(
  folder: string,
  env: Readonly<Record<string, string | undefined>>,
  vault: VaultRead,
): Secrets {
  function read(ref: SecretRef): string {
    if ('env' in ref) {
      const value = env[ref.env];
      if (value === undefined || value === '')
        throw new Error(`environment variable ${ref.env} is not set; set it before busbar starts`);
      return value;
    }
    if ('secret' in ref) {
      const value = vault(ref.secret);
      if (value === undefined)
        throw new Error(`no secret "${ref.secret}"; store it with: busbar secrets set ${ref.secret}`);
      return value;
    }
    return readSecretFile(isAbsolute(ref.file) ? ref.file : resolve(folder, ref.file));
  }
  return {
    resolve(ref) {
      try {
        return read(ref);
      } catch (error) {
        throw new Fault(
          'unauthorised',
          `${secretText(ref)}: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    },
    problem(ref) {
      try {
        read(ref);
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
  };
}

/**
 * The first line of a file that only its owner may read.
 * @throws Error with the remedy where it is missing, empty, or open to others
 */
export function readSecretFile(path: string): string {
  let mode: number;
  let text: string;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `no file ${path}` : `${path} cannot be read (${code})`, { cause: error });
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(`${path} can be read by others (mode ${(mode & 0o777).toString(8)}): chmod 600 ${path}`);
  const value = text.split(/\r?\n/)[0] ?? '';
  if (value === '') throw new Error(`${path} is empty; its first line must hold the credential`);
  return value;
}
