import type { Job, SiteMs } from '../model/index.ts';

export interface WorkAction {
  /** `checkpoint` is what becomes of a requeue whose job is told to keep a checkpoint first. */
  readonly kind: 'hold' | 'release' | 'requeue' | 'checkpoint';
  readonly job: Job;
  readonly why: string;
  /** Of a requeue: a checkpoint comes first, and takes so long; absent: it is put back at once. */
  readonly keepFirstMs?: number | undefined;
  /** When the plan expects to have room for it again; undefined: it does not know. */
  readonly resumesAt?: SiteMs | undefined;
}

/**
 * What to tell a scheduler so that one class of work keeps to the GPUs the plan allows it. The scheduler places
 * jobs; Busbar only holds, releases and requeues. Mildest first: pending work is held before running work gives
 * way, and of the running those that lose least: by what it costs to stop them, for each GPU, or the youngest where no cost is known. Jobs that a person holds are not ours to release: `heldByUs`.
 *
 * @param allowed GPUs that may work
 * @param restricted whether the plan keeps GPUs of this part from working that otherwise would; if not, the
 *   scheduler's own queue is left alone, and what was held is released
 * @param lossUsdPerGpu what stopping a running job costs for each of its GPUs; undefined where that is not known
 */
export function workActions(
  jobs: readonly Job[],
  allowed: number,
  restricted: boolean,
  heldByUs: ReadonlySet<string>,
  reason: string,
  lossUsdPerGpu: (job: Job) => number | undefined = () => undefined,
): WorkAction[] {
  const loss = (job: Job): number => lossUsdPerGpu(job) ?? Infinity;
  const running = jobs
    .filter((job) => job.state === 'running')
    .map((job) => ({ job, usd: loss(job) }))
    .sort((a, b) => (a.usd === b.usd ? (b.job.startedAt ?? 0) - (a.job.startedAt ?? 0) : a.usd - b.usd))
    .map(({ job }) => job);
  const pending = jobs.filter((job) => job.state === 'pending').sort(bySubmission);
  const held = jobs.filter((job) => job.state === 'held' && heldByUs.has(job.id)).sort(bySubmission);
  const actions: WorkAction[] = [];
  if (!restricted) return held.map((job) => ({ kind: 'release', job, why: 'the plan has room for it again' }));

  let working = sumGpus(running);
  if (working > allowed) {
    for (const job of pending) actions.push({ kind: 'hold', job, why: reason });
    for (const job of running) {
      // A job that straddles the line stays: the plan counts in GPUs, jobs do not come in ones.
      if (working - job.gpus < allowed - 0.5) continue;
      actions.push({ kind: 'requeue', job, why: reason });
      working -= job.gpus;
    }
    return actions;
  }
  // Room is filled by what waits already; what does not fit is held so that the scheduler does not start it.
  let room = allowed - working;
  for (const job of pending) {
    if (job.gpus <= room + 0.5) room -= job.gpus;
    else actions.push({ kind: 'hold', job, why: reason });
  }
  for (const job of held) {
    if (job.gpus > room + 0.5) continue;
    actions.push({ kind: 'release', job, why: 'the plan has room for it again' });
    room -= job.gpus;
  }
  return actions;
}

export const bySubmission = (a: Job, b: Job): number =>
  (a.submittedAt ?? 0) - (b.submittedAt ?? 0) || a.id.localeCompare(b.id);
const sumGpus = (jobs: readonly Job[]): number => jobs.reduce((sum, job) => sum + job.gpus, 0);
