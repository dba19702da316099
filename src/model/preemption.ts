import { HOUR, MINUTE, type SiteMs } from './clock.ts';
import type { WorkClass } from './site.ts';
import type { Job } from './work.ts';

/** What is said in the site file of a class of work that gives way. */
export type GivingWay = Pick<
  WorkClass,
  'interruptUsdPerGpu' | 'checkpoint' | 'restoreSeconds' | 'warmUpSeconds' | 'noticeSeconds'
>;

/** How much work of a job is lost since its last checkpoint, and how that is known. */
export interface Lost {
  readonly seconds: number;
  readonly basis: 'checkpoint' | 'interval' | 'start';
}

/** Is there time to keep a checkpoint before a job of the class goes? */
export const canCheckpoint = ({ checkpoint, noticeSeconds }: GivingWay): boolean =>
  checkpoint !== undefined && noticeSeconds !== undefined && noticeSeconds >= checkpoint.seconds;

/**
 * Work that is done again when a job stops now: since the checkpoint it was seen to keep, else one whole interval of its checkpoints, else all
 * since its start: the worst of what may be.
 * @param keptAt when it was last seen to keep a checkpoint
 * @returns undefined for a job whose start nobody tells
 */
export function lostWork(
  { checkpoint }: GivingWay,
  { startedAt }: Pick<Job, 'startedAt'>,
  at: SiteMs,
  keptAt?: SiteMs,
): Lost | undefined {
  if (startedAt === undefined) return undefined;
  const ranMs = Math.max(0, at - startedAt);
  if (keptAt !== undefined && keptAt >= startedAt)
    return { seconds: Math.max(0, at - keptAt) / 1000, basis: 'checkpoint' };
  const intervalMs = checkpoint === undefined ? Infinity : checkpoint.intervalMinutes * MINUTE;
  return intervalMs < ranMs
    ? { seconds: intervalMs / 1000, basis: 'interval' }
    : { seconds: ranMs / 1000, basis: 'start' };
}

/**
 * What stopping a job once costs for each of its GPUs: price x (notice + checkpoint + since the last checkpoint + restore + warm-up). Penalties
 * of a contract come on top, by the hour it is stopped.
 * @param lostSeconds 0 where a checkpoint is kept first, whose own seconds then count
 */
export function interruptionUsdPerGpu(
  { checkpoint, restoreSeconds = 0, warmUpSeconds = 0, noticeSeconds = 0 }: GivingWay,
  usdPerGpuHour: number,
  lostSeconds: number,
  isKept: boolean,
): number {
  const keeping = isKept ? (checkpoint?.seconds ?? 0) : 0;
  const seconds = noticeSeconds + keeping + lostSeconds + restoreSeconds + warmUpSeconds;
  return (usdPerGpuHour * seconds * 1000) / HOUR;
}

/**
 * What a plan counts for each GPU it interrupts: as the site file says, else what the facts of the class come to, one interval of its
 * checkpoints taken for lost. 0 where neither is said.
 */
export function plannedInterruptUsdPerGpu(workClass: GivingWay, usdPerGpuHour: number): number {
  const { interruptUsdPerGpu, checkpoint } = workClass;
  if (interruptUsdPerGpu !== undefined) return interruptUsdPerGpu;
  const isKept = canCheckpoint(workClass);
  const lost = isKept || checkpoint === undefined ? 0 : checkpoint.intervalMinutes * 60;
  return interruptionUsdPerGpu(workClass, usdPerGpuHour, lost, isKept);
}
