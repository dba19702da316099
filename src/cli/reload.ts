import type { Command } from 'commander';
import { reloadResult, type ReloadResult } from '../model/api.ts';
import { defaultServer, send } from './client.ts';
import { print, printJson } from './output.ts';

export function reloadVerb(program: Command): void {
  program
    .command('reload')
    .description('let a running server read its site file again, and tell what changes')
    .option('--dry-run', 'only tell what would change')
    .option('--why <text>', 'kept with the change, for whoever reads Activity', 'the site file was edited')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ applied, changes: [{ kind, path, before, after, needsRestart, text }] }')
    .action(async (options: { dryRun?: boolean; why: string; server: string; json?: boolean }) => {
      const body = { why: options.why, onlyLook: options.dryRun === true };
      const result = await send(options.server, 'POST', '/api/v1/site/reload', body, reloadResult);
      if (options.json === true) return printJson(result);
      print(changesText(result));
    });
}

/** What changes of the site file, a line each, and whether it is in force. */
export function changesText({ applied, changes }: ReloadResult): string {
  if (changes.length === 0) return 'Nothing changes.';
  const lines = changes.map(({ text }) => `  ${text}`);
  return [...lines, `${changes.length} changes ${applied ? 'are in force' : 'would be made'}.`].join('\n');
}
