import { isIP } from 'node:net';

/** Where the server may be reached, and under which names. */
export interface Names {
  /** The address listened on. */
  readonly host: string;
  readonly port: number;
  /** Host names allowed besides, with or without the port. */
  readonly names: readonly string[];
  readonly tls: boolean;
}

const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]'];
const ANY_ADDRESS = ['0.0.0.0', '::'];

/** Whether a peer's or a listening address never leaves this machine. */
export function isLoopback(address: string): boolean {
  const bare = address.toLowerCase().replace(/^\[|\]$/g, '');
  if (bare === 'localhost' || bare === '::1') return true;
  const v4 = bare.replace(/^::ffff:/, '');
  return isIP(v4) === 4 && v4.startsWith('127.');
}

/** An address as it stands in a URL. */
export const bracketed = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address);

/**
 * Names by which this server may be called. A page of elsewhere that rebinds its own name to this address sends that
 * name as Host, and is refused.
 * @param localAddress the end of the connection that is ours; where all addresses are listened on, it is a name too
 */
export function hostAllowed(host: string | undefined, at: Names, localAddress?: string): boolean {
  if (host === undefined) return false;
  const called = host.toLowerCase();
  const own = [...LOOPBACK_NAMES];
  if (!ANY_ADDRESS.includes(at.host)) own.push(bracketed(at.host.toLowerCase()));
  else if (localAddress !== undefined) own.push(bracketed(localAddress.toLowerCase().replace(/^::ffff:/, '')));
  const usualPort = at.port === (at.tls ? 443 : 80);
  if (own.some((name) => called === `${name}:${at.port}` || (usualPort && called === name))) return true;
  return at.names.some((name) => called === name.toLowerCase() || called === `${name.toLowerCase()}:${at.port}`);
}

/** A browser names the page a request comes from: only our own may ask. Programs send no Origin. */
export function originAllowed(origin: string | undefined, host: string | undefined, tls: boolean): boolean {
  if (origin === undefined) return true;
  return host !== undefined && origin.toLowerCase() === `${tls ? 'https' : 'http'}://${host.toLowerCase()}`;
}
