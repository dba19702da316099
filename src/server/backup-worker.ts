/** The thread a backup or a restore is done in: hashing and copying take as long as the disk does. */
import { parentPort, workerData } from 'node:worker_threads';
import { stepBack } from '../dispatch/thread-priority.ts';
import { writeBackup, type Backup, type BackupPlan } from './offline/backup.ts';
import { totalBytes, verifyBackup } from './offline/manifest.ts';
import { stageRestore, type RestoreRecord } from './offline/restore.ts';

export type BackupTask =
  | { readonly kind: 'backup'; readonly plan: BackupPlan }
  | { readonly kind: 'verify'; readonly path: string }
  | { readonly kind: 'restore'; readonly path: string; readonly dataFolder: string; readonly record: RestoreRecord };
export type BackupNews =
  | { readonly done: number; readonly total: number }
  | { readonly backup: Pick<Backup, 'path' | 'bytes'> }
  | { readonly error: string };

stepBack();
const EVERY_BYTES = 1 << 24;
let told = 0;
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
const tell = (news: BackupNews): void => parentPort!.postMessage(news);
function progress(done: number, total: number): void {
  if (done < told) told = 0;
  if (done - told < EVERY_BYTES && done !== total && done !== 0) return;
  told = done;
  tell({ done, total });
}

function work(task: BackupTask): BackupNews {
  if (task.kind === 'backup') return { backup: writeBackup(task.plan, progress) };
  const { path } = task;
  const manifest =
    task.kind === 'verify' ? verifyBackup(path, progress) : stageRestore(path, task.dataFolder, task.record, progress);
  return { backup: { path, bytes: totalBytes(manifest) } };
}

try {
  tell(work(workerData as BackupTask));
} catch (error) {
  tell({ error: error instanceof Error ? error.message : String(error) });
}
