import { Option, type Command } from 'commander';
import { ROLES, tokenList, tokenMade } from '../model/api.ts';
import { ask, defaultServer, send } from './client.ts';
import { number } from './options.ts';
import { print, printJson, table } from './output.ts';

interface Options {
  readonly server: string;
  readonly json?: boolean;
  readonly all?: boolean;
  readonly role: string;
  readonly tags?: string;
  readonly days: number;
}

export function tokensVerb(program: Command): void {
  const tokens = program.command('tokens').description('API tokens, for programs: scoped, dated, revocable');
  const verb = (words: string, about: string): Command =>
    tokens
      .command(words)
      .description(about)
      .option('--json', 'as the API gives it, else { ok }')
      .option('--server <url>', 'address of the server', defaultServer());

  verb('list', 'your tokens').option('--all', 'those of everybody (admins)').action(list);
  verb('create <name>', 'make a token; it is shown this once')
    .addOption(new Option('--role <role>', 'the most it may do').choices(ROLES).default('viewer'))
    .option('--tags <list>', 'routes it is for, such as metrics or site,machines; all where it is left out')
    .option('--days <n>', 'how long it is good', number(1, 365), 90)
    .action(create);
  verb('revoke <id>', 'end a token at once').action(revoke);
}

async function list({ server, json, all }: Options): Promise<void> {
  const view = await ask(server, `/api/v1/account/tokens?all=${all === true}`, tokenList);
  if (json === true) return printJson(view);
  if (view.tokens.length === 0) return print('no tokens: busbar tokens create NAME');
  const head = ['id', 'name', 'owner', 'role', 'for', 'expires', 'last used'];
  const rows = view.tokens.map((token) => [
    token.id,
    token.name,
    token.owner,
    token.role,
    token.tags?.join(',') ?? 'all',
    token.expired ? `${token.expiresAt} (expired)` : token.expiresAt,
    token.usedAt ?? 'never',
  ]);
  print(table(head, rows));
}

async function create(name: string, { server, json, role, tags, days }: Options): Promise<void> {
  const body = { name, role, tags: tags?.split(',').map((tag) => tag.trim()) ?? null, days };
  const made = await send(server, 'POST', '/api/v1/account/tokens', body, tokenMade);
  if (json === true) return printJson(made);
  print(made.token);
  process.stderr.write(
    `good until ${made.row.expiresAt}; it is shown this once. Revoke it with: busbar tokens revoke ${made.row.id}\n`,
  );
}

async function revoke(id: string, { server, json }: Options): Promise<void> {
  await send(server, 'DELETE', `/api/v1/account/tokens/${encodeURIComponent(id)}`);
  if (json === true) printJson({ ok: true });
  else print(`${id} is revoked`);
}
