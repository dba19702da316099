import { Worker } from 'node:worker_threads';
import type { SiteMs } from '../../model/index.ts';
import type { HistoryPoint, HistoryQuery, HistoryUsage, Retention, Sample } from './samples.ts';
import type { HistoryAnswer, HistoryAsk, HistoryWorkerData } from './worker.ts';

/** Telemetry history, off the event loop. A question is answered after what was added before it. */
export interface History {
  add(samples: readonly Sample[]): void;
  /** Puts on disk what is in memory, and keeps to the retention. @throws Error where the disk does not take it */
  save(now: SiteMs): Promise<void>;
  query(query: HistoryQuery): Promise<readonly HistoryPoint[]>;
  usage(): Promise<HistoryUsage>;
  /** Saves, and links (or copies) every file of that moment below another folder. @throws Error where the disk does not take it */
  snapshot(to: string): Promise<void>;
  close(): Promise<void>;
}

type Ask = HistoryAsk extends infer A ? (A extends { id: number } ? Omit<A, 'id'> : never) : never;

/** @param folder holds the files; made where it is not there */
export function openHistory(folder: string, retention: Retention): History {
  const data: HistoryWorkerData = { folder, retention };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: data });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 1;
  let ended: Error | undefined;

  worker.on('message', ({ id, result, error }: HistoryAnswer) => {
    const asker = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asker?.resolve(result);
    else asker?.reject(new Error(`history: ${error}`));
  });
  const fail = (error: Error): void => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('history: its thread has ended')));

  function ask<T>(question: Ask): Promise<T> {
    if (ended !== undefined) return Promise.reject(ended);
    const id = next;
    next += 1;
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ ...question, id });
    });
  }

  return {
    add(samples) {
      if (ended !== undefined) return;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage({ op: 'add', samples } satisfies HistoryAsk);
    },
    save: (now) => ask({ op: 'save', now }),
    query: (query) => ask({ op: 'query', query }),
    usage: () => ask({ op: 'usage' }),
    snapshot: (to) => ask({ op: 'snapshot', to }),
    async close() {
      if (ended === undefined) await ask({ op: 'close' });
      await worker.terminate();
    },
  };
}
