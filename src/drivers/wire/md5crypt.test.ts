import { expect, test } from 'vitest';
import { md5crypt } from './md5crypt.ts';

// What `openssl passwd -1 -salt SALT PASSWORD` prints behind the salt.
test.each([
  ['password', 'xxxxxxxx', 'UYCIxa628.9qXjpQCjM4a.'],
  ['admin', 'BQ5hoXV9', 'RxmaDUO33TS7O26yeMHZ81'],
  ['secret', 'u', 'nt28NVB04dO65slIT6Ohc1'],
  ['a-password-of-more-than-sixteen-characters', '12345678', 'nPiZZ9440MVnY1DXqQRNc1'],
  ['pässword', 'saltsalt', 'QgbQ7EUpcKNQTLgSVL4qr/'],
  ['', 'abcdefgh', 'M55TzYaaccxVGbptZWaxX/'],
])('md5crypt of %s with salt %s', (password, salt, hash) => {
  expect(md5crypt(password, salt)).toBe(hash);
});

test('a salt ends at a dollar sign and after eight characters', () => {
  expect(md5crypt('admin', 'abcdefgh1234')).toBe(md5crypt('admin', 'abcdefgh'));
  expect(md5crypt('admin', 'abc$def')).toBe(md5crypt('admin', 'abc'));
});
