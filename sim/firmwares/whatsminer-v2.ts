import { createCipheriv, createDecipheriv } from 'node:crypto';
import { answerRead, nameOf, parseBtminer, readBtminer, say, type Command } from '../btminer.ts';
import type { CgminerReply } from '../cgminer-reply.ts';
import type { SimPool } from '../command.ts';
import type { Firmware } from '../firmware.ts';
import { shadowHash } from '../md5-crypt.ts';
import type { Host } from '../net.ts';
import { aesKeyOf, carryOut, PASSWORDS, pointNamed, saltOf, whatsminerPoints } from '../whatsminer.ts';
import type { Endpoint } from '../world.ts';

/**
 * Whatsminers with the btminer API on 4028 (MicroBT, "WhatsminerAPI V2.0.5"): reads in plain text, writes encrypted
 * with what `get_token` gave. An answer has no end of its own but that of the connection.
 */
export const whatsminerV2: Firmware = {
  name: 'whatsminer-v2',
  points: whatsminerPoints,
  ports: { cgminer: { kind: 'text', answer } },
};

const FIRMWARE = '20240624.18.REL';
const TOKEN_MS = 30 * 60_000;
const MOST_TOKENS = 32;

interface Tokens {
  readonly signs: Map<string, number>;
  count: number;
}
const issued = new WeakMap<Host, Map<number, Tokens>>();

function tokensOf(host: Host, { index }: Endpoint): Tokens {
  const all = issued.get(host) ?? new Map<number, Tokens>();
  issued.set(host, all);
  const tokens = all.get(index) ?? { signs: new Map<string, number>(), count: 0 };
  all.set(index, tokens);
  for (const [sign, at] of tokens.signs) if (host.wallNow() - at > TOKEN_MS) tokens.signs.delete(sign);
  return tokens;
}

function answer(host: Host, endpoint: Endpoint, text: string): string {
  const command = parseBtminer(text);
  if (command === undefined) return JSON.stringify(say(host, 'E', 23, 'Invalid JSON message'));
  if (command['enc'] !== undefined) return JSON.stringify(sealed(host, endpoint, command));
  const name = nameOf(command);
  if (name === 'get_token') return JSON.stringify(getToken(host, endpoint));
  return JSON.stringify(answerRead(host, endpoint, name, FIRMWARE));
}

/** By salt: a machine has its own in its shadow file, and does not work it out anew. */
const stored = new Map<string, string>();
function storedHash(salt: string): string {
  const known = stored.get(salt) ?? shadowHash(PASSWORDS.v2, salt);
  stored.set(salt, known);
  return known;
}

const saltAt = (host: Host, { number }: Endpoint): string => saltOf(host.world.seed, number, 0);

function getToken(host: Host, endpoint: Endpoint): CgminerReply {
  const tokens = tokensOf(host, endpoint);
  if (tokens.signs.size >= MOST_TOKENS) return say(host, 'E', 136, 'over max connect');
  tokens.count += 1;
  const salt = saltAt(host, endpoint);
  const newsalt = saltOf(host.world.seed, endpoint.number, tokens.count);
  const time = String(Math.floor(host.wallNow() / 1000)).slice(-4);
  tokens.signs.set(shadowHash(storedHash(salt) + time, newsalt), host.wallNow());
  return say(host, 'S', 134, { time, salt, newsalt });
}

function sealed(host: Host, endpoint: Endpoint, { data }: Command): CgminerReply {
  const key = aesKeyOf(storedHash(saltAt(host, endpoint)));
  const bytes = Buffer.from(typeof data === 'string' ? data : '', 'base64');
  if (bytes.length === 0 || bytes.length % 16 !== 0) return say(host, 'E', 137, 'base64 decode error');
  const decipher = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(bytes), decipher.final()])
    .toString('utf8')
    .replace(/\0+$/, '');
  const command = parseBtminer(plain);
  if (command === undefined) return say(host, 'E', 23, 'Invalid JSON message');
  const token = command['token'];
  const valid = typeof token === 'string' && tokensOf(host, endpoint).signs.has(token);
  const reply = valid ? write(host, endpoint, command) : say(host, 'E', 135, 'check token err');
  const text = Buffer.from(JSON.stringify(reply));
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const padded = Buffer.concat([text, Buffer.alloc((16 - (text.length % 16)) % 16)]);
  return { enc: Buffer.concat([cipher.update(padded), cipher.final()]).toString('base64') };
}

function write(host: Host, endpoint: Endpoint, command: Command): CgminerReply {
  const name = nameOf(command);
  const act = actOf(host, endpoint, name, command);
  if (act === undefined) {
    const reply = readBtminer(host, endpoint, name, FIRMWARE);
    return reply['Code'] === 14 ? reply : say(host, 'S', 131, 'API command OK');
  }
  if (act === 'wrong') return say(host, 'E', 132, 'API command ERROR');
  return carryOut(host, endpoint, act)
    ? say(host, 'S', 131, 'API command OK')
    : say(host, 'E', 132, 'API command ERROR');
}

/** What a write does; `wrong` where its arguments are. */
function actOf(host: Host, endpoint: Endpoint, name: string, command: Command): (() => void) | 'wrong' | undefined {
  const i = endpoint.index;
  switch (name) {
    case 'power_off':
      return () => host.send({ op: 'sleep', i });
    case 'power_on':
      return () => host.send({ op: 'wake', i });
    case 'reboot':
    case 'restart_btminer':
      return () => host.send({ op: 'reboot', i });
    case 'set_low_power':
    case 'set_normal_power':
    case 'set_high_power': {
      const point = pointNamed(host, endpoint, name.split('_')[1]!);
      return () => host.send({ op: 'point', i, point });
    }
    case 'adjust_power_limit': {
      const watts = Number(command['power_limit'] ?? NaN);
      return watts > 0 && watts < 99_999 ? () => host.send({ op: 'limit', i, watts }) : 'wrong';
    }
    case 'set_led':
      return () => host.send({ op: 'locate', i, on: command['param'] !== 'auto' });
    case 'update_pools': {
      const pools = poolsOf(command);
      return pools.length === 0 ? 'wrong' : () => host.send({ op: 'pools', i, pools });
    }
    default:
      return undefined;
  }
}

function poolsOf(command: Command): SimPool[] {
  const word = (key: string): string => (typeof command[key] === 'string' ? command[key] : '');
  return [1, 2, 3].flatMap((n) =>
    word(`pool${n}`) === '' ? [] : [{ url: word(`pool${n}`), user: word(`worker${n}`), password: word(`passwd${n}`) }],
  );
}
