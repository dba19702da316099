import type { Command } from 'commander';
import { signedIn } from '../model/api.ts';
import { defaultServer, send } from './client.ts';
import { forgetSession, saveSession, sessionFor } from './credentials.ts';
import { CliError, print, printJson } from './output.ts';
import { askHidden, askLine, stdinLines } from './prompt.ts';

interface Options {
  readonly server: string;
  readonly name?: string;
  readonly passwordStdin?: boolean;
  readonly json?: boolean;
}

export function loginVerb(program: Command): void {
  program
    .command('login')
    .description('sign in by name and password; kept for this server until "busbar logout"')
    .option('--name <name>', 'who you are (asked for where it is left out)')
    .option('--password-stdin', 'read the password from standard input')
    .option('--json', '{ who, role, expiresAt }')
    .option('--server <url>', 'address of the server', defaultServer())
    .action(login);
  program
    .command('logout')
    .description('end the sign-in of this server, here and there')
    .option('--json', '{ ok }')
    .option('--server <url>', 'address of the server', defaultServer())
    .action(logout);
}

async function login({ server, name, passwordStdin, json }: Options): Promise<void> {
  if (process.env['BUSBAR_TOKEN'])
    throw new CliError('BUSBAR_TOKEN is set, and would be used in place of a sign-in', 'unset it first');
  if (passwordStdin === true && name === undefined) throw new CliError('--password-stdin needs --name as well');
  const who = name ?? (await askLine('Name: '));
  const password = passwordStdin === true ? ((await stdinLines())[0] ?? '') : await askHidden('Password: ');
  // An old one is not sent along: it may have ended, and would be refused.
  forgetSession(server);
  const body = { name: who, password, as: 'bearer' };
  const { token, ...session } = await send(server, 'POST', '/api/v1/signin', body, signedIn);
  if (token === undefined)
    throw new CliError('the server handed over no session', 'is it a Busbar of another version?');
  saveSession(server, { token, who: session.who, expiresAt: session.expiresAt });
  if (json === true) printJson(session);
  else print(`signed in as ${session.who} (${session.role}) until ${session.expiresAt} at the latest`);
}

async function logout({ server, json }: Options): Promise<void> {
  const session = sessionFor(server);
  if (session === undefined) throw new CliError(`not signed in at ${server}`);
  try {
    await send(server, 'POST', '/api/v1/signout');
  } finally {
    // Gone from here even where the server cannot be told.
    forgetSession(server);
  }
  if (json === true) printJson({ ok: true });
  else print(`${session.who} is signed out`);
}
