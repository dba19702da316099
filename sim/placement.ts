import type { Jobs, SimJob } from './jobs.ts';
import { GPUS, gpusOf, serverUp, type Servers } from './servers.ts';

/** Which GPUs a job gets: whole servers from 8 GPUs up, else the fullest server that still has room. */

const freeOf = (servers: Servers, n: number): number => {
  let free = 0;
  for (let g = n * GPUS; g < (n + 1) * GPUS; g += 1) if (servers.job[g] === 0) free += 1;
  return free;
};

const wholeServers = (gpus: number): number => Math.ceil(gpus / GPUS);

/** Gives a job its GPUs if it fits; false leaves everything as it was. @param t undefined: take every server as up */
export function allocate(jobs: Jobs, servers: Servers, job: SimJob, t?: number): boolean {
  const members = (jobs.partitions.get(job.partition) ?? []).filter(
    (n) => !jobs.state.cordoned.has(n) && (t === undefined || serverUp(servers, n, t)),
  );
  const slots: number[] = [];
  if (job.gpus >= GPUS) {
    for (const n of members) {
      if (slots.length >= wholeServers(job.gpus) * GPUS) break;
      if (freeOf(servers, n) === GPUS) for (let g = 0; g < GPUS; g += 1) slots.push(n * GPUS + g);
    }
    if (slots.length < wholeServers(job.gpus) * GPUS) return false;
  } else {
    let best: number | undefined;
    let bestFree = GPUS + 1;
    for (const n of members) {
      const free = freeOf(servers, n);
      if (free >= job.gpus && free < bestFree) [best, bestFree] = [n, free];
    }
    if (best === undefined) return false;
    for (let g = best * GPUS; g < (best + 1) * GPUS && slots.length < job.gpus; g += 1) {
      if (servers.job[g] === 0) slots.push(g);
    }
  }
  job.slots = slots;
  for (const slot of slots) servers.job[slot] = job.id;
  return true;
}

/** Share of a partition that stays free of preemptible work, so that not every new on-demand job displaces one. */
const HEADROOM = 0.03;

/** Whether a preemptible job of so many GPUs still leaves that headroom. */
export function leavesHeadroom(jobs: Jobs, servers: Servers, job: SimJob): boolean {
  const members = jobs.partitions.get(job.partition) ?? [];
  let free = 0;
  for (const n of members) free += freeOf(servers, n);
  return free - job.gpus >= HEADROOM * members.reduce((sum, n) => sum + gpusOf(servers, n), 0);
}

export function release(servers: Servers, job: SimJob): void {
  for (const slot of job.slots) {
    if (servers.job[slot] !== job.id) continue;
    servers.job[slot] = 0;
    servers.intensity[slot] = 0;
  }
}

/** The preemptible jobs that must give way for `job`, fewest GPUs first, then the youngest; empty when even all of them are too few. */
export function preemptFor(jobs: Jobs, servers: Servers, job: SimJob, t: number): SimJob[] {
  const wanted = job.gpus >= GPUS ? wholeServers(job.gpus) : 1;
  const need = Math.min(job.gpus, GPUS);
  const candidates: { n: number; taken: number; startedAt: number; victims: Set<number> }[] = [];
  for (const n of jobs.partitions.get(job.partition) ?? []) {
    if (!serverUp(servers, n, t) || jobs.state.cordoned.has(n)) continue;
    const victims = new Set<number>();
    let room = 0;
    let taken = 0;
    let startedAt = 0;
    for (let g = n * GPUS; g < (n + 1) * GPUS; g += 1) {
      const holder = servers.job[g]!;
      if (holder === 0) room += 1;
      const victim = jobs.state.list.get(holder);
      if (victim?.qos === 'preemptible') {
        victims.add(holder);
        startedAt = Math.max(startedAt, victim.startedAt);
        room += 1;
        taken += 1;
      }
    }
    if (room >= need) candidates.push({ n, taken, startedAt, victims });
  }
  if (candidates.length < wanted) return [];
  candidates.sort((a, b) => a.taken - b.taken || b.startedAt - a.startedAt || a.n - b.n);
  const ids = new Set(candidates.slice(0, wanted).flatMap((candidate) => [...candidate.victims]));
  return [...ids].map((id) => jobs.state.list.get(id)!);
}
