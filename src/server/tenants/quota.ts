import { holdsGpus, HOUR, type Job, type SiteMs, type TenantBudget, type TenantQuota } from '../../model/index.ts';

/** A job of a tenant that runs or waits, or was taken a moment ago. */
export type OpenJob = Pick<Job, 'gpus' | 'startedAt' | 'timeLimitS' | 'state'> & {
  readonly usdPerGpuHour: number | undefined;
};

/** What one more job asks for. */
export interface Asked {
  readonly gpus: number;
  readonly timeLimitMinutes: number;
  readonly usdPerGpuHour: number | undefined;
}

/** Where a tenant or a project stands. */
export interface Standing {
  readonly what: string;
  readonly usedGpuHours: number;
  readonly spentUsd: number;
  readonly open: readonly OpenJob[];
}

export const isOpen = (job: Pick<Job, 'state'>): boolean =>
  job.state === 'pending' || job.state === 'held' || holdsGpus(job);

/** GPU-hours that a job may still use this month: to its limit of time, and without one to the end of the month. */
function toCome(
  { gpus, startedAt, timeLimitS, state }: Omit<OpenJob, 'usdPerGpuHour'>,
  now: SiteMs,
  end: SiteMs,
): number {
  const monthMs = Math.max(0, end - now);
  if (timeLimitS === undefined) return (gpus * monthMs) / HOUR;
  const ranMs = startedAt === undefined || state === 'pending' || state === 'held' ? 0 : Math.max(0, now - startedAt);
  return (gpus * Math.min(monthMs, Math.max(0, timeLimitS * 1000 - ranMs))) / HOUR;
}

export interface Outlook {
  readonly gpus: number;
  readonly gpuHours: number;
  /** Undefined where a price is unknown. */
  readonly usd: number | undefined;
}

/** What open jobs hold and may still use of the month. */
export function outlookOf(open: readonly OpenJob[], now: SiteMs, monthEndsAt: SiteMs): Outlook {
  const parts = open.map((job) => ({ job, gpuHours: toCome(job, now, monthEndsAt) }));
  const isPriced = parts.every(({ job, gpuHours }) => gpuHours === 0 || job.usdPerGpuHour !== undefined);
  return {
    gpus: open.reduce((sum, { gpus }) => sum + gpus, 0),
    gpuHours: parts.reduce((sum, { gpuHours }) => sum + gpuHours, 0),
    usd: isPriced ? parts.reduce((sum, { job, gpuHours }) => sum + gpuHours * (job.usdPerGpuHour ?? 0), 0) : undefined,
  };
}

/**
 * Why one more job is beyond what may be had, with used, asked and limit; undefined where it is not. What waits counts
 * as what runs, so that a queue cannot outgrow a quota.
 */
export function refusalOf(
  { what, usedGpuHours, spentUsd, open }: Standing,
  limits: { readonly quota: TenantQuota | undefined; readonly budget: TenantBudget | undefined },
  asked: Asked,
  now: SiteMs,
  monthEndsAt: SiteMs,
): string | undefined {
  const before = outlookOf(open, now, monthEndsAt);
  const { gpus, usdPerGpuHour } = asked;
  const job: OpenJob = {
    gpus,
    startedAt: undefined,
    timeLimitS: asked.timeLimitMinutes * 60,
    state: 'pending',
    usdPerGpuHour,
  };
  const more = outlookOf([job], now, monthEndsAt);
  const { quota, budget } = limits;
  if (quota?.gpus !== undefined && before.gpus + gpus > quota.gpus)
    return `${what} may have ${quota.gpus} GPUs at once: ${before.gpus} run or wait, and this asks for ${gpus}`;
  const hours = usedGpuHours + before.gpuHours;
  if (quota?.gpuHoursPerMonth !== undefined && hours + more.gpuHours > quota.gpuHoursPerMonth)
    return `${what} may use ${round(quota.gpuHoursPerMonth)} GPU-hours a month: ${round(usedGpuHours)} are used, what runs and waits may use ${round(before.gpuHours)} more, and this asks for ${round(more.gpuHours)}`;
  if (budget?.onExceeded !== 'refuse') return undefined;
  if (before.usd === undefined || more.usd === undefined)
    return `${what} takes no job beyond its budget, and no price is known now: what this would cost cannot be told`;
  if (spentUsd + before.usd + more.usd > budget.usdPerMonth)
    return `${what} may spend ${usd(budget.usdPerMonth)} a month: ${usd(spentUsd)} is spent, what runs and waits may cost ${usd(before.usd)} more, and this ${usd(more.usd)}`;
  return undefined;
}

const round = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });
const usd = (value: number): string =>
  `$${value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
