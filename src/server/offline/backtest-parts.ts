import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { isoUtc } from '../../model/index.ts';
import type { RunParts } from '../../strategy/backtest/index.ts';
import type { PartRequest, PartRun } from '../../strategy/backtest/part.ts';
import type { PartReply } from '../../strategy/backtest/worker.ts';

/**
 * Runs parts side by side, each in a thread.
 * @param jobs how many at once
 * @param folder what is done is kept there, and not done again by whoever asks for the same: same site, same history, same version
 */
export function partsSideBySide(jobs: number, folder: string | undefined): RunParts {
  return async (parts, onProgress) => {
    const version = folder === undefined ? '' : await versionOf();
    const runs: PartRun[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < parts.length; i = next++) {
        const part = parts[i]!;
        const file = folder === undefined ? undefined : join(folder, nameOf(part, version));
        const kept = file === undefined ? undefined : await readKept(file);
        const run = kept ?? (await inThread(part, (share, what) => onProgress(i, share, what)));
        if (kept === undefined && file !== undefined) await keep(file, run);
        runs[i] = run;
        if (kept !== undefined) onProgress(i, 1, 'kept from before');
      }
    };
    if (folder !== undefined) await mkdir(folder, { recursive: true });
    await Promise.all(Array.from({ length: Math.min(jobs, parts.length) }, worker));
    return runs;
  };
}

function inThread(part: PartRequest, onProgress: (share: number, what: string) => void): Promise<PartRun> {
  const { promise, resolve, reject } = Promise.withResolvers<PartRun>();
  const thread = new Worker(new URL('../../strategy/backtest/worker.ts', import.meta.url), { workerData: part });
  thread.on('message', (reply: PartReply) => {
    if ('share' in reply) onProgress(reply.share, reply.what);
    else if ('run' in reply) resolve(reply.run);
    else reject(new Error(reply.failure));
  });
  thread.on('error', reject);
  thread.on('exit', (code) => reject(new Error(`a thread of the backtest ended with code ${code}`)));
  return promise.finally(() => void thread.terminate());
}

/** Another site, history, period or version has another name, and so is never taken for this one. */
function nameOf(part: PartRequest, version: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([version, part]))
    .digest('hex');
  return `${isoUtc(part.from).slice(0, 10)}-${digest.slice(0, 16)}.json`;
}

async function versionOf(): Promise<string> {
  const file = join(import.meta.dirname, '..', '..', '..', 'package.json');
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
}

/** A file that cannot be read whole was cut off: its part is run again. */
async function readKept(file: string): Promise<PartRun | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as PartRun;
  } catch {
    return undefined;
  }
}

async function keep(file: string, run: PartRun): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(run));
  await rename(`${file}.new`, file);
}
