import { createCipheriv, createHash } from 'node:crypto';
import { Fault, type SecretRef } from '../../model/index.ts';
import type { DriverIo } from '../driver.ts';
import { expectSuccess, parseReply } from './cgminer.ts';
import { fields, num, text, type Fields } from './fields.ts';
import { textOf } from './loose-json.ts';

/**
 * The API of newer Whatsminers on 4433 (MicroBT, apidoc.whatsminer.com, API 3.0): JSON behind its length in four bytes,
 * the least significant first. Reads are open. A write carries a token made of the command, the password, the
 * machine's salt and the time.
 */
export interface FramedTarget {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly username: string;
  readonly password: SecretRef | undefined;
}

/** What MicroBT ships for the account `super`. */
export const FACTORY_PASSWORD = 'super';

/** Parameters that are sent encrypted. */
const SEALED: ReadonlySet<string> = new Set(['set.miner.pools']);
/** A clock that is further off than this is why a token is not accepted. */
const MOST_SKEW_S = 60;

export function whatsminerFrames(io: DriverIo, target: FramedTarget) {
  const { host, port, timeoutMs } = target;
  let salt: string | undefined;

  function send(name: string, message: Fields, signal?: AbortSignal): Promise<Fields> {
    const data = framed(JSON.stringify(message));
    const read = (reply: Buffer): Fields => parseReply(bodyOf(reply), `${host} ${name}`);
    return io.tcp.ask({ host, port, data, timeoutMs, name, complete: whole, read, signal });
  }

  async function read(cmd: string, param?: string, signal?: AbortSignal): Promise<Fields> {
    const name = [cmd.replaceAll('.', '_'), ...(param === undefined ? [] : [param])].join('_');
    const reply = await send(name, param === undefined ? { cmd } : { cmd, param }, signal);
    expectDone(reply, `${host} ${name}`);
    return fields(reply['msg']);
  }

  /** The same call tells the salt, the machine's clock and whether the API is switched on. */
  async function deviceInfo(signal?: AbortSignal): Promise<Fields> {
    const reply = await send('get_device_info', { cmd: 'get.device.info' }, signal);
    expectDone(reply, `${host} get.device.info`);
    const info = fields(reply['msg']);
    salt = text(info['salt']);
    return { ...info, when: reply['when'] };
  }

  async function attempt(cmd: string, param: unknown, signal?: AbortSignal): Promise<Fields> {
    if (salt === undefined) await deviceInfo(signal);
    if (salt === undefined) throw new Fault('garbled', `${host} get.device.info: a reply without a salt`);
    const password = target.password === undefined ? FACTORY_PASSWORD : io.secret(target.password);
    const ts = Math.floor(io.unixNow() / 1000);
    const key = createHash('sha256').update(`${cmd}${password}${salt}${ts}`).digest();
    const token = key.toString('base64').slice(0, 8);
    const sent = param === undefined ? {} : { param: SEALED.has(cmd) ? seal(param, key) : param };
    return send(cmd.replaceAll('.', '_'), { cmd, ts, token, account: target.username, ...sent }, signal);
  }

  /** Why a token was not accepted, in words. */
  async function explain(where: string, said: string, signal?: AbortSignal): Promise<Fault> {
    const info = await deviceInfo(signal);
    const machineS = num(info['when']);
    const skewS = machineS === undefined ? 0 : Math.round(machineS - io.unixNow() / 1000);
    if (String(num(fields(info['system'])['apiswitch'])) === '0')
      return new Fault(
        'unauthorised',
        `${where}: ${said}; the API of this machine is switched off: change its factory password with WhatsMinerTool, ` +
          'and switch the API on there (Remote Ctrl, Miner API Switch)',
      );
    if (Math.abs(skewS) > MOST_SKEW_S)
      return new Fault(
        'unauthorised',
        `${where}: ${said}; the machine's clock is ${Math.abs(skewS)} s ${skewS > 0 ? 'ahead of' : 'behind'} this ` +
          "host's, and the time is part of its token: set its time server (NTP), or this host's",
      );
    return new Fault(
      'unauthorised',
      `${where}: ${said}; check the account "${target.username}" and its password in the site file against ` +
        'WhatsMinerTool, and that the account may write; the factory password has to be changed first',
    );
  }

  return {
    read,
    deviceInfo,
    /** Resolves when the machine said that it did it. */
    async write(cmd: string, param?: unknown, signal?: AbortSignal): Promise<void> {
      const wasKept = salt !== undefined;
      let reply = await attempt(cmd, param, signal);
      // The salt changes with the password: one that was kept is worth one new one.
      if (isDenied(reply) && wasKept) {
        salt = undefined;
        reply = await attempt(cmd, param, signal);
      }
      if (isDenied(reply)) throw await explain(`${host} ${cmd}`, saidBy(reply), signal);
      expectDone(reply, `${host} ${cmd}`);
    },
    forget(): void {
      salt = undefined;
    },
  };
}

export type WhatsminerFrames = ReturnType<typeof whatsminerFrames>;

function framed(body: string): Buffer {
  const bytes = Buffer.from(body, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const whole = (received: Buffer): boolean => received.length >= 4 && received.length >= 4 + received.readUInt32LE(0);

/** What stands behind the length. Something else that answers on the port sends none, and its words are the answer. */
const bodyOf = (reply: Buffer): string => textOf(whole(reply) ? reply.subarray(4, 4 + reply.readUInt32LE(0)) : reply);

const saidBy = (reply: Fields): string => text(reply['msg']) ?? `code ${String(num(reply['code']) ?? 'unknown')}`;

/** Captured replies and the documentation: -4 is "no permission". */
const isDenied = (reply: Fields): boolean => {
  const code = num(reply['code']);
  return (
    code !== undefined && code !== 0 && (code === -4 || /permission|denied|token|auth|password/i.test(saidBy(reply)))
  );
};

/** @throws Fault where `code` is not 0; the kind follows from the code and the words. */
function expectDone(reply: Fields, where: string): void {
  const code = num(reply['code']);
  if (code === 0) return;
  if (code === undefined) {
    // A machine of another API that answers here: its own words are the best there is.
    expectSuccess(reply, where);
    throw new Fault('garbled', `${where}: a reply without a code`, { bytes: JSON.stringify(reply) });
  }
  const said = saidBy(reply);
  if (isDenied(reply)) throw new Fault('unauthorised', `${where}: ${said}`);
  if (code === -2 || /invalid (command|cmd)|unknown (command|cmd)|not support/i.test(said))
    throw new Fault('unsupported', `${where}: ${said}`);
  throw new Fault('refused', `${where}: ${said}`);
}

/** AES-256 in ECB mode under the whole digest that the token is the beginning of, padded as PKCS 7 has it. */
function seal(param: unknown, key: Buffer): string {
  const cipher = createCipheriv('aes-256-ecb', key, null);
  return Buffer.concat([cipher.update(JSON.stringify(param), 'utf8'), cipher.final()]).toString('base64');
}
