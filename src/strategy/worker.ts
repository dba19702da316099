import { parentPort, workerData } from 'node:worker_threads';
import type { ConvertResult } from '../model/convert-api.ts';
import { stepBack } from '../dispatch/thread-priority.ts';
import { runStudy, type StudyRequest } from './run.ts';

/** Runs one study in a thread of its own, so that the server's loops run on. */
export type StudyReply = { readonly result: ConvertResult } | { readonly failure: string };

if (parentPort !== null) {
  stepBack();
  let reply: StudyReply;
  try {
    reply = { result: runStudy(workerData as StudyRequest) };
  } catch (error) {
    reply = { failure: error instanceof Error ? error.message : String(error) };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort.postMessage(reply);
}
