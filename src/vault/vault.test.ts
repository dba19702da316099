import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { initSecrets, rotateSecrets, secretsOf } from '../server/offline/secrets.ts';
import { createVault, openVault, vaultFile, vaultOf } from './vault.ts';
import { keyFromEnv, keyText, newKey, parseKey } from './vault-key.ts';

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-vault-'));
  data = join(folder, 'data');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function bench() {
  const at = { file: vaultFile(data), key: newKey() };
  createVault(at);
  return { ...at, vault: openVault(at) };
}

test('what is kept comes back, is listed by name alone, and lies nowhere in the file', () => {
  const { vault, file, key } = bench();
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/), fc.string({ minLength: 1 }), (name, value) => {
      vault.set(name, value);
      expect(openVault({ file, key }).get(name)).toBe(value.toWellFormed());
      expect(vault.list()).toContain(name);
    }),
    { numRuns: 30 },
  );
  vault.set('farm-a', 'hunter2 hunter2');
  expect(readFileSync(file, 'utf8')).not.toContain('hunter2');
  expect(vault.get('absent')).toBeUndefined();
  for (const inherited of ['constructor', 'tostring', 'valueof']) expect(vault.get(inherited)).toBeUndefined();
  expect(vault.remove('constructor')).toBe(false);
  expect(vault.remove('farm-a')).toBe(true);
  expect(vault.remove('farm-a')).toBe(false);
  expect(vault.get('farm-a')).toBeUndefined();
  if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('any bit of the file that is turned is found out, wherever it lies', () => {
  const { vault, file } = bench();
  vault.set('farm-a', 'one');
  vault.set('farm-b', 'two');
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at += 1) {
    for (const bit of [1, 32, 128]) {
      const turned = Buffer.from(whole);
      turned[at]! ^= bit;
      writeFileSync(file, turned);
      expect(() => vault.get('farm-a'), `byte ${at}, bit ${bit}`).toThrow(
        /restore it from a backup|not the key|holds no secrets/,
      );
    }
  }
  writeFileSync(file, whole);
  expect(vault.get('farm-a')).toBe('one');
});

test('a file cut short or lengthened, an entry renamed or taken out: each is refused', () => {
  const { vault, file } = bench();
  vault.set('farm-a', 'one');
  vault.set('farm-b', 'two');
  const text = readFileSync(file, 'utf8');
  const changed = [
    ...Array.from({ length: 40 }, (_, i) => text.slice(0, Math.floor((text.length * i) / 40))),
    `${text}\n`,
    `${text}x`,
    text.replace('farm-a', 'farm-c'),
    text.replace(/"farm-b":\{[^}]*\}/, '"farm-c":null'),
  ];
  for (const other of changed) {
    writeFileSync(file, other);
    expect(() => vault.list()).toThrow(/damaged|holds no secrets/);
  }
});

test('another key, no key and no file are told apart, each with what to do', () => {
  const { file, vault } = bench();
  vault.set('farm-a', 'one');
  expect(() => openVault({ file, key: newKey() }).get('farm-a')).toThrow(/not the key/);
  expect(() => openVault({ file: join(folder, 'none'), key: newKey() }).list()).toThrow(/busbar secrets init/);
  expect(() => vaultOf(data, {})('farm-a')).toThrow(/BUSBAR_KEY_FILE/);
  expect(vaultOf(join(folder, 'empty'), {})('farm-a')).toBeUndefined();
  expect(() => vault.set('Farm A', 'x')).toThrow(/lower-case/);
  expect(() => vault.set('farm', '')).toThrow(/empty/);
});

test('a key is read from the environment or a private file; anything else is refused without telling it', () => {
  const key = newKey();
  for (const text of [key.toString('hex'), key.toString('base64'), key.toString('base64url'), `${keyText(key)}\n`])
    expect(keyFromEnv({ BUSBAR_KEY: text })).toEqual(key);
  for (const text of ['secret-but-short', `${key.toString('hex')}00`, 'x'.repeat(64)]) {
    expect(() => parseKey(text, 'BUSBAR_KEY')).toThrow(/32 bytes/);
    expect(() => parseKey(text, 'BUSBAR_KEY')).not.toThrow(text);
  }
  const file = join(folder, 'key');
  writeFileSync(file, keyText(key), { mode: 0o600 });
  expect(keyFromEnv({ BUSBAR_KEY_FILE: file })).toEqual(key);
  chmodSync(file, 0o640);
  expect(() => keyFromEnv({ BUSBAR_KEY_FILE: file })).toThrow(`chmod 600 ${file}`);
  expect(() => keyFromEnv({ BUSBAR_KEY_FILE: join(folder, 'absent') })).toThrow(/is not there/);
});

test('init puts the key where it is told, never beside the secrets; rotate makes the old key worthless', () => {
  const keyFile = join(folder, 'busbar.key');
  expect(() => initSecrets(data, {}, { keyFile: undefined, show: false })).toThrow(/--key-file/);
  expect(() => initSecrets(data, {}, { keyFile: join(data, 'key'), show: false })).toThrow(/must not lie beside/);
  initSecrets(data, {}, { keyFile, show: false });
  expect(() => initSecrets(data, {}, { keyFile, show: false })).toThrow(/there already/);
  const env = { BUSBAR_KEY_FILE: keyFile };
  secretsOf(data, env).set('farm-a', 'one');
  const { shown } = rotateSecrets(data, env, { keyFile: undefined, show: true });
  expect(() => secretsOf(data, env).get('farm-a')).toThrow(/not the key/);
  expect(vaultOf(data, { BUSBAR_KEY: shown! })('farm-a')).toBe('one');
});
