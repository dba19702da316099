import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { Fault, MINUTE, type SecretRef } from '../../model/index.ts';
import type { DriverIo } from '../driver.ts';
import { parseReply } from './cgminer.ts';
import { fields, list, num, text, type Fields } from './fields.ts';
import { parseJson, textOf } from './loose-json.ts';
import { md5crypt } from './md5crypt.ts';

/**
 * The btminer API of Whatsminers on 4028 (MicroBT, "WhatsminerAPI V2.0.5"): reads are open, a write is encrypted with a
 * key made of the password and salts that `get_token` hands out.
 */
export interface BtminerTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly password: SecretRef | undefined;
}

/** What MicroBT ships; a machine that still has it takes no commands. */
export const FACTORY_PASSWORD = 'admin';

/** A token lives 30 minutes; one that is about to end is not used any more. */
const TOKEN_HOLDS_MS = 28 * MINUTE;
/** One that is younger than this lasts until the next preparation. */
const TOKEN_LASTS_MS = 4 * MINUTE;

interface Token {
  readonly key: KeyObject;
  readonly sign: string;
  readonly gotAt: number;
}

/** Message codes of the documentation. */
const CODE = { invalid: 14, notJson: 23, denied: 45, token: 135, tooManyTokens: 136, base64: 137 } as const;

export function btminer(io: DriverIo, target: BtminerTarget) {
  const { host, port, timeoutMs } = target;
  let token: Token | undefined;
  /** The key of the password and a salt: a machine keeps its salt, and a key takes a thousand rounds of MD5. */
  let known:
    | { readonly password: string; readonly salt: string; readonly word: string; readonly key: KeyObject }
    | undefined;

  function send(name: string, message: Fields, signal?: AbortSignal): Promise<Fields> {
    const data = JSON.stringify(message);
    const read = (reply: Buffer): Fields => parseReply(textOf(reply), `${host} ${name}`);
    return io.tcp.ask({ host, port, data, timeoutMs, name, complete: whole, read, signal });
  }

  async function freshToken(signal?: AbortSignal): Promise<Token> {
    const reply = await send('get_token', { cmd: 'get_token' }, signal);
    const message = fields(reply['Msg']);
    const [time, salt, newsalt] = ['time', 'salt', 'newsalt'].map((key) => word(message[key]));
    if (time === undefined || salt === undefined || newsalt === undefined) {
      expectDone(reply, `${host} get_token`);
      throw new Fault('garbled', `${host} get_token: a reply without salts`, { bytes: JSON.stringify(reply) });
    }
    const password = target.password === undefined ? FACTORY_PASSWORD : io.secret(target.password);
    if (known?.password !== password || known.salt !== salt) {
      const made = md5crypt(password, salt);
      known = { password, salt, word: made, key: aesKey(made) };
    }
    return { key: known.key, sign: md5crypt(known.word + time, newsalt), gotAt: io.wallNow() };
  }

  /** One encrypted command. An answer in plain text is how the machine refuses what it could not make sense of. */
  async function attempt(command: Fields, signal?: AbortSignal): Promise<Fields> {
    token ??= await freshToken(signal);
    const { key, sign } = token;
    const data = encrypt(JSON.stringify({ ...command, token: sign }), key);
    const reply = await send(String(command['cmd']), { enc: 1, data }, signal);
    const sealed = text(reply['enc']);
    if (sealed === undefined) return reply;
    const plain = decrypt(sealed, key);
    if (plain === undefined) throw wrongPassword(host);
    return parseReply(plain, `${host} ${String(command['cmd'])}`);
  }

  return {
    /** @throws Fault where the firmware declined */
    async read(cmd: string, signal?: AbortSignal): Promise<Fields> {
      return send(cmd, { cmd }, signal);
    },
    /** Resolves when the machine said that it did it. */
    async write(command: Fields, signal?: AbortSignal): Promise<void> {
      if (token !== undefined && io.wallNow() - token.gotAt > TOKEN_HOLDS_MS) token = undefined;
      const wasKept = token !== undefined;
      let reply = await attempt(command, signal);
      // The machine forgets its tokens when it restarts: one that was kept is worth one new one.
      if (isTokenTrouble(reply)) {
        token = undefined;
        if (wasKept) reply = await attempt(command, signal);
      }
      if (isTokenTrouble(reply)) {
        token = undefined;
        throw wrongPassword(host);
      }
      expectDone(reply, `${host} ${String(command['cmd'])}`);
    },
    /** Has a token at hand that lasts, so that a write is one exchange. */
    async prepare(signal?: AbortSignal): Promise<void> {
      if (token === undefined || io.wallNow() - token.gotAt > TOKEN_LASTS_MS) token = await freshToken(signal);
    },
    forget(): void {
      token = undefined;
    },
  };
}

/** Firmware ends its reply in NUL, in a newline, or not at all and keeps the socket: whole JSON is a whole reply. */
function whole(received: Buffer): boolean {
  const last = received[received.length - 1];
  if (last === 0 || last === 10) return true;
  if (last !== 0x7d) return false;
  return parseJson(textOf(received)) !== undefined;
}

/** The documentation has texts; a firmware that writes a number means its digits. */
const word = (said: unknown): string | undefined => (typeof said === 'number' ? String(said) : text(said));

/** STATUS stands alone in the answers of btminer, and in a list in those it took over from cgminer. */
function statusOf(reply: Fields): { letter: string | undefined; code: number | undefined; said: string | undefined } {
  const row = typeof reply['STATUS'] === 'string' ? reply : fields(list(reply['STATUS'])[0]);
  return { letter: text(row['STATUS']), code: num(row['Code']), said: text(row['Msg']) };
}

const isTokenTrouble = (reply: Fields): boolean => {
  const { letter, code, said } = statusOf(reply);
  if (letter === 'S') return false;
  return code === CODE.token || code === CODE.notJson || code === CODE.base64 || /check token/i.test(said ?? '');
};

/** @throws Fault when STATUS says that the command failed; the kind follows from its code and words. */
export function expectDone(reply: Fields, where: string): void {
  const { letter, code, said } = statusOf(reply);
  if (letter === 'S' || letter === 'I' || letter === 'W') return;
  if (letter === undefined)
    throw new Fault('garbled', `${where}: a reply without STATUS`, { bytes: JSON.stringify(reply) });
  const message = said ?? `code ${code ?? 'unknown'}`;
  if (/can't access write|permission denied|access denied/i.test(message)) {
    throw new Fault(
      'unauthorised',
      `${where}: ${message}; the machine takes no commands yet: change its factory password ("admin") with ` +
        'WhatsMinerTool, switch the API on there (Remote Ctrl, Miner API Switch), and name the password in the site file',
    );
  }
  if (code === CODE.invalid || /invalid (api )?c(om)?m(an)?d/i.test(message))
    throw new Fault('unsupported', `${where}: ${message}`);
  if (code === CODE.tooManyTokens)
    throw new Fault(
      'refused',
      `${where}: ${message}; this address holds all of its 32 tokens, they end after 30 minutes`,
    );
  throw new Fault('refused', `${where}: ${message}`);
}

const wrongPassword = (host: string): Fault =>
  new Fault(
    'unauthorised',
    `${host}: the machine did not accept the token; check the password in the site file against WhatsMinerTool`,
  );

/** AES-256 in ECB mode with zeros behind the text, as the documentation has it. */
const aesKey = (word: string): KeyObject => createSecretKey(createHash('sha256').update(word).digest());

function encrypt(plain: string, key: KeyObject): string {
  const bytes = Buffer.from(plain, 'utf8');
  const padded = Buffer.concat([bytes, Buffer.alloc((16 - (bytes.length % 16)) % 16)]);
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  return Buffer.concat([cipher.update(padded), cipher.final()]).toString('base64');
}

/** @returns undefined where the bytes are no text of this key */
function decrypt(encrypted: string, key: KeyObject): string | undefined {
  const bytes = Buffer.from(encrypted, 'base64');
  if (bytes.length === 0 || bytes.length % 16 !== 0) return undefined;
  const decipher = createDecipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(bytes), decipher.final()])
    .toString('utf8')
    .replace(/\0+$/, '')
    .trim();
  return plain.startsWith('{') ? plain : undefined;
}
