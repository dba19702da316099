/** The thread the database lives in: a commit waits for the disk here, and nowhere else. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Op, Outcome } from './queue.ts';
import { openSqlite, type SqliteStore } from './sqlite.ts';

export type StoreAsk = { readonly kind: 'read' | 'write' | 'close'; readonly ops: readonly Op[] };
/** First `opened`, or `closed` with the reason; then an outcome for each message. */
export type StoreReply = Outcome | { readonly opened: true } | { readonly closed: string };

const port = parentPort!;
const reply = (message: StoreReply): void => port.postMessage(message);
const store = open();

function open(): SqliteStore | undefined {
  try {
    const opened = openSqlite(workerData as string);
    reply({ opened: true });
    return opened;
  } catch (error) {
    reply({ closed: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
}

port.on('message', ({ kind, ops }: StoreAsk) => {
  if (store === undefined) return;
  if (kind !== 'close') return reply(kind === 'read' ? store.read(ops) : store.write(ops));
  store.close();
  reply({ answers: [] });
});
