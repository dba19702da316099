import {
  awardFacts,
  ballastOf,
  blockOf,
  coincidentUsdPerMw,
  coolingFacts,
  CATALOGUE,
  fitting,
  gpusOf,
  programCallFacts,
  feederFacts,
  generatorFacts,
  leaseFacts,
  MINUTE,
  modeKey,
  PLAIN_PROFILES,
  pausedGpusOn,
  usableNodes,
  plannedInterruptUsdPerGpu,
  type CohortFacts,
  type Commitment,
  type DeadlineFacts,
  type DemandFacts,
  type HallFacts,
  type ModePoint,
  type Site,
  type SiteMs,
  type Snapshot,
  type WorkFacts,
} from '../model/index.ts';
import type { AnswerTimes } from './answer-times.ts';
import { worstCaseW, type FleetMachine } from './fleet.ts';
import type { AvailabilityOf } from './availability.ts';
import type { CurtailmentOf } from './flow.ts';
import { limitPoints } from './power-limits.ts';
import type { GroupPicture, HallPicture, Picture, PictureSources, WorkPicture } from './picture.ts';

const MW = 1e6;
const usable = (megawatts: number, marginPct: number): number => megawatts * MW * (1 - marginPct / 100);

/** What a plan may use of the connection: its rating less the site's margin, or the owner's own limit. */
export const usableConnectionW = (site: Site): number =>
  Math.min(
    usable(site.connection.limitMw, site.connection.marginPct),
    (site.limits.importMw ?? Number.POSITIVE_INFINITY) * MW,
  );
export const usableHallW = (hall: HallPicture['hall']): number => usable(hall.breakerMw, hall.marginPct);

/** What a class of work has still to do by its deadline. */
export type DeadlineOf = (workClass: Commitment, at: SiteMs) => DeadlineFacts | undefined;

/** Where the charges and budgets of the running month stand, and what was measured of the machines. */
export interface Billed {
  readonly demand: DemandFacts | undefined;
  readonly curtailment: CurtailmentOf;
  readonly availability: AvailabilityOf;
  readonly deadline: DeadlineOf;
  /** How fast a group's machines that answer sleep and wake; absent: nobody knows. */
  readonly answers?: (group: Site['machines'][number], ids: readonly string[]) => AnswerTimes;
}

/** The planner's facts, from the picture. @param held cohorts a person holds out of the plan @param billed where the month stands */
export function takeSnapshot(
  sources: PictureSources,
  picture: Picture,
  held: ReadonlySet<string>,
  billed: Billed,
): Snapshot {
  const { site } = sources;
  const work = picture.work.flatMap((one) => workFacts(sources, picture, one, billed));
  return {
    at: picture.at,
    connection: {
      limitW: site.connection.limitMw * MW,
      usableW: usableConnectionW(site),
      lossFraction: site.connection.lossPct / 100,
      rampWPerMinute: site.connection.rampMwPerMinute === undefined ? undefined : site.connection.rampMwPerMinute * MW,
      importW: picture.importW,
      exportLimitW: site.connection.exportLimitMw === undefined ? undefined : site.connection.exportLimitMw * MW,
      exportAdderUsdPerMwh: site.connection.exportAdderUsdPerMwh,
    },
    tariff: { ...blockOf(site.tariff), demand: billed.demand, coincidentUsdPerMw: coincidentUsdPerMw(site.charges) },
    mining: {
      keptFraction: (1 - site.mining.poolFeePct / 100) * (1 - site.mining.stalePct / 100),
      wakeUsdPerMachine: site.mining.wakeUsdPerMachine,
      retuneUsdPerMachine: site.mining.retuneUsdPerMachine,
      minimumOnMs: site.mining.minimumOnMinutes * MINUTE,
      minimumOffMs: site.mining.minimumOffMinutes * MINUTE,
    },
    ballast: ballastOf(site),
    halls: picture.halls.map((hall) => hallFacts(sources, hall, picture, work)),
    feeders: feederFacts(site),
    generation: generatorFacts(site),
    awards: awardFacts(site, picture.at),
    programCalls: programCallFacts(site, picture.at),
    leases: leaseFacts(site, picture.at),
    cohorts: site.machines.flatMap((group) => {
      const facts = picture.groups.get(group.id);
      if (group.kind !== 'asic' || facts === undefined) return [];
      // Machines that can neither sleep nor change their point stay as they are, whatever a plan would like.
      const moves = facts.answering.some(({ device }) => device.sleep !== undefined || device.setMode !== undefined);
      const cohort = cohortFacts(sources, picture, group, facts, held.has(group.id) || !moves);
      const ids = facts.answering.map(({ machine }) => machine.id);
      const { sleepSeconds, wakeSeconds } = billed.answers?.(group, ids) ?? {};
      return [{ ...cohort, responseSeconds: sleepSeconds, wakeSeconds }];
    }),
    work,
  };
}

function hallFacts(sources: PictureSources, h: HallPicture, picture: Picture, work: readonly WorkFacts[]): HallFacts {
  const { hall } = h;
  // GPU servers that answer, less what their jobs add: hosts and idle GPUs, which no decision changes.
  const serversW = [...picture.groups.values()]
    .flatMap((group) => group.answering.concat())
    .reduce(
      (sum, { machine, reading }) =>
        sum + (machine.kind === 'gpu-server' && machine.hallId === hall.id ? (reading?.powerW ?? 0) : 0),
      0,
    );
  const jobsW = work.reduce(
    (sum, one) => sum + (one.hallId === hall.id ? one.runningGpus * one.marginalWPerGpu : 0),
    0,
  );
  const silentW = h.silent.reduce((sum, member) => sum + worstCaseW(member), 0);
  return {
    id: hall.id,
    usableW: usableHallW(hall),
    cooling: coolingFacts(hall.cooling),
    // What the meter shows and nothing explains is load all the same; brought from the meter back to the machines.
    fixedW:
      Math.max(0, serversW - jobsW) + fitting(h.cooling, h.machinesW.value + silentW, 1, sources.unexplainedW(hall.id)),
    silent: { machines: h.silent.length, powerW: silentW },
    wakesPerMinute: hall.wakesPerMinute,
    uplinkMbps: sources.uplinks.capacityMbps(hall.id),
  };
}

/**
 * What machines can run at that take no mode, only sleep and wake: the points they are seen at; of those that are all asleep the
 * plain one, which they wake to. A plan must not ask for another point of their model, as it would never come.
 */
export function pointsOfOneKept(known: readonly ModePoint[], seen: ReadonlySet<string>): readonly ModePoint[] {
  const ways = [seen, new Set(PLAIN_PROFILES)].map((wanted) => known.filter(({ profile }) => wanted.has(profile)));
  return ways.find((points) => points.length > 0) ?? known;
}

function cohortFacts(
  { site, reconciler }: PictureSources,
  picture: Picture,
  group: Site['machines'][number],
  { answering }: GroupPicture,
  held: boolean,
): CohortFacts {
  const model = CATALOGUE.get(group.model);
  if (model?.kind !== 'asic') throw new Error(`${group.id}: ${group.model} is no miner`);
  const known = measuredPoints(answering, reportedPoints(answering) ?? group.points ?? model.points);
  const points = answering.some(({ device }) => device.setMode !== undefined)
    ? known
    : pointsOfOneKept(known, new Set(answering.map(({ reading }) => modeKey(reading!.mode!))));
  const now: Record<string, number> = {};
  const pinned: Record<string, number> = {};
  for (const { machine, reading } of answering) {
    const key = modeKey(reading!.mode!);
    now[key] = (now[key] ?? 0) + 1;
    const change = reconciler.lastChange(machine.id);
    if (change === undefined || change.mode !== key) continue;
    const dwellMinutes = key === 'sleep' ? site.mining.minimumOffMinutes : site.mining.minimumOnMinutes;
    if (picture.at - change.at < dwellMinutes * 60_000) pinned[key] = (pinned[key] ?? 0) + 1;
  }
  const sleepW = model.sleepW;
  return {
    id: group.id,
    hallId: group.hall,
    modelId: group.model,
    machines: answering.length,
    sleepW,
    points,
    now,
    pinned,
    held,
  };
}

/** The points that most machines of the group report themselves. */
function reportedPoints(answering: readonly FleetMachine[]): readonly ModePoint[] | undefined {
  return answering.find(({ reading }) => (reading?.points?.length ?? 0) > 1)?.reading?.points;
}

/**
 * Nameplate and profile tables are promises. What machines in a steady state really draw and hash, against what
 * their points say, scales all points of the group; a spread beyond a quarter is taken for a fault, not a fact.
 */
function measuredPoints(answering: readonly FleetMachine[], points: readonly ModePoint[]): readonly ModePoint[] {
  const byProfile = new Map(points.map((point) => [point.profile, point]));
  const said = { powerW: 0, hashrateThs: 0 };
  const seen = { powerW: 0, hashrateThs: 0 };
  for (const { reading } of answering) {
    if (reading?.mode?.kind !== 'run' || reading.powerW === undefined || reading.hashrateThs === undefined) continue;
    const point = byProfile.get(reading.mode.profile);
    if (point === undefined || reading.hashrateThs < 0.85 * point.hashrateThs) continue;
    said.powerW += point.powerW;
    said.hashrateThs += point.hashrateThs;
    seen.powerW += reading.powerBasis === 'measured' ? reading.powerW : point.powerW;
    seen.hashrateThs += reading.hashrateThs;
  }
  const ratio = (key: 'powerW' | 'hashrateThs') =>
    said[key] === 0 ? 1 : Math.min(1.25, Math.max(0.75, seen[key] / said[key]));
  const power = ratio('powerW');
  const hash = ratio('hashrateThs');
  return points.map((point) => ({ ...point, powerW: point.powerW * power, hashrateThs: point.hashrateThs * hash }));
}

function workFacts(
  { site, clusters }: PictureSources,
  picture: Picture,
  one: WorkPicture,
  billed: Billed,
): WorkFacts[] {
  const { workClass, role, clusterId, hallId, runningGpus, queuedGpus, heldGpus, usdPerGpuHour } = one;
  // Work nobody can price is left alone rather than valued at nothing.
  if (usdPerGpuHour === undefined) return [];
  const nodes = clusters.get(clusterId)?.reading?.nodes ?? [];
  const movingTo = clusters.get(clusterId)?.movingTo;
  const there = usableNodes(nodes, workClass.gpu, role).filter(
    ({ name }) => role === undefined || (movingTo?.get(name) ?? role.id) === role.id,
  );
  const coming = nodes.filter(
    (node) => role !== undefined && movingTo?.get(node.name) === role.id && node.gpuModel === workClass.gpu,
  );
  const part = [...new Set([...there, ...coming])];
  const partGpus = Math.max(0, gpusOf(part) - pausedGpusOn(clusters.get(clusterId)?.reading?.jobs ?? [], part));
  return [
    {
      id: workClass.id,
      hallId,
      ...(role !== undefined && { roleId: role.id }),
      className: workClass.class,
      line: workClass.line,
      gpuModel: workClass.gpu,
      runningGpus,
      queuedGpus,
      heldGpus,
      partGpus,
      committedGpus: workClass.committedGpus,
      // Measured on this very work, where it was.
      marginalWPerGpu: limitPoints(workClass)?.at(-1)?.marginalW ?? marginalWPerGpu(site, picture, workClass.gpu),
      usdPerGpuHour,
      uplinkMbpsPerGpu: workClass.uplinkMbpsPerGpu,
      penaltyUsdPerGpuHour: workClass.penaltyUsdPerGpuHour,
      interruptUsdPerGpu: plannedInterruptUsdPerGpu(workClass, usdPerGpuHour),
      preemptible: workClass.preemptible,
      curtailment: billed.curtailment(workClass, picture.at),
      availability: billed.availability(workClass, picture.at),
      deadline: billed.deadline(workClass, picture.at),
    },
  ];
}

/** What a working GPU draws beyond an idle one: measured where enough of both are seen, else by the catalogue. */
function marginalWPerGpu(site: Site, picture: Picture, gpuModel: string): number {
  const busy: number[] = [];
  for (const group of site.machines) {
    const model = CATALOGUE.get(group.model);
    if (model?.kind !== 'gpu-server' || model.gpuModel !== gpuModel) continue;
    for (const { reading } of picture.groups.get(group.id)?.answering ?? []) {
      for (const gpu of reading?.gpus ?? []) {
        if (gpu.powerW !== undefined && (gpu.utilisationPct ?? 0) >= 50) busy.push(gpu.powerW);
      }
    }
    if (busy.length >= 8) return Math.max(0, busy.reduce((sum, w) => sum + w, 0) / busy.length - model.gpuIdleW);
    return model.gpuBusyW - model.gpuIdleW;
  }
  return 0;
}
