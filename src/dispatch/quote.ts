import { HOUR, MINUTE, siteMs, toMicroUsd, type Plan, type SiteMs } from '../model/index.ts';

/** What a job would ask for. */
export interface QuoteAsk {
  readonly gpus: number;
  readonly minutes: number;
  readonly by: SiteMs | undefined;
}

/** A job that is before it on the same GPUs. */
export interface QueuedJob {
  readonly workClass: string;
  readonly gpus: number;
  /** Of its limit of time, what is left; undefined: it has none, and may run for ever. */
  readonly leftMs: number | undefined;
}

/** A class of work that could run it, on GPUs of one part of one cluster. */
export interface QuoteClass {
  readonly id: string;
  /** What runs may be put back in the queue. */
  readonly isInterruptible: boolean;
  /** Undefined: no price is known now. */
  readonly usdPerGpuHour: number | undefined;
  /** A working GPU at no limit. */
  readonly gpuPowerW: number | undefined;
  readonly powerSource: 'measured' | 'nominal' | undefined;
  /** As jobs of the class were put back lately, for each day that one ran; undefined where none ran. */
  readonly interruptsPerDay: number | undefined;
  /** What one interrupt of one GPU costs: lost work, restore. */
  readonly interruptUsdPerGpu: number;
}

/** What is known of the GPUs of one part of one cluster. */
export interface QuotePart {
  readonly now: SiteMs;
  readonly steps: readonly Pick<Plan['steps'][number], 'start' | 'durationMs' | 'work'>[];
  /** GPUs of the part on nodes that work. */
  readonly capacity: number;
  /** Classes of work that share them. */
  readonly classes: readonly string[];
  readonly running: readonly QueuedJob[];
  /** Before the job that is asked about, in the order they will be taken: of its class and of those that give way after it. */
  readonly waiting: readonly QueuedJob[];
}

export interface Quote {
  readonly workClass: string;
  readonly isInterruptible: boolean;
  /** Undefined: not within the plan. */
  readonly startsAt: SiteMs | undefined;
  /** Undefined where it is beyond the plan. */
  readonly endsAt: SiteMs | undefined;
  /** Whether it is done by the time asked for; undefined where none was, or its end is not known. */
  readonly isInTime: boolean | undefined;
  /** In micro-dollars. */
  readonly cost: number | undefined;
  /** In micro-dollars: what interrupts are expected to cost on top; undefined where nobody knows how often they come. */
  readonly expectedLoss: number | undefined;
  readonly interruptsPerDay: number | undefined;
  /** Of its GPUs alone. */
  readonly energyKwh: number | undefined;
  readonly powerSource: QuoteClass['powerSource'];
  /** One sentence. */
  readonly why: string;
}

interface Slot {
  readonly from: number;
  readonly to: number;
  /** By class: GPUs that the plan lets it have. */
  readonly allowed: Readonly<Record<string, number>>;
  /** GPUs no class is planned to use, free to whoever comes: none while the plan keeps any of the known demand waiting. */
  spare: number;
  readonly used: Record<string, number>;
}

/** Jobs come and go between the reading and the plan: so much less than is wanted is no decision to keep them waiting. */
const SLACK_GPUS = 8;

/** The steps of the plan from now on, with what each class may have in them. */
function slotsOf({ now, steps, capacity, classes, running, waiting }: QuotePart): Slot[] {
  const sum = (jobs: readonly QueuedJob[]): number => jobs.reduce((all, { gpus }) => all + gpus, 0);
  return steps
    .filter(({ start, durationMs }) => start + durationMs > now)
    .map(({ start, durationMs, work }) => {
      const allowed = Object.fromEntries(classes.map((id) => [id, work[id] ?? 0]));
      const planned = Object.values(allowed).reduce((all, gpus) => all + gpus, 0);
      const wanted = sum(waiting) + sum(running.filter(({ leftMs }) => leftMs === undefined || now + leftMs > start));
      const isRestricted = planned < Math.min(wanted, capacity) - Math.max(SLACK_GPUS, 0.02 * capacity);
      const spare = isRestricted ? 0 : Math.max(0, capacity - planned);
      return { from: Math.max(now, start), to: start + durationMs, allowed, spare, used: {} };
    });
}

/** What is planned for a class and not used, then what is planned for nobody; fractions of a GPU run nothing. */
const freeFor = ({ allowed, used, spare }: Slot, workClass: string): number =>
  Math.floor(Math.max(0, (allowed[workClass] ?? 0) - (used[workClass] ?? 0)) + spare + 1e-6);

function take(slot: Slot, { workClass, gpus }: Pick<QueuedJob, 'workClass' | 'gpus'>): void {
  const before = slot.used[workClass] ?? 0;
  const own = Math.max(0, (slot.allowed[workClass] ?? 0) - before);
  slot.used[workClass] = before + gpus;
  slot.spare = Math.max(0, slot.spare - Math.max(0, gpus - own));
}

/** First slot from which it fits to its end, or to that of the plan; the queue is kept, so not before `earliest`. */
function firstFit(slots: readonly Slot[], job: QueuedJob, earliest: number): number | undefined {
  for (let i = earliest; i < slots.length; i += 1) {
    const end = slots[i]!.from + (job.leftMs ?? Infinity);
    const fits = slots.slice(i).every((slot) => slot.from >= end || freeFor(slot, job.workClass) >= job.gpus);
    if (fits) return i;
  }
  return undefined;
}

function occupy(slots: readonly Slot[], job: QueuedJob, from: number): void {
  const end = (slots[from]?.from ?? 0) + (job.leftMs ?? Infinity);
  for (const slot of slots.slice(from)) if (slot.from < end) take(slot, job);
}

/**
 * Where a job would run behind all that runs and waits, by the steps of the plan: each job to its limit of time, in the order of the queue,
 * none of its class passed. Work that may be interrupted runs in pieces, wherever its GPUs are free.
 */
function placed(
  part: QuotePart,
  ask: QuoteAsk,
  { id, isInterruptible }: QuoteClass,
): { startsAt: SiteMs | undefined; endsAt: SiteMs | undefined; behind: number; pauses: number } {
  const slots = slotsOf(part);
  for (const job of part.running) occupy(slots, job, 0);
  /** By class, where the last of its jobs was placed; a class whose next job has no place starts none. */
  const reached = new Map<string, number | undefined>();
  for (const job of part.waiting) {
    const from = reached.has(job.workClass) ? reached.get(job.workClass) : 0;
    const at = from === undefined ? undefined : firstFit(slots, job, from);
    if (at !== undefined) occupy(slots, job, at);
    reached.set(job.workClass, at);
  }
  const earliest = reached.has(id) ? reached.get(id) : 0;
  const behind = part.waiting.reduce((sum, { gpus }) => sum + gpus, 0);
  const nowhere = { startsAt: undefined, endsAt: undefined, behind, pauses: 0 };
  if (earliest === undefined) return nowhere;
  const leftMs = ask.minutes * MINUTE;
  if (!isInterruptible) {
    const at = firstFit(slots, { workClass: id, gpus: ask.gpus, leftMs }, earliest);
    if (at === undefined) return nowhere;
    const startsAt = siteMs(slots[at]!.from);
    const end = startsAt + leftMs;
    return { ...nowhere, startsAt, endsAt: end <= slots.at(-1)!.to ? siteMs(end) : undefined };
  }
  return { ...nowhere, ...inPieces(slots.slice(earliest), id, ask.gpus, leftMs) };
}

function inPieces(
  slots: readonly Slot[],
  workClass: string,
  gpus: number,
  wantedMs: number,
): { startsAt: SiteMs | undefined; endsAt: SiteMs | undefined; pauses: number } {
  let startsAt: SiteMs | undefined;
  let leftMs = wantedMs;
  let pauses = 0;
  let ran = false;
  for (const slot of slots) {
    const runs = freeFor(slot, workClass) >= gpus;
    if (ran && !runs) pauses += 1;
    ran = runs;
    if (!runs) continue;
    startsAt ??= siteMs(slot.from);
    const lengthMs = slot.to - slot.from;
    if (lengthMs >= leftMs) return { startsAt, endsAt: siteMs(slot.from + leftMs), pauses };
    leftMs -= lengthMs;
  }
  return { startsAt, endsAt: undefined, pauses };
}

/**
 * What a job would cost on a class of work, and when it would run. Cost is GPUs x hours x the price of now; the loss by interrupts is
 * interrupts a day x days x GPUs x what one costs.
 */
export function quoteFor(part: QuotePart, ask: QuoteAsk, workClass: QuoteClass): Quote {
  const { startsAt, endsAt, behind, pauses } = placed(part, ask, workClass);
  const { id, isInterruptible, usdPerGpuHour, gpuPowerW, powerSource, interruptsPerDay } = workClass;
  const gpuHours = (ask.gpus * ask.minutes) / 60;
  const loss = !isInterruptible
    ? 0
    : interruptsPerDay === undefined
      ? undefined
      : interruptsPerDay * (ask.minutes / 1440) * ask.gpus * workClass.interruptUsdPerGpu;
  const before = behind === 0 ? 'nothing waits before it' : `${behind} GPUs' worth of jobs wait before it`;
  const planEnd = part.steps.at(-1);
  const hours = planEnd === undefined ? 0 : Math.round((planEnd.start + planEnd.durationMs - part.now) / HOUR);
  const why =
    ask.gpus > part.capacity
      ? `it asks for ${ask.gpus} GPUs and there are ${part.capacity} of this part`
      : startsAt === undefined
        ? `not within the plan's ${hours} h: ${before}, and ${ask.gpus} GPUs of ${id} are not free for it by then`
        : `${before}, and the plan has ${ask.gpus} GPUs free for ${id} ${startsAt <= part.now ? 'now' : 'from then on'}${pauses > 0 ? `, with ${pauses} ${pauses === 1 ? 'pause' : 'pauses'} while it wants them for more` : ''}`;
  return {
    workClass: id,
    isInterruptible,
    startsAt,
    endsAt,
    isInTime:
      ask.by === undefined || (endsAt === undefined && startsAt !== undefined)
        ? undefined
        : endsAt !== undefined && endsAt <= ask.by,
    cost: usdPerGpuHour === undefined ? undefined : toMicroUsd(gpuHours * usdPerGpuHour),
    expectedLoss: loss === undefined ? undefined : toMicroUsd(loss),
    interruptsPerDay,
    energyKwh: gpuPowerW === undefined ? undefined : (gpuHours * gpuPowerW) / 1000,
    powerSource,
    why,
  };
}
