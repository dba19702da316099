import { setTimeout as pause } from 'node:timers/promises';
import { Listr } from 'listr2';
import { jobStarted, jobView, type JobView } from '../model/api.ts';
import { ask, send } from './client.ts';
import { CliError, print } from './output.ts';

/** Work that takes a while, shown as it gets on: a line that moves on a terminal, plain lines elsewhere, none for JSON. */

const LOOK_MS = 250;
const LINE_MS = 5_000;

export const megabytes = (bytes: number): string =>
  `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: 1 })} MB`;

export type Told = (doneBytes: number, totalBytes: number | null) => void;

/** @param work is handed what tells how far it is */
export async function withProgress<T>(title: string, json: boolean, work: (told: Told) => Promise<T>): Promise<T> {
  const line = (done: number, total: number | null): string =>
    total === null || total === 0 ? megabytes(done) : `${megabytes(done)} of ${megabytes(total)}`;
  if (json) return work(() => {});
  if (!process.stdout.isTTY) {
    let last = performance.now();
    print(`${title} ...`);
    return work((done, total) => {
      if (performance.now() - last < LINE_MS) return;
      last = performance.now();
      print(`  ${line(done, total)}`);
    });
  }
  let result: { value: T } | undefined;
  const tasks = new Listr([
    {
      title,
      task: async (_, task) => {
        result = { value: await work((done, total) => (task.output = line(done, total))) };
      },
    },
  ]);
  await tasks.run();
  return result!.value;
}

/** Begins a job of the server and waits until it is done. @throws CliError with what the server says went wrong */
export async function runJob(server: string, path: string, body: unknown, told: Told): Promise<JobView> {
  const { id } = await send(server, 'POST', path, body, jobStarted);
  for (;;) {
    const job = await ask(server, `/api/v1/backups/${id}`, jobView);
    told(job.doneBytes, job.totalBytes);
    if (job.state === 'failed') throw new CliError(job.error ?? 'it failed', 'nothing was changed');
    if (job.state === 'done') return job;
    await pause(LOOK_MS);
  }
}

/** What is wrong with files is for a person, not for a trace. */
export async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(error instanceof Error ? error.message : String(error));
  }
}
