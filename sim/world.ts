import {
  CATALOGUE,
  addressesOf,
  machineId,
  type AfterOutage,
  type AsicModel,
  type GpuServerModel,
  type Site,
} from '../src/model/index.ts';
import type { SimCommand, SimPool } from './command.ts';
import { firmwareOf } from './firmware.ts';
import { coolingW, createHall, inletC, lagWetBulb, openBreaker, stepBreaker, type SimHall } from './halls.ts';
import type { BreakerState } from './breaker.ts';
import { createJobs, endJob, fillJobs, occupy, requeueJob, stepJobs, submitJob, type Jobs } from './jobs.ts';
import { limitMiner, rebootMiner, setMinerPoint, setWorkMode, sleepMiner, wakeMiner } from './miner-commands.ts';
import { createMiners, stepMiners, type MinerGroup, type Miners, type StepContext } from './miners.ts';
import { pointsOf } from './points.ts';
import { GPUS, createServers, freeAll, minimumLimitW, stepServers, type Servers } from './servers.ts';
import { outletKey, restoreSupply } from './restore.ts';
import { coolingShare, supplyShiftC } from './set-points.ts';
import type { SimConfig } from './sim-schema.ts';
import type { Weather } from './weather.ts';

/** A place on the network. `index` counts miners, servers or meters, by kind. */
export interface Endpoint {
  readonly kind: 'miner' | 'server' | 'meter' | 'slurm' | 'kubernetes' | 'uplink' | 'pdu' | 'cooling' | 'pool';
  readonly id: string;
  readonly groupId: string;
  /** Which driver the site file has for it: what else a real one speaks, it speaks at another address. */
  readonly driver: string;
  readonly address: string;
  readonly index: number;
  /** Hall index; -1 at the connection. */
  readonly hall: number;
  /** Unique over all kinds. */
  readonly number: number;
}

export interface World {
  readonly site: Site;
  readonly config: SimConfig;
  readonly seed: number;
  readonly stepMs: number;
  readonly weather: Weather;
  readonly endpoints: readonly Endpoint[];
  readonly byAddress: ReadonlyMap<string, Endpoint>;
  readonly miners: Miners;
  readonly servers: Servers;
  /** Host name and address of each server: DCGM, Slurm and the site file know it by the same address. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
  readonly halls: readonly SimHall[];
  readonly jobs: Jobs;
  /** Machines killed by an injected fault. */
  readonly deadMiners: Uint8Array;
  readonly deadServers: Uint8Array;
  /** Miners whose outlet is off: kept beside the state, which the journal replays. */
  readonly unplugged: Uint8Array;
  readonly unpluggedServers: Uint8Array;
  readonly state: WorldState;
}

export interface WorldState {
  /** Site time of the last step, a multiple of `stepMs`. */
  t: number;
  /** Pools somebody wrote into a miner, by its index; the others have the sim file's. */
  pools: Map<number, readonly SimPool[]>;
  /** Outlets that are off, by the number of what hangs on them. */
  off: Set<number>;
  /** Servers switched off through their BMC. */
  serversOff: Set<number>;
  /** Halls without supply in the last step, by index. */
  darkHalls: Set<number>;
  /** Servers without supply in the last step, by index. */
  darkServers: Set<number>;
  /** What servers do when their supply comes back, by index; the others do what they did before. */
  restores: Map<number, AfterOutage>;
  /** Seconds until an outlet is on when its PDU has supply again, -1 for never, by PDU and outlet; the others are on at once. */
  outletSeconds: Map<string, number>;
  /** Cooling plants whose start was written, by index, with since when; the others follow their own program. */
  demands: Map<number, { readonly on: boolean; readonly since: number }>;
  /** Set points of cooling plants that were changed, by index. */
  setPoints: Map<number, number>;
  readonly feeder: { readonly breaker: BreakerState; powerW: number; energyWh: number };
}

/** Site milliseconds of one step: about 150 ms on the wall, in whole seconds of site time. */
export const stepMsFor = (speed: number): number => 1000 * Math.max(1, Math.round(speed * 0.15));

export function createWorld(
  site: Site,
  config: SimConfig,
  options: { readonly seed: number; readonly stepMs: number; readonly weather: Weather; readonly start: number },
): World {
  const { seed, stepMs, weather } = options;
  const start = Math.floor(options.start / stepMs) * stepMs;
  const endpoints = listEndpoints(site);
  const hallIndex = new Map(site.halls.map((hall, index) => [hall.id, index]));
  const { miners, servers } = createMachines(site, config, seed, start, hallIndex);
  const designW = site.halls.map(() => 0);
  for (let i = 0; i < miners.count; i += 1) {
    designW[miners.hall[i]!]! += miners.groups[miners.group[i]!]!.model.nameplateW;
  }
  for (let n = 0; n < servers.count; n += 1)
    designW[servers.hall[n]!]! += servers.models[servers.model[n]!]!.nameplateW;
  const { wetBulbC } = weather.at(start);
  const world: World = {
    site,
    config,
    seed,
    stepMs,
    weather,
    endpoints,
    byAddress: new Map(endpoints.map((endpoint) => [endpoint.address, endpoint])),
    miners,
    servers,
    nodes: nameNodes(endpoints, servers),
    halls: site.halls.map((hall, index) => createHall(hall, index, designW[index]!, seed, wetBulbC)),
    jobs: createJobs(site, config, servers, seed),
    deadMiners: new Uint8Array(miners.count),
    deadServers: new Uint8Array(servers.count),
    unplugged: new Uint8Array(miners.count),
    unpluggedServers: new Uint8Array(servers.count),
    state: {
      t: start,
      pools: new Map(),
      off: new Set(),
      serversOff: new Set(),
      setPoints: new Map(),
      darkHalls: new Set(),
      darkServers: new Set(),
      restores: new Map(),
      outletSeconds: new Map(),
      demands: new Map(),
      feeder: { breaker: { heat: 0, closesAt: undefined }, powerW: 0, energyWh: 0 },
    },
  };
  fillJobs(world.jobs, servers, start);
  // Meters did not start with the run.
  world.halls.forEach((hall) => (hall.state.energyWh = Math.round(hall.designW * 24 * 200 * hall.marginalFactor)));
  world.state.feeder.energyWh = world.halls.reduce((sum, hall) => sum + hall.state.energyWh, 0);
  stepWorld(world, start, 0);
  return world;
}

function createMachines(
  site: Site,
  config: SimConfig,
  seed: number,
  start: number,
  hallIndex: ReadonlyMap<string, number>,
): { miners: Miners; servers: Servers } {
  const groups: MinerGroup[] = [];
  const minerMembers: { group: number; hall: number }[] = [];
  const models: GpuServerModel[] = [];
  const serverMembers: { model: number; hall: number }[] = [];
  for (const group of site.machines) {
    const model = CATALOGUE.get(group.model)!;
    const hall = hallIndex.get(group.hall)!;
    const count = addressesOf(group.addresses).length;
    if (model.kind === 'asic') {
      const firmware = firmwareOf(group.driver, group.settings);
      groups.push({ id: group.id, model: model satisfies AsicModel, firmware, table: pointsOf(model, firmware) });
      for (let i = 0; i < count; i += 1) minerMembers.push({ group: groups.length - 1, hall });
    } else {
      models.push(model);
      for (let i = 0; i < count; i += 1) serverMembers.push({ model: models.length - 1, hall });
    }
  }
  return {
    miners: createMiners(groups, minerMembers, config, seed, start),
    servers: createServers(models, serverMembers, seed),
  };
}

function listEndpoints(site: Site): Endpoint[] {
  const endpoints: Endpoint[] = [];
  const counts = { miner: 0, server: 0, meter: 0, slurm: 0, kubernetes: 0, uplink: 0, pdu: 0, cooling: 0, pool: 0 };
  const hallIndex = new Map(site.halls.map((hall, index) => [hall.id, index]));
  const add = (kind: Endpoint['kind'], id: string, groupId: string, driver: string, address: string, hall: number) => {
    endpoints.push({ kind, id, groupId, driver, address, index: counts[kind]++, hall, number: endpoints.length });
  };
  for (const group of site.machines) {
    const kind = group.kind === 'asic' ? 'miner' : 'server';
    addressesOf(group.addresses).forEach((address, i) =>
      add(kind, machineId(group.id, i), group.id, group.driver, address, hallIndex.get(group.hall)!),
    );
  }
  for (const meter of site.meters) {
    const hall = meter.measures === 'connection' ? -1 : hallIndex.get(meter.measures.hall)!;
    add('meter', meter.id, meter.id, meter.driver, meter.address, hall);
  }
  for (const cluster of site.clusters) {
    const url = cluster.settings['url'];
    if (typeof url === 'string') {
      const kind = cluster.driver === 'kubernetes' ? 'kubernetes' : 'slurm';
      add(kind, cluster.id, cluster.id, cluster.driver, new URL(url).hostname, hallIndex.get(cluster.hall)!);
    }
  }
  for (const one of site.plant) add(one.kind, one.id, one.id, one.driver, one.address, hallIndex.get(one.hall)!);
  for (const uplink of site.uplinks)
    add('uplink', uplink.id, uplink.id, uplink.driver, uplink.address, hallIndex.get(uplink.hall)!);
  // Last: the list of pools may change while the machines, and what is saved of them, stay.
  for (const pool of site.pools)
    add('pool', pool.id, pool.id, 'stratum', new URL(pool.url.replace(/^\S+?:/, 'http:')).hostname, -1);
  return endpoints;
}

/** `h100-0007`: the GPU part, and a number that counts within it. */
function nameNodes(endpoints: readonly Endpoint[], servers: Servers): { name: string; address: string }[] {
  const counts = new Map<string, number>();
  return endpoints
    .filter((endpoint) => endpoint.kind === 'server')
    .map(({ address, index }) => {
      const { gpuModel } = servers.models[servers.model[index]!]!;
      const count = (counts.get(gpuModel) ?? 0) + 1;
      counts.set(gpuModel, count);
      return { name: `${gpuModel}-${String(count).padStart(4, '0')}`, address };
    });
}

/** Brings the world to site time `t` on its grid. @param coarse takes steps this many times as long */
export function advance(world: World, t: number, coarse = 1): void {
  const step = world.stepMs * coarse;
  while (world.state.t + step <= t) stepWorld(world, world.state.t + step, step);
}

/** Most steps taken one by one; a longer gap (a laptop that slept) is crossed in larger ones. */
const MOST_STEPS = 2000;

/** Brings the world to site time `t`, however far away it is. */
export function catchUp(world: World, t: number): void {
  const behind = (t - world.state.t) / world.stepMs;
  if (behind > MOST_STEPS) advance(world, t, Math.ceil(behind / MOST_STEPS));
  advance(world, t);
}

function stepWorld(world: World, t: number, dtMs: number): void {
  const { config, halls, state, site } = world;
  const dtS = dtMs / 1000;
  const weather = world.weather.at(t);
  const feederLive = state.feeder.breaker.closesAt === undefined;
  for (const hall of halls) lagWetBulb(hall.state, weather.wetBulbC, dtS);
  const context: StepContext = {
    seed: world.seed,
    t,
    dtMs,
    step: Math.round(t / world.stepMs) | 0,
    live: halls.map((hall) => feederLive && hall.state.breaker.closesAt === undefined),
    inletC: halls.map((hall) => inletC(hall, weather.temperatureC) + supplyShiftC(world, hall.config)),
  };
  restoreSupply(world, context.live);
  stepMiners(world.miners, context, config, world.deadMiners, world.unplugged);
  stepServers(world.servers, context, config.failures.deadPct, config.failures.repairHours, world);
  stepJobs(world.jobs, world.servers, t, dtMs);
  sumHalls(world, context);
  let total = 0;
  for (const hall of halls) {
    const hallW = hall.state.itW + hall.state.coolingW;
    hall.state.energyWh += (hallW * dtMs) / 3_600_000;
    total += hallW;
    stepBreaker(hall.state.breaker, hallW, hall.config.breakerMw * 1e6, t, dtS, config.breakers);
  }
  const { feeder } = state;
  feeder.powerW = total * (1 + site.connection.lossPct / 100);
  feeder.energyWh += (feeder.powerW * dtMs) / 3_600_000;
  stepBreaker(feeder.breaker, feeder.powerW, site.connection.limitMw * 1e6, t, dtS, config.breakers);
  state.t = t;
}

function sumHalls(world: World, context: StepContext): void {
  const { halls, miners, servers } = world;
  for (const hall of halls) hall.state.itW = 0;
  for (let i = 0; i < miners.count; i += 1) halls[miners.hall[i]!]!.state.itW += miners.state.powerW[i]!;
  for (let n = 0; n < servers.count; n += 1) halls[servers.hall[n]!]!.state.itW += servers.state.serverW[n]!;
  for (const hall of halls) {
    // The cooling plant hangs on the same breaker.
    const share = coolingShare(supplyShiftC(world, hall.config));
    hall.state.coolingW = context.live[hall.index]! ? share * coolingW(hall, hall.state.itW, hall.state.wetBulbC) : 0;
  }
}

/** Carries out one command at site time `at`; what no longer makes sense (a job that has gone) is passed over. */
export function applyCommand(world: World, command: SimCommand, at: number): void {
  const { miners, servers, jobs, seed } = world;
  switch (command.op) {
    case 'sleep':
      return sleepMiner(miners, command.i, at, seed);
    case 'wake':
      return wakeMiner(miners, command.i, at);
    case 'reboot':
      return rebootMiner(miners, command.i, at, seed);
    case 'point':
      return setMinerPoint(miners, command.i, command.point, at, seed);
    case 'limit':
      return limitMiner(miners, command.i, command.watts, at, seed);
    case 'pools':
      world.state.pools.set(command.i, command.pools);
      return;
    case 'locate':
      miners.state.locate[command.i] = command.on ? 1 : 0;
      return;
    case 'supply':
      return setSupply(world, command.number, command.on);
    case 'server-power':
      if (command.on) world.state.serversOff.delete(command.n);
      else {
        world.state.serversOff.add(command.n);
        // Down at once, so that off and on again is a restart.
        servers.state.upAt[command.n] = Infinity;
      }
      return;
    case 'server-restore':
      world.state.restores.set(command.n, command.what);
      return;
    case 'outlet-restore':
      world.state.outletSeconds.set(outletKey(command.pdu, command.outlet), command.seconds);
      return;
    case 'demand-cooling':
      if (command.on === undefined) world.state.demands.delete(command.cooling);
      else if (world.state.demands.get(command.cooling)?.on !== command.on)
        world.state.demands.set(command.cooling, { on: command.on, since: at });
      return;
    case 'set-point':
      world.state.setPoints.set(command.cooling, command.celsius);
      return;
    case 'work-mode':
      return setWorkMode(miners, command.i, command.mode, at, seed);
    case 'gpu-limit': {
      const model = servers.models[servers.model[command.n]!]!;
      const watts = Math.min(model.gpuTdpW, Math.max(minimumLimitW(model), command.watts));
      for (const g of command.gpus) servers.state.gpuLimitW[command.n * GPUS + g] = watts;
      return;
    }
    case 'gpu-clock':
      for (const g of command.gpus) servers.state.gpuClockMhz[command.n * GPUS + g] = command.mhz;
      return;
    case 'gpu-xid':
      servers.state.gpuXid[command.n * GPUS + command.gpu] = command.xid;
      return;
    case 'job-intensity': {
      const job = jobs.state.list.get(command.id);
      if (job === undefined) return;
      job.intensity = command.intensity;
      if (job.state === 'RUNNING') occupy(servers, job);
      return;
    }
    case 'trip': {
      const breaker = command.hall < 0 ? world.state.feeder.breaker : world.halls[command.hall]!.state.breaker;
      return openBreaker(breaker, at, world.config.breakers.recloseMinutes);
    }
    case 'node-cordon':
      if (command.on) jobs.state.cordoned.add(command.n);
      else jobs.state.cordoned.delete(command.n);
      jobs.version += 1;
      return;
    case 'queue-stop':
      if (command.on) jobs.state.stopped?.add(command.partition);
      else jobs.state.stopped?.delete(command.partition);
      jobs.version += 1;
      return;
    case 'job-submit':
      submitJob(jobs, command.job, at);
      return;
    default:
      return applyToJob(world, command, at);
  }
}

function setSupply(world: World, number: number, on: boolean): void {
  if (on) world.state.off.delete(number);
  else world.state.off.add(number);
  rewire(world);
}

/** The columns the steps read, from the set that is saved. */
export function rewire(world: World): void {
  world.unplugged.fill(0);
  world.unpluggedServers.fill(0);
  for (const number of world.state.off) {
    const { kind, index } = world.endpoints[number]!;
    if (kind === 'miner') world.unplugged[index] = 1;
    else if (kind === 'server') world.unpluggedServers[index] = 1;
  }
}

function applyToJob(world: World, command: Extract<SimCommand, { id: number }>, at: number): void {
  const { jobs, servers } = world;
  const job = jobs.state.list.get(command.id);
  if (job === undefined || (job.state !== 'PENDING' && job.state !== 'RUNNING')) return;
  if (command.op === 'job-hold') {
    job.held = command.held;
    if (job.state === 'PENDING') job.reason = command.held ? 'JobHeldUser' : 'None';
  } else if (command.op === 'job-requeue') {
    if (job.state === 'RUNNING') requeueJob(jobs, servers, job, at);
  } else if (command.op === 'job-cancel') endJob(jobs, servers, job, at, 'CANCELLED');
  else if (command.op === 'job-stop') {
    if (job.state === 'RUNNING') {
      job.stopped = command.on;
      occupy(servers, job);
    }
  } else if (command.op === 'job-change') {
    job.comment = command.comment ?? job.comment;
    job.timeLimitMinutes = command.timeLimitMinutes ?? job.timeLimitMinutes;
  }
  jobs.version += 1;
}

/** After a restart: GPUs belong again to the saved jobs. */
export function reoccupy(world: World): void {
  freeAll(world.servers);
  world.servers.intensity.fill(0);
  for (const job of world.jobs.state.list.values()) if (job.state === 'RUNNING') occupy(world.servers, job);
}
