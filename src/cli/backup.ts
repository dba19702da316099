import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Command } from 'commander';
import { defaultServer } from './client.ts';
import { inWords, megabytes, runJob, withProgress } from './job.ts';
import { number } from './options.ts';
import { CliError, print, printJson } from './output.ts';

interface Options {
  readonly to?: string;
  readonly keep?: number;
  readonly why: string;
  readonly data?: string;
  readonly site?: string;
  readonly server: string;
  readonly json?: boolean;
}

export function backupVerb(program: Command): void {
  program
    .command('backup')
    .description('copy ledger, history, site file and encrypted secrets, while the site runs')
    .option(
      '--to <folder>',
      "where the backup becomes a folder, on the server's machine (default: backups in its data)",
    )
    .option('--keep <n>', 'remove older backups of this site beyond so many', number(1, 1_000))
    .option('--why <text>', 'kept with it, for whoever reads Activity', 'asked for')
    .option('--data <folder>', 'without a server: the data folder to copy')
    .option('--site <file>', 'with --data: the site file to put in the backup')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ path, bytes }')
    .action((options: Options) => inWords(() => runBackup(options)));
}

async function runBackup(options: Options): Promise<void> {
  const json = options.json === true;
  const { path, bytes } = await withProgress('Backing up', json, (told) =>
    options.data === undefined ? onServer(options, told) : offline(options, options.data, told),
  );
  if (json) return printJson({ path, bytes });
  print(`${path}: ${megabytes(bytes)}, whole. The key of the secrets is not in it.`);
}

async function onServer(
  { to, keep, why, server, site }: Options,
  told: (done: number, total: number | null) => void,
): Promise<{ path: string; bytes: number }> {
  if (site !== undefined) throw new CliError('--site goes with --data: a server knows its site file');
  const body = { why, ...(to === undefined ? {} : { to: resolve(to) }), ...(keep === undefined ? {} : { keep }) };
  const job = await runJob(server, '/api/v1/backups', body, told);
  return { path: job.path!, bytes: job.doneBytes };
}

async function offline(
  { to, keep, site }: Options,
  data: string,
  told: (done: number, total: number | null) => void,
): Promise<{ path: string; bytes: number }> {
  process.umask(0o077);
  const dataFolder = resolve(data);
  // What `busbar up` takes by itself lies beside the data folder.
  const siteFile = site === undefined ? beside(dataFolder) : resolve(site);
  if (site !== undefined && !existsSync(site)) throw new CliError(`${site}: no such file`);
  const { backUpOffline } = await import('../server/offline/backup.ts');
  await turn();
  return backUpOffline(
    {
      dataFolder,
      to: to === undefined ? join(dataFolder, 'backups') : resolve(to),
      siteFile,
      site: await nameOf(siteFile),
      version: versionOf(),
      now: new Date(),
      keep,
    },
    told,
  );
}

function beside(dataFolder: string): string | undefined {
  const file = join(dataFolder, '..', 'site.yaml');
  return existsSync(file) ? file : undefined;
}

async function nameOf(siteFile: string | undefined): Promise<string> {
  if (siteFile === undefined) return 'site';
  const { parse } = await import('yaml');
  const { name } = (parse(readFileSync(siteFile, 'utf8')) ?? {}) as { name?: unknown };
  return typeof name === 'string' ? name : 'site';
}

function versionOf(): string {
  const file = join(import.meta.dirname, '..', '..', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
