/** The thread history lives in: Parquet and DuckDB never hold up the event loop that commands machines. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SiteMs } from '../../model/index.ts';
import { openEngine } from './engine.ts';
import type { HistoryQuery, Retention, Sample } from './samples.ts';

export interface HistoryWorkerData {
  readonly folder: string;
  readonly retention: Retention;
}

export type HistoryAsk =
  | { readonly op: 'add'; readonly samples: readonly Sample[] }
  | { readonly op: 'save'; readonly id: number; readonly now: SiteMs }
  | { readonly op: 'query'; readonly id: number; readonly query: HistoryQuery }
  | { readonly op: 'usage'; readonly id: number }
  | { readonly op: 'snapshot'; readonly id: number; readonly to: string }
  | { readonly op: 'close'; readonly id: number };

export type HistoryAnswer = { readonly id: number; readonly result?: unknown; readonly error?: string };

const port = parentPort!;
const { folder, retention } = workerData as HistoryWorkerData;
const engine = openEngine(folder, retention);

async function answer(ask: Exclude<HistoryAsk, { op: 'add' }>): Promise<unknown> {
  const history = await engine;
  if (ask.op === 'save') return history.save(ask.now);
  if (ask.op === 'query') return history.query(ask.query);
  if (ask.op === 'usage') return history.usage();
  if (ask.op === 'snapshot') return history.snapshot(ask.to);
  return history.close();
}

port.on('message', (ask: HistoryAsk) => {
  if (ask.op === 'add') {
    void engine.then((history) => history.add(ask.samples));
    return;
  }
  const { id } = ask;
  answer(ask).then(
    (result) => port.postMessage({ id, result } satisfies HistoryAnswer),
    (error: unknown) => port.postMessage({ id, error: String(error) } satisfies HistoryAnswer),
  );
});
