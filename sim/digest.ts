import { createHash } from 'node:crypto';

/** HTTP digest authentication as a server (RFC 7616 with MD5 and qop=auth, which is what the firmware speaks). */
export interface DigestGuard {
  /** Undefined when the request may pass, else the value of `www-authenticate` for a 401. */
  challenge(request: {
    readonly method: string;
    readonly url: string;
    readonly authorization: string | undefined;
  }): string | undefined;
}

interface Nonce {
  readonly madeAt: number;
  count: number;
}

const NONCE_MS = 300_000;
const MOST_NONCES = 50_000;

export const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** @param wallNow in ms; @param secret makes nonces of two sites differ */
export function digestGuard(
  account: { readonly user: string; readonly password: string; readonly realm: string },
  wallNow: () => number,
  secret: string,
): DigestGuard {
  const ha1 = md5(`${account.user}:${account.realm}:${account.password}`);
  const nonces = new Map<string, Nonce>();
  let made = 0;
  const ask = (stale: boolean): string => {
    made += 1;
    const nonce = md5(`${secret}:${made}:${wallNow()}`);
    nonces.set(nonce, { madeAt: wallNow(), count: 0 });
    if (nonces.size > MOST_NONCES) nonces.delete(nonces.keys().next().value!);
    return `Digest realm="${account.realm}", nonce="${nonce}", qop="auth"${stale ? ', stale=true' : ''}`;
  };
  return {
    challenge({ method, url, authorization }) {
      const fields = parseDigest(authorization);
      if (fields === undefined) return ask(false);
      const expected = responseOf(ha1, method, url, fields);
      if (fields['username'] !== account.user || fields['uri'] !== url || fields['response'] !== expected)
        return ask(false);
      const nonce = nonces.get(fields['nonce'] ?? '');
      const count = Number.parseInt(fields['nc'] ?? '', 16);
      // The password is right, so the client only needs a new nonce.
      if (nonce === undefined || wallNow() - nonce.madeAt > NONCE_MS || !(count > nonce.count)) return ask(true);
      nonce.count = count;
      return undefined;
    },
  };
}

export function responseOf(ha1: string, method: string, url: string, fields: Readonly<Record<string, string>>): string {
  const ha2 = md5(`${method}:${url}`);
  return md5(`${ha1}:${fields['nonce']}:${fields['nc']}:${fields['cnonce']}:${fields['qop']}:${ha2}`);
}

export function parseDigest(header: string | undefined): Record<string, string> | undefined {
  if (header === undefined || !/^Digest /i.test(header)) return undefined;
  const fields: Record<string, string> = {};
  for (const [, name, quoted, bare] of header.slice(7).matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g)) {
    fields[name!] = quoted ?? bare ?? '';
  }
  return fields;
}
