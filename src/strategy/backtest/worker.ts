import { parentPort, workerData } from 'node:worker_threads';
import { runPart, type PartRequest, type PartRun } from './part.ts';

/** Walks one part of a backtest in a thread of its own, so that months run side by side. */
export type PartReply =
  | { readonly run: PartRun }
  | { readonly failure: string }
  | { readonly share: number; readonly what: string };

if (parentPort !== null) {
  const port = parentPort;
  const say = (reply: PartReply): void => port.postMessage(reply);
  try {
    say({ run: await runPart(workerData as PartRequest, (share, what) => say({ share, what })) });
  } catch (error) {
    say({ failure: error instanceof Error ? error.message : String(error) });
  }
}
