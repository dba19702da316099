import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { overview } from '../model/api.ts';
import { ask, defaultServer } from './client.ts';
import { inWords, megabytes, runJob, withProgress } from './job.ts';
import { CliError, print, printJson } from './output.ts';

interface Options {
  readonly why?: string;
  readonly dryRun?: boolean;
  readonly data?: string;
  readonly server: string;
  readonly json?: boolean;
}

const BACK_MS = 60_000;

export function restoreVerb(program: Command): void {
  program
    .command('restore')
    .description('take a backup over: verified first, while machines keep running; what it replaces is kept')
    .argument('<backup>', "folder of the backup, on the server's machine")
    .option('--why <text>', 'kept with it, for whoever reads Activity')
    .option('--dry-run', 'verify, tell what would be done, and change nothing')
    .option('--data <folder>', 'without a server: the data folder to restore into')
    .option('--server <url>', 'address of the server', defaultServer())
    .option('--json', '{ path, bytes, restored, before }')
    .action((backup: string, options: Options) => inWords(() => runRestore(resolve(backup), options)));
}

async function runRestore(path: string, options: Options): Promise<void> {
  const { why, dryRun = false, data, json = false } = options;
  if (!dryRun && (why === undefined || why.length < 3))
    throw new CliError('say why, for whoever reads Activity', 'busbar restore BACKUP --why "..."');
  const reason = why ?? 'a look';
  const title = dryRun ? 'Verifying' : 'Verifying and copying';
  const { bytes, before } = await withProgress(title, json, async (told) => {
    if (data !== undefined) return offline(path, resolve(data), reason, dryRun, told);
    const body = { path, why: reason, onlyLook: dryRun };
    const job = await runJob(options.server, '/api/v1/restore', body, told);
    return { bytes: job.doneBytes, before: undefined };
  });
  if (data === undefined && !dryRun) await waitForServer(options.server, json);
  if (json) return printJson({ path, bytes, restored: !dryRun, before: before ?? null });
  if (dryRun)
    return print(
      `${path}: ${megabytes(bytes)}, whole. It would replace ledger, history and secrets; nothing was changed.`,
    );
  print(`${path} is restored (${megabytes(bytes)}).`);
  print(
    `What it replaced is in ${before ?? 'before-restore-... of the data folder'}; the site file was left as it is.`,
  );
}

async function offline(
  path: string,
  dataFolder: string,
  why: string,
  dryRun: boolean,
  told: (done: number, total: number | null) => void,
): Promise<{ bytes: number; before: string | undefined }> {
  process.umask(0o077);
  const { totalBytes, verifyBackup } = await import('../server/offline/manifest.ts');
  if (dryRun) return { bytes: totalBytes(verifyBackup(path, told)), before: undefined };
  const { restoreOffline } = await import('../server/offline/restore.ts');
  const now = Date.now();
  const record = { who: `${userInfo().username} (offline)`, why, siteMs: now, wallMs: now, from: path };
  const { manifest, before } = await restoreOffline(path, dataFolder, record, told);
  return { bytes: totalBytes(manifest), before };
}

/** It goes a moment after it answered: the first silence, then the first answer. */
async function waitForServer(server: string, json: boolean): Promise<void> {
  if (!json) print('the server starts again ...');
  await pause(2_000);
  const end = performance.now() + BACK_MS;
  for (;;) {
    try {
      await ask(server, '/api/v1/overview', overview);
      return;
    } catch (error) {
      // Sessions and tokens are those of the backup now: who is refused has been answered.
      if (!(error instanceof CliError) || !error.message.startsWith('no Busbar at')) return;
      if (performance.now() > end)
        throw new CliError(`${server} did not come back within ${BACK_MS / 1000} s`, 'its own words are in its log');
    }
    await pause(500);
  }
}
