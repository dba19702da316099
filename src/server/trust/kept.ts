import type { Site, Snapshot, Trust, WorkFacts } from '../../model/index.ts';

/**
 * What a plan may move. A cohort that waits for a person, or to which nothing may be written, stays as it is, and everything else is
 * planned around it, so that limits are kept with what is true and not with what somebody may confirm.
 */
export interface Kept {
  /** Cohorts that stay as they are by themselves: in shadow, and in suggest while no person's order moves them. */
  readonly waiting: ReadonlySet<string>;
  /** In suggest, under an order of a person: they go down with it, and never up. */
  readonly onlyDown: ReadonlySet<string>;
  /** False: jobs are left to their scheduler. */
  readonly movesWork: boolean;
}

/** @param isOrdered an order of a person is in force, which cohorts in suggest follow unasked; those in shadow follow none */
export function keptOf(
  site: Pick<Site, 'machines'>,
  levels: { site(): Trust; of(cohortId: string): Trust },
  isOrdered: boolean,
): Kept {
  const whole = levels.site();
  // A site in shadow plans as if it acted, to say what that would earn: nothing is written anyway.
  if (whole === 'shadow') return { waiting: new Set(), onlyDown: new Set(), movesWork: true };
  const cohorts = site.machines.filter(({ kind }) => kind === 'asic').map(({ id }) => id);
  const inSuggest = cohorts.filter((id) => levels.of(id) === 'suggest');
  const inShadow = cohorts.filter((id) => levels.of(id) === 'shadow');
  return {
    waiting: new Set(isOrdered ? inShadow : [...inShadow, ...inSuggest]),
    onlyDown: new Set(isOrdered ? inSuggest : []),
    movesWork: whole === 'auto' || isOrdered,
  };
}

/**
 * The planner's facts with what may not move kept in place.
 * @param moving what confirmed suggestions still bring about, by cohort: machines to come, less machines to go, by mode key
 * @param heldGpus GPUs of a class whose jobs a person had held by a confirmed suggestion: they wait until a person says otherwise
 */
export function withKept(
  snapshot: Snapshot,
  { waiting, onlyDown, movesWork }: Kept,
  moving: (cohortId: string) => Readonly<Record<string, number>>,
  heldGpus: (classId: string) => number = () => 0,
): Snapshot {
  if (waiting.size === 0 && onlyDown.size === 0 && movesWork) return snapshot;
  return {
    ...snapshot,
    cohorts: snapshot.cohorts.map((cohort) => {
      if (cohort.held) return cohort;
      if (waiting.has(cohort.id))
        return { ...cohort, held: true, waits: true, now: added(cohort.now, moving(cohort.id)) };
      if (!onlyDown.has(cohort.id)) return cohort;
      const { sleep = 0 } = cohort.now;
      const running = cohort.points.filter(({ profile }) => (cohort.now[profile] ?? 0) > 0);
      const mostW = Math.max(0, ...running.map(({ powerW }) => powerW));
      return {
        ...cohort,
        pinned: { ...cohort.pinned, ...(sleep === 0 ? {} : { sleep }) },
        points: cohort.points.filter(({ powerW }) => powerW <= mostW),
      };
    }),
    work: movesWork ? snapshot.work : leftToSchedulers(snapshot.work, heldGpus),
  };
}

function added(
  now: Readonly<Record<string, number>>,
  moving: Readonly<Record<string, number>>,
): Record<string, number> {
  const sum: Record<string, number> = { ...now };
  for (const [mode, machines] of Object.entries(moving)) sum[mode] = (sum[mode] ?? 0) + machines;
  return sum;
}

/** Work that nobody holds: what waits is started by its scheduler as far as GPUs are free, and what runs is not interrupted. */
function leftToSchedulers(work: readonly WorkFacts[], heldGpus: (classId: string) => number): WorkFacts[] {
  const free = new Map<string, number>();
  const partOf = ({ hallId, gpuModel }: WorkFacts): string => `${hallId} ${gpuModel}`;
  for (const one of work) free.set(partOf(one), (free.get(partOf(one)) ?? one.partGpus) - one.runningGpus);
  return work.map((one) => {
    const left = Math.max(0, free.get(partOf(one))!);
    const starting = Math.min(left, one.queuedGpus);
    free.set(partOf(one), left - starting);
    return {
      ...one,
      preemptible: false,
      runningGpus: one.runningGpus + starting,
      queuedGpus: one.queuedGpus - starting,
      heldGpus: Math.max(0, one.heldGpus - heldGpus(one.id)),
    };
  });
}
