import { hash } from 'node:crypto';

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Which bytes of the digest make up each group of four characters, most significant first. */
const GROUPS: readonly (readonly [number, number, number])[] = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
];
const ROUNDS = 1000;
const LONGEST_SALT = 8;

/** In one call: a token takes two thousand of these, and there are thousands of machines. */
const md5 = (...parts: readonly Buffer[]): Buffer => hash('md5', Buffer.concat(parts), 'buffer');

/**
 * The MD5-based crypt of FreeBSD, `$1$salt$hash` (what `openssl passwd -1` prints); only the part behind the salt.
 * Whatsminers derive their API key from it. It is too weak to keep passwords with.
 */
export function md5crypt(password: string, salt: string): string {
  const key = Buffer.from(password, 'utf8');
  const seed = Buffer.from(salt.replace(/\$.*$/s, ''), 'utf8').subarray(0, LONGEST_SALT);
  const inner = md5(key, seed, key);

  const first: Buffer[] = [key, Buffer.from('$1$'), seed];
  for (let left = key.length; left > 0; left -= 16) first.push(inner.subarray(0, Math.min(16, left)));
  // The original takes a zero byte for every set bit of the length, and the first of the key for the others.
  for (let bits = key.length; bits > 0; bits >>= 1) first.push((bits & 1) === 1 ? Buffer.alloc(1) : key.subarray(0, 1));
  let digest = md5(...first);

  for (let round = 0; round < ROUNDS; round += 1) {
    const odd = (round & 1) === 1;
    const parts = [odd ? key : digest];
    if (round % 3 !== 0) parts.push(seed);
    if (round % 7 !== 0) parts.push(key);
    parts.push(odd ? digest : key);
    digest = md5(...parts);
  }
  const groups = GROUPS.map(([a, b, c]) => base64(((digest[a]! << 16) | (digest[b]! << 8) | digest[c]!) >>> 0, 4));
  return groups.join('') + base64(digest[11]!, 2);
}

/** The scheme's own base64: six bits a character, the least significant first. */
function base64(value: number, length: number): string {
  return Array.from({ length }, (_, i) => ALPHABET[(value >>> (6 * i)) & 63]).join('');
}
