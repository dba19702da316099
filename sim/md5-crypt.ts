import { hash as digestOf } from 'node:crypto';

/**
 * The `$1$` crypt as the machine's own shadow file has it: the hash alone. Written apart from the driver's, so that one
 * mistake cannot hide in both.
 */
export function shadowHash(password: string, salt: string): string {
  const md5 = (text: string): string => digestOf('md5', Buffer.from(text, 'latin1'), 'buffer').toString('latin1');
  const word = Buffer.from(password).toString('latin1');
  const inner = md5(word + salt + word);
  let text = `${word}$1$${salt}${inner.repeat(Math.ceil(word.length / 16)).slice(0, word.length)}`;
  for (let bits = word.length; bits > 0; bits = Math.floor(bits / 2)) text += bits % 2 === 1 ? '\0' : word[0]!;
  let hash = md5(text);
  for (let i = 0; i < 1000; i += 1) {
    const middle = (i % 3 === 0 ? '' : salt) + (i % 7 === 0 ? '' : word);
    hash = md5(i % 2 === 1 ? word + middle + hash : hash + middle + word);
  }
  const byte = (i: number): number => hash.charCodeAt(i);
  const letters = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const spell = (value: number, length: number): string =>
    Array.from({ length }, (_, i) => letters[Math.floor(value / 64 ** i) % 64]).join('');
  let spelled = '';
  for (let i = 0; i < 5; i += 1) spelled += spell(byte(i) * 65_536 + byte(i + 6) * 256 + byte(i === 4 ? 5 : i + 12), 4);
  return spelled + spell(byte(11), 2);
}
