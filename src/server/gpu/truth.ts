import { z } from 'zod';
import { CATALOGUE, MINUTE, type GpuReading, type Job, type SiteMs } from '../../model/index.ts';
import type { FleetMachine } from '../fleet.ts';
import { nodesByAddress, sharesOf, startKey, type NodeJobs, type Share } from './shares.ts';

/** What GPUs really draw and do, joined with the jobs their schedulers say are on them. */
export interface GpuTruth {
  /** A reading of a GPU server. */
  observe(member: Pick<FleetMachine, 'machine' | 'reading'>): void;
  /** After each reading of the clusters: jobs that ended are forgotten. */
  look(): void;
  job(clusterId: string, job: Job): JobTruth;
  /** The GPUs of a job by server, where it is known which are its own and what they draw. */
  gpusOf(clusterId: string, job: Job): readonly GpusOfServer[] | undefined;
  /** Has the job all GPUs of a server? */
  isWhole(machineId: string, clusterId: string, job: Job): boolean;
  /** What GPUs of a server drew in its last reading, and when; `taken` where a job has one of them. */
  freeW(
    machineId: string,
    of: readonly number[],
  ): { readonly at: SiteMs; readonly powerW: number } | 'taken' | undefined;
  /** Servers without a job that draw or work all the same, lately and for long. */
  unaccounted(): readonly { readonly machineId: string; readonly clusterId: string; readonly powerW: number }[];
  /** Learned draw of one idle GPU of a server; undefined until it was seen idle often enough. */
  floorW(machineId: string): number | undefined;
  /** What a restart shall know; to be kept now and then. */
  kept(): string;
}

export interface GpusOfServer {
  readonly machineId: string;
  readonly of: readonly number[];
  readonly powerW: number;
}

/** Of the GPUs of one job, as they tell it themselves. What nobody tells is undefined. */
export interface JobTruth {
  readonly powerW: number | undefined;
  /** Which of a shared server's GPUs are its own is not known: its part is by their number. */
  readonly isEstimated: boolean;
  readonly utilisationPct: number | undefined;
  /** Over all its starts, as far as covered. */
  readonly energyWh: number | undefined;
  readonly energyBasis: 'counters' | 'readings' | 'both' | undefined;
  /** Part of its GPUs' running time that the energy is of. */
  readonly energyCoveragePct: number | undefined;
  /** What its GPUs would draw idle. */
  readonly floorW: number | undefined;
  /** What stopping it would release: measured draw less measured floor. */
  readonly flexibleW: number | undefined;
  /** GPUs it holds and lets stand; undefined where utilisation or its GPUs are not known. */
  readonly idleGpus: number | undefined;
  /** It runs, and draws no more than idle GPUs do. */
  readonly isStuck: boolean | undefined;
}

export interface GpuTruthOptions {
  clusters(): Parameters<typeof nodesByAddress>[0];
  siteNow(): SiteMs;
  /** Site age past which a reading says nothing of now. */
  staleMs(): number;
  /** What `kept` gave in an earlier life. */
  readonly before: string | undefined;
}

/** For so long a GPU must stand still, or a server draw without a job, before it is said. */
export const IDLE_MS = 10 * MINUTE;
const IDLE_PCT = 2;
/** Readings further apart say nothing of what was drawn between them; a counter does. */
const MOST_GAP_MS = 5 * MINUTE;
/** No GPU draws so much: a counter that says so was set back and went on. */
const MOST_GPU_W = 3_000;
/** Readings of a server's idle GPUs that its floor is the median of; fewer than the least say nothing. */
const FLOOR_READINGS = 61;
const LEAST_READINGS = 5;
/** Of readings of one part at one load. */
const FLOOR_NOISE = 1.1;
const FLOOR_NOISE_W = 5;
/** An idle GPU that draws more than so many times its catalogue's watts is not idle, whatever its scheduler says. */
const IDLE_FACTOR = 2;

const kept = z.object({
  floors: z.record(z.string(), z.array(z.number())),
  jobs: z.record(
    z.string(),
    z.object({
      start: z.string(),
      /** GPU-milliseconds that this start has run when it was last seen, and those of the starts before it. */
      runMs: z.number(),
      earlierMs: z.number(),
      wh: z.number(),
      /** GPU-milliseconds the energy is of, by how it is known. */
      counterMs: z.number(),
      readingMs: z.number(),
    }),
  ),
});
type JobEnergy = z.infer<typeof kept>['jobs'][string];

interface Observed {
  readonly at: SiteMs;
  readonly gpus: ReadonlyMap<number, GpuReading>;
  readonly shares: readonly Share[];
  /** Since when a GPU has stood still in the hands of one job. */
  readonly idleSince: ReadonlyMap<number, SiteMs>;
  readonly alone: { readonly since: SiteMs; readonly powerW: number; readonly clusterId: string } | undefined;
}

export function createGpuTruth(options: GpuTruthOptions): GpuTruth {
  const past = options.before === undefined ? undefined : kept.parse(JSON.parse(options.before));
  const floors = new Map(Object.entries(past?.floors ?? {}));
  const energies = new Map(Object.entries(past?.jobs ?? {}));
  const seen = new Map<string, Observed>();
  /** Servers that have a share of a start, and since when all of it has drawn no more than its floor. */
  const serversOf = new Map<string, Set<string>>();
  const atFloorSince = new Map<string, SiteMs>();
  let nodes: ReadonlyMap<string, NodeJobs> = nodesByAddress(options.clusters());
  let jobs = jobsByStart();

  function jobsByStart(): Map<string, Job> {
    return new Map(
      [...nodes.values()].flatMap(({ clusterId, jobs: here }) =>
        here.map((job) => [startKey(clusterId, job), job] as const),
      ),
    );
  }

  function floorW(machineId: string): number | undefined {
    const readings = floors.get(machineId) ?? [];
    return readings.length < LEAST_READINGS ? undefined : readings.toSorted((a, b) => a - b)[readings.length >> 1];
  }

  function learnFloor(id: string, modelId: string, free: readonly (GpuReading | undefined)[]): void {
    const model = CATALOGUE.get(modelId);
    const mostW = model?.kind === 'gpu-server' ? IDLE_FACTOR * model.gpuIdleW : Infinity;
    const watts = free.flatMap((gpu) =>
      gpu?.powerW !== undefined && gpu.powerW <= mostW && (gpu.utilisationPct ?? 0) <= IDLE_PCT ? [gpu.powerW] : [],
    );
    if (watts.length === 0) return;
    const readings = floors.get(id) ?? [];
    readings.push(Math.round((watts.reduce((sum, w) => sum + w, 0) / watts.length) * 10) / 10);
    if (readings.length > FLOOR_READINGS) readings.shift();
    floors.set(id, readings);
  }

  function energyOf(key: string, at: SiteMs): JobEnergy | undefined {
    const job = jobs.get(key);
    if (job === undefined) return undefined;
    const id = key.slice(0, key.lastIndexOf(' '));
    const runMs = Math.max(0, at - (job.startedAt ?? at)) * job.gpus;
    const known = energies.get(id);
    const { wh = 0, counterMs = 0, readingMs = 0 } = known ?? {};
    const earlierMs =
      known === undefined || known.start === key ? (known?.earlierMs ?? 0) : known.earlierMs + known.runMs;
    const energy = { start: key, runMs, earlierMs, wh, counterMs, readingMs };
    energies.set(id, energy);
    return energy;
  }

  /** What a share drew since the reading before, where the same start had the same GPUs then. */
  function addEnergy(share: Share, before: Observed, now: Observed): void {
    if (!before.shares.some((one) => isSame(one, share))) return;
    const energy = energyOf(share.key, now.at);
    const dtMs = now.at - before.at;
    if (energy === undefined || dtMs <= 0) return;
    for (const index of share.of) {
      const [from, to] = [before.gpus.get(index), now.gpus.get(index)];
      const counted = countedWh(from, to, dtMs);
      if (counted !== undefined) {
        energy.wh += counted * share.fraction;
        energy.counterMs += dtMs * share.fraction;
      } else if (from?.powerW !== undefined && to?.powerW !== undefined && dtMs <= MOST_GAP_MS) {
        energy.wh += (((from.powerW + to.powerW) / 2) * dtMs * share.fraction) / 3.6e6;
        energy.readingMs += dtMs * share.fraction;
      }
    }
  }

  /** Does a server that no job is on draw more than its idle GPUs may, or work? */
  function aloneW(id: string, modelId: string, gpus: readonly GpuReading[]): number | undefined {
    const model = CATALOGUE.get(modelId);
    const idleW = floorW(id) ?? (model?.kind === 'gpu-server' ? model.gpuIdleW : undefined);
    const powerW = sum(gpus.map((gpu) => gpu.powerW));
    const works = gpus.some((gpu) => (gpu.utilisationPct ?? 0) > IDLE_PCT);
    if (powerW === undefined || (!works && (idleW === undefined || powerW <= IDLE_FACTOR * idleW * gpus.length)))
      return undefined;
    return powerW;
  }

  /** What one server tells of one share now; undefined where its reading is old. */
  function part(machineId: string, key: string): { readonly share: Share; readonly observed: Observed } | undefined {
    const observed = seen.get(machineId);
    const share = observed?.shares.find((one) => one.key === key);
    if (observed === undefined || share === undefined || options.siteNow() - observed.at > options.staleMs())
      return undefined;
    return { share, observed };
  }

  function partsOf(key: string, job: Job) {
    const found = [...(serversOf.get(key) ?? [])].flatMap((id) => {
      const one = part(id, key);
      return one === undefined ? [] : [{ id, ...one }];
    });
    // A gang is known when every one of its servers is.
    return found.length > 0 && found.length === job.nodes.length ? found : undefined;
  }

  function powerOf(key: string, job: Job) {
    const parts = partsOf(key, job);
    if (parts === undefined) return undefined;
    const powerW = sum(
      parts.flatMap(({ share, observed }) =>
        share.of.map((index) => times(observed.gpus.get(index)?.powerW, share.fraction)),
      ),
    );
    const idleW = sum(parts.map(({ id, share }) => times(floorW(id), share.of.length * share.fraction)));
    return { parts, powerW, idleW };
  }

  return {
    observe({ machine: { id, modelId, address, kind }, reading }) {
      const node = nodes.get(address);
      if (kind !== 'gpu-server' || reading?.gpus === undefined || node === undefined) return;
      const { at } = reading;
      const before = seen.get(id);
      if (before !== undefined && at <= before.at) return;
      const { shares, free } = sharesOf(node, reading.gpus);
      const gpus = new Map(reading.gpus.map((gpu) => [gpu.index, gpu]));
      if (node.jobs.length === 0 && !node.node.isOff) learnFloor(id, modelId, reading.gpus);
      else
        learnFloor(
          id,
          modelId,
          free.map((index) => gpus.get(index)),
        );
      const aloneNowW = node.jobs.length > 0 ? undefined : aloneW(id, modelId, reading.gpus);
      const now: Observed = {
        at,
        gpus,
        shares,
        idleSince: stillSince(shares, gpus, at, before),
        alone:
          aloneNowW === undefined
            ? undefined
            : { since: before?.alone?.since ?? at, powerW: aloneNowW, clusterId: node.clusterId },
      };
      seen.set(id, now);
      for (const share of shares) {
        serversOf.set(share.key, (serversOf.get(share.key) ?? new Set()).add(id));
        if (before !== undefined) addEnergy(share, before, now);
        const job = jobs.get(share.key);
        const drawn = job && powerOf(share.key, job);
        if (drawn?.powerW === undefined || drawn.idleW === undefined) continue;
        const mostW = drawn.idleW * FLOOR_NOISE + FLOOR_NOISE_W * job!.gpus;
        if (drawn.powerW > mostW) atFloorSince.delete(share.key);
        else if (!atFloorSince.has(share.key)) atFloorSince.set(share.key, at);
      }
    },
    look() {
      nodes = nodesByAddress(options.clusters());
      jobs = jobsByStart();
      for (const key of serversOf.keys()) {
        if (jobs.has(key)) continue;
        serversOf.delete(key);
        atFloorSince.delete(key);
      }
      const listed = new Set<string>();
      for (const { id, reading } of options.clusters()) {
        // One that never answered yet still has the jobs it had.
        if (reading === undefined) return;
        for (const job of reading.jobs) listed.add(`${id}/${job.id}`);
      }
      for (const id of energies.keys()) if (!listed.has(id)) energies.delete(id);
    },
    job(clusterId, job) {
      const key = startKey(clusterId, job);
      const drawn = job.state === 'running' || job.state === 'paused' ? powerOf(key, job) : undefined;
      const isPaused = job.state === 'paused';
      const now = options.siteNow();
      const since = atFloorSince.get(key);
      const idle = drawn?.parts.map(({ share, observed }) => idleCount(share, observed, now));
      const { powerW, idleW } = drawn ?? {};
      return {
        powerW,
        isEstimated: drawn?.parts.some(({ share }) => share.fraction < 1) === true,
        utilisationPct: drawn === undefined ? undefined : mean(drawn.parts.flatMap(utilisations)),
        ...energyTold(energies.get(`${clusterId}/${job.id}`)),
        floorW: idleW,
        flexibleW: powerW === undefined || idleW === undefined ? undefined : Math.max(0, powerW - idleW),
        idleGpus: idle === undefined || isPaused ? undefined : sum(idle),
        isStuck:
          powerW === undefined || idleW === undefined || isPaused
            ? undefined
            : since !== undefined && now - since >= IDLE_MS,
      };
    },
    gpusOf(clusterId, job) {
      const drawn = powerOf(startKey(clusterId, job), job);
      if (drawn?.powerW === undefined || drawn.parts.some(({ share }) => share.fraction < 1)) return undefined;
      return drawn.parts.map(({ id, share: { of }, observed }) => ({
        machineId: id,
        of,
        powerW: sum(of.map((index) => observed.gpus.get(index)?.powerW))!,
      }));
    },
    isWhole(machineId, clusterId, job) {
      const found = part(machineId, startKey(clusterId, job));
      return found?.share.fraction === 1 && found.share.of.length === found.observed.gpus.size;
    },
    freeW(machineId, of) {
      const observed = seen.get(machineId);
      if (observed === undefined) return undefined;
      if (observed.shares.some((share) => share.of.some((index) => of.includes(index)))) return 'taken';
      const powerW = sum(of.map((index) => observed.gpus.get(index)?.powerW));
      return powerW === undefined ? undefined : { at: observed.at, powerW };
    },
    unaccounted: () =>
      [...seen].flatMap(([machineId, { at, alone }]) =>
        alone === undefined || at - alone.since < IDLE_MS || options.siteNow() - at > options.staleMs()
          ? []
          : [{ machineId, clusterId: alone.clusterId, powerW: alone.powerW }],
      ),
    floorW,
    kept: () => JSON.stringify({ floors: Object.fromEntries(floors), jobs: Object.fromEntries(energies) }),
  };
}

const isSame = (a: Share, b: Share): boolean =>
  a.key === b.key &&
  a.fraction === b.fraction &&
  a.of.length === b.of.length &&
  a.of.every((gpu, i) => gpu === b.of[i]);

/** By the counter of one GPU; undefined where it has none, went back, or went further than any GPU draws. */
function countedWh(from: GpuReading | undefined, to: GpuReading | undefined, dtMs: number): number | undefined {
  if (from?.energyMj === undefined || to?.energyMj === undefined) return undefined;
  const wh = (to.energyMj - from.energyMj) / 3.6e6;
  return wh >= 0 && wh <= (MOST_GPU_W * dtMs) / 3.6e6 ? wh : undefined;
}

/** Of GPUs that are known to be of one start, since when each has stood still. */
function stillSince(
  shares: readonly Share[],
  gpus: ReadonlyMap<number, GpuReading>,
  at: SiteMs,
  before: Observed | undefined,
): Map<number, SiteMs> {
  const since = new Map<number, SiteMs>();
  for (const share of shares) {
    const wasSo = before?.shares.some((one) => isSame(one, share)) === true;
    for (const index of share.of) {
      const pct = gpus.get(index)?.utilisationPct;
      if (pct === undefined || pct > IDLE_PCT) continue;
      since.set(index, (wasSo ? before?.idleSince.get(index) : undefined) ?? at);
    }
  }
  return since;
}

function idleCount({ of, fraction }: Share, { gpus, idleSince }: Observed, now: SiteMs): number | undefined {
  if (of.some((index) => gpus.get(index)?.utilisationPct === undefined)) return undefined;
  const idle = of.filter((index) => now - (idleSince.get(index) ?? now) >= IDLE_MS).length;
  // Which of them are its own is not known: all or none can be told.
  return fraction === 1 ? idle : idle === of.length ? of.length * fraction : idle === 0 ? 0 : undefined;
}

const utilisations = ({ share, observed }: { share: Share; observed: Observed }): (number | undefined)[] =>
  share.of.map((index) => observed.gpus.get(index)?.utilisationPct);

function energyTold(energy: JobEnergy | undefined): Pick<JobTruth, 'energyWh' | 'energyBasis' | 'energyCoveragePct'> {
  const { wh = 0, counterMs = 0, readingMs = 0, earlierMs = 0, runMs = 0 } = energy ?? {};
  if (counterMs + readingMs === 0) return { energyWh: undefined, energyBasis: undefined, energyCoveragePct: undefined };
  const wholeMs = Math.max(earlierMs + runMs, counterMs + readingMs);
  return {
    energyWh: wh,
    energyBasis: readingMs === 0 ? 'counters' : counterMs === 0 ? 'readings' : 'both',
    energyCoveragePct: (100 * (counterMs + readingMs)) / wholeMs,
  };
}

const times = (value: number | undefined, factor: number): number | undefined =>
  value === undefined ? undefined : value * factor;

function sum(values: readonly (number | undefined)[]): number | undefined {
  let total = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    total += value;
  }
  return total;
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const total = sum(values);
  return total === undefined || values.length === 0 ? undefined : total / values.length;
}
