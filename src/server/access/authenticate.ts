import type { FastifyRequest } from 'fastify';
import { bearerValue, cookieName, cookieValue } from './credentials.ts';
import type { LocalToken } from './local-token.ts';
import type { Signed } from './policy.ts';
import { OWNER, type Sessions } from './sessions.ts';
import type { Tokens } from './tokens.ts';

/** Who a request is from. A credential that is not good and was meant to be one is told why. */
export interface Authenticated {
  readonly signed: Signed | undefined;
  readonly refusal: string | undefined;
}

const NOBODY: Authenticated = { signed: undefined, refusal: undefined };
const LOCAL: Signed = {
  person: { name: OWNER, role: 'admin', via: 'link' },
  account: undefined,
  sessionId: undefined,
  expiresMs: undefined,
  tags: undefined,
};

/**
 * An Authorization header is looked at first, and one that is not good is refused; a cookie that is not good is
 * nobody's, since a browser sends it unasked.
 */
export function createAuthenticate(sessions: Sessions, tokens: Tokens, local: LocalToken, tls: boolean) {
  return async function authenticate(request: FastifyRequest): Promise<Authenticated> {
    const { authorization, cookie } = request.headers;
    if (authorization !== undefined) return byHeader(request, authorization);
    const token = cookieValue(cookie, cookieName(tls));
    if (token === undefined) return NOBODY;
    return { signed: await sessions.find(token), refusal: undefined };
  };

  async function byHeader({ socket }: FastifyRequest, header: string): Promise<Authenticated> {
    const token = bearerValue(header);
    if (token === undefined) return refused('the Authorization header is not "Bearer" and a token');
    if (token.startsWith('bbs_')) {
      const signed = await sessions.find(token);
      return signed === undefined ? refused('this sign-in has ended: busbar login') : { signed, refusal: undefined };
    }
    if (token.startsWith('bbl_')) {
      if (local.is(token, socket.remoteAddress, socket.localAddress)) return { signed: LOCAL, refusal: undefined };
      return refused('this is the local token of another run, or comes from another machine');
    }
    const found = await tokens.find(token);
    return 'refusal' in found ? refused(found.refusal) : { signed: found, refusal: undefined };
  }
}

const refused = (refusal: string): Authenticated => ({ signed: undefined, refusal });
