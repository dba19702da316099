import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError } from './output.ts';

/**
 * What the command line signs in with, by server: `$XDG_CONFIG_HOME/busbar/credentials.json` (else under ~/.config),
 * readable by its owner alone. `sessions` are made by `busbar login`; `local` names the file in which a server of this
 * machine keeps the token of its run.
 */
const shape = z.object({
  sessions: z.record(z.string(), z.object({ token: z.string(), who: z.string(), expiresAt: z.string() })).default({}),
  local: z.record(z.string(), z.string()).default({}),
});
type Credentials = z.infer<typeof shape>;
export type StoredSession = Credentials['sessions'][string];

function folder(): string {
  const home = process.env['XDG_CONFIG_HOME'];
  return join(home === undefined || home === '' ? join(homedir(), '.config') : home, 'busbar');
}
const place = (): string => join(folder(), 'credentials.json');

/** One server has one key, however its address is written. */
export function keyOf(server: string): string {
  try {
    return new URL(server).origin;
  } catch {
    throw new CliError(`"${server}" is not an address`, 'such as http://127.0.0.1:7400, with --server or BUSBAR_URL');
  }
}

export function readCredentials(): Credentials {
  const file = place();
  if (!existsSync(file)) return { sessions: {}, local: {} };
  const { mode } = statSync(file);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new CliError(`${file} can be read by others`, `chmod 600 ${file}`);
  const parsed = shape.safeParse(tryJson(readFileSync(file, 'utf8')));
  if (!parsed.success)
    throw new CliError(`${file} is not understood`, 'remove it, and sign in again with "busbar login"');
  return parsed.data;
}

export function writeCredentials(credentials: Credentials): void {
  mkdirSync(folder(), { recursive: true, mode: 0o700 });
  const fresh = `${place()}.${process.pid}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  renameSync(fresh, place());
}

export function saveSession(server: string, session: StoredSession): void {
  const all = readCredentials();
  writeCredentials({ ...all, sessions: { ...all.sessions, [keyOf(server)]: session } });
}

/** What was forgotten, where there was a session. */
export function forgetSession(server: string): StoredSession | undefined {
  const all = readCredentials();
  const { [keyOf(server)]: gone, ...rest } = all.sessions;
  if (gone !== undefined) writeCredentials({ ...all, sessions: rest });
  return gone;
}

export const sessionFor = (server: string): StoredSession | undefined => readCredentials().sessions[keyOf(server)];

export interface Credential {
  readonly token: string;
  /** Where it is from, for what is said when it is refused. */
  readonly from: 'BUSBAR_TOKEN' | 'login' | 'local';
}

/** BUSBAR_TOKEN, else the session of `busbar login`, else the token of a server that runs on this machine. */
export function credentialFor(server: string, now: number): Credential | undefined {
  const given = process.env['BUSBAR_TOKEN'];
  if (given !== undefined && given !== '') return { token: given, from: 'BUSBAR_TOKEN' };
  const { sessions, local } = readCredentials();
  const session = sessions[keyOf(server)];
  if (session !== undefined && Date.parse(session.expiresAt) > now) return { token: session.token, from: 'login' };
  const file = local[keyOf(server)];
  if (file === undefined) return undefined;
  try {
    return { token: readFileSync(file, 'utf8').trim(), from: 'local' };
  } catch {
    // That server has ended, or belongs to somebody else.
    return undefined;
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
