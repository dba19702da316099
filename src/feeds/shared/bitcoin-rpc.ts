import { z } from 'zod';
import { Fault, type SecretRef } from '../../model/index.ts';
import type { FeedIo } from '../feed.ts';
import { fromDisk } from './files.ts';
import { expectOk, parseAs, parseJson, whereOf, type Web } from './web.ts';

export type RpcLogin = { readonly cookieFile: string } | { readonly user: string; readonly password: SecretRef };

export interface Rpc {
  /** @throws Fault; `unsupported` where the node has no such method. */
  call<S extends z.ZodType>(
    method: string,
    params: readonly unknown[],
    shape: S,
    signal?: AbortSignal,
  ): Promise<z.output<S>>;
}

const replyShape = z.object({
  result: z.unknown(),
  error: z.object({ code: z.number(), message: z.string() }).nullish(),
  id: z.unknown(),
});

/** Error codes of Bitcoin Core's rpc/protocol.h. */
const METHOD_NOT_FOUND = -32_601;
const IN_WARMUP = -28;

/** A block with all its transactions is some ten megabytes of JSON. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * JSON-RPC as Bitcoin Core speaks it, and bcoin nearly: Core answers an error with status 500 or 404 and a JSON body,
 * bcoin with 200. The cookie is read anew when it is refused: a node writes another one at each start.
 */
export function bitcoinRpc(url: string, login: RpcLogin, web: Web, io: FeedIo): Rpc {
  const where = whereOf({ method: 'POST', url });
  let id = 0;
  let cookie: string | undefined;

  async function credentials(fresh: boolean): Promise<string> {
    if (!('cookieFile' in login)) return `${login.user}:${io.secret(login.password)}`;
    if (cookie === undefined || fresh)
      cookie = (await fromDisk(login.cookieFile, io.readFile(login.cookieFile))).trim();
    if (!/^[^:\s]+:\S+$/.test(cookie))
      throw new Fault('unauthorised', `${login.cookieFile}: not a cookie of a node ("__cookie__:..." on one line)`);
    return cookie;
  }

  async function post(body: string, fresh: boolean, signal: AbortSignal | undefined) {
    const basic = Buffer.from(await credentials(fresh)).toString('base64');
    const headers = { authorization: `Basic ${basic}`, 'content-type': 'application/json' };
    return web.ask({ method: 'POST', url, headers, body, maxBytes: MOST_BYTES, timeoutMs: 30_000 }, signal);
  }

  return {
    async call(method, params, shape, signal) {
      id += 1;
      const asked = id;
      const place = `${where} ${method}`;
      const body = JSON.stringify({ jsonrpc: '1.0', id: asked, method, params });
      let reply = await post(body, false, signal);
      if (reply.status === 401 && 'cookieFile' in login) reply = await post(body, true, signal);
      if (reply.status === 403)
        throw new Fault('unauthorised', `${place}: 403; the node does not let this address in (rpcallowip)`);
      if (reply.status === 401) throw new Fault('unauthorised', `${place}: 401; wrong user, password or cookie`);
      const isRpc = reply.body.trimStart().startsWith('{');
      if (!isRpc) expectOk(reply, place);
      const { result, error, id: answered } = parseAs(replyShape, parseJson(reply, place), place);
      if (error !== null && error !== undefined) throw rpcFault(error, place);
      expectOk(reply, place);
      if (answered !== asked)
        throw new Fault('garbled', `${place}: found the answer to ${String(answered)}, expected ${asked}`);
      return parseAs(shape, result, place);
    },
  };
}

function rpcFault({ code, message }: { code: number; message: string }, place: string): Fault {
  const said = message.slice(0, 200);
  if (code === METHOD_NOT_FOUND) return new Fault('unsupported', `${place}: the node has no such method`);
  if (code === IN_WARMUP) return new Fault('unreachable', `${place}: the node is starting (${said})`);
  return new Fault('refused', `${place}: error ${code}, ${said}`);
}
