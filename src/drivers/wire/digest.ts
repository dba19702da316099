import { createHash, randomUUID } from 'node:crypto';

/** What a server asked for in `WWW-Authenticate: Digest ...` (RFC 7616; MD5 and SHA-256, qop auth or none). */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly qop: 'auth' | undefined;
  readonly algorithm: 'MD5' | 'SHA-256';
}

/**
 * The first challenge of the header that this side can answer, or undefined. A server may offer several schemes and
 * algorithms, in its order of preference, joined by commas.
 */
export function parseChallenge(header: string | undefined): DigestChallenge | undefined {
  for (const offer of header?.split(/,\s*(?=[a-z]+\s+[\w-]+\s*=)/i) ?? []) {
    const challenge = parseOffer(offer.trim());
    if (challenge !== undefined) return challenge;
  }
  return undefined;
}

function parseOffer(offer: string): DigestChallenge | undefined {
  if (!/^digest\s/i.test(offer)) return undefined;
  const fields = new Map<string, string>();
  for (const match of offer.slice(7).matchAll(/(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
    fields.set(match[1]!.toLowerCase(), match[2] ?? match[3] ?? '');
  }
  const realm = fields.get('realm');
  const nonce = fields.get('nonce');
  const algorithm = (fields.get('algorithm') ?? 'MD5').toUpperCase();
  if (realm === undefined || nonce === undefined || (algorithm !== 'MD5' && algorithm !== 'SHA-256')) return undefined;
  const offered = fields.get('qop')?.split(/\s*,\s*/);
  if (offered !== undefined && !offered.includes('auth')) return undefined;
  return { realm, nonce, opaque: fields.get('opaque'), qop: offered === undefined ? undefined : 'auth', algorithm };
}

/** The `Authorization` header that answers a challenge. `count` is how often this nonce was used, from 1. */
export function answerChallenge(
  challenge: DigestChallenge,
  request: { method: string; path: string; username: string; password: string; count: number; cnonce?: string },
): string {
  const { realm, nonce, opaque, qop, algorithm } = challenge;
  const { method, path, username, password } = request;
  const hash = (text: string) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text)
      .digest('hex');
  const ha1 = hash(`${username}:${realm}:${password}`);
  const ha2 = hash(`${method}:${path}`);
  const nc = request.count.toString(16).padStart(8, '0');
  const cnonce = request.cnonce ?? randomUUID();
  const response =
    qop === undefined ? hash(`${ha1}:${nonce}:${ha2}`) : hash(`${ha1}:${nonce}:${nc}:${cnonce}:auth:${ha2}`);
  const parts = [
    `username="${username}"`,
    `realm="${realm}"`,
    `nonce="${nonce}"`,
    `uri="${path}"`,
    `response="${response}"`,
  ];
  if (qop !== undefined) parts.push(`qop=auth`, `nc=${nc}`, `cnonce="${cnonce}"`);
  if (opaque !== undefined) parts.push(`opaque="${opaque}"`);
  parts.push(`algorithm=${algorithm}`);
  return `Digest ${parts.join(', ')}`;
}
