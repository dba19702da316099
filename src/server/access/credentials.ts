import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * What a request may carry to say who sends it. Each kind has a form of its own, so that a leaked one is told apart:
 * `bbs_...` a session, `bb_<id>_<secret>` an API token, `bbl_...` the token of this machine's command line.
 */
const SECRET_BYTES = 32;
const SECRET = /^[A-Za-z0-9_-]{43}$/;

export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url');
export const newId = (): string => randomBytes(6).toString('hex');
export const newSessionToken = (): string => `bbs_${newSecret()}`;
export const newLocalToken = (): string => `bbl_${newSecret()}`;
export const newApiToken = (id: string): string => `bb_${id}_${newSecret()}`;

/** Only digests are kept: a copy of the store or a dump of memory opens nothing. 256 random bits need no slow hash. */
export const digestOf = (token: string): string => createHash('sha256').update(token).digest('hex');

/** Takes as long whatever is wrong. Both are digests of one length. */
export const sameDigest = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

/** The id within an API token; undefined for anything else. */
export function apiTokenId(token: string): string | undefined {
  const [, id, secret] = /^bb_([0-9a-f]{12})_(.+)$/.exec(token) ?? [];
  return secret !== undefined && SECRET.test(secret) ? id : undefined;
}

/** The first cookie of a name in a Cookie header (RFC 6265, section 4.2). */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/** The token of `Authorization: Bearer ...` (RFC 6750, section 2.1); undefined where the header is of another kind. */
export function bearerValue(header: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/-]{1,200}=*) *$/i.exec(header ?? '')?.[1];
}

/** Under TLS the prefix makes browsers refuse one set by another host or over plain HTTP. */
export const cookieName = (tls: boolean): string => (tls ? '__Host-busbar_session' : 'busbar_session');

export function setCookie(tls: boolean, token: string, maxAgeS: number): string {
  return `${cookieName(tls)}=${token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${maxAgeS}${tls ? '; Secure' : ''}`;
}
