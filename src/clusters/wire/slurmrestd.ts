import type { z } from 'zod';
import { Fault, type HttpReply } from '../../model/index.ts';
import type { ClusterIo } from '../cluster.ts';
import { pingReply, type SlurmErrors } from './slurm-shapes.ts';

/** Versions whose fields are known here, the newest first. */
const KNOWN = [44, 43, 42, 41, 40, 39, 38, 37, 36] as const;

/** What a release without better words says of a token that has expired or is of another user, by ESLURM number. */
const MAYBE_TOKEN: readonly number[] = [-1, 1000, 1007, 7000];
const DATABASE_SILENT = 7000;

/** slurmrestd could not reach the controller (slurm_errno.h): nothing was carried out. */
const UNREACHED: readonly number[] = [1001, 1800];
/** The line to the controller broke: nobody knows what was carried out. 22.05 says 5005 of a submission with the token of another user, too. */
const BROKEN_OFF: readonly number[] = [1002, 1003, 1004, 1801, 1802, 1803, 5000, 5001, 5002, 5003, 5004, 5005];

type Reply = { errors: SlurmErrors };

interface Call<S extends z.ZodType<Reply>> {
  readonly api?: 'slurm' | 'slurmdb';
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly shape: S;
  /** By the version that answers: 38 is v0.0.38. */
  readonly body?: (version: number) => unknown;
  /** Not to be carried out twice: after a silence nobody knows whether it was. */
  readonly once?: boolean;
  /** Whether it was carried out although an error is told. */
  readonly isDone?: (reply: z.output<S>) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Where the JWT comes from. */
export interface TokenSource {
  get(signal: AbortSignal | undefined): Promise<string | undefined>;
  /** The token was refused. @returns whether the next one will be another */
  drop(): boolean;
}

export interface Slurmrestd {
  call<S extends z.ZodType<Reply>>(call: Call<S>): Promise<z.output<S>>;
  /** Number of the version in use: 38 is v0.0.38. */
  version(signal: AbortSignal | undefined): Promise<number>;
}

/**
 * One or several slurmrestd of one Slurm. The next is asked where one is silent, and stays in use; a request that must
 * not be carried out twice goes on only where the one before was not even reached.
 */
export function openSlurmrestd(
  options: {
    readonly urls: readonly string[];
    readonly user: string;
    readonly version: number | undefined;
    readonly timeoutMs: number;
  },
  tokens: TokenSource,
  io: ClusterIo,
): Slurmrestd {
  const versions = new Map<string, number>();
  let current = 0;

  async function ask(url: string, method: Call<never>['method'], signal: AbortSignal | undefined, body?: unknown) {
    const token = await tokens.get(signal);
    return io.http.ask({
      method,
      url,
      headers: {
        'x-slurm-user-name': options.user,
        ...(token === undefined ? {} : { 'x-slurm-user-token': token }),
        'content-type': 'application/json',
      },
      timeoutMs: options.timeoutMs,
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async function versionAt(base: string, signal: AbortSignal | undefined): Promise<number> {
    const known = options.version ?? versions.get(base);
    if (known !== undefined) return known;
    let last: HttpReply | undefined;
    for (const version of KNOWN) {
      last = await ask(`${base}/slurm/v0.0.${version}/ping/`, 'GET', signal);
      if (last.status === 404) continue;
      demandAllowed(last, 'slurmrestd GET /ping/');
      if (!pingReply.safeParse(tryJson(last.body)).success) throw notUnderstood(last, 'slurmrestd GET /ping/');
      versions.set(base, version);
      return version;
    }
    throw new Fault(
      'unsupported',
      `slurmrestd at ${base}: 404 for every version from v0.0.${KNOWN.at(-1)} to v0.0.44`,
      {
        bytes: last?.body ?? '',
      },
    );
  }

  /** Some releases say of an expired token what they say of much else; the ping, which has no other way to fail, tells. */
  async function isTokenRefused(base: string, version: number, signal: AbortSignal | undefined): Promise<boolean> {
    const reply = await ask(`${base}/slurm/v0.0.${version}/ping/`, 'GET', signal);
    const parsed = pingReply.safeParse(tryJson(reply.body));
    return reply.status === 401 || (parsed.success && parsed.data.errors.length > 0);
  }

  async function callAt<S extends z.ZodType<Reply>>(base: string, call: Call<S>): Promise<z.output<S>> {
    const { method, path, shape, signal } = call;
    const version = await versionAt(base, signal);
    const where = `slurmrestd ${method} ${path}`;
    const url = `${base}/${call.api ?? 'slurm'}/v0.0.${version}${path}`;
    const reply = await ask(url, method, signal, call.body?.(version));
    demandAllowed(reply, where);
    const parsed = shape.safeParse(tryJson(reply.body));
    if (!parsed.success) {
      // A slurmrestd that was replaced may speak another version.
      if (reply.status === 404) versions.delete(base);
      const problem = parsed.error.issues[0];
      throw notUnderstood(reply, where, `${problem?.path.join('.')}: ${problem?.message}`);
    }
    const failed = parsed.data.errors[0];
    if ((failed === undefined && reply.status < 400) || call.isDone?.(parsed.data) === true) return parsed.data;
    const number = failed?.error_number ?? failed?.errno ?? failed?.error_code ?? undefined;
    const said = `${where}: ${failed?.error ?? `status ${reply.status}`} (${number ?? '-'})`;
    if (number === undefined) throw new Fault('refused', said);
    if (UNREACHED.includes(number)) throw new Fault('unreachable', `${said}; is slurmctld up?`);
    const isBrokenOff = BROKEN_OFF.includes(number);
    if ((isBrokenOff || MAYBE_TOKEN.includes(number)) && (await isTokenRefused(base, version, signal)))
      throw new Fault('unauthorised', `${said}; as it says of a token that has expired or is not of this user`);
    if (isBrokenOff) throw new Fault('timeout', `${said}; is slurmctld up?`);
    if (number === DATABASE_SILENT) throw new Fault('unreachable', `${said}; is slurmdbd up?`);
    throw new Fault('refused', said);
  }

  /** A token that can be had anew is, once. */
  async function withFreshToken<S extends z.ZodType<Reply>>(base: string, call: Call<S>): Promise<z.output<S>> {
    try {
      return await callAt(base, call);
    } catch (error) {
      if (!(error instanceof Fault) || error.kind !== 'unauthorised' || !tokens.drop()) throw error;
      return callAt(base, call);
    }
  }

  async function failOver<T>(
    signal: AbortSignal | undefined,
    once: boolean,
    on: (base: string) => Promise<T>,
  ): Promise<T> {
    const { urls } = options;
    const first = current;
    for (let tried = 1; ; tried += 1) {
      const index = (first + tried - 1) % urls.length;
      try {
        const result = await on(urls[index]!.replace(/\/$/, ''));
        current = index;
        return result;
      } catch (error) {
        if (!(error instanceof Fault) || signal?.aborted === true || urls.length === 1) throw error;
        const isSilent = error.kind === 'unreachable' || error.kind === 'timeout';
        if (!isSilent || (once && error.kind === 'timeout')) throw error;
        if (tried === urls.length)
          throw new Fault(error.kind, `none of ${urls.length} slurmrestd answers; the last: ${error.message}`, {
            cause: error,
          });
      }
    }
  }

  return {
    call: (call) => failOver(call.signal, call.once === true, (base) => withFreshToken(base, call)),
    version: (signal) => failOver(signal, false, (base) => versionAt(base, signal)),
  };
}

function demandAllowed(reply: HttpReply, where: string): void {
  if (reply.status === 401 || reply.status === 403)
    throw new Fault('unauthorised', `${where}: ${reply.status}; is the token fresh and the user right?`);
}

/** A bad path and a bad body are answered in plain text, and so with no errors[] to read. */
function notUnderstood(reply: HttpReply, where: string, problem = 'no answer of slurmrestd'): Fault {
  const bytes = { bytes: reply.body };
  if (reply.status === 404) return new Fault('unsupported', `${where}: 404; this slurmrestd has no such call`, bytes);
  if (reply.status >= 400) return new Fault('refused', `${where}: ${reply.status} ${reply.body.slice(0, 200)}`, bytes);
  return new Fault('garbled', `${where}: ${problem}`, bytes);
}

function tryJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
