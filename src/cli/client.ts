import { readFileSync } from 'node:fs';
import { Agent, request, type Dispatcher } from 'undici';
import type { z } from 'zod';
import { problem, type Problem } from '../model/api.ts';
import { credentialFor, type Credential } from './credentials.ts';
import { CliError } from './output.ts';

export const defaultServer = (): string =>
  process.env['BUSBAR_URL'] ?? `http://127.0.0.1:${process.env['BUSBAR_PORT'] ?? '7400'}`;

const LOOPBACK = /^(127(\.\d+){3}|localhost|\[::1\])$/;

/** Asks the server, and holds its answer against the shape both sides share. */
export async function ask<S extends z.ZodType>(server: string, path: string, shape: S): Promise<z.output<S>> {
  return held(server, await exchange(server, 'GET', path), shape);
}

/** Sends a change. The answer is held against `shape`; without one there is none. */
export async function send<S extends z.ZodType>(
  server: string,
  method: 'POST' | 'DELETE',
  path: string,
  body: unknown,
  shape: S,
): Promise<z.output<S>>;
export async function send(server: string, method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<undefined>;
export async function send(
  server: string,
  method: 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  shape?: z.ZodType,
): Promise<unknown> {
  const answer = await exchange(server, method, path, body);
  return shape === undefined ? undefined : held(server, answer, shape);
}

function held<S extends z.ZodType>(server: string, body: unknown, shape: S): z.output<S> {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new CliError(
    `${server} does not speak this version's API (${parsed.error.issues[0]?.path.join('.')})`,
    'is it a Busbar of another version?',
  );
}

async function exchange(server: string, method: Dispatcher.HttpMethod, path: string, body?: unknown): Promise<unknown> {
  const credential = credentialFor(server, Date.now());
  const url = new URL(path, server);
  if (credential !== undefined && url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    throw new CliError(
      `a credential would cross the network in the clear to ${url.origin}`,
      `name the server with https:, or leave ${credential.from === 'BUSBAR_TOKEN' ? 'BUSBAR_TOKEN' : 'the sign-in'} out (busbar logout)`,
    );
  }
  let status: number;
  let answer: unknown;
  try {
    const reply = await request(url, {
      method,
      headers: {
        accept: 'application/json',
        'user-agent': 'busbar command line',
        ...(credential === undefined ? {} : { authorization: `Bearer ${credential.token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headersTimeout: 15_000,
      bodyTimeout: 15_000,
      ...dispatcher(),
    });
    status = reply.statusCode;
    const text = await reply.body.text();
    answer = text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    throw noAnswer(server, error);
  }
  if (status < 400) return answer;
  const told = problem.safeParse(answer);
  throw new CliError(
    told.success ? `${told.data.title}: ${told.data.detail}${listed(told.data)}` : `${path}: status ${status}`,
    hint(status, server, credential),
  );
}

/** Every mistake on a line of its own: of a site file, each with its place. */
const listed = ({ status, errors = [] }: Problem): string =>
  status === 422 ? errors.map(({ path, message }) => `\n  ${path}: ${message}`).join('') : '';

/** BUSBAR_CA names the certificate (PEM) to trust: the site's own authority, or a certificate that signs itself. */
function dispatcher(): { dispatcher?: Dispatcher } {
  const file = process.env['BUSBAR_CA'];
  if (file === undefined || file === '') return {};
  try {
    return { dispatcher: new Agent({ connect: { ca: readFileSync(file, 'utf8') } }) };
  } catch (error) {
    throw new CliError(`BUSBAR_CA: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function noAnswer(server: string, error: unknown): CliError {
  if (error instanceof CliError) return error;
  const code = (error as { code?: string }).code ?? String(error);
  if (/CERT|SIGNATURE|ALTNAME|ISSUER/.test(code)) {
    return new CliError(
      `${server} shows a certificate that is not trusted (${code})`,
      "name the site's certificate or authority with BUSBAR_CA, and the server by a name it is made out to",
    );
  }
  return new CliError(
    `no Busbar at ${server} (${code})`,
    'start one with "busbar demo", or name another with --server or BUSBAR_URL',
  );
}

function hint(status: number, server: string, credential: Credential | undefined): string | undefined {
  if (status === 401) {
    if (credential?.from === 'BUSBAR_TOKEN') return 'put a token that is good into BUSBAR_TOKEN, or leave it out';
    return `sign in with: busbar login --server ${server}`;
  }
  if (status !== 403) return undefined;
  const who = { BUSBAR_TOKEN: 'the token in BUSBAR_TOKEN', login: 'your account', local: 'this run' };
  return credential === undefined
    ? `sign in with: busbar login --server ${server}`
    : `${who[credential.from]} may not do this; an admin can change a role with: busbar users role NAME ROLE`;
}
