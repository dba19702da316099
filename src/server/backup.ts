import { randomUUID } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SiteClock } from '../model/index.ts';
import type { History } from '../store/history/history.ts';
import type { Act, Store } from '../store/store.ts';
import type { BackupNews, BackupTask } from './backup-worker.ts';
import { linksIn, type Backup } from './offline/backup.ts';
import { actOf, lookAt, type RestoreRecord } from './offline/restore.ts';

/** A backup or restore of the running site, as it gets on. */
export interface Job {
  readonly id: string;
  readonly kind: 'backup' | 'restore';
  readonly who: string;
  /** Wall clock, Unix milliseconds. */
  readonly startedMs: number;
  state: 'running' | 'done' | 'failed';
  doneBytes: number;
  /** Zero until it is known. */
  totalBytes: number;
  /** Of the backup: once it is whole, or from the beginning where one is restored. */
  path: string | undefined;
  error: string | undefined;
}

export interface Jobs {
  /** @throws Busy where another is running */
  backUp(ask: { readonly to: string | undefined; readonly keep: number | undefined; who: string; why: string }): Job;
  /**
   * Verifies, and unless only a look is wanted copies the backup beside the present data and starts the server again,
   * which takes it over.
   * @throws Busy; Error in words where it is no backup that can be restored here
   */
  restore(ask: { readonly path: string; readonly who: string; readonly why: string; readonly onlyLook: boolean }): Job;
  get(id: string): Job | undefined;
  close(): Promise<void>;
}

export class Busy extends Error {}

/** How this process is started again after a restore, and what its backups say of it. */
export interface ProcessFacts {
  readonly version: string;
  readonly siteFile: string;
  startAgain(): void;
}

export interface JobSources {
  readonly dataFolder: string;
  readonly siteName: () => string;
  readonly process: ProcessFacts | undefined;
  readonly store: Store;
  readonly history: History;
  readonly clock: SiteClock;
  readonly recordAct: (act: Act) => void;
  readonly unixNow: () => number;
}

/** Jobs that are told of after they ended. */
const MOST_JOBS = 20;
/** So that whoever asked can see that it is done before the server goes. */
const LAST_LOOK_MS = 1_000;

export function createJobs(sources: JobSources): Jobs {
  const { dataFolder, store, history, clock, unixNow } = sources;
  const jobs = new Map<string, Job>();
  let running: { readonly work: Promise<void>; worker?: Worker } | undefined;
  let closing = false;

  function begin(kind: Job['kind'], who: string, path: string | undefined, work: (job: Job) => Promise<void>): Job {
    if (running !== undefined) throw new Busy('a backup or restore is running already');
    const id = randomUUID();
    const job: Job = {
      id,
      kind,
      who,
      startedMs: unixNow(),
      state: 'running',
      doneBytes: 0,
      totalBytes: 0,
      path,
      error: undefined,
    };
    jobs.set(id, job);
    for (const old of jobs.keys()) if (jobs.size > MOST_JOBS) jobs.delete(old);
    // One turn later: whoever began it has its id before anything of it is done.
    const done = Promise.resolve()
      .then(() => work(job))
      .then(
        () => {
          job.state = 'done';
        },
        (error: unknown) => {
          job.state = 'failed';
          job.error = error instanceof Error ? error.message : String(error);
        },
      )
      .finally(() => (running = undefined));
    running = { work: done };
    return job;
  }

  /** @throws Error in words, of what the disk or the backup did */
  function inThread(task: BackupTask, job: Job): Promise<Pick<Backup, 'path' | 'bytes'>> {
    if (closing) throw new Error('the server is going down');
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./backup-worker.ts', import.meta.url), { workerData: task, execArgv: [] });
      running!.worker = worker;
      worker.on('message', (news: BackupNews) => {
        if ('backup' in news) resolve(news.backup);
        else if ('error' in news) reject(new Error(news.error));
        else {
          job.doneBytes = news.done;
          job.totalBytes = news.total;
        }
      });
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('it was cut off')));
    });
  }

  const record = (id: string, who: string, what: string, why: string): void =>
    sources.recordAct({ id, at: clock.now(), who, what, why });

  return {
    backUp({ to, keep, who, why }) {
      return begin('backup', who, undefined, async (job) => {
        const links = linksIn(dataFolder);
        rmSync(links, { recursive: true, force: true });
        await store.flush();
        await history.snapshot(links);
        const { version = 'unknown', siteFile } = sources.process ?? {};
        const site = {
          site: sources.siteName(),
          siteFile: siteFile !== undefined && existsSync(siteFile) ? siteFile : undefined,
        };
        const where = { to: to ?? join(dataFolder, 'backups'), dataFolder, links };
        const plan = { ...where, ...site, version, createdAt: new Date(job.startedMs), keep };
        const { path, bytes } = await inThread({ kind: 'backup', plan }, job);
        Object.assign(job, { path, doneBytes: bytes, totalBytes: bytes });
        record(`backup-${job.id}`, who, `back up to ${path}`, why);
      });
    },
    restore({ path, who, why, onlyLook }) {
      if (sources.process === undefined) throw new Error('this server cannot start itself again');
      lookAt(path);
      return begin('restore', who, path, async (job) => {
        const asked: RestoreRecord = { who, why, siteMs: clock.now(), wallMs: job.startedMs, from: path };
        const task = onlyLook
          ? ({ kind: 'verify', path } as const)
          : { kind: 'restore' as const, path, dataFolder, record: asked };
        const { bytes } = await inThread(task, job);
        Object.assign(job, { doneBytes: bytes, totalBytes: bytes });
        if (onlyLook) return;
        sources.recordAct(actOf(asked));
        // The restored ledger has the act too: one that cannot be written here must not stop a restore.
        await store.flush().catch(() => {});
        setTimeout(() => sources.process?.startAgain(), LAST_LOOK_MS);
      });
    },
    get: (id) => jobs.get(id),
    async close() {
      closing = true;
      await running?.worker?.terminate();
      await running?.work;
    },
  };
}
