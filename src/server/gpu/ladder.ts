import { chooseRungs, type Rung, type RungKind } from '../../control/ladder.ts';
import {
  canCheckpoint,
  interruptionUsdPerGpu,
  isOfClass,
  lostWork,
  type ClusterNode,
  type Job,
  type Lost,
  type Site,
  type SiteMs,
  type WorkClassName,
} from '../../model/index.ts';
import type { AvailabilityOf } from '../availability.ts';
import type { SiteCluster } from '../clusters.ts';
import type { Fleet, FleetMachine } from '../fleet.ts';
import type { WorkPicture } from '../picture.ts';
import type { Gpus } from './gpus.ts';

/** One rung with what a person wants to know of it. */
export interface RungFacts extends Rung {
  readonly name: string;
  readonly className: WorkClassName | undefined;
  readonly gpus: number;
  readonly nodes: readonly string[];
  readonly wattsBasis: 'learned' | 'measured' | 'swept' | undefined;
  /** From the word until it is seen in power; undefined where too few were measured. */
  readonly seconds: number | undefined;
  readonly lost: Lost | undefined;
  /** What Busbar does when a plan wants it; what it does not, a person may. */
  readonly by: 'busbar' | 'person';
}

export interface LadderSources {
  readonly site: Site;
  readonly fleet: Pick<Fleet, 'machines'>;
  readonly clusters: Iterable<Pick<SiteCluster, 'id' | 'handle' | 'reading' | 'checkpointedAt'>>;
  readonly work: readonly WorkPicture[];
  readonly gpus: Pick<Gpus, 'truth' | 'effects'>;
  readonly availability: AvailabilityOf;
  readonly at: SiteMs;
}

/** Drivers that reach a server past its operating system. */
const OUT_OF_BAND: ReadonlySet<string> = new Set(['redfish', 'ipmi']);
export const isOutOfBand = (driver: string): boolean => OUT_OF_BAND.has(driver);

/**
 * What could give way now, each rung of each job with its price and its watts. A rung is of all nodes of a job or it is not there: one rank that
 * is slowed down slows all of them, and releases nothing of theirs.
 * @param hours for which it shall give way
 */
export function rungsOf(sources: LadderSources, hours: number): RungFacts[] {
  const machines = new Map(sources.fleet.machines.map((member) => [member.machine.address, member]));
  const tenants = new Set(sources.site.machines.flatMap(({ id, managedBy }) => (managedBy === 'tenant' ? [id] : [])));
  const isTenant = (member: FleetMachine | undefined): boolean =>
    member !== undefined && tenants.has(member.machine.groupId);
  return [...sources.clusters].flatMap((cluster) => {
    const nodes = new Map((cluster.reading?.nodes ?? []).map((node) => [node.name, node]));
    const memberOf = (name: string): FleetMachine | undefined => machines.get(nodes.get(name)?.address ?? '');
    const ofJobs = (cluster.reading?.jobs ?? []).flatMap((job) => {
      if (job.state !== 'running' || job.gpus === 0) return [];
      const members = job.nodes.map(memberOf);
      return jobRungs(sources, cluster, job, members, members.some(isTenant), hours);
    });
    const ofNodes = [...nodes.values()].flatMap((node) => {
      const member = machines.get(node.address);
      return isTenant(member) ? [] : nodeRung(sources, cluster, node, member);
    });
    return [...ofJobs, ...ofNodes];
  });
}

function jobRungs(
  { work, gpus, availability, at }: LadderSources,
  { id: clusterId, handle, checkpointedAt }: Pick<SiteCluster, 'id' | 'handle' | 'checkpointedAt'>,
  job: Job,
  members: readonly (FleetMachine | undefined)[],
  isTenants: boolean,
  hours: number,
): RungFacts[] {
  const of = work.find(({ clusterId: id, workClass }) => id === clusterId && isOfClass(job, workClass));
  if (of === undefined) return [];
  const { workClass, usdPerGpuHour, runningGpus } = of;
  const { flexibleW } = gpus.truth.job(clusterId, job);
  const lost = lostWork(workClass, job, at, checkpointedAt.get(job.id));
  const short = Math.min(job.gpus, Math.max(0, workClass.committedGpus - (runningGpus - job.gpus)));
  /** Credits for availability that this job alone would lose: of several together they are not known one by one. */
  const lostUsd = (availability(workClass, at)?.credits ?? []).reduce(
    (sum, { usd, leftGpuHours = Infinity }) => (short * hours > leftGpuHours ? sum + usd : sum),
    0,
  );
  /** What it would have earned meanwhile, and what a contract takes for its GPUs. */
  const stoppedUsd =
    usdPerGpuHour === undefined
      ? undefined
      : (job.gpus * usdPerGpuHour + short * workClass.penaltyUsdPerGpuHour) * hours + lostUsd;
  const onceUsd = (seconds: number | undefined, isKept: boolean): number | undefined =>
    usdPerGpuHour === undefined || seconds === undefined
      ? undefined
      : job.gpus * interruptionUsdPerGpu(workClass, usdPerGpuHour, seconds, isKept);
  const plus = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : a + b;

  function rung(
    kind: RungKind,
    by: RungFacts['by'],
    usd: number | undefined,
    more: Partial<RungFacts> = {},
  ): RungFacts {
    const learned = gpus.effects.of(kind, job.gpuModel);
    const stops = kind === 'requeue' || kind === 'checkpoint-requeue' || kind === 'kill';
    const watts = learned === undefined ? (stops ? flexibleW : undefined) : learned.wattsPerGpu * job.gpus;
    return {
      kind,
      subject: `${clusterId}/${job.id}`,
      name: job.name,
      className: job.className,
      isReserved: job.className === 'reserved',
      gpus: job.gpus,
      nodes: job.nodes,
      watts,
      wattsBasis: watts === undefined ? undefined : learned === undefined ? 'measured' : 'learned',
      seconds: learned?.seconds,
      usd,
      lost: undefined,
      by,
      ...more,
    };
  }

  const rungs: RungFacts[] = [];
  const all = (has: (member: FleetMachine) => boolean): boolean =>
    members.length > 0 && members.every((member) => member !== undefined && has(member));
  const reaches = ({ machine }: FleetMachine): boolean => !isTenants || isOutOfBand(machine.driver);
  // Nothing of a job on part of a server may be limited: its neighbours would be, too.
  const isAlone = all(({ machine }) => gpus.truth.isWhole(machine.id, clusterId, job));
  if (isAlone && all((member) => reaches(member) && member.device.setClockLimit !== undefined))
    rungs.push(rung('lock-clocks', 'person', undefined));
  if (isAlone && all((member) => reaches(member) && member.device.setPowerLimit !== undefined))
    rungs.push(rung('cap-power', 'person', ...capOf(of, job, hours)));
  // Where the operating system is a tenant's, nothing that runs on it is touched.
  if (isTenants) return rungs;
  if (handle.requeue !== undefined && handle.hold !== undefined) {
    const mayMove = workClass.preemptible ? 'busbar' : 'person';
    if (handle.checkpoint !== undefined && canCheckpoint(workClass))
      rungs.push(rung('checkpoint-requeue', mayMove, plus(onceUsd(0, true), stoppedUsd)));
    rungs.push(rung('requeue', mayMove, plus(onceUsd(lost?.seconds, false), stoppedUsd), { lost }));
  }
  if (handle.pause !== undefined) rungs.push(rung('pause', 'person', stoppedUsd));
  if (handle.cancel !== undefined) {
    const ran = job.startedAt === undefined ? undefined : Math.max(0, at - job.startedAt) / 1000;
    const whole = ran === undefined ? undefined : ({ seconds: ran, basis: 'start' } as const);
    rungs.push(rung('kill', 'person', plus(onceUsd(ran, false), stoppedUsd), { lost: whole }));
  }
  return rungs;
}

/** The lowest limit that its terms allow, by the sweep of this very work; without one neither watts nor price are known. */
function capOf(
  { workClass, usdPerGpuHour }: WorkPicture,
  job: Job,
  hours: number,
): [number | undefined, Partial<RungFacts>] {
  const { powerCurve, throttle } = workClass;
  const full = powerCurve?.at(-1);
  const least = powerCurve?.find(({ throughputPct }) => throughputPct >= (throttle?.minThroughputPct ?? 100));
  if (full === undefined || least === undefined || least === full) return [undefined, {}];
  const usd =
    usdPerGpuHour === undefined ? undefined : job.gpus * usdPerGpuHour * (1 - least.throughputPct / 100) * hours;
  return [usd, { watts: (full.powerW - least.powerW) * job.gpus, wattsBasis: 'swept' }];
}

/** A server that nothing runs on: its GPUs still draw their floor. */
function nodeRung(
  { gpus }: LadderSources,
  { id, handle }: Pick<SiteCluster, 'id' | 'handle'>,
  node: ClusterNode,
  member: FleetMachine | undefined,
): RungFacts[] {
  if (handle.powerDown === undefined || node.state !== 'idle' || node.isOff || member === undefined) return [];
  const floorW = gpus.truth.floorW(member.machine.id);
  const learned = node.gpuModel === undefined ? undefined : gpus.effects.of('power-off', node.gpuModel);
  const wattsPerGpu = learned?.wattsPerGpu ?? floorW;
  const watts = wattsPerGpu === undefined ? undefined : wattsPerGpu * node.gpus;
  return [
    {
      kind: 'power-off',
      subject: `${id}/${node.name}`,
      name: node.name,
      className: undefined,
      isReserved: false,
      gpus: node.gpus,
      nodes: [node.name],
      watts,
      wattsBasis: watts === undefined ? undefined : learned === undefined ? 'measured' : 'learned',
      seconds: learned?.seconds,
      usd: 0,
      lost: undefined,
      by: 'person',
    },
  ];
}

export interface LadderPreview {
  readonly wantedW: number;
  readonly hours: number;
  /** What would give way by itself, in that order. */
  readonly chosen: readonly RungFacts[];
  readonly releasedW: number;
  readonly rungs: readonly RungFacts[];
}

/** What would give way for so many watts; nothing is carried out. */
export function previewLadder(sources: LadderSources, wantedW: number, hours: number): LadderPreview {
  const rungs = rungsOf(sources, hours);
  const chosen = chooseRungs(
    rungs.filter(({ by }) => by === 'busbar'),
    wantedW,
  );
  return { wantedW, hours, chosen, releasedW: chosen.reduce((sum, { watts }) => sum + watts, 0), rungs };
}
