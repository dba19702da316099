import type { Reconciler } from '../control/reconciler.ts';
import { wetBulbC } from '../dispatch/economics.ts';
import {
  averagePerW,
  commitmentsOf,
  cooledW,
  coolingCurve,
  coolingFacts,
  type Commitment,
  type CoolingCurve,
  MACHINE_STATES,
  modeKey,
  pessimistic,
  isOfClass,
  roleOf,
  sumCovered,
  valueAt,
  worstCoolingCurve,
  type ClusterReading,
  type Covered,
  type Hall,
  type MachineState,
  type NodeRole,
  type SeriesName,
  type Site,
  type SiteClock,
  type SiteMs,
  type WallMs,
} from '../model/index.ts';
import type { WorkLine } from '../books/flow.ts';
import type { Fleet, FleetMachine } from './fleet.ts';
import { stateOf } from './machine-state.ts';
import type { Markets } from './markets.ts';
import { freshPowerW, type Plant, type PlantMeter } from './plant.ts';
import type { Uplinks } from './uplinks.ts';

/** The whole site at one moment, made from what was last read; made again every second. */
export interface Picture {
  readonly at: SiteMs;
  readonly wall: WallMs;
  readonly importW: number | undefined;
  readonly importAgeMs: number | undefined;
  readonly wetBulbC: number | undefined;
  readonly halls: readonly HallPicture[];
  readonly groups: ReadonlyMap<string, GroupPicture>;
  readonly states: ReadonlyMap<string, { readonly state: MachineState; readonly why: string | undefined }>;
  readonly byState: Readonly<Record<MachineState, number>>;
  readonly answering: number;
  readonly hashrateThs: Covered;
  /** Machines of a line with their cooling and losses; undefined while none of them answers. */
  readonly linePowerW: Readonly<Record<WorkLine, number | undefined>>;
  /** What machines, cooling and losses explain of the import. */
  readonly explainedW: number;
  readonly work: readonly WorkPicture[];
}

export interface HallPicture {
  readonly hall: Hall;
  readonly meterW: number | undefined;
  readonly meterAgeMs: number | undefined;
  readonly machinesW: Covered;
  /** Without weather the dearest there is. */
  readonly cooling: CoolingCurve;
  readonly byState: Readonly<Record<MachineState, number>>;
  readonly hottestC: number | undefined;
  readonly silent: readonly FleetMachine[];
}

export interface GroupPicture {
  readonly answering: readonly FleetMachine[];
  readonly modes: Readonly<Record<string, number>>;
  readonly total: number;
}

export interface WorkPicture {
  readonly workClass: Commitment;
  /** What the nodes are used for that it runs on; undefined where nodes have no roles. */
  readonly role: NodeRole | undefined;
  readonly clusterId: string;
  readonly hallId: string;
  /** False until its scheduler has answered once: its counts are then unknown, not zero. */
  readonly told: boolean;
  /** False while its scheduler does not answer: the counts are then those it told last. */
  readonly answers: boolean;
  readonly runningGpus: number;
  readonly queuedGpus: number;
  readonly heldGpus: number;
  /** Of jobs that keep their GPUs and do no work. */
  readonly pausedGpus: number;
  readonly usdPerGpuHour: number | undefined;
}

export interface PictureSources {
  readonly site: Site;
  readonly clock: SiteClock;
  readonly fleet: Fleet;
  readonly plant: Plant;
  readonly markets: Markets;
  readonly uplinks: Uplinks;
  readonly clusters: ReadonlyMap<
    string,
    {
      readonly reading: ClusterReading | undefined;
      readonly failure?: string | undefined;
      /** Nodes on their way into another role, and which. */
      readonly movingTo?: ReadonlyMap<string, string>;
    }
  >;
  readonly reconciler: Pick<Reconciler, 'desired' | 'commandOf' | 'lastChange'>;
  /** Watts at a hall's meter that nothing known explains. */
  unexplainedW(hallId: string): number;
  wallNow(): WallMs;
  /** Wall age past which a machine's reading is stale. */
  readonly staleMs: number;
}

/** Wall age past which a meter is silent. */
export const METER_STALE_MS = 6_000;

const noStates = (): Record<MachineState, number> =>
  Object.fromEntries(MACHINE_STATES.map((state) => [state, 0])) as Record<MachineState, number>;

export function takePicture(sources: PictureSources): Picture {
  const { site, clock, fleet, plant, markets } = sources;
  const at = clock.now();
  const wall = sources.wallNow();
  const dryBulbC = markets.value('temperatureC', at);
  const dewPointC = markets.value('dewPointC', at);
  const wetBulb = dryBulbC === undefined || dewPointC === undefined ? undefined : wetBulbC(dryBulbC, dewPointC);

  const states = new Map<string, { state: MachineState; why: string | undefined }>();
  const byState = noStates();
  const byHall = new Map(site.halls.map((hall) => [hall.id, [] as FleetMachine[]]));
  const byGroup = new Map(site.machines.map((group) => [group.id, [] as FleetMachine[]]));
  // A miner that does not say its mode cannot be planned for: it counts with the silent ones.
  const answering = new Set<FleetMachine>();
  for (const member of fleet.machines) {
    const { id, hallId, groupId, kind } = member.machine;
    const state = stateOf(member, stateContext(sources, id, wall, at));
    states.set(id, state);
    byState[state.state] += 1;
    const isThere = state.state !== 'unreachable' && state.state !== 'stale';
    if (isThere && (kind !== 'asic' || member.reading?.mode !== undefined)) answering.add(member);
    byHall.get(hallId)?.push(member);
    byGroup.get(groupId)?.push(member);
  }
  const answers = (member: FleetMachine): boolean => answering.has(member);

  const halls = site.halls.map((hall) =>
    hallPicture(hall, byHall.get(hall.id) ?? [], states, answers, plant, wetBulb, wall, clock),
  );
  const groups = new Map([...byGroup].map(([id, members]) => [id, groupPicture(members, answers)]));
  const asics = fleet.machines.filter(({ machine }) => machine.kind === 'asic');
  const loss = 1 + site.connection.lossPct / 100;
  return {
    at,
    wall,
    importW: freshPowerW(plant.connection, wall, METER_STALE_MS),
    importAgeMs: ageMs(plant.connection, wall, clock),
    wetBulbC: wetBulb,
    halls,
    groups,
    states,
    byState,
    answering: fleet.machines.length - byState.unreachable - byState.stale,
    hashrateThs: sumCovered(asics.map((member) => (answers(member) ? member.reading?.hashrateThs : undefined))),
    linePowerW: linePowers(sources, halls, answers, loss),
    explainedW: halls.reduce((sum, h) => sum + explainedW(h) * loss, 0),
    work: workPictures(sources, at),
  };
}

/** What the machines of a hall that answer, and its cooling, account for. */
export const explainedW = (h: HallPicture): number =>
  cooledW(h.cooling, h.machinesW.value) + h.hall.cooling.baseKw * 1000;

function stateContext({ reconciler, staleMs }: PictureSources, id: string, wallNow: WallMs, at: SiteMs) {
  const change = reconciler.lastChange(id);
  const stage = reconciler.commandOf(id)?.stage;
  return {
    wallNow,
    staleMs,
    wanted: reconciler.desired(id)?.mode,
    commandOpen: stage === 'sent' || stage === 'acknowledged',
    changedAgoMs: change === undefined ? undefined : at - change.at,
  };
}

/** Age on the site clock of a meter's last answer. */
function ageMs(meter: PlantMeter | undefined, wall: WallMs, clock: SiteClock): number | undefined {
  return meter?.readWall === undefined ? undefined : (wall - meter.readWall) * clock.speed;
}

function hallPicture(
  hall: Hall,
  members: readonly FleetMachine[],
  states: Picture['states'],
  answers: (member: FleetMachine) => boolean,
  plant: Plant,
  wetBulb: number | undefined,
  wall: WallMs,
  clock: SiteClock,
): HallPicture {
  const byState = noStates();
  let hottestC: number | undefined;
  for (const member of members) {
    byState[states.get(member.machine.id)!.state] += 1;
    const t = answers(member) ? member.reading?.temperatureC : undefined;
    if (t !== undefined && (hottestC === undefined || t > hottestC)) hottestC = t;
  }
  const meter = plant.hall(hall.id);
  const facts = coolingFacts(hall.cooling);
  return {
    hall,
    meterW: freshPowerW(meter, wall, METER_STALE_MS),
    meterAgeMs: ageMs(meter, wall, clock),
    machinesW: sumCovered(members.map((member) => (answers(member) ? member.reading?.powerW : undefined))),
    cooling: wetBulb === undefined ? worstCoolingCurve(facts) : coolingCurve(facts, wetBulb),
    byState,
    hottestC,
    silent: members.filter((member) => !answers(member)),
  };
}

function groupPicture(members: readonly FleetMachine[], answers: (member: FleetMachine) => boolean): GroupPicture {
  const answering = members.filter(answers);
  const modes: Record<string, number> = {};
  for (const { reading } of answering) {
    if (reading?.mode === undefined) continue;
    const key = modeKey(reading.mode);
    modes[key] = (modes[key] ?? 0) + 1;
  }
  return { answering, modes, total: members.length };
}

/** GPU servers work for the line of the jobs on them, by GPUs; idle ones for none. */
function linePowers(
  sources: PictureSources,
  halls: readonly HallPicture[],
  answers: (member: FleetMachine) => boolean,
  loss: number,
): Record<WorkLine, number | undefined> {
  const shares = serverShares(sources);
  const factor = new Map(halls.map((h) => [h.hall.id, (1 + averagePerW(h.cooling, h.machinesW.value)) * loss]));
  const sum: Record<WorkLine, number | undefined> = { mining: undefined, ai: undefined, hpc: undefined };
  const add = (line: WorkLine, watts: number) => {
    sum[line] = (sum[line] ?? 0) + watts;
  };
  for (const member of sources.fleet.machines) {
    const powerW = member.reading?.powerW;
    if (powerW === undefined || !answers(member)) continue;
    const watts = powerW * (factor.get(member.machine.hallId) ?? 1);
    if (member.machine.kind === 'asic') add('mining', watts);
    else {
      const share = shares.get(member.machine.address);
      if (share === undefined) continue;
      add('ai', watts * share.ai);
      add('hpc', watts * share.hpc);
    }
  }
  return sum;
}

/** Part of each server, by address, that works for each line. */
function serverShares({ site, clusters }: PictureSources): Map<string, { ai: number; hpc: number }> {
  const shares = new Map<string, { ai: number; hpc: number }>();
  for (const config of site.clusters) {
    const reading = clusters.get(config.id)?.reading;
    if (reading === undefined) continue;
    const nodes = new Map(reading.nodes.map((node) => [node.name, node]));
    for (const job of reading.jobs) {
      if (job.state !== 'running' || job.nodes.length === 0) continue;
      const line = config.classes.find((one) => isOfClass(job, one))?.line ?? 'ai';
      for (const name of job.nodes) {
        const node = nodes.get(name);
        if (node === undefined || node.gpus === 0) continue;
        const share = shares.get(node.address) ?? { ai: 0, hpc: 0 };
        share[line] += job.gpus / job.nodes.length / node.gpus;
        shares.set(node.address, share);
      }
    }
  }
  for (const share of shares.values()) {
    // A job list read between two steps of the scheduler may count a GPU twice; a server is never more than whole.
    const whole = share.ai + share.hpc;
    if (whole > 1) {
      share.ai /= whole;
      share.hpc /= whole;
    }
  }
  return shares;
}

function workPictures({ site, clusters, markets }: PictureSources, at: SiteMs): WorkPicture[] {
  return site.clusters.flatMap((cluster) => {
    const jobs = clusters.get(cluster.id)?.reading?.jobs ?? [];
    return cluster.classes.map((asWritten): WorkPicture => {
      const workClass = commitmentsOf(site, asWritten, at);
      const mine = jobs.filter((job) => isOfClass(job, workClass));
      const gpus = (state: string) => mine.reduce((sum, job) => sum + (job.state === state ? job.gpus : 0), 0);
      const price = workClass.usdPerGpuHour;
      const quote = typeof price === 'number' ? price : quoteNow(markets, `gpuUsdPerHour.${price.quote}`, at);
      return {
        workClass,
        role: roleOf(cluster, asWritten),
        clusterId: cluster.id,
        hallId: cluster.hall,
        told: clusters.get(cluster.id)?.reading !== undefined,
        answers: clusters.get(cluster.id)?.reading !== undefined && clusters.get(cluster.id)?.failure === undefined,
        runningGpus: gpus('running'),
        queuedGpus: gpus('pending'),
        heldGpus: gpus('held'),
        pausedGpus: gpus('paused'),
        usdPerGpuHour: quote === undefined || typeof price === 'number' ? quote : quote * price.factor,
      };
    });
  });
}

/** A quote in force or, once its feed is silent for too long, the pessimistic one. */
function quoteNow(markets: Markets, name: string, at: SiteMs): number | undefined {
  const series = markets.series.get(name as SeriesName);
  const now = series && valueAt(series, at);
  return now?.stale === true ? pessimistic(series!) : now?.value;
}
