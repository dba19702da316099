import { readFileSync, readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { DriverIo, Fingerprint } from '../../../drivers/driver.ts';
import { textOf } from '../../../drivers/wire/loose-json.ts';
import { drivers } from '../../../drivers/index.ts';
import { Fault, siteMs, wallMs, type HttpReply, type HttpRequest, type TcpRequest } from '../../../model/index.ts';
import { fileFor, httpName } from './names.ts';

/** A folder of captured replies that stands for a machine: one file an answer, named for what was asked. */
export interface CaptureFolder {
  readonly files: ReadonlyMap<string, string>;
  readonly io: DriverIo;
  /** What discovery would have seen of the machine. */
  readonly fingerprint: Fingerprint;
  /** Files that answered something, and what was asked and not found. */
  readonly used: Set<string>;
  readonly notThere: Set<string>;
}

/** A capture is small: the largest real answer is a hundredth of this. */
const LARGEST_FILE = 4 * 1024 * 1024;

/** @throws Error in words where the folder is none, or holds no file */
export function readCapture(folder: string): ReadonlyMap<string, string> {
  const entries = readdirSync(folder).filter((file) => !file.startsWith('.') && !file.startsWith('_'));
  const files = new Map<string, string>();
  for (const file of entries.sort()) {
    const path = join(folder, file);
    const found = statSync(path);
    if (!found.isFile() || !['.json', '.txt', '.html', '.htm', '.xml', ''].includes(extname(file))) continue;
    if (found.size > LARGEST_FILE) throw new Error(`${path}: more than ${LARGEST_FILE} bytes is no miner's answer`);
    files.set(file.slice(0, file.length - extname(file).length), textOf(readFileSync(path)));
  }
  if (files.size === 0)
    throw new Error(`${folder}: no captured answer; expected files such as summary.json, one for each command`);
  return files;
}

/** Logging in needs no file: a capture of readings holds none, and none should hold a token. */
const LOGIN = /login|logon|unlock|auth|token|session/i;
const LOGGED_IN = JSON.stringify({
  token: 'capture',
  access_token: 'capture',
  refresh_token: 'capture',
  Token: [{ Token: 'capture' }],
  SESSION: [{ SessionID: 'capture' }],
  data: { auth: { login: { __typename: 'VoidResult' } } },
  STATUS: [{ STATUS: 'S', Msg: 'capture' }],
  timeout_s: 3600,
});

export function openCapture(files: ReadonlyMap<string, string>, now: number): CaptureFolder {
  const used = new Set<string>();
  const notThere = new Set<string>();

  const take = (name: string, transport: 'web' | 'rpc'): string => {
    const file = fileFor(files, name, transport);
    if (file !== undefined) {
      used.add(file);
      return files.get(file)!;
    }
    if (LOGIN.test(name)) return LOGGED_IN;
    notThere.add(name);
    throw new Fault('unsupported', `${name}: not in the capture`);
  };

  /** `summary+power` is put together from the files there are, as the firmware would: a list for each command. */
  const takeRpc = (name: string): string => {
    if (!name.includes('+') || fileFor(files, name, 'rpc') !== undefined) return take(name, 'rpc');
    const parts = name.split('+').flatMap((part) => {
      try {
        return [`${JSON.stringify(part)}:[${take(part, 'rpc').replaceAll('\0', '').trim()}]`];
      } catch (error) {
        if (error instanceof Fault) return [];
        throw error;
      }
    });
    if (parts.length === 0) throw new Fault('unsupported', `${name}: not in the capture`);
    return `{${parts.join(',')},"id":1}`;
  };

  async function tcp({ name, data, complete }: TcpRequest): Promise<Buffer> {
    const text = Buffer.from(takeRpc(name));
    if (complete(text)) return text;
    // A protocol that counts its bytes says so in the request itself.
    const framed = typeof data !== 'string' && data.length > 4 && data.readUInt32LE(0) === data.length - 4;
    if (!framed) return text;
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([length, text]);
  }

  async function http(request: HttpRequest): Promise<HttpReply> {
    return { status: 200, headers: { 'content-type': 'application/json' }, body: take(httpName(request), 'web') };
  }

  const no = (what: string) => async (): Promise<never> => {
    throw new Fault('unsupported', `${what}: a capture holds answers of JSON commands and pages alone`);
  };
  const io: DriverIo = {
    tcp: { ask: tcp },
    http: { ask: http },
    modbus: { readHolding: no('Modbus') },
    snmp: { get: no('SNMP'), walk: no('SNMP'), set: no('SNMP') },
    bacnet: { read: no('BACnet'), write: no('BACnet') },
    program: { run: no('a program') },
    secret: () => 'capture',
    siteNow: () => siteMs(now),
    unixNow: () => now,
    wallNow: () => wallMs(0),
  };
  return { files, io, fingerprint: fingerprintOf(files), used, notThere };
}

function fingerprintOf(files: ReadonlyMap<string, string>): Fingerprint {
  const first = (transport: 'web' | 'rpc', ...names: string[]): string | undefined => {
    for (const name of names) {
      const file = fileFor(files, name, transport);
      if (file !== undefined) return files.get(file);
    }
    return undefined;
  };
  const banners = new Map<number, string>();
  const add = (port: number, text: string | undefined) => text !== undefined && banners.set(port, text);
  add(4028, first('rpc', 'version', 'get_version', 'summary', 'stats'));
  add(4433, first('rpc', 'get_device_info'));
  add(80, first('web', 'index', 'root'));
  const pages = new Map<string, string>();
  for (const { port, path } of drivers.flatMap((driver) => driver.probes ?? [])) {
    const file = fileFor(files, httpName({ url: `http://capture${path}` }), 'web');
    if (file !== undefined) pages.set(`${port}${path}`, files.get(file)!);
  }
  return { openPorts: [...banners.keys()], banners, pages };
}
