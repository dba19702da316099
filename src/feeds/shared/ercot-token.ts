import { z } from 'zod';
import { Fault, SECOND, type SecretRef, type WallMs } from '../../model/index.ts';
import type { FeedIo } from '../feed.ts';
import { whereOf, type Web } from './web.ts';

export interface TokenSettings {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly username: string;
  readonly password: SecretRef;
}

export interface Token {
  get(signal?: AbortSignal): Promise<string>;
  /** The service did not take it: the next `get` asks for another. */
  drop(): void;
}

const replyShape = z.object({
  id_token: z.string().min(1),
  expires_in: z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).optional(),
});

/** A token lives an hour and cannot be refreshed, only asked for anew (ERCOT, Registration and Authentication). */
const LIFE_S = 3600;
/** Asked for anew this long before its end, so that none dies on the way. */
const EARLY_S = 300;

/**
 * ERCOT's ID token by the resource-owner password flow of its Azure B2C tenant: user and password go in the form of a
 * POST. A wrong password is answered with 400 and `invalid_grant` or `access_denied`.
 */
export function ercotToken(settings: TokenSettings, web: Web, io: FeedIo): Token {
  let held: { token: string; until: WallMs } | undefined;
  return {
    async get(signal) {
      if (held !== undefined && io.wallNow() < held.until) return held.token;
      const { tokenUrl, clientId, username, password } = settings;
      const body = new URLSearchParams({
        grant_type: 'password',
        username,
        password: io.secret(password),
        scope: `openid ${clientId} offline_access`,
        client_id: clientId,
        response_type: 'id_token',
      }).toString();
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const request = { method: 'POST', url: tokenUrl, headers, body } as const;
      try {
        const reply = await web.json(request, replyShape, signal);
        const lifeS = Math.min(reply.expires_in ?? LIFE_S, LIFE_S);
        held = {
          token: reply.id_token,
          until: (io.wallNow() + Math.max(lifeS - EARLY_S, lifeS / 2) * SECOND) as WallMs,
        };
        return held.token;
      } catch (error) {
        if (!(error instanceof Fault) || !/: 400 .*(invalid_grant|access_denied)/.test(error.message)) throw error;
        throw new Fault('unauthorised', `${whereOf(request)}: ERCOT does not know this user and password`);
      }
    },
    drop() {
      held = undefined;
    },
  };
}
