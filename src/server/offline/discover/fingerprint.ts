import type { Fingerprint } from '../../../drivers/driver.ts';
import { drivers } from '../../../drivers/index.ts';
import { grab, type Grab } from './grab.ts';

export interface ProbeOptions {
  readonly connectMs: number;
  readonly answerMs: number;
  /** Where a standard port really is: the emulated site's are above those that need root. */
  portOf(port: number): number;
}

/** Tried at every address: a miner of any make listens on one of the two. The others only where somebody is there. */
export const FIRST_PORTS: readonly number[] = [4028, 80];
const WEB_PORTS = new Set([80, 8080, 8000, 9400, 2112]);

/** Every port discovery may connect to, in the order tried. */
export const probedPorts = (): readonly number[] => [
  ...FIRST_PORTS,
  ...[...new Set(drivers.flatMap((driver) => driver.ports ?? []))]
    .filter((port) => !FIRST_PORTS.includes(port))
    .sort((a, b) => a - b),
];

export interface Sighting {
  readonly alive: boolean;
  /** Our own sockets ran out: to be looked at again. */
  readonly full: boolean;
  readonly seen: Fingerprint;
}

/** Looks at one address: two connections where nobody is, a few more where somebody is. */
export async function look(address: string, options: ProbeOptions): Promise<Sighting> {
  const banners = new Map<number, string>();
  const pages = new Map<string, string>();
  const openPorts: number[] = [];
  const note = (port: number, { state, text }: Grab): Grab['state'] => {
    if (state === 'open') {
      openPorts.push(port);
      if (text !== '') banners.set(port, text);
    }
    return state;
  };
  const seen: Fingerprint = { openPorts, banners, pages };
  const states = await Promise.all(FIRST_PORTS.map(async (port) => note(port, await greet(address, port, options))));
  const full = states.includes('full');
  const alive = states.some((state) => state === 'open' || state === 'closed');
  // Two generations of one make can share a port: what tells them apart is asked before the older one is believed.
  for (const port of drivers.find((driver) => driver.recognises(seen))?.ports ?? [])
    if (!FIRST_PORTS.includes(port)) note(port, await greet(address, port, options));
  if (!alive || recognised(seen)) return { alive, full: full && !alive, seen };

  for (const port of probedPorts()) {
    if (FIRST_PORTS.includes(port) || openPorts.includes(port)) continue;
    note(port, await greet(address, port, options));
    if (recognised(seen)) return { alive, full: false, seen };
  }
  for (const { port, path } of drivers.flatMap((driver) => driver.probes ?? [])) {
    if (!openPorts.includes(port) || pages.has(`${port}${path}`)) continue;
    const { text } = await get(address, port, path, options);
    const page = bodyOf(text);
    if (page !== undefined) pages.set(`${port}${path}`, page);
    if (recognised(seen)) break;
  }
  return { alive, full: false, seen };
}

const recognised = (seen: Fingerprint): boolean => drivers.some((driver) => driver.recognises(seen));

function greet(address: string, port: number, options: ProbeOptions): Promise<Grab> {
  if (port === 4028) return ask(address, port, '{"command":"version"}', options);
  if (port === 4433) {
    const command = Buffer.from('{"cmd":"get.device.info"}');
    const length = Buffer.alloc(4);
    length.writeUInt32LE(command.length);
    return ask(address, port, Buffer.concat([length, command]), options);
  }
  if (WEB_PORTS.has(port)) return get(address, port, port === 9400 || port === 2112 ? '/metrics' : '/', options);
  // Only whether it is open: what it speaks is not ours to guess.
  return grab(address, options.portOf(port), '', { ...options, answerMs: 1, whole: () => true });
}

function ask(address: string, port: number, say: string | Buffer, options: ProbeOptions): Promise<Grab> {
  const whole = (text: string): boolean => /[\0\n]$/.test(text) || isJson(text.slice(text.indexOf('{')));
  return grab(address, options.portOf(port), say, { ...options, whole });
}

function isJson(text: string): boolean {
  if (!text.endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function get(address: string, port: number, path: string, options: ProbeOptions): Promise<Grab> {
  const request = `GET ${path} HTTP/1.1\r\nHost: ${address}\r\nUser-Agent: busbar\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
  return grab(address, options.portOf(port), request, { ...options, whole: wholePage });
}

function wholePage(text: string): boolean {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return false;
  const length = /^content-length:\s*(\d+)/im.exec(text.slice(0, head))?.[1];
  return length !== undefined && Buffer.byteLength(text) >= Buffer.byteLength(text.slice(0, head + 4)) + Number(length);
}

/** The body of an answer that succeeded; chunked bodies are put together. */
function bodyOf(text: string): string | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0 || !/^HTTP\/1\.[01] 200/.test(text)) return undefined;
  const body = text.slice(head + 4);
  if (!/^transfer-encoding:.*chunked/im.test(text.slice(0, head))) return body;
  let rest = body;
  let whole = '';
  for (;;) {
    const line = /^([0-9a-f]+)[^\r\n]*\r\n/i.exec(rest);
    const size = line === null ? 0 : parseInt(line[1]!, 16);
    if (line === null || size === 0) return whole;
    whole += rest.slice(line[0].length, line[0].length + size);
    rest = rest.slice(line[0].length + size + 2);
  }
}
