import { Fault, type SecretRef, type WallMs } from '../../model/index.ts';
import type { ClusterIo } from '../cluster.ts';
import type { Scontrol } from './scontrol.ts';
import type { TokenSource } from './slurmrestd.ts';

/** A token is replaced when this part of its life is over. */
const RENEW_AT = 0.7;

/**
 * The JWT of slurmrestd: made by `scontrol token` and renewed before it expires, or read from where the site keeps it,
 * afresh each time. What `scontrol token` prints may lie there as it is.
 */
export function tokenSource(
  settings: {
    readonly user: string;
    readonly token?: SecretRef | undefined;
    readonly scontrol?: { readonly makesTokens: boolean; readonly tokenLifetimeS: number } | undefined;
  },
  io: ClusterIo,
  scontrol: () => Scontrol | undefined,
): TokenSource {
  const { user, token, scontrol: makes } = settings;
  if (makes?.makesTokens !== true)
    return {
      async get() {
        return token === undefined ? undefined : bare(io.secret(token));
      },
      drop: () => false,
    };
  const lifetimeS = makes.tokenLifetimeS;
  let made: { readonly jwt: string; readonly at: WallMs } | undefined;
  let making: Promise<string> | undefined;

  async function make(signal: AbortSignal | undefined): Promise<string> {
    const at = io.wallNow();
    const jwt = bare((await scontrol()!.run('token', [user, lifetimeS], signal)).trim());
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(jwt)) throw new Fault('garbled', 'scontrol token: printed no JWT');
    made = { jwt, at };
    return jwt;
  }
  return {
    async get(signal) {
      if (made !== undefined && io.wallNow() - made.at < lifetimeS * 1000 * RENEW_AT) return made.jwt;
      making ??= make(signal).finally(() => (making = undefined));
      return making;
    },
    drop() {
      const had = made !== undefined;
      made = undefined;
      return had;
    },
  };
}

const bare = (printed: string): string => printed.replace(/^SLURM_JWT=/, '');
