import type { Command } from 'commander';
import { CaptureError, replayFolder, type ReplayResult } from '../server/offline/capture/replay.ts';
import { CliError, print, printJson } from './output.ts';

export function replayVerb(program: Command): void {
  program
    .command('replay')
    .description('read a folder of captured replies as if a machine had sent them: what it says, lacks and garbles')
    .argument('<folder>', 'one file an answer, named for its command: summary.json, pools.json')
    .option('--driver <name>', 'read it with this driver; absent: the one that recognises it')
    .option('--json', '{ driver, recognisedBy, modelId, reading, missing, notUnderstood, notCaptured, unusedFiles }')
    .action(async (folder: string, { driver, json }: { driver?: string; json?: boolean }) => {
      const result = await replayFolder(folder, driver, Date.now()).catch((error: unknown) => {
        if (error instanceof CaptureError) throw new CliError(error.message);
        throw error;
      });
      if (result.reading === null) process.exitCode = 1;
      if (json === true) return printJson(result);
      print(replayText(result));
    });
}

export function replayText(result: ReplayResult): string {
  if (result.driver === null)
    return `${result.folder}: no driver understands any of it.\nThe files: ${result.unusedFiles.join(', ')}. To write a driver from them: busbar driver new NAME`;
  const how = { fingerprint: 'recognised', trial: 'found by trying every driver', asked: 'as asked' };
  const lines = [
    `${result.driver} (${how[result.recognisedBy ?? 'asked']})${result.modelId === null ? '' : `, ${result.modelId}`}`,
  ];
  for (const [key, value] of Object.entries(result.reading ?? {})) {
    if (value !== undefined) lines.push(`  ${key.padEnd(18)} ${short(value)}`);
  }
  if (result.reading === null) lines.push('  nothing was read');
  const list = (title: string, entries: readonly string[]) =>
    entries.length > 0 && lines.push(`${title}: ${entries.join(', ')}`);
  list('missing', result.missing);
  for (const { part, kind, message } of result.notUnderstood)
    lines.push(`not understood, ${part}: ${kind}: ${message}`);
  list('not captured', result.notCaptured);
  list('not used', result.unusedFiles);
  return lines.join('\n');
}

function short(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 97)}...` : text;
}
