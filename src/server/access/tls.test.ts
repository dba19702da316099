import { createPrivateKey } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { selfSigned } from '../../../test/access/certificate.ts';
import { checkTls, readTls, type Tls } from './tls.ts';

let folder: string;
let one: Tls;
let other: Tls;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'busbar-tls-'));
  one = selfSigned(folder, 'one');
  other = selfSigned(folder, 'other');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a pair that belongs together is taken; its end is told in time', () => {
  const now = Date.now();
  expect(checkTls(one, now)).toBeUndefined();
  expect(checkTls(one, now + 25 * 86_400_000)).toMatch(/expires in \d+ days/);
  expect(checkTls(one, now + 60 * 86_400_000)).toMatch(/expired on/);
  expect(checkTls(one, now - 86_400_000 * 3)).toMatch(/not valid before/);
});

test('mixed up, garbled and encrypted files are told apart', () => {
  expect(() => checkTls({ ...one, key: other.key }, Date.now())).toThrow(/different pairs/);
  expect(() => checkTls({ ...one, certificate: 'x' }, Date.now())).toThrow(/certificate is not PEM/);
  expect(() => checkTls({ ...one, key: one.certificate }, Date.now())).toThrow(/key is not an unencrypted PEM/);
  const locked = createPrivateKey(one.key)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret1' })
    .toString();
  expect(() => checkTls({ ...one, key: locked }, Date.now())).toThrow(/unencrypted/);
});

test('a key that others may read is refused with the remedy', () => {
  const [certificate, key] = [join(folder, 'c.pem'), join(folder, 'k.pem')];
  writeFileSync(certificate, one.certificate);
  writeFileSync(key, one.key, { mode: 0o600 });
  expect(readTls(certificate, key)).toEqual(one);
  chmodSync(key, 0o644);
  expect(() => readTls(certificate, key)).toThrow(`chmod 600 ${key}`);
  expect(() => readTls(certificate, join(folder, 'none'))).toThrow(/is not there/);
  expect(() => readTls(join(folder, 'none'), key)).toThrow(/ENOENT/);
  expect(readFileSync(key, 'utf8')).toBe(one.key);
});
