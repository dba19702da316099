import {
  CATALOGUE,
  type Plan,
  type Site,
  type Snapshot,
  type WorkClass,
  type WorkPoint,
  workPointsOf,
} from '../model/index.ts';

/** What a GPU of a class can be run at, as the site file has it measured. */
export function limitPoints(workClass: WorkClass): WorkPoint[] | undefined {
  const server = [...CATALOGUE.values()].find((one) => one.kind === 'gpu-server' && one.gpuModel === workClass.gpu);
  return workPointsOf(workClass, server?.kind === 'gpu-server' ? server.gpuIdleW : undefined);
}

/**
 * The same facts, were power limits of GPUs to choose from; undefined where no class has any. Control sets none yet: a plan that is
 * carried out must not count on watts that nobody saves, so that this one is only compared with.
 */
export function withPowerLimits(snapshot: Snapshot, site: Pick<Site, 'clusters'>): Snapshot | undefined {
  const classes = new Map(site.clusters.flatMap((cluster) => cluster.classes.map((one) => [one.id, one])));
  const work = snapshot.work.map((one) => {
    const workClass = classes.get(one.id);
    return workClass === undefined ? one : { ...one, points: limitPoints(workClass) };
  });
  return work.every(({ points = [] }) => points.length < 2) ? undefined : { ...snapshot, work };
}

/** Less than this a day is rounding of whole machines. */
const WORTH_TELLING_USD = 1;

/** What a plan with power limits would earn more than the one in force, in words; none where it is nothing. */
export function powerLimitNotes(plan: Plan, limited: Plan): string[] {
  const usd = limited.objectiveUsd - plan.objectiveUsd;
  if (plan.status !== 'optimal' || limited.status !== 'optimal' || usd < WORTH_TELLING_USD) return [];
  const now = Object.entries(limited.steps[0]?.gpusAtLimitW ?? {}).map(([work, at]) => {
    const counts = Object.entries(at).map(([watts, gpus]) => `${gpus} at ${watts} W`);
    return `${work} now ${counts.length === 0 ? 'stopped' : counts.join(', ')}`;
  });
  return [
    `with power limits on GPUs the next day would earn $${usd.toFixed(2)} more (${now.join('; ')}); not carried out: control sets no power limits of GPUs yet`,
  ];
}
