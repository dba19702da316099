import { readFileSync, readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { DriverIo, Fingerprint } from '../../../drivers/driver.ts';
import { parseJson, textOf } from '../../../drivers/wire/loose-json.ts';
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

/** Endings of files that may hold an answer. */
const KINDS: ReadonlySet<string> = new Set(
  ['json', 'txt', 'html', 'htm', 'xml', 'cgi', 'raw', 'log', 'out', 'bin'].map((ending) => `.${ending}`).concat(''),
);

/** A capture is small: the largest real answer is a hundredth of this. */
const LARGEST_FILE = 4 * 1024 * 1024;

/** @throws Error in words where the folder is none, or holds no file */
export function readCapture(folder: string): ReadonlyMap<string, string> {
  const entries = readdirSync(folder).filter((file) => !file.startsWith('.') && !file.startsWith('_'));
  const files = new Map<string, string>();
  for (const file of entries.sort()) {
    const path = join(folder, file);
    const found = statSync(path);
    if (!found.isFile() || !KINDS.has(extname(file).toLowerCase())) continue;
    if (found.size > LARGEST_FILE) throw new Error(`${path}: more than ${LARGEST_FILE} bytes is no miner's answer`);
    files.set(file.slice(0, file.length - extname(file).length), textOf(readFileSync(path)));
  }
  if (files.size === 0)
    throw new Error(`${folder}: no captured answer; expected files such as summary.json, one for each command`);
  return unpacked(files);
}

/**
 * A file may hold several answers, under the name of the command each: as a joined reply of cgminer has them, and as
 * public clients keep them (`rpc_summary`, `web_stats`). Each stands beside the files, which win over it.
 */
function unpacked(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const all = new Map(files);
  for (const text of files.values()) {
    const held = parseJson(text);
    if (typeof held !== 'object' || held === null || Array.isArray(held)) continue;
    // One answer of its own.
    if ('STATUS' in held || 'code' in held) continue;
    for (const [name, value] of Object.entries(held)) {
      const one: unknown = Array.isArray(value) && value.length === 1 ? value[0] : value;
      if (all.has(name) || !isAnswer(name, one)) continue;
      all.set(name, typeof one === 'string' ? one : JSON.stringify(one));
    }
  }
  return all;
}

/** Named as a client names an answer, or with the status that every answer of a miner's own API begins with. */
function isAnswer(name: string, value: unknown): boolean {
  if (/^(rpc|web)_[a-z]/i.test(name)) return value !== null && value !== '';
  if (typeof value !== 'object' || value === null) return false;
  return 'STATUS' in value || ('code' in value && 'msg' in value);
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
    if (fileFor(files, name, 'rpc') !== undefined) return take(name, 'rpc');
    if (!name.includes('+')) return take(withoutParameter(name), 'rpc');
    const found = name.split('+').flatMap((part) => {
      try {
        return [{ part, text: take(part, 'rpc') }];
      } catch (error) {
        if (error instanceof Fault) return [];
        throw error;
      }
    });
    const [first] = found;
    if (first === undefined) throw new Fault('unsupported', `${name}: not in the capture`);
    // One part that is damaged beyond repair must not take the others with it; it is told of beside the reading.
    const whole = found.flatMap(({ part, text }) => {
      const value = parseJson(text);
      return value === undefined ? [] : [[part, [value]] as const];
    });
    return whole.length === 0 ? first.text : JSON.stringify({ ...Object.fromEntries(whole), id: 1 });
  };

  /** `get_miner_status_summary` is told in `get_miner_status` as well, where that was kept whole. */
  const withoutParameter = (name: string): string =>
    fileFor(files, name, 'rpc') === undefined && name.startsWith('get_miner_status_') ? 'get_miner_status' : name;

  async function tcp<T>({ name, data, complete, read }: TcpRequest<T>): Promise<T> {
    const text = Buffer.from(takeRpc(name));
    if (complete(text)) return read(text);
    // A protocol that counts its bytes says so in the request itself.
    const framed = typeof data !== 'string' && data.length > 4 && data.readUInt32LE(0) === data.length - 4;
    if (!framed) return read(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return read(Buffer.concat([length, text]));
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
