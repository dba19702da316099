import { existsSync } from 'node:fs';
import { createVault, openVault, vaultFile, type Vault } from '../../vault/vault.ts';
import { hasKey, keyFromEnv, keyText, newKey, writeKeyFile } from '../../vault/vault-key.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Where a new key goes: a file that is named, or to the caller, to be shown once. */
export interface KeyPlace {
  readonly keyFile: string | undefined;
  readonly show: boolean;
}

/** The encrypted store of a data folder, for `busbar secrets`. @throws Error with the remedy */
export const secretsOf = (dataFolder: string, env: Env): Vault =>
  openVault({ file: vaultFile(dataFolder), key: keyFromEnv(env) });

/**
 * Makes an empty store, under the key the environment names or a new one.
 * @returns the new key as text, where it is to be shown
 */
export function initSecrets(
  dataFolder: string,
  env: Env,
  place: KeyPlace,
): { file: string; shown: string | undefined } {
  const file = vaultFile(dataFolder);
  if (existsSync(file)) throw new Error(`${file} is there already`);
  const [key, shown] = hasKey(env) && !chosen(place) ? [keyFromEnv(env), undefined] : placedKey(dataFolder, place);
  createVault({ file, key });
  return { file, shown };
}

/** Writes every secret anew under a new key; the old one opens older copies of the file only. */
export function rotateSecrets(dataFolder: string, env: Env, place: KeyPlace): { shown: string | undefined } {
  const vault = secretsOf(dataFolder, env);
  vault.list();
  // The key is on disk before anything depends on it.
  const [key, shown] = placedKey(dataFolder, place);
  vault.rotate(key);
  return { shown };
}

const chosen = ({ keyFile, show }: KeyPlace): boolean => keyFile !== undefined || show;

function placedKey(dataFolder: string, place: KeyPlace): [Buffer, string | undefined] {
  if (!chosen(place))
    throw new Error(
      'where should the key go? --key-file PATH (not within the data folder), or --show-key to see it once',
    );
  const key = newKey();
  if (place.keyFile !== undefined) writeKeyFile(place.keyFile, key, dataFolder);
  return [key, place.show ? keyText(key) : undefined];
}
