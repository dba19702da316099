import { resolve } from 'node:path';
import type { Command } from 'commander';
import { isoUtc, siteMs } from '../model/index.ts';
import { verifyAuditOf } from '../server/offline/audit.ts';
import { CliError, count, print, printJson } from './output.ts';

export function auditVerb(program: Command): void {
  program
    .command('audit')
    .description('the record of who did what, why, and what came of it')
    .command('verify')
    .description(
      'check that no entry of the record was changed, taken out or put in later; exit status 1 where one was',
    )
    .option('--data <folder>', 'data folder or backup; a running site is not disturbed', '.busbar')
    .option('--head <hash...>', 'hashes kept elsewhere that must be in the chain: shows an end cut off, too')
    .option('--json', '{ whole, entries, head, headAt, broken: [sentence] }')
    .action((options: { data: string; head?: string[]; json?: boolean }) => verify(options));
}

function verify({ data, head: heads = [], json }: { data: string; head?: string[]; json?: boolean }): void {
  const verdict = verified(resolve(data), heads);
  const { entries, head, headAtMs, broken } = verdict;
  const headAt = headAtMs === undefined ? undefined : isoUtc(siteMs(headAtMs));
  if (broken.length > 0) process.exitCode = 1;
  if (json === true)
    return printJson({ whole: broken.length === 0, entries, head: head ?? null, headAt: headAt ?? null, broken });
  for (const sentence of broken) print(sentence);
  if (broken.length > 0) return print(`The record does not hold: ${broken.length} of its links are broken.`);
  if (head === undefined) return print('The record is empty.');
  print(`The record is whole: ${count(entries)} entries, the last at ${headAt} (site time).`);
  print(`Head ${head}`);
  print('Keep the head elsewhere: `busbar audit verify --head HASH` proves later that nothing before it was changed.');
}

function verified(folder: string, heads: readonly string[]): ReturnType<typeof verifyAuditOf> {
  try {
    return verifyAuditOf(folder, heads);
  } catch (error) {
    throw new CliError(error instanceof Error ? error.message : String(error), 'busbar audit verify --data FOLDER');
  }
}
