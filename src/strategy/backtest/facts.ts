import {
  plannedInterruptUsdPerGpu,
  addressesOf,
  ballastOf,
  blockOf,
  CATALOGUE,
  commitmentsOf,
  type AvailabilityFacts,
  type Commitment,
  coolingFacts,
  feederFacts,
  MINUTE,
  type AsicModel,
  type CohortFacts,
  type CurtailmentFacts,
  type DeadlineFacts,
  type DemandFacts,
  type FeederFacts,
  type GpuServerModel,
  type HallFacts,
  type Machine,
  type ModePoint,
  PLAIN_PROFILES,
  type PlanStep,
  type Site,
  type SiteMs,
  type Snapshot,
  type WorkClass,
  type WorkFacts,
  type WorkPoint,
  workPointsOf,
} from '../../model/index.ts';

const MW = 1e6;

/** Miners of one group, all of which answer. Powers are those of one machine. */
export interface CohortCase {
  readonly id: string;
  readonly hall: number;
  readonly modelId: string;
  readonly machines: number;
  readonly sleepW: number;
  readonly points: readonly ModePoint[];
  /** How the maker delivers them: what they run at where nobody tunes. */
  readonly stock: ModePoint;
}

/** One class of work; what its GPUs earn is told by who knows the market. */
export interface WorkCase {
  readonly id: string;
  readonly hall: number;
  readonly config: WorkClass;
  readonly partGpus: number;
  /** At full power. */
  readonly marginalWPerGpu: number;
  /** Power limits as they were measured on it, the last at full power; absent: unmeasured. */
  readonly points?: readonly WorkPoint[] | undefined;
}

/** What a site file says of a site, as far as it does not change over a backtest. */
export interface SiteCase {
  readonly site: Site;
  readonly usableW: number;
  readonly lossFraction: number;
  readonly keptFraction: number;
  readonly halls: readonly HallFacts[];
  readonly feeders: readonly FeederFacts[];
  readonly cohorts: readonly CohortCase[];
  readonly work: readonly WorkCase[];
}

/** What runs during a step: machines by cohort and mode key, all of them counted, and GPUs by class of work. */
export interface Running {
  readonly cohorts: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly gpus: Readonly<Record<string, number>>;
  /** Of them those at each power limit in W, by class of work; absent, all of a class work at full power. */
  readonly gpusAtLimitW?: PlanStep['gpusAtLimitW'] | undefined;
}

/** What all working GPUs of a class come to, each by its point. */
export function sumOverGpus(
  { id, marginalWPerGpu, points = [] }: WorkCase,
  { gpus, gpusAtLimitW }: Running,
  of: (point: Omit<WorkPoint, 'powerLimitW'>) => number,
): number {
  const at = gpusAtLimitW?.[id];
  if (at === undefined) return gpus[id]! * of({ marginalW: marginalWPerGpu, throughput: 1, paid: 1, serves: true });
  return points.reduce((sum, point) => sum + (at[String(point.powerLimitW)] ?? 0) * of(point), 0);
}

/**
 * A site as its file tells it, every machine answering and no meter contradicting it.
 * @param machines as the checked site lists them; absent: counted from the addresses of the groups
 */
export function siteCase(site: Site, machines?: readonly Machine[]): SiteCase {
  const listed = machines === undefined ? undefined : Map.groupBy(machines, ({ groupId }) => groupId);
  const hallAt = new Map(site.halls.map(({ id }, index) => [id, index]));
  const groups = site.machines.map((group) => ({
    group,
    hall: hallAt.get(group.hall) ?? 0,
    count: listed === undefined ? addressesOf(group.addresses).length : (listed.get(group.id)?.length ?? 0),
    model: CATALOGUE.get(group.model),
  }));
  const servers = groups.flatMap(({ hall, count, model }) =>
    model?.kind === 'gpu-server' ? [{ hall, count, model }] : [],
  );
  const halls = site.halls.map((hall, index): HallFacts => {
    const uplinks = site.uplinks.filter((uplink) => uplink.hall === hall.id);
    return {
      id: hall.id,
      usableW: hall.breakerMw * MW * (1 - hall.marginPct / 100),
      cooling: coolingFacts(hall.cooling),
      fixedW: servers.reduce((sum, one) => sum + (one.hall === index ? one.count * idleW(one.model) : 0), 0),
      silent: { machines: 0, powerW: 0 },
      wakesPerMinute: hall.wakesPerMinute,
      uplinkMbps: uplinks.length === 0 ? undefined : uplinks.reduce((sum, { capacityMbps }) => sum + capacityMbps, 0),
    };
  });
  const { limitMw, marginPct, lossPct } = site.connection;
  return {
    site,
    usableW: Math.min(limitMw * (1 - marginPct / 100), site.limits.importMw ?? Number.POSITIVE_INFINITY) * MW,
    lossFraction: lossPct / 100,
    keptFraction: (1 - site.mining.poolFeePct / 100) * (1 - site.mining.stalePct / 100),
    halls,
    feeders: feederFacts(site),
    cohorts: groups.flatMap(({ group, hall, count, model }) =>
      model?.kind === 'asic' && count > 0 ? [cohortCase(group, model, hall, count)] : [],
    ),
    work: site.clusters.flatMap((cluster) =>
      cluster.classes.map((config): WorkCase => {
        const hall = hallAt.get(cluster.hall) ?? 0;
        const hosts = servers.filter((one) => one.hall === hall && one.model.gpuModel === config.gpu);
        const { gpuBusyW = 0, gpuIdleW = 0 } = hosts[0]?.model ?? {};
        const points = workPointsOf(config, hosts[0]?.model.gpuIdleW);
        return {
          id: config.id,
          hall,
          config,
          partGpus: hosts.reduce((sum, { count, model }) => sum + count * model.gpus, 0),
          marginalWPerGpu: points?.at(-1)?.marginalW ?? gpuBusyW - gpuIdleW,
          points,
        };
      }),
    ),
  };
}

/** Host and idle GPUs: drawn whether there is work or not. */
const idleW = ({ hostW, gpus, gpuIdleW }: GpuServerModel): number => hostW + gpus * gpuIdleW;

function cohortCase(group: Site['machines'][number], model: AsicModel, hall: number, machines: number): CohortCase {
  const points = (group.points ?? model.points).toSorted((a, b) => a.powerW - b.powerW);
  const stock =
    points.find(({ profile }) => PLAIN_PROFILES.includes(profile)) ??
    points.reduce((best, one) =>
      Math.abs(one.powerW - model.nameplateW) < Math.abs(best.powerW - model.nameplateW) ? one : best,
    );
  return { id: group.id, hall, modelId: model.id, machines, sleepW: model.sleepW, points, stock };
}

/** GPUs of each class that want to work at a moment, what contracts reserve of them and what is owed without them. */
export interface Wanted {
  readonly demandGpus: number;
  readonly committedGpus: number;
  readonly penaltyUsdPerGpuHour: number;
  readonly curtailableGpuHoursPerMonth?: number | undefined;
  readonly availability?: Commitment['availability'];
}

/**
 * Demand as the site file tells it, the same in every step a contract is in force: a class wants what customers reserved of it; classes
 * nobody reserves anything of share what is left of their part evenly.
 */
export function wantedAt({ site, work }: SiteCase, t: SiteMs): Wanted[] {
  const signed = work.map(({ config }) => commitmentsOf(site, config, t));
  return work.map(({ hall, partGpus, config }, index): Wanted => {
    const alike = signed.filter((_, i) => work[i]!.hall === hall && work[i]!.config.gpu === config.gpu);
    const reserved = alike.reduce((sum, { committedGpus }) => sum + committedGpus, 0);
    const open = alike.filter(({ committedGpus }) => committedGpus === 0).length;
    const { committedGpus, penaltyUsdPerGpuHour, curtailableGpuHoursPerMonth, availability } = signed[index]!;
    const rest = Math.floor(Math.max(0, partGpus - reserved) / Math.max(1, open));
    return {
      demandGpus: committedGpus === 0 ? rest : committedGpus,
      committedGpus,
      penaltyUsdPerGpuHour,
      curtailableGpuHoursPerMonth,
      availability,
    };
  });
}

/** The same with the demand of classes of which a file tells. */
export const demandedAt = (
  { work }: SiteCase,
  base: readonly Wanted[],
  told: ReadonlyMap<string, { at(t: SiteMs): number }>,
  t: SiteMs,
): readonly Wanted[] =>
  told.size === 0
    ? base
    : base.map((one, i) => ({ ...one, demandGpus: told.get(work[i]!.id)?.at(t) ?? one.demandGpus }));

/** What changes from step to step and a planner may know. */
export interface Moment {
  readonly at: SiteMs;
  readonly running: Running;
  /** Machines within their minimum time, by cohort and mode key. */
  readonly pinned: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly importW: number | undefined;
  readonly demand: DemandFacts | undefined;
  /** Absent: no charge on coincident peaks. */
  readonly coincidentUsdPerMw: number | undefined;
  readonly wanted: readonly Wanted[];
  /** By class of work. */
  readonly curtailment: readonly (CurtailmentFacts | undefined)[];
  readonly availability: readonly (AvailabilityFacts | undefined)[];
  readonly deadlines: readonly (DeadlineFacts | undefined)[];
  /** What a GPU-hour of each class earns, in the order of the site's classes. */
  readonly usdPerGpuHour: readonly number[];
}

/** The planner's facts at one moment of a backtest. */
export function snapshotAt(facts: SiteCase, moment: Moment): Snapshot {
  const { site, halls } = facts;
  const { connection, mining } = site;
  return {
    at: moment.at,
    connection: {
      limitW: connection.limitMw * MW,
      usableW: facts.usableW,
      lossFraction: facts.lossFraction,
      importW: moment.importW,
      rampWPerMinute: connection.rampMwPerMinute === undefined ? undefined : connection.rampMwPerMinute * MW,
    },
    tariff: { ...blockOf(site.tariff), demand: moment.demand, coincidentUsdPerMw: moment.coincidentUsdPerMw },
    mining: {
      keptFraction: facts.keptFraction,
      wakeUsdPerMachine: mining.wakeUsdPerMachine,
      retuneUsdPerMachine: mining.retuneUsdPerMachine,
      minimumOnMs: mining.minimumOnMinutes * MINUTE,
      minimumOffMs: mining.minimumOffMinutes * MINUTE,
    },
    ballast: ballastOf(site),
    halls,
    feeders: facts.feeders,
    cohorts: facts.cohorts.map(({ id, hall, modelId, machines, sleepW, points, stock }): CohortFacts => ({
      id,
      hallId: halls[hall]!.id,
      modelId,
      machines,
      sleepW,
      points,
      now: moment.running.cohorts[id]!,
      pinned: moment.pinned[id] ?? {},
      // A machine that cannot sleep draws as much either way: it stays as it is, as it does live.
      held: stock.powerW <= sleepW,
    })),
    work: facts.work.map(({ id, hall, config, partGpus, marginalWPerGpu, points }, i): WorkFacts => {
      const { demandGpus, committedGpus, penaltyUsdPerGpuHour } = moment.wanted[i]!;
      const runningGpus = Math.min(demandGpus, moment.running.gpus[id]!);
      return {
        id,
        hallId: halls[hall]!.id,
        className: config.class,
        line: config.line,
        gpuModel: config.gpu,
        runningGpus,
        queuedGpus: demandGpus - runningGpus,
        heldGpus: 0,
        partGpus,
        committedGpus,
        marginalWPerGpu,
        points,
        uplinkMbpsPerGpu: config.uplinkMbpsPerGpu,
        usdPerGpuHour: moment.usdPerGpuHour[i]!,
        penaltyUsdPerGpuHour,
        interruptUsdPerGpu: plannedInterruptUsdPerGpu(config, moment.usdPerGpuHour[i]!),
        preemptible: config.preemptible,
        curtailment: moment.curtailment[i],
        availability: moment.availability[i],
        deadline: moment.deadlines[i],
      };
    }),
  };
}
