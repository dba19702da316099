import { Argument, type Command } from 'commander';
import { ROLES, signedIn, userList, type UserChange, type UserRow } from '../model/api.ts';
import { ask, defaultServer, send } from './client.ts';
import { saveSession, sessionFor } from './credentials.ts';
import { CliError, print, printJson, table } from './output.ts';
import { askHidden, newPassword, stdinLines } from './prompt.ts';

interface Options {
  readonly server: string;
  readonly json?: boolean;
  readonly role: string;
  readonly tenant?: string;
  readonly why?: string;
  readonly passwordStdin?: boolean;
}

const role = () => new Argument('<role>', 'what the account may do').choices(ROLES);
const path = (name: string) => `/api/v1/users/${encodeURIComponent(name)}`;

export function usersVerb(program: Command): void {
  const users = program.command('users').description('accounts: who may look, act and administer');
  const verb = (words: string, about: string): Command =>
    users
      .command(words)
      .description(about)
      .option('--json', 'as the API gives it, else { ok }')
      .option('--server <url>', 'address of the server', defaultServer());
  const why = (command: Command) => command.option('--why <text>', 'why, for the record');

  verb('list', 'all accounts').action(list);
  why(verb('add <name>', 'add an account; asks for its password'))
    .requiredOption('--role <role>', ROLES.join(', '))
    .option('--tenant <id>', 'of the site file: whose customer it is')
    .option('--password-stdin', 'read the password from standard input')
    .action(add);
  why(verb('passwd [name]', 'change your own password, or, as an admin, set that of another'))
    .option('--password-stdin', 'read it from standard input; your own: the old one first, on a line of its own')
    .action(passwd);
  why(verb('role <name>', 'what an account may do; ends its sessions'))
    .addArgument(role())
    .option('--tenant <id>', 'of the site file: whose customer it becomes')
    .action((name: string, to: UserRow['role'], options: Options) =>
      change(name, { role: to, ...ofTenant(options) }, options),
    );
  const simple: Readonly<Record<string, readonly [string, UserChange]>> = {
    disable: ['keep an account from signing in, and end its sessions; its tokens rest', { disabled: true }],
    enable: ['let it sign in again', { disabled: false }],
    unlock: ['forget its failed sign-ins', { unlock: true }],
  };
  for (const [word, [about, wish]] of Object.entries(simple)) {
    why(verb(`${word} <name>`, about)).action((name: string, options: Options) => change(name, wish, options));
  }
  verb('remove <name>', 'remove an account with its sessions and tokens').action(remove);
}

function done({ json }: Options, text: string): void {
  if (json === true) printJson({ ok: true });
  else print(text);
}

const ofTenant = ({ tenant }: Options) => (tenant === undefined ? {} : { tenant });
const because = ({ why }: Options) => (why === undefined ? {} : { why });

async function list({ server, json }: Options): Promise<void> {
  const view = await ask(server, '/api/v1/users', userList);
  if (json === true) return printJson(view);
  if (view.users.length === 0) return print('no accounts yet: busbar users add NAME --role admin');
  const head = ['name', 'role', 'state', 'last sign-in', 'failures', 'sessions', 'tokens'];
  const rows = view.users.map((user) => [
    user.name,
    user.tenant === null ? user.role : `${user.role} of ${user.tenant}`,
    user.disabled ? 'disabled' : user.lockedUntil === null ? 'good' : `locked until ${user.lockedUntil}`,
    user.signedInAt ?? 'never',
    String(user.failures),
    String(user.sessions),
    String(user.tokens),
  ]);
  print(table(head, rows, [4, 5, 6]));
}

async function add(name: string, options: Options): Promise<void> {
  const password = await newPassword(options.passwordStdin === true, name);
  const body = { name, role: options.role, ...ofTenant(options), password, ...because(options) };
  await send(options.server, 'POST', '/api/v1/users', body);
  done(options, `${name} can sign in as ${options.role}${options.tenant === undefined ? '' : ` of ${options.tenant}`}`);
}

async function passwd(name: string | undefined, options: Options): Promise<void> {
  if (name === undefined) return ownPassword(options);
  const password = await newPassword(options.passwordStdin === true, name);
  await change(name, { password }, options);
}

async function ownPassword(options: Options): Promise<void> {
  const { server } = options;
  if (sessionFor(server) === undefined)
    throw new CliError('whose password?', 'name somebody, or sign in first with "busbar login"');
  const lines = options.passwordStdin === true ? await stdinLines() : undefined;
  if (lines !== undefined && lines.length < 2)
    throw new CliError('two lines are wanted: the old password, and the new');
  const current = lines?.[0] ?? (await askHidden('Your password until now: '));
  const next = lines?.[1] ?? (await newPassword(false, 'yours'));
  const body = { current, next };
  const { token, who, expiresAt } = await send(server, 'POST', '/api/v1/account/password', body, signedIn);
  if (token !== undefined) saveSession(server, { token, who, expiresAt });
  done(options, 'your password is changed; you are signed out everywhere else');
}

async function change(name: string, wish: UserChange, options: Options): Promise<void> {
  await send(options.server, 'POST', path(name), { ...wish, ...because(options) });
  done(options, `${name}: done`);
}

async function remove(name: string, options: Options): Promise<void> {
  await send(options.server, 'DELETE', path(name));
  done(options, `${name} is removed`);
}
